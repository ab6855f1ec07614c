"""The Stanford distribution of NMED-T, in small files of the same layout, becomes EEG-BIDS."""

import h5py
import mne
import numpy as np
import pandas as pd
import pytest
import soundfile

from predann_bids.cli import make_command, run
from predann_bids.tools.cli import tools
from predann_bids.tools.nmedt.files import SONGS, opened

RATE = 10.0
CODES = (23, 21)  # Tiptoes, then FirstFires


def write_raw(path, codes=CODES, *, rate=RATE, channels=129, spoil=lambda triggers: triggers, seed=0):
    """Write a file as MATLAB v7.3 does; gives its EEG (channels, samples) and its songs' onsets in samples from 0."""
    onsets, triggers, sample = [], [("epoc", 3)], 100
    for code in codes:
        onsets.append(sample)
        # MATLAB counts from 1; the song's own trigger comes a little before its onset
        triggers += [(f"D{code:03d}", sample - 4), ("DIN128", sample + round(rate) + 1)]
        sample += round((SONGS[code].seconds + 5) * rate)
    rng = np.random.default_rng(seed)
    eeg = rng.standard_normal((channels, sample)) * 20
    eeg[128:] = 0
    with h5py.File(path, "w") as file:
        file["X"], file["fs"] = eeg.T, np.array([[rate]])
        cells = file.create_dataset("DIN_1", (len(triggers), 2), dtype=h5py.ref_dtype)
        triggers = spoil(list(triggers))
        for number, (label, at) in enumerate(triggers[: len(cells)]):
            file[f"#refs#/label{number}"] = np.array([[ord(letter)] for letter in label], dtype=np.uint16)
            file[f"#refs#/sample{number}"] = np.array([[float(at)]])
            cells[number] = [file[f"#refs#/label{number}"].ref, file[f"#refs#/sample{number}"].ref]
    return eeg, onsets


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    directory = tmp_path_factory.mktemp("audio")
    for name, code in (("first fires.wav", 21), ("23.flac", 23), ("22_Oino.wav", 22)):
        length = int(SONGS[code].seconds * 1000)
        soundfile.write(directory / name, 0.1 * np.random.default_rng(code).standard_normal(length), 1000)
    return directory


@pytest.fixture
def nmedt(audio, tmp_path, capsys):
    """Convert what lies in `raw`; gives the exit code and standard error."""
    (tmp_path / "raw").mkdir()

    def nmedt(*more, songs=audio):
        code = run(tools, ["nmedt", str(tmp_path / "raw"), str(songs), str(tmp_path / "bids"), *map(str, more)])
        return code, capsys.readouterr().err

    return nmedt


def test_eeg_onsets_and_durations_are_those_of_the_files(nmedt, tmp_path):
    eeg, onsets = write_raw(tmp_path / "raw" / "02_1_raw.mat")
    assert nmedt()[0] == 0
    stem = tmp_path / "bids/sub-02/eeg/sub-02_task-music_run-1"
    raw = mne.io.read_raw_brainvision(f"{stem}_eeg.vhdr", preload=True, verbose="error")
    assert raw.info["sfreq"] == RATE
    assert raw.ch_names == [f"E{number}" for number in range(1, 129)]
    np.testing.assert_allclose(raw.get_data() * 1e6, eeg[:128], rtol=1e-6)
    events = pd.read_csv(f"{stem}_events.tsv", sep="\t")
    assert events["trial_type"].tolist() == ["Tiptoes", "FirstFires"]
    assert events["stim_file"].tolist() == ["23_Tiptoes.flac", "21_FirstFires.wav"]
    np.testing.assert_allclose(events["onset"] * RATE, onsets)
    np.testing.assert_allclose(events["duration"], [276, 278])


def test_the_dataset_is_valid_and_the_participant_level_finds_its_music(nmedt, tmp_path, validator_errors):
    _, onsets = write_raw(tmp_path / "raw" / "02_1_raw.mat", rate=20.0)
    write_raw(tmp_path / "raw" / "19_2_raw.mat", (22,), rate=20.0)
    assert nmedt()[0] == 0
    assert validator_errors(tmp_path / "bids") == []
    arguments = [tmp_path / "bids", tmp_path / "out", "participant", "--no-report", "--n-procs", "1", "--h-freq", "9"]
    more = ["--resample", "20", "--skip-bids-validation"]
    assert run(make_command(), [str(word) for word in (*arguments, *more)]) == 0
    stem = tmp_path / "out/sub-02/eeg/sub-02_task-music_run-1_desc-preproc"
    events = pd.read_csv(f"{stem}_events.tsv", sep="\t")
    np.testing.assert_allclose(events["onset"] * 20, onsets)
    assert len(pd.read_csv(f"{stem}_channels.tsv", sep="\t")) == 128


def test_what_is_converted_is_kept_and_the_rest_is_done(nmedt, tmp_path):
    write_raw(tmp_path / "raw" / "02_1_raw.mat", (22,))
    assert nmedt()[0] == 0
    header = tmp_path / "bids/sub-02/eeg/sub-02_task-music_run-1_eeg.vhdr"
    before = header.stat().st_mtime_ns
    write_raw(tmp_path / "raw" / "03_1_raw.mat", (22,))
    assert nmedt()[0] == 0
    assert header.stat().st_mtime_ns == before
    assert (tmp_path / "bids" / "participants.tsv").read_text().split() == ["participant_id", "sub-02", "sub-03"]
    assert nmedt("--overwrite")[0] == 0
    assert header.stat().st_mtime_ns > before


def without_128(triggers):
    return [(label, at) for label, at in triggers if label != "DIN128"] + [("x", 1), ("x", 2)]


def swapped(triggers):
    return [triggers[0], *triggers[3:], *triggers[1:3]]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"spoil": without_128}, "the trigger 23 of Tiptoes"),
        ({"spoil": swapped}, "out of order"),
        ({"codes": (22, 22)}, "Oino (trigger 22) is played twice"),
        ({"codes": ()}, "no trigger of a song"),
        ({"channels": 64}, "X has the shape (64,"),
    ],
)
def test_a_file_that_is_off_is_named_and_the_others_are_converted(nmedt, tmp_path, damage, words):
    write_raw(tmp_path / "raw" / "02_1_raw.mat", **damage)
    write_raw(tmp_path / "raw" / "03_1_raw.mat", (22,))
    code, err = nmedt()
    assert code == 1
    assert "02_1_raw.mat" in err
    assert words in err
    assert not list((tmp_path / "bids").rglob("sub-02*"))
    assert list((tmp_path / "bids").rglob("sub-03*_eeg.vhdr"))
    assert not list((tmp_path / "bids").rglob(".writing-*"))


def test_a_recording_that_was_cut_off_is_told_by_its_last_song(nmedt, tmp_path):
    write_raw(tmp_path / "raw" / "02_1_raw.mat", (22,))
    with h5py.File(tmp_path / "raw" / "02_1_raw.mat", "r+") as file:
        eeg = file["X"][:1000]
        del file["X"]
        file["X"] = eeg
    code, err = nmedt()
    assert code == 65
    assert "Oino begins at 10.0 s and lasts 271 s, but the recording has 100.0 s" in err


def test_a_file_of_another_kind_is_unusable(nmedt, tmp_path):
    (tmp_path / "raw" / "02_1_raw.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    code, err = nmedt()
    assert code == 65
    assert "is not a MATLAB v7.3 file" in err


def test_audio_that_is_missing_or_of_another_length_is_named_with_its_song(nmedt, tmp_path):
    write_raw(tmp_path / "raw" / "02_1_raw.mat", (22,))
    songs = tmp_path / "songs"
    songs.mkdir()
    code, err = nmedt(songs=songs)
    assert code == 66
    assert "the audio of Oino is not in" in err
    soundfile.write(songs / "Oino.wav", np.zeros(200_000), 1000)
    code, err = nmedt(songs=songs)
    assert code == 65
    assert "Oino.wav lasts 200.0 s, but Oino of NMED-T lasts 271 s" in err


@pytest.mark.parametrize("more", [("--participant-label", "07"), ()])
def test_files_that_are_not_there_are_missing(nmedt, tmp_path, more):
    if more:
        write_raw(tmp_path / "raw" / "02_1_raw.mat", (22,))
    code, err = nmedt(*more)
    assert code == 66
    assert "_1_raw.mat" in err


def test_eeg_is_read_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("predann_bids.tools.nmedt.files.READ_SAMPLES", 700)
    eeg, _ = write_raw(tmp_path / "02_1_raw.mat", (22,))
    with opened(tmp_path / "02_1_raw.mat") as raw:
        blocks = list(raw.blocks())
    assert max(map(len, blocks)) == 700
    np.testing.assert_allclose(np.concatenate(blocks).T, eeg[:128], rtol=1e-6)

"""Each kind of damage to one participant or to the whole dataset: what the user is told, and what happens to the rest.

One participant of two is damaged. Alone, she ends the run with the code of what is wrong; with the other one, with 1,
and the other one is complete. When the damage is mended, the same command does what is missing and keeps the rest. What
becomes of the other one is the same for all kinds: most of them find her done.
"""

import errno
import os
import shutil
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import edfio
import numpy as np
import pytest
import soundfile
from scipy.io import savemat

from predann_bids import cli
from predann_bids.bids.tables import read_columns
from predann_bids.errors import TryAgain
from predann_bids.tools.simulation.dataset import simulate
from predann_bids.tools.simulation.settings import Simulation
from predann_bids.workflows.processes import do_all

QUICK = ("--no-report", "--n-procs", "1", "--skip-bids-validation")
CHANNELS, RATE, SECONDS = 6, 200, 6
NAME = "sub-01/eeg/sub-01_task-music"
EEG, HEADER, MARKERS, SIDECAR = (f"{NAME}_eeg{suffix}" for suffix in (".eeg", ".vhdr", ".vmrk", ".json"))
EVENTS, TABLE = f"{NAME}_events.tsv", f"{NAME}_channels.tsv"
POSITIONS, SYSTEM = (f"sub-01/eeg/sub-01_space-CapTrak_{end}" for end in ("electrodes.tsv", "coordsystem.json"))
USABLE, MISSING = 65, 66


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Two participants, two songs of 6 s, 6 channels; read-only by agreement."""
    root = tmp_path_factory.mktemp("damage") / "ds"
    design = {"participants": 2, "songs": 2, "seconds": SECONDS, "channels": CHANNELS, "sampling_rate": RATE}
    return simulate(root, Simulation(**design, snr=1.0, seed=1))


@pytest.fixture(scope="module")
def second_done(small, tmp_path_factory):
    """What becomes of the second participant of `small`; read-only by agreement."""
    output = tmp_path_factory.mktemp("damage") / "out"
    arguments = (small, output, "participant", "--participant-label", "02", *QUICK)
    assert cli.run(cli.make_command(), [str(argument) for argument in arguments]) == 0
    return output


@pytest.fixture
def ds(small, tmp_path):
    return shutil.copytree(small, tmp_path / "ds")


# -- what can be seen from outside -------------------------------------------------------------------------------------


def contents(directory):
    return {
        str(path.relative_to(directory)): (path.lstat().st_mtime_ns, path.read_bytes() if readable(path) else None)
        for path in (directory, *directory.rglob("*"))
    }


def readable(path):
    return path.is_file() and os.access(path, os.R_OK)


def finished(output):
    return sorted(path.parts[-3] for path in output.rglob("*_desc-preproc_eeg.json"))


def said(err):
    """The error: the line that begins with it, and those that follow."""
    lines = err.splitlines()
    first = [number for number, line in enumerate(lines) if line.startswith("Error:")]
    assert len(first) <= 1, err
    return "\n".join(lines[first[0] :]) if first else ""


@pytest.fixture
def run(ds, tmp_path, app):
    """Run the participant level; whatever happens, the input stays as it is, and nothing half-written is left."""

    def run(*more, dataset=ds):
        before = contents(dataset)
        code, out, err = app(dataset, tmp_path / "out", "participant", *QUICK, *more)
        assert contents(dataset) == before, "the dataset was written to"
        assert "Traceback" not in out + err
        assert bool(said(err)) == (code != 0), err
        assert list(tmp_path.rglob(".writing-*")) == []
        return code, out, err

    return run


def statuses(out):
    rows = [[cell.strip() for cell in line.split("│")] for line in out.splitlines() if "│" in line]
    return {row[1].partition("_")[0]: row[2] for row in rows}


# -- kinds of damage ---------------------------------------------------------------------------------------------------


def write(name, content):
    def damage(root):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return damage


def table(*rows):
    return "\n".join("\t".join(row.split()) for row in rows) + "\n"


def replace(name, old, new):
    def damage(root):
        text = (root / name).read_text(encoding="utf-8")
        assert old in text
        (root / name).write_text(text.replace(old, new), encoding="utf-8")

    return damage


def remove(*names):
    return lambda root: [(root / name).unlink() for name in names]


def cut(name, share=0.5, odd=True):
    def damage(root):
        content = (root / name).read_bytes()
        (root / name).write_bytes(content[: int(len(content) * share) | odd])

    return damage


def break_link(name):
    def damage(root):
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to("../../.git/annex/objects/MD5E-s1--0")

    return damage


def samples(change):
    """Change the samples, shape (samples, channels), units of 0.1 microvolts."""

    def damage(root):
        data = np.fromfile(root / EEG, "<f4").reshape(-1, CHANNELS)
        changed = change(data)
        (data if changed is None else changed).astype("<f4").tofile(root / EEG)

    return damage


def put(value, where):
    def change(data):
        data[where] = value

    return samples(change)


def audio(seconds, name="song-01.wav"):
    return lambda root: soundfile.write(root / "stimuli" / name, np.zeros(round(seconds * 8000)), 8000)


def both(*damages):
    return lambda root: [damage(root) for damage in damages]


def plays(name, events=None):
    """Name other audio in events, whose id would contradict it."""
    events = events or EVENTS
    return both(replace(events, "song-01.wav", name), replace(events, "stim-song01", "n/a"))


def no_longer_brainvision(root):
    data = np.fromfile(root / EEG, "<f4").reshape(-1, CHANNELS).T / 10
    names = [line.split("\t")[0] for line in (root / TABLE).read_text().splitlines()[1:]]
    remove(EEG, HEADER, MARKERS)(root)
    return data, names


def as_edf(root):
    data, names = no_longer_brainvision(root)
    data = data[:, : data.shape[1] // RATE * RATE]
    signals = [edfio.EdfSignal(x, RATE, label=n, physical_dimension="uV") for n, x in zip(names, data, strict=True)]
    edfio.Edf(signals).write(root / f"{NAME}_eeg.edf")


def as_set_and_fdt(root):
    data, names = no_longer_brainvision(root)
    empty = {key: [] for key in ("icawinv", "icasphere", "icaweights", "event")}
    scalars = {"nbchan": float(len(names)), "pnts": float(data.shape[1]), "trials": 1.0, "srate": float(RATE)}
    chanlocs = np.rec.fromarrays([names], names=["labels"])
    content = {"setname": "x", "data": f"{Path(NAME).name}_eeg.fdt", "chanlocs": chanlocs, **scalars, **empty}
    savemat(root / f"{NAME}_eeg.set", {"EEG": content}, appendmat=False)
    data.T.astype("<f4").tofile(root / f"{NAME}_eeg.fdt")


@dataclass(frozen=True)
class Kind:
    """One kind of damage: the code of a run of the damaged participant alone, and words that must be told."""

    name: str
    damage: Callable[[Path], object]
    code: int
    words: tuple[str, ...]


FATAL = [
    # events and audio
    Kind("onset beyond the end", write(EVENTS, table("onset duration stim_file", "5000 6 song-01.wav")), USABLE,
         (f"{EVENTS}, line 2", "5000 s, outside the recording")),
    Kind("onset that is no number", write(EVENTS, "onset\tduration\tstim_file\n\nsoon\t6\tsong-01.wav\n"), USABLE,
         (f"{EVENTS}, line 3", "'soon' is not a number of seconds")),
    Kind("two pieces at once", write(EVENTS, table("onset duration stim_file", "2 6 song-01.wav", "2 6 song-02.wav")),
         USABLE, (f"{EVENTS}, line 3", "begins at 2 s, as does 'song-01.wav' of line 2")),
    Kind("empty events.tsv", write(EVENTS, ""), USABLE, (f"{EVENTS} is empty", "onset and duration")),
    Kind("events without an onset", write(EVENTS, table("time duration stim_file", "2 6 song-01.wav")), USABLE,
         (f"{EVENTS} has no column onset",)),
    Kind("commas instead of tabs", write(EVENTS, "onset,duration,stim_file\n2,6,song-01.wav\n"), USABLE,
         (f"{EVENTS} has no column", "tabs")),
    Kind("rows of different lengths", write(EVENTS, "onset\tduration\tstim_file\n2\t6\n3\t6\tsong-01.wav\tx\n"), USABLE,
         (f"{EVENTS} is not a table", "line 3 has 4 cells, but the header has 3 names")),
    Kind("rows that are all longer than the header", write(EVENTS, "onset\tduration\n2\t6\tsong-01.wav\n"), USABLE,
         (f"{EVENTS} is not a table", "line 2 has 3 cells, but the header has 2 names")),
    Kind("rubbish as events.tsv", write(EVENTS, bytes(range(256)) * 4), USABLE, (f"{EVENTS} is not a table", "UTF-8")),
    Kind("zeros as events.tsv", write(EVENTS, bytes(4096)), USABLE, (f"{EVENTS} is not a table", "zero bytes")),
    Kind("link to events that were not fetched", break_link(EVENTS), MISSING, (EVENTS, "datalad get")),
    # sidecars
    Kind("invalid JSON", write(SIDECAR, '{"TaskName": '), USABLE, (f"{SIDECAR} is not valid JSON",)),
    Kind("JSON that is a list", write(SIDECAR, "[1, 2]"), USABLE, (f"{SIDECAR} must hold a JSON object",)),
    Kind("JSON that is no text", write(SIDECAR, b"\xff\xfe{\0}\0"), USABLE, (f"{SIDECAR} is not valid JSON", "UTF-8")),
    Kind("link to a sidecar that was not fetched", break_link(SIDECAR), MISSING, (SIDECAR, "datalad get")),
    # EEG
    Kind("BrainVision data cut off within a sample", cut(EEG), USABLE, (f"{EEG} ends within a sample",)),
    Kind("empty BrainVision data", write(EEG, ""), USABLE, (f"{EEG} is empty",)),
    Kind("missing BrainVision data", remove(EEG), MISSING, (EEG, "does not exist", f"{HEADER} needs it")),
    Kind("a header that is no header", write(HEADER, "nonsense"), USABLE, (f"{HEADER} cannot be read",)),
    Kind("an empty header", write(HEADER, ""), USABLE, (f"{HEADER} cannot be read",)),
    Kind("sampling rate 0", replace(HEADER, "SamplingInterval=5000.0", "SamplingInterval=0"), USABLE,
         (f"{HEADER} cannot be read", "SamplingInterval, and here it is 0")),
    Kind("no sampling rate", replace(HEADER, "SamplingInterval=5000.0", ""), USABLE,
         (f"{HEADER} cannot be read", "SamplingInterval, and here there is none")),
    Kind("another sampling rate in the sidecar", replace(HEADER, "SamplingInterval=5000.0", "SamplingInterval=20000.0"),
         USABLE, (HEADER, "sampled at 50 Hz by its own header, but at 200 Hz by", SIDECAR, "Correct it")),
    Kind("sampling rate too low", both(replace(HEADER, "SamplingInterval=5000.0", "SamplingInterval=20000.0"),
         write(SIDECAR, '{"SamplingFrequency": 50}')), USABLE,
         (HEADER, "40 Hz", "half the sampling rate (25 Hz)", "--h-freq")),
    Kind("link to a header that was not fetched", break_link(HEADER), MISSING, (HEADER, "datalad get")),
    Kind("link to data that were not fetched", break_link(EEG), MISSING, (EEG, "datalad get")),
    Kind("truncated EDF", both(as_edf, cut(f"{NAME}_eeg.edf")), USABLE, (f"{NAME}_eeg.edf ends too early",)),
    Kind("EDF that ends within its header", both(as_edf, cut(f"{NAME}_eeg.edf", 0.01)), USABLE, (f"{NAME}_eeg.edf",)),
    Kind("truncated .fdt", both(as_set_and_fdt, cut(f"{NAME}_eeg.fdt")), USABLE, (f"{NAME}_eeg.fdt ends too early",)),
    Kind("truncated .set", both(as_set_and_fdt, cut(f"{NAME}_eeg.set")), USABLE, (f"{NAME}_eeg.set cannot be read",)),
    Kind("missing .fdt", both(as_set_and_fdt, remove(f"{NAME}_eeg.fdt")), MISSING, (f"{NAME}_eeg.fdt",)),
    Kind("link to an .fdt that was not fetched", both(as_set_and_fdt, break_link(f"{NAME}_eeg.fdt")), MISSING,
         (f"{NAME}_eeg.fdt", "datalad get")),
    Kind("NaN", put(np.nan, (500, 2)), USABLE, (HEADER, "C3", "not finite numbers (NaN or infinite)", "channels.tsv")),
    Kind("infinite values", put(np.inf, (slice(100, 200), 0)), USABLE, (HEADER, "Cz", "NaN or infinite")),
    Kind("all channels flat", put(1, slice(None)), USABLE, (HEADER, "every EEG channel is flat")),
    Kind("nothing but zeros", put(0, slice(None)), USABLE, (EEG, "nothing but zero bytes")),
    Kind("all channels marked as bad", replace(TABLE, "\tgood\t", "\tbad\t"), USABLE,
         (HEADER, "every EEG channel is", "marked as bad")),
    Kind("no channel of type EEG", replace(TABLE, "\tEEG\t", "\tMISC\t"), USABLE,
         (HEADER, "no channel is of type EEG", "channels.tsv")),
    Kind("a recording of one second", samples(lambda data: data[:RATE]), USABLE,
         (f"{EVENTS}, line 3", "outside the recording (0 to 1 s)")),
]  # fmt: skip


@dataclass(frozen=True)
class Lost:
    """Damage that makes one of a participant's presentations useless."""

    name: str
    damage: Callable[[Path], object]
    words: tuple[str, ...]


LOST = [
    Lost("missing audio", plays("gone.wav"),
         (f"{EVENTS}, line 3", "'gone.wav' is not in", "--stimuli-dir")),
    Lost("audio outside of stimuli", plays("../song.wav"),
         (f"{EVENTS}, line 3", "lies outside of")),
    Lost("link to audio that was not fetched",
         both(break_link("stimuli/new.wav"), plays("new.wav")),
         (f"{EVENTS}, line 3", "new.wav", "datalad get")),
    Lost("zero-length audio", both(write("stimuli/new.wav", ""), plays("new.wav")),
         ("stimuli/new.wav is empty", f"{EVENTS}, line 3")),
    Lost("text named .wav", both(write("stimuli/new.wav", "la la la"), plays("new.wav")),
         ("stimuli/new.wav cannot be read as audio", "WAV, FLAC", f"{EVENTS}, line 3")),
    Lost("audio that was cut off within its header",
         both(write("stimuli/new.wav", b"RIFF\x24\0\0\0WAVEfm"), plays("new.wav")),
         ("stimuli/new.wav cannot be read as audio", f"{EVENTS}, line 3")),
    Lost("audio without samples", both(audio(0, "new.wav"), plays("new.wav")),
         ("stimuli/new.wav holds no sound", f"{EVENTS}, line 3")),
    Lost("audio shorter than a window", both(audio(1, "new.wav"), plays("new.wav")),
         (f"{EVENTS}, line 3", "new.wav lasts 1.00 s", "less than a window (3 s)")),
    Lost("a duration with a decimal comma", lambda root: change_row(root, 1, "6,5"),
         (f"{EVENTS}, line 3", "the duration '6,5' is not a number", "write 6.5")),
    Lost("an onset that is not known", lambda root: change_row(root, 0, "n/a"),
         (f"{EVENTS}, line 3", "the onset is not known")),
    Lost("an onset with a decimal comma", lambda root: change_row(root, 0, "2,5"),
         (f"{EVENTS}, line 3", "write 2.5")),
]  # fmt: skip


def change_row(root, column, text):
    lines = [line.split("\t") for line in (root / EVENTS).read_text().splitlines()]
    lines[2][column] = text
    (root / EVENTS).write_text("\n".join(map("\t".join, lines)) + "\n")


@pytest.mark.parametrize("kind", LOST, ids=lambda kind: kind.name)
def test_a_presentation_that_cannot_be_used_costs_nothing_else(kind, ds, second_done, run, tmp_path):
    shutil.copytree(second_done, tmp_path / "out")
    kind.damage(ds)
    code, out, err = run()
    assert code == 1, err
    for words in ("Some presentations cannot be used", *kind.words):
        assert words in said(err)
    assert statuses(out) == {"sub-01": "done", "sub-02": "kept"}
    events = [read_columns(tmp_path / f"out/{EVENTS}".replace("01", number).replace("_events", "_desc-preproc_events"))
              for number in ("01", "02")]  # fmt: skip
    assert "unusable" not in events[1]
    assert len(events[0]["unusable"]) == len(events[1]["onset"])
    (reason,) = [cell for cell in events[0]["unusable"] if cell != "n/a"]
    assert reason in said(err).replace(f"{ds}/", "")

    code, out, again = run()
    assert (code, statuses(out)) == (1, {"sub-01": "kept", "sub-02": "kept"})
    assert all(words.replace(f"{ds}/", "") in said(again) for words in kind.words)


@pytest.mark.parametrize("name", ["missing audio", "text named .wav", "an onset that is not known"])
def test_a_presentation_that_cannot_be_used_fails_a_participant_if_that_is_asked_for(name, ds, run):
    (kind,) = [kind for kind in LOST if kind.name == name]
    kind.damage(ds)
    code, _, err = run("--missing-audio", "fail")
    assert code == 1
    assert "Some participants failed" in said(err)


def test_music_that_began_before_the_recording_is_used_from_there_on(ds, run):
    write(EVENTS, table("onset duration stim_file", "-3 6.5 song-01.wav"))(ds)
    code, _, err = run()
    assert code == 0
    assert "where the recording begins" in err


@pytest.mark.parametrize("kind", FATAL, ids=lambda kind: kind.name)
def test_a_damaged_participant_is_told_and_the_other_is_complete(kind, ds, second_done, run, tmp_path):
    shutil.copytree(second_done, tmp_path / "out")
    kind.damage(ds)
    code, _, err = run("--participant-label", "01")
    assert code == kind.code, err
    for words in ("sub-01_task-music", *kind.words):
        assert words in said(err)
    assert not (tmp_path / "out/sub-01").exists()

    code, out, err = run()
    assert code == 1
    for words in ("the rest is complete", *kind.words):
        assert words in said(err)
    assert statuses(out) == {"sub-01": "failed", "sub-02": "kept"}
    assert finished(tmp_path / "out") == ["sub-02"]
    assert "Traceback" in (tmp_path / "out/logs/sub-01_task-music.log").read_text()


@pytest.mark.parametrize("name", ["onset beyond the end", "invalid JSON", "missing BrainVision data", "truncated EDF"])
def test_when_damage_is_mended_the_same_command_does_what_is_missing(name, ds, small, run, tmp_path):
    (kind,) = [kind for kind in FATAL if kind.name == name]
    kind.damage(ds)
    code, out, _ = run()
    assert (code, statuses(out)) == (1, {"sub-01": "failed", "sub-02": "done"})

    shutil.rmtree(ds / "sub-01")
    shutil.copytree(small / "sub-01", ds / "sub-01")
    code, out, _ = run()
    assert code == 0
    assert statuses(out) == {"sub-01": "done", "sub-02": "kept"}
    assert finished(tmp_path / "out") == ["sub-01", "sub-02"]
    assert list((tmp_path / "out/logs").glob("*.log")) == []


def other_channels(root):
    rows = (root / TABLE).read_text().replace("Cz\t", "Q1\t").replace("Fz\t", "Q2\t").splitlines()
    (root / TABLE).write_text("\n".join([*rows, rows[-1].replace("Fp2", "Q3")]) + "\n")


def renamed_data(root):
    """Rename a recording without telling its header."""
    for old, new in ((EEG, "before.eeg"), (MARKERS, "before.vmrk")):
        text = (root / HEADER).read_text(encoding="utf-8")
        (root / HEADER).write_text(text.replace(Path(old).name, new), encoding="utf-8")


def positions(change):
    def damage(root):
        head, *rows = [line.split("\t") for line in (root / POSITIONS).read_text().splitlines()]
        changed = [[row[0], *change(np.array(row[1:4], float)).astype(str), *row[4:]] for row in rows]
        (root / POSITIONS).write_text("\n".join("\t".join(row) for row in [head, *changed]) + "\n")

    return damage


def accents(form):
    """The events spell the name one way, the file system another."""

    def damage(root):
        name = "Für Élise (live) [2] it's.wav"
        (root / "stimuli/song-01.wav").rename(root / "stimuli" / unicodedata.normalize(form, name))
        other = unicodedata.normalize("NFD" if form == "NFC" else "NFC", name)
        for events in root.rglob("*_events.tsv"):
            plays(other, str(events.relative_to(root)))(root)

    return damage


def no_electrodes(root):
    remove(POSITIONS, SYSTEM)(root)


def untidy_rows(root):
    lines = (root / EVENTS).read_text().splitlines()
    rows = [" " + line.replace("\t", " \t") + "\t" for line in lines[1:]]
    (root / EVENTS).write_text("\r\n".join(["\ufeff" + lines[0], "", *rows, "", ""]), encoding="utf-8")


def duplicate_row(root):
    lines = (root / EVENTS).read_text().splitlines()
    (root / EVENTS).write_text("\n".join([*lines[:3], lines[2], *lines[3:]]) + "\n")


TOLERATED = [
    Kind("flat channel", put(0, (slice(None), 3)), 0, ()),
    Kind("missing .vmrk", remove(MARKERS), 0, (f"{MARKERS} does not exist",)),
    Kind("rubbish as .vmrk", write(MARKERS, bytes(range(256))), 0, (f"{MARKERS} cannot be read",)),
    Kind("header that names files by an old name", renamed_data, 0, ("before.eeg, which does not exist",)),
    Kind("the same row twice", duplicate_row, 0, (f"{EVENTS}, line 4", "repeats line 3")),
    Kind("blank lines, padded cells and tabs at their ends", untidy_rows, 0, ()),
    Kind("recording shorter than the music", samples(lambda data: data[: round(20.5 * RATE)]), 0,
         ("its sidecar says", "it may have been cut off", f"{EVENTS}, line 5", "where the recording ends")),
    Kind("channels.tsv of other channels", other_channels, 0, (TABLE, "Q1")),
    Kind("rubbish as channels.tsv", write(TABLE, bytes(range(256))), 0, (TABLE, "not used")),
    Kind("channel names twice", both(replace(HEADER, "Ch2=Fz", "Ch2=Cz"), remove(TABLE, POSITIONS, SYSTEM)), 0, ()),
    Kind("positions missing", no_electrodes, 0, ()),
    Kind("positions all at one point", positions(lambda place: 0 * place + 0.05), 0, ()),
    Kind("positions in the wrong unit", positions(lambda place: 1000 * place), 0, ()),
    Kind("positions that are no numbers", write(POSITIONS, table("name x y z", "Cz a b c")), 0, (POSITIONS,)),
    Kind("invalid JSON about positions", write(SYSTEM, "{"), 0, (f"{SYSTEM} is not valid JSON",)),
    Kind("rubbish as electrodes.tsv", write(POSITIONS, bytes(range(256))), 0, (POSITIONS,)),
    Kind("accents in the name of audio, NFC", accents("NFC"), 0, ()),
    Kind("accents in the name of audio, NFD", accents("NFD"), 0, ()),
]  # fmt: skip


@pytest.mark.parametrize("kind", TOLERATED, ids=lambda kind: kind.name)
def test_what_does_not_keep_a_recording_from_being_used_is_a_warning(kind, ds, run, tmp_path):
    kind.damage(ds)
    code, out, err = run("--participant-label", "01")
    assert code == 0, err
    for words in kind.words:
        assert words in err
    assert bool(kind.words) == ("Warning: " in err)
    assert finished(tmp_path / "out") == ["sub-01"]
    assert run("--participant-label", "01")[1] == out.replace("done", "kept")


# -- the whole dataset -------------------------------------------------------------------------------------------------


def test_damage_of_all_participants_ends_with_the_code_of_the_first(ds, run, tmp_path):
    write(EVENTS, "")(ds)
    break_link(EEG.replace("01", "02"))(ds)
    code, _, err = run()
    assert code == USABLE
    assert EVENTS in said(err)
    assert EEG.replace("01", "02") in said(err)
    assert finished(tmp_path / "out") == []


@pytest.mark.parametrize("content", [(), ("anat/sub-03_T1w.nii.gz",)], ids=["empty", "other modality"])
def test_a_participant_without_eeg_does_not_disturb_the_others(content, ds, run, tmp_path):
    (ds / "sub-03").mkdir()
    for name in content:
        write(f"sub-03/{name}", "x")(ds)
    assert run()[0] == 0
    assert finished(tmp_path / "out") == ["sub-01", "sub-02"]
    code, _, err = run("--participant-label", "03")
    assert code == MISSING
    assert "no EEG recording" in said(err)
    assert "03" in said(err)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_the_path_of_a_dataset_may_have_spaces_and_accents(form, ds, run, tmp_path):
    place = tmp_path / unicodedata.normalize(form, "Müsik & Gehirn, 2. Versuch [neu] 日本")
    ds.rename(place)
    assert run("--participant-label", "01", dataset=place)[0] == 0
    assert finished(tmp_path / "out") == ["sub-01"]


def test_no_permission_to_read_is_told(ds, run, tmp_path, monkeypatch):
    real = Path.read_text

    def refuse(path, *arguments, **options):
        if path == ds / SIDECAR:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", refuse)
    code, _, err = run("--participant-label", "01")
    assert code == 74
    assert f"{SIDECAR} cannot be read or written: Permission denied" in said(err)
    assert run()[0] == 1
    assert finished(tmp_path / "out") == ["sub-02"]


def test_no_permission_to_read_audio_is_told(ds, run, monkeypatch):
    write("stimuli/song-01.wav", "stands for content that libsndfile may not read")(ds)
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).suffix != ".wav" and real(path, mode))
    code, _, err = run("--missing-audio", "fail")
    assert code == 74
    assert "stimuli/song-01.wav cannot be read: there is no permission" in said(err)


def test_no_space_is_worth_trying_again(ds, run, tmp_path, monkeypatch):
    real = Path.replace

    def full(path, target):
        if "sub-01" in Path(target).name and Path(target).suffix == ".tsv":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, target)

    monkeypatch.setattr(Path, "replace", full)
    code, _, err = run("--participant-label", "01")
    assert code == 75
    assert "No space is left" in said(err)
    assert finished(tmp_path / "out") == []
    assert run()[0] == 1
    monkeypatch.setattr(Path, "replace", real)
    code, out, _ = run()
    assert code == 0
    assert statuses(out) == {"sub-01": "done", "sub-02": "kept"}


def test_a_recording_that_another_process_works_on_is_worth_trying_again(ds, run, tmp_path):
    from filelock import FileLock

    locks = tmp_path / "out/logs/locks"
    locks.mkdir(parents=True)
    with FileLock(locks / "sub-01_task-music.lock.flock"):
        code, _, err = run("--participant-label", "01")
        assert code == 75
        assert "Another process is working on sub-01_task-music" in said(err)
        assert run()[0] == 1
    assert run()[0] == 0


def killed(task, _):
    os._exit(task)


def test_a_process_that_was_killed_is_worth_trying_again():
    with pytest.raises(TryAgain, match=r"was killed.*--n-procs"):
        list(do_all(killed, [1, 1], processes=2))


# -- stimulus maps, options and directories ----------------------------------------------------------------------------

MAPS = {
    "no file": (None, 66, ("There is no stimulus map",)),
    "empty": ("", 64, ("is empty",)),
    "no column audio": (table("task label", "music x"), 64, ("line 1", "no column 'audio'")),
    "no tabs": ("task audio\nmusic song-01.wav\n", 64, ("line 1", "Separate the columns with tabs")),
    "no rules": ("task\taudio\n", 64, ("has no rule",)),
    "too many cells": ("audio\nsong-01.wav\tx\n", 64, ("line 2", "2 cells")),
    "no number": (table("audio onset_shift", "song-01.wav later"), 64, ("line 2", "onset_shift 'later'")),
    "negative duration": (table("audio duration", "song-01.wav -3"), 64, ("line 2", "duration -3")),
    "missing placeholder": (table("audio", "{session}.wav"), 64, ("line 2", "{session}")),
    "missing audio": (table("audio", "gone.wav"), 66, ("line 2", "'gone.wav' is not in")),
    "audio_start beyond the end": (table("audio audio_start", "song-01.wav 99"), 65, ("line 2", "audio_start is 99 s")),
    "no text": (b"\xff\xfe\x00", 64, ("UTF-8",)),
}


@pytest.mark.parametrize(("content", "code", "words"), MAPS.values(), ids=MAPS)
def test_a_stimulus_map_that_cannot_be_used_is_told_by_its_line(content, code, words, run, tmp_path):
    path = tmp_path / "map.tsv"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found, _, err = run("--stimulus-map", path)
    assert found == code
    for word in ("map.tsv", *words):
        assert word in said(err)
    assert finished(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--participant-label", "99"), 18, "no participant 99"),
        (("--task-label", "rest"), 18, "rest"),
        (("--session-label", "01"), 18, "01"),
        (("--run-label", "7"), 18, "7"),
        (("--particpant-label", "01"), 64, "--participant-label"),
        (("--l-freq", "low"), 64, "--l-freq"),
        (("--l-freq", "50"), 64, "l_freq (50 Hz)"),
        (("--resample", "0"), 64, "resample"),
        (("--n-procs", "many"), 64, "--n-procs"),
        (("--mem-gb", "-1"), 64, "--mem-gb"),
        (("--preset", "best"), 64, "--preset"),
        (("--stimuli-dir", "/nowhere"), 66, "/nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_options_that_cannot_be_followed_are_told(options, code, words, run, tmp_path):
    found, _, err = run(*options)
    assert found == code
    assert words in said(err)
    assert finished(tmp_path / "out") == []


def test_an_unknown_analysis_level_is_told(ds, tmp_path, app):
    code, _, err = app(ds, tmp_path / "out", "run", *QUICK)
    assert code == 17
    assert "participant or group" in said(err)


@pytest.mark.parametrize(
    ("text", "words"),
    [("[preprocessing\n", "line 1"), ("[preprocessing]\nl_frequ = 2\n", "l_freq"), ("\0", "config.toml")],
    ids=["no TOML", "unknown key", "no text"],
)
def test_a_configuration_that_cannot_be_used_is_told(text, words, run, tmp_path):
    (tmp_path / "config.toml").write_text(text)
    code, _, err = run("--config", tmp_path / "config.toml")
    assert code == 64
    assert "config.toml" in said(err)
    assert words in said(err)


def test_the_output_must_not_be_the_dataset_or_a_part_of_it(ds, app):
    before = contents(ds)
    for output in (ds, ds / "out", ds / "sub-01", ds / "derivatives"):
        code, _, err = app(ds, output, "participant", *QUICK)
        assert code == 64
        assert "derivatives/predann-bids" in said(err)
    assert contents(ds) == before


def test_the_output_may_be_among_the_derivatives_of_the_dataset(ds, app):
    code, *_ = app(ds, ds / "derivatives/predann-bids", "participant", *QUICK)
    assert code == 0
    assert app(ds, ds / "derivatives/predann-bids", "participant", *QUICK)[0] == 0


def test_an_output_that_cannot_be_written_to_is_told(ds, tmp_path, app):
    (tmp_path / "file").write_text("precious")
    for output in (tmp_path / "file", tmp_path / "file/out"):
        code, _, err = app(ds, output, "participant", *QUICK)
        assert code == 73
        assert "is a file" in said(err)
    code, _, err = app(ds, tmp_path / "out", "participant", "--work-dir", tmp_path / "file/work", *QUICK)
    assert code == 73
    assert "file/work" in said(err)
    assert (tmp_path / "file").read_text() == "precious"

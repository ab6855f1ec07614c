"""What lies elsewhere, or has another date, is what it was: clones, collected outputs, audio that is not copied."""

import json
import os
import shutil

import pandas as pd
import pytest
import soundfile

from predann_bids.bids.derivatives import read_derivatives
from predann_bids.errors import UnusableData
from predann_bids.files import BLOCK, dangling_in_words
from predann_bids.workflows.group.inputs.audio import find_audio
from predann_bids.workflows.group.inputs.collected import complete_tables
from predann_bids.workflows.participant.sources import ContentNotKnown, KnownContents

RUN = ("participant", "--no-report", "--skip-bids-validation", "--n-procs", "1")


@pytest.fixture
def large(tmp_path):
    """A file of which a glimpse does not show everything."""
    path = tmp_path / "large.eeg"
    path.write_bytes(bytes(BLOCK * 64))
    return path


def make_old(path):
    os.utime(path, ns=(0, 0))


def test_an_unchanged_file_is_not_read_as_a_whole_again(large, tmp_path):
    once = KnownContents(tmp_path / "known.json").of([large])
    assert KnownContents(tmp_path / "known.json", may_read=False).of([large]) == once


def test_a_file_with_another_date_is_read_again_and_is_the_same(large, tmp_path):
    once = KnownContents(tmp_path / "known.json").of([large])
    make_old(large)
    with pytest.raises(ContentNotKnown):
        KnownContents(tmp_path / "known.json", may_read=False).of([large])
    assert KnownContents(tmp_path / "known.json").of([large]) == once


def test_a_change_that_a_glimpse_misses_is_noticed(large, tmp_path):
    once = KnownContents(tmp_path / "known.json").of([large])
    with large.open("r+b") as file:
        file.seek(BLOCK + BLOCK // 2)  # between the blocks that are looked at
        file.write(b"changed")
    make_old(large)
    assert KnownContents(tmp_path / "known.json").of([large]) != once


@pytest.mark.parametrize("damage", ["{", "[]", ""])
def test_damaged_notes_are_made_anew(large, tmp_path, damage):
    (tmp_path / "known.json").write_text(damage)
    assert KnownContents(tmp_path / "known.json").of([large])


def test_clones_of_dataset_and_results_need_no_work(dataset_copy, tmp_path, app):
    assert app(dataset_copy, tmp_path / "out", *RUN, "--participant-label", "01")[0] == 0
    before = (tmp_path / "out/sub-01/eeg/sub-01_task-music_desc-preproc_eeg.json").read_bytes()
    for one, name in ((dataset_copy, "clone"), (tmp_path / "out", "results")):
        shutil.copytree(one, tmp_path / name)
    for file in (path for name in ("clone", "results") for path in (tmp_path / name).rglob("*") if path.is_file()):
        make_old(file)
    code, out, _ = app(tmp_path / "clone", tmp_path / "results", *RUN, "--participant-label", "01")
    assert code == 0
    assert "kept" in out
    assert (tmp_path / "results/sub-01/eeg/sub-01_task-music_desc-preproc_eeg.json").read_bytes() == before


@pytest.fixture(scope="module")
def without_audio(dataset, tmp_path_factory):
    from predann_bids.cli import make_command, run

    output = tmp_path_factory.mktemp("without") / "out"
    arguments = [str(dataset), str(output), *RUN, "--no-audio-copies", "--participant-label", "01"]
    assert run(make_command(), arguments) == 0
    return output


def test_audio_is_not_copied_if_it_is_not_wanted(without_audio, validator_errors):
    assert not [path for path in without_audio.rglob("*") if path.suffix == ".wav"]
    assert set(pd.read_csv(without_audio / "stimuli/stimuli.tsv", sep="\t")["present"]) == {False}
    assert {error["code"] for error in validator_errors(without_audio)} == {"STIMULUS_FILE_MISSING"}


def test_audio_that_was_not_copied_is_found_in_the_dataset(dataset, without_audio):
    found = find_audio(read_derivatives(without_audio), [dataset / "stimuli", without_audio / "stimuli"])
    assert set(found.files.values()) == set((dataset / "stimuli").glob("*.wav"))


def test_other_audio_than_the_participant_level_used_is_refused(dataset_copy, without_audio):
    sound, rate = soundfile.read(dataset_copy / "stimuli/song-01.wav")
    soundfile.write(dataset_copy / "stimuli/song-01.wav", sound[::-1], rate)
    with pytest.raises(UnusableData, match=r"song-01\.wav is not the audio that the participant level used for sub-01"):
        find_audio(read_derivatives(without_audio), [dataset_copy / "stimuli"])


def test_derivatives_with_audio_hold_no_hashes_of_it(derivatives):
    assert not any("StimulusHashes" in one.sidecar for one in read_derivatives(derivatives))


def test_tables_of_collected_outputs_tell_of_everybody(dataset, derivatives, tmp_path):
    collected = shutil.copytree(derivatives, tmp_path / "out")
    everybody = (collected / "participants.tsv").read_text()
    stimuli = (collected / "stimuli/stimuli.tsv").read_text()
    for table in ("participants.tsv", "stimuli/stimuli.tsv"):
        lines = (collected / table).read_text().splitlines(keepends=True)
        (collected / table).write_text("".join(lines[:2]))
    complete_tables(collected, read_derivatives(collected), [dataset / "stimuli"], report=False)
    assert (collected / "participants.tsv").read_text() == everybody
    assert (collected / "stimuli/stimuli.tsv").read_text() == stimuli
    assert not (collected / "quality.html").exists()


def test_tables_that_are_complete_are_left_alone(dataset, derivatives, tmp_path):
    collected = shutil.copytree(derivatives, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in collected.rglob("*")}
    complete_tables(collected, read_derivatives(collected), [dataset / "stimuli"], report=True)
    assert {path: path.stat().st_mtime_ns for path in collected.rglob("*")} == before


def test_a_link_out_of_what_is_mounted_is_told_from_one_to_content_that_was_not_fetched(tmp_path):
    (tmp_path / "stimuli").mkdir()
    link = tmp_path / "stimuli/song.wav"
    link.symlink_to("../.git/annex/objects/aa/bb/key/key")
    assert f"leads into {tmp_path / '.git'}, which is not there. In a container, bind" in dangling_in_words(link)
    (tmp_path / ".git").mkdir()
    assert "bind" not in dangling_in_words(link)
    assert "'datalad get'" in dangling_in_words(link)


def test_a_run_whose_files_were_copied_is_finished(tmp_path):
    from predann_bids.workflows.group.request import _is_as_before, _state

    file = tmp_path / "song.wav"
    file.write_bytes(b"sound")
    state = json.loads(json.dumps(_state(file)))
    make_old(file)
    assert _is_as_before(file, state)
    file.write_bytes(b"other")
    assert not _is_as_before(file, state)
    file.unlink()
    assert not _is_as_before(file, state)

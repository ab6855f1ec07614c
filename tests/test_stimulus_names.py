"""Names of audio as people write them, labels of songs, and the audio beside the derivatives."""

import errno
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.bids.music.cues import find_cues
from predann_bids.bids.music.names import meanings
from predann_bids.bids.music.provided import provide_stimuli
from predann_bids.bids.music.stimuli import Stimuli, readable_files
from predann_bids.errors import MissingInput, PredannError, UnusableData
from predann_bids.workflows.group.inputs.audio import _refuse_different


@pytest.fixture
def directory(tmp_path):
    directory = tmp_path / "ds" / "stimuli"
    for name in ("a.wav", "my song.wav", "metal/001.wav", "country/001.wav", "'Heroes'.wav"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(b"RIFF")
    return directory


def cues(directory, *stim_files):
    rows = "".join(f"{place}\t10\t{name}\n" for place, name in enumerate(stim_files))
    (directory.parent / "events.tsv").write_text("onset\tduration\tstim_file\n" + rows, encoding="utf-8")
    return find_cues(directory.parent / "events.tsv", Stimuli(directory))


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("bids::stimuli/a.wav", "a.wav"),
        ("bids:raw:stimuli/a.wav", "a.wav"),
        ("BIDS::stimuli/metal/001.wav", "metal/001.wav"),
        ("bids::stimuli/my%20song.wav", "my song.wav"),
        ("my%20song.wav", "my song.wav"),
        ("./stimuli/a.wav", "a.wav"),
        (".\\stimuli\\metal\\001.wav", "metal/001.wav"),
        ("/stimuli/metal/001.wav", "metal/001.wav"),
        ("/a.wav", "a.wav"),
        ("Stimuli/a.wav", "a.wav"),
        ("../../stimuli/a.wav", "a.wav"),
        ("'a.wav'", "a.wav"),
        (" a.wav ", "a.wav"),
        ("\u00a0a.wav", "a.wav"),
        ("'Heroes'.wav", "'Heroes'.wav"),
        ("metal//001.wav", "metal/001.wav"),
    ],
)
def test_ways_to_write_a_name_are_understood_without_a_remark(directory, written, name):
    found = Stimuli(directory).locate(written)
    assert (found.name, found.note) == (name, "")


@pytest.mark.parametrize(
    "written",
    ["C:\\Users\\lab\\stimuli\\a.wav", "/home/lab/exp/stimuli/a.wav", "D:/sounds/a.wav", "file:///x/y/z/a.wav"],
)
def test_a_path_of_another_computer_is_taken_by_its_end_and_told(directory, written):
    found = Stimuli(directory).locate(written)
    assert (found.name, found.note) == ("a.wav", f"'a.wav' is taken for '{written}'")


@pytest.mark.parametrize("extension", [".m4a", ".mp4", ".WMA", ".aac", ".webm", ".avi"])
def test_a_readable_file_is_taken_for_one_that_cannot_be_read(directory, extension):
    (directory / f"a{extension}").write_bytes(b"\0\0\0\x20ftyp")
    found = cues(directory, f"a{extension}")
    assert [cue.stim_file for cue in found.music] == ["a.wav"]
    assert found.notes == (f"'a.wav' is taken for 'a{extension}' in {directory}.",)


@pytest.mark.parametrize(
    ("extension", "kind"), [(".m4a", "AAC or Apple Lossless audio"), (".mp4", r"a video \(.mp4\)"), (".wma", "Windows")]
)
def test_a_format_that_cannot_be_read_is_named_with_the_command_that_converts_it(directory, extension, kind):
    (directory / f"b{extension}").write_bytes(b"\0\0\0\x20ftyp")
    (lost,) = cues(directory, f"b{extension}").unusable
    assert isinstance(lost.error, UnusableData)
    assert re.search(rf"{kind}.* ffmpeg|{kind}.*'ffmpeg -i .*b.wav", lost.reason)


def test_a_wav_that_is_named_m4a_is_read_by_its_content(directory):
    soundfile.write(directory / "b.m4a", np.zeros(8000), 8000, format="WAV")
    assert Stimuli(directory).locate("b.m4a").name == "b.m4a"


def test_audio_that_is_missing_is_told_whatever_its_format(directory):
    (lost,) = cues(directory, "gone.m4a").unusable
    assert isinstance(lost.error, MissingInput)
    assert "'gone.m4a' is not in" in lost.reason


def test_a_name_without_its_extension_is_found_and_told(directory):
    found = cues(directory, "a", "n/a", "", "other")
    assert [cue.stim_file for cue in found.music] == ["a.wav"]
    assert found.notes == (f"'a.wav' is taken for 'a' in {directory}.",)


def test_a_picture_is_not_taken_for_the_song_of_its_name(directory):
    assert cues(directory, "a.jpg", "a.txt").music == ()


def test_videos_that_are_not_there_are_told_when_there_is_no_other_music(directory):
    assert cues(directory, "film.mp4", "a.wav").notes == ()
    assert "1 rows name videos that are not in" in cues(directory, "film.mp4").notes[0]


@pytest.mark.parametrize("clutter", ["._a.flac", "__MACOSX/a.flac", ".hidden/a.flac", "metal/._001.wav"])
def test_what_systems_leave_behind_is_never_audio(directory, clutter):
    (directory / clutter).parent.mkdir(exist_ok=True)
    (directory / clutter).write_bytes(b"RIFF")
    assert clutter not in readable_files(directory)
    assert Stimuli(directory).label("a.wav") == "a"
    with pytest.raises(PredannError):
        Stimuli(directory).locate(clutter)


@given(st.text(max_size=30).map(lambda text: text + ".wav"))
def test_no_name_leads_out_of_the_directory(text):
    for name in meanings(text).all:
        assert ".." not in Path(name).parts
        assert not Path(name).is_absolute()


# Labels


def test_songs_of_one_name_in_several_folders_are_classes_of_their_own(directory):
    music = cues(directory, "metal/001.wav", "country/001.wav", "a.wav").music
    assert [cue.label for cue in music] == ["metal/001", "country/001", "a"]


def test_labels_do_not_depend_on_what_a_recording_played(directory):
    assert [cue.label for cue in cues(directory, "metal/001.wav").music] == ["metal/001"]


def test_a_copy_in_another_format_and_files_that_are_no_songs_do_not_change_a_label(directory):
    for other in ("a.flac", "films/a.mp4", "pictures/a.png", "__MACOSX/a.wav"):
        (directory / other).parent.mkdir(exist_ok=True)
        (directory / other).touch()
    assert Stimuli(directory).label("a.wav") == "a"


def test_labels_do_not_depend_on_what_was_fetched(directory):
    (directory / "country/001.wav").unlink()
    (directory / "country/001.wav").symlink_to("../../.git/annex/objects/none")
    assert Stimuli(directory).label("metal/001.wav") == "metal/001"


# Beside the derivatives


@pytest.fixture
def apart(directory, tmp_path):
    return directory, tmp_path / "out"


def test_a_directory_in_the_place_of_audio_is_called_one(directory):
    (directory / "folder.wav").mkdir()
    with pytest.raises(UnusableData, match=r"folder\.wav is a directory"):
        Stimuli(directory).locate("folder.wav")


def provided(directory, output):
    provide_stimuli(["a.wav"], directory, output)
    return output / "stimuli" / "a.wav"


def test_audio_is_copied_and_survives_when_the_dataset_moves(apart):
    copy = provided(*apart)
    shutil.move(apart[0].parent, apart[0].parent.with_name("moved"))
    assert not copy.is_symlink()
    assert copy.read_bytes() == b"RIFF"


def test_audio_is_linked_within_the_dataset_and_moves_with_it(directory):
    (directory.parent / "dataset_description.json").write_text("{}")
    assert provided(directory, directory.parent / "derivatives" / "predann").is_symlink()
    moved = Path(shutil.move(directory.parent, directory.parent.with_name("moved")))
    assert (moved / "derivatives" / "predann" / "stimuli" / "a.wav").read_bytes() == b"RIFF"


@pytest.mark.parametrize("error", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES])
def test_where_links_are_impossible_audio_is_copied(directory, monkeypatch, error):
    def refuse(*_):
        raise OSError(error, os.strerror(error))

    (directory.parent / "dataset_description.json").write_text("{}")
    monkeypatch.setattr(Path, "symlink_to", refuse)
    copy = provided(directory, directory.parent / "derivatives")
    assert not copy.is_symlink()
    assert copy.read_bytes() == b"RIFF"


@pytest.mark.parametrize("of_one_time", [True, False])
def test_corrected_audio_of_the_same_size_is_taken_over(apart, of_one_time):
    copy = provided(*apart)
    time = (apart[0] / "a.wav").stat().st_mtime_ns if of_one_time else 0
    (apart[0] / "a.wav").write_bytes(b"riff")
    os.utime(apart[0] / "a.wav", ns=(time, time))
    provided(*apart)
    assert copy.read_bytes() == b"riff"


def test_an_equal_copy_is_left_alone_even_where_times_are_not_kept(apart):
    copy = provided(*apart)
    os.utime(copy, ns=(0, 0))
    before = copy.stat().st_ino
    provided(*apart)
    assert copy.stat().st_ino == before


@pytest.mark.parametrize("to", ["nowhere", "../other.wav"])
def test_a_link_that_leads_elsewhere_is_replaced(apart, to):
    (apart[1] / "stimuli").mkdir(parents=True)
    (apart[1] / "other.wav").write_bytes(b"RIFF")
    (apart[1] / "stimuli" / "a.wav").symlink_to(to)
    assert not provided(*apart).is_symlink()
    assert (apart[1] / "other.wav").read_bytes() == b"RIFF"


def test_audio_that_differs_from_what_was_used_is_refused(apart):
    copy = provided(*apart)
    _refuse_different(apart[0] / "a.wav", copy)
    copy.write_bytes(b"riff")
    os.utime(copy, ns=(0, 0))
    with pytest.raises(UnusableData, match=r"differs from .* which the participant level used"):
        _refuse_different(apart[0] / "a.wav", copy)

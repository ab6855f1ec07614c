"""Hashes of large files, such as weights of several GB, are computed once and then known."""

import os

import numpy as np
import pytest

from predann_bids import files
from predann_bids.config import Science
from predann_bids.files import content_hash, known_hash
from predann_bids.learning.features import teacher_version
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.request import Request


@pytest.fixture(autouse=True)
def _every_file_is_large(monkeypatch):
    monkeypatch.setattr(files, "LARGE", 0)


def written(file, content=b"weights"):
    file.write_bytes(content)
    os.utime(file, (1e9, 1e9))
    return file


def spoil(file):
    """Write nonsense of the same size and time of change, which only those notice who open the file."""
    stat = file.stat()
    file.write_bytes(b"?" * stat.st_size)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_large_file_is_read_once_and_again_when_it_has_changed(tmp_path):
    file, told = written(tmp_path / "model.safetensors"), []
    first = known_hash(file, tmp_path / "kept", told.append)
    assert first == content_hash(file)
    assert told == ["Hashing model.safetensors (0.0 GB)"]
    spoil(file)
    assert known_hash(file, tmp_path / "kept", told.append) == first
    assert len(told) == 1
    os.utime(file, (1e9, 1e9 + 1))
    assert known_hash(file, tmp_path / "kept", told.append) == content_hash(file) != first
    assert len(told) == 2


def test_the_hash_of_a_file_that_has_just_been_written_is_not_relied_on(tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")
    first = known_hash(file, tmp_path / "kept")
    spoil(file)
    assert known_hash(file, tmp_path / "kept") != first


def test_a_note_that_was_cut_off_is_made_again(tmp_path):
    file = written(tmp_path / "model.safetensors")
    first = known_hash(file, tmp_path)
    (note,) = (tmp_path / "hashes").iterdir()
    note.write_text(note.read_text()[:9])
    assert known_hash(file, tmp_path) == first
    assert known_hash(file, tmp_path) == first


def test_small_files_are_read_each_time_and_leave_no_note(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGE", 8)
    file = written(tmp_path / "song.wav")
    first = known_hash(file, tmp_path / "kept")
    spoil(file)
    assert known_hash(file, tmp_path / "kept") != first
    assert not (tmp_path / "kept").exists()


def test_what_was_hashed_for_a_teacher_is_not_hashed_again_for_the_record(tmp_path, capsys):
    directory = tmp_path / "embeddings"
    directory.mkdir()
    np.save(directory / "song.npy", np.zeros((2, 3), np.float32))
    os.utime(directory / "song.npy", (1e9, 1e9))
    request = Request(tmp_path, tmp_path / "out", "predann", Science(), (), {}, Execution())
    before, told = content_hash(directory / "song.npy"), []
    teacher_version(f"file:{directory}", 125.0, request.kept_audio, told.append)
    assert told == ["Hashing song.npy (0.0 GB)"]
    spoil(directory / "song.npy")
    assert request.content(directory / "song.npy") == before
    other = written(tmp_path / "model.bin")
    assert request.content(other) == content_hash(other)
    assert capsys.readouterr().err == "Hashing model.bin (0.0 GB)\n"

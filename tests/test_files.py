import errno

import pytest

from predann_bids.errors import ReadOrWriteFailed, TryAgain, UnusableData
from predann_bids.files import read_json, write_json, write_text, written_whole


def test_a_file_appears_whole_with_its_directories(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "whole")
    assert (tmp_path / "a" / "b.txt").read_text() == "whole"
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "x", "old")

    def fail():
        with written_whole(tmp_path / "x") as beside:
            beside.write_text("half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("x", "old")]


def test_a_full_disk_is_worth_trying_again(tmp_path):
    with pytest.raises(TryAgain, match="No space is left"), written_whole(tmp_path / "x"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ReadOrWriteFailed, match=r"file/x cannot be written"):
        write_text(tmp_path / "file" / "x", "")


def test_json_survives_the_way_through_a_file(tmp_path):
    write_json(tmp_path / "x.json", {"a": [1, None, "ü"]})
    assert read_json(tmp_path / "x.json") == {"a": [1, None, "ü"]}


@pytest.mark.parametrize("text", ["{", "[]", "\ud800".encode("utf-8", "surrogatepass")])
def test_json_that_is_no_object_is_unusable(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UnusableData, match=r"x\.json"):
        read_json(path)


def test_numbers_that_json_does_not_have_are_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"a": float("nan")})

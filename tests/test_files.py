import errno
import os
from unittest.mock import patch

import pytest

from predann_bids.errors import CannotCreateOutput, ReadOrWriteFailed, TryAgain, UnusableData, in_words
from predann_bids.files import check_place, glimpse, read_json, write_json, write_text, written_whole


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


FULL = [OSError(errno.ENOSPC, "No space left"), OSError(errno.EDQUOT, "Quota"), OSError("9 requested and 4 written")]


@pytest.mark.parametrize("error", FULL, ids=str)
def test_a_full_disk_is_worth_trying_again(tmp_path, error):
    with pytest.raises(TryAgain, match="No space is left"), written_whole(tmp_path / "x"):
        raise error
    assert type(in_words(error)) is TryAgain


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


@pytest.mark.parametrize(
    "name", ["x" * 251 + ".txt", "é" * 125 + ".txt", "x" * 255, "." + "x" * 254, "純" * 84 + ".ab"]
)
def test_a_name_that_is_just_short_enough_can_be_written(tmp_path, name):
    write_text(tmp_path / name, "whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_temporary_names_keep_their_extension_on_a_file_system_with_shorter_names(tmp_path):
    with patch("os.pathconf", lambda *_: 143), written_whole(tmp_path / ("x" * 139 + ".png")) as beside:
        assert beside.suffix == ".png"
        assert len(os.fsencode(beside.name)) == 143
        beside.touch()


def test_a_name_that_is_too_long_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(ReadOrWriteFailed, match="Choose an output directory with a shorter path"):
        write_text(tmp_path / ("x" * 300), "")


PLACES = {"new": True, "a/b/new.x": True, "file": True, "directory": True, "file/x": False, "file/x/y": False}


@pytest.mark.parametrize("place", PLACES)
def test_a_place_is_refused_before_any_work_if_nothing_can_be_made_there(tmp_path, place):
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    if PLACES[place]:
        check_place(tmp_path / place, "The decoder")
    else:
        with pytest.raises(CannotCreateOutput, match=rf"The decoder .*{place} cannot be created: .*file is a file"):
            check_place(tmp_path / place, "The decoder")


@pytest.mark.parametrize("place", ["x" * 300, "x/" * 3000])
def test_a_place_with_too_long_a_name_is_refused(tmp_path, place):
    with pytest.raises(CannotCreateOutput, match="File name too long"):
        check_place(tmp_path / place, "The decoder")


def test_a_place_that_is_read_only_is_refused(tmp_path):
    with patch("os.access", lambda *_: False), pytest.raises(CannotCreateOutput, match="or it is read-only"):
        check_place(tmp_path / "x", "The decoder")


def test_a_link_that_leads_nowhere_is_no_place(tmp_path):
    (tmp_path / "x").symlink_to("nowhere")
    with pytest.raises(CannotCreateOutput, match="a link that leads nowhere"):
        check_place(tmp_path / "x", "The decoder")


@pytest.mark.parametrize("size", [0, 1, 1000, 1 << 20])
def test_other_content_is_noticed_although_size_and_time_of_change_are_the_same(tmp_path, size):
    file = tmp_path / "x"
    seen = set()
    for content in (b"a", b"b", b"a"):
        file.write_bytes(content * size)
        os.utime(file, ns=(0, 0))
        seen.add(glimpse(file))
    assert len(seen) == (2 if size else 1)

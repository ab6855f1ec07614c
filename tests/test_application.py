import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from predann_bids.errors import CannotCreateOutput, WrongUsage
from predann_bids.workflows.scratch import temporary_files_in

WHERE = [sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"]


def test_temporary_files_lie_in_the_work_directory_until_the_level_ends(tmp_path):
    before, variable = tempfile.gettempdir(), os.environ.get("TMPDIR")
    with temporary_files_in(tmp_path / "new" / "work"), tempfile.NamedTemporaryFile() as file:
        assert Path(file.name).parent == tmp_path / "new" / "work"
    assert (tempfile.gettempdir(), os.environ.get("TMPDIR")) == (before, variable)


def test_processes_that_a_level_starts_use_the_work_directory_too(tmp_path):
    with temporary_files_in(tmp_path):
        finished = subprocess.run(WHERE, capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == str(tmp_path)


def test_the_work_directory_is_given_up_after_an_error_too(tmp_path):
    before = tempfile.gettempdir()
    with pytest.raises(RuntimeError), temporary_files_in(tmp_path):
        raise RuntimeError
    assert tempfile.gettempdir() == before


def test_without_a_work_directory_the_system_decides(tmp_path):
    before = tempfile.gettempdir()
    with temporary_files_in(None, tmp_path / "out"):
        assert tempfile.gettempdir() == before
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(params=["nothing", "only the directory where the user is"])
def no_temporary_directory(request, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    found = [] if request.param == "nothing" else [str(tmp_path / "here")]
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [os.environ.get("TMPDIR") or "", *found][-1:])
    monkeypatch.delenv("TMPDIR", raising=False)


@pytest.mark.usefixtures("no_temporary_directory")
def test_where_there_is_no_temporary_directory_the_output_has_one_until_the_end(tmp_path):
    output = tmp_path / "out"
    with temporary_files_in(None, output), tempfile.NamedTemporaryFile() as file:
        assert Path(file.name).is_relative_to(output / ".scratch")
        assert Path(os.environ["TMPDIR"]) == Path(file.name).parent
    assert list(output.iterdir()) == []
    assert "TMPDIR" not in os.environ


def test_options_are_looked_at_before_there_is_a_temporary_directory(tmp_path):
    script = (
        "import os, sys, tempfile\n"
        "os.environ.pop('TORCHINDUCTOR_CACHE_DIR', None)\n"
        "tempfile._candidate_tempdir_list = list\n"
        "from predann_bids.cli import make_command, run\n"
        "sys.exit(run(make_command(), sys.argv[1:]))\n"
    )
    (tmp_path / "bids").mkdir()
    places, wrong = [str(tmp_path / "bids"), str(tmp_path / "out")], ["--preset=published", "--precision=bf16-mixed"]
    command = [sys.executable, "-c", script, *places, "group", *wrong]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == WrongUsage.exit_code, done.stderr
    assert "single precision" in done.stderr


def test_caches_are_moved_where_there_is_no_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "chosen"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    with temporary_files_in(tmp_path / "work"):
        caches = Path(os.environ["NUMBA_CACHE_DIR"])
        assert caches.parent == tmp_path / "work"
        assert os.environ["MPLCONFIGDIR"] == str(tmp_path / "chosen")
    assert not caches.exists()
    assert "NUMBA_CACHE_DIR" not in os.environ


def test_caches_are_moved_from_a_place_that_nothing_can_be_written_to(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "file" / "matplotlib"))
    with temporary_files_in(tmp_path / "work"):
        assert Path(os.environ["MPLCONFIGDIR"]).is_relative_to(tmp_path / "work")
    assert os.environ["MPLCONFIGDIR"] == str(tmp_path / "file" / "matplotlib")


def test_a_home_that_can_be_written_to_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    with temporary_files_in(None):
        assert "NUMBA_CACHE_DIR" not in os.environ


def test_a_work_directory_that_cannot_be_created_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(CannotCreateOutput, match="file/work cannot be created"),
        temporary_files_in(tmp_path / "file/work"),
    ):
        pass

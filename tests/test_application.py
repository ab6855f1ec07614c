import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from predann_bids.errors import CannotCreateOutput
from predann_bids.workflows.application import temporary_files_in

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


def test_without_a_work_directory_the_system_decides():
    before = tempfile.gettempdir()
    with temporary_files_in(None):
        assert tempfile.gettempdir() == before


def test_a_work_directory_that_cannot_be_created_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(CannotCreateOutput, match="file/work cannot be created"),
        temporary_files_in(tmp_path / "file/work"),
    ):
        pass

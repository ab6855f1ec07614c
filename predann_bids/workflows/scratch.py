"""Directories for temporary files, also on machines that offer none."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.util import Finalize
from pathlib import Path

from predann_bids.errors import CannotCreateOutput

SCRATCH = ".scratch"  # in the output directory
VARIABLE, JOBLIB = "TMPDIR", "JOBLIB_MULTIPROCESSING"
AFTER_ALL = -1000  # in the order in which multiprocessing ends
# where libraries keep caches: in the home directory unless told otherwise, and some stop if that is not possible
CACHES = ("MPLCONFIGDIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")


@contextmanager
def temporary_files_in(work_dir: Path | None, output_dir: Path | None = None) -> Iterator[None]:
    """Put temporary files of this process and of those that it starts into a directory, until the block ends.

    Parameters
    ----------
    work_dir : Path, optional
        The directory; the system's unless given.
    output_dir : Path, optional
        Where to make a hidden directory if the system has none, as in containers that are read-only. It is removed at
        the end.

    Raises
    ------
    CannotCreateOutput
        The directory cannot be created or written to.
    """
    own = output_dir / SCRATCH if work_dir is None and output_dir and not _system_has_one() else None
    chosen = own / uuid.uuid4().hex[:8] if own else work_dir
    if chosen:
        _create(chosen)
    before = tempfile.tempdir, {name: os.environ.get(name) for name in (VARIABLE, JOBLIB, *CACHES)}
    try:
        if chosen:
            tempfile.tempdir = os.environ[VARIABLE] = str(chosen.absolute())
        with _caches():
            _spare_semaphores()
            yield
    finally:
        tempfile.tempdir, values = before
        for name, value in values.items():
            _restore(name, value)
        if own and chosen and any(chosen.glob("pymp-*")):  # the fork server's: it lasts as long as this process
            Finalize(None, _remove, args=(chosen,), exitpriority=AFTER_ALL)
        elif own and chosen:
            _remove(chosen)


def variables() -> Mapping[str, str]:
    """Return what other processes need in their environment to use the same directories."""
    found = {name: os.environ[name] for name in (JOBLIB, *CACHES) if name in os.environ}
    with suppress(FileNotFoundError):
        found[VARIABLE] = tempfile.gettempdir()
    return found


def _system_has_one() -> bool:
    """Tell whether there is a directory for temporary files that is not just the one where the user happens to be."""
    try:
        found = Path(tempfile.gettempdir())
    except FileNotFoundError:
        return False
    named = [os.environ[name] for name in (VARIABLE, "TEMP", "TMP") if os.environ.get(name)]
    return found != Path.cwd() or str(found) in [*map(os.path.abspath, named), "/tmp", "/var/tmp", "/usr/tmp"]


def _create(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise CannotCreateOutput(
            f"The work directory {directory} cannot be created or written to: {error.strerror}. Choose another with"
            " --work-dir."
        ) from error


@contextmanager
def _caches() -> Iterator[None]:
    """Move caches out of the home directory if nothing can be kept there."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home raises an error for a user without an account
    if home.is_dir() and os.access(home, os.W_OK | os.X_OK):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="predann-bids-", ignore_cleanup_errors=True) as directory:
        os.environ.update({name: directory for name in CACHES if not _can_be_made(os.environ.get(name))})
        yield


def _can_be_made(directory: str | None) -> bool:
    """Tell whether a directory is named that is there, or can be made, and can be written to."""
    if not directory:
        return False
    place = next(place for place in (Path(directory).absolute(), *Path(directory).absolute().parents) if place.exists())
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def _spare_semaphores() -> None:
    """Keep joblib, which works in one process here anyway, from a warning where there can be no semaphores."""
    try:
        multiprocessing.get_context().Lock()
    except (OSError, ImportError):
        os.environ[JOBLIB] = "0"


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    with suppress(OSError):  # another run has one as well
        directory.parent.rmdir()


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value

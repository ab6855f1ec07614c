"""Put the audio that was used beside the derivatives, where BIDS looks for what `stim_file` names."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from predann_bids.files import glimpse, written_whole


def provide_stimuli(names: Iterable[str], stimuli_dir: Path, output_dir: Path) -> None:
    """Provide audio in `stimuli/` of the derivative dataset, and replace what is not, or no longer, equal to it.

    Within the dataset, as in `BIDS_DIR/derivatives`, a relative link does, because both can only move together.
    Everywhere else, across mounts, as in a container, and where links are impossible, the audio is copied.

    Parameters
    ----------
    names : iterable of str
        Files relative to the directory of the stimuli.
    stimuli_dir, output_dir : Path
        Where the audio is, and the derivative dataset.
    """
    home, output = stimuli_dir.resolve(), output_dir.resolve()
    within = (home.parent / "dataset_description.json").is_file() and output.is_relative_to(home.parent)
    linkable = within and _mount_of(home) == _mount_of(output)
    for name in sorted(set(names)):
        source, target = home / name, output / "stimuli" / name
        if _is_provided(source, target, linkable=linkable):
            continue
        with written_whole(target) as beside:
            if not (linkable and _link(source, target, beside)):
                shutil.copyfile(source, beside)
                _keep_time(source, beside)


def _is_provided(source: Path, target: Path, *, linkable: bool) -> bool:
    """Whether nothing is to be done: there is such a link, or a copy with the same content."""
    if target.is_symlink():
        return linkable and target.exists() and target.samefile(source)
    return target.is_file() and same_content(source, target)


def same_content(one: Path, other: Path) -> bool:
    """Whether two files are equal; of those of one size and time of change, only parts are read."""
    if one.samefile(other):
        return True
    mine, theirs = one.stat(), other.stat()
    if mine.st_size != theirs.st_size:
        return False
    if mine.st_mtime_ns == theirs.st_mtime_ns:
        return glimpse(one) == glimpse(other)
    return filecmp.cmp(one, other, shallow=False)


def _link(source: Path, target: Path, beside: Path) -> bool:
    """Make a relative link; False where the file system has none."""
    try:
        beside.symlink_to(os.path.relpath(source, target.parent))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return False
    return True


def _keep_time(source: Path, copy: Path) -> None:
    state = source.stat()
    with suppress(OSError):  # then contents are compared
        os.utime(copy, ns=(state.st_atime_ns, state.st_mtime_ns))


def _mount_of(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.is_mount())

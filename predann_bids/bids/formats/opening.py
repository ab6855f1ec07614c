"""Find out which files a recording needs, and open it by the reader of its format."""

from __future__ import annotations

import warnings
from pathlib import Path

from predann_bids.bids.formats import brainvision, eeglab
from predann_bids.bids.formats.brainvision import open_brainvision
from predann_bids.bids.formats.contents import absent, is_absent
from predann_bids.bids.formats.edf import open_edf
from predann_bids.bids.formats.eeglab import open_eeglab
from predann_bids.bids.formats.opened import Opened
from predann_bids.errors import PredannError, UnusableData

# the first is read when a recording lies side by side in several: float before 24 and 16 bits
EXTENSIONS = (".vhdr", ".set", ".bdf", ".edf")


def missing_files(path: Path) -> list[Path]:
    """List what a recording needs to be read and is not there: itself, or the data that its header names.

    Links and pointers to content that was not fetched count as not there. A marker file is only needed when it is
    such a link: recordings without one are read without their markers.
    """
    if is_absent(path):
        return [path]
    needed = {".vhdr": brainvision.files_needed, ".set": eeglab.files_needed}.get(path.suffix.lower())
    return [file for file in needed(path) if is_absent(file)] if needed else []


def source_files(path: Path) -> list[Path]:
    """List the files that a recording is read from, whatever their names: itself, its data and its markers."""
    if path.suffix.lower() == ".vhdr":
        return [path, *(pointer.file for pointer in brainvision.files_of(path))]
    return [path, *(eeglab.files_needed(path) if path.suffix.lower() == ".set" else [])]


def require_files(path: Path) -> None:
    """Raise `MissingInput` when something that a recording needs is not there."""
    missing = missing_files(path)
    if not missing:
        return
    if path not in missing and not missing[0].is_file():
        pointer = brainvision.files_of(path)[0] if path.suffix.lower() == ".vhdr" else eeglab.data_of(path)
        if pointer and pointer.stranger and pointer.file == missing[0]:
            raise pointer.refusal(path)
    raise absent(missing, path)


def open_raw(path: Path) -> Opened:
    """Open a raw file with MNE, data not loaded where the format allows; its annotations are the file's own.

    Raises
    ------
    MissingInput
        The file, or one that its header names, is not there.
    UnusableData
        It cannot be read, or ends before the last sample that its header announces.
    OSError
        The file system does not give it.
    """
    require_files(path)
    reader = {".vhdr": open_brainvision, ".set": open_eeglab}.get(path.suffix.lower(), open_edf)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters is found out and said by the readers
            return reader(path)
    except (PredannError, MemoryError):
        raise
    except Exception as error:  # the readers of four formats raise whatever they meet
        if isinstance(error, OSError) and error.errno:
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnusableData(
            f"{path} cannot be read: {reason[:300].rstrip('.')}. Fetch or copy it again if it is damaged, or export it"
            " in another format if it is not."
        ) from error

"""Open EEGLAB recordings, with their samples inside the .set file or in a .fdt file beside it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predann_bids.bids.formats.contents import looks_like_text, refuse_strange
from predann_bids.bids.formats.opened import Opened, ends_early, ends_late
from predann_bids.bids.formats.pointers import Pointer, follow
from predann_bids.errors import UnusableData, some

if TYPE_CHECKING:
    from mne.io import BaseRaw

# a larger .set holds the samples itself: nothing else in it grows with the recording
LARGEST_HEADER = 50_000_000
HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class _Contents:
    """What a .set file holds: names of variables, the file that it names for its data, or the size of the data.

    Parameters
    ----------
    variables : tuple of str
        Names of what is in it.
    data_file : str
        The file with the data; empty if they are inside.
    shape : tuple of int
        Size of data inside, where that can be seen without loading them.
    points : int, optional
        Samples of each channel, as announced.
    """

    variables: tuple[str, ...]
    data_file: str = ""
    shape: tuple[int, ...] = ()
    points: int | None = None


def data_of(path: Path) -> Pointer | None:
    """Find the .fdt file of a recording; None if its samples are in the .set file, or nothing can be found out."""
    try:
        named = _contents(path).data_file
    except UnusableData:
        return None  # told when it is opened
    # a .set file that names a .set file means itself
    return follow(path, named, ".fdt", ".set") if named and not named.lower().endswith(".set") else None


def files_needed(path: Path) -> list[Path]:
    """List the files besides itself that a recording cannot be read without."""
    pointer = data_of(path)
    return [pointer.file] if pointer else []


def open_eeglab(path: Path) -> Opened:
    """Open an EEGLAB recording; what a .set file of some kinds holds itself is loaded."""
    refuse_strange(path)
    contents = _contents(path)
    _refuse_other_kinds(path, contents)
    pointer = data_of(path)
    if pointer is None:
        raw = _read(path)
        _check_shape(path, raw, contents)
        return Opened(raw)
    if not contents.data_file.endswith(".fdt"):
        raise UnusableData(
            f"{path} cannot be read: it names its data {contents.data_file}, and only names that end with .fdt can be"
            " followed. Open it with EEGLAB and save it again."
        )
    refuse_strange(pointer.file)
    raw = _read_with(path, pointer.file)
    found, expected = pointer.file.stat().st_size, raw.n_times * len(raw.ch_names) * 4
    if found < expected:
        raise ends_early(pointer.file, found, expected)
    if found > expected:
        raise ends_late(pointer.file, found, expected, path)
    return Opened(raw, _notes(path, pointer))


def _notes(path: Path, pointer: Pointer) -> tuple[str, ...]:
    if not pointer.other or pointer.other == pointer.file:
        return ()
    whose = "belongs to another recording" if pointer.stranger else "exists as well"
    return (f"{path} names {pointer.named}, which {whose}; {pointer.file.name}, which has its own name, is read.",)


def _read_with(path: Path, data: Path) -> BaseRaw:
    """Read a .set file with the samples of `data`, whatever it says of them."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "recording.set"
        shutil.copyfile(path, copy)
        copy.with_suffix(".fdt").touch()  # MNE looks whether it exists
        raw = _read(path, copy)
    raw.filenames = [data]
    return raw


def _read(path: Path, copy: Path | None = None) -> BaseRaw:
    from mne.io import read_raw_eeglab

    try:
        raw: BaseRaw = read_raw_eeglab(copy or path, verbose="error")
    except TypeError as error:
        if "number of trials" in str(error):
            raise UnusableData(f"{path} holds epochs; expected a continuous recording.") from error
        raise
    return raw


def _check_shape(path: Path, raw: BaseRaw, contents: _Contents) -> None:
    """Refuse a file whose samples are more or fewer than it says."""
    held = tuple(getattr(raw, "_data").shape) if raw.preload else contents.shape  # noqa: B009
    channels, points = len(raw.ch_names), contents.points or raw.n_times
    if held and held != (channels, points):
        raise UnusableData(
            f"{path} contradicts itself: it announces {channels} channels of {points} samples, and holds"
            f" {' x '.join(map(str, held))}. Save it again with EEGLAB (eeg_checkset)."
        )


# -- what is in a .set file --------------------------------------------------------------------------------------------


def _contents(path: Path) -> _Contents:
    with path.open("rb") as file:
        start = file.read(1024)
    if start.startswith(HDF5) or start[512:].startswith(HDF5):
        return _contents_of_hdf5(path)
    if looks_like_text(start[:200]) and not start.startswith(b"MATLAB 5.0"):
        raise UnusableData(f"{path} cannot be read: it is text, no file of EEGLAB. Fetch or copy it again.")
    return _contents_of_matlab(path)


def _contents_of_matlab(path: Path) -> _Contents:
    from scipy.io import loadmat, whosmat

    with _told_as(path, "a MATLAB file"):
        kinds = {name: (kind, tuple(shape)) for name, shape, kind in whosmat(path)}
        kind, shape = kinds.get("data", ("", ()))
        wanted = ["pnts", "data"] if kind == "char" else ["pnts", "EEG"] if _is_small(path) else ["pnts"]
        content = loadmat(path, variable_names=wanted, squeeze_me=True, struct_as_record=False)
    data = content.get("data", getattr(content.get("EEG"), "data", ""))
    points = content.get("pnts", getattr(content.get("EEG"), "pnts", 0))
    named = data if isinstance(data, str) else ""
    return _Contents(tuple(kinds), named, shape if kind != "char" else (), _whole(points))


def _contents_of_hdf5(path: Path) -> _Contents:
    import h5py

    with _told_as(path, "a file of MATLAB v7.3"), h5py.File(path, "r") as file:
        group: Any = file.get("EEG", file)
        data = group.get("data") if isinstance(group, h5py.Group) else None
        if not isinstance(data, h5py.Dataset):
            return _Contents(tuple(file))
        if data.dtype == "uint16":  # MATLAB's characters
            return _Contents(tuple(file), "".join(map(chr, data[()].ravel())))
        points = _whole(group["pnts"][()].ravel()[0]) if "pnts" in group else None
        return _Contents(tuple(file), shape=tuple(data.shape[::-1]), points=points)


def _is_small(path: Path) -> bool:
    return path.stat().st_size < LARGEST_HEADER


def _whole(value: Any) -> int | None:
    try:
        return int(value) or None
    except (TypeError, ValueError):
        return None


@contextmanager
def _told_as(path: Path, kind: str) -> Iterator[None]:
    """Turn what the readers of MATLAB files raise into a sentence; what the file system raises stays."""
    try:
        yield
    except Exception as error:  # they have no common class
        if isinstance(error, OSError) and error.errno:
            raise
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        raise UnusableData(
            f"{path} cannot be read as {kind} ({reason}): it is damaged or ends too early. Fetch or copy it again."
        ) from error


def _refuse_other_kinds(path: Path, contents: _Contents) -> None:
    names = contents.variables
    if "EEG" in names or "data" in names:
        return
    if "ALLEEG" in names:
        raise UnusableData(
            f"{path} holds several datasets (ALLEEG); expected one. Save each as a file of its own with EEGLAB."
        )
    what = "an EEGLAB study" if "STUDY" in names else f"no EEG, but {some(names) or 'nothing'}"
    raise UnusableData(f"{path} holds {what}; expected one dataset, as EEGLAB saves it in a .set file.")

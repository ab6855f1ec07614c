"""Open raw EEG files: BrainVision, EDF(+), BDF(+) and EEGLAB, in the state in which datasets hold them."""

from __future__ import annotations

import math
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predann_bids.bids.sidecars import is_dangling, not_fetched
from predann_bids.errors import MissingInput, UnusableData

if TYPE_CHECKING:
    from mne.io import BaseRaw

# the first is read when a recording lies side by side in several: float before 24 and 16 bits
EXTENSIONS = (".vhdr", ".set", ".bdf", ".edf")

BYTES_OF = {"INT_16": 2, "INT_32": 4, "IEEE_FLOAT_32": 4}
# a larger .set holds the samples itself: nothing else in it grows with the recording
LARGEST_HEADER = 50_000_000


@dataclass(frozen=True)
class Opened:
    """A raw file with its data not loaded where the format allows, and what a reader should know."""

    raw: BaseRaw
    warnings: tuple[str, ...] = ()


def missing_files(path: Path) -> list[Path]:
    """List what a recording needs to be read and is not there: itself, or the data that its header names.

    Links to content that was not fetched count as not there. A marker file is only needed when it is such a link:
    recordings without one are read without their markers.
    """
    if not path.is_file():
        return [path]
    needed = {".vhdr": _brainvision_files, ".set": _eeglab_files}.get(path.suffix.lower())
    return [file for file in needed(path) if not file.is_file()] if needed else []


def require_files(path: Path) -> None:
    """Raise `MissingInput` when something that a recording needs is not there."""
    missing = missing_files(path)
    links = [file for file in missing if is_dangling(file)]
    if links:
        raise not_fetched(*links)
    if missing:
        named = "" if path in missing else f"; {path} needs it"
        raise MissingInput(f"{', '.join(str(file) for file in missing)} does not exist{named}.")


def open_raw(path: Path) -> Opened:
    """Open a raw file with MNE, data not loaded where the format allows; its annotations are the file's own.

    Raises
    ------
    MissingInput
        The file, or one that its header names, is not there.
    UnusableData
        It cannot be read, or ends before the last sample that its header announces.
    """
    require_files(path)
    reader = {".vhdr": _open_brainvision, ".set": _open_eeglab}.get(path.suffix.lower(), _open_edf)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of it is found out and said below
            return reader(path)
    except (MissingInput, UnusableData, PermissionError):
        raise
    except Exception as error:  # the readers of four formats raise whatever they meet
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnusableData(
            f"{path} cannot be read: it is damaged or of another format ({reason[:300].rstrip('.')}). Fetch or copy it"
            " again."
        ) from error


def _truncated(data: Path, found: int, expected: int) -> UnusableData:
    return UnusableData(
        f"{data} ends too early: it has {found} bytes, where its header announces {expected}. Fetch or copy it again."
    )


# -- BrainVision -------------------------------------------------------------------------------------------------------


def _brainvision_header(path: Path) -> dict[str, str]:
    """Read the fields before the list of channels, as far as they say where and how long the data are."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    common = re.split(r"^\[Channel Infos\]", text, maxsplit=1, flags=re.MULTILINE | re.IGNORECASE)[0]
    return {key: value.strip() for key, value in re.findall(r"^(\w+)=(.*)$", common, re.MULTILINE)}


def _brainvision_file(path: Path, named: str, suffix: str) -> Path:
    """Find a file that a header names, or the one of the header's own name: renamed headers keep the old names."""
    original = path.with_name(named.replace("$b", path.stem)) if named and "/" not in named else path
    sibling = path.with_suffix(suffix)
    return original if original.is_file() and original != path else sibling


def _brainvision_files(path: Path) -> list[Path]:
    header = _brainvision_header(path)
    data = _brainvision_file(path, header.get("DataFile", ""), ".eeg")
    marker = _brainvision_file(path, header.get("MarkerFile", ""), ".vmrk")
    return [data, *([marker] if is_dangling(marker) else [])]


def _open_brainvision(path: Path) -> Opened:
    from mne.io import read_raw_brainvision

    header, notes = _brainvision_header(path), []
    files = {
        key: _brainvision_file(path, header.get(key, ""), suffix)
        for key, suffix in (("DataFile", ".eeg"), ("MarkerFile", ".vmrk"))
    }
    notes += [
        f"{path} names {header[key]}, which does not exist; {file.name} is taken for it."
        for key, file in files.items()
        if key in header and file.is_file() and file.name != header[key].replace("$b", path.stem)
    ]
    _check_brainvision_rate(path, header)
    _check_brainvision_size(files["DataFile"], header)
    marker: str | bool = str(files["MarkerFile"]) if files["MarkerFile"].is_file() else False
    if not marker:
        notes.append(f"{files['MarkerFile']} does not exist: the recording is read without its markers.")
    overrides = {"data_fname": str(files["DataFile"]), "marker_fname": marker}
    with _unambiguous(path) as readable:
        try:
            raw = read_raw_brainvision(readable, overrides=overrides, verbose="error")
        except (UnicodeDecodeError, IndexError, ValueError):
            if not marker:
                raise
            # a marker file that cannot be read is no reason to do without the samples
            raw = read_raw_brainvision(readable, overrides=overrides | {"marker_fname": False}, verbose="error")
            notes.append(f"{marker} cannot be read: the recording is read without its markers.")
    return Opened(raw, tuple(notes))


@contextmanager
def _unambiguous(path: Path) -> Iterator[Path]:
    """Lend a copy of a header in which equal names of channels are numbered, as MNE cannot read them in this format."""
    text = path.read_bytes().decode("latin-1")  # which any bytes survive
    head, infos, channels = text.partition("[Channel Infos]")
    entry = re.compile(r"^(Ch\d+=)([^,\r\n]*)", re.MULTILINE)
    channels = re.split(r"^\[", channels, maxsplit=1, flags=re.MULTILINE)[0]
    names = [match[2] for match in entry.finditer(channels)]
    if len(set(names)) == len(names):
        yield path
        return
    left = iter(numbered(names))
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / path.name
        channels = entry.sub(lambda match: match[1] + next(left), channels)
        copy.write_bytes((head + infos + channels).encode("latin-1"))
        yield copy


def numbered(names: Sequence[str]) -> list[str]:
    """Number names that occur more than once, as MNE does: `Cz-0`, `Cz-1`."""
    twice = {name for name in names if names.count(name) > 1}
    return [f"{name}-{names[:place].count(name)}" if name in twice else name for place, name in enumerate(names)]


def _check_brainvision_rate(path: Path, header: Mapping[str, str]) -> None:
    try:
        interval_us = float(header.get("SamplingInterval", "nan"))
    except ValueError:
        interval_us = math.nan
    if not 0 < interval_us < math.inf:
        found = f"it is {header['SamplingInterval']}" if "SamplingInterval" in header else "there is none"
        raise UnusableData(
            f"{path} cannot be read: the header of a BrainVision recording gives the microseconds between samples as a"
            f" positive SamplingInterval, and here {found}. Correct it, or copy the file again."
        )


def _check_brainvision_size(data: Path, header: Mapping[str, str]) -> None:
    sample = BYTES_OF.get(header.get("BinaryFormat", ""), 0) * _number(header.get("NumberOfChannels"))
    if header.get("DataFormat", "BINARY").upper() != "BINARY" or not sample:
        return
    found, points = data.stat().st_size, _number(header.get("DataPoints"))
    if not found:
        raise UnusableData(f"{data} is empty. Fetch or copy it again.")
    if found < points * sample:
        raise _truncated(data, found, points * sample)
    if found % sample:
        raise UnusableData(
            f"{data} ends within a sample: its {found} bytes are no multiple of the {sample} bytes of a sample of all"
            " channels. Fetch or copy it again."
        )


def _number(text: str | None) -> int:
    return int(text) if text and text.strip().lstrip("-").isdigit() else 0


# -- EDF and BDF -------------------------------------------------------------------------------------------------------


def _open_edf(path: Path) -> Opened:
    from mne.io import read_raw_bdf, read_raw_edf

    notes = _check_edf_header(path)
    read: Callable[..., Any] = read_raw_bdf if path.suffix.lower() == ".bdf" else read_raw_edf
    try:
        return Opened(read(path, verbose="error"), notes)
    except Exception as error:  # MNE has no narrower class for it
        if "latin1" not in str(error):
            raise
        note = f"The annotations in {path} are not UTF-8, as EDF+ requires; they are read as Latin-1."
        return Opened(read(path, encoding="latin1", verbose="error"), (*notes, note))


def _check_edf_header(path: Path) -> tuple[str, ...]:
    with path.open("rb") as file:
        fixed = file.read(256)
        try:
            head_bytes, records, channels = int(fixed[184:192]), int(fixed[236:244]), int(fixed[252:256])
            file.seek(256 + 216 * channels)
            samples = [int(file.read(8)) for _ in range(channels)]
        except ValueError as error:
            raise UnusableData(f"{path} cannot be read: it does not begin with the header of an EDF file.") from error
    width = 3 if path.suffix.lower() == ".bdf" else 2
    found, expected = path.stat().st_size, head_bytes + max(records, 0) * sum(samples) * width
    if found < expected:  # the number of records is -1 while a recording is being made
        raise _truncated(path, found, expected)
    if found - head_bytes < sum(samples) * width:
        raise UnusableData(f"{path} is empty: there is nothing after its header. Fetch or copy it again.")
    if fixed[192:197] in (b"EDF+D", b"BDF+D"):
        return (f"{path} is discontinuous (EDF+D), but read as if it had no gaps: times after a gap are too early.",)
    return ()


# -- EEGLAB ------------------------------------------------------------------------------------------------------------


def _eeglab_files(path: Path) -> list[Path]:
    sibling = path.with_suffix(".fdt")
    if sibling.exists() or sibling.is_symlink():
        return [sibling]
    named = _eeglab_data_file(path) if path.stat().st_size < LARGEST_HEADER else ""
    if not named.lower().endswith(".fdt"):
        return []
    original = path.with_name(Path(named.replace("\\", "/")).name)
    return [original if original.is_file() or original.is_symlink() else sibling]


def _eeglab_data_file(path: Path) -> str:
    """Read which file a .set names for its data; empty where it holds them itself or cannot be read."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path, variable_names=["EEG", "data"], squeeze_me=True, struct_as_record=False)
    except NotImplementedError:
        return _hdf5_data_file(path)
    except (MatReadError, ValueError, TypeError, OSError, IndexError):
        return ""  # left to the reader to report
    data = content.get("data", getattr(content.get("EEG"), "data", ""))
    return data if isinstance(data, str) else ""


def _hdf5_data_file(path: Path) -> str:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            data = file["EEG/data"] if "EEG" in file else file["data"]
            if data.dtype != "uint16":  # MATLAB's characters
                return ""
            return "".join(map(chr, data[()].ravel()))
    except (OSError, KeyError):
        return ""


def _open_eeglab(path: Path) -> Opened:
    from mne.io import read_raw_eeglab

    try:
        raw = read_raw_eeglab(path, verbose="error")
    except TypeError as error:
        if "number of trials" in str(error):
            raise UnusableData(f"{path} holds epochs; expected a continuous recording.") from error
        raise
    data = Path(raw.filenames[0])
    if data.suffix.lower() == ".fdt":
        found, expected = data.stat().st_size, raw.n_times * len(raw.ch_names) * 4
        if found < expected:
            raise _truncated(data, found, expected)
    return Opened(raw)

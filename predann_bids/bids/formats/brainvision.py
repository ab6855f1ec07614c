"""Open BrainVision recordings: MNE reads the samples, by a header that is written anew from what ours says."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from predann_bids.bids.formats.contents import is_absent, refuse_strange
from predann_bids.bids.formats.headers import BINARY_TYPES, Header, Layout, pointers, read_header, read_markers
from predann_bids.bids.formats.opened import Opened, ends_early, ends_late, numbered
from predann_bids.bids.formats.pointers import Pointer, follow
from predann_bids.bids.sidecars import is_dangling
from predann_bids.errors import UnusableData

if TYPE_CHECKING:
    from mne.io import BaseRaw

HEAD = "Brain Vision Data Exchange {} File, Version 1.0"
OF_MNE = ("INT_16", "INT_32", "IEEE_FLOAT_32")
FLOATS = Layout("IEEE_FLOAT_32")
# data may go on after what the header announces by as much as a header that was written too early
LATE_S = 1.0
# what EEG is in any unit, as floats
LOOKED_AT, SMALLEST, LARGEST, MOST = 1 << 16, 1e-9, 1e9, 0.99


def files_of(path: Path) -> tuple[Pointer, Pointer]:
    """Find the data and the markers of a recording."""
    data, markers = pointers(path)
    return follow(path, data, ".eeg", ".vhdr"), follow(path, markers, ".vmrk", ".vhdr")


def files_needed(path: Path) -> list[Path]:
    """List the files that a recording cannot be read without: markers only when they are there, but not fetched."""
    data, markers = files_of(path)
    unfetched = is_dangling(markers.file) or (markers.file.is_file() and is_absent(markers.file))
    return [data.file, *([markers.file] if unfetched else [])]


def open_brainvision(path: Path) -> Opened:
    """Open a BrainVision recording; text and unusual numbers are loaded, all others stay on disk."""
    header, (data, markers) = read_header(path), files_of(path)
    notes = [note for note in (_note(path, data), _note(path, markers)) if note]
    if header.segmented:
        notes.append(
            f"{path} holds segments of a recording (SegmentationType={header.segmented}): times after a cut may be too"
            " early."
        )
    refuse_strange(data.file)
    if header.layout.binary:
        notes += _check_size(data.file, header)
        _refuse_floats(data.file, header)
    with tempfile.TemporaryDirectory() as scratch:
        marker, remarks = _rewritten_markers(path, markers, Path(scratch) / "markers.vmrk")
        raw = _read(header, data.file, marker, Path(scratch) / "header.vhdr")
    return Opened(raw, (*notes, *remarks))


def _note(path: Path, pointer: Pointer) -> str:
    file = pointer.file
    if not pointer.named or not file.is_file() or file.stem.casefold() == Path(pointer.named).stem.casefold():
        borrowed = pointer.named and file.is_file() and file.stem.casefold() != path.stem.casefold()
        return (
            f"{file} is read with {path.name}, which names it: no file has the header's own name." if borrowed else ""
        )
    if pointer.other is None:
        return f"{path} names {pointer.named}, which does not exist; {file.name} is taken for it."
    whose = "belongs to another recording" if pointer.stranger else "exists as well"
    return f"{path} names {pointer.named}, which {whose}; {file.name}, which has the header's own name, is read."


# -- samples -----------------------------------------------------------------------------------------------------------


def _check_size(data: Path, header: Header) -> list[str]:
    found, sample = data.stat().st_size, header.layout.sample_bytes * len(header.channels)
    if found % sample:
        raise UnusableData(
            f"{data} ends within a sample: its {found} bytes are no multiple of the {sample} bytes of a sample of all"
            " channels. Fetch or copy it again."
        )
    if header.points is None or found == header.points * sample:
        return []
    if found < header.points * sample:
        raise ends_early(data, found, header.points * sample)
    late_s = (found / sample - header.points) * header.interval_us / 1e6
    if header.layout.vectorized or late_s > LATE_S:
        raise ends_late(data, found, header.points * sample, header.path)
    return [f"{data} goes on for {late_s:.3g} s after the last sample that its header announces."]


def _refuse_floats(data: Path, header: Header) -> None:
    """Refuse floats that are called integers: as floats, almost all pairs of integers are tiny or no numbers."""
    if header.layout.binary != "INT_16" or header.layout.big_endian:
        return
    values = np.fromfile(data, "<f4", count=LOOKED_AT)
    sizes = np.abs(values[values != 0])
    is_likely = bool(len(sizes)) and np.mean((sizes > SMALLEST) & (sizes < LARGEST)) > MOST
    if is_likely and min(np.mean(values > 0), np.mean(values < 0)) > 1 - MOST:
        raise UnusableData(
            f"{header.path} says that {data.name} holds numbers of type INT_16, but they are of type IEEE_FLOAT_32."
            " Correct BinaryFormat in the header, or copy it again."
        )


def _read(header: Header, data: Path, marker: Path | bool, copy: Path) -> BaseRaw:
    from mne.io import read_raw_brainvision

    layout, source, loaded = header.layout, data, False
    if layout.binary not in OF_MNE or layout.big_endian:
        values = _values(header, data)
        source, layout, loaded = copy.with_suffix(".eeg"), FLOATS, True
        values.astype("<f4").tofile(source)
    overrides = {"data_fname": str(source.absolute()), "marker_fname": str(marker) if marker else False}
    read: Callable[..., Any] = read_raw_brainvision
    for comment in (header.comment, ""):
        _write_header(replace(header, layout=layout, comment=comment), copy)
        try:
            raw: BaseRaw = read(copy, overrides=overrides, preload=loaded, verbose="error")
            break
        except (AssertionError, ValueError, IndexError, LookupError):
            if not comment:  # MNE looks for filters in there, and programs write them in many ways
                raise
    raw.filenames = [data]
    return raw


def _write_header(header: Header, copy: Path) -> None:
    layout = header.layout
    names = numbered([channel.name for channel in header.channels])
    lines = [
        HEAD.format("Header"),
        "[Common Infos]",
        "Codepage=UTF-8",
        "DataFormat=BINARY",
        f"DataOrientation={'VECTORIZED' if layout.vectorized else 'MULTIPLEXED'}",
        f"NumberOfChannels={len(names)}",
        f"SamplingInterval={header.interval_us!r}",
        "[Binary Infos]",
        f"BinaryFormat={layout.binary}",
        "[Channel Infos]",
    ]
    for place, (name, channel) in enumerate(zip(names, header.channels, strict=True), 1):
        encoded = name.replace(",", "\\1")
        lines.append(f"Ch{place}={encoded},,{channel.resolution!r},{channel.unit}")
    if header.coordinates:
        lines.append("[Coordinates]")
        places = [(place, point) for place, point in sorted(header.coordinates.items()) if place < len(names)]
        lines += [f"Ch{place + 1}={','.join(map(repr, point))}" for place, point in places]
    if header.comment:
        lines += ["[Comment]", re.sub(r"\[Comment\]", "", header.comment)]
    copy.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _values(header: Header, data: Path) -> Any:
    """Load values as the file has them, shape (samples, channels)."""
    if not header.layout.binary:
        return _values_of_text(header, data)
    layout, n_channels = header.layout, len(header.channels)
    values = np.fromfile(data, (">" if layout.big_endian else "<") + BINARY_TYPES[layout.binary])
    return values.reshape(n_channels, -1).T if layout.vectorized else values.reshape(-1, n_channels)


def _values_of_text(header: Header, data: Path) -> Any:
    layout, n_channels = header.layout, len(header.channels)
    rows = []
    with data.open(encoding="latin-1") as file:
        for number, line in enumerate(file, 1):
            if number > layout.skip_lines and line.strip():
                rows.append(_numbers(line, layout, f"{data}, line {number}"))
    lengths = sorted({len(row) for row in rows})
    expected = f"{n_channels} channels {'in lines' if layout.vectorized else 'in columns'}"
    if not rows or (len(rows) if layout.vectorized else lengths[0]) != n_channels or len(lengths) > 1:
        raise UnusableData(
            f"{data} does not fit its header: it has {len(rows)} lines of {' or '.join(map(str, lengths[:3]))} numbers,"
            f" where {header.path.name} announces {expected}. Correct SkipLines, SkipColumns or DataOrientation there,"
            " or fetch or copy the data again."
        )
    values = np.array(rows)
    values = values.T if layout.vectorized else values
    if header.points and header.points != len(values):
        raise UnusableData(
            f"{data} does not fit its header: it has {len(values)} samples of each channel, where {header.path.name}"
            f" announces {header.points}. Fetch or copy both again."
        )
    return values


def _numbers(line: str, layout: Layout, where: str) -> list[float]:
    separators = r"[\s;]+" if layout.decimal == "," else r"[\s;,]+"
    cells = re.split(separators, line.strip().strip(";"))[layout.skip_columns :]
    try:
        return [float(cell.replace(",", ".")) for cell in cells if cell]
    except ValueError as error:
        raise UnusableData(
            f"{where} holds something that is no number ({str(error).rpartition(': ')[2]}). Check DecimalSymbol,"
            " SkipLines and SkipColumns in the header."
        ) from error


# -- markers -----------------------------------------------------------------------------------------------------------


def _rewritten_markers(path: Path, pointer: Pointer, copy: Path) -> tuple[Path | bool, list[str]]:
    """Write markers anew, in the one way that MNE reads for sure; False where there are none."""
    file = pointer.file
    if not file.is_file():
        why = f"{pointer.named} belongs to another recording" if pointer.stranger else f"{file} does not exist"
        return False, [f"{why}: {path.name if pointer.stranger else 'the recording'} is read without its markers."]
    markers, unreadable = read_markers(file)
    if unreadable and not markers:
        return False, [f"{file} cannot be read: the recording is read without its markers."]
    lines = [HEAD.format("Marker"), "[Common Infos]", "Codepage=UTF-8", "[Marker Infos]"]
    lines += [f"Mk{number}={','.join(cells)}" for number, cells in enumerate(markers, 1)]
    copy.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    return copy, [f"{unreadable} markers in {file} cannot be read, and are left out."] if unreadable else []

"""Read BrainVision headers and markers as programs and people write them.

The format is that of Windows' INI files. Blanks around names and values, capitals, line ends and encodings differ from
program to program; here is the one place that knows about it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from predann_bids.bids.formats.contents import looks_like_text
from predann_bids.bids.formats.units import unit_name, volts
from predann_bids.errors import UnusableData

LINE_END = re.compile(r"\r\n|\r|\n")
ENTRY = re.compile(r"ch(\d+)")
MARKER = re.compile(r"mk\d+\s*=(.*)", re.IGNORECASE)
# what MNE knows; others are turned into the last
BINARY_TYPES = {"INT_16": "i2", "INT_32": "i4", "IEEE_FLOAT_32": "f4", "UINT_16": "u2", "IEEE_FLOAT_64": "f8"}
NO = ("", "no", "off", "false", "0")

Sections = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Channel:
    """One channel as a header lists it: values times the resolution are in the unit."""

    name: str
    resolution: float
    unit: str


@dataclass(frozen=True)
class Layout:
    """How samples lie in the data file.

    Parameters
    ----------
    binary : str
        A key of `BINARY_TYPES`; empty for text.
    vectorized : bool
        One channel after the other, rather than one sample of all channels after the other.
    big_endian : bool
        Byte order of binary data.
    decimal : str
        Decimal sign of text.
    skip_lines, skip_columns : int
        What stands before the values of text.
    """

    binary: str = ""
    vectorized: bool = False
    big_endian: bool = False
    decimal: str = "."
    skip_lines: int = 0
    skip_columns: int = 0

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of one channel; 0 for text."""
        return int(BINARY_TYPES[self.binary][1]) if self.binary else 0


@dataclass(frozen=True)
class Header:
    """A BrainVision header.

    Parameters
    ----------
    path : Path
        Where it is.
    channels : tuple of Channel
        In the order of the data.
    interval_us : float
        Microseconds between samples.
    layout : Layout
        How samples lie in the data file.
    points : int, optional
        Samples of each channel, if it says so.
    coordinates : mapping
        Index of a channel to its radius, theta and phi.
    segmented : str
        How the data were cut into segments; empty if they were not.
    comment : str
        What follows the list of channels as free text.
    """

    path: Path
    channels: tuple[Channel, ...]
    interval_us: float
    layout: Layout
    points: int | None = None
    coordinates: Mapping[int, tuple[float, float, float]] = field(default_factory=dict)
    segmented: str = ""
    comment: str = ""


def read_text(path: Path) -> str:
    """Read text in UTF-8, else in the encoding that it declares, else in Windows' western one."""
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    declared = re.search(rb"codepage\s*=\s*([\w-]+)", content, re.IGNORECASE)
    for encoding in ("utf-8-sig", declared[1].decode() if declared else "cp1252", "cp1252"):
        try:
            return content.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return content.decode("latin-1")


def pointers(path: Path) -> tuple[str, str]:
    """Read which files a header names for its data and its markers; empty where it names none."""
    common = _sections(read_text(path))[0].get("common infos", {})
    return common.get("datafile", ""), common.get("markerfile", "")


def read_header(path: Path) -> Header:
    """Read a BrainVision header.

    Raises
    ------
    UnusableData
        It is none, or something that is needed is missing, contradicts itself, or is of an unknown kind.
    """
    text = read_text(path)
    sections, comment, twice = _sections(text)
    common = sections.get("common infos")
    if common is None:
        what = "text of another kind" if looks_like_text(text[:200].encode()) else "no text"
        raise UnusableData(
            f"{path} cannot be read: it is {what}, not the header of a BrainVision recording, which has a section"
            " [Common Infos]. Copy the file again."
        )
    if twice:
        raise UnusableData(f"{path} cannot be read: it gives {twice} twice, with different values. Remove one of them.")
    return Header(
        path,
        _channels(path, sections),
        _interval(path, common),
        _layout(path, sections),
        _whole(path, common, "DataPoints"),
        _coordinates(sections.get("coordinates", {})),
        _segmentation(path, common),
        comment,
    )


def _sections(text: str) -> tuple[Sections, str, str]:
    """Return the fields by section, the comment, and a field that is there twice; all names in lower case."""
    sections: Sections = {}
    current, twice = "", ""
    lines = LINE_END.split(text)
    for number, line in enumerate(map(str.strip, lines)):
        if line.startswith("[") and line.endswith("]"):
            current = " ".join(line[1:-1].lower().split())
            if current == "comment":
                return sections, "\n".join(lines[number + 1 :]), twice
            sections.setdefault(current, {})
        elif "=" in line and not line.startswith(";") and current:
            name, _, value = line.partition("=")
            key, value = name.strip().lower(), value.strip()
            if sections[current].setdefault(key, value) != value:
                twice = name.strip()
    return sections, "", twice


def _wrong(path: Path, problem: str, remedy: str) -> UnusableData:
    return UnusableData(f"{path} cannot be read: {problem}. {remedy}")


# -- fields ------------------------------------------------------------------------------------------------------------


def _decimal(text: str) -> float:
    return float(re.sub(r"^([-+]?\d+),(\d+)$", r"\1.\2", text.strip()))


def _whole(path: Path, fields: Mapping[str, str], name: str) -> int | None:
    text = fields.get(name.lower(), "")
    if not text:
        return None
    if not text.isdecimal():
        raise _wrong(path, f"{name} is '{text}', where a whole number is expected", "Correct it.")
    return int(text) or None


def _interval(path: Path, common: Mapping[str, str]) -> float:
    text = common.get("samplinginterval")
    try:
        interval_us = _decimal(text or "")
    except ValueError:
        interval_us = 0.0
    if not 0 < interval_us < float("inf"):
        found = "there is none" if text is None else f"it is {text or 'empty'}"
        raise UnusableData(
            f"{path} cannot be read: the header of a BrainVision recording gives the microseconds between samples as a"
            f" positive SamplingInterval, and here {found}. Correct it, or copy the file again."
        )
    return interval_us


def _layout(path: Path, sections: Sections) -> Layout:
    common = sections["common infos"]
    orientation = common.get("dataorientation", "").upper() or "MULTIPLEXED"
    if orientation not in ("MULTIPLEXED", "VECTORIZED"):
        raise _wrong(
            path, f"DataOrientation is '{orientation}'; known are MULTIPLEXED and VECTORIZED", "Export the data again."
        )
    vectorized = orientation == "VECTORIZED"
    kind = common.get("dataformat", "").upper() or "BINARY"
    if kind == "ASCII":
        infos = sections.get("ascii infos", {})
        lines, columns = (_whole(path, infos, name) or 0 for name in ("SkipLines", "SkipColumns"))
        return Layout("", vectorized, False, infos.get("decimalsymbol") or ".", lines, columns)
    if kind != "BINARY":
        raise _wrong(path, f"DataFormat is '{kind}'; known are BINARY and ASCII", "Export the data again.")
    infos = sections.get("binary infos", {})
    binary = infos.get("binaryformat", "").upper()
    if binary not in BINARY_TYPES:
        found = f"is '{binary}'" if binary else "is missing"
        raise _wrong(
            path, f"BinaryFormat {found}; known are {', '.join(BINARY_TYPES)}", "Correct it, or export the data again."
        )
    return Layout(binary, vectorized, infos.get("usebigendianorder", "").lower() not in NO)


def _segmentation(path: Path, common: Mapping[str, str]) -> str:
    if common.get("datatype", "").upper() == "FREQUENCYDOMAIN":
        raise _wrong(
            path, "it holds spectra (DataType=FREQUENCYDOMAIN), no EEG over time", "Give the recording itself."
        )
    if common.get("averaged", "").lower() not in NO:
        raise _wrong(path, "it holds an average over segments (Averaged=YES)", "Give the continuous recording.")
    kind = common.get("segmentationtype", "").upper()
    return "" if kind in ("", "NOTSEGMENTED") else kind


# -- channels ----------------------------------------------------------------------------------------------------------


def _channels(path: Path, sections: Sections) -> tuple[Channel, ...]:
    number = _whole(path, sections["common infos"], "NumberOfChannels")
    entries = {int(match[1]): text for key, text in sections.get("channel infos", {}).items()
               if (match := ENTRY.fullmatch(key))}  # fmt: skip
    places = sorted(entries)
    expected = number or len(places)
    if not expected or places != list(range(1, expected + 1)):
        raise _wrong(
            path,
            f"NumberOfChannels is {number or 'missing'}, but [Channel Infos] lists {len(places)}"
            f" (Ch{places[0]} to Ch{places[-1]})" if places else "it lists no channels",
            "Which samples belong to which channel depends on it: correct the header, or copy it again.",
        )  # fmt: skip
    return tuple(_channel(path, place, entries[place]) for place in places)


def _channel(path: Path, place: int, text: str) -> Channel:
    name, _, resolution, unit, *more = [part.strip() for part in f"{text},,,".split(",")]
    if resolution.isdecimal() and unit.isdecimal() and more and more[0]:
        resolution, unit = f"{resolution}.{unit}", more[0]  # a decimal comma
    try:
        factor = float(resolution or 1.0)
    except ValueError:
        factor = 0.0
    if not 0 < abs(factor) < float("inf"):
        raise _wrong(
            path, f"the resolution of Ch{place} ('{name}') is '{resolution}'", "Expected a number; correct it."
        )
    value = volts(unit or "µV")
    return Channel(
        name.replace("\\1", ",") or f"Ch{place}", factor, unit_name(value) if value else unit.replace("\u00c2", "")
    )


def _coordinates(entries: Mapping[str, str]) -> dict[int, tuple[float, float, float]]:
    found = {}
    for key, text in entries.items():
        match = ENTRY.fullmatch(key)
        try:
            radius, theta, phi = map(float, text.split(","))
        except ValueError:
            continue  # positions are no reason to do without the recording
        if match:
            found[int(match[1]) - 1] = (radius, theta, phi)
    return found


# -- markers -----------------------------------------------------------------------------------------------------------


def read_markers(path: Path) -> tuple[list[list[str]], int]:
    """Read the markers of a .vmrk file.

    Returns
    -------
    list of list of str
        Type, description, position, length, channel and whatever follows of each marker.
    int
        How many there are that cannot be read.
    """
    body = re.split(r"\[marker infos\]", read_text(path), maxsplit=1, flags=re.IGNORECASE)
    lines = LINE_END.split(body[1]) if len(body) > 1 else []
    entries = [match[1].strip().split(",") for line in lines if (match := MARKER.fullmatch(line.strip()))]
    sound = [
        [cell.strip() for cell in cells]
        for cells in entries
        if len(cells) > 3 and cells[2].strip().lstrip("-").isdecimal()
    ]
    return sound, len(entries) - len(sound) + (not lines)

"""When the data records of an EDF+ or BDF+ file begin, and what its annotations say: time-stamped annotation lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from predann_bids.bids.gaps import Gap
from predann_bids.errors import UnusableData

# onset, duration, texts; all but the last end with a byte of their own
LIST = re.compile(rb"([+-]\d+(?:\.\d*)?)(?:\x15(\d+(?:\.\d*)?))?\x14(.*?)\x14\x00", re.DOTALL)
FIRST = re.compile(rb"\x00*([+-]\d+(?:\.\d*)?)\x14\x14")
# programs round the onsets of records to milliseconds
ROUNDING_S = 0.005


@dataclass(frozen=True)
class Mark:
    """An annotation: seconds from the start of the recording, seconds, and its text."""

    onset: float
    duration: float
    text: str


@dataclass(frozen=True)
class RecordTimes:
    """When each record begins, in seconds from the first, and how long each lasts."""

    onsets: tuple[float, ...]
    record_s: float

    def gaps(self, rounding_s: float) -> tuple[Gap, ...]:
        """List the stretches between records that have no samples, longer than rounding explains."""
        tolerance = max(ROUNDING_S, rounding_s)
        found, missing = [], 0.0
        for place, onset in enumerate(self.onsets):
            expected = place * self.record_s + missing
            if onset - expected > tolerance:
                found.append(Gap(expected, onset - expected))
                missing += onset - expected
        return tuple(found)


def record_times(
    path: Path, *, offset: int, record_bytes: int, columns: Sequence[slice], record_s: float, strict: bool
) -> RecordTimes | None:
    """Read when each record begins; None if a file that need not say it does not.

    Parameters
    ----------
    path : Path
        The file.
    offset, record_bytes : int
        Where the records begin, and the size of each.
    columns : sequence of slice
        Where annotations are in a record.
    record_s : float
        Duration of a record in seconds.
    strict : bool
        Whether the file must say it, as it is discontinuous.

    Raises
    ------
    UnusableData
        A record of a discontinuous file does not say when it begins, or begins before the last one ends.
    """
    onsets: list[float] = []
    for number, record in enumerate(_lists(path, offset, record_bytes, columns), 1):
        match = FIRST.match(record)
        onset = float(match[1]) if match else None
        early = onset is not None and bool(onsets) and onset < onsets[-1] + record_s - ROUNDING_S - 1e-9
        if onset is None or early:
            if not strict:
                return None
            what = "does not say when it begins" if onset is None else "begins before the last one ends"
            raise UnusableData(
                f"{path} is discontinuous (EDF+D), and data record {number} {what}, so that the times of its samples"
                " are not known. Export it again."
            )
        onsets.append(onset)
    return RecordTimes(tuple(onset - onsets[0] for onset in onsets), record_s) if onsets else None


def read_marks(path: Path, offset: int, record_bytes: int, columns: Sequence[slice]) -> list[Mark]:
    """Read all annotations, with onsets from the first sample, in true time.

    Parameters
    ----------
    path : Path
        The file.
    offset, record_bytes : int
        Where the records begin, and the size of each.
    columns : sequence of slice
        Where annotations are in a record.
    """
    marks: list[Mark] = []
    first: float | None = None
    for record in _lists(path, offset, record_bytes, columns):
        for onset, duration, texts in LIST.findall(record):
            first = float(onset) if first is None else first
            for text in filter(None, texts.split(b"\x14")):
                marks.append(Mark(float(onset) - first, float(duration or 0), _decoded(text)))
    return marks


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _lists(path: Path, offset: int, record_bytes: int, columns: Sequence[slice]) -> Iterator[bytes]:
    records = (path.stat().st_size - offset) // record_bytes
    content: Any = np.memmap(path, np.uint8, "r", offset, (records, record_bytes))
    for record in content:
        yield b"".join(record[column].tobytes() for column in columns)

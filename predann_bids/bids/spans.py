"""Bad stretches of a recording, as annotations or events mark them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from predann_bids.bids.gaps import TimeLine
from predann_bids.bids.numbers import MISSING, as_seconds

# "bad" and "BAD_muscle", but not the song "Bad Romance"; MNE writes "BAD boundary", BrainVision Analyzer "Bad Interval"
BAD = re.compile(r"(?i:bad(_|$)|bad (interval|boundary|segment|epoch))|BAD\b")
# where samples were cut out (EEGLAB), recordings were joined (MNE), or the amplifier paused (BrainVision)
CUT = re.compile(r"(?i)(edge )?boundary$|new segment\b")


@dataclass(frozen=True, order=True)
class BadSpan:
    """A stretch that was marked as bad, or, with a duration of 0, a cut between two samples.

    Parameters
    ----------
    onset, duration : float
        Seconds from the start of the recording.
    description : str
        The mark itself, such as ``BAD_muscle`` or ``boundary``.
    """

    onset: float
    duration: float
    description: str

    def in_file(self, timeline: TimeLine) -> BadSpan:
        """Move it from true time to where its samples are."""
        if not timeline.gaps:
            return self
        start, stop = timeline.in_file(self.onset), timeline.in_file(self.onset + self.duration)
        return BadSpan(start, stop - start, self.description)


def bad_spans(source: Any) -> tuple[BadSpan, ...]:
    """Find the bad stretches and the cuts among annotations, in the order of their onsets.

    What an EEGLAB ``boundary`` gives as its duration is the length of what was cut out, which is not in the
    recording any more: it is a point.

    Parameters
    ----------
    source : mne.io.BaseRaw or mne.Annotations
        A recording or its annotations. Annotations on their own must count from the start of the recording.
    """
    annotations = getattr(source, "annotations", source)
    start = getattr(source, "first_time", 0.0) if annotations.orig_time is not None else 0.0
    marks = zip(annotations.onset, annotations.duration, annotations.description, strict=True)
    return _spans((float(onset) - start, float(duration), str(text)) for onset, duration, text in marks)


def from_events(rows: Sequence[Mapping[str, str]]) -> tuple[BadSpan, ...]:
    """Find the bad stretches and the cuts that rows of an events.tsv mark in `trial_type` or `value`.

    Rows that name a stimulus are music, whatever it is called.

    Parameters
    ----------
    rows : sequence of mapping
        The events as text, with `n/a` where it says so; see `read_rows`.
    """
    marks = ((_seconds(row["onset"]), _seconds(row["duration"]), text) for _, row, text in _marked(rows))
    return _spans(mark for mark in marks if math.isfinite(mark[0]))


def unreadable_marks(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Tell of rows of an events.tsv that mark something as bad, without a time that can be read."""
    told = []
    for index, row, text in _marked(rows):
        cells = {column: row[column] for column in ("onset", "duration")}
        wrong = [
            f"{column} '{cell}'" for column, cell in cells.items() if cell not in MISSING and as_seconds(cell) is None
        ]
        if cells["onset"] in MISSING:
            wrong.insert(0, "unknown onset")
        if wrong:
            told.append(f"line {index + 2}: '{text}' has the {' and the '.join(wrong)}, so nothing is marked as bad.")
    return told


def _marked(rows: Sequence[Mapping[str, str]]) -> Iterator[tuple[int, Mapping[str, str], str]]:
    """List the rows that mark something, with their text."""
    for index, row in enumerate(rows):
        if row.get("stim_file", "n/a").strip() not in ("", "n/a"):
            continue  # music, whatever it is called
        texts = [cell.strip() for cell in (row.get("trial_type"), row.get("value")) if cell]
        if marks := [text for text in texts if _is_mark(text)]:
            yield index, row, marks[0]


def _is_mark(text: str) -> bool:
    return bool(BAD.match(text) or CUT.match(text))


def _spans(marks: Iterable[tuple[float, float, str]]) -> tuple[BadSpan, ...]:
    found = set()
    for onset, duration, text in marks:
        if CUT.match(text) and onset > 0:  # nothing is cut before the first sample
            found.add(BadSpan(onset, 0.0, text))
        elif BAD.match(text):
            found.add(BadSpan(onset, duration if math.isfinite(duration) and duration > 0 else 0.0, text))
    return tuple(sorted(found))


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan

"""Count what the events of a dataset have in common: values, their intervals, what follows what."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from predann_bids.bids.music.stimulus_map import NOTHING
from predann_bids.tools.stimuli.drafting.events import RecordingEvents, can_be_a_condition
from predann_bids.tools.stimuli.drafting.names import in_order

USUAL_COLUMNS = ("trial_type", "value")
ABOUT_STIMULI = re.compile(r"stim|song|music|track|clip|piece|melod|audio|sound|video|film|movie", re.IGNORECASE)
NOT_MUSIC = re.compile(
    r"not used|(?<![a-z])(resp(onses?)?|buttons?|key(press)?|press(ed)?|ratings?|questions?|answer(s|ed)?|fixation"
    r"|cross|rest(ing)?|boundary|segment|artifact)(?![a-z])",
    re.IGNORECASE,
)
MANY_ROWS = 10  # as many rows at the same times in two recordings are no coincidence
SPACING_S = 5.0  # rows of one value that follow each other faster do not start pieces of music


@dataclass(frozen=True)
class DatasetEvents:
    """The events of all recordings of a dataset."""

    recordings: Sequence[RecordingEvents]

    def labels(self, entity: str) -> list[str]:
        """Return the labels of an entity, such as all tasks."""
        return sorted({one.entities[entity] for one in self.recordings} - {""}, key=in_order)

    def columns(self) -> list[str]:
        """Return the columns of events, those about stimuli first."""

        def rank(name: str) -> tuple[int, str]:
            usual = USUAL_COLUMNS.index(name) + 1 if name in USUAL_COLUMNS else 3
            return (0 if ABOUT_STIMULI.search(name) else usual), name

        return sorted({name for one in self.recordings for name in one.columns}, key=rank)

    def counts(self, column: str) -> Counter[str]:
        """Count the rows with each value of a column."""
        rows = Counter[str]()
        for one in self.recordings:
            rows.update(one.columns.get(column, ()))
        return Counter({value: count for value, count in rows.items() if can_be_a_condition(value)})

    def presence(self, column: str) -> Counter[str]:
        """Count the recordings with each value of a column."""
        recordings = Counter[str]()
        for one in self.recordings:
            recordings.update(set(one.columns.get(column, ())))
        return recordings

    def meaning(self, column: str, value: str) -> str:
        """Return what events.json says about a value; empty if nothing."""
        texts = (one.meanings.get(column, {}).get(value, "") for one in self.recordings)
        return next(filter(None, texts), "")

    def like_stimuli(self, column: str) -> list[str]:
        """Return the values of a column that may start pieces of music: not responses, and seconds apart."""
        responses, apart = self._responses(column), self._apart(column)
        spaced = [value for value in self.counts(column) if apart.get(value, math.inf) >= SPACING_S]
        meanings = {value: self.meaning(column, value) for value in spaced if value not in responses}
        likely = [value for value, text in meanings.items() if not NOT_MUSIC.search(f"{value} {text}")]
        about_stimuli = [value for value in likely if ABOUT_STIMULI.search(meanings[value])]
        return sorted(about_stimuli or likely, key=in_order)

    def intervals(self, column: str, values: Collection[str]) -> dict[str, float]:
        """Return the median seconds from each value to the next row with any of the values; infinite if none comes."""
        gaps: dict[str, list[float]] = {value: [] for value in values}
        for one in self.recordings:
            for (onset, cell), (following, _) in pairwise(row for row in one.rows(column) if row[1] in gaps):
                if following > onset:  # a row may stand twice
                    gaps[cell].append(following - onset)
        return {value: statistics.median(gap) if gap else math.inf for value, gap in gaps.items()}

    def _apart(self, column: str) -> dict[str, float]:
        """Return the median seconds between the rows of each value."""
        gaps: dict[str, list[float]] = {}
        for one in self.recordings:
            last: dict[str, float] = {}
            for onset, cell in one.rows(column):
                if onset > last.get(cell, math.inf):
                    gaps.setdefault(cell, []).append(onset - last[cell])
                last[cell] = onset
        return {value: statistics.median(gap) for value, gap in gaps.items()}

    def _responses(self, column: str) -> set[str]:
        """Return the values most of whose rows have a response time."""
        answered = Counter[str]()
        for one in self.recordings:
            cells = zip(one.columns.get(column, ()), one.columns.get("response_time", ()), strict=False)
            answered.update(cell for cell, time in cells if time not in NOTHING)
        total = self.counts(column)
        return {value for value, count in answered.items() if 2 * count > total[value]}

    def followers(self, column: str, starts: Collection[str]) -> dict[str, tuple[float, float]]:
        """Return which values come at most once between one start and the next.

        A value that comes again and again ends nothing, and is left out.

        Returns
        -------
        dict
            Value to the share of starts that it follows, and the median seconds after which it does.
        """
        delays: dict[str, list[float]] = {}
        rows = Counter[str]()
        total = 0
        for one in self.recordings:
            start, followed = math.inf, set[str]()
            for onset, cell in one.rows(column):
                if cell in starts:
                    total += onset != start
                    start, followed = onset, set()
                elif onset > start and can_be_a_condition(cell):
                    rows[cell] += 1
                    if cell not in followed:
                        delays.setdefault(cell, []).append(onset - start)
                        followed.add(cell)
        return {
            value: (len(seconds) / max(total, 1), statistics.median(seconds))
            for value, seconds in delays.items()
            if rows[value] <= 1.2 * len(seconds)
        }

    @cached_property
    def times_are_wrong(self) -> bool:
        """Whether the events belong to other files: most lie beyond the end, or, if that is unknown, are repeated."""
        closed = [one for one in self.recordings if math.isfinite(one.seconds)]
        rows = sum(len(one.onsets) for one in closed)
        beyond = sum(onset >= one.seconds for one in closed for onset in one.onsets)
        lists = Counter(
            (one.entities["participant"], *one.onsets)
            for one in self.recordings
            if len(one.onsets) >= MANY_ROWS and not math.isfinite(one.seconds)
        )
        repeated = sum(count for count in lists.values() if count > 1)
        return 2 * beyond > rows > 0 or 2 * repeated > len(self.recordings)

"""Read the events of a recording, as far as the draft of a stimulus map needs them."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from predann_bids.bids.music.cues import read_events
from predann_bids.bids.music.stimulus_map import EFFECTS, ENTITIES, NOTHING
from predann_bids.bids.recordings import Recording
from predann_bids.errors import PredannError
from predann_bids.files import read_json
from predann_bids.tools.stimuli.inspection import MEASURES, entities_of


@dataclass(frozen=True)
class RecordingEvents:
    """The events of one recording.

    Parameters
    ----------
    entities : mapping
        `participant`, `session`, `task` and `run`.
    onsets, durations : sequence of float
        Of each row, in seconds; NaN if it is not a number.
    columns : mapping
        Column of events.tsv to its cells.
    seconds : float
        Length of the recording; infinite if unknown.
    meanings : mapping
        Column to value to the description in events.json.
    """

    entities: Mapping[str, str]
    onsets: Sequence[float] = ()
    durations: Sequence[float] = ()
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    seconds: float = math.inf
    meanings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def rows(self, column: str) -> list[tuple[float, str]]:
        """Return onset and cell of each row of a column, by onset, without rows that have no onset."""
        cells = zip(self.onsets, self.columns.get(column, ()), strict=False)
        return sorted((onset, cell) for onset, cell in cells if math.isfinite(onset))

    def times(self, column: str, values: Collection[str]) -> list[float]:
        """Return the onsets of the rows that have one of the values in a column, in order."""
        return [onset for onset, cell in self.rows(column) if cell in values]


def read_recording_events(recording: Recording) -> RecordingEvents:
    """Read a recording's events; if they cannot be read, only its name is known."""
    entities = entities_of(recording)
    try:
        events = recording.sidecar("events", ".tsv")
        table = read_events(events) if events else None
    except (PredannError, OSError):
        table = None  # reported as the recording's problem
    if table is None:
        return RecordingEvents(entities)
    taken = {*MEASURES, *EFFECTS, *ENTITIES}  # these names mean something else in a map
    names = [name for name in map(str, table) if name not in taken and can_be_a_condition(name)]
    return RecordingEvents(
        entities,
        [_number(cell) for cell in table["onset"].tolist()],
        [_number(cell) for cell in table["duration"].tolist()],
        # a dataset has millions of cells, but few different values
        {name: [sys.intern(str(cell)) for cell in table[name].tolist()] for name in names},
        _seconds(recording),
        _meanings(recording, names),
    )


def _seconds(recording: Recording) -> float:
    try:
        reading = recording.open()
    except PredannError:
        return math.inf
    return float(reading.timeline.true_length(reading.raw.n_times / reading.raw.info["sfreq"]))


def _meanings(recording: Recording, columns: Sequence[str]) -> dict[str, dict[str, str]]:
    try:
        sidecar = recording.sidecar("events", ".json")
        described = read_json(sidecar) if sidecar else {}
    except PredannError:
        return {}
    # some datasets describe values in place of columns
    loose = dict(_texts({key: value for key, value in described.items() if key not in columns}))
    return {name: loose | dict(_texts(_levels(described.get(name)))) for name in columns}


def _levels(column: Any) -> Any:
    return column.get("Levels") if isinstance(column, dict) else None


def _texts(levels: Any) -> Iterator[tuple[str, str]]:
    for value, meaning in (levels if isinstance(levels, dict) else {}).items():
        text = meaning.get("Description", "") if isinstance(meaning, dict) else meaning
        if isinstance(text, str) and text:
            for single in _one_by_one(value):
                yield single, " ".join(text.split())


def _one_by_one(value: str) -> Iterable[str]:
    """Expand a range of codes, such as 11-13."""
    codes = re.fullmatch(r"(\d{1,5})-(\d{1,5})", value)
    return map(str, range(int(codes[1]), int(codes[2]) + 1)) if codes else (value,)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def can_be_a_condition(value: str) -> bool:
    """Return whether a map can have a condition on a value: no alternatives, comment or surrounding space in it."""
    plain = value.isprintable() and value == value.strip()
    return plain and value not in NOTHING and "|" not in value and not value.startswith("#")

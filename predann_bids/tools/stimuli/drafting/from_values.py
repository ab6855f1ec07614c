"""Draft a map if values of an events column come seconds apart: a rule for each."""

from __future__ import annotations

import math
from collections.abc import Sequence

from predann_bids.tools.stimuli.drafting.counting import SPACING_S, DatasetEvents
from predann_bids.tools.stimuli.drafting.draft import LISTED, Draft, fill_in, in_brackets
from predann_bids.tools.stimuli.drafting.from_recordings import find_marker
from predann_bids.tools.stimuli.wording import number, some

MOST_VALUES = 200
OTHER_MARKERS = 2  # such as a break before the start


def draft_from_values(events: DatasetEvents) -> Draft | None:
    """Draft a rule for each value that may start a piece of music; None if there is none, or one piece a recording."""
    if events.times_are_wrong or _hold_one_piece(events):
        return None
    likely = {column: events.like_stimuli(column) for column in events.columns()}
    several = (column for column, values in likely.items() if 1 < len(values) <= MOST_VALUES)
    repeated = (column for column, values in likely.items() if len(values) == 1 and _returns(events, column, values[0]))
    column = next(several, None) or next(repeated, None)
    return _rule_for_each(events, column, likely[column]) if column else None


def _returns(events: DatasetEvents, column: str, value: str) -> bool:
    return events.counts(column)[value] > events.presence(column)[value]


def _rule_for_each(events: DatasetEvents, column: str, values: Sequence[str]) -> Draft:
    total, recordings = events.counts(column), events.presence(column)
    intervals = events.intervals(column, values)
    comments = [f"Values of '{column}' that return after {SPACING_S:g} s or more and do not seem to be responses:"]
    for value in values:
        interval = (
            f", {intervals[value]:.1f} s to the next of these (median)" if math.isfinite(intervals[value]) else ""
        )
        where = f"{number(total[value], 'row')} in {recordings[value]} of {len(events.recordings)} recordings"
        comments.append(f"- {value}: {where}{interval}{in_brackets(events.meaning(column, value))}")
    others = [f"{value} x {count}" for value, count in total.most_common() if value not in values]
    if others:
        comments.append(f"Left out: {some(others, LISTED)}.")
    if len(values) == 1:
        comments += [
            "Nothing in the events distinguishes the pieces. Write a rule for each, with further columns such as"
            " participant, run and onset that say which row is meant.",
        ]
    return Draft(comments, (column, "audio"), [(value, fill_in(value)) for value in values])


def _hold_one_piece(events: DatasetEvents) -> bool:
    """Return whether events are little more than the start and the stop of one piece in each recording."""
    marker = find_marker(events)
    if marker is None:
        return False
    others = {*events.like_stimuli(marker.column)} - {marker.start, marker.stop}
    return len(others) <= (OTHER_MARKERS if marker.stop else 0)

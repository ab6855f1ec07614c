"""Draft a map if each recording contains one stimulus: a rule for each session, task or run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from predann_bids.bids.music.stimulus_map import ENTITIES
from predann_bids.tools.stimuli.drafting.counting import DatasetEvents
from predann_bids.tools.stimuli.drafting.draft import Draft, fill_in
from predann_bids.tools.stimuli.drafting.names import STOPS, in_order

LABELS = tuple(name for name in ENTITIES if name != "participant")
STARTS = re.compile(r"start|begin|bgin|onset|play", re.IGNORECASE)


class Marker(NamedTuple):
    """The values of a column that start and stop the one piece of a recording; `stop` may be empty."""

    column: str
    start: str
    stop: str


def draft_from_recordings(events: DatasetEvents) -> Draft:
    """Draft a rule for each kind of recording, with audio to be filled in."""
    comments = [f"{_reason(events)} The rules take each recording for one piece of music, named after the recording."]
    entities = _distinguishing(events)
    labels = sorted(
        {tuple(one.entities[name] for name in entities) for one in events.recordings},
        key=lambda row: [(not label, in_order(label)) for label in row],  # n/a matches everything, so it comes last
    )
    rules = [(*(label or "n/a" for label in row), fill_in("-".join(filter(None, row)))) for row in labels]
    return rules_for_recordings(events, Draft(comments, (*entities, "audio"), rules))


def _reason(events: DatasetEvents) -> str:
    """Say why rules cannot be about rows."""
    if events.times_are_wrong:
        return (
            "The times in events.tsv do not belong to these recordings: they are too late, or the same in all of them."
        )
    if not any(one.onsets for one in events.recordings):
        return "No recording has rows in an events.tsv."
    if not any(events.counts(column) for column in events.columns()):
        return (
            "The rows of events.tsv have times, but no trial_type, value or other column says what happened then. If"
            " music starts at some of them, write a rule for each piece, with the columns participant, task, run and"
            " onset, which say what row is meant."
        )
    return "Nothing in events.tsv distinguishes pieces of music."


def _distinguishing(events: DatasetEvents) -> tuple[str, ...]:
    """Return the entity that distinguishes a participant's recordings, or all that vary."""
    varying = [name for name in LABELS if len({one.entities[name] for one in events.recordings}) > 1]
    participants = {one.entities["participant"] for one in events.recordings}
    for name in varying:
        pairs = {(one.entities["participant"], one.entities[name]) for one in events.recordings}
        if len(pairs) == len(events.recordings) > len(participants):
            return (name,)
    return tuple(varying)


def rules_for_recordings(events: DatasetEvents, draft: Draft) -> Draft:
    """Add to rules about whole recordings where in them the music starts and ends.

    Parameters
    ----------
    events : DatasetEvents
        Events of the recordings that the rules are about.
    draft : Draft
        Rules with `audio` as their last column.
    """
    marker = None if events.times_are_wrong else find_marker(events)
    conditions = draft.header[:-1]
    if not marker:
        more = "The music is assumed to start with the recording; if it starts later, set onset_shift to the seconds."
        return Draft(
            [*draft.comments, more], (*conditions, "audio", "onset_shift"), [(*rule, "0") for rule in draft.rules]
        )
    more = f"The music starts at the row with {marker.column} {marker.start}"
    more += f" and ends at {marker.stop}." if marker.stop else "."
    more += " If your audio file begins earlier than what was played, add a column audio_start with the seconds."
    end, ends = (["end_value"], [marker.stop]) if marker.stop else ([], [])
    rules = [(*rule[:-1], marker.start, rule[-1], *ends) for rule in draft.rules]
    return Draft([*draft.comments, more], (*conditions, marker.column, "audio", *end), rules)


def find_marker(events: DatasetEvents) -> Marker | None:
    """Find the row that starts the one piece of each recording, and the row that ends it if there is one."""
    for column in events.columns():
        once = [value for value in events.counts(column) if _stands_once(events, column, value)]
        starts = [value for value in once if STARTS.search(value)]
        stops = [value for value in once if STOPS.search(value) and value not in starts]
        if starts:
            return Marker(column, starts[0], stops[0] if stops else "")
    return None


def _stands_once(events: DatasetEvents, column: str, value: str) -> bool:
    rows: Sequence[int] = [len(one.times(column, {value})) for one in events.recordings]
    return max(rows) == 1 and 10 * sum(rows) >= 8 * len(rows)

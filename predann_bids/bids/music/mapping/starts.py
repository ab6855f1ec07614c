"""Find the rows of events.tsv at which music begins that earlier rows announce: `start_value` of a stimulus map."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from predann_bids.bids.music.stimulus_map import MapRule, first_match

Row = Mapping[str, str]


@dataclass(frozen=True)
class Starts:
    """Where announced music begins.

    Parameters
    ----------
    begins : mapping
        Index of a row that announces music, to the index of the row at which this begins.
    overruled : mapping
        Index of a row that announces music, to the index of a later row that announces other music before any begins.
    never : frozenset of int
        Rows that announce music which does not begin.
    unannounced : tuple of int
        Rows at which music begins that no row announces.
    """

    begins: Mapping[int, int] = field(default_factory=dict)
    overruled: Mapping[int, int] = field(default_factory=dict)
    never: frozenset[int] = frozenset()
    unannounced: tuple[int, ...] = ()


def find_starts(rows: Sequence[Row], rules: Sequence[MapRule], onsets: Sequence[float | None]) -> Starts:
    """Find the start of all music that rows announce.

    It begins at the first row, at or after the one that announces it, with one of the rule's start values. Of several
    rows that announce the same start the last is right; the others announce nothing. Rows of one onset may stand in any
    order. Rows that announce the same start at the same time are all kept: they contradict each other.

    Parameters
    ----------
    rows : sequence of mapping
        The rows of events.tsv.
    rules : sequence of MapRule
        Rules about rows; the first that matches a row wins.
    onsets : sequence of float or None
        Onset of each row in seconds; rows without one neither announce nor begin music.
    """
    announcing = [rule for rule in rules if rule.start_values]
    if not announcing:
        return Starts()
    times = [math.nan if onset is None else onset for onset in onsets]
    order = sorted((index for index, time in enumerate(times) if math.isfinite(time)), key=lambda index: times[index])
    claims: dict[int, list[int]] = defaultdict(list)
    never = set()
    rule_of = first_match(rules)
    for index in order:
        rule = rule_of(rows[index])
        if rule is None or not rule.start_values:
            continue
        later = (other for other in order if times[other] >= times[index])
        start = next((other for other in later if rule.has_one_of(rule.start_values, rows[other])), None)
        if start is None:
            never.add(index)
        else:
            claims[start].append(index)
    begins: dict[int, int] = {}
    overruled: dict[int, int] = {}
    for start, claimants in claims.items():
        last = claimants[-1]
        begins |= {index: start for index in claimants if times[index] == times[last]}
        overruled |= {index: last for index in claimants if times[index] < times[last]}
    kinds = {(tuple(rule.columns), rule.start_values): rule for rule in announcing}.values()
    unannounced = [
        index
        for index in order
        if index not in claims and any(rule.has_one_of(rule.start_values, rows[index]) for rule in kinds)
    ]
    return Starts(begins, overruled, frozenset(never), tuple(sorted(unannounced)))

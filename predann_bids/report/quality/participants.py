"""Quality over all participants: `participants.tsv` with outliers marked, and a page that shows it.

Everything comes from the sidecars of the derivatives, so the table is complete whoever has run which participants,
and when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from predann_bids.files import read_json, write_json, write_text
from predann_bids.report.quality.measures import MEASURES, Measure, OutlierRule, Value
from predann_bids.report.table import Column, Table

FEWEST_TO_COMPARE = 6  # participants; among fewer, a median absolute deviation says little
MOST_Z = 3.5  # Iglewicz and Hoaglin (1993)
NORMAL_MAD, NORMAL_MEAN = 0.6745, 1.253314  # make deviations of a normal distribution count in standard deviations


@dataclass(frozen=True)
class Reason:
    """What a value stands out from: 'above' or 'below' a limit, or the 'median' of the others and the participant."""

    relation: Literal["above", "below", "median"]
    number: float


@dataclass(frozen=True)
class Participant:
    """One row: a participant's values by measure, and the measures in which the participant stands out."""

    label: str
    values: Mapping[str, Value]
    reasons: Mapping[str, Reason]


def write_participants(output_dir: Path) -> list[Participant]:
    """Write `participants.tsv` and `participants.json` from the sidecars that are there, and return what they hold."""
    participants = judge(collect(output_dir))
    write_text(output_dir / "participants.tsv", participants_table(participants).tsv())
    write_json(output_dir / "participants.json", _descriptions())
    return participants


def collect(output_dir: Path) -> dict[str, dict[str, Value]]:
    """Take each participant's values, by measure, from the sidecars of the finished recordings."""
    collected = {}
    for directory in sorted(path for path in output_dir.glob("sub-*") if path.is_dir()):
        sidecars = []
        for path in sorted(directory.glob("**/sub-*_desc-preproc_eeg.json")):
            try:
                sidecars.append(read_json(path))
            except FileNotFoundError:
                continue  # another job does this recording again just now
        collected[directory.name] = {measure.name: measure.of(sidecars) for measure in MEASURES}
    return collected


def judge(collected: Mapping[str, Mapping[str, Value]]) -> list[Participant]:
    """Find the participants who stand out, and say in what."""
    reasons: dict[str, dict[str, Reason]] = {label: {} for label in collected}
    for measure in MEASURES:
        if measure.rule is None:
            continue
        found = {label: float(v) for label, values in collected.items() if (v := values[measure.name]) is not None}
        for label, reason in _outliers(found, measure.rule).items():
            reasons[label][measure.name] = reason
    return [Participant(label, values, reasons[label]) for label, values in collected.items()]


def _outliers(values: Mapping[str, float], rule: OutlierRule) -> dict[str, Reason]:
    found = {}
    for label, value in values.items():
        if rule.limit is not None and (value > rule.limit if rule.side == "high" else value < rule.limit):
            found[label] = Reason("above" if rule.side == "high" else "below", rule.limit)
    if len(values) < FEWEST_TO_COMPARE:
        return found
    low, high = fence(list(values.values()), rule)
    median = float(np.median(list(values.values())))
    for label, value in values.items():
        if label not in found and not low <= value <= high:
            found[label] = Reason("median", median)
    return found


def fence(values: Sequence[float], rule: OutlierRule) -> tuple[float, float]:
    """Find the range in which participants do not stand out from each other.

    The modified z-score of Iglewicz and Hoaglin (1993): the deviation from the median over the median absolute
    deviation; where that is 0, over the mean absolute deviation.

    Parameters
    ----------
    values : sequence of float
        One for each participant.
    rule : OutlierRule
        When a participant stands out.

    Returns
    -------
    low, high : float
        Infinite on a side that does not count.
    """
    scaled = np.log(np.maximum(values, 1e-9)) if rule.logarithmic else np.asarray(values, dtype=float)
    median = float(np.median(scaled))
    away = np.abs(scaled - median)
    spread = float(np.median(away)) / NORMAL_MAD or float(away.mean()) * NORMAL_MEAN
    reach = max(MOST_Z * spread, float(np.log(rule.least)) if rule.logarithmic else rule.least)
    low, high = median - reach, median + reach
    if rule.logarithmic:
        low, high = float(np.exp(low)), float(np.exp(high))
    return (-np.inf if rule.side == "high" else low), (np.inf if rule.side == "low" else high)


def participants_table(participants: Sequence[Participant]) -> Table:
    """Lay out the participants as `participants.tsv`."""
    columns = [
        Column("participant_id", "name"),
        *(Column(measure.name, "number") for measure in MEASURES),
        Column("outlier", "name"),
        Column("outlier_reason", "name"),
    ]
    rows = [
        (
            participant.label,
            *participant.values.values(),
            _verdict(participant),
            "; ".join(_in_words(participant, name) for name in participant.reasons) or None,
        )
        for participant in participants
    ]
    return Table("participants", "Participants", tuple(columns), tuple(rows))


def _in_words(participant: Participant, name: str) -> str:
    reason = participant.reasons[name]
    return f"{name} {participant.values[name]:.3g} ({reason.relation} {reason.number:.3g})"


def _verdict(participant: Participant) -> str | None:
    if not participant.values["recordings"]:
        return None
    return "yes" if participant.reasons else "no"


def _descriptions() -> dict[str, Any]:
    return {
        "participant_id": {"Description": "Participant, as in the source dataset"},
        **{m.name: {"Description": m.description, "Units": m.units} for m in MEASURES},
        "outlier": {
            "Description": "Whether the participant stands out in at least one measure; see outlier_reason",
            "Levels": {"yes": "in at least one measure", "no": "in none"},
        },
        "outlier_reason": {"Description": rule_in_words()},
    }


def rule_in_words() -> str:
    """Say when a participant stands out."""
    rules = "; ".join(f"{m.name} {_rule(m)}" for m in MEASURES if m.rule)
    return (
        f"A participant stands out beyond a limit, or, among at least {FEWEST_TO_COMPARE} participants, with a modified"
        f" z-score (Iglewicz and Hoaglin, 1993) beyond {MOST_Z:g} and a least deviation from the median: {rules}."
    )


def _rule(measure: Measure) -> str:
    rule = measure.rule
    assert rule is not None
    least = f"a factor of {rule.least:g}" if rule.logarithmic else f"{rule.least:g}"
    side = {"high": "above it", "low": "below it", "both": "either side"}[rule.side]
    limit = "" if rule.limit is None else f"{'above' if rule.side == 'high' else 'below'} {rule.limit:g}, or "
    return f"{limit}{least} {side}"

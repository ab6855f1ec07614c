"""Quality over all participants: `participants.tsv` with outliers marked, and a page that shows it.

Everything comes from the sidecars of the derivatives, so the table is complete whoever has run which participants,
and when.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any, Literal

import numpy as np

from predann_bids.files import read_json, write_json, write_text
from predann_bids.report.table import Column, Table
from predann_bids.report.text import NOTHING

FEWEST_TO_COMPARE = 6  # participants; among fewer, a median absolute deviation says little
MOST_Z = 3.5  # Iglewicz and Hoaglin (1993)
NORMAL_MAD, NORMAL_MEAN = 0.6745, 1.253314  # make deviations of a normal distribution count in standard deviations

Sidecar = Mapping[str, Any]
Value = float | int | None


@dataclass(frozen=True)
class Rule:
    """When a participant stands out in a measure.

    Parameters
    ----------
    side : str
        Which deviations count: 'high', 'low' or 'both'.
    least : float
        Deviations from the median that are smaller than this do not matter, however alike the others are; for
        a logarithmic measure, a factor.
    limit : float, optional
        Beyond this (above for 'high', below for 'low'), a participant stands out in any company.
    logarithmic : bool
        Whether ratios, not differences, are compared.
    """

    side: Literal["high", "low", "both"]
    least: float
    limit: float | None = None
    logarithmic: bool = False


@dataclass(frozen=True)
class Measure:
    """A column: what it is, how it comes about from a participant's sidecars, and when it stands out.

    Parameters
    ----------
    name : str
        Of the column.
    title : str
        Heading on the page, with the unit that it has there.
    description, units : str
        For participants.json.
    form : str
        Format of a value on the page; shares are shown in percent.
    of : callable
        From the sidecars of a participant to the value, or None.
    rule : Rule, optional
        When it stands out.
    """

    name: str
    title: str
    description: str
    units: str
    form: str
    of: Callable[[Sequence[Sidecar]], Value]
    rule: Rule | None = None

    def written(self, value: Value) -> str:
        """Write a value for the page, without its unit."""
        return NOTHING if value is None else format(value, self.form).removesuffix("%")


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


def _count(key: str) -> Callable[[Sequence[Sidecar]], Value]:
    return lambda sidecars: sum(sidecar["Presentations"].get(key, 0) for sidecar in sidecars) if sidecars else None


def _minutes(key: str) -> Callable[[Sequence[Sidecar]], Value]:
    def minutes(sidecars: Sequence[Sidecar]) -> Value:
        found = [sidecar["Presentations"].get(key) for sidecar in sidecars]
        return sum(found) / 60 if found and None not in found else None

    return minutes


def _usable_share(sidecars: Sequence[Sidecar]) -> Value:
    usable, music = (_minutes(key)(sidecars) for key in ("UsableSeconds", "Seconds"))
    return usable / music if usable is not None and music else None


def _mean(of: Callable[[Sidecar], Value]) -> Callable[[Sequence[Sidecar]], Value]:
    def mean(sidecars: Sequence[Sidecar]) -> Value:
        """Mean over recordings, each with the weight of its music."""
        found = [(of(sidecar), sidecar["Presentations"]["Seconds"]) for sidecar in sidecars]
        known = [(value, weight) for value, weight in found if value is not None]
        total = sum(weight for _, weight in known)
        return sum(value * weight for value, weight in known) / total if total else None

    return mean


def _quality(key: str) -> Callable[[Sequence[Sidecar]], Value]:
    return _mean(lambda sidecar: (sidecar.get("Quality") or {}).get(key))


def _bad_share(sidecar: Sidecar) -> Value:
    channels = sidecar.get("EEGChannelCount")
    return len(sidecar["BadChannels"]) / channels if channels else None


def _removed(sidecar: Sidecar) -> Value:
    return next((len(step.get("removed", ())) for step in sidecar["PreprocessingSteps"] if step["Name"] == "ICA"), None)


def _combined_z(sidecars: Sequence[Sidecar]) -> Value:
    """Combine the z of recordings as Stouffer does."""
    found = [(sidecar.get("Quality") or {}).get("onset_response_z") for sidecar in sidecars]
    known = [z for z in found if z is not None]
    return sum(known) / sqrt(len(known)) if known else None


MEASURES = (
    Measure(
        "recordings", "Recordings", "Number of preprocessed recordings", "count", ".0f", lambda sidecars: len(sidecars)
    ),
    Measure("presentations", "Presentations", "Presentations of a stimulus", "count", ".0f", _count("Count")),
    Measure("music_min", "Music (min)", "Music that was played", "min", ".1f", _minutes("Seconds")),
    Measure("usable_min", "Usable (min)", "Music outside of bad spans", "min", ".1f", _minutes("UsableSeconds")),
    Measure(
        "usable_share",
        "Usable (%)",
        "Share of the music outside of bad spans",
        "1",
        ".1%",
        _usable_share,
        Rule("low", least=0.1, limit=0.5),
    ),
    Measure(
        "channels",
        "Channels",
        "EEG channels, mean over recordings",
        "count",
        ".4g",
        _mean(lambda s: s.get("EEGChannelCount")),
    ),
    Measure(
        "bad_channels",
        "Bad channels",
        "Channels found bad, mean over recordings",
        "count",
        ".4g",
        _mean(lambda s: len(s["BadChannels"])),
    ),
    Measure(
        "bad_channels_share",
        "Bad channels (%)",
        "Share of the channels found bad, mean over recordings",
        "1",
        ".1%",
        _mean(_bad_share),
        Rule("high", least=0.05, limit=0.25),
    ),
    Measure(
        "ica_removed",
        "Components removed",
        "Independent components removed, mean over recordings",
        "count",
        ".4g",
        _mean(_removed),
        Rule("high", least=3),
    ),
    Measure(
        "amplitude_uv",
        "Amplitude (µV)",
        "Standard deviation of the preprocessed EEG in usable music, median over good channels, mean over recordings",
        "µV",
        ".1f",
        _quality("amplitude_uv"),
        Rule("both", least=1.5, logarithmic=True),
    ),
    Measure(
        "beyond_100uv_share",
        "Beyond 100 µV (%)",
        "Share of the samples of good channels in usable music that lie further than 100 µV from their channel's mean",
        "1",
        ".2%",
        _quality("beyond_100uv_share"),
        Rule("high", least=0.01, limit=0.1),
    ),
    Measure(
        "line_before_db",
        "Line noise before (dB)",
        "Power of the raw EEG at the line frequency relative to its neighbours, median over good channels",
        "dB",
        ".1f",
        _quality("line_before_db"),
        Rule("high", least=10),
    ),
    Measure(
        "line_after_share",
        "Line noise after (%)",
        "Share of the variance of the preprocessed EEG at the line frequency, median over good channels",
        "1",
        ".2%",
        _quality("line_after_share"),
        Rule("high", least=0.01, limit=0.1),
    ),
    Measure(
        "onset_response_z",
        "Response to onsets (z)",
        "Global field power after onsets in the music, in standard deviations above that after shifted onsets;"
        " recordings combined as their sum over the root of their number",
        "1",
        ".1f",
        _combined_z,
    ),
)


def write_quality(output_dir: Path) -> Path:
    """Write `participants.tsv`, `participants.json` and `quality.html` from the sidecars that are there.

    Parameters
    ----------
    output_dir : Path
        The derivative dataset. Participants without a finished recording have a row without values.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ReadOrWriteFailed
        A file cannot be written.
    TryAgain
        No space is left.
    """
    from predann_bids.report.quality_page import quality_page

    participants = write_participants(output_dir)
    reported = {p.label for p in participants if (output_dir / f"{p.label}.html").is_file()}
    page = output_dir / "quality.html"
    write_text(page, quality_page(participants, reported))
    return page


def write_participants(output_dir: Path) -> list[Participant]:
    """Write `participants.tsv` and `participants.json` alone, and return what they hold; see `write_quality`."""
    participants = judge(collect(output_dir))
    write_text(output_dir / "participants.tsv", participants_table(participants).tsv())
    write_json(output_dir / "participants.json", _descriptions())
    return participants


def collect(output_dir: Path) -> dict[str, dict[str, Value]]:
    """Take each participant's values, by measure, from the sidecars of the finished recordings."""
    collected = {}
    for directory in sorted(path for path in output_dir.glob("sub-*") if path.is_dir()):
        sidecars = []
        for path in sorted(directory.glob("**/*_desc-preproc_eeg.json")):
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


def _outliers(values: Mapping[str, float], rule: Rule) -> dict[str, Reason]:
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


def fence(values: Sequence[float], rule: Rule) -> tuple[float, float]:
    """Tell between which values participants do not stand out from each other.

    The modified z-score of Iglewicz and Hoaglin (1993): the deviation from the median over the median absolute
    deviation; where that is 0, over the mean absolute deviation.

    Parameters
    ----------
    values : sequence of float
        One for each participant.
    rule : Rule
        Sides without a limit are infinite.
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

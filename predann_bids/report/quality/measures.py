"""What is compared between participants: each measure, how it is computed from sidecars, and when it stands out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

from predann_bids.report.text import NOTHING

Sidecar = Mapping[str, Any]
Value = float | int | None


@dataclass(frozen=True)
class OutlierRule:
    """When a participant stands out in a measure.

    Parameters
    ----------
    side : str
        Which deviations count: 'high', 'low' or 'both'.
    least : float
        Deviations from the median that are smaller than this do not matter, however alike the others are; for
        a logarithmic measure, a factor.
    limit : float, optional
        Beyond this (above for 'high', below for 'low'), a participant stands out, whatever the others are.
    logarithmic : bool
        Whether ratios, not differences, are compared.
    """

    side: Literal["high", "low", "both"]
    least: float
    limit: float | None = None
    logarithmic: bool = False


@dataclass(frozen=True)
class Measure:
    """A column: what it is, how it is computed from a participant's sidecars, and when it stands out.

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
    rule : OutlierRule, optional
        When it stands out.
    """

    name: str
    title: str
    description: str
    units: str
    form: str
    of: Callable[[Sequence[Sidecar]], Value]
    rule: OutlierRule | None = None

    def written(self, value: Value) -> str:
        """Write a value for the page, without its unit."""
        return NOTHING if value is None else format(value, self.form).removesuffix("%")


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
        OutlierRule("low", least=0.1, limit=0.5),
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
        OutlierRule("high", least=0.05, limit=0.25),
    ),
    Measure(
        "ica_removed",
        "Components removed",
        "Independent components removed, mean over recordings",
        "count",
        ".4g",
        _mean(_removed),
        OutlierRule("high", least=3),
    ),
    Measure(
        "amplitude_uv",
        "Amplitude (µV)",
        "Standard deviation of the preprocessed EEG in usable music, median over good channels, mean over recordings",
        "µV",
        ".1f",
        _quality("amplitude_uv"),
        OutlierRule("both", least=1.5, logarithmic=True),
    ),
    Measure(
        "beyond_100uv_share",
        "Beyond 100 µV (%)",
        "Share of the samples of good channels in usable music that lie further than 100 µV from their channel's mean",
        "1",
        ".2%",
        _quality("beyond_100uv_share"),
        OutlierRule("high", least=0.01, limit=0.1),
    ),
    Measure(
        "line_before_db",
        "Line noise before (dB)",
        "Power of the raw EEG at the line frequency relative to its neighbours, median over good channels",
        "dB",
        ".1f",
        _quality("line_before_db"),
        OutlierRule("high", least=10),
    ),
    Measure(
        "line_after_share",
        "Line noise after (%)",
        "Share of the variance of the preprocessed EEG at the line frequency, median over good channels",
        "1",
        ".2%",
        _quality("line_after_share"),
        OutlierRule("high", least=0.01, limit=0.1),
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

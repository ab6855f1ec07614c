"""What the fingerprint control shows, for one control and one way to decide."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from predann_bids.report import text
from predann_bids.report.scores import (
    SIGNIFICANT,
    Scores,
    evaluated,
    judged_interval,
    match_chance,
)
from predann_bids.report.words.controls import CONTROL_WORDS
from predann_bids.report.words.decisions import BY_LOGITS, BY_MATCH, Way


@dataclass(frozen=True)
class ControlFinding:
    """What real data show beyond data without the music, for one control and one way to decide.

    Parameters
    ----------
    way : Way
        How songs were decided on.
    condition : str
        Which control.
    real, control, chance : float or None
        Accuracies, and the chance level.
    control_ci95, ci95 : pair of floats or None
        Intervals of the control's accuracy and of the difference.
    difference, p_value : float or None
        Real minus control, and its test.
    """

    way: Way
    condition: str
    real: float | None
    control: float
    control_ci95: tuple[float, float] | None
    chance: float | None
    difference: float | None
    ci95: tuple[float, float] | None
    p_value: float | None

    @property
    def exceeded(self) -> bool:
        """Whether real data are shown to exceed the control: by interval, and by the test if there is one."""
        if self.ci95 is None:
            return False
        return self.ci95[0] > 0 and (self.p_value is None or self.p_value < SIGNIFICANT)

    @property
    def leaks(self) -> bool:
        """Whether the control itself is above chance by its interval."""
        return self.control_ci95 is not None and self.chance is not None and self.control_ci95[0] > self.chance

    def certainty(self) -> str:
        """Give the interval and the test of the difference."""
        interval = text.interval_of(self.ci95, text.interval_points)
        return interval if self.p_value is None else f"{interval}; p {text.p(self.p_value)}"


def control_findings(metrics: Mapping[str, Any], model: str) -> list[ControlFinding]:
    """List what the fingerprint control says about a model, by song logits and by match."""
    control = (metrics.get("control") or {}).get("fingerprint") or {}
    real = evaluated(metrics).get(model, {})
    level = control.get("chance", metrics.get("chance"))
    levels = ((BY_LOGITS, level), (BY_MATCH, match_chance(real, metrics.get("chance"))))
    return [
        _finding(way, condition, chance, real, content, model)
        for way, chance in levels
        for condition in CONTROL_WORDS
        if _of(content := control.get(condition) or {}, "models", model).get(way.accuracy) is not None
    ]


def _finding(
    way: Way, condition: str, chance: Any, real: Scores, content: Mapping[str, Any], model: str
) -> ControlFinding:
    scores, difference = _of(content, "models", model), _of(content, "differences", model)
    return ControlFinding(
        way=way,
        condition=condition,
        real=real.get(way.accuracy),
        control=scores[way.accuracy],
        control_ci95=_pair(judged_interval(scores, way.prefix)),
        chance=scores.get("match_chance", chance) if way is BY_MATCH else chance,
        difference=difference.get(f"{way.prefix}accuracy_difference"),
        ci95=_pair(difference.get(way.interval)),
        p_value=difference.get(f"{way.prefix}p_value"),
    )


def _of(content: Mapping[str, Any], what: str, model: str) -> Mapping[str, Any]:
    return (content.get(what) or {}).get(model) or {}


def _pair(limits: Any) -> tuple[float, float] | None:
    return None if limits is None else (float(limits[0]), float(limits[1]))


def least_exceeded(findings: Sequence[ControlFinding]) -> list[ControlFinding]:
    """Return, for each way to decide, the control that real data exceed least."""

    def low_end(finding: ControlFinding) -> float:
        return finding.ci95[0] if finding.ci95 else -math.inf

    ways = dict.fromkeys(finding.way for finding in findings)
    return [min((finding for finding in findings if finding.way == way), key=low_end) for way in ways]


def control_verdict(findings: Sequence[ControlFinding]) -> str:
    """Say whether real data show more than the controls, as the beginning of a sentence."""
    exceeded = [finding for finding in findings if finding.exceeded]
    shown = text.listed(list(dict.fromkeys(finding.way.inside for finding in findings)))
    if not exceeded:
        return "It cannot be distinguished from the fingerprint"
    if len(exceeded) < len(findings):
        parts = text.listed([f"{finding.way.inside} ({finding.condition})" for finding in exceeded])
        return f"Only partly beyond the fingerprint: {parts}"
    if any(finding.leaks for finding in findings):
        return f"Both: beyond the fingerprint {shown}, but the fingerprint alone also exceeds chance"
    return f"More than the fingerprint, {shown}"

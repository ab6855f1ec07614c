"""Warnings in plain words: what a reader must not conclude from high accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from predann_bids.data.splits import WITHIN_RECORDING
from predann_bids.report import text
from predann_bids.report.evidence import (
    CONDITIONS,
    SIGNIFICANT,
    evaluated,
    judged_interval,
    match_chance,
    signs_can_decide,
)
from predann_bids.report.group.figures import style_of

IN_WORDS = {"reassigned": "with music reassigned at random", "shifted": "with the EEG shifted in time"}
WHY = {
    "participant": "Test and training data share no person here, so the signature of a person cannot explain it. What"
    " the recordings of different people have in common can: the order or the lengths of the songs, how often each was"
    " played, or traces of the stimulation in the EEG.",
    "stimulus": "Training data hold the same people hearing other songs here; what marks them or their recordings is"
    " known to the decoder.",
    "session": "Training data hold other sessions of the same people here; what marks these people is known to the"
    " decoder.",
    "run": "Training data hold other runs of the same people here; what marks these people is known to the decoder.",
}
WHY_WITHIN = (
    "Training and test data are pieces of the same presentations here, so that whatever marks a presentation is enough"
    " to name what was played in it."
)


@dataclass(frozen=True)
class Caveat:
    """A warning.

    Parameters
    ----------
    title : str
        What must not be concluded, in a sentence.
    paragraphs : tuple of str
        Why, with numbers.
    """

    title: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True)
class ControlFinding:
    """What real data have beyond data without the music, for one control and one way to decide.

    Parameters
    ----------
    way : str
        How it was decided.
    condition : str
        Which control.
    real, control, chance : float or None
        Accuracies, and the chance level.
    control_ci95, ci95 : pair of floats or None
        Intervals of the control's accuracy and of the difference.
    difference, p_value : float or None
        Real minus control, and its test.
    """

    way: str
    condition: str
    real: float | None
    control: float
    control_ci95: tuple[float, float] | None
    chance: float | None
    difference: float | None
    ci95: tuple[float, float] | None
    p_value: float | None

    @property
    def short(self) -> str:
        """Name the control in few words."""
        return f"({self.condition})"

    @property
    def exceeded(self) -> bool:
        """Whether real data are shown to have more than the control: by interval, and by the test if there is one."""
        if self.ci95 is None:
            return False
        return self.ci95[0] > 0 and (self.p_value is None or self.p_value < SIGNIFICANT)

    @property
    def leaks(self) -> bool:
        """Whether the control itself is above chance by its interval."""
        return self.control_ci95 is not None and self.chance is not None and self.control_ci95[0] > self.chance

    def numbers(self) -> str:
        """Give difference, interval and test."""
        details = [f"95 % interval {text.interval_points(self.ci95)}" if self.ci95 else "no interval"]
        if self.p_value is not None:
            details.append(f"p {text.p(self.p_value)}")
        return f"{self.way}, {self.condition}, {text.points(self.difference)} points ({'; '.join(details)})"


def control_findings(metrics: Mapping[str, Any], model: str) -> list[ControlFinding]:
    """List what the fingerprint control says about a model, by song logits and by match."""
    control = (metrics.get("control") or {}).get("fingerprint") or {}
    scores, chance = evaluated(metrics).get(model, {}), metrics.get("chance")
    ways = (
        ("by song logits", "", control.get("chance", chance)),
        ("by match", "match_", match_chance(scores, chance)),
    )
    return [
        ControlFinding(
            way=way,
            condition=condition,
            real=scores.get(f"{prefix}accuracy"),
            control=found[f"{prefix}accuracy"],
            control_ci95=_pair(judged_interval(found, prefix)),
            chance=found.get("match_chance", level) if prefix else level,
            difference=difference.get(f"{prefix}accuracy_difference"),
            ci95=_pair(difference.get(f"{prefix}ci95")),
            p_value=difference.get(f"{prefix}p_value") if signs_can_decide(metrics) else None,
        )
        for way, prefix, level in ways
        for condition in CONDITIONS
        if (found := _of(control, condition, "models", model)).get(f"{prefix}accuracy") is not None
        for difference in [_of(control, condition, "differences", model)]
    ]


def _of(control: Mapping[str, Any], condition: str, what: str, model: str) -> Mapping[str, Any]:
    return ((control.get(condition) or {}).get(what) or {}).get(model) or {}


def _pair(limits: Any) -> tuple[float, float] | None:
    return None if limits is None else (float(limits[0]), float(limits[1]))


def caveats(metrics: Mapping[str, Any]) -> list[Caveat]:
    """List every warning that the scores call for.

    Parameters
    ----------
    metrics : mapping
        Content of metrics.json.
    """
    found = [_within_recording(metrics), _fingerprint(metrics), _leak(metrics)]
    return [warning for warning in found if warning]


def _within_recording(metrics: Mapping[str, Any]) -> Caveat | None:
    split = metrics["protocol"]["split"]
    if split not in WITHIN_RECORDING:
        return None
    pieces = "stretches" if split == "time" else "chunks"
    measured = (metrics.get("control") or {}).get("fingerprint")
    told = (
        " How much of it that is here, the fingerprint control below tells."
        if measured
        else " How much of it that is, --control fingerprint tells."
    )
    return Caveat(
        "This does not show that music was decoded.",
        (
            f"Training and test data are {pieces} of the same recordings. Whatever marks a recording – slow drift,"
            " electrode impedance, the strength of alpha, line noise – also marks the song that was heard in it, so a"
            " decoder can score far above chance without hearing any music in the EEG. Whether it does is told by"
            f" --split participant, which tests on people of whom nothing was in the training data.{told}",
        ),
    )


def _fingerprint(metrics: Mapping[str, Any]) -> Caveat | None:
    model = next(iter(evaluated(metrics)), None)
    failed = [f for f in control_findings(metrics, model) if not f.exceeded] if model else []
    if not model or not failed:
        return None
    name = style_of(model).name
    return Caveat(
        f"What {name} decoded cannot be told from the recordings' fingerprint.",
        tuple(
            f"{finding.way.capitalize()}, {name} is right in {text.share(finding.real)} of cases on real data, and in"
            f" {text.share(finding.control)} {IN_WORDS[finding.condition]}, where nothing of the music can be decoded:"
            f" a difference that cannot be shown to be more than none ({_interval_and_test(finding)})."
            for finding in failed
        ),
    )


def _interval_and_test(finding: ControlFinding) -> str:
    parts = [text.points(finding.difference) + " percentage points"]
    parts.append(f"95 % interval {text.interval_points(finding.ci95)}" if finding.ci95 else "no interval")
    if finding.p_value is not None:
        parts.append(f"p {text.p(finding.p_value)}")
    return "; ".join(parts)


def _leak(metrics: Mapping[str, Any]) -> Caveat | None:
    models = evaluated(metrics)
    leaks = [(model, f) for model in models for f in control_findings(metrics, model) if f.leaks]
    signature = _signature(metrics)
    if not leaks and not signature:
        return None
    split = metrics["protocol"]["split"]
    why = WHY_WITHIN if split in WITHIN_RECORDING else WHY.get(split, "")
    first = next(iter(models), "predann")
    paragraphs = [signature or "", _read(metrics, leaks), why]
    paragraphs.append(_meaning(metrics, first, leaking=any(model == first for model, _ in leaks)))
    return Caveat(
        "With this split, songs can be named without any music: the data leak.", tuple(p for p in paragraphs if p)
    )


def _read(metrics: Mapping[str, Any], leaks: Sequence[tuple[str, ControlFinding]]) -> str:
    """List what decoders score above chance on data without the music."""
    if not leaks:
        return ""
    sentences = []
    for way, condition in dict.fromkeys((f.way, f.condition) for _, f in leaks):
        found = [(model, f) for model, f in leaks if (f.way, f.condition) == (way, condition)]
        scored = [
            f"{style_of(model).name} {text.share(f.control)} (95 % interval {text.interval(f.control_ci95)})"
            for model, f in found
        ]
        head = f"{way} {IN_WORDS[condition]}"
        sentences.append(f"{head[0].upper()}{head[1:]}: {'; '.join(scored)}; chance {text.share(found[0][1].chance)}.")
    models = evaluated(metrics)
    looked_at = sum(f.control_ci95 is not None for model in models for f in control_findings(metrics, model))
    sentences.append(
        f"Above chance are {len(leaks)} of {looked_at} such intervals; by accident, about one in 40 would be."
    )
    return " ".join(sentences)


def _signature(metrics: Mapping[str, Any]) -> str | None:
    """Say that the power of channels in frequency bands is enough to name reassigned songs, if it is."""
    control = (metrics.get("control") or {}).get("fingerprint") or {}
    found = (control.get("band_power") or {}).get("reassigned") or {}
    limits, chance = judged_interval(found), control.get("chance", metrics.get("chance"))
    if found.get("accuracy") is None or not limits or chance is None or limits[0] <= chance:
        return None
    return (
        "A linear classifier that knows nothing but the power of each channel in frequency bands is right in"
        f" {text.share(found['accuracy'])} of cases with music reassigned at random (95 % interval"
        f" {text.interval(limits)}, chance {text.share(chance)}): the signature of the recordings gives labels away."
    )


def _meaning(metrics: Mapping[str, Any], model: str, *, leaking: bool) -> str:
    name = style_of(model).name
    if leaking:
        return (
            f"Of the accuracy of {name} on real data, only what exceeds its accuracy on the controls can be music."
            " Accuracy above chance is no evidence of it with this split."
        )
    shown = "; ".join(
        f"{f.way}, {f.condition}: {text.share(f.control)}, 95 % interval {text.interval(f.control_ci95)}"
        for f in control_findings(metrics, model)
        if f.control_ci95
    )
    return (
        f"{name} itself is not shown to read it{f' ({shown})' if shown else ''}. The leak is there all the same: with"
        " this split, accuracy above chance is no evidence of music by itself, for this decoder or any other; only the"
        " difference between real data and controls is."
    )

"""Warnings in plain words: what a reader must not conclude from high accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from predann_bids.report import text
from predann_bids.report.group.believe import below_words
from predann_bids.report.group.confounds import artefact_words, order_words, state_words
from predann_bids.report.group.controls import ControlFinding, control_findings
from predann_bids.report.scores import (
    evaluated,
    exceeds_chance,
    has_unseen_songs,
    is_within_recording,
    judged_interval,
)
from predann_bids.report.words.controls import CONTROL_WORDS
from predann_bids.report.words.copies import copy_sentence
from predann_bids.report.words.decisions import BY_LOGITS, BY_MATCH
from predann_bids.report.words.models import BAND_POWER, PREDANN, model_words
from predann_bids.report.words.splits import split_words


@dataclass(frozen=True)
class Caveat:
    """A warning.

    Parameters
    ----------
    code : str
        What programs recognise it by.
    title : str
        What must not be concluded, in a sentence.
    paragraphs : tuple of str
        Why, with numbers.
    """

    code: str
    title: str
    paragraphs: tuple[str, ...]

    def plain(self) -> dict[str, str]:
        """Return the warning as metrics.json holds it."""
        return {"code": self.code, "text": " ".join((self.title, *self.paragraphs))}


def caveats(metrics: Mapping[str, Any]) -> list[Caveat]:
    """List every warning that the scores call for, the gravest first.

    Parameters
    ----------
    metrics : mapping
        Content of metrics.json, without `warnings`.
    """
    leak = _leak(metrics)
    warnings = [
        _artefact(metrics),  # whatever the split
        _within_recording(metrics),
        _fingerprint(metrics),
        leak,
        _order(metrics),
        _recording_state(metrics, said=leak is not None),
        _duplicates(metrics),
        _missing_stimuli(metrics),
        _below_linear(metrics),
    ]
    return [warning for warning in warnings if warning]


def _within_recording(metrics: Mapping[str, Any]) -> Caveat | None:
    split = metrics["protocol"]["split"]
    if not is_within_recording(split):
        return None
    measured = (metrics.get("control") or {}).get("fingerprint")
    how_much = (
        "The fingerprint control below measures how much of the accuracy this explains."
        if measured
        else "To measure how much of the accuracy this explains, use --control fingerprint."
    )
    return Caveat(
        "within_recording_split",
        "This does not show that music was decoded.",
        (
            f"Training and test data are {split_words(split).pieces} of the same recordings. Anything that marks a"
            " recording – slow drift, electrode impedance, the strength of alpha, line noise – also marks the song that"
            " was playing in it, so a decoder can score far above chance without finding any music in the EEG. To see"
            " whether it does, use --split participant, which tests on people who contributed nothing to the training"
            f" data. {how_much}",
        ),
    )


def _fingerprint(metrics: Mapping[str, Any]) -> Caveat | None:
    model = next(iter(evaluated(metrics)), None)
    failed = [finding for finding in control_findings(metrics, model) if not finding.exceeded] if model else []
    if not model or not failed:
        return None
    name = model_words(model).name
    return Caveat(
        "fingerprint",
        f"What {name} decoded cannot be distinguished from the recordings' fingerprint.",
        tuple(
            f"{finding.way.title}, {name} is right in {text.share(finding.real)} of cases on real data, and in"
            f" {text.share(finding.control)} {CONTROL_WORDS[finding.condition].inside}, where no music can be decoded:"
            f" the difference cannot be shown to exceed zero ({text.points(finding.difference)} percentage points;"
            f" {finding.certainty()})."
            for finding in failed
        ),
    )


def _leak(metrics: Mapping[str, Any]) -> Caveat | None:
    models = evaluated(metrics)
    leaks = [(model, f) for model in models for f in control_findings(metrics, model) if f.leaks]
    signature = _signature(metrics)
    if not leaks and not signature:
        return None
    first = next(iter(models), PREDANN)
    paragraphs = (
        signature,
        _leaking_scores(metrics, leaks),
        split_words(metrics["protocol"]["split"]).leak,
        _meaning(metrics, first, leaking=any(model == first for model, _ in leaks)),
    )
    return Caveat(
        "leak", "With this split, songs can be named without any music: the data leak.", tuple(filter(None, paragraphs))
    )


def _artefact(metrics: Mapping[str, Any]) -> Caveat | None:
    words = artefact_words(metrics)
    return Caveat("stimulus_artefact", *words) if words else None


def _below_linear(metrics: Mapping[str, Any]) -> Caveat | None:
    words = below_words(metrics)
    return Caveat("below_linear", *words) if words else None


def _order(metrics: Mapping[str, Any]) -> Caveat | None:
    words = order_words(metrics)
    return Caveat("order", *words) if words else None


def _recording_state(metrics: Mapping[str, Any], *, said: bool) -> Caveat | None:
    """Say what band power names on real data; what the control says of it, and why, may have been said."""
    controlled = bool((metrics.get("control") or {}).get("fingerprint"))
    leak = "" if said else split_words(metrics["protocol"]["split"]).leak
    words = state_words(metrics, leak=leak, controlled=controlled)
    return Caveat("recording_state", *words) if words else None


def _signature(metrics: Mapping[str, Any]) -> str:
    """Say that the power of channels in frequency bands is enough to name reassigned songs, if it is."""
    control = (metrics.get("control") or {}).get("fingerprint") or {}
    scores = (control.get(BAND_POWER) or {}).get("reassigned") or {}
    chance = control.get("chance", metrics.get("chance"))
    if scores.get("accuracy") is None or not exceeds_chance(scores, chance):
        return ""
    return (
        "A linear classifier that sees only the power of each channel in frequency bands is right in"
        f" {text.share(scores['accuracy'])} of cases {CONTROL_WORDS['reassigned'].inside} (95 % interval"
        f" {text.interval(judged_interval(scores))}, chance {text.share(chance)}): the signature of the recordings"
        " gives labels away."
    )


def _leaking_scores(metrics: Mapping[str, Any], leaks: Sequence[tuple[str, ControlFinding]]) -> str:
    """List where decoders score above chance on data without the music."""
    if not leaks:
        return ""
    sentences = []
    for way, condition in dict.fromkeys((f.way, f.condition) for _, f in leaks):
        here = [(model, f) for model, f in leaks if (f.way, f.condition) == (way, condition)]
        scored = [
            f"{model_words(model).name} {text.share(f.control)} (95 % interval {text.interval(f.control_ci95)})"
            for model, f in here
        ]
        head = f"{way.title}, {CONTROL_WORDS[condition].inside}"
        sentences.append(f"{head}: {'; '.join(scored)}; chance {text.share(here[0][1].chance)}.")
    n_intervals = sum(
        f.control_ci95 is not None for model in evaluated(metrics) for f in control_findings(metrics, model)
    )
    sentences.append(
        f"Of {n_intervals} such intervals, {len(leaks)} {'lies' if len(leaks) == 1 else 'lie'} above chance; by"
        " accident, about one in 40 would."
    )
    return " ".join(sentences)


def _meaning(metrics: Mapping[str, Any], model: str, *, leaking: bool) -> str:
    name = model_words(model).name
    if leaking:
        return (
            f"Of the accuracy of {name} on real data, only what exceeds its accuracy on the controls can be music. With"
            " this split, accuracy above chance is no evidence of music."
        )
    shown = "; ".join(
        f"{f.way.inside}, {f.condition}: {text.share(f.control)}, 95 % interval {text.interval(f.control_ci95)}"
        for f in control_findings(metrics, model)
        if f.control_ci95
    )
    return (
        f"{name} itself is not shown to use the leak{f' ({shown})' if shown else ''}. The leak is there all the same:"
        " with this split, accuracy above chance is not by itself evidence of music, for this decoder or any other;"
        " only the difference between real data and controls is."
    )


def _duplicates(metrics: Mapping[str, Any]) -> Caveat | None:
    rows = [row for row in metrics.get("copies") or () if not row["merged"]]
    if not rows:
        return None
    paragraphs = (
        " ".join(copy_sentence(row) for row in rows),
        _reachable(metrics.get("copies_limit") or {}),
        _not_unseen(metrics),
        "--copies merge makes one class of equal songs." if any(row["equal"] for row in rows) else "",
    )
    title = "Some songs hold the same audio, which no decoder can tell apart."
    return Caveat("duplicate_stimuli", title, tuple(filter(None, paragraphs)))


def _missing_stimuli(metrics: Mapping[str, Any]) -> Caveat | None:
    rows = metrics.get("unusable_stimuli") or ()
    if not rows:
        return None
    named = text.listed([f"{row['stimulus']} ({text.count(row['presentations'], 'presentation')})" for row in rows])
    return Caveat(
        "missing_stimuli",
        "Some songs are left out, because their audio cannot be used.",
        (f"These are {named}. The other songs are told apart without them, which is easier.",),
    )


def _reachable(limit: Mapping[str, float | None]) -> str:
    reached = [
        f"{text.share(limit[way.accuracy])} {way.inside}"
        for way in (BY_LOGITS, BY_MATCH)
        if limit.get(way.accuracy) is not None
    ]
    if not reached:
        return ""
    return (
        f"A decoder that knows the audio perfectly, and guesses among songs that hold the same, is right in"
        f" {text.listed(reached)}, counted from the test windows; more is not to be had from the music. By match, only"
        " songs that hold the same audio at the same moment count as the same."
    )


def _not_unseen(metrics: Mapping[str, Any]) -> str:
    splits = [metrics["protocol"]["split"], *(metrics.get("also") or {})]
    held_out = [split for split in splits if has_unseen_songs(split)]
    if not held_out:
        return ""
    return (
        f"Under --split {held_out[0]}, the same audio may be trained on and tested under two names: songs with a copy"
        " are not shown to be recognised unseen."
    )

"""The results of a sweep in sentences, the best point not taken for the result."""

from __future__ import annotations

import pandas as pd

from predann_bids.report import text
from predann_bids.report.scores import is_within_recording
from predann_bids.report.sweep.evidence import SweepEvidence
from predann_bids.report.sweep.results import value_text
from predann_bids.report.words.decisions import BY_LOGITS, WAYS
from predann_bids.report.words.models import model_words
from predann_bids.report.words.splits import fact_about

BEST_IS_TOO_HIGH = (
    "All points were tested on the same data. The highest of several accuracies is too high by chance alone: report all"
    " points, or choose one here and test it on people who were not among these. Intervals and p-values are those of"
    " each point by itself, without a correction for the number of points."
)
WITHIN_RECORDINGS = (
    "The split by {splits} trains on one part of a recording and tests on another. Anything that marks a recording then"
    " also marks its song, so a high accuracy does not show that music was decoded, and a setting may be better at"
    " distinguishing recordings, not music."
)
SEEDS = (
    "There were {seeds}. Seeds are repetitions, not settings: each initialises the networks differently, and divides"
    " the data into folds differently where that is random, so none is the better one. What counts is the mean over"
    " them. A difference between single runs that is no larger than this spread may be due to the seed."
)


def summary(evidence: SweepEvidence) -> str:
    """Say in a sentence what range the accuracies lie in."""
    name = model_words(evidence.model).name
    ranges: list[str] = []
    for way in WAYS:
        scores = (result.metrics["models"][evidence.model] for result in evidence.results)
        accuracies = [accuracy for s in scores if (accuracy := s.get(way.accuracy)) is not None]
        if accuracies:
            low, high = min(accuracies), max(accuracies)
            how = "by its song logits" if way is BY_LOGITS else way.inside
            how = how if ranges else f"of cases {how}"
            ranges.append(f"{text.share(low) if low == high else text.interval([low, high])} {how}")
    over = text.count(len(evidence.results), "point")
    if not ranges:
        return f"{name} was evaluated at {over}."
    levels = {result.metrics.get("chance") for result in evidence.results}
    chance = f" (chance {text.share(levels.pop())})" if len(levels) == 1 else ""
    return f"Over {over}, {name} names the right song in {text.listed(ranges)}{chance}."


def facts(evidence: SweepEvidence) -> list[str]:
    """List what was varied, and what all points have in common."""
    listed = [f"{key.axis}: {', '.join(map(value_text, key.values))}" for key in evidence.keys]
    for name, noun in (("n_participants", "participant"), ("n_stimuli", "song")):
        counts = {result.metrics["protocol"].get(name) for result in evidence.results}
        listed += [text.count(counts.pop(), noun)] if len(counts) == 1 else []
    splits = _splits(evidence)
    return [*listed, *(fact_about(split) for split in splits if len(splits) == 1)]


def _splits(evidence: SweepEvidence) -> set[str]:
    return {result.metrics["protocol"]["split"] for result in evidence.results}


def cautions(evidence: SweepEvidence) -> list[str]:
    """Say what must not be concluded."""
    paragraphs = []
    if len(evidence.results) > 1:
        paragraphs.append(BEST_IS_TOO_HIGH)
    within = sorted(filter(is_within_recording, _splits(evidence)))
    if within:
        paragraphs.append(WITHIN_RECORDINGS.format(splits=text.listed(within)))
    return paragraphs


def seed_sentences(evidence: SweepEvidence, seeds: pd.DataFrame | None) -> list[str]:
    """Say what seeds are, and how far accuracies spread over them."""
    if seeds is None or evidence.seed is None:
        return []
    sentences = [SEEDS.format(seeds=text.count(len(evidence.seed.values), "seed"))]
    if len(evidence.keys) == 1:
        name, row = model_words(evidence.model).name, seeds[seeds["model"] == evidence.model].iloc[0]
        for way in WAYS:
            if pd.notna(row[way.accuracy]):
                mean, low, high = (text.share(row[f"{way.prefix}{key}"]) for key in ("accuracy", "lowest", "highest"))
                spread = f"standard deviation {_points(row[f'{way.prefix}sd'])}, from {low} to {high}"
                sentences.append(f"{way.title}, {name} has a mean accuracy of {mean} ({spread}).")
    return sentences


def _points(value: float) -> str:
    return text.NOTHING if pd.isna(value) else f"{100 * value:.1f} percentage points"


def chance_in_words(scores: pd.DataFrame) -> str:
    """Give the chance level, unless it differs between points and has columns of its own."""
    levels = pd.concat([scores["chance"], scores["match_chance"]]).dropna().astype(float).round(9).unique()
    return f"; chance is {text.share(levels[0])}" if len(levels) == 1 else ""

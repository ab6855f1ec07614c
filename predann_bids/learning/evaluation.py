"""From predictions of single windows to scores; arithmetic alone.

A decision about a stretch of EEG is made in two ways, always both. By the song logits, as published: the EEG alone says
which stimulus, without knowing the moment. By match: which stimulus's audio, at the same moment, is most similar to the
representation that the EEG predicts; candidates are the stimuli that last that long.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predann_bids.timing import Rate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Aggregation = Literal["mean", "max", "majority", "match"]
BY_LOGITS: tuple[Aggregation, ...] = ("mean", "max", "majority")
AGGREGATIONS: tuple[Aggregation, ...] = (*BY_LOGITS, "match")
ENTITIES = ("participant", "session", "task", "run")


@dataclass(frozen=True)
class WindowPredictions:
    """What one kind of model says of all test windows of all folds.

    Parameters
    ----------
    table : DataFrame, n rows
        Columns `fold participant session task run trial stimulus onset`: where a window lies, the index of the
        stimulus that was heard, and its onset in seconds from the start of the recording.
    probabilities : ndarray, shape (n, stimuli)
        Softmax of the song logits.
    similarities : ndarray, shape (n, stimuli)
        Similarity of the predicted representation with each stimulus's audio at the same moment; NaN where a stimulus
        does not last that long.
    """

    table: pd.DataFrame
    probabilities: Floats
    similarities: Floats

    @classmethod
    def concatenate(cls, parts: Sequence[WindowPredictions]) -> WindowPredictions:
        """Pool the predictions of several folds."""
        return cls(
            pd.concat([part.table for part in parts], ignore_index=True),
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.similarities for part in parts]),
        )


@dataclass(frozen=True)
class Decisions:
    """Decisions about segments of one length, by one aggregation.

    Parameters
    ----------
    table : DataFrame, n rows
        As in `WindowPredictions`; `onset` is that of the segment.
    scores : ndarray, shape (n, stimuli)
        Shares that add up to one; the highest is the decision. NaN for stimuli that are no candidates.
    predicted : ndarray of int, shape (n,)
        The decision.
    """

    table: pd.DataFrame
    scores: Floats
    predicted: Ints

    @property
    def correct(self) -> Bools:
        """Whether each decision is right."""
        right: Bools = self.predicted == self.table["stimulus"].to_numpy()
        return right

    @property
    def chance(self) -> float:
        """Mean probability of guessing right among the candidates of each segment."""
        return float((1 / np.isfinite(self.scores).sum(axis=1)).mean())


def decide(
    windows: WindowPredictions, how: Aggregation, *, length_s: float, window_s: float, stride_s: float
) -> Decisions:
    """Combine the windows inside longer segments and decide.

    Segments begin with each window of a stretch; the windows inside a segment lie `stride_s` apart, and the last ends
    where the segment does.

    Parameters
    ----------
    windows : WindowPredictions
        Windows of `window_s` every `stride_s` seconds.
    how : {"mean", "max", "majority", "match"}
        Mean or maximum of the probabilities, the most frequent decision (of equals the one that appears first), or the
        mean similarity with the audio at the same moment.
    length_s, window_s, stride_s : float
        Seconds.
    """
    inside = 1 + round((length_s - window_s) / stride_s)
    first = _segment_starts(windows.table, inside, stride_s)
    members = first[:, None] + np.arange(inside)
    table = windows.table.iloc[first].reset_index(drop=True)
    if how == "match":
        similarities = windows.similarities[members].mean(axis=1)  # NaN as soon as the stimulus ends inside
        return Decisions(table, _softmax(similarities), np.nanargmax(similarities, axis=1))
    scores = _combine(windows.probabilities[members], how)
    return Decisions(table, scores, scores.argmax(axis=1))


def _combine(probabilities: Floats, how: Aggregation) -> Floats:
    """Combine (segments, windows, stimuli) to (segments, stimuli)."""
    if how == "majority":
        n_stimuli = probabilities.shape[2]
        votes = np.eye(n_stimuli)[probabilities.argmax(axis=2)]
        counts = votes.sum(axis=1)
        # Of equally frequent decisions the one that appears first wins: an earlier first vote adds less than one vote.
        earliest = np.where(counts > 0, votes.argmax(axis=1), votes.shape[1])
        counts = counts + 0.5 * (1 - earliest / (votes.shape[1] + 1)) * (counts > 0)
        return _shares(counts)
    combined = probabilities.mean(axis=1) if how == "mean" else probabilities.max(axis=1)
    return _shares(combined)


def _segment_starts(table: pd.DataFrame, inside: int, stride_s: float) -> Ints:
    """Find the rows from which `inside` windows of one stretch follow each other without a gap."""
    last = np.arange(len(table)) + inside - 1
    starts = np.flatnonzero(last < len(table))
    last = last[starts]
    key = table[["fold", "trial"]].to_numpy()
    onset = table["onset"].to_numpy(dtype=np.float64)
    same = (key[starts] == key[last]).all(axis=1)
    unbroken = np.isclose(onset[last] - onset[starts], (inside - 1) * stride_s, atol=stride_s / 10)
    chosen: Ints = starts[same & unbroken]
    return chosen


def _shares(scores: Floats) -> Floats:
    shares: Floats = scores / scores.sum(axis=1, keepdims=True)
    return shares


def _softmax(similarities: Floats, temperature: float = 0.1) -> Floats:
    with np.errstate(invalid="ignore"):
        shifted = (similarities - np.nanmax(similarities, axis=1, keepdims=True)) / temperature
        weights = np.exp(shifted)
        shares: Floats = weights / np.nansum(weights, axis=1, keepdims=True)
    return shares


@dataclass(frozen=True)
class Grid:
    """How test windows were laid out, and how intervals are made.

    Parameters
    ----------
    window_s, stride_s : float
        Length and distance of windows in seconds.
    lengths_s : tuple of float
        Lengths of the segments to decide about, the shortest first.
    resamples : int
        Bootstrap resamples, and flips of the test of a difference.
    seed : int
        Seed of both.
    widening : float
        Factor on the width of intervals; see `overlap_widening`.
    """

    window_s: float
    stride_s: float
    lengths_s: tuple[float, ...]
    resamples: int
    seed: int
    widening: float = 1.0


def overlap_widening(n_folds: int, tested: float, trained: float) -> float:
    """Tell how much wider an interval must be because the training sets of the folds overlap.

    Each fold's test participants are in the training sets of the other folds, so accuracies are not independent: what
    two recordings have in common by chance counts in both directions. Nadeau and Bengio (2003, Inference for the
    generalization error, Machine Learning 52) correct the variance 1 / J of the mean of J folds to 1 / J + n2 / n1.

    Parameters
    ----------
    n_folds : int
        Number of folds J.
    tested, trained : float
        Mean amount of data n2 that a fold tests, and n1 that it trains with, in any unit.
    """
    return math.sqrt(1 + n_folds * tested / trained)


def score(windows: WindowPredictions, labels: Sequence[str], grid: Grid) -> dict[str, Any]:
    """Score one kind of model: the value `M` of metrics.json.

    Parameters
    ----------
    windows : WindowPredictions
        All test windows.
    labels : sequence of str
        Names of the stimuli.
    grid : Grid
        Layout of the windows.
    """
    from sklearn.metrics import balanced_accuracy_score, confusion_matrix

    by = {length: {how: _decide(windows, how, length, grid) for how in AGGREGATIONS} for length in grid.lengths_s}
    logits, match = by[grid.lengths_s[0]]["mean"], by[grid.lengths_s[0]]["match"]
    heard = logits.table["stimulus"].to_numpy()
    indices = list(range(len(labels)))
    return {
        "accuracy": _mean(logits.correct),
        "ci95": participant_interval(logits, grid),
        "balanced_accuracy": float(balanced_accuracy_score(heard, logits.predicted)) if len(heard) else None,
        "top3_accuracy": _top_k(logits, 3),
        "match_accuracy": _mean(match.correct),
        "match_ci95": participant_interval(match, grid),
        "match_chance": match.chance,
        "by_length": {
            f"{length:g}": {how: _mean(decisions.correct) for how, decisions in ways.items()}
            for length, ways in by.items()
        },
        "by_participant": _by(logits, match, "participant", lambda value: str(value)),
        "by_stimulus": _by(logits, match, "stimulus", lambda value: labels[int(value)]),
        "confusion": confusion_matrix(heard, logits.predicted, labels=indices).tolist(),
        "match_confusion": confusion_matrix(heard, match.predicted, labels=indices).tolist(),
        "retrieval": None,
        "permutation": None,
    }


def participant_interval(decisions: Decisions, grid: Grid) -> list[float] | None:
    """Bootstrap a 95 % interval of the accuracy by resampling participants, whole.

    The percentile interval is expanded to the width that a t interval has with as many participants, as plain
    percentiles are too narrow for few (Hesterberg 2015, What Teachers Should Know About the Bootstrap, section 3.3),
    and widened because training sets overlap (`overlap_widening`).

    Returns
    -------
    list of two floats, or None with fewer than two participants
    """
    counts = pd.DataFrame({"participant": decisions.table["participant"], "correct": decisions.correct})
    grouped = counts.groupby("participant")["correct"].agg(["sum", "count"])
    hits, totals = (grouped[name].to_numpy(dtype=np.float64) for name in ("sum", "count"))
    found = _interval(lambda h, t, axis=-1: h.sum(axis=axis) / t.sum(axis=axis), (hits, totals), grid)
    return [min(1.0, max(0.0, limit)) for limit in found] if found else None  # what an accuracy can be


def compare(first: WindowPredictions, second: WindowPredictions, grid: Grid) -> dict[str, Any] | None:
    """Compare the accuracies of two models on the same windows, participant by participant.

    Returns
    -------
    dict
        `accuracy_difference` (first minus second, mean of participants), its bootstrap interval over participants, and
        the p-value of the two-sided sign-flip test; the same by match. None with fewer than two participants.
    """
    by_logits, by_match = (_compare(first, second, how, grid) for how in ("mean", "match"))
    if by_logits is None or by_match is None:
        return None
    return by_logits | {f"match_{key}": value for key, value in by_match.items() if key != "test"}


def predictions_table(
    windows: WindowPredictions, labels: Sequence[str], grid: Grid, *, model: str, seed: int
) -> pd.DataFrame:
    """Lay out all decisions of one kind of model, a row for each segment, length and aggregation."""
    parts = []
    for length in grid.lengths_s:
        for how in AGGREGATIONS:
            decisions = _decide(windows, how, length, grid)
            part = decisions.table[["fold", *ENTITIES]].copy()
            part.insert(0, "model", model)
            part.insert(1, "seed", seed)
            part["stimulus"] = [labels[index] for index in decisions.table["stimulus"]]
            part["onset"] = decisions.table["onset"].round(3)
            part["length"], part["aggregation"] = length, how
            part["predicted"] = [labels[index] for index in decisions.predicted]
            shares = pd.DataFrame(decisions.scores.round(5), columns=[f"p_{label}" for label in labels])
            parts.append(pd.concat([part, shares], axis=1))
    return pd.concat(parts, ignore_index=True)


def _decide(windows: WindowPredictions, how: Aggregation, length_s: float, grid: Grid) -> Decisions:
    return decide(windows, how, length_s=length_s, window_s=grid.window_s, stride_s=grid.stride_s)


def _compare(
    first: WindowPredictions, second: WindowPredictions, how: Aggregation, grid: Grid
) -> dict[str, Any] | None:
    from scipy.stats import permutation_test

    means = [_participant_means(_decide(w, how, grid.window_s, grid)) for w in (first, second)]
    differences: Floats = np.array(means[0] - means[1], dtype=np.float64)
    interval = _interval(np.mean, (differences,), grid)
    if interval is None:
        return None
    flipped = permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=grid.resamples,
        rng=np.random.default_rng(grid.seed),
    )
    return {
        "accuracy_difference": float(differences.mean()),
        "ci95": [min(1.0, max(-1.0, limit)) for limit in interval],  # what a difference of accuracies can be
        "p_value": float(flipped.pvalue),
        "test": "sign-flip permutation over participants, two-sided",
    }


def _interval(statistic: Callable[..., Any], samples: tuple[Floats, ...], grid: Grid) -> list[float] | None:
    from scipy.stats import bootstrap, norm, t

    n = len(samples[0])
    if n < 2:
        return None
    if all(np.ptp(sample) == 0 for sample in samples):
        value = float(statistic(*samples))
        return [value, value]
    tail = norm.cdf(-math.sqrt(n / (n - 1)) * t.ppf(0.975, n - 1))
    found = bootstrap(
        samples,
        statistic,
        paired=True,
        n_resamples=grid.resamples,
        confidence_level=1 - 2 * tail,
        method="percentile",
        rng=np.random.default_rng(grid.seed),
    ).confidence_interval
    middle = float(statistic(*samples))
    return [middle + grid.widening * (float(limit) - middle) for limit in (found.low, found.high)]


def _participant_means(decisions: Decisions) -> pd.Series[float]:
    correct = pd.Series(decisions.correct.astype(np.float64))
    return correct.groupby(decisions.table["participant"].to_numpy()).mean()


def _by(logits: Decisions, match: Decisions, column: str, name: Callable[[Any], str]) -> Mapping[str, Any]:
    result = {}
    for value in sorted(logits.table[column].unique()):
        rows = (logits.table[column] == value).to_numpy()
        result[name(value)] = {
            "accuracy": _mean(logits.correct[rows]),
            "match_accuracy": _mean(match.correct[rows]),
            "n_windows": int(rows.sum()),
        }
    return result


def _top_k(decisions: Decisions, k: int) -> float | None:
    if decisions.scores.shape[1] <= k:
        return None  # with so few stimuli every decision is among the best k
    best = np.argsort(-decisions.scores, axis=1, kind="stable")[:, :k]
    return _mean((best == decisions.table["stimulus"].to_numpy()[:, None]).any(axis=1))


def _mean(values: Bools) -> float | None:
    return float(values.mean()) if len(values) else None


def window_table(columns: Mapping[str, Any], rate: Rate) -> pd.DataFrame:
    """Assemble the table of `WindowPredictions`; `onset` is given in samples at `rate`."""
    table = pd.DataFrame(columns)
    table["onset"] = table["onset"].to_numpy(dtype=np.float64) / rate.hz
    return table

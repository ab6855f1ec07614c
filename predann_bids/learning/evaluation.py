"""Turn predictions of single windows into decisions and scores.

Every window or segment of EEG is decided in two ways. By song logits, as published: which stimulus is the most likely,
given the EEG but not the moment. By match: which stimulus's audio at the same moment is most similar to the
representation predicted from the EEG. Candidates are the stimuli that last that long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from predann_bids.arrays import Bools, Doubles, Ints
from predann_bids.data.ties import best_of, rank_of
from predann_bids.learning.retrieval import KINDS, TOPS
from predann_bids.learning.statistics import Scoring, mean_interval
from predann_bids.timing import Rate

Aggregation = Literal["mean", "max", "majority", "match"]
BY_LOGITS: tuple[Aggregation, ...] = ("mean", "max", "majority")
AGGREGATIONS: tuple[Aggregation, ...] = (*BY_LOGITS, "match")
ENTITIES = ("participant", "session", "task", "run")


@dataclass(frozen=True)
class WindowPredictions:
    """The predictions of one model for all test windows of all folds.

    Parameters
    ----------
    table : DataFrame, n rows
        Columns `seed fold participant session task run trial stimulus onset`: seed and fold of the decoder, recording
        and trial of the window, index of its stimulus, and onset of the window in seconds from the start of the
        recording. Also `place`, if windows do not lie on a grid; see `data.windows.Windows`.
    probabilities : ndarray, shape (n, stimuli), or None
        Softmax of the song logits; None for a model without them, or if test songs were not trained on.
    similarities : ndarray, shape (n, stimuli), or None
        Similarity of the predicted representation with each stimulus's audio at the same moment; NaN where a stimulus
        ends too early or is not a candidate. None for a model that predicts no representation.
    ranks : DataFrame, or None
        The table that `retrieval.rank` returns; `window` is a row of `table`.
    """

    table: pd.DataFrame
    probabilities: Doubles | None
    similarities: Doubles | None
    ranks: pd.DataFrame | None = None

    @classmethod
    def concatenate(cls, parts: Sequence[WindowPredictions]) -> WindowPredictions:
        """Pool the predictions of several folds."""
        first = np.cumsum([0, *(len(part.table) for part in parts)])
        ranks = [
            part.ranks.assign(window=part.ranks["window"] + before)
            for part, before in zip(parts, first, strict=False)
            if part.ranks is not None
        ]
        return cls(
            pd.concat([part.table for part in parts], ignore_index=True),
            _joined([part.probabilities for part in parts]),
            _joined([part.similarities for part in parts]),
            pd.concat(ranks, ignore_index=True) if ranks else None,
        )

    @property
    def ways(self) -> tuple[Aggregation, ...]:
        """The aggregations that these predictions allow."""
        by_logits = BY_LOGITS if self.probabilities is not None else ()
        return (*by_logits, *(("match",) if self.similarities is not None else ()))

    @property
    def alone(self) -> Bools:
        """Whether each window is decided about by itself, and not only within a segment."""
        if "place" not in self.table:
            return np.ones(len(self.table), dtype=bool)
        placed: Bools = self.table["place"].to_numpy() == 0
        return placed

    def of_seed(self, seed: int) -> WindowPredictions:
        """Keep the predictions of one seed, without ranks."""
        return self.subset((self.table["seed"] == seed).to_numpy())

    def subset(self, rows: Bools) -> WindowPredictions:
        """Keep some windows, without ranks."""
        return WindowPredictions(
            self.table[rows].reset_index(drop=True),
            None if self.probabilities is None else self.probabilities[rows],
            None if self.similarities is None else self.similarities[rows],
        )


def _joined(parts: Sequence[Doubles | None]) -> Doubles | None:
    arrays = [part for part in parts if part is not None]
    return np.concatenate(arrays) if len(arrays) == len(parts) else None


@dataclass(frozen=True)
class Decisions:
    """Decisions about segments of one length, by one aggregation.

    Parameters
    ----------
    table : DataFrame, n rows
        As in `WindowPredictions`; `onset` is that of the segment.
    scores : ndarray, shape (n, stimuli)
        Shares that sum to one; the highest is the decision. NaN for stimuli that are not candidates.
    predicted : ndarray of int, shape (n,)
        Index of the stimulus decided for.
    """

    table: pd.DataFrame
    scores: Doubles
    predicted: Ints

    @property
    def correct(self) -> Bools:
        """Whether each decision is right."""
        right: Bools = self.predicted == self.table["stimulus"].to_numpy()
        return right

    @property
    def chance(self) -> float:
        """The mean probability of guessing right among the candidates of each segment."""
        return float((1 / np.isfinite(self.scores).sum(axis=1)).mean())


def decide(
    windows: WindowPredictions, how: Aggregation, *, length_s: float, window_s: float, stride_s: float
) -> Decisions:
    """Combine the windows of each segment, and decide which stimulus was playing.

    A segment begins with every window of a stretch. Its windows lie `stride_s` apart, and the last one ends where the
    segment ends.

    Parameters
    ----------
    windows : WindowPredictions
        Windows of `window_s` every `stride_s` seconds.
    how : {"mean", "max", "majority", "match"}
        Mean or maximum of the probabilities, the most frequent decision (in a tie, the one that appears first), or the
        mean similarity with the audio at the same moment. Of songs that are exactly equal in this, one is drawn; see
        `data.ties`.
    length_s, window_s, stride_s : float
        Length of a segment, length of a window, and time between the starts of windows, in seconds.

    Returns
    -------
    Decisions

    Raises
    ------
    ValueError
        The predictions do not allow this aggregation.
    """
    inside = 1 + round((length_s - window_s) / stride_s)
    first = _segment_starts(windows.table, inside, stride_s)
    members = first[:, None] + np.arange(inside)
    table = windows.table.iloc[first].reset_index(drop=True)
    if how not in windows.ways:
        raise ValueError(f"these predictions allow no decision by '{how}'")
    if how == "match":
        assert windows.similarities is not None
        similarities = windows.similarities[members].mean(axis=1)  # NaN if the stimulus ends within the segment
        return Decisions(table, _softmax(similarities), best_of(similarities, keys_of(table)))
    assert windows.probabilities is not None
    scores = _combine(windows.probabilities[members], how, keys_of(table))
    return Decisions(table, scores, best_of(scores, keys_of(table)))


def keys_of(table: pd.DataFrame) -> Ints:
    """Return what identifies each row of the table of `WindowPredictions`, for drawing among equals: (n, 4)."""
    onset_us = np.round(table["onset"].to_numpy(dtype=np.float64) * 1e6).astype(np.int64)
    return np.column_stack([table[["seed", "fold", "trial"]].to_numpy(dtype=np.int64), onset_us])


def _combine(probabilities: Doubles, how: Aggregation, keys: Ints) -> Doubles:
    """Combine (segments, windows, stimuli) to (segments, stimuli)."""
    if how == "majority":
        n_segments, inside, n_stimuli = probabilities.shape
        # all windows of a segment draw alike, so that songs with the same audio do not split their votes
        named = best_of(probabilities.reshape(-1, n_stimuli), keys.repeat(inside, axis=0))
        votes = np.eye(n_stimuli)[named.reshape(n_segments, inside)]
        counts = votes.sum(axis=1)
        # In a tie the decision that appears first wins: it gets the largest bonus, which is less than one vote.
        earliest = np.where(counts > 0, votes.argmax(axis=1), votes.shape[1])
        counts = counts + 0.5 * (1 - earliest / (votes.shape[1] + 1)) * (counts > 0)
        return _shares(counts)
    combined = probabilities.mean(axis=1) if how == "mean" else probabilities.max(axis=1)
    return _shares(combined)


def _segment_starts(table: pd.DataFrame, inside: int, stride_s: float) -> Ints:
    """Find the rows at which `inside` consecutive windows of one stretch begin."""
    if "place" in table:  # `place_in_spans` has placed segments
        placed: Ints = np.flatnonzero(table["place"].to_numpy() == (0 if inside == 1 else 1))
        return placed
    last = np.arange(len(table)) + inside - 1
    starts = np.flatnonzero(last < len(table))
    last = last[starts]
    key = table[["seed", "fold", "trial"]].to_numpy()
    onset = table["onset"].to_numpy(dtype=np.float64)
    same = (key[starts] == key[last]).all(axis=1)
    unbroken = np.isclose(onset[last] - onset[starts], (inside - 1) * stride_s, atol=stride_s / 10)
    chosen: Ints = starts[same & unbroken]
    return chosen


def _shares(scores: Doubles) -> Doubles:
    shares: Doubles = scores / scores.sum(axis=1, keepdims=True)
    return shares


def _softmax(similarities: Doubles, temperature: float = 0.1) -> Doubles:
    with np.errstate(invalid="ignore"):
        shifted = (similarities - np.nanmax(similarities, axis=1, keepdims=True)) / temperature
        weights = np.exp(shifted)
        shares: Doubles = weights / np.nansum(weights, axis=1, keepdims=True)
    return shares


def score(windows: WindowPredictions, labels: Sequence[str], scoring: Scoring) -> dict[str, Any]:
    """Score one model: compute its entry in `models` of metrics.json.

    Parameters
    ----------
    windows : WindowPredictions
        All test windows.
    labels : sequence of str
        Names of the stimuli.
    scoring : Scoring
        Lengths of windows and segments, and the widening of intervals.

    Returns
    -------
    dict
        As it is written to metrics.json.
    """
    from sklearn.metrics import confusion_matrix, recall_score

    by = {length: {how: _decide(windows, how, length, scoring) for how in windows.ways} for length in scoring.lengths_s}
    shortest = by[scoring.lengths_s[0]]
    logits, match = shortest.get("mean"), shortest.get("match")
    table = windows.table[windows.alone]
    stimulus = table["stimulus"].to_numpy()
    indices = list(range(len(labels)))

    def confusion(decisions: Decisions | None) -> list[list[int]] | None:
        return confusion_matrix(stimulus, decisions.predicted, labels=indices).tolist() if decisions else None

    return {
        "accuracy": _accuracy(logits),
        "ci95": participant_interval(logits, scoring) if logits else None,
        "balanced_accuracy": float(
            recall_score(stimulus, logits.predicted, labels=np.unique(stimulus), average="macro")
        )
        if logits and len(stimulus)
        else None,
        "balanced_ci95": balanced_interval(logits, scoring) if logits else None,
        "top3_accuracy": _top_k(logits, 3) if logits else None,
        "match_accuracy": _accuracy(match),
        "match_ci95": participant_interval(match, scoring) if match else None,
        "match_chance": match.chance if match else None,
        "by_length": {
            f"{length:g}": {how: _accuracy(ways.get(how)) for how in AGGREGATIONS} for length, ways in by.items()
        },
        "by_participant": _by(table, logits, match, "participant", lambda value: str(value)),
        "by_stimulus": _by(table, logits, match, "stimulus", lambda value: labels[int(value)]),
        "confusion": confusion(logits),
        "match_confusion": confusion(match),
        "retrieval": score_retrieval(windows, scoring),
        "permutation": None,
    }


def participant_interval(decisions: Decisions, scoring: Scoring) -> list[float] | None:
    """Compute the interval of the accuracy over participants; see `statistics.mean_interval`."""
    return mean_interval(decisions.table["participant"], decisions.correct, scoring)


def balanced_interval(decisions: Decisions, scoring: Scoring) -> list[float] | None:
    """Compute the interval of the balanced accuracy over participants, in which all songs have the same weight.

    A decoder that ignores the EEG but prefers frequent songs has a balanced accuracy of 1 / (number of songs), while
    its plain accuracy is higher.
    """
    stimulus = decisions.table["stimulus"].to_numpy()
    counts = np.bincount(stimulus)
    return mean_interval(decisions.table["participant"], decisions.correct, scoring, weights=1 / counts[stimulus])


# Retrieval


def score_retrieval(windows: WindowPredictions, scoring: Scoring) -> dict[str, Any] | None:
    """Score rankings: compute the entry `retrieval` of metrics.json.

    Keys outside `kinds` are those of kind "window", where the candidates are windows of all songs.
    """
    if windows.ranks is None or not len(windows.ranks):
        return None
    kinds = {kind: _score_ranks(windows, kind, scoring) for kind in KINDS}
    plain = {key: value for key, value in kinds["window"].items() if key not in ("by_length", "curve")}
    return plain | {"kinds": kinds}


def _score_ranks(windows: WindowPredictions, kind: str, scoring: Scoring) -> dict[str, Any]:
    assert windows.ranks is not None
    people = windows.table["participant"].to_numpy()
    by_length = {}
    for length in scoring.lengths_s:
        rows = windows.ranks[windows.ranks["length"] == length]
        if len(rows):
            ranks, numbers = (rows[f"{what}_{kind}"].to_numpy(dtype=np.float64) for what in ("rank", "n"))
            by_length[f"{length:g}"] = (rows["window"].to_numpy(dtype=np.int64), ranks, numbers)
    first, ranks, numbers = next(iter(by_length.values()))
    return {
        **_summary_of_ranks(ranks, numbers),
        "ci95": mean_interval(people[first], ranks <= 1, scoring),
        "mean_reciprocal_rank_ci95": mean_interval(people[first], 1 / ranks, scoring),
        "by_length": {length: _summary_of_ranks(*values[1:]) for length, values in by_length.items()},
        "curve": _match_curve(ranks, numbers),
    }


def _summary_of_ranks(ranks: Doubles, numbers: Doubles) -> dict[str, float]:
    top = {f"top{k}": float((ranks <= k).mean()) for k in TOPS}
    chance = {f"chance_top{k}": float(np.minimum(1, k / numbers).mean()) for k in TOPS}
    # for a guess all ranks are equally likely, so the mean of 1 / rank is the n-th harmonic number divided by n
    harmonic = np.cumsum(1 / np.arange(1, int(numbers.max()) + 1))
    return {
        **top,
        "mean_reciprocal_rank": float((1 / ranks).mean()),
        "n_candidates": float(numbers.mean()),
        **chance,
        "chance_mean_reciprocal_rank": float((harmonic[numbers.astype(np.int64) - 1] / numbers).mean()),
    }


def _match_curve(ranks: Doubles, numbers: Doubles) -> dict[str, list[float]]:
    """Compute the cumulative match curve: the share of windows with at most a given rank, and of guesses."""
    at = np.unique(np.round(np.geomspace(1, numbers.max(), 40))).astype(np.int64)
    return {
        "rank": at.tolist(),
        "share": [float((ranks <= k).mean()) for k in at],
        "chance": [float(np.minimum(1, k / numbers).mean()) for k in at],
    }


def predictions_table(
    windows: WindowPredictions, labels: Sequence[str], scoring: Scoring, *, model: str
) -> pd.DataFrame:
    """Lay out all decisions of one model for predictions.tsv.

    Parameters
    ----------
    windows : WindowPredictions
        All test windows.
    labels : sequence of str
        Names of the stimuli.
    scoring : Scoring
        Lengths of windows and segments.
    model : str
        Name of the model.

    Returns
    -------
    DataFrame
        A row for each segment, length and aggregation.
    """
    parts = []
    for length in scoring.lengths_s:
        for how in windows.ways:
            decisions = _decide(windows, how, length, scoring)
            part = decisions.table[["seed", "fold", *ENTITIES]].copy()
            part.insert(0, "model", model)
            part["stimulus"] = [labels[index] for index in decisions.table["stimulus"]]
            part["onset"] = decisions.table["onset"].round(3)
            part["length"], part["aggregation"] = length, how
            part["predicted"] = [labels[index] for index in decisions.predicted]
            shares = pd.DataFrame(decisions.scores.round(5), columns=[f"p_{label}" for label in labels])
            parts.append(pd.concat([part, shares], axis=1))
    return pd.concat(parts, ignore_index=True)


def _decide(windows: WindowPredictions, how: Aggregation, length_s: float, scoring: Scoring) -> Decisions:
    return decide(windows, how, length_s=length_s, window_s=scoring.window_s, stride_s=scoring.stride_s)


def _by(
    table: pd.DataFrame,
    logits: Decisions | None,
    match: Decisions | None,
    column: str,
    name: Callable[[Any], str],
) -> Mapping[str, Any]:
    result = {}
    n_seeds = max(1, table["seed"].nunique())
    for value in sorted(table[column].unique()):
        rows = (table[column] == value).to_numpy()
        result[name(value)] = {
            "accuracy": _mean(logits.correct[rows]) if logits else None,
            "match_accuracy": _mean(match.correct[rows]) if match else None,
            "n_windows": int(rows.sum()) // n_seeds,
        }
    return result


def _accuracy(decisions: Decisions | None) -> float | None:
    return _mean(decisions.correct) if decisions else None


def _top_k(decisions: Decisions, k: int) -> float | None:
    if decisions.scores.shape[1] <= k or not len(decisions.table):
        return None  # with so few stimuli, the right one is always among the best k
    own = decisions.scores[np.arange(len(decisions.table)), decisions.table["stimulus"].to_numpy()]
    return _mean(rank_of(own, decisions.scores, keys_of(decisions.table)) <= k)


def _mean(values: Bools) -> float | None:
    return float(values.mean()) if len(values) else None


def window_table(columns: Mapping[str, Any], rate: Rate) -> pd.DataFrame:
    """Build the table of `WindowPredictions` from columns in which `onset` is in samples at `rate`."""
    table = pd.DataFrame(columns)
    table["onset"] = table["onset"].to_numpy(dtype=np.float64) / rate.hz
    return table

"""Turn predictions of single windows into decisions.

Every window or segment of EEG is decided in two ways. By song logits, as published: which stimulus is the most likely,
given the EEG but not the moment. By match: which stimulus's audio at the same moment is most similar to the
representation predicted from the EEG. Candidates are the stimuli that last that long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from predann_bids.arrays import Bools, Doubles, Ints
from predann_bids.data.ties import best_of
from predann_bids.learning.evaluation.predictions import ENTITIES, Aggregation, WindowPredictions, keys_of
from predann_bids.learning.statistics import Scoring


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


def decide_for(windows: WindowPredictions, how: Aggregation, length_s: float, scoring: Scoring) -> Decisions:
    """Decide about segments of a length, with windows as they are scored; see `decide`.

    Parameters
    ----------
    windows : WindowPredictions
        Windows as `scoring` says.
    how : {"mean", "max", "majority", "match"}
        How windows are combined.
    length_s : float
        Length of a segment in seconds.
    scoring : Scoring
        Length of windows, and time between their starts.
    """
    return decide(windows, how, length_s=length_s, window_s=scoring.window_s, stride_s=scoring.stride_s)


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
            decisions = decide_for(windows, how, length, scoring)
            part = decisions.table[["seed", "fold", *ENTITIES]].copy()
            part.insert(0, "model", model)
            part["stimulus"] = [labels[index] for index in decisions.table["stimulus"]]
            part["onset"] = decisions.table["onset"].round(3)
            part["length"], part["aggregation"] = length, how
            part["predicted"] = [labels[index] for index in decisions.predicted]
            shares = pd.DataFrame(decisions.scores.round(5), columns=[f"p_{label}" for label in labels])
            parts.append(pd.concat([part, shares], axis=1))
    return pd.concat(parts, ignore_index=True)

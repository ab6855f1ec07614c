"""Score the decisions of a model: its entry in `models` of metrics.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from predann_bids.arrays import Bools
from predann_bids.data.ties import rank_of
from predann_bids.learning.evaluation.decisions import Decisions, decide_for
from predann_bids.learning.evaluation.predictions import AGGREGATIONS, WindowPredictions, keys_of
from predann_bids.learning.evaluation.ranks import score_retrieval
from predann_bids.learning.statistics import Scoring, mean_interval


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

    by = {
        length: {how: decide_for(windows, how, length, scoring) for how in windows.ways} for length in scoring.lengths_s
    }
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

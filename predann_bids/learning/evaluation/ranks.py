"""Score the ranks of the right song or moment among all candidates: the entry `retrieval` of metrics.json."""

from __future__ import annotations

from typing import Any

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.learning.evaluation.predictions import WindowPredictions
from predann_bids.learning.retrieval import KINDS, TOPS
from predann_bids.learning.statistics import Scoring, mean_interval


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

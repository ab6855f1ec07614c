"""Test accuracies against chance: labels are permuted in ways that respect the design.

Two nulls. Where nothing of a test recording has been trained on, its labels can be permuted while decoders and
predictions stay ("kept"). Where parts of it have been trained on, what marks a presentation also tells its label, and
only decoders that were trained with permuted labels show how much of the accuracy that explains ("retrained").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from predann_bids.data.controls import permuted
from predann_bids.data.trials import Trial
from predann_bids.learning.comparison import WAYS, By
from predann_bids.learning.evaluation import WindowPredictions
from predann_bids.learning.statistics import Floats, Grid

Null = Literal["kept", "retrained"]


@dataclass(frozen=True)
class NullDistribution:
    """Accuracies under permuted labels; NaN-free, or None where a model has no such decision."""

    logits: Floats | None
    match: Floats | None


def kept_null(
    windows: WindowPredictions, trials: Sequence[Trial], number: int, rng: np.random.Generator
) -> NullDistribution:
    """Permute the labels of test presentations within their recordings, while what was predicted stays.

    Parameters
    ----------
    windows : WindowPredictions
        All test windows; column `trial` of the table is the index of a trial.
    trials : sequence of Trial
        All trials.
    number : int
        Permutations.
    rng : Generator
        Source of randomness.
    """
    trial = windows.table["trial"].to_numpy()
    stimuli = np.array([t.stimulus for t in trials])
    tested = np.unique(trial)  # labels are dealt out among the presentations that were tested
    chosen = [trials[index] for index in tested]
    labels = np.empty((number, len(trials)), dtype=np.int64)
    for row in labels:
        row[tested] = stimuli[tested][permuted(chosen, rng)]
    logits = match = None
    if windows.probabilities is not None:
        predicted = windows.probabilities.argmax(axis=1)
        logits = np.array([(predicted == row[trial]).mean() for row in labels])
    if windows.similarities is not None:
        predicted = np.nanargmax(windows.similarities, axis=1)
        possible = np.isfinite(windows.similarities)
        match = np.array([_among_possible(predicted, possible, row[trial]) for row in labels])
    return NullDistribution(logits, match)


def _among_possible(predicted: NDArray[np.int64], possible: NDArray[np.bool_], labels: NDArray[np.int64]) -> float:
    """Accuracy on windows whose permuted label can be named: the real one always can."""
    counted = possible[np.arange(len(labels)), labels]
    return float((predicted == labels)[counted].mean()) if counted.any() else 0.0


def permutation_scores(
    observed: Mapping[By, float | None], null: NullDistribution, kind: Null, grid: Grid
) -> dict[str, Any]:
    """Compare accuracies with their null: the value `permutation` of metrics.json, p-values not yet corrected.

    The p-value counts the real labels among the permutations (Phipson and Smyth 2010). The kept null's deviations are
    widened as intervals are, because training sets overlap: each fold's test labels also trained the other folds.
    """
    result: dict[str, Any] = {"n": 0, "null": kind}
    for by, prefix in zip(WAYS, ("", "match_"), strict=True):
        values, found = getattr(null, by), observed[by]
        result |= {f"{prefix}{key}": None for key in ("p_value", "null_mean", "null_ci95")}
        if values is not None and found is not None:
            mean = float(values.mean())
            spread = mean + (grid.widening if kind == "kept" else 1.0) * (values - mean)
            result["n"] = len(values)
            result[f"{prefix}null_mean"] = mean
            result[f"{prefix}null_ci95"] = np.percentile(spread, [2.5, 97.5]).clip(0, 1).tolist()
            result[f"{prefix}p_value"] = float((1 + (spread >= found - 1e-12).sum()) / (1 + len(values)))
    return result

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

from predann_bids.arrays import Bools, Doubles, Ints
from predann_bids.data.controls import exchange_blocks, permuted
from predann_bids.data.trials import Trial
from predann_bids.learning.evaluation import WindowPredictions
from predann_bids.learning.models import By
from predann_bids.learning.statistics import Scoring
from predann_bids.timing import Rate

Null = Literal["kept", "retrained"]
BOTH: tuple[By, By] = ("logits", "match")


@dataclass(frozen=True)
class Exchange:
    """What trials may exchange with each other.

    Parameters
    ----------
    shortest : ndarray of int, shape (trials,)
        Samples that all trials of each trial's block have.
    songs : tuple of tuple of int
        Songs heard in each trial's block.
    """

    shortest: Ints
    songs: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, trials: Sequence[Trial], tested: Sequence[int] | None = None) -> Exchange:
        """Find what trials may exchange, or only some of them that are tested together."""
        chosen = list(range(len(trials))) if tested is None else list(tested)
        shortest = np.zeros(len(trials), dtype=np.int64)
        songs: list[tuple[int, ...]] = [()] * len(trials)
        for block in exchange_blocks([trials[index] for index in chosen]):
            members = [chosen[place] for place in block]
            for index in members:
                shortest[index] = min(trials[member].length for member in members)
                songs[index] = tuple(sorted({trials[member].stimulus for member in members}))
        return cls(shortest, tuple(songs))

    def comparable(
        self, windows: WindowPredictions, trials: Sequence[Trial], rate: Rate, window: int
    ) -> dict[By, Bools]:
        """Tell which windows there are whatever song their presentation is given, and all its songs are candidates.

        Late in long songs fewer candidates are left and guessing is easier; who names long songs more often is right
        more often. Observed and permuted accuracies may only be compared where all songs of a block are alike.
        """
        trial = windows.table["trial"].to_numpy()
        onset = np.array([t.onset for t in trials])[trial]
        start = np.round(windows.table["onset"].to_numpy() * rate.hz).astype(np.int64) - onset
        there = (start + window <= self.shortest[trial]) & windows.alone
        if windows.similarities is None:
            return {"logits": there, "match": np.zeros_like(there)}
        possible = np.ones(len(trial), dtype=bool)
        for row, index in enumerate(trial):
            possible[row] = np.isfinite(windows.similarities[row, list(self.songs[index])]).all()
        return {"logits": there, "match": there & possible}


@dataclass(frozen=True)
class NullDistribution:
    """Accuracies under permuted labels, and that under the real ones on the same windows.

    Parameters
    ----------
    observed : mapping
        Accuracy by logits and by match; None where a model has no such decision.
    permuted : mapping
        The same of every permutation.
    """

    observed: Mapping[By, float | None]
    permuted: Mapping[By, Doubles | None]


def kept_null(
    windows: WindowPredictions,
    trials: Sequence[Trial],
    number: int,
    rng: np.random.Generator,
    *,
    rate: Rate,
    window: int,
) -> NullDistribution:
    """Permute the labels of test presentations within their recordings, while what was predicted stays.

    Labels are exchanged among what one fold tests of a recording; only windows that all permutations have count.

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
    rate : Rate
        Sampling rate of the trials.
    window : int
        Length of a window in samples.
    """
    stimuli = np.array([t.stimulus for t in trials])
    folds = windows.table["fold"].to_numpy()
    named = {by: _named(windows, by) for by in BOTH}
    hits: dict[By, Ints] = {by: np.zeros(1 + number, dtype=np.int64) for by in BOTH}  # the real labels first
    counts = dict.fromkeys(BOTH, 0)
    for fold in np.unique(folds):
        mine = folds == fold
        trial = windows.table["trial"].to_numpy()[mine]
        tested = np.unique(trial)
        rows = Exchange.of(trials, tested.tolist()).comparable(windows.subset(mine), trials, rate, window)
        chosen = [trials[index] for index in tested]
        for place in range(1 + number):
            label = stimuli.copy()
            if place:
                label[tested] = stimuli[tested][permuted(chosen, rng)]
            for by, predicted in named.items():
                if predicted is not None:
                    hits[by][place] += (predicted[mine] == label[trial])[rows[by]].sum()
        for by in BOTH:
            counts[by] += int(rows[by].sum())
    shares = {by: hits[by] / counts[by] if named[by] is not None and counts[by] else None for by in BOTH}
    return NullDistribution(
        {by: None if found is None else float(found[0]) for by, found in shares.items()},
        {by: None if found is None else found[1:] for by, found in shares.items()},
    )


def count_hits(windows: WindowPredictions, rows: Mapping[By, Bools]) -> dict[By, tuple[int, int] | None]:
    """Count right decisions and windows among comparable rows; None where a model has no such decision."""
    heard = windows.table["stimulus"].to_numpy()
    found: dict[By, tuple[int, int] | None] = {}
    for by in BOTH:
        predicted = _named(windows, by)
        found[by] = None if predicted is None else (int((predicted == heard)[rows[by]].sum()), int(rows[by].sum()))
    return found


def _named(windows: WindowPredictions, by: By) -> Ints | None:
    if by == "logits":
        return None if windows.probabilities is None else windows.probabilities.argmax(axis=1)
    return None if windows.similarities is None else np.nanargmax(windows.similarities, axis=1)


def permutation_scores(null: NullDistribution, kind: Null, scoring: Scoring) -> dict[str, Any]:
    """Compare accuracies with their null: the value `permutation` of metrics.json, p-values not yet corrected.

    The p-value counts the real labels among the permutations (Phipson and Smyth 2010). The kept null's deviations are
    widened as intervals are, because training sets overlap: each fold's test labels also trained the other folds.
    """
    result: dict[str, Any] = {"n": 0, "null": kind}
    for by, prefix in zip(BOTH, ("", "match_"), strict=True):
        values, found = null.permuted[by], null.observed[by]
        result |= {f"{prefix}{key}": None for key in ("p_value", "observed", "null_mean", "null_ci95")}
        if values is not None and found is not None:
            mean = float(values.mean())
            spread = mean + (scoring.widening if kind == "kept" else 1.0) * (values - mean)
            result["n"] = len(values)
            result[f"{prefix}observed"] = found
            result[f"{prefix}null_mean"] = mean
            result[f"{prefix}null_ci95"] = np.percentile(spread, [2.5, 97.5]).clip(0, 1).tolist()
            result[f"{prefix}p_value"] = float((1 + (spread >= found - 1e-12).sum()) / (1 + len(values)))
    return result

"""Test accuracies against chance by permuting labels in ways that respect the design.

There are two null distributions. If no part of a test recording is in the training data, its labels are permuted while
decoders and predictions stay as they are ("kept"). If parts of it are, anything peculiar to a presentation also reveals
its label. Only decoders that are trained on permuted labels show how much of the accuracy that explains ("retrained").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from predann_bids.arrays import Bools, Doubles, Ints
from predann_bids.data.controls import exchange_blocks, permutations
from predann_bids.data.ties import best_of
from predann_bids.data.trials import Trial
from predann_bids.learning.evaluation.predictions import WindowPredictions, keys_of
from predann_bids.learning.models import By
from predann_bids.timing import Rate

Null = Literal["kept", "retrained"]
BOTH: tuple[By, By] = ("logits", "match")


@dataclass(frozen=True)
class Exchange:
    """What trials may exchange with each other, given the blocks within which labels are permuted.

    Parameters
    ----------
    shortest : ndarray of int, shape (trials,)
        Length in samples of the shortest trial in each trial's block.
    songs : tuple of tuple of int
        Songs that are played in each trial's block.
    """

    shortest: Ints
    songs: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, trials: Sequence[Trial], tested: Sequence[int] | None = None) -> Exchange:
        """Find the blocks of all trials, or of those that are tested together."""
        chosen = list(range(len(trials))) if tested is None else list(tested)
        shortest = np.zeros(len(trials), dtype=np.int64)
        songs: list[tuple[int, ...]] = [()] * len(trials)
        for block in exchange_blocks([trials[index] for index in chosen]):
            members = [chosen[row] for row in block]
            for index in members:
                shortest[index] = min(trials[member].length for member in members)
                songs[index] = tuple(sorted({trials[member].stimulus for member in members}))
        return cls(shortest, tuple(songs))

    def comparable(
        self, windows: WindowPredictions, trials: Sequence[Trial], rate: Rate, window: int
    ) -> dict[By, Bools]:
        """Find the windows that exist, with all songs of the block as candidates, under every permutation.

        Late in long songs there are fewer candidates, so guessing is easier, and a decoder that prefers long songs is
        right more often. Observed and permuted accuracies are therefore only compared where all songs of a block last.

        Parameters
        ----------
        windows : WindowPredictions
            Test windows.
        trials : sequence of Trial
            All trials.
        rate : Rate
            Sampling rate of the trials.
        window : int
            Length of a window in samples.

        Returns
        -------
        dict of str to ndarray of bool, shape (n,)
            Whether each window is comparable by logits, and by match.
        """
        trial = windows.table["trial"].to_numpy()
        onset = np.array([t.onset for t in trials])[trial]
        start = np.round(windows.table["onset"].to_numpy() * rate.hz).astype(np.int64) - onset
        always_exists = (start + window <= self.shortest[trial]) & windows.alone
        if windows.similarities is None:
            return {"logits": always_exists, "match": np.zeros_like(always_exists)}
        possible = np.ones(len(trial), dtype=bool)
        for row, index in enumerate(trial):
            possible[row] = np.isfinite(windows.similarities[row, list(self.songs[index])]).all()
        return {"logits": always_exists, "match": always_exists & possible}


@dataclass(frozen=True)
class NullDistribution:
    """Accuracies under permuted labels, and under the real labels on the same windows.

    Parameters
    ----------
    observed : mapping
        Accuracy by logits and by match under the real labels; None if a model does not decide that way.
    permuted : mapping
        The same for every permutation.
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
    """Permute the labels of test presentations within recordings, with the predictions unchanged.

    Labels are exchanged among the presentations of a recording that one fold tests. Only windows that exist under all
    permutations count.

    Parameters
    ----------
    windows : WindowPredictions
        All test windows; column `trial` of the table is the index of a trial.
    trials : sequence of Trial
        All trials.
    number : int
        Number of permutations.
    rng : numpy.random.Generator
        Source of randomness.
    rate : Rate
        Sampling rate of the trials.
    window : int
        Length of a window in samples.
    """
    folds = windows.table["fold"].to_numpy()
    # the first entry is for the real labels
    hits: dict[By, Ints] = {by: np.zeros(1 + number, dtype=np.int64) for by in BOTH}
    counts = dict.fromkeys(BOTH, 0)
    decisions = {by: _decided(windows, by) for by in BOTH}
    for fold in np.unique(folds):
        in_fold = folds == fold
        trial = windows.table["trial"].to_numpy()[in_fold]
        tested = np.unique(trial)
        rows = Exchange.of(trials, tested.tolist()).comparable(windows.subset(in_fold), trials, rate, window)
        chosen = [trials[index] for index in tested]
        labels = np.array([t.stimulus for t in chosen])
        dealt = np.vstack([labels, labels[permutations(chosen, number, rng)]])
        for by, predicted in decisions.items():
            if predicted is not None:
                named = _times_named(np.searchsorted(tested, trial)[rows[by]], predicted[in_fold][rows[by]], labels)
                hits[by] += named[np.arange(len(tested)), dealt].sum(axis=1)
            counts[by] += int(rows[by].sum())
    shares = {by: hits[by] / counts[by] if decisions[by] is not None and counts[by] else None for by in BOTH}
    return NullDistribution(
        {by: None if accuracies is None else float(accuracies[0]) for by, accuracies in shares.items()},
        {by: None if accuracies is None else accuracies[1:] for by, accuracies in shares.items()},
    )


def _times_named(trial: Ints, predicted: Ints, labels: Ints) -> Ints:
    """Count how often each song is named in each tested trial, (trials, songs): the hits that any label would give."""
    n_songs = 1 + max(labels.max(), predicted.max(initial=0))
    named = np.zeros((len(labels), n_songs), dtype=np.int64)
    np.add.at(named, (trial, predicted), 1)
    return named


def count_hits(windows: WindowPredictions, rows: Mapping[By, Bools]) -> dict[By, tuple[int, int] | None]:
    """Count correct decisions and windows among comparable rows; None if a model does not decide that way."""
    stimulus = windows.table["stimulus"].to_numpy()
    counts: dict[By, tuple[int, int] | None] = {}
    for by in BOTH:
        predicted = _decided(windows, by)
        counts[by] = None if predicted is None else (int((predicted == stimulus)[rows[by]].sum()), int(rows[by].sum()))
    return counts


def _decided(windows: WindowPredictions, by: By) -> Ints | None:
    scores = windows.probabilities if by == "logits" else windows.similarities
    return None if scores is None else best_of(scores, keys_of(windows.table))


def permutation_scores(null: NullDistribution, kind: Null) -> dict[str, Any]:
    """Compare accuracies with their null distribution: compute the entry `permutation` of metrics.json.

    The p-value counts the real labels as one of the permutations (Phipson and Smyth 2010); it is not yet corrected for
    multiple testing.
    """
    result: dict[str, Any] = {"n": 0, "null": kind}
    for by, prefix in zip(BOTH, ("", "match_"), strict=True):
        values, observed = null.permuted[by], null.observed[by]
        result |= {f"{prefix}{key}": None for key in ("p_value", "observed", "null_mean", "null_ci95")}
        if values is not None and observed is not None:
            result["n"] = len(values)
            result[f"{prefix}observed"] = observed
            result[f"{prefix}null_mean"] = float(values.mean())
            result[f"{prefix}null_ci95"] = np.percentile(values, [2.5, 97.5]).tolist()
            result[f"{prefix}p_value"] = float((1 + (values >= observed - 1e-12).sum()) / (1 + len(values)))
    return result

"""Intervals, tests and their corrections: arithmetic on hits of participants."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from predann_bids.arrays import Doubles

FEW = 8  # participants
SIGN_FLIP = "sign-flip permutation over participants, two-sided"


@dataclass(frozen=True)
class Scoring:
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


def mean_interval(
    participants: ArrayLike, values: ArrayLike, scoring: Scoring, weights: ArrayLike | None = None
) -> list[float] | None:
    """Make a 95 % interval of a mean of shares over participants, each of them whole.

    The interval is widened because training sets overlap (`overlap_widening`); see `interval`.

    Parameters
    ----------
    participants : array-like of str, shape (n,)
        Whose each value is.
    values : array-like, shape (n,)
        Between 0 and 1, such as hits.
    weights : array-like, shape (n,), optional
        How much each counts; all the same when not given.
    scoring : Scoring
        Resamples, seed and widening.

    Returns
    -------
    list of two floats, or None with fewer than two participants
    """
    weight = np.ones(np.shape(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    table = pd.DataFrame({"participant": participants, "sum": weight * np.asarray(values, dtype=np.float64)})
    grouped = table.assign(count=weight).groupby("participant")[["sum", "count"]].sum()
    sums, counts = (grouped[name].to_numpy(dtype=np.float64) for name in ("sum", "count"))
    found = interval(lambda h, t, axis=-1: h.sum(axis=axis) / t.sum(axis=axis), (sums, counts), scoring)
    return [min(1.0, max(0.0, limit)) for limit in found] if found else None  # what a share can be


def interval(statistic: Callable[..., Any], samples: tuple[Doubles, ...], scoring: Scoring) -> list[float] | None:
    """Make a 95 % interval of a statistic of paired samples, one value for each participant.

    A percentile bootstrap, expanded to the width that a t interval has with as many participants, as plain percentiles
    are too narrow (Hesterberg 2015, What Teachers Should Know About the Bootstrap, section 3.3). Of fewer than `FEW`
    participants the percentiles cannot be expanded enough, as resampling cannot leave the range of the data: there it
    is the t interval with the standard error of the jackknife.

    Returns
    -------
    list of two floats, or None with fewer than two participants
    """
    from scipy.stats import bootstrap, norm, t

    n = len(samples[0])
    if n < 2:
        return None
    if all(np.ptp(sample) == 0 for sample in samples):
        value = float(statistic(*samples))
        return [value, value]
    if n < FEW:
        half = t.ppf(0.975, n - 1) * _jackknife_error(statistic, samples) * scoring.widening
        middle = float(statistic(*samples))
        return [middle - half, middle + half]
    tail = norm.cdf(-math.sqrt(n / (n - 1)) * t.ppf(0.975, n - 1))
    found = bootstrap(
        samples,
        statistic,
        paired=True,
        n_resamples=scoring.resamples,
        confidence_level=1 - 2 * tail,
        method="percentile",
        rng=np.random.default_rng(scoring.seed),
    ).confidence_interval
    middle = float(statistic(*samples))
    return [middle + scoring.widening * (float(limit) - middle) for limit in (found.low, found.high)]


def _jackknife_error(statistic: Callable[..., Any], samples: tuple[Doubles, ...]) -> float:
    n = len(samples[0])
    without = np.array([float(statistic(*(np.delete(sample, i) for sample in samples))) for i in range(n)])
    return math.sqrt((n - 1) / n * np.square(without - without.mean()).sum())


def difference_interval(differences: Doubles, scoring: Scoring) -> list[float] | None:
    """Interval of the mean of participants' differences of shares."""
    found = interval(np.mean, (differences,), scoring)
    return [min(1.0, max(-1.0, limit)) for limit in found] if found else None


def sign_flip_p(differences: Doubles, scoring: Scoring) -> float:
    """Test whether differences of participants are around zero: flip their signs at random (all ways when few)."""
    from scipy.stats import permutation_test

    return float(
        permutation_test(
            (differences,),
            np.mean,
            permutation_type="samples",
            n_resamples=scoring.resamples,
            rng=np.random.default_rng(scoring.seed),
        ).pvalue
    )


def overlap_corrected_p(differences: Doubles, scoring: Scoring) -> float | None:
    """Two-sided t test of participants' differences, corrected for overlapping training sets as intervals are.

    Returns
    -------
    float, or None when all differences are equal, so that there is nothing to compare them with
    """
    from scipy.stats import t

    spread = float(np.std(differences, ddof=1)) if len(differences) > 1 else 0.0
    if spread == 0:
        return None
    found = float(differences.mean()) / (spread / math.sqrt(len(differences)) * scoring.widening)
    return float(2 * t.sf(abs(found), len(differences) - 1))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p-values for their number (Holm 1979); those that are None stay so and do not count."""
    from statsmodels.stats.multitest import multipletests

    known = [p for p in p_values if p is not None]
    corrected = iter(multipletests(known, method="holm")[1].tolist() if known else ())
    return [None if p is None else next(corrected) for p in p_values]

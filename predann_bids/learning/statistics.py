"""Confidence intervals, hypothesis tests and their corrections, over participants."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from predann_bids.arrays import Doubles

FEW = 8  # participants; with fewer, a t interval replaces the bootstrap
SIGN_FLIP = "sign-flip permutation over participants, two-sided"


@dataclass(frozen=True)
class Scoring:
    """How test windows lie, and how intervals are computed.

    Parameters
    ----------
    window_s, stride_s : float
        Length of a window, and time from the start of one to the start of the next, in seconds.
    lengths_s : tuple of float
        Lengths of the segments to decide about, in seconds, shortest first.
    resamples : int
        Number of bootstrap resamples, and of sign flips in the test of a difference.
    seed : int
        Seed of bootstrap and sign flips.
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
    """Compute the factor by which intervals must be widened because the training sets of the folds overlap.

    The test participants of each fold are in the training sets of the other folds, so accuracies are not independent: a
    chance similarity of two recordings counts in both directions. Nadeau and Bengio (2003, Inference for the
    generalization error, Machine Learning 52) correct the variance 1 / J of the mean of J folds to 1 / J + n2 / n1.

    Parameters
    ----------
    n_folds : int
        Number of folds J.
    tested, trained : float
        Mean amounts of test data n2 and training data n1 per fold, in any unit.
    """
    return math.sqrt(1 + n_folds * tested / trained)


def mean_interval(
    participants: ArrayLike, values: ArrayLike, scoring: Scoring, weights: ArrayLike | None = None
) -> list[float] | None:
    """Compute a 95 % interval of a mean of shares, resampling whole participants.

    The interval is widened because training sets overlap (`overlap_widening`); see `interval`.

    Parameters
    ----------
    participants : array-like of str, shape (n,)
        Participant of each value.
    values : array-like, shape (n,)
        Values between 0 and 1, such as hits.
    scoring : Scoring
        Resamples, seed and widening.
    weights : array-like, shape (n,), optional
        Weight of each value; equal by default.

    Returns
    -------
    list of two floats, or None with fewer than two participants
    """
    weight = np.ones(np.shape(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    table = pd.DataFrame({"participant": participants, "sum": weight * np.asarray(values, dtype=np.float64)})
    grouped = table.assign(count=weight).groupby("participant")[["sum", "count"]].sum()
    sums, counts = (grouped[name].to_numpy(dtype=np.float64) for name in ("sum", "count"))
    limits = interval(lambda h, t, axis=-1: h.sum(axis=axis) / t.sum(axis=axis), (sums, counts), scoring)
    return [min(1.0, max(0.0, limit)) for limit in limits] if limits else None  # the range of a share


def interval(statistic: Callable[..., Any], samples: tuple[Doubles, ...], scoring: Scoring) -> list[float] | None:
    """Compute a 95 % interval of a statistic of paired samples with one value per participant.

    Plain bootstrap percentiles give intervals that are too narrow, so the percentiles are expanded to the width of a t
    interval with the same number of participants (Hesterberg 2015, What Teachers Should Know About the Bootstrap,
    section 3.3). With fewer than `FEW` participants this is not enough, as resamples never leave the range of the data;
    the result is then a t interval with the jackknife standard error.

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
    limits = bootstrap(
        samples,
        statistic,
        paired=True,
        n_resamples=scoring.resamples,
        confidence_level=1 - 2 * tail,
        method="percentile",
        rng=np.random.default_rng(scoring.seed),
    ).confidence_interval
    middle = float(statistic(*samples))
    return [middle + scoring.widening * (float(limit) - middle) for limit in (limits.low, limits.high)]


def _jackknife_error(statistic: Callable[..., Any], samples: tuple[Doubles, ...]) -> float:
    n = len(samples[0])
    without = np.array([float(statistic(*(np.delete(sample, i) for sample in samples))) for i in range(n)])
    return math.sqrt((n - 1) / n * np.square(without - without.mean()).sum())


def difference_interval(differences: Doubles, scoring: Scoring) -> list[float] | None:
    """Compute a 95 % interval of the mean difference of two shares over participants."""
    limits = interval(np.mean, (differences,), scoring)
    return [min(1.0, max(-1.0, limit)) for limit in limits] if limits else None


def sign_flip_p(differences: Doubles, scoring: Scoring) -> float:
    """Test whether the differences of participants are centred on zero, by flipping signs (exhaustively if few)."""
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
    """Compute a two-sided t test of the differences of participants, corrected for overlapping training sets.

    Returns
    -------
    float, or None if all differences are equal, as they then have no spread
    """
    from scipy.stats import t

    spread = float(np.std(differences, ddof=1)) if len(differences) > 1 else 0.0
    if spread == 0:
        return None
    t_value = float(differences.mean()) / (spread / math.sqrt(len(differences)) * scoring.widening)
    return float(2 * t.sf(abs(t_value), len(differences) - 1))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p-values for multiple testing (Holm 1979); None stays None and does not count."""
    from statsmodels.stats.multitest import multipletests

    computed = [p for p in p_values if p is not None]
    corrected = iter(multipletests(computed, method="holm")[1].tolist() if computed else ())
    return [None if p is None else next(corrected) for p in p_values]

"""Confidence intervals, hypothesis tests and their corrections, over participants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from predann_bids.arrays import Doubles

LEVEL = 0.05  # of tests; intervals hold the truth in 1 - LEVEL of cases
RECIPROCITY = 0.1  # c of `overlap_widening`
ROUNDING = 1e-9
T_TEST = "t test over participants, two-sided"
T_TEST_OVERLAP = f"{T_TEST}, allowing for overlapping training sets"


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
        Number of sign flips in the further test of a difference.
    seed : int
        Seed of the sign flips.
    widening : float
        Factor on standard errors; see `overlap_widening`.
    """

    window_s: float
    stride_s: float
    lengths_s: tuple[float, ...]
    resamples: int
    seed: int
    widening: float = 1.0

    @property
    def test(self) -> str:
        """Name of the test of a difference."""
        return T_TEST_OVERLAP if self.widening > 1 else T_TEST


def overlap_widening(n_folds: int, n_participants: int, reciprocity: float = RECIPROCITY) -> float:
    """Compute the factor by which standard errors are too small because the training sets of the folds overlap.

    The participants tested in one fold train the decoders of the others. If recordings of two people are alike by
    accident, each is decided like the other, so their hits go up and down together. Let a share c of the variance of a
    participant's accuracy come from such similarities with all others. Two participants then have the mean correlation
    r = c / (n - 1), the variance of the mean is (1 + (n - 1) r) / n, and the variance among participants estimates
    (1 - r). The ratio of the two, (1 + c) / (1 - c / (n - 1)), does not depend on the number of folds, as long as there
    are several. `benchmarks/intervals.py` finds c by simulation; it is at most 1. (The correction of Nadeau and Bengio
    2003, 1 + J n2 / n1, is made for the mean of J folds of one sample, and is far too large here.)

    Parameters
    ----------
    n_folds : int
        Number of folds; with one, nothing overlaps.
    n_participants : int
        Number of participants n who are tested.
    reciprocity : float
        The share c.
    """
    if n_folds < 2 or n_participants < 2:
        return 1.0
    return math.sqrt((1 + reciprocity) / (1 - reciprocity / (n_participants - 1)))


@dataclass(frozen=True)
class Estimate:
    """A mean over participants, and how certain it is: its interval and its test come from the same error.

    Parameters
    ----------
    value : float
        The mean.
    error : float
        Its standard error, widened; 0 if participants do not differ.
    n : int
        Number of participants.
    lowest : float
        The least that the mean can be; the most is 1.
    """

    value: float
    error: float
    n: int
    lowest: float

    @property
    def interval(self) -> list[float]:
        """The 95 % interval: from the t distribution, or that of equal participants."""
        from scipy.stats import t

        if self.error < ROUNDING:
            return self._interval_of_equals()
        half = float(t.ppf(1 - LEVEL / 2, self.n - 1)) * self.error
        return [max(self.lowest, self.value - half), min(1.0, self.value + half)]

    def _interval_of_equals(self) -> list[float]:
        """Compute the exact interval of a mean of which n participants show nothing but one value.

        n trials without an event leave room for a share q of events, q = 1 - 0.025 ** (1 / n) (Clopper and Pearson
        1934). The event is here that a participant differs, who may then have any value from the lowest to 1.
        """
        others = 1 - (LEVEL / 2) ** (1 / self.n)
        return [(1 - others) * self.value + others * limit for limit in (self.lowest, 1.0)]

    @property
    def p_value(self) -> float:
        """Two-sided, for a mean of zero: below 0.05 exactly if the interval excludes zero."""
        from scipy.stats import t

        if self.error < ROUNDING:  # the level at which the interval of equal participants begins to exclude zero
            return min(1.0, 2 * (1 + abs(self.value)) ** -self.n)
        return float(2 * t.sf(abs(self.value) / self.error, self.n - 1))


def mean_interval(
    participants: ArrayLike, values: ArrayLike, scoring: Scoring, weights: ArrayLike | None = None
) -> list[float] | None:
    """Compute a 95 % interval of a mean of shares, with participants as the independent units.

    Parameters
    ----------
    participants : array-like of str, shape (n,)
        Participant of each value.
    values : array-like, shape (n,)
        Values between 0 and 1, such as hits.
    scoring : Scoring
        Widening.
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
    return ratio_interval(sums, counts, scoring)


def ratio_interval(sums: Doubles, counts: Doubles, scoring: Scoring) -> list[float] | None:
    """Compute a 95 % interval of a share, from the sum and the number (or weight) of each participant's values.

    Returns
    -------
    list of two floats, or None with fewer than two participants
    """
    share = sums.sum() / counts.sum()
    found = _estimate(share, (sums - share * counts) / counts.sum(), scoring, lowest=0.0)
    return found.interval if found else None


def mean_of(differences: Doubles, scoring: Scoring) -> Estimate | None:
    """Estimate the mean of one difference of shares, or one correlation, for each participant.

    Returns
    -------
    Estimate, or None with fewer than two participants
    """
    n = len(differences)
    mean = differences.sum() / max(1, n)
    return _estimate(mean, (differences - mean) / max(1, n), scoring, lowest=-1.0)


def _estimate(value: float, parts: Doubles, scoring: Scoring, *, lowest: float) -> Estimate | None:
    """Estimate how certain a value is from what each participant adds to it; the parts sum to zero."""
    n = len(parts)
    if n < 2:
        return None
    error = math.sqrt(n / (n - 1) * float(np.square(parts).sum()))
    return Estimate(float(value), error * scoring.widening, n, lowest)


def sign_flip_p(differences: Doubles, scoring: Scoring) -> float:
    """Test whether the differences of participants are centred on zero, by flipping signs (exhaustively if few).

    This takes participants as independent, which they are not quite if training sets overlap.
    """
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


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p-values for multiple testing (Holm 1979); None stays None and does not count."""
    from statsmodels.stats.multitest import multipletests

    computed = [p for p in p_values if p is not None]
    corrected = iter(multipletests(computed, method="holm")[1].tolist() if computed else ())
    return [None if p is None else next(corrected) for p in p_values]

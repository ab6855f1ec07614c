"""Bring the EEG of different recordings to one scale, without looking at any label."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from predann_bids.arrays import Doubles, Singles

QUARTILES = (0.25, 0.5, 0.75)
NO_RANGE = 10 * np.finfo(np.float64).eps  # scikit-learn divides by nothing smaller
IQR_OF_NORMAL = 1.349  # interquartile range of a standard normal distribution
OUTLIER = 5.0  # standard deviations to which single values are limited before channels are mixed: blinks
CLAMP = 20.0  # and after it (published: the same)
SHRINKAGE = 1e-3
ENOUGH = 100_000  # samples that quartiles and covariances are taken from


@dataclass(frozen=True)
class Scaling:
    """Robust standardisation of each channel, then decorrelation of the channels of a recording.

    Whitening with the symmetric root of the inverse covariance keeps each channel as near to itself as decorrelation
    allows. It takes away what is strong in a recording whatever is played (alpha, blinks, drift, a bad electrode), so
    that weak activity counts, and makes recordings alike ("Euclidean alignment", He & Wu 2020,
    https://doi.org/10.1109/TBME.2019.2913914).

    Parameters
    ----------
    center, spread : ndarray, shape (C,)
        Median and robust standard deviation of each channel, in stored units.
    mixing : ndarray, shape (C, C)
        Whitening matrix.
    covariance : ndarray, shape (C, C), optional
        Covariance of the standardised channels, from which other whitening matrices can be made.
    """

    center: Singles
    spread: Singles
    mixing: Singles
    covariance: Doubles | None = None

    @classmethod
    def of(cls, samples: Singles) -> Scaling:
        """Estimate the scaling of a recording (samples, C) from the signal alone."""
        some = np.asarray(samples[:: max(1, len(samples) // ENOUGH)], dtype=np.float64)
        low, center, high = np.percentile(some, [25, 50, 75], axis=0)
        spread = (high - low) / IQR_OF_NORMAL
        spread = np.where(spread > 0, spread, 1.0)
        limited = np.clip((some - center) / spread, -OUTLIER, OUTLIER)
        covariance = np.cov(limited, rowvar=False, ddof=1).reshape(len(spread), len(spread))
        mixing = whitening(covariance, SHRINKAGE).astype(np.float32)
        return cls(center.astype(np.float32), spread.astype(np.float32), mixing, covariance)

    def whitened(self, shrinkage: float | None) -> Scaling:
        """Return a scaling that whitens with another shrinkage, or, with None, only standardises each channel."""
        if shrinkage is None:
            return replace(self, mixing=np.eye(len(self.center), dtype=np.float32))
        assert self.covariance is not None
        return replace(self, mixing=whitening(self.covariance, shrinkage).astype(np.float32))

    def apply(self, samples: Singles, out: Singles | None = None) -> Singles:
        """Scale samples (T, C) to a window (C, T), which is written to `out` if there is one."""
        scaled: Singles = np.matmul(self.mixing, self._limited(samples).T, out=out)
        return np.clip(scaled, -CLAMP, CLAMP, out=scaled)

    def by_moment(self, samples: Singles, out: Singles | None = None) -> Singles:
        """Scale samples (T, C) in the order that they have; they are written to `out` if there is one."""
        scaled: Singles = np.matmul(self._limited(samples), self.mixing.T, out=out)
        return np.clip(scaled, -CLAMP, CLAMP, out=scaled)

    def _limited(self, samples: Singles) -> Singles:
        limited: Singles = samples - self.center
        limited /= self.spread
        return np.clip(limited, -OUTLIER, OUTLIER, out=limited)


def whitening(covariance: Doubles, shrinkage: float) -> Doubles:
    """Compute a whitening matrix: the symmetric root of the inverse covariance.

    Parameters
    ----------
    covariance : ndarray, shape (C, C)
        Covariance of the channels.
    shrinkage : float
        What is added to the variance of each principal component, in units of their mean. It keeps directions without
        power, such as the one that the average reference leaves, from being blown up; the larger it is, the more the
        strong components stay strong.

    Returns
    -------
    ndarray, shape (C, C)
    """
    power, axes = np.linalg.eigh(covariance)
    root = 1 / np.sqrt(power.clip(min=0) + shrinkage * max(power.mean(), 1e-12))
    mixing: Doubles = (axes * root) @ axes.T
    return mixing


def scale_windows(windows: Singles) -> Singles:
    """Scale each channel of each window by itself, as published: by median and quartiles, limited to ±20.

    It is what scikit-learn's RobustScaler makes of each channel, with its rule that a range of zero is taken as one,
    at once for all. What costs is to sort, which NumPy does with vector instructions, much faster than to partition.

    Parameters
    ----------
    windows : ndarray, shape (n, C, T), float32

    Returns
    -------
    ndarray, shape (n, C, T), float32
    """
    ordered = np.sort(windows, axis=-1)
    (low, above_low), (middle, above_middle), (high, above_high) = (quantile(ordered, share) for share in QUARTILES)
    spread = (high - low) + (above_high - above_low)
    spread[spread < NO_RANGE] = 1.0
    scaled: Singles = np.subtract(windows, middle, out=ordered)
    scaled -= above_middle
    scaled /= spread
    scaled.clip(-CLAMP, CLAMP, out=scaled)
    return scaled


def quantile(ordered: Any, share: float) -> tuple[Any, Any]:
    """Interpolate a quantile of sorted values linearly; return it as two summands.

    The first is one of the values, the second what comes on top. Unfiltered EEG has an offset much larger than what it
    rides on, which single precision holds, but not places between two of its values. A difference of two values is
    exact, so that nothing is lost as long as the summands are kept apart.

    Parameters
    ----------
    ordered : ndarray or Tensor, shape (..., T)
        Sorted along the last axis.
    share : float
        From 0, the lowest value, to 1, the highest.

    Returns
    -------
    tuple of ndarray or Tensor, shape (..., 1)
    """
    place = share * (ordered.shape[-1] - 1)
    below = int(place)
    above = min(below + 1, ordered.shape[-1] - 1)
    value = ordered[..., below : below + 1]  # a view, as indices would have to be copied to an accelerator
    return value, (ordered[..., above : above + 1] - value) * (place - below)

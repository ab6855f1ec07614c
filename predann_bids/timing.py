"""Seconds and samples: the only place where one is converted into the other."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """A sampling rate.

    Parameters
    ----------
    hz : float
        Samples per second, positive.
    """

    hz: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.hz) and self.hz > 0):
            raise ValueError(f"a sampling rate must be a positive number of Hz, not {self.hz}")

    def samples(self, seconds: float) -> int:
        """Return the nearest whole number of samples; halves are rounded up, so that equal steps stay equal."""
        return math.floor(seconds * self.hz + 0.5)

    def seconds(self, samples: float) -> float:
        """Return the duration in seconds of a number of samples, which need not be whole."""
        return samples / self.hz


@dataclass(frozen=True)
class Span:
    """A half-open stretch of samples, ``start <= sample < stop``."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if self.stop < self.start:
            raise ValueError(f"a span must not end ({self.stop}) before it starts ({self.start})")

    @property
    def length(self) -> int:
        """Number of samples."""
        return self.stop - self.start

    def shift(self, samples: int) -> Span:
        """Return the same stretch, shifted to later by a number of samples."""
        return Span(self.start + samples, self.stop + samples)

    def overlaps(self, other: Span) -> bool:
        """Return whether at least one sample lies in both spans."""
        return max(self.start, other.start) < min(self.stop, other.stop)

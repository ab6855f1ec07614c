"""Seconds and samples: the only place where one becomes the other."""

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
        """Nearest whole number of samples; halves go up, so that equal steps stay equal."""
        return math.floor(seconds * self.hz + 0.5)

    def seconds(self, samples: float) -> float:
        """Duration of a number of samples, which need not be whole, in seconds."""
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
        """Return the same stretch, later by a number of samples."""
        return Span(self.start + samples, self.stop + samples)

    def overlaps(self, other: Span) -> bool:
        """Tell whether at least one sample lies in both."""
        return max(self.start, other.start) < min(self.stop, other.stop)

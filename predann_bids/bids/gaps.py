"""Gaps: stretches of time in which a discontinuous recording has no samples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, order=True)
class Gap:
    """A pause of the recording.

    Parameters
    ----------
    onset : float
        Seconds from the start of the recording, pauses included.
    duration : float
        Seconds.
    """

    onset: float
    duration: float


@dataclass(frozen=True)
class TimeLine:
    """The way from true time to the place in a file, where pauses take no room.

    Tables of events count in true time: seconds since the first sample. All that happens to samples later counts in
    seconds of the file.

    Parameters
    ----------
    gaps : tuple of Gap
        In the order of their onsets.
    """

    gaps: tuple[Gap, ...] = ()

    def missing_before(self, seconds: float) -> float:
        """Return how much of the true time before a moment has no samples, in seconds."""
        return sum(min(gap.duration, max(0.0, seconds - gap.onset)) for gap in self.gaps)

    def in_file(self, seconds: float) -> float:
        """Turn true time into time of the file; a moment in a gap is that of the cut."""
        return seconds - self.missing_before(seconds)

    def is_in_gap(self, seconds: float) -> bool:
        """Tell whether there are no samples of a moment of true time."""
        return any(gap.onset <= seconds < gap.onset + gap.duration for gap in self.gaps)

    def true_length(self, file_seconds: float) -> float:
        """Return the true length of a file that holds so many seconds of samples."""
        return file_seconds + sum(gap.duration for gap in self.gaps)

    @property
    def cuts(self) -> tuple[float, ...]:
        """Where samples from before and after a gap meet, in seconds of the file."""
        return tuple(self.in_file(gap.onset) for gap in self.gaps)

    def recorded(self, start: float, stop: float) -> Iterator[tuple[float, float]]:
        """List the parts of a stretch of true time that have samples, as starts and stops in true time."""
        edges = [(-math.inf, -math.inf), *((g.onset, g.onset + g.duration) for g in self.gaps), (math.inf, math.inf)]
        for (_, after), (before, _) in pairwise(edges):
            first, last = max(start, after), min(stop, before)
            if first < last:
                yield first, last

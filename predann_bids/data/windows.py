"""Cut stretches into windows: pure arithmetic on sample numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predann_bids.data.trials import Stretch, Trial

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """Windows of equal length, as columns.

    Parameters
    ----------
    trial : ndarray of int, shape (n,)
        Index of the trial that each window lies in.
    start : ndarray of int, shape (n,)
        First sample, counted from the onset of the stimulus.
    """

    trial: Ints
    start: Ints

    def __len__(self) -> int:
        return len(self.trial)

    def __getitem__(self, chosen: Ints | slice) -> Windows:
        return Windows(self.trial[chosen], self.start[chosen])

    def participants(self, trials: Sequence[Trial]) -> NDArray[np.str_]:
        """Participant of each window."""
        return np.array([trials[t].participant for t in self.trial], dtype=np.str_)

    def stimuli(self, trials: Sequence[Trial]) -> Ints:
        """Index of the stimulus of each window."""
        return np.array([trials[t].stimulus for t in self.trial], dtype=np.int64)


def grid(stretches: Sequence[Stretch], length: int, stride: int) -> Windows:
    """Enumerate the windows that begin every `stride` samples, lie inside their stretch and touch nothing bad in it."""
    starts = [np.arange(s.span.start, s.span.stop - length + 1, stride, dtype=np.int64) for s in stretches]
    return _columns(stretches, [_clean(begin, s, length) for begin, s in zip(starts, stretches, strict=True)])


def _clean(starts: Ints, stretch: Stretch, length: int) -> Ints:
    for bad in stretch.bad:
        starts = starts[(starts + length <= bad.start) | (bad.stop <= starts)]
    return starts


def fitting(stretches: Sequence[Stretch], length: int) -> int:
    """Count the windows that fit into stretches side by side, touching nothing bad."""
    return sum(piece.span.length // length for stretch in stretches for piece in stretch.pieces(length))


def draw(stretches: Sequence[Stretch], length: int, rng: np.random.Generator) -> Windows:
    """Draw windows at random places: from each stretch, between what is bad in it, as many as fit side by side.

    An epoch of such draws sees each part of the data about once, and each time cut differently. The order is random.
    """
    pieces = [piece for stretch in stretches for piece in stretch.pieces(length)]
    starts = [
        rng.integers(s.span.start, s.span.stop - length, size=s.span.length // length, endpoint=True) for s in pieces
    ]
    windows = _columns(pieces, starts)
    return windows[rng.permutation(len(windows))]


def _columns(stretches: Sequence[Stretch], starts: Sequence[Ints]) -> Windows:
    trials = [np.full(len(begin), s.trial, dtype=np.int64) for s, begin in zip(stretches, starts, strict=True)]
    empty = np.empty(0, dtype=np.int64)
    return Windows(np.concatenate([empty, *trials]), np.concatenate([empty, *starts]))

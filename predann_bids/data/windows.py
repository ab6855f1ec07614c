"""Cut stretches into windows: pure arithmetic on sample numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from predann_bids.arrays import Ints, Strings
from predann_bids.data.trials import Stretch, Trial
from predann_bids.timing import Span


@dataclass(frozen=True)
class Windows:
    """Windows of equal length, as columns.

    Parameters
    ----------
    trial : ndarray of int, shape (n,)
        Index of the trial that each window lies in.
    start : ndarray of int, shape (n,)
        First sample, counted from the onset of the stimulus.
    place : ndarray of int, shape (n,), optional
        Of windows that `place_in_spans` has placed: 0 for one that stands alone, and 1, 2, ... for those that follow
        each other in one longer segment. None where windows lie on a grid.
    """

    trial: Ints
    start: Ints
    place: Ints | None = None

    def __len__(self) -> int:
        return len(self.trial)

    def __getitem__(self, chosen: Ints | slice) -> Windows:
        return Windows(self.trial[chosen], self.start[chosen], None if self.place is None else self.place[chosen])

    def alone(self) -> Windows:
        """Keep the windows that stand alone; on a grid these are all."""
        return self if self.place is None else self[np.flatnonzero(self.place == 0)]

    def participants(self, trials: Sequence[Trial]) -> Strings:
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


def place_in_spans(
    stretches: Sequence[Stretch],
    length: int,
    *,
    span: int,
    span_stride: int,
    stride: int,
    following: int,
    rng: np.random.Generator,
) -> Windows:
    """Place one window at random in each span of a stretch, and beside it one longer segment of several windows.

    As published: spans of 8 s begin every 1.6 s of a chunk of 30 s, 14 in all. A stretch that is shorter than a span is
    one span. The segment has a random place of its own; where it does not fit, it is left out.

    Parameters
    ----------
    stretches : sequence of Stretch
        Where to place windows, touching nothing bad.
    length : int
        Samples of a window.
    span, span_stride : int
        Length of spans and the distance of their beginnings, in samples.
    stride, following : int
        Distance of the windows in a segment in samples, and how many there are; no segments with fewer than two.
    rng : numpy.random.Generator
        Where the places come from.
    """
    kinds = [(length, 1)] + [(length + (following - 1) * stride, following)] * (following > 1)
    trials, starts, places = [], [], []
    for stretch in stretches:
        last = max(stretch.span.start, stretch.span.stop - span)
        for begin in range(stretch.span.start, last + 1, span_stride):
            part = replace(stretch, span=Span(begin, min(begin + span, stretch.span.stop)))
            for whole, number in kinds:
                start = _anywhere(part, whole, rng)
                if start is not None:
                    trials += [stretch.trial] * number
                    starts += [start + step * stride for step in range(number)]
                    places += [0] if number == 1 else list(range(1, number + 1))
    return Windows(*(np.array(column, dtype=np.int64) for column in (trials, starts, places)))


def _anywhere(stretch: Stretch, length: int, rng: np.random.Generator) -> int | None:
    """Draw where something of this length begins; the last place is never drawn, unless it is the only one.

    The published method draws starts from [0, 3750 - 375 - 1], with 3750 samples to a chunk and 375 to a window.
    """
    span = stretch.span
    starts = _clean(np.arange(span.start, max(span.stop - length, span.start + 1)), stretch, length)
    starts = starts[starts + length <= span.stop]
    return int(starts[rng.integers(len(starts))]) if len(starts) else None


def fitting(stretches: Sequence[Stretch], length: int) -> int:
    """Count the windows that fit into stretches side by side, touching nothing bad."""
    return sum(piece.span.length // length for stretch in stretches for piece in stretch.pieces(length))


def draw_single(stretches: Sequence[Stretch], length: int, rng: np.random.Generator) -> Windows:
    """Draw one window at a random place from each stretch that holds one, as published. The order is random."""
    starts = [_anywhere(stretch, length, rng) for stretch in stretches]
    found = [np.array([] if start is None else [start], dtype=np.int64) for start in starts]
    windows = _columns(stretches, found)
    return windows[rng.permutation(len(windows))]


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

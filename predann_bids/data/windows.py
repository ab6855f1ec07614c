"""Place windows in stretches, on a grid or at random. No signal is read: this is arithmetic on sample numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from predann_bids.arrays import Ints, Strings
from predann_bids.data.trials import Stretch, Trial
from predann_bids.timing import Span


@dataclass(frozen=True)
class Windows:
    """Windows of equal length, stored as columns.

    Parameters
    ----------
    trial : ndarray of int, shape (n,)
        Index of the trial that each window lies in.
    start : ndarray of int, shape (n,)
        First sample, counted from the onset of the stimulus.
    place : ndarray of int, shape (n,), optional
        For windows placed by `place_in_spans`: 0 for a single window, and 1, 2, ... for the consecutive windows of a
        segment. None for windows on a grid.
    """

    trial: Ints
    start: Ints
    place: Ints | None = None

    def __len__(self) -> int:
        return len(self.trial)

    def __getitem__(self, chosen: Ints | slice) -> Windows:
        return Windows(self.trial[chosen], self.start[chosen], None if self.place is None else self.place[chosen])

    def alone(self) -> Windows:
        """Keep the single windows; on a grid, these are all windows."""
        return self if self.place is None else self[np.flatnonzero(self.place == 0)]

    def participants(self, trials: Sequence[Trial]) -> Strings:
        """Return the participant of each window."""
        return np.array([trials[t].participant for t in self.trial], dtype=np.str_)

    def stimuli(self, trials: Sequence[Trial]) -> Ints:
        """Return the index of the stimulus of each window."""
        return np.array([trials[t].stimulus for t in self.trial], dtype=np.int64)


def grid(stretches: Sequence[Stretch], length: int, stride: int) -> Windows:
    """List the windows that begin every `stride` samples, lie inside their stretch and touch none of its bad spans."""
    starts = [np.arange(s.span.start, s.span.stop - length + 1, stride, dtype=np.int64) for s in stretches]
    return _windows_at(stretches, [_clean(begin, s, length) for begin, s in zip(starts, stretches, strict=True)])


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
    rng: np.random.Generator | None,
) -> Windows:
    """Place one window in each span of a stretch and, independently, one segment of several windows.

    As published, spans of 8 s begin every 1.6 s of a 30 s chunk, 14 in all. A stretch shorter than a span is one span.
    A segment that does not fit into the span is left out.

    Parameters
    ----------
    stretches : sequence of Stretch
        Where to place windows; their bad spans are avoided.
    length : int
        Samples of a window.
    span, span_stride : int
        Length of a span, and distance from the start of one span to the start of the next, in samples.
    stride, following : int
        Samples from one window of a segment to the next, and the number of windows in a segment; with fewer than two,
        no segments are placed.
    rng : numpy.random.Generator, optional
        Source of random positions; without one, windows and segments lie in the middle of their spans.

    Returns
    -------
    Windows
        With `place` filled in.
    """
    shapes = [(length, 1)] + [(length + (following - 1) * stride, following)] * (following > 1)
    trials, starts, places = [], [], []
    for stretch in stretches:
        last = max(stretch.span.start, stretch.span.stop - span)
        for begin in range(stretch.span.start, last + 1, span_stride):
            part = replace(stretch, span=Span(begin, min(begin + span, stretch.span.stop)))
            for samples, number in shapes:
                start = _draw_start(part, samples, rng) if rng else _middle_start(part, samples)
                if start is not None:
                    trials += [stretch.trial] * number
                    starts += [start + step * stride for step in range(number)]
                    places += [0] if number == 1 else list(range(1, number + 1))
    return Windows(*(np.array(column, dtype=np.int64) for column in (trials, starts, places)))


def _draw_start(stretch: Stretch, length: int, rng: np.random.Generator) -> int | None:
    """Draw where a window or segment of this length begins; the last position is drawn only if there is no other.

    The published method draws starts from [0, 3750 - 375 - 1], with chunks of 3750 and windows of 375 samples.
    """
    span = stretch.span
    starts = _clean(np.arange(span.start, max(span.stop - length, span.start + 1)), stretch, length)
    starts = starts[starts + length <= span.stop]
    return int(starts[rng.integers(len(starts))]) if len(starts) else None


def _middle_start(stretch: Stretch, length: int) -> int | None:
    """Return where a window or segment begins that lies in the middle, unless it does not fit or touches a bad span."""
    start = stretch.span.start + (stretch.span.length - length) // 2
    fits = start >= stretch.span.start and len(_clean(np.array([start]), stretch, length))
    return start if fits else None


def count_side_by_side(stretches: Sequence[Stretch], length: int) -> int:
    """Count the windows that fit side by side into stretches, outside their bad spans."""
    return sum(clean.span.length // length for stretch in stretches for clean in stretch.clean_stretches(length))


def draw_single(stretches: Sequence[Stretch], length: int, rng: np.random.Generator) -> Windows:
    """Draw one window at a random position from each stretch that can hold one, as published, in random order."""
    starts = [_draw_start(stretch, length, rng) for stretch in stretches]
    chosen = [np.array([] if start is None else [start], dtype=np.int64) for start in starts]
    windows = _windows_at(stretches, chosen)
    return windows[rng.permutation(len(windows))]


def draw(stretches: Sequence[Stretch], length: int, rng: np.random.Generator) -> Windows:
    """Draw windows at random positions, in random order: as many from each clean stretch as would fit side by side.

    Every epoch thus sees all of the data about once, cut differently each time.
    """
    clean = [part for stretch in stretches for part in stretch.clean_stretches(length)]
    starts = [
        rng.integers(s.span.start, s.span.stop - length, size=s.span.length // length, endpoint=True) for s in clean
    ]
    windows = _windows_at(clean, starts)
    return windows[rng.permutation(len(windows))]


def _windows_at(stretches: Sequence[Stretch], starts: Sequence[Ints]) -> Windows:
    trials = [np.full(len(begin), s.trial, dtype=np.int64) for s, begin in zip(stretches, starts, strict=True)]
    empty = np.empty(0, dtype=np.int64)
    return Windows(np.concatenate([empty, *trials]), np.concatenate([empty, *starts]))

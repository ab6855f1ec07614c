"""Compare two songs window by window at one shift, and find the stretches that are common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from predann_bids.arrays import Bools, Doubles, Singles
from predann_bids.data.copies.overlays import Song
from predann_bids.timing import Rate, Span

HOP_S = 1.0  # windows are two hops long
ALIKE = 0.7  # a window is common if half of its bands correlate at least so
CERTAIN = 0.85  # ... and a stretch, if half of its windows do
PROMISING = 0.4  # the same before the shift is known to a frame
ENOUGH = 40  # windows to find the exact shift on
GAP = 3  # windows that differ between two that are alike, and are still common
QUIET = 0.05  # standard deviation of changes in a window, as a share of that of the song, below which a band is silent
FEWEST_BANDS = 4


@dataclass(frozen=True)
class Comparison:
    """Two songs, compared window by window at any lag: the frame of the first at which the second begins."""

    first: Song
    second: Song
    rate: Rate
    shortest_s: float

    @property
    def hop(self) -> int:
        """Averages from one window to the next, which are two hops long; shorter in very short songs."""
        return max(2, round(min(HOP_S, self.shortest_s / 4) * self.rate.hz / self.first.step))

    def best(self, lags: Sequence[int]) -> tuple[int, list[Span]]:
        """Find the common stretches, in frames of the first, at the lag at which most is common."""
        found: tuple[int, list[Span]] = (0, [])
        for lag in lags:
            begin, end = max(_runs(self.likeness(lag) >= PROMISING), key=lambda run: run[1] - run[0], default=(0, 0))
            if self.rate.seconds((end - begin) * self.hop * self.first.step) < self.shortest_s / 2:
                continue
            exact = lag + self._moved(lag, begin, min(end, begin + ENOUGH))
            spans = self.spans(exact)
            if sum(span.length for span in spans) > sum(span.length for span in found[1]):
                found = exact, spans
        return found

    def _moved(self, lag: int, begin: int, end: int) -> int:
        """Return by how many frames a lag is to be moved so that the songs are most alike in some of its windows."""
        step = self.first.step
        samples = slice(begin * self.hop * step, (end + 1) * self.hop * step)
        one, other = (
            Song(song.spectra[:, skipped:][:, samples], step)
            for song, skipped in ((self.first, max(0, lag)), (self.second, max(0, -lag)))
        )
        part = replace(self, first=one, second=other)
        windows = end - begin - 1  # one may be lost at the edge
        return max(range(-step, step + 1), key=lambda moved: float(np.nan_to_num(part.likeness(moved)[:windows]).sum()))

    def likeness(self, lag: int) -> Doubles:
        """Correlate the songs in each window: the median over bands; NaN where both are silent."""
        skipped, hop, step = (max(0, lag), max(0, -lag)), self.hop, self.first.step
        pair = [
            song.changes(begin % step)[:, begin // step :]
            for song, begin in zip((self.first, self.second), skipped, strict=True)
        ]
        n = min(changes.shape[1] for changes in pair) // hop
        if n < 2:
            return np.zeros(0)
        one, other = (changes[:, : n * hop].reshape(-1, n, hop) for changes in pair)
        sums = [np.einsum("bnh->bn", values) for values in (one, other)]
        sums += [np.einsum("bnh,bnh->bn", *both) for both in ((one, other), (one, one), (other, other))]
        return _median_correlation(*((values[:, :-1] + values[:, 1:]) / (2 * hop) for values in sums))

    def spans(self, lag: int) -> list[Span]:
        """List the stretches, in frames of the first, that are common at this lag."""
        likeness = self.likeness(lag)
        start, stop = max(0, lag), min(self.first.frames, lag + self.second.frames)
        hop = self.hop * self.first.step
        spans = []
        for begin, end in _runs(_bridged(likeness)):
            # what is left of the overlap after the last window is too short for another
            span = Span(start + begin * hop, stop if end == len(likeness) else start + (end + 1) * hop)
            certain = np.nanmedian(likeness[begin:end]) >= CERTAIN
            if certain and self.rate.seconds(span.length) >= self.shortest_s:
                spans.append(span)
        return spans


def _median_correlation(
    one: Singles, other: Singles, product: Singles, square: Singles, other_square: Singles
) -> Doubles:
    """Compute correlations (bands, windows) from means over windows, and their median over the bands that change."""
    variance, other_variance = square - one**2, other_square - other**2
    changing, other_changing = variance > QUIET**2, other_variance > QUIET**2
    both = changing & other_changing
    correlation = (product - one * other) / np.sqrt(np.where(both, variance * other_variance, 1))
    ordered = np.sort(np.where(both, correlation, np.inf), axis=0)
    number = both.sum(axis=0)
    middle = np.take_along_axis(ordered, np.maximum(number - 1, 0)[None] // 2, axis=0)[0]
    silent = ~(changing | other_changing).any(axis=0)
    likeness: Doubles = np.where(number >= FEWEST_BANDS, middle, np.where(silent, np.nan, 0.0)).astype(np.float64)
    return likeness


def _bridged(likeness: Doubles) -> Bools:
    """Return which windows are common: alike, or a short gap or silence between or beside those that are."""
    silent = np.isnan(likeness)
    common = np.nan_to_num(likeness) >= ALIKE
    for begin, end in _runs(~common):
        inside = begin > 0 and end < len(common)
        short = inside and end - begin <= GAP
        if common.any() and (short or silent[begin:end].all()):
            common[begin:end] = True
    return common


def _runs(values: Bools) -> list[tuple[int, int]]:
    """List the runs of true values, as first and one past the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], values, [False]]).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]

"""Find songs that have audio in common: the same recording, whatever its level, file format or place in the file.

Two songs are laid over each other at every shift, by the cross-correlation of the changes in their log-mel spectra. At
the best shifts they are compared window by window. What is common are stretches in which most bands change alike.

The numbers below were chosen on seven pieces of music; docs/evidence.md says what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from predann_bids.arrays import Bools, Doubles, Ints, Singles
from predann_bids.timing import Rate, Span

FRAME_S = 0.032  # spectra are averaged over this long
HOP_S = 1.0  # windows are two hops long
ALIKE = 0.7  # a window is common if half of its bands correlate at least so
CERTAIN = 0.85  # ... and a stretch, if half of its windows do
PROMISING = 0.4  # the same before the shift is known to a frame
ENOUGH = 40  # windows to find the exact shift on
GAP = 3  # windows that differ between two that are alike, and are still common
SHORTEST_S = 10.0  # of a common stretch, or half of the shorter song
SHIFTS = 8  # that are tried for each pair
AT_ONCE_S = 0.05  # shift that a decoder takes for none; MP3 alone may shift audio so
WHOLE = 0.95  # share of a song that counts as all of it
FLAT = 0.01  # standard deviation of changes below which a band is empty
QUIET = 0.05  # the same in a window, as a share of that of the song
FEWEST_BANDS = 4


@dataclass(frozen=True)
class Copy:
    """What two songs have in common.

    Parameters
    ----------
    first, second : int
        Indices of the songs.
    shift : int
        What the first has at one frame, the second has so many frames later.
    spans : tuple of Span
        The common stretches, in frames of the first.
    heard : tuple of Span, Span
        Which part of each song was played to anybody, in its own frames.
    rate : Rate
        Frames per second.
    """

    first: int
    second: int
    shift: int
    spans: tuple[Span, ...]
    heard: tuple[Span, Span]
    rate: Rate

    @property
    def shared_s(self) -> float:
        """How much is common, in seconds."""
        return self.rate.seconds(sum(span.length for span in self.spans))

    @property
    def share(self) -> float:
        """How much of the shorter song that is."""
        return self.shared_s / self.rate.seconds(min(part.length for part in self.heard))

    @property
    def at_once(self) -> bool:
        """Whether both songs have it at the same moment, so that knowing the moment does not tell them apart."""
        return abs(self.rate.seconds(self.shift)) <= AT_ONCE_S

    @property
    def is_whole(self) -> bool:
        """Whether the songs are equal from beginning to end."""
        longest = self.rate.seconds(max(part.length for part in self.heard))
        return self.at_once and self.shared_s >= WHOLE * longest

    def of(self, song: int) -> tuple[int, int, tuple[Span, ...]]:
        """Return the other song, the shift to it, and the common stretches in frames of this song."""
        if song == self.first:
            return self.second, self.shift, self.spans
        return self.first, -self.shift, tuple(span.shift(self.shift) for span in self.spans)


def find_copies(spectra: Sequence[Singles], rate: Rate, heard: Sequence[Span] = ()) -> tuple[Copy, ...]:
    """Find all pairs of songs with common audio, each at the shift at which most of it is common.

    Parameters
    ----------
    spectra : sequence of ndarray, shape (bands, frames)
        Log-mel spectra of each song, with a level of about 1 as the unit of amplitudes.
    rate : Rate
        Frames per second.
    heard : sequence of Span
        Which part of each song is played to anybody, in frames; empty for all of it.

    Returns
    -------
    tuple of Copy
        A loop within one song is no copy; nor is a piece that is played again, or at another speed.
    """
    parts = list(heard) or [Span(0, values.shape[1]) for values in spectra]
    step = max(1, round(rate.hz * FRAME_S))
    songs = [_Song(v[:, part.start : part.stop], step) for v, part in zip(spectra, parts, strict=True)]
    overlays = _Overlays.of([song.changes() for song in songs])
    found = []
    for first, second in combinations(range(len(songs)), 2):
        pair = (parts[first], parts[second])
        shortest = min(SHORTEST_S, rate.seconds(min(part.length for part in pair)) / 2)
        lags = overlays.likely_lags(first, second, max(1, int(shortest * rate.hz / step)))
        lag, spans = _Comparison(songs[first], songs[second], rate, shortest).best([lag * step for lag in lags])
        if spans:
            shift = pair[1].start - pair[0].start - lag
            common = tuple(span.shift(pair[0].start) for span in spans)
            found.append(Copy(first, second, shift, common, pair, rate))
    return tuple(found)


class _Song:
    """A song's changes: differences in time of spectra that are averaged over `step` frames.

    Parameters
    ----------
    spectra : ndarray, shape (bands, frames)
        Log-mel spectra.
    step : int
        Frames that are averaged.
    """

    def __init__(self, spectra: Singles, step: int) -> None:
        self.spectra, self.step, self.frames = spectra, step, spectra.shape[1]
        self._unmoved = self._changes(0)

    def changes(self, phase: int = 0) -> Singles:
        """Return the changes (bands, averages), averaging from one of the first frames on; all bands equally strong."""
        return self._changes(phase) if phase else self._unmoved

    def _changes(self, phase: int) -> Singles:
        n = (self.frames - phase) // self.step
        if n < 2:
            return np.zeros((len(self.spectra), max(0, n)), dtype=np.float32)
        averages = self.spectra[:, phase : phase + n * self.step].reshape(-1, n, self.step).mean(axis=2)
        changes = np.diff(averages, axis=1, prepend=averages[:, :1])
        strength = changes.std(axis=1, keepdims=True)
        scaled = (changes - changes.mean(axis=1, keepdims=True)) / np.maximum(strength, FLAT)
        return np.where(strength > FLAT, scaled, 0).astype(np.float32)


@dataclass(frozen=True)
class _Overlays:
    """Songs that can be laid over each other at every lag: their changes, and the transforms of these."""

    changes: Sequence[Singles]
    transforms: Sequence[NDArray[np.complex64]]
    padded: int

    @classmethod
    def of(cls, changes: Sequence[Singles]) -> _Overlays:
        from scipy.fft import next_fast_len, rfft

        padded = next_fast_len(2 * max(values.shape[1] for values in changes), real=True)
        return cls(changes, [rfft(values, padded) for values in changes], padded)

    def likely_lags(self, first: int, second: int, shortest: int) -> list[int]:
        """Return the lags at which the songs correlate best, the best first.

        A correlation counts with the square root of the number of frames that overlap, by which it exceeds chance.
        """
        from scipy.fft import irfft

        product = np.einsum("bf,bf->f", self.transforms[first], self.transforms[second].conj())
        n, m = self.changes[first].shape[1], self.changes[second].shape[1]
        lags = np.arange(shortest - m, n - shortest + 1)
        start, stop = np.maximum(lags, 0), np.minimum(lags + m, n)
        energies = _between(self.changes[first], start, stop) * _between(
            self.changes[second], start - lags, stop - lags
        )
        correlation = irfft(product, self.padded)[lags] / np.sqrt(np.maximum(energies, 1e-9))
        return [int(lags[place]) for place in _peaks(correlation * np.sqrt(stop - start))]


def _between(changes: Singles, start: Ints, stop: Ints) -> Doubles:
    energy = np.concatenate([[0.0], np.cumsum(np.einsum("bf,bf->f", changes, changes, dtype=np.float64))])
    summed: Doubles = energy[stop] - energy[start]
    return summed


def _peaks(scores: Doubles, apart: int = 8) -> Iterator[int]:
    left = scores.copy()
    for _ in range(min(SHIFTS, len(left))):
        place = int(left.argmax())
        if not np.isfinite(left[place]):
            return
        yield place
        left[max(0, place - apart) : place + apart + 1] = -np.inf


@dataclass(frozen=True)
class _Comparison:
    """Two songs, compared window by window at any lag: the frame of the first at which the second begins."""

    first: _Song
    second: _Song
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
            _Song(song.spectra[:, skipped:][:, samples], step)
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

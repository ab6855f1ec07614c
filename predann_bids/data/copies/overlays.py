"""Lay songs over each other at every shift, by the changes in their spectra."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predann_bids.arrays import Doubles, Ints, Singles

SHIFTS = 8  # that are likely for each pair
FLAT = 0.01  # standard deviation of changes below which a band is empty


class Song:
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
class Overlays:
    """Songs that can be laid over each other at every lag: their changes, and the transforms of these."""

    changes: Sequence[Singles]
    transforms: Sequence[NDArray[np.complex64]]
    padded: int

    @classmethod
    def of(cls, changes: Sequence[Singles]) -> Overlays:
        """Transform the changes (bands, averages) of all songs."""
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

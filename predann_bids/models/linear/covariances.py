"""Covariances of lagged EEG and lagged audio features: all that linear decoders are solved from.

They are sums over time, so those of recordings can be added up, and whitening a recording's channels afterwards gives
the same as whitening its samples before. Several ways to whiten therefore cost no further pass over the data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from predann_bids.arrays import Doubles, Floats

Shrinkage = float | None  # how the EEG of a recording is whitened; None if it is only standardised


@dataclass(frozen=True)
class LagWindow:
    """The lags at which EEG and audio are looked at, in frames.

    Parameters
    ----------
    first, number : int
        The first of consecutive lags of the EEG, counted from a window that begins the neural delay after the sound,
        and their number.
    reach : int
        Lags of the audio on either side.
    """

    first: int
    number: int
    reach: int

    @property
    def eeg(self) -> list[int]:
        """Lags of the EEG."""
        return list(range(self.first, self.first + self.number))

    @property
    def audio(self) -> list[int]:
        """Lags of the audio."""
        return list(range(-self.reach, self.reach + 1))


@dataclass(frozen=True)
class Covariances:
    """Sums of products of EEG and audio features at all lags.

    Parameters
    ----------
    lags : LagWindow
        Lags that matrices are made for.
    eeg : ndarray, shape (number, C, C)
        Element k is the sum over t of x(t + k) x(t)'.
    crossed : ndarray, shape (number + 2 * reach, C, F)
        Element k is the sum over t of x(t + first - reach + k) y(t)'.
    audio : ndarray, shape (2 * reach + 1, F, F)
        Element k is the sum over t of y(t + k) y(t)'.
    frames : int
        Number of summands.
    """

    lags: LagWindow
    eeg: Doubles
    crossed: Doubles
    audio: Doubles
    frames: int

    @classmethod
    def of(cls, eeg: Floats, audio: Floats, lags: LagWindow) -> Covariances:
        """Sum products over a stretch of EEG (C, T) and audio features (F, T), taken as zero beyond it."""
        shifts = range(lags.first - lags.reach, lags.first + lags.number + lags.reach)
        return cls(
            lags,
            np.stack([_product(eeg, eeg, k) for k in range(lags.number)]),
            np.stack([_product(eeg, audio, k) for k in shifts]),
            np.stack([_product(audio, audio, k) for k in range(2 * lags.reach + 1)]),
            eeg.shape[1],
        )

    def whitened(self, mixing: Floats) -> Covariances:
        """Return what the sums would be if the EEG had been mixed to ``mixing @ x``."""
        return replace(self, eeg=mixing @ self.eeg @ mixing.T, crossed=mixing @ self.crossed)

    def of_features(self, rows: slice) -> Covariances:
        """Keep some audio features."""
        return replace(self, crossed=self.crossed[..., rows], audio=self.audio[:, rows, rows])

    def matrices(self) -> tuple[Doubles, Doubles, Doubles]:
        """Lay out the mean products as matrices over all lags and channels, or lags and features; lags vary slowest.

        Returns
        -------
        ndarray, shape (number * C, number * C)
        ndarray, shape (number * C, (2 * reach + 1) * F)
        ndarray, shape ((2 * reach + 1) * F, (2 * reach + 1) * F)
        """
        eeg, audio = np.array(self.lags.eeg), np.array(self.lags.audio)
        crossed = self.crossed[eeg[:, None] - audio[None] - (self.lags.first - self.lags.reach)]
        parts = (_toeplitz(self.eeg), crossed.transpose(0, 2, 1, 3), _toeplitz(self.audio))
        flat = [part.reshape(part.shape[0] * part.shape[1], -1) / max(1, self.frames) for part in parts]
        return flat[0], flat[1], flat[2]


def total(parts: Iterable[Covariances]) -> Covariances:
    """Add up the sums of several stretches or recordings."""
    first, *others = parts
    return replace(
        first,
        **{
            name: sum((getattr(other, name) for other in others), getattr(first, name))
            for name in ("eeg", "crossed", "audio", "frames")
        },
    )


def _product(x: Floats, y: Floats, shift: int) -> Doubles:
    """Sum x(t + shift) y(t)' over all t at which both exist."""
    n = x.shape[1]
    first, last = max(0, -shift), min(n, n - shift)
    if first >= last:
        return np.zeros((len(x), len(y)))
    product: Doubles = (x[:, first + shift : last + shift] @ y[:, first:last].T).astype(np.float64)
    return product


def _toeplitz(sums: Doubles) -> Doubles:
    """Arrange sums (L, C, C) as blocks (L, C, L, C): block (a, b) holds the sum of x(t + a - b) x(t)'."""
    lag = np.arange(len(sums))
    difference = lag[:, None] - lag[None]
    blocks = np.where((difference >= 0)[..., None, None], sums[abs(difference)], sums[abs(difference)].swapaxes(2, 3))
    matrix: Doubles = blocks.transpose(0, 2, 1, 3)
    return matrix

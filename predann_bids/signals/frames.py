"""Features at a frame rate of their own: resampled to another rate, reduced to fewer, or joined with others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self, overload

import numpy as np

from predann_bids.arrays import Doubles, Singles
from predann_bids.timing import Span

TINY = 1e-12
NEGLIGIBLE = 1e-6  # variance of a component relative to that of the first


@dataclass(frozen=True)
class Frames:
    """Features of one stimulus.

    Parameters
    ----------
    values : ndarray, shape (features, frames), float32
        The features.
    rate_hz : float
        Frames per second.
    first_s : float
        Where the centre of the first frame lies, in seconds from the beginning of the audio.
    """

    values: Singles
    rate_hz: float
    first_s: float = 0.0

    def at(self, rate_hz: float, number: int) -> Singles:
        """Resample to frames whose centres lie at 0, 1 / rate_hz, 2 / rate_hz, ... seconds.

        Between frames, features are interpolated linearly. To a lower rate, this line is averaged over the duration of
        a new frame, so that nothing between two frames is lost. Before the first frame and after the last, these are
        repeated.

        Parameters
        ----------
        rate_hz : float
            New frames per second.
        number : int
            Number of new frames.

        Returns
        -------
        ndarray, shape (features, number), float32
        """
        positions = (np.arange(number) / rate_hz - self.first_s) * self.rate_hz
        if self.rate_hz <= rate_hz:
            return _interpolate(self.values, positions)
        half = self.rate_hz / rate_hz / 2
        integral = _Integral.of(self.values)
        averages: Doubles = (integral.until(positions + half) - integral.until(positions - half)) / (2 * half)
        return averages.astype(np.float32)

    def within(self, spans: Iterable[Span], rate_hz: float) -> Singles:
        """Keep the frames that `at` takes the samples of some spans from, each once.

        Parameters
        ----------
        spans : iterable of Span
            In samples since the beginning of the audio.
        rate_hz : float
            Samples per second.

        Returns
        -------
        ndarray, shape (features, kept frames), float32
        """
        used = np.zeros(self.values.shape[1], dtype=bool)
        half = self.rate_hz / rate_hz / 2 if self.rate_hz > rate_hz else 0.0
        for span in spans:
            first, last = ((sample / rate_hz - self.first_s) * self.rate_hz for sample in (span.start, span.stop - 1))
            kept = np.array([np.floor(first - half), np.ceil(last + half)]).clip(0, len(used) - 1).astype(np.int64)
            used[kept[0] : kept[1] + 1] |= span.length > 0
        return self.values[:, used]


def _interpolate(values: Singles, positions: Doubles) -> Singles:
    last = values.shape[1] - 1
    inside = positions.clip(0, last)
    before = np.floor(inside).astype(np.int64)
    share = (inside - before).astype(np.float32)
    if not share.any():
        return np.ascontiguousarray(values[:, before])
    after = np.minimum(before + 1, last)
    interpolated: Singles = (1 - share) * values[:, before] + share * values[:, after]
    return interpolated


@dataclass(frozen=True)
class _Integral:
    """The integral of the line through values, from their first frame."""

    values: Doubles
    sums: Doubles

    @classmethod
    def of(cls, values: Singles) -> Self:
        line = values.astype(np.float64)
        steps = (line[:, 1:] + line[:, :-1]) / 2
        return cls(line, np.concatenate([np.zeros((len(line), 1)), np.cumsum(steps, axis=1)], axis=1))

    def until(self, positions: Doubles) -> Doubles:
        last = self.values.shape[1] - 1
        inside = positions.clip(0, last)
        before = np.floor(inside).astype(np.int64)
        share, after = inside - before, np.minimum(before + 1, last)
        rise = self.values[:, after] - self.values[:, before]
        within = self.sums[:, before] + share * self.values[:, before] + share**2 / 2 * rise
        beyond = np.minimum(positions, 0) * self.values[:, :1] + np.maximum(positions - last, 0) * self.values[:, -1:]
        integral: Doubles = within + beyond
        return integral


@dataclass(frozen=True)
class StackedFrames:
    """Features of one stimulus from several teachers, which may have different frame rates.

    Parameters
    ----------
    parts : tuple of Frames
        Those of each teacher.
    """

    parts: tuple[Frames, ...]

    def at(self, rate_hz: float, number: int) -> Singles:
        """Resample all, as `Frames.at` does, one below the other: (all features, number)."""
        return np.concatenate([part.at(rate_hz, number) for part in self.parts])


@dataclass(frozen=True)
class Reduction:
    """A projection to principal components.

    Parameters
    ----------
    mean : ndarray, shape (features,), float32
        What is subtracted first.
    directions : ndarray, shape (components, features), float32
        What features are multiplied by.
    of_teachers : tuple of int
        Components of each of several teachers; empty if there is one.
    """

    mean: Singles
    directions: Singles
    of_teachers: tuple[int, ...] = ()

    @classmethod
    def of(cls, songs: Sequence[Singles], most: int) -> Self:
        """Find the principal components of standardised features.

        Parameters
        ----------
        songs : sequence of ndarray, shape (features, frames)
            Songs that may be used.
        most : int
            Number of components, at most; those without variance are left out.
        """
        frames = sum(song.shape[1] for song in songs)
        mean = sum(song.sum(axis=1, dtype=np.float64) for song in songs) / frames
        products = sum(_products(song.astype(np.float64) - mean[:, None]) for song in songs) / frames
        scale = 1 / np.sqrt(np.maximum(products.diagonal(), TINY))
        scale[products.diagonal() <= TINY] = 0.0  # a feature that never changes
        variances, vectors = np.linalg.eigh(products * scale * scale[:, None])
        chosen = np.argsort(-variances, kind="stable")[:most]
        kept = chosen[variances[chosen] > NEGLIGIBLE * max(TINY, float(variances.max()))]
        directions = vectors[:, kept].T
        largest = np.abs(directions).argmax(axis=1)
        signs = np.sign(directions[np.arange(len(kept)), largest])  # which otherwise differ between machines
        return cls(mean.astype(np.float32), (directions * signs[:, None] * scale).astype(np.float32))

    @classmethod
    def unchanged(cls, features: int) -> Self:
        """Make a reduction that leaves features as they are."""
        return cls(np.zeros(features, dtype=np.float32), np.eye(features, dtype=np.float32))

    @classmethod
    def side_by_side(cls, parts: Sequence[Self]) -> Self:
        """Make one reduction of those of several teachers, whose features follow each other."""
        from scipy.linalg import block_diag

        directions: Singles = block_diag(*(part.directions for part in parts)).astype(np.float32)
        return cls(np.concatenate([part.mean for part in parts]), directions, tuple(len(p.directions) for p in parts))

    def apply(self, values: Singles) -> Singles:
        """Project features (features, frames) to components (components, frames)."""
        projected: Singles = self.directions @ (values - self.mean[:, None])
        return projected


def _products(centred: Doubles) -> Doubles:
    products: Doubles = centred @ centred.T
    return products


@dataclass(frozen=True)
class JoinedSongs(Sequence[Singles]):
    """Features of whole songs at the rate of the EEG, computed when they are asked for, so that they need no memory.

    Parameters
    ----------
    songs : tuple of Frames or StackedFrames
        Features of each song at a rate of their own.
    beside : tuple of ndarray, shape (others, frames)
        Others at the rate of the EEG, which are put below them; their number of frames is taken.
    rows : slice
        Which of the others are taken.
    rate_hz : float
        Sampling rate of the EEG.
    """

    songs: tuple[Frames | StackedFrames, ...]
    beside: tuple[Singles, ...]
    rows: slice
    rate_hz: float

    def __len__(self) -> int:
        return len(self.songs)

    @overload
    def __getitem__(self, index: int) -> Singles: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Singles]: ...

    def __getitem__(self, index: int | slice) -> Singles | Sequence[Singles]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        others = self.beside[index]
        return np.concatenate([self.songs[index].at(self.rate_hz, others.shape[1]), others[self.rows]])

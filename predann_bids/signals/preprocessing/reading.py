"""Reading a recording in blocks of time, which need not be in memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from predann_bids.arrays import Bools, Doubles, Ints, Singles

if TYPE_CHECKING:
    from mne.io import BaseRaw

READ_SAMPLES = 5_000  # what MNE reads at once, as float64, stays in the cache


@dataclass(frozen=True)
class Extremes:
    """The smallest and the largest value of each channel, as recorded.

    Parameters
    ----------
    minimum, maximum : ndarray, shape (channels,)
        Volts; NaN where any value is NaN.
    """

    minimum: Doubles
    maximum: Doubles

    @property
    def finite(self) -> Bools:
        """Which channels hold finite numbers only."""
        return np.isfinite(self.minimum) & np.isfinite(self.maximum)

    @property
    def flat(self) -> Bools:
        """Which channels hold one value only."""
        flat: Bools = self.minimum == self.maximum
        return flat


def find_extremes(raw: BaseRaw, picks: Sequence[int]) -> Extremes:
    """Find the extremes of channels, reading the recording once, in blocks."""
    raw = readable_in_blocks(raw, picks)
    extremes = [
        (block.min(axis=1), block.max(axis=1))
        for block in (raw.get_data(picks, *edges) for edges in in_blocks(0, raw.n_times))
    ]
    minima, maxima = zip(*extremes, strict=True)
    return Extremes(np.min(minima, axis=0), np.max(maxima, axis=0))


def readable_in_blocks(raw: BaseRaw, picks: Sequence[int]) -> BaseRaw:
    """Return the recording, or a copy in memory if reading it in blocks would change its samples.

    EDF and BDF files may hold channels of several rates. MNE resamples the slower ones to the highest rate, block by
    block, which leaves artefacts at the ends of each block, and warns of it.
    """
    from mne.utils import use_log_level

    if raw.preload:
        return raw
    with warnings.catch_warnings(), use_log_level("warning"):
        warnings.filterwarnings("error", ".*mixed sampling frequencies", RuntimeWarning)
        try:
            raw.get_data(picks, 0, min(raw.n_times, READ_SAMPLES))
        except RuntimeWarning:
            return raw.copy().load_data(verbose="error")
    return raw


def in_blocks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Divide samples into blocks that are read at once: (start, stop) of each."""
    for at in range(start, stop, READ_SAMPLES):
        yield at, min(at + READ_SAMPLES, stop)


@dataclass(frozen=True, eq=False)
class Source:
    """A recording less a constant, continued at both ends by its odd reflection.

    Electrodes have large offsets, and the digits of float32 are needed for the signal.
    """

    raw: BaseRaw
    picks: Ints
    offset: Doubles
    before: Singles
    after: Singles

    @classmethod
    def of(cls, raw: BaseRaw, picks: Sequence[int], margin: int) -> Source:
        """Prepare some channels of a recording, with a margin of so many samples at both ends."""
        channels, known = np.asarray(picks, dtype=np.intp), min(raw.n_times, margin + 1)
        first = raw.get_data(channels, 0, min(raw.n_times, max(known, READ_SAMPLES)))
        offset = first[:, :READ_SAMPLES].mean(axis=1)
        ends = first[:, :known], raw.get_data(channels, raw.n_times - known)
        pads = ((margin, 0), (0, margin))
        before, after = (
            np.pad(end - offset[:, None], ((0, 0), pad), "reflect", reflect_type="odd").astype(np.float32)
            for end, pad in zip(ends, pads, strict=True)
        )
        return cls(raw, channels, offset, before[:, :margin], after[:, known:])

    def read(self, start: int, block: Singles) -> None:
        """Fill a block, (channels, samples), from a sample on; what comes after the margin is zero."""
        samples, margin, stop = self.raw.n_times, self.before.shape[1], start + block.shape[1]
        block[:, max(0, samples + margin - start) :] = 0
        for first, part in ((-margin, self.before), (samples, self.after)):
            low, high = max(start, first), min(stop, first + margin)
            if low < high:
                block[:, low - start : high - start] = part[:, low - first : high - first]
        for low, high in in_blocks(max(start, 0), min(stop, samples)):
            values = self.raw.get_data(self.picks, low, high)
            np.subtract(values, self.offset[:, None], out=block[:, low - start : high - start], casting="same_kind")

"""Cut windows at half the rate from whole recordings and stimuli that are scaled and halved once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from predann_bids.arrays import Doubles, Singles
from predann_bids.data.stores.mapped import BLOCK, AudioStore, EegStore
from predann_bids.data.stores.resident import Cutting, cutting
from predann_bids.data.trials import Trial
from predann_bids.data.windows import Windows
from predann_bids.signals.halves import HALVING, Halved, HalvedFeatures


@dataclass(frozen=True)
class HalvedRecordings:
    """EEG at half the rate, of recordings that are scaled as a whole.

    A recording is scaled when the first window is cut from it, and kept.

    Parameters
    ----------
    store : EegStore
        Where the recordings come from.
    """

    store: EegStore
    _pairs: dict[int, Singles] = field(default_factory=dict)

    def windows(self, trials: Sequence[Trial], windows: Windows, length: int, delay: int) -> Halved:
        """Cut windows of scaled EEG.

        Parameters
        ----------
        trials : sequence of Trial
            All trials.
        windows : Windows
            Which windows to cut.
        length : int
            Samples of a window, at the full rate.
        delay : int
            Samples by which the EEG is taken later than the audio, at the full rate.

        Returns
        -------
        Halved
            Values of shape (windows, C, length // 2).
        """
        batch = np.empty((len(windows), length // HALVING, len(self.store.channels)), dtype=np.float32)
        for row, (index, start) in enumerate(zip(windows.trial, windows.start, strict=True)):
            trial = trials[index]
            first = trial.onset + int(start) + delay
            batch[row] = self._pairs_of(trial.recording)[first : first + length - 1 : HALVING]
        return Halved(torch.from_numpy(batch).transpose(1, 2))

    def _pairs_of(self, recording: int) -> Singles:
        """Average each sample with the next: shape (samples - 1, C)."""
        if recording not in self._pairs:
            self._pairs[recording] = _pairs(self.store.scaled(recording))
        return self._pairs[recording]


@dataclass(frozen=True)
class HalvedStimuli:
    """Audio features at half the rate, with what their statistics are computed from.

    Parameters
    ----------
    store : AudioStore
        Features of whole stimuli.
    bands : int
        Number M of features, of the first ones, that are cut.
    room : int
        Frames by which windows may reach beyond a stimulus at either end.
    """

    store: AudioStore
    bands: int
    room: int
    _pairs: dict[int, Singles] = field(default_factory=dict)
    _totals: dict[int, Doubles] = field(default_factory=dict)

    def windows(self, trials: Sequence[Trial], windows: Windows, length: int, margin: float = 0) -> HalvedFeatures:
        """Cut windows of audio features, with context on both sides.

        Parameters
        ----------
        trials : sequence of Trial
            All trials.
        windows : Windows
            Which windows to cut.
        length : int
            Frames of a window, at the full rate.
        margin : float
            Context on both sides, in frames of the full rate; rounded down.

        Returns
        -------
        HalvedFeatures
            Values of shape (windows, M, (length + 2 * margin) // 2).
        """
        frames = length + 2 * int(margin)
        firsts = AudioStore.moments(trials, windows) - int(margin) + self.room
        batch: list[Singles] = []
        sums: Any = 0.0
        for stimulus, first in zip(windows.stimuli(trials).tolist(), firsts.tolist(), strict=True):
            self._keep(stimulus)
            batch.append(self._pairs[stimulus][first : first + frames - 1 : HALVING])
            totals = self._totals[stimulus]
            sums += totals[first + frames] - totals[first]
        number = len(windows) * frames
        mean, square = sums / number
        variance = (square - mean**2).clip(min=0)
        values = torch.from_numpy(np.stack(batch)).transpose(1, 2)
        return HalvedFeatures(values, _single(mean), _single(variance), number)

    def _keep(self, stimulus: int) -> None:
        """Keep averages of neighbouring frames, and running sums of values and of squares: (frames + 1, 2, M)."""
        if stimulus in self._pairs:
            return
        # bands of a moment side by side, or np.pad would keep the order of the features
        by_moment = np.ascontiguousarray(self.store.features[stimulus][: self.bands].T)
        frames = np.pad(by_moment, ((self.room, self.room), (0, 0)), mode="edge")
        totals = np.zeros((len(frames) + 1, 2, frames.shape[1]))
        np.cumsum(frames, axis=0, dtype=np.float64, out=totals[1:, 0])
        np.cumsum(frames.astype(np.float64) ** 2, axis=0, out=totals[1:, 1])
        self._totals[stimulus] = totals
        self._pairs[stimulus] = _pairs(frames)


@dataclass(frozen=True)
class HalvedCuts:
    """Windows at half the rate, each of which is halved after it was cut from another store.

    Parameters
    ----------
    store : EegWindows or AudioWindows
        Where windows are cut from.
    form : type
        `Halved` or `HalvedFeatures`.
    rows : int, optional
        Number of channels or features, of the first ones, that are cut; by default all.
    """

    store: Any
    form: type[Halved | HalvedFeatures]
    rows: int | None = None

    def windows(self, *which: Any) -> Any:
        """Cut windows as the store does, and halve them."""
        return self._halved(self.store.windows(*which))

    def placed(self, *which: Any) -> Cutting:
        """Look up the places of windows as the store does, and return what cuts and halves some of them."""
        cut = cutting(self.store, *which)
        return lambda some: self._halved(cut(some))

    def _halved(self, windows: Any) -> Halved | HalvedFeatures:
        return self.form.of(torch.as_tensor(windows)[:, : self.rows])


def _pairs(frames: Singles) -> Singles:
    """Average each frame with the next, in place, block by block: (n, channels) -> (n - 1, channels)."""
    for first in range(0, len(frames) - 1, BLOCK):
        last = min(first + BLOCK, len(frames) - 1)
        frames[first:last] += frames[first + 1 : last + 1]
        frames[first:last] *= np.float32(1 / HALVING)
    return frames[:-1]


def _single(values: Doubles) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))

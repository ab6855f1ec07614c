"""Waveforms of whole stimuli, mapped into memory: what the published audio network hears."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from predann_bids.arrays import Ints, Singles
from predann_bids.data.batches import AudioStore
from predann_bids.data.kept import map_array
from predann_bids.data.trials import Trial
from predann_bids.data.windows import Windows
from predann_bids.timing import Rate


@dataclass(frozen=True)
class WaveformStore:
    """Mono waveforms of all stimuli.

    Parameters
    ----------
    waveforms : tuple of ndarray, shape (samples,), float32
        One for each stimulus; mapped, so that all processes share them.
    rate : Rate
        Of the EEG, in whose samples places are counted.
    audio_rate : Rate
        Of the waveforms.
    """

    waveforms: tuple[Singles, ...]
    rate: Rate
    audio_rate: Rate

    @classmethod
    def open(cls, files: Sequence[Path], rate: Rate, audio_rate: Rate) -> WaveformStore:
        """Map waveforms that are kept in files.

        Raises
        ------
        UnusableData
            A file is not whole.
        """
        return cls(tuple(map_array(file, n_dims=1) for file in files), rate, audio_rate)

    def windows(self, trials: Sequence[Trial], windows: Windows, length: int, margin: float = 0) -> Singles:
        """Gather the audio of windows, with a margin of context on both sides, in EEG samples.

        Beyond the ends of a stimulus there is silence.

        Returns
        -------
        ndarray, shape (windows, samples)
        """
        batch = np.zeros((len(windows), self.samples(length, margin)), dtype=np.float32)
        begins = self.starts(AudioStore.moments(trials, windows), margin)
        for row, stimulus, begin in zip(batch, windows.stimuli(trials), begins, strict=True):
            sound = self.waveforms[stimulus][max(0, begin) : max(0, begin + len(row))]
            silent = max(0, -begin)
            row[silent : silent + len(sound)] = sound
        return batch

    def samples(self, length: int, margin: float = 0) -> int:
        """Samples of audio that so many EEG samples last."""
        return self.audio_rate.samples(self.rate.seconds(length + 2 * margin))

    def starts(self, moments: Ints, margin: float = 0) -> Ints:
        """First samples of the audio of windows that begin at these EEG samples of a stimulus."""
        seconds = map(self.rate.seconds, (moments - margin).tolist())
        return np.array([self.audio_rate.samples(some) for some in seconds], dtype=np.int64)

    def moments_of(self, stimulus: int, length: int, margin: float = 0) -> tuple[Ints, int]:
        """Start of the window at each EEG sample at which one still fits into a stimulus, and its samples."""
        return self.starts(np.arange(max(0, self.lasts(stimulus) - length + 1)), margin), self.samples(length, margin)

    @staticmethod
    def margin(seconds: float, rate: Rate) -> float:
        """Return so much context on one side in EEG samples, which need not be whole."""
        return seconds * rate.hz

    @property
    def stimuli(self) -> tuple[Singles, ...]:
        """Waveforms of whole stimuli."""
        return self.waveforms

    def lasts(self, stimulus: int) -> int:
        """Whole EEG samples that a stimulus lasts."""
        # in this order the quotient of whole rates is exact where it is whole
        return math.floor(len(self.waveforms[stimulus]) * self.rate.hz / self.audio_rate.hz)

"""Memory-mapped waveforms of whole stimuli, the input of the published audio network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from predann_bids.arrays import Ints, Singles
from predann_bids.data.kept import map_array
from predann_bids.data.stores.mapped import AudioStore
from predann_bids.data.trials import Trial
from predann_bids.data.windows import Windows
from predann_bids.timing import Rate


@dataclass(frozen=True)
class WaveformStore:
    """Mono waveforms of all stimuli.

    Parameters
    ----------
    waveforms : tuple of ndarray, shape (samples,), float32
        One for each stimulus; memory-mapped, so that all processes share them.
    rate : Rate
        Sampling rate of the EEG; positions are counted in its samples.
    audio_rate : Rate
        Sampling rate of the waveforms.
    """

    waveforms: tuple[Singles, ...]
    rate: Rate
    audio_rate: Rate

    @classmethod
    def open(cls, files: Sequence[Path], rate: Rate, audio_rate: Rate) -> WaveformStore:
        """Memory-map waveforms from files.

        Raises
        ------
        UnusableData
            A file is incomplete.
        """
        return cls(tuple(map_array(file, n_dims=1) for file in files), rate, audio_rate)

    def windows(self, trials: Sequence[Trial], windows: Windows, length: int, margin: float = 0) -> Singles:
        """Cut windows of audio, with context on both sides. Beyond the ends of a stimulus there is silence.

        Parameters
        ----------
        trials : sequence of Trial
            All trials.
        windows : Windows
            Which windows to cut.
        length : int
            EEG samples of a window.
        margin : float
            Context on both sides, in EEG samples.

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
        """Return the number of audio samples of a window of `length` EEG samples, with context on both sides."""
        return self.audio_rate.samples(self.rate.seconds(length + 2 * margin))

    def starts(self, moments: Ints, margin: float = 0) -> Ints:
        """Return the first audio sample of the windows that begin at given EEG samples of a stimulus."""
        seconds = map(self.rate.seconds, (moments - margin).tolist())
        return np.array([self.audio_rate.samples(start) for start in seconds], dtype=np.int64)

    def moments_of(self, stimulus: int, length: int, margin: float = 0) -> tuple[Ints, int]:
        """Return the first audio sample of the window at each EEG sample where one fits, and their length."""
        return self.starts(np.arange(max(0, self.lasts(stimulus) - length + 1)), margin), self.samples(length, margin)

    @staticmethod
    def margin(seconds: float, rate: Rate) -> float:
        """Convert context on one side from seconds to EEG samples, which may be fractional."""
        return seconds * rate.hz

    @property
    def stimuli(self) -> tuple[Singles, ...]:
        """The waveforms of whole stimuli."""
        return self.waveforms

    def lasts(self, stimulus: int) -> int:
        """Return how many whole EEG samples a stimulus lasts."""
        # multiplying first keeps the quotient exact where it is a whole number
        return math.floor(len(self.waveforms[stimulus]) * self.rate.hz / self.audio_rate.hz)

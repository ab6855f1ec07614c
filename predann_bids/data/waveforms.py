"""Waveforms of whole stimuli, mapped into memory: what the published audio network hears."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from predann_bids.data.batches import AudioStore
from predann_bids.data.trials import Trial
from predann_bids.data.windows import Ints, Windows
from predann_bids.errors import MissingInput, ReadOrWriteFailed, UnusableData
from predann_bids.files import written_whole
from predann_bids.signals.audio import read_audio
from predann_bids.timing import Rate

Floats = NDArray[np.float32]

AGAIN = "Delete it and repeat the command: it is made anew from the audio."


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

    waveforms: tuple[Floats, ...]
    rate: Rate
    audio_rate: Rate

    @classmethod
    def open(cls, files: Sequence[Path], rate: Rate, audio_rate: Rate) -> WaveformStore:
        """Map what `write_waveform` wrote.

        Raises
        ------
        UnusableData
            A file is not whole.
        """
        return cls(tuple(map_waveform(file) for file in files), rate, audio_rate)

    def windows(self, trials: Sequence[Trial], windows: Windows, length: int, margin: float = 0) -> Floats:
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

    def lasts(self, stimulus: int) -> int:
        """Whole EEG samples that a stimulus lasts."""
        # in this order the quotient of whole rates is exact where it is whole
        return math.floor(len(self.waveforms[stimulus]) * self.rate.hz / self.audio_rate.hz)


def write_waveform(audio: Path, directory: Path, rate_hz: int) -> Path:
    """Read an audio file as mono at a rate, and write it as an array to be mapped, unless it is there already.

    The array is called after what the file holds, so that a file that has changed is read again. An array that is not
    whole is written again.

    Raises
    ------
    UnusableData
        The file is no audio.
    ReadOrWriteFailed
        The file cannot be read, or the array not be written.
    TryAgain
        No space is left.
    """
    target = directory / f"{_fingerprint(audio)}_{rate_hz}.npy"
    try:
        map_waveform(target)
    except (MissingInput, UnusableData):
        with written_whole(target) as beside, beside.open("wb") as file:
            np.save(file, read_audio(audio, rate_hz))
    return target


def map_waveform(file: Path) -> Floats:
    """Map what `write_waveform` wrote, shape (samples,), read-only.

    Raises
    ------
    MissingInput
        There is no such file.
    UnusableData
        It is not whole, or holds something else.
    """
    try:
        waveform: Floats = np.load(file, mmap_mode="r")
    except FileNotFoundError as error:
        raise MissingInput(f"{file} is missing. {AGAIN}") from error
    except (ValueError, EOFError) as error:
        raise UnusableData(f"{file} is not whole. {AGAIN}") from error
    except OSError as error:
        raise ReadOrWriteFailed(f"{file} cannot be read: {error.strerror or error}.") from error
    if waveform.ndim != 1 or waveform.dtype != np.float32:
        raise UnusableData(f"{file} holds {waveform.ndim}-D {waveform.dtype} instead of one row of float32. {AGAIN}")
    return waveform


def _fingerprint(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise ReadOrWriteFailed(f"{file} cannot be read: {error.strerror or error}.") from error

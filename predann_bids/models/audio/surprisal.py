"""How unexpected music is at each moment, and how uncertain one was before: teachers without weights."""

from __future__ import annotations

from abc import ABC
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from predann_bids.arrays import Doubles, Ints, Singles
from predann_bids.models.audio.features import FEATURES
from predann_bids.models.audio.teacher import Teacher
from predann_bids.models.teachers.markov import Expectations, expect

AUDIO_RATE, N_FFT = 16_000, 4096
STEP_S = 0.1
ORDER = 5  # steps
LOWEST_HZ, HIGHEST_HZ = 55.0, 2000.0  # of pitches: the fifth octave of A and above has mostly overtones
PITCH_CLASSES, LEVELS, TIMBRES = 12, 12, 12
SILENCE = 1e-7  # energy of a step
LEVEL_DB, LOUDEST_DB = 5.0, 60.0  # a level, and how far the highest level is above the lowest


class _MarkovTeacher(Teacher, ABC):
    """What a model of three viewpoints expects: the strongest pitch class, the level and brightness of each step.

    The model has learned from the past of the stimulus alone, so that nothing of other stimuli is needed, and nothing
    of a test set is used. Steps have a fixed length; there is no beat.
    """

    def __init__(self, rate_hz: float, path: Path | None = None, layer: str = "") -> None:
        super().__init__(rate_hz, path, layer)
        self.audio_rate, self.frame_rate_hz, self.first_s = AUDIO_RATE, 1 / STEP_S, STEP_S / 2
        self.bands = 4

    which: ClassVar[str]

    def forward(self, waveforms: Tensor) -> Tensor:
        """Compute features (B, 4, frames) from waveforms (B, samples): of each viewpoint, and their sum."""
        return torch.from_numpy(np.stack([self._expected(one) for one in waveforms.cpu().numpy()]))

    def _expected(self, waveform: Singles) -> Singles:
        views = viewpoints(waveform)
        found: list[Doubles] = [getattr(_expectations(symbols, size), self.which) for symbols, size in views]
        return np.stack([*found, sum(found, np.zeros_like(found[0]))]).astype(np.float32)


def _expectations(symbols: Ints, size: int) -> Expectations:
    return expect(symbols, size, ORDER)


@FEATURES.add("surprisal")
class Surprisal(_MarkovTeacher):
    """-ln p of each step, given what the piece has done so far: pitch class, level, brightness, and their sum."""

    which = "surprisal"


@FEATURES.add("entropy")
class Entropy(_MarkovTeacher):
    """Entropy of what is expected before each step: of pitch class, level and brightness, and their sum."""

    which = "entropy"


def viewpoints(waveform: Singles) -> list[tuple[Ints, int]]:
    """Describe sound in steps of 0.1 s by symbols.

    Parameters
    ----------
    waveform : ndarray, shape (samples,)
        Mono, at 16 kHz.

    Returns
    -------
    list of (ndarray of int, shape (steps,), int)
        Symbols and size of the alphabet: of the strongest pitch class (or none, in silence), of the level in steps of 5
        dB below the loudest, and of the spectral centroid in thirds of octaves.
    """
    step = round(STEP_S * AUDIO_RATE)
    steps = max(1, len(waveform) // step)
    padded = np.pad(waveform, (N_FFT // 2, N_FFT // 2 + step))
    starts = step * np.arange(steps) + step // 2
    power = np.stack([_power(padded[start : start + N_FFT]) for start in starts])
    energy = power.sum(axis=1)
    silent = energy < SILENCE
    hz: Doubles = np.fft.rfftfreq(N_FFT, 1 / AUDIO_RATE).astype(np.float64)
    return [
        (np.where(silent, PITCH_CLASSES, _pitch_class(power, hz)), PITCH_CLASSES + 1),
        (_level(energy), LEVELS),
        (np.where(silent, 0, _brightness(power, hz)), TIMBRES),
    ]


def _power(part: Singles) -> Doubles:
    spectrum = np.abs(np.fft.rfft(part * np.hanning(N_FFT))) ** 2
    power: Doubles = spectrum / N_FFT**2
    return power


def _pitch_class(power: Doubles, hz: Doubles) -> Ints:
    inside = np.flatnonzero((hz >= LOWEST_HZ) & (hz <= HIGHEST_HZ))
    classes = np.round(12 * np.log2(hz[inside] / 440)).astype(int) % PITCH_CLASSES
    chroma = np.stack([np.sqrt(power[:, inside[classes == c]]).sum(axis=1) for c in range(PITCH_CLASSES)], axis=1)
    chroma /= np.maximum(1, np.bincount(classes, minlength=PITCH_CLASSES))
    strongest: Ints = chroma.argmax(axis=1)
    return strongest


def _level(energy: Doubles) -> Ints:
    """Levels of full scale, so that the past alone decides."""
    db = 10 * np.log10(np.maximum(energy, SILENCE / 10)) + LOUDEST_DB
    levels: Ints = (db / LEVEL_DB).astype(np.int64).clip(0, LEVELS - 1)
    return levels


def _brightness(power: Doubles, hz: Doubles) -> Ints:
    centroid = (power * hz).sum(axis=1) / np.maximum(power.sum(axis=1), SILENCE / 10)
    timbres: Ints = (3 * np.log2(np.maximum(centroid, 1) / 250)).astype(np.int64).clip(0, TIMBRES - 1)
    return timbres

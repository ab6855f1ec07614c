"""What music research describes sound by, as teachers without weights: harmony and timbre."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from predann_bids.arrays import Singles
from predann_bids.models.audio.features import FEATURES
from predann_bids.models.audio.teacher import Teacher
from predann_bids.models.teachers import timbre, tonality
from predann_bids.models.teachers.spectrogram import AUDIO_RATE, FRAMES_PER_S


class _Descriptors(Teacher, ABC):
    """Descriptions of sound, 50 frames per second."""

    def __init__(self, rate_hz: float, path: Path | None = None, layer: str = "") -> None:
        super().__init__(rate_hz, path, layer)
        self.audio_rate, self.frame_rate_hz, self.first_s = AUDIO_RATE, FRAMES_PER_S, 0.5 / FRAMES_PER_S

    def forward(self, waveforms: Tensor) -> Tensor:
        """Describe waveforms (B, samples): (B, bands, frames)."""
        return torch.from_numpy(np.stack([self.describe(one) for one in waveforms.cpu().numpy()]))

    @abstractmethod
    def describe(self, waveform: Singles) -> Singles:
        """Describe one waveform (samples,): (bands, frames)."""


@FEATURES.add("harmony")
class Harmony(_Descriptors):
    """Pitch classes, tonal centroid, key, how they change, and roughness."""

    bands = len(tonality.NAMES)

    def describe(self, waveform: Singles) -> Singles:
        """Describe one waveform (samples,): (26, frames); see `models.teachers.tonality.harmony`."""
        return tonality.harmony(waveform)


@FEATURES.add("timbre")
class Timbre(_Descriptors):
    """The shape of the spectrum, whatever the level."""

    bands = len(timbre.NAMES)

    def describe(self, waveform: Singles) -> Singles:
        """Describe one waveform (samples,): (25, frames); see `models.teachers.timbre.timbre`."""
        return timbre.timbre(waveform)

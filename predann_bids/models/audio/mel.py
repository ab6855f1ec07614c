"""Log-mel spectra as a teacher: finer than those that the joint audio network takes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torchaudio.transforms import MelSpectrogram

from predann_bids.models.audio.features import FEATURES
from predann_bids.models.audio.teacher import Teacher

AUDIO_RATE, HOP, BANDS = 16_000, 160, 64


@FEATURES.add("mel")
class Mel(Teacher):
    """Log-mel spectra of 64 bands, 100 frames per second."""

    def __init__(self, rate_hz: float, path: Path | None = None, layer: str = "") -> None:
        super().__init__(rate_hz, path, layer)
        self.audio_rate, self.bands, self.frame_rate_hz = AUDIO_RATE, BANDS, AUDIO_RATE / HOP
        self.mel = MelSpectrogram(
            AUDIO_RATE, n_fft=1024, win_length=640, hop_length=HOP, f_min=30.0, n_mels=BANDS, pad_mode="constant"
        )

    def forward(self, waveforms: Tensor) -> Tensor:
        """Transform waveforms (B, samples) to spectra (B, 64, frames)."""
        return torch.log(self.mel(waveforms) + 1e-6)

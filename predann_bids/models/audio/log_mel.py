"""Log-mel spectra: the default audio features, and finer ones as a teacher."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torchaudio.transforms import MelSpectrogram

from predann_bids.models.audio.features import FEATURES, AudioFeatures, audio_rate_near
from predann_bids.models.audio.teacher import Teacher

BANDS = 32
FINE_RATE, FINE_HOP, FINE_BANDS = 16_000, 160, 64  # of the teacher


@FEATURES.add("log-mel")
class LogMel(AudioFeatures):
    """Log-mel spectra with one frame for each EEG sample.

    Parameters
    ----------
    rate_hz : float
        Sampling rate of the EEG.
    bands : int
        Mel bands from 30 Hz to half the audio rate.
    """

    def __init__(self, rate_hz: float, bands: int = BANDS) -> None:
        super().__init__(rate_hz)
        self.audio_rate, self.hop = audio_rate_near(rate_hz)
        self.bands = bands
        self.mel = MelSpectrogram(
            self.audio_rate, n_fft=512, hop_length=self.hop, f_min=30.0, n_mels=bands, power=1.0, pad_mode="constant"
        )

    def forward(self, waveforms: Tensor) -> Tensor:
        """Transform waveforms (B, samples) to spectra (B, bands, samples // hop)."""
        spectra = torch.log(self.mel(waveforms) + 1e-3)
        return spectra[..., : waveforms.shape[-1] // self.hop]


@FEATURES.add("mel")
class Mel(Teacher):
    """Log-mel spectra of 64 bands, 100 frames per second."""

    def __init__(self, rate_hz: float, path: Path | None = None, layer: str = "") -> None:
        super().__init__(rate_hz, path, layer)
        self.audio_rate, self.bands, self.frame_rate_hz = FINE_RATE, FINE_BANDS, FINE_RATE / FINE_HOP
        self.mel = MelSpectrogram(
            FINE_RATE,
            n_fft=1024,
            win_length=640,
            hop_length=FINE_HOP,
            f_min=30.0,
            n_mels=FINE_BANDS,
            pad_mode="constant",
        )

    def forward(self, waveforms: Tensor) -> Tensor:
        """Transform waveforms (B, samples) to spectra (B, 64, frames)."""
        return torch.log(self.mel(waveforms) + 1e-6)

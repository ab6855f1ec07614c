"""Log-mel spectra, the default audio features."""

from __future__ import annotations

import torch
from torch import Tensor
from torchaudio.transforms import MelSpectrogram

from predann_bids.models.audio.features import FEATURES, AudioFeatures, audio_rate_near

BANDS = 32


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

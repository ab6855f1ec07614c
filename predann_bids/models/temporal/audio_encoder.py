"""Audio becomes the representation that the EEG network predicts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram

from predann_bids.models.temporal.layers import TemporalEncoder

DILATIONS = (1, 2, 4)
NEAR_HZ = 16_000  # sampling rate of the audio, or the nearest multiple of the frame rate


class LogMel(nn.Module):
    """Log-mel spectra with one frame for each EEG sample.

    Parameters
    ----------
    frame_rate_hz : float
        Sampling rate of the EEG.
    n_bands : int
        Mel bands from 30 Hz to half the audio rate.
    """

    def __init__(self, frame_rate_hz: float, n_bands: int) -> None:
        super().__init__()
        hop = round(NEAR_HZ / frame_rate_hz)
        audio_rate = hop * frame_rate_hz
        if not float(audio_rate).is_integer():
            raise ValueError(f"no whole audio rate near {NEAR_HZ} Hz has {frame_rate_hz:g} frames per second")
        self.audio_rate, self.hop = int(audio_rate), hop
        self.mel = MelSpectrogram(
            self.audio_rate, n_fft=512, hop_length=hop, f_min=30.0, n_mels=n_bands, power=1.0, pad_mode="constant"
        )

    def forward(self, waveforms: Tensor) -> Tensor:
        """Transform waveforms (B, samples) to spectra (B, n_bands, samples // hop)."""
        spectra = torch.log(self.mel(waveforms) + 1e-3)
        return spectra[..., : waveforms.shape[-1] // self.hop]


class AudioEncoder(nn.Module):
    """Log-mel spectra (B, M, T) become a representation (B, D, T // 2)."""

    def __init__(self, n_bands: int, *, width: int, dimensions: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(n_bands)
        self.encoder = TemporalEncoder(n_bands, width, dimensions, DILATIONS)

    def forward(self, spectra: Tensor) -> Tensor:
        """Encode spectra of any loudness: each band is brought to one scale first."""
        encoded: Tensor = self.encoder(self.norm(spectra))
        return encoded

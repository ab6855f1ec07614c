"""Onset envelope and spectral flux, the features that linear decoders reconstruct from EEG."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from predann_bids.arrays import Doubles, Singles
from predann_bids.models.audio.features import FEATURES, AudioFeatures
from predann_bids.models.audio.log_mel import LogMel

NAMES = ("onset envelope", "spectral flux")
COMPRESSION = 0.3  # exponent of magnitude, approximating loudness; a logarithm would exaggerate rises out of silence
SMOOTHING = 2.0  # standard deviation in frames


@FEATURES.add("onsets")
class Onsets(AudioFeatures):
    """Onset envelope and spectral flux of log-mel spectra, one frame for each EEG sample."""

    bands = len(NAMES)

    def __init__(self, rate_hz: float) -> None:
        super().__init__(rate_hz)
        self.spectra = LogMel(rate_hz)
        self.audio_rate = self.spectra.audio_rate

    def forward(self, waveforms: Tensor) -> Tensor:
        """Transform waveforms (B, samples) to features (B, 2, frames)."""
        spectra = self.spectra(waveforms).cpu().numpy()
        return torch.from_numpy(np.stack([onset_features(one) for one in spectra]))


def onset_features(spectra: Singles) -> Singles:
    """Derive onset envelope and spectral flux from log-mel spectra.

    Both are half-wave rectified increases of compressed magnitude from frame to frame, mildly smoothed. The onset
    envelope takes those of the broadband level; the spectral flux averages those of all bands.

    Parameters
    ----------
    spectra : ndarray, shape (bands, frames)
        log(mel + 1e-3) at the rate of the EEG.

    Returns
    -------
    ndarray, shape (2, frames), float32
    """
    from scipy.ndimage import gaussian_filter1d

    magnitude = np.exp(spectra.astype(np.float64))
    level = magnitude.mean(axis=0) ** COMPRESSION
    rises = np.stack([rise(level), rise(magnitude**COMPRESSION).mean(axis=0)])
    features: Singles = gaussian_filter1d(rises, SMOOTHING, axis=1, mode="nearest").astype(np.float32)
    return features


def rise(level: Doubles) -> Doubles:
    """Return the half-wave rectified increase from frame to frame, zero at the first."""
    rises: Doubles = np.diff(level, axis=-1, prepend=level[..., :1]).clip(min=0)
    return rises

"""Features made by hand: onset envelope and spectral flux, and levels and onsets in frequency bands.

Linear decoders reconstruct them from EEG. They are what responses to sound are usually described by.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from predann_bids.arrays import Doubles, Singles
from predann_bids.models.audio.features import FEATURES, AudioFeatures
from predann_bids.models.audio.log_mel import BANDS, LogMel

NAMES = ("onset envelope", "spectral flux")
COMPRESSION = 0.3  # exponent of magnitude, approximating loudness; a logarithm would exaggerate rises out of silence
SMOOTHING = 2.0  # standard deviation in frames
GROUPS = 8  # of neighbouring mel bands
BY_HAND = 2 * GROUPS + len(NAMES)


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


@FEATURES.add("spectra")
class Spectra(AudioFeatures):
    """Log-mel spectra, and what hand-made descriptions of music are made of, one frame for each EEG sample.

    Networks learn from the spectra. Closed-form decoders take the level and the onsets in eight bands, the onset
    envelope and the spectral flux.
    """

    bands = BANDS + BY_HAND
    for_networks = slice(0, BANDS)
    by_hand = slice(BANDS, None)

    def __init__(self, rate_hz: float) -> None:
        super().__init__(rate_hz)
        self.spectra = LogMel(rate_hz)
        self.audio_rate = self.spectra.audio_rate

    def forward(self, waveforms: Tensor) -> Tensor:
        """Transform waveforms (B, samples) to features (B, 50, frames)."""
        spectra = self.spectra(waveforms)
        by_hand = np.stack([band_features(one) for one in spectra.cpu().numpy()])
        return torch.cat([spectra, torch.from_numpy(by_hand).to(spectra)], dim=1)


def band_features(spectra: Singles) -> Singles:
    """Derive levels, onsets in bands, and broadband onset features from log-mel spectra.

    Levels are compressed magnitudes, averaged over neighbouring mel bands. Onsets are their increases from frame to
    frame. Both are mildly smoothed.

    Parameters
    ----------
    spectra : ndarray, shape (bands, frames)
        log(mel + 1e-3) at the rate of the EEG.

    Returns
    -------
    ndarray, shape (18, frames), float32
    """
    from scipy.ndimage import gaussian_filter1d

    magnitude = np.exp(spectra.astype(np.float64))
    groups = np.array_split(magnitude, GROUPS, axis=0)
    levels: Doubles = np.stack([group.mean(axis=0) for group in groups]) ** COMPRESSION
    smooth = gaussian_filter1d(np.concatenate([levels, rise(levels)]), SMOOTHING, axis=1, mode="nearest")
    return np.concatenate([smooth.astype(np.float32), onset_features(spectra)])

"""Levels and onsets in frequency bands: what hand-made descriptions of a response to sound are made of."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from predann_bids.arrays import Doubles, Singles
from predann_bids.models.audio.features import FEATURES, AudioFeatures
from predann_bids.models.audio.log_mel import BANDS, LogMel
from predann_bids.models.audio.onsets import COMPRESSION, NAMES, SMOOTHING, onset_features, rise

GROUPS = 8  # of neighbouring mel bands
BY_HAND = 2 * GROUPS + len(NAMES)


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

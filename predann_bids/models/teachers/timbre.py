"""Describe the timbre of sound: the shape of its spectrum, whatever its level (Peeters et al., 2011)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from predann_bids.arrays import Doubles, Singles
from predann_bids.models.teachers.spectrogram import AUDIO_RATE, frequencies, magnitudes

N_FFT = 1024
MEL_BANDS, COEFFICIENTS = 40, 12
POWER_FLOOR, MAGNITUDE_FLOOR = 1e-10, 1e-6  # so that silence has a flat spectrum
LOWEST_HZ = 30.0
BRIGHT_HZ, ROLLOFF = 1500.0, 0.85
OCTAVES_HZ = (100, 200, 400, 800, 1600, 3200, AUDIO_RATE // 2)
EXTREMES = 0.2  # share of the bins of an octave that its peaks and its valleys are
NAMES = (
    *(f"cepstral coefficient {number}" for number in range(1, COEFFICIENTS + 1)),
    "centroid",
    "spread",
    "flatness",
    "rolloff",
    "entropy",
    "brightness",
    *(f"contrast from {low} Hz" for low in OCTAVES_HZ[:-1]),
    "flux of the shape",
)


def timbre(waveform: Singles) -> Singles:
    """Describe timbre, 50 frames per second.

    Parameters
    ----------
    waveform : ndarray, shape (samples,)
        Mono, at 16 kHz.

    Returns
    -------
    ndarray, shape (25, frames), float32
        In the order of `NAMES`: cepstral coefficients of 40 mel bands, without that of the level; centroid, spread (in
        octaves), flatness, the frequency below which 85 % of the power lies (in octaves above 1 Hz), entropy, share of
        the power above 1.5 kHz; difference of peaks and valleys in each octave (Jiang et al., 2002); and the logarithm
        of how fast the cepstral coefficients change.
    """
    hz, bank = frequencies(N_FFT), _mel_bank(frequencies(N_FFT))
    shapes = np.concatenate([_shape(block, hz, bank) for block in magnitudes(waveform, N_FFT)], axis=1)
    cepstrum = shapes[:COEFFICIENTS]
    flux = np.linalg.norm(np.diff(cepstrum, axis=1, prepend=cepstrum[:, :1]), axis=0)
    return np.concatenate([shapes, np.log(flux + 1e-2)[None]]).astype(np.float32)


def _shape(magnitude: Doubles, hz: Doubles, bank: Doubles) -> Doubles:
    from scipy.fft import dct

    power = np.square(magnitude) + POWER_FLOOR
    cepstrum = dct(np.log(bank @ power), axis=0, norm="ortho")[1 : COEFFICIENTS + 1]
    share = magnitude + MAGNITUDE_FLOOR
    share = share / share.sum(axis=0)
    octave = np.log2(np.maximum(hz, LOWEST_HZ))[:, None]
    centroid = (share * octave).sum(axis=0)
    spread = np.sqrt((share * np.square(octave - centroid)).sum(axis=0))
    flatness = np.log(power).mean(axis=0) - np.log(power.mean(axis=0))
    below = np.cumsum(power, axis=0) / power.sum(axis=0)
    rolloff = octave[(below < ROLLOFF).sum(axis=0).clip(max=len(hz) - 1), 0]
    entropy = -(share * np.log(share)).sum(axis=0)
    brightness = power[hz > BRIGHT_HZ].sum(axis=0) / power.sum(axis=0)
    single = np.stack([centroid, spread, flatness, rolloff, entropy, brightness])
    return np.concatenate([cepstrum, single, _contrasts(np.log(power), hz)])


def _contrasts(log_power: Doubles, hz: Doubles) -> Doubles:
    contrasts = []
    for low, high in pairwise(OCTAVES_HZ):
        ordered = np.sort(log_power[(hz >= low) & (hz < high)], axis=0)
        number = max(1, int(EXTREMES * len(ordered)))
        contrasts.append(ordered[-number:].mean(axis=0) - ordered[:number].mean(axis=0))
    return np.stack(contrasts)


def _mel_bank(hz: Doubles) -> Doubles:
    """Return triangles of equal height on the mel scale (HTK's formula) from 60 Hz to half the sampling rate."""
    lowest, highest = (2595 * np.log10(1 + end / 700) for end in (60.0, AUDIO_RATE / 2))
    edges = 700 * (10 ** (np.linspace(lowest, highest, MEL_BANDS + 2) / 2595) - 1)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bank: Doubles = np.minimum((hz - low) / (centre - low), (high - hz) / (high - centre)).clip(min=0)
    return bank

"""Describe the harmony of sound: pitch classes, tonal centroid, key, how both change, and roughness.

Each measure comes from the literature on how harmony is heard, and none depends on how loud the sound is, except that
silence has no harmony.
"""

from __future__ import annotations

import numpy as np

from predann_bids.arrays import Doubles, Singles
from predann_bids.models.teachers.spectrogram import FRAMES_PER_S, frequencies, magnitudes

N_FFT = 4096  # a quarter of a second, to tell semitones apart
LOWEST, HIGHEST = 33, 96  # MIDI numbers of the pitches, 55 to 2093 Hz
A4_HZ, A4 = 440.0, 69
COMPRESSION = 100.0  # magnitudes m become log(1 + 100 m)
SILENCE = 1e-2  # of compressed magnitude, all pitches together
ATTACK_S, LOCAL_S, PHRASE_S, PASSAGE_S, KEY_S = 0.03, 0.1, 1.5, 6.0, 2.0  # time constants of memory
CENTROID_FRAMES = 3  # standard deviation of the smoothing of tonal centroids, and the distance they are compared at
# Krumhansl and Kessler (1982): how well each pitch class fits a major and a minor key
MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
KEYS = np.stack([np.roll(profile, tonic) for profile in (MAJOR, MINOR) for tonic in range(12)])
NAMES = (
    *(f"pitch class {number}" for number in range(12)),
    *(f"tonal centroid {number}" for number in range(6)),
    "harmonic change",
    "contextuality in the phrase",
    "contextuality in the passage",
    "clarity of the key",
    "major against minor",
    "fit to the key",
    "roughness",
    "onsets of pitch classes",
)


def harmony(waveform: Singles) -> Singles:
    """Describe harmony, 50 frames per second.

    Parameters
    ----------
    waveform : ndarray, shape (samples,)
        Mono, at 16 kHz.

    Returns
    -------
    ndarray, shape (26, frames), float32
        In the order of `NAMES`: the share of each pitch class; the tonal centroid on the circles of fifths, minor
        thirds and major thirds, and how fast it moves (Harte et al., 2006); how similar the pitches of the last 0.1 s
        are to those of the last 1.5 and 6 s (tonal contextuality; Leman, 2000); how well the last 2 s fit the best key,
        how much better they fit the best major than the best minor key, and how well the present fits that key
        (Krumhansl, 1990); roughness (Plomp and Levelt, 1965; Sethares, 1993); how much new pitch classes come in.
    """
    hz, bank = frequencies(N_FFT), _semitones(frequencies(N_FFT))
    found = [(np.log1p(COMPRESSION * (bank @ block)), _roughness(block, hz)) for block in magnitudes(waveform, N_FFT)]
    pitches = np.concatenate([block for block, _ in found], axis=1)
    rough = np.concatenate([block for _, block in found])
    return np.concatenate([_of_pitch_classes(_classes(pitches)), rough[None], _rises(_classes(pitches))]).astype(
        np.float32
    )


def _of_pitch_classes(classes: Doubles) -> Doubles:
    centroid = _tonal_centroid(classes)
    local = remember(classes, LOCAL_S)
    contexts = [correlate(local, remember(classes, seconds)) for seconds in (PHRASE_S, PASSAGE_S)]
    of_keys = np.stack([correlate(remember(classes, KEY_S), profile[:, None]) for profile in KEYS])
    best = of_keys.argmax(axis=0)
    fits = np.stack([correlate(local, profile[:, None]) for profile in KEYS])
    of_key = [of_keys.max(axis=0), of_keys[:12].max(axis=0) - of_keys[12:].max(axis=0)]
    fit = np.take_along_axis(fits, best[None], axis=0)
    change = _harmonic_change(centroid)
    return np.concatenate([_shares(classes), centroid, change[None], np.stack([*contexts, *of_key]), fit])


def _semitones(hz: Doubles) -> Doubles:
    """Weigh the bins of spectra for each semitone, (64, bins); each semitone has weights that sum to 1."""
    numbers = A4 + 12 * np.log2(np.maximum(hz, 1.0) / A4_HZ)
    weights = np.exp(-0.5 * ((numbers - np.arange(LOWEST, HIGHEST + 1)[:, None]) / 0.5) ** 2)
    bank: Doubles = weights / weights.sum(axis=1, keepdims=True)
    return bank


def _classes(pitches: Doubles) -> Doubles:
    numbers = np.arange(LOWEST, HIGHEST + 1) % 12
    classes: Doubles = np.stack([pitches[numbers == number].sum(axis=0) for number in range(12)])
    return classes


def _shares(classes: Doubles) -> Doubles:
    shares: Doubles = classes / (np.linalg.norm(classes, axis=0) + SILENCE)
    return shares


def _rises(classes: Doubles) -> Doubles:
    shares = remember(_shares(classes), ATTACK_S)
    rises: Doubles = np.diff(shares, axis=1, prepend=shares[:, :1]).clip(min=0).sum(axis=0, keepdims=True)
    return rises


def _tonal_centroid(classes: Doubles) -> Doubles:
    """Project pitch classes to the circles of fifths, minor thirds and major thirds (Harte et al., 2006), smoothed."""
    from scipy.ndimage import gaussian_filter1d

    angles = np.outer((7 * np.pi / 6, 3 * np.pi / 2, 2 * np.pi / 3), np.arange(12))
    circles = np.concatenate([[np.sin(angle), np.cos(angle)] for angle in angles]) * np.repeat((1, 1, 0.5), 2)[:, None]
    shares = classes / (classes.sum(axis=0) + SILENCE)
    centroid: Doubles = gaussian_filter1d(circles @ shares, CENTROID_FRAMES, axis=1)
    return centroid


def _harmonic_change(centroid: Doubles) -> Doubles:
    padded = np.pad(centroid, ((0, 0), (CENTROID_FRAMES, CENTROID_FRAMES)), mode="edge")
    change: Doubles = np.linalg.norm(padded[:, 2 * CENTROID_FRAMES :] - padded[:, : -2 * CENTROID_FRAMES], axis=0)
    return change


def _roughness(magnitude: Doubles, hz: Doubles, partials: int = 12) -> Doubles:
    """Sum the dissonance of all pairs of the strongest partials, relative to their power (Sethares, 1993)."""
    inside = (hz >= 80) & (hz <= 4000)
    inner, hz = magnitude[inside], hz[inside]
    is_peak = np.zeros(inner.shape, bool)
    is_peak[1:-1] = (inner[1:-1] > inner[:-2]) & (inner[1:-1] >= inner[2:])
    peaks = np.where(is_peak, inner, 0.0)
    strongest = np.argsort(-peaks, axis=0, kind="stable")[:partials]
    amplitudes, at = np.take_along_axis(peaks, strongest, axis=0), hz[strongest]
    one, other = np.triu_indices(partials, 1)
    distance = np.abs(at[one] - at[other]) * 0.24 / (0.0207 * np.minimum(at[one], at[other]) + 18.96)
    dissonance = amplitudes[one] * amplitudes[other] * (np.exp(-3.51 * distance) - np.exp(-5.75 * distance))
    roughness: Doubles = dissonance.sum(axis=0) / (np.square(amplitudes).sum(axis=0) + 1e-6)
    return roughness


def remember(values: Doubles, seconds: float) -> Doubles:
    """Average values (n, frames) over the past, which is forgotten with a time constant.

    Parameters
    ----------
    values : ndarray, shape (n, frames)
        At 50 frames per second.
    seconds : float
        Time constant.

    Returns
    -------
    ndarray, shape (n, frames)
    """
    from scipy.signal import lfilter

    kept = np.exp(-1 / (seconds * FRAMES_PER_S))
    remembered: Doubles = lfilter([1 - kept], [1, -kept], values, axis=-1)
    return remembered


def correlate(one: Doubles, other: Doubles) -> Doubles:
    """Correlate each frame of one description (n, frames) with that of another; 0 where one has no contrast."""
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    powers = np.square(one).sum(axis=0) * np.square(other).sum(axis=0)
    correlations: Doubles = (one * other).sum(axis=0) / np.sqrt(powers + 1e-12)
    return correlations

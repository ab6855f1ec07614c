"""How strongly EEG follows music, by the field's plainest measure: a linear reconstruction of the onset envelope.

A ridge regression reconstructs the envelope from the EEG of all channels, 0 to 0.4 s after the sound, both from 1 to
8 Hz. It is trained on other participants. The strength is the correlation of reconstruction and envelope in windows of
3 s, averaged over windows, then over participants. In EEG of people who listen to music or speech it is 0.02 to 0.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement

import numpy as np
from scipy import linalg, signal

from predann_bids.arrays import Doubles, Ints, Singles
from predann_bids.timing import Rate
from predann_bids.tools.simulation.settings import WINDOW_S

RATE = Rate(32)
BAND_HZ = (1.0, 8.0)
LAGS = int(0.4 * RATE.hz) + 1  # the last no later than 0.4 s
FOLDS = 4
PENALTIES = 10.0 ** np.arange(-3, 3)  # relative to the mean eigenvalue of the covariance of the lagged EEG
OUTLIER = 5.0  # robust standard deviations to which the EEG is limited
QUARTILES_APART = 1.349  # of a normal distribution, in standard deviations
TINY = 1e-12

SPECTRA_RATE = Rate(16_000)
ENVELOPE_RATE = Rate(128)
SPECTRUM_S = 0.025
MEL_BANDS = 25
MEL_RANGE_HZ = (100.0, 7500.0)
LOUDNESS = 0.3  # power of the magnitude


@dataclass(frozen=True)
class Heard:
    """A song in a recording: the first sample at `RATE`, and the envelope at `RATE`."""

    start: int
    envelope: Doubles


@dataclass(frozen=True)
class Strength:
    """Correlation of the reconstruction: mean over participants, and its standard error."""

    r: float
    standard_error: float


def onset_envelope(song: Doubles, rate: Rate) -> Doubles:
    """Return how fast a song becomes louder: the rises of its mel bands, at `RATE`, in `BAND_HZ`.

    Bands are 25, equally wide in mel from 100 to 7500 Hz, in spectra of 25 ms; their magnitudes to the 0.3 are close to
    loudness.
    """
    audio = signal.resample_poly(song, *_ratio(SPECTRA_RATE.hz / rate.hz))
    hop = round(SPECTRA_RATE.hz / ENVELOPE_RATE.hz)
    window = np.hanning(SPECTRA_RATE.samples(SPECTRUM_S))
    transform = signal.ShortTimeFFT(window, hop, SPECTRA_RATE.hz)
    magnitudes = np.abs(transform.stft(audio, p0=0, p1=int(np.ceil(len(audio) / hop))))
    loudness = (_mel_bands(transform.f) @ magnitudes) ** LOUDNESS
    rises = np.maximum(np.diff(loudness, axis=1, prepend=loudness[:, :1]), 0.0)
    return narrowed(rises.mean(axis=0), ENVELOPE_RATE)


def _mel_bands(frequencies: Doubles) -> Doubles:
    """Return the weights (bands, frequencies) of triangular bands, each with a sum of one."""
    low, high = (np.log1p(hz / 700.0) for hz in MEL_RANGE_HZ)
    edges = 700.0 * np.expm1(np.linspace(low, high, MEL_BANDS + 2))
    corners = np.lib.stride_tricks.sliding_window_view(edges, 3)
    bands = np.array([np.interp(frequencies, corner, [0.0, 1.0, 0.0]) for corner in corners])
    weights: Doubles = bands / np.maximum(bands.sum(axis=1, keepdims=True), TINY)
    return weights


def narrowed(series: Doubles, rate: Rate) -> Doubles:
    """Filter to `BAND_HZ` without delay and resample to `RATE`; time is the last axis."""
    sections = signal.butter(2, BAND_HZ, "bandpass", fs=rate.hz, output="sos")
    result: Doubles = signal.resample_poly(signal.sosfiltfilt(sections, series), *_ratio(RATE.hz / rate.hz), axis=-1)
    return result


def _ratio(factor: float) -> tuple[int, int]:
    fraction = Fraction(factor).limit_denominator(4000)
    return fraction.numerator, fraction.denominator


def referenced(eeg: Doubles, rate: Rate) -> Singles:
    """Return EEG (C, n) as (C, m) in `BAND_HZ`, at `RATE`, against the average: a linear map."""
    slow = narrowed(eeg, rate)
    result: Singles = (slow - slow.mean(axis=0)).astype(np.float32)
    return result


def limited(eeg: Singles) -> Singles:
    """Bring each channel of (C, m) to a robust standard deviation of one, and limit it to `OUTLIER`."""
    low, middle, high = np.percentile(eeg, [25, 50, 75], axis=1, keepdims=True)
    spread = np.maximum((high - low) / QUARTILES_APART, TINY)
    scaled: Singles = np.clip((eeg - middle) / spread, -OUTLIER, OUTLIER).astype(np.float32)
    return scaled


# -- regression --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Presentation:
    """EEG (C, n + LAGS - 1) from the beginning of a song, and the song's standardised envelope (n,)."""

    eeg: Singles
    envelope: Singles


def presentations(eeg: Singles, heard: Sequence[Heard]) -> list[Presentation]:
    """Cut the songs out of limited EEG (C, m); beyond the end of the recording there are zeros."""
    cut = []
    for song in heard:
        envelope = song.envelope[: eeg.shape[1] - song.start]
        beyond = max(0, song.start + len(envelope) + LAGS - 1 - eeg.shape[1])
        piece = np.pad(eeg, ((0, 0), (0, beyond)))[:, song.start : song.start + len(envelope) + LAGS - 1]
        standard = (envelope - envelope.mean()) / max(envelope.std(), TINY)
        cut.append(Presentation(piece, standard.astype(np.float32)))
    return cut


def normal_equations(presentation: Presentation) -> tuple[Doubles, Doubles]:
    """Return the products of the lagged EEG with itself (L C, L C), without means, and with the envelope (L C,).

    Lags vary slowest. The product of lags (i + 1, j + 1) is that of (i, j) but for one sample that leaves and one that
    enters, so only the first row of blocks takes a matrix product.
    """
    eeg, length = presentation.eeg.astype(np.float64), len(presentation.envelope)
    n_channels = len(eeg)
    lagged = np.lib.stride_tricks.sliding_window_view(eeg, length, axis=1)  # (C, LAGS, n)
    products = np.empty((LAGS, n_channels, LAGS, n_channels))
    for lag in range(LAGS):
        products[0, :, lag] = lagged[:, 0] @ lagged[:, lag].T
        products[lag, :, 0] = products[0, :, lag].T
    for lag in range(LAGS - 1):
        leaves, enters = eeg[:, lag : lag + 1], eeg[:, lag + length : lag + length + 1]
        left, entered = eeg[:, : LAGS - 1].T, eeg[:, length : length + LAGS - 1].T
        products[lag + 1, :, 1:] = (
            products[lag, :, :-1] - leaves[:, None] * left[None] + enters[:, None] * entered[None]
        )
    means = lagged.mean(axis=2).T.ravel()
    size = LAGS * n_channels
    covariance = products.reshape(size, size) - length * np.outer(means, means)
    with_envelope = (lagged @ presentation.envelope.astype(np.float64)).T.ravel()
    return covariance, with_envelope


def window_correlations(presentation: Presentation, weights: Doubles) -> Doubles:
    """Return the correlations (windows, models) of the envelope with reconstructions by weights (L C, models)."""
    eeg, length = presentation.eeg, len(presentation.envelope)
    by_lag = weights.astype(np.float32).reshape(LAGS, len(eeg), -1)
    predicted = sum(eeg[:, lag : lag + length].T @ by_lag[lag] for lag in range(LAGS))
    window = RATE.samples(WINDOW_S)
    n_windows = length // window
    pairs = [
        series[: n_windows * window].reshape(n_windows, window, -1) for series in (predicted, presentation.envelope)
    ]
    said, true = (pair - pair.mean(axis=1, keepdims=True) for pair in pairs)
    norms = np.sqrt((said**2).sum(axis=1) * (true**2).sum(axis=1))
    correlations: Doubles = (said * true).sum(axis=1) / np.maximum(norms, TINY)
    return correlations


def cross_validated(participants: Sequence[Sequence[Presentation]]) -> Strength:
    """Reconstruct the envelope for each participant by weights that were trained on others.

    The penalty of each fold is the one that does best on average when each of the other folds is left out in turn.

    Parameters
    ----------
    participants : sequence of sequences of Presentation
        At least three participants.
    """
    folds = np.arange(len(participants)) % min(FOLDS, len(participants))
    scores = _scores(participants, folds)
    reached = np.empty(len(participants))
    for fold in range(folds.max() + 1):
        best = int(np.argmax(scores[folds != fold, fold].mean(axis=0)))
        reached[folds == fold] = scores[folds == fold, fold, best]
    return Strength(float(reached.mean()), float(reached.std(ddof=1) / np.sqrt(len(reached))))


def _scores(participants: Sequence[Sequence[Presentation]], folds: Ints) -> Doubles:
    """Return the mean correlations (participants, folds, penalties) by weights that saw neither the own fold nor this.

    Where this fold is the participant's own, that is the one fold left out.
    """
    n_folds = folds.max() + 1
    sums = [_summed([p for p, own in zip(participants, folds, strict=True) if own == f]) for f in range(n_folds)]
    left_out = map(frozenset, combinations_with_replacement(range(n_folds), 2))
    weights = {out: _solved([sums[fold] for fold in range(n_folds) if fold not in out]) for out in left_out}
    scores = np.empty((len(participants), n_folds, len(PENALTIES)))
    for index, (participant, own) in enumerate(zip(participants, folds, strict=True)):
        models = np.hstack([weights[frozenset({int(own), fold})] for fold in range(n_folds)])
        by_window = np.vstack([window_correlations(presentation, models) for presentation in participant])
        scores[index] = by_window.mean(axis=0).reshape(n_folds, -1)
    return scores


def _summed(participants: Sequence[Sequence[Presentation]]) -> tuple[Doubles, Doubles]:
    pairs = (normal_equations(presentation) for participant in participants for presentation in participant)
    covariance, with_envelope = next(pairs)
    for more, also in pairs:
        covariance += more
        with_envelope += also
    return covariance, with_envelope


def _solved(sums: Sequence[tuple[Doubles, Doubles]]) -> Doubles:
    """Return the weights (L C, penalties) of ridge regressions."""
    covariance = np.sum([one for one, _ in sums], axis=0)
    with_envelope = np.sum([one for _, one in sums], axis=0)
    diagonal = np.arange(len(covariance))
    mean = np.trace(covariance) / len(covariance)
    weights = np.empty((len(covariance), len(PENALTIES)))
    for column, penalty in enumerate(PENALTIES):
        ridge = covariance.copy()
        ridge[diagonal, diagonal] += penalty * mean
        weights[:, column] = linalg.solve(ridge, with_envelope, assume_a="pos", overwrite_a=True)
    return weights

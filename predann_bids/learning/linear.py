"""The linear reference: a backward temporal response function from EEG to two features of the audio.

Ridge regression over time lags (Crosse et al. 2016, https://doi.org/10.3389/fnhum.2016.00604) by MNE-Python's
TimeDelayingRidge, at half the rate of the EEG, as the network's representations.
"""

from __future__ import annotations

import dataclasses
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from predann_bids.data.batches import EegStore
from predann_bids.data.splits import Split
from predann_bids.data.trials import Stretch
from predann_bids.data.windows import Windows, grid
from predann_bids.errors import ReadOrWriteFailed, UnusableData
from predann_bids.files import written_whole
from predann_bids.learning.retrieval import unit
from predann_bids.timing import Rate

if TYPE_CHECKING:
    from predann_bids.learning.fitting import MappedSource

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

FEATURES = ("onset envelope", "spectral flux")
LATEST_S = 0.4  # the response is looked for in the EEG from the sound to this much after it
ALPHAS = tuple(10.0**power for power in range(-3, 3))  # in units of the mean power of a lagged channel
HELD_OUT_OF = 7
MOST_HOURS = 4.0
HALVING = 2  # EEG samples per frame
COMPRESSION = 0.3  # of magnitude, as loudness grows with amplitude; a logarithm makes too much of rises out of silence
SMOOTHING = 2.0  # standard deviation in frames
TINY = 1e-12
BATCH = 64  # windows at once: in between they take a hundred times their features' size


@dataclass(frozen=True)
class LinearDecoder:
    """A backward temporal response function.

    Parameters
    ----------
    coefficients : ndarray, shape (2, C, L)
        Weight of each channel and lag in each feature.
    lags : ndarray of int, shape (L,)
        Consecutive, in frames. Feature frame t is a sum of the window's EEG frames t + lag; the window itself already
        begins the neural delay after the sound.
    alpha : float
        Regularisation that was chosen, in units of the mean power of a lagged channel.
    correlation : float
        Mean correlation of reconstructions and features of the windows that it was chosen with.
    whitened : bool
        Whether it wants EEG as the network gets it, or that of `unwhitened`.
    """

    coefficients: Floats
    lags: Ints
    alpha: float
    correlation: float
    whitened: bool

    def reconstruct(self, eeg: Floats) -> Floats:
        """Reconstruct features (n, 2, T // 2) from windows (n, C, T), beyond which EEG counts as zero."""
        n_features, n_channels, n_lags = self.coefficients.shape
        eeg = halved(eeg)
        by_lag = self.coefficients.transpose(2, 0, 1).reshape(n_lags * n_features, n_channels)
        n, _, length = eeg.shape
        result = np.zeros((n, n_features, length), dtype=np.float32)
        for begin in range(0, n, BATCH):
            some = slice(begin, begin + BATCH)
            parts = np.matmul(by_lag, eeg[some]).reshape(-1, n_lags, n_features, length)
            for place, lag in enumerate(self.lags.tolist()):
                first, last = max(0, -lag), min(length, length - lag)
                if first < last:
                    result[some, :, first:last] += parts[:, place, :, first + lag : last + lag]
        return result

    def save(self, path: Path) -> None:
        """Write it as .npz, whole or not at all."""
        with written_whole(path) as beside, beside.open("wb") as file:
            content: dict[str, Any] = dataclasses.asdict(self)
            np.savez(file, **content)

    @classmethod
    def load(cls, path: Path) -> LinearDecoder:
        """Read what `save` has written.

        Raises
        ------
        ReadOrWriteFailed
            The file cannot be read.
        UnusableData
            It holds no linear decoder.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
                plain = {name: found[name].item() for name in ("alpha", "correlation", "whitened")}
                return cls(found["coefficients"], found["lags"], **plain)
        except OSError as error:
            raise ReadOrWriteFailed(f"{path} cannot be read: {error.strerror or error}.") from error
        except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise UnusableData(f"{path} holds no linear decoder ({error}). Run the group level again.") from error


def unwhitened(store: EegStore) -> EegStore:
    """Leave out the mixing of channels: each is only brought to one scale and limited, as is usual in the field."""
    identity = np.eye(len(store.channels), dtype=np.float32)
    scalings = tuple(dataclasses.replace(scaling, mixing=identity) for scaling in store.scalings)
    return dataclasses.replace(store, scalings=scalings)


def onset_features(spectra: Floats) -> Floats:
    """Derive onset envelope and spectral flux from log-mel spectra.

    Both are half-wave rectified rises of compressed magnitude from frame to frame, mildly smoothed: of the broadband
    level, and of each band, then averaged.

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
    rises = np.stack([_rise(level), _rise(magnitude**COMPRESSION).mean(axis=0)])
    features: Floats = gaussian_filter1d(rises, SMOOTHING, axis=1, mode="nearest").astype(np.float32)
    return features


def _rise(level: Doubles) -> Doubles:
    risen: Doubles = np.diff(level, axis=-1, prepend=level[..., :1]).clip(min=0)
    return risen


def halved(series: Floats) -> Floats:
    """Average pairs of neighbouring samples: (..., T) -> (..., T // 2)."""
    whole = series[..., : series.shape[-1] // 2 * 2]
    means: Floats = whole.reshape(*whole.shape[:-1], -1, 2).mean(axis=-1)
    return means


def fit_linear(source: MappedSource, split: Split, rate: Rate, *, whitened: bool) -> LinearDecoder:
    """Fit a backward temporal response function to the training stretches of a fold.

    It spans lags from the sound to 0.4 s after it. The regularisation is that of `ALPHAS` with which windows of the
    validation stretches are reconstructed best, by the mean correlation with both features; nothing else is read. Of
    more than `MOST_HOURS` of training data, stretches drawn at random are used: weights no longer gain by more. Without
    a validation set, every seventh stretch of the training set serves as one.

    Parameters
    ----------
    source : MappedSource
        Where EEG and audio are taken from.
    split : Split
        The fold.
    rate : Rate
        Sampling rate of the EEG.
    whitened : bool
        Whether to take the EEG as the network does, or `unwhitened`.
    """
    if not whitened:
        source = dataclasses.replace(source, eeg=unwhitened(source.eeg))
    features = [onset_features(spectra) for spectra in source.audio.features]
    frames = Rate(rate.hz / HALVING)
    delay = frames.samples(rate.seconds(source.delay))
    lags = np.arange(frames.samples(LATEST_S) + 1) - delay
    validation = split.validation or split.train[::HELD_OUT_OF]
    kept = split.train if split.validation else [s for i, s in enumerate(split.train) if i % HELD_OUT_OF]
    train = [piece for stretch in kept for piece in stretch.pieces(source.length)]
    eeg, heard = _joined(source, features, _at_most(train, rate.samples(3600 * MOST_HOURS)), len(lags))
    decoders = [
        LinearDecoder(coefficients, lags, alpha, np.nan, whitened)
        for alpha, coefficients in zip(ALPHAS, _ridge(eeg, heard, lags, frames), strict=True)
    ]
    correlations = _correlations(decoders, source, features, validation)
    best = int(np.argmax(correlations))
    return dataclasses.replace(decoders[best], correlation=float(correlations[best]))


def _at_most(stretches: Sequence[Stretch], samples: int) -> Sequence[Stretch]:
    total = sum(stretch.span.length for stretch in stretches)
    number = max(1, math.floor(len(stretches) * min(1.0, samples / max(1, total))))
    chosen = np.random.default_rng(0).permutation(len(stretches))[:number]
    return [stretches[place] for place in sorted(chosen)]


def _joined(
    source: MappedSource, features: Sequence[Floats], stretches: Sequence[Stretch], gap: int
) -> tuple[Doubles, Doubles]:
    """EEG (frames, C) and features (frames, 2) of all stretches, with gaps of zeros that no lag bridges."""
    pairs = [_standardised(source, features, stretch) for stretch in stretches]
    eeg, heard = (
        np.concatenate([np.pad(part, ((0, 0), (gap, gap))).T for part in parts]) for parts in zip(*pairs, strict=True)
    )
    return eeg, heard


def _ridge(eeg: Doubles, heard: Doubles, lags: Ints, frames: Rate) -> list[Floats]:
    """Coefficients (2, C, L) for each of the alphas."""
    import mne
    from mne.decoding import TimeDelayingRidge
    from scipy.linalg import cho_factor, cho_solve

    power = max(TINY, float(np.square(eeg).sum() / eeg.shape[1]))  # of a channel, which all its lags share
    first, last = (frames.seconds(-int(lag)) for lag in (lags[-1], lags[0]))  # MNE's delays count the other way
    ridge = TimeDelayingRidge(
        first, last, frames.hz, reg_type="ridge", alpha=ALPHAS[0] * power, fit_intercept=False, n_jobs=1
    )
    with mne.use_log_level("ERROR"):
        ridge.fit(eeg, heard)
    # MNE solves for one alpha; what it has added up over time, which takes longest, serves for the others too
    coefficients = ridge.coef_.reshape(len(FEATURES), -1).T
    right = ridge.cov_ @ coefficients + ALPHAS[0] * power * coefficients
    found = []
    for alpha in ALPHAS:
        solved = cho_solve(cho_factor(ridge.cov_ + alpha * power * np.eye(len(right))), right)
        found.append(solved.T.reshape(ridge.coef_.shape)[:, :, ::-1].astype(np.float32))
    return found


def _standardised(source: MappedSource, features: Sequence[Floats], stretch: Stretch) -> tuple[Doubles, Doubles]:
    """EEG (C, frames) without its mean, so that no intercept is needed, and features (2, frames) on one scale."""
    length = stretch.span.length
    window = Windows(np.array([stretch.trial]), np.array([stretch.span.start]))
    eeg = halved(source.eeg.windows(source.trials, window, length, source.delay)[0]).astype(np.float64)
    heard = _heard(source, features, window, length)[0].astype(np.float64)
    heard -= heard.mean(axis=1, keepdims=True)
    return eeg - eeg.mean(axis=1, keepdims=True), heard / np.maximum(heard.std(axis=1, keepdims=True), TINY)


def _heard(source: MappedSource, features: Sequence[Floats], windows: Windows, length: int) -> Floats:
    """Features (n, 2, length // 2) of what was heard in each window."""
    songs = windows.stimuli(source.trials)
    moments = source.audio.moments(source.trials, windows)
    return np.stack([halved(features[s][:, m : m + length]) for s, m in zip(songs, moments, strict=True)])


def _correlations(
    decoders: Sequence[LinearDecoder], source: MappedSource, features: Sequence[Floats], stretches: Sequence[Stretch]
) -> Doubles:
    """Mean similarity of reconstructed and heard windows, for each decoder."""
    windows = grid(stretches, source.length, max(1, source.length // 2))
    sums = np.zeros(len(decoders))
    for first in range(0, len(windows), BATCH):
        some = windows[slice(first, first + BATCH)]
        eeg = source.eeg.windows(source.trials, some, source.length, source.delay)
        heard = unit(_heard(source, features, some, source.length), by_feature=True)
        for place, decoder in enumerate(decoders):
            sums[place] += np.sum(unit(decoder.reconstruct(eeg), by_feature=True) * heard)
    return sums / max(1, len(windows))

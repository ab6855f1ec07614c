"""Backward temporal response functions: features of the audio as sums over channels and lags of the EEG.

Ridge regression over time lags (Crosse et al. 2016, https://doi.org/10.3389/fnhum.2016.00604) by MNE-Python's
TimeDelayingRidge, at half the rate of the EEG, as the representations of networks.
"""

from __future__ import annotations

import dataclasses
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from predann_bids.arrays import Doubles, Ints, Singles
from predann_bids.errors import ReadOrWriteFailed, UnusableData
from predann_bids.files import written_whole
from predann_bids.timing import Rate

ALPHAS = tuple(10.0**power for power in range(-3, 3))  # in units of the mean power of a lagged channel
TINY = 1e-12
BATCH = 64  # windows at once: in between they take a hundred times their features' size


@dataclass(frozen=True)
class BackwardModel:
    """A backward temporal response function.

    Parameters
    ----------
    coefficients : ndarray, shape (F, C, L)
        Weight of each channel and lag in each feature.
    lags : ndarray of int, shape (L,)
        Consecutive, in frames. Feature frame t is a sum of the window's EEG frames t + lag; the window itself already
        begins the neural delay after the sound.
    alpha : float
        Regularisation that was chosen, in units of the mean power of a lagged channel.
    correlation : float
        Mean correlation of reconstructions and features of the windows that it was chosen with.
    whitened : bool
        Whether it wants EEG as networks get it, or EEG that is standardised only.
    """

    coefficients: Singles
    lags: Ints
    alpha: float
    correlation: float
    whitened: bool

    def reconstruct(self, eeg: Singles) -> Singles:
        """Reconstruct features (n, F, T // 2) from windows (n, C, T), beyond which EEG counts as zero."""
        n_features, n_channels, n_lags = self.coefficients.shape
        eeg = halved(eeg)
        by_lag = self.coefficients.transpose(2, 0, 1).reshape(n_lags * n_features, n_channels)
        n, _, length = eeg.shape
        result = np.zeros((n, n_features, length), dtype=np.float32)
        for begin in range(0, n, BATCH):
            some = slice(begin, begin + BATCH)
            parts = np.matmul(by_lag, eeg[some]).reshape(-1, n_lags, n_features, length)
            for index, lag in enumerate(self.lags.tolist()):
                first, last = max(0, -lag), min(length, length - lag)
                if first < last:
                    result[some, :, first:last] += parts[:, index, :, first + lag : last + lag]
        return result

    def save(self, path: Path) -> None:
        """Write it as .npz, whole or not at all."""
        with written_whole(path) as beside, beside.open("wb") as file:
            content: dict[str, Any] = dataclasses.asdict(self)
            np.savez(file, **content)

    @classmethod
    def load(cls, path: Path) -> BackwardModel:
        """Read what `save` has written.

        Raises
        ------
        ReadOrWriteFailed
            The file cannot be read.
        UnusableData
            It holds no linear decoder.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
                plain = {name: content[name].item() for name in ("alpha", "correlation", "whitened")}
                return cls(content["coefficients"], content["lags"], **plain)
        except OSError as error:
            raise ReadOrWriteFailed(f"{path} cannot be read: {error.strerror or error}.") from error
        except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise UnusableData(f"{path} holds no linear decoder ({error}). Run the group level again.") from error


def halved(series: Singles) -> Singles:
    """Average pairs of neighbouring samples: (..., T) -> (..., T // 2)."""
    whole = series[..., : series.shape[-1] // 2 * 2]
    means: Singles = whole.reshape(*whole.shape[:-1], -1, 2).mean(axis=-1)
    return means


def ridge(eeg: Doubles, audio: Doubles, lags: Ints, frames: Rate) -> dict[float, Singles]:
    """Solve the ridge regression from lagged EEG to audio features for each of `ALPHAS`.

    Parameters
    ----------
    eeg : ndarray, shape (T, C)
        Continuous EEG, with gaps of zeros that no lag bridges.
    audio : ndarray, shape (T, F)
        Features of the audio, zero in the gaps.
    lags : ndarray of int, shape (L,)
        Consecutive, in frames.
    frames : Rate
        Rate of both.

    Returns
    -------
    dict of float to ndarray, shape (F, C, L)
        Coefficients for each of `ALPHAS`.
    """
    import mne
    from mne.decoding import TimeDelayingRidge
    from scipy.linalg import cho_factor, cho_solve

    power = max(TINY, float(np.square(eeg).sum() / eeg.shape[1]))  # of a channel, which all its lags share
    first, last = (frames.seconds(-int(lag)) for lag in (lags[-1], lags[0]))  # MNE's delays count the other way
    regression = TimeDelayingRidge(
        first, last, frames.hz, reg_type="ridge", alpha=ALPHAS[0] * power, fit_intercept=False, n_jobs=1
    )
    with mne.use_log_level("ERROR"):
        regression.fit(eeg, audio)
    # MNE solves for one alpha; what it has added up over time, which takes longest, serves for the others too
    coefficients = regression.coef_.reshape(audio.shape[1], -1).T
    right = regression.cov_ @ coefficients + ALPHAS[0] * power * coefficients
    solutions = {}
    for alpha in ALPHAS:
        solved = cho_solve(cho_factor(regression.cov_ + alpha * power * np.eye(len(right))), right)
        solutions[alpha] = solved.T.reshape(regression.coef_.shape)[:, :, ::-1].astype(np.float32)
    return solutions

"""Backward temporal response functions: reconstruct audio features as sums over channels and lags of the EEG.

Ridge regression over time lags (Crosse et al. 2016, https://doi.org/10.3389/fnhum.2016.00604), solved by MNE-Python's
TimeDelayingRidge at half the rate of the EEG, which is also the rate of the networks' representations.
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
BATCH = 64  # windows at a time: intermediate results are a hundred times larger than the features


@dataclass(frozen=True)
class BackwardModel:
    """A backward temporal response function.

    Parameters
    ----------
    coefficients : ndarray, shape (F, C, L)
        Weight of each channel and lag for each feature.
    lags : ndarray of int, shape (L,)
        Consecutive lags in frames. Feature frame t is a weighted sum of the window's EEG frames t + lag; the window
        itself already begins the neural delay after the sound.
    alpha : float
        The chosen regularisation, in units of the mean power of a lagged channel.
    correlation : float
        Mean correlation of reconstructions with features on the windows that the regularisation was chosen on.
    whitened : bool
        Whether the input is whitened EEG, as for networks; else it is only standardised.
    temperature : float
        Temperature of the song logits; zero in files of earlier versions, which had none.
    """

    coefficients: Singles
    lags: Ints
    alpha: float
    correlation: float
    whitened: bool
    temperature: float = 0.0

    def reconstruct(self, eeg: Singles) -> Singles:
        """Reconstruct features (n, F, T // 2) from windows (n, C, T), taking the EEG beyond a window as zero."""
        n_features, n_channels, n_lags = self.coefficients.shape
        eeg = halved(eeg)
        by_lag = self.coefficients.transpose(2, 0, 1).reshape(n_lags * n_features, n_channels)
        n, _, length = eeg.shape
        result = np.zeros((n, n_features, length), dtype=np.float32)
        for begin in range(0, n, BATCH):
            batch = slice(begin, begin + BATCH)
            parts = np.matmul(by_lag, eeg[batch]).reshape(-1, n_lags, n_features, length)
            for index, lag in enumerate(self.lags.tolist()):
                first, last = max(0, -lag), min(length, length - lag)
                if first < last:
                    result[batch, :, first:last] += parts[:, index, :, first + lag : last + lag]
        return result

    def save(self, path: Path) -> None:
        """Write the model as .npz, completely or not at all."""
        with written_whole(path) as beside, beside.open("wb") as file:
            content: dict[str, Any] = dataclasses.asdict(self)
            np.savez(file, **content)

    @classmethod
    def load(cls, path: Path) -> BackwardModel:
        """Read a model that `save` wrote.

        Raises
        ------
        ReadOrWriteFailed
            The file cannot be read.
        UnusableData
            The file does not hold a linear decoder.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
                plain = {name: content[name].item() for name in ("alpha", "correlation", "whitened")}
                temperature = content["temperature"].item() if "temperature" in content else 0.0
                return cls(content["coefficients"], content["lags"], **plain, temperature=temperature)
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
        Continuous EEG, with gaps of zeros at least as long as the longest lag.
    audio : ndarray, shape (T, F)
        Features of the audio, zero in the gaps.
    lags : ndarray of int, shape (L,)
        Consecutive lags in frames.
    frames : Rate
        Rate of `eeg` and `audio`.

    Returns
    -------
    dict of float to ndarray, shape (F, C, L)
        Coefficients for each of `ALPHAS`.
    """
    import mne
    from mne.decoding import TimeDelayingRidge
    from scipy.linalg import cho_factor, cho_solve

    power = max(TINY, float(np.square(eeg).sum() / eeg.shape[1]))  # power of a channel; all its lags have the same
    first, last = (
        frames.seconds(-int(lag)) for lag in (lags[-1], lags[0])
    )  # MNE counts delays in the opposite direction
    regression = TimeDelayingRidge(
        first, last, frames.hz, reg_type="ridge", alpha=ALPHAS[0] * power, fit_intercept=False, n_jobs=1
    )
    with mne.use_log_level("ERROR"):
        regression.fit(eeg, audio)
    # MNE solves for one alpha; its covariances, which take longest to compute, serve for the other alphas too
    coefficients = regression.coef_.reshape(audio.shape[1], -1).T
    right = regression.cov_ @ coefficients + ALPHAS[0] * power * coefficients
    solutions = {}
    for alpha in ALPHAS:
        solved = cho_solve(cho_factor(regression.cov_ + alpha * power * np.eye(len(right))), right)
        solutions[alpha] = solved.T.reshape(regression.coef_.shape)[:, :, ::-1].astype(np.float32)
    return solutions

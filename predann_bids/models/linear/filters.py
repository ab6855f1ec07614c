"""Banks of linear filters for EEG and for audio features, solved for in closed form.

Canonical correlation analysis finds pairs of filters, one for lagged EEG and one for lagged audio features, whose
outputs are as correlated as possible (de Cheveigné et al. 2018, https://doi.org/10.1016/j.neuroimage.2018.01.033).
Ridge regression finds the filters of the EEG whose outputs are as near as possible to given features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from predann_bids.arrays import Doubles, Singles
from predann_bids.models.linear.covariances import Covariances

TINY = 1e-12


@dataclass(frozen=True)
class FilterBanks:
    """Filters that bring EEG and audio to the same components.

    Parameters
    ----------
    eeg : ndarray, shape (D, C, L)
        Weights of channels and lags for each component.
    first_lag : int
        First lag in frames: component t is a weighted sum of the EEG frames t + lag.
    audio : ndarray, shape (D, F, M)
        Weights of features and lags for each component; M is odd, and the middle lag is zero.
    rank : int
        Of banks that do equally well, those of the lowest rank are taken.
    """

    eeg: Singles
    first_lag: int
    audio: Singles
    rank: int = 0

    def first(self, components: int) -> FilterBanks:
        """Keep the first components."""
        return replace(self, eeg=self.eeg[:components], audio=self.audio[:components])

    def last(self, components: int) -> FilterBanks:
        """Keep the last components."""
        return replace(self, eeg=self.eeg[-components:], audio=self.audio[-components:])

    def balanced(self, components: int) -> FilterBanks:
        """Give the last components the same power as all others have together, if each has the same power now."""
        gains = np.ones(len(self.eeg), np.float32)
        gains[-components:] = ((len(gains) - components) / components) ** 0.5
        return replace(self, eeg=self.eeg * gains[:, None, None], audio=self.audio * gains[:, None, None])

    def ranked(self, rank: int) -> FilterBanks:
        """Set the rank."""
        return replace(self, rank=rank)

    def scaled(self, of_eeg: float, of_audio: float) -> FilterBanks:
        """Multiply the outputs of both banks."""
        return replace(self, eeg=self.eeg * np.float32(of_eeg), audio=self.audio * np.float32(of_audio))

    def filter_eeg(self, eeg: Tensor) -> Tensor:
        """Filter windows (n, C, T), taken as zero beyond their ends: (n, D, T)."""
        return filter_eeg(eeg, torch.from_numpy(self.eeg).to(eeg), self.first_lag)

    def filter_audio(self, features: Tensor) -> Tensor:
        """Filter features (n, F, T): (n, D, T)."""
        return filter_audio(features, torch.from_numpy(self.audio).to(features))


def filter_eeg(eeg: Tensor, weights: Tensor, first_lag: int) -> Tensor:
    """Sum EEG (n, C, T) over channels and lags, with weights (D, C, L): (n, D, T)."""
    last_lag = first_lag + weights.shape[2] - 1
    return F.conv1d(F.pad(eeg, (-first_lag, last_lag)), weights)  # negative padding crops


def filter_audio(features: Tensor, weights: Tensor) -> Tensor:
    """Sum audio features (n, F, T) over features and lags, with weights (D, F, M): (n, D, T)."""
    return F.conv1d(features, weights, padding=weights.shape[2] // 2)


def ridge_filters(covariances: Covariances, alphas: Sequence[float]) -> Iterator[FilterBanks]:
    """Solve for the filters of the EEG that reconstruct each audio feature, scaled to its reconstruction's variance.

    Parameters
    ----------
    covariances : Covariances
        With a reach of zero, or more, which is ignored.
    alphas : sequence of float
        Regularisations, in units of the mean power of a lagged channel.

    Yields
    ------
    FilterBanks
        For each regularisation; one component for each feature. Features and their reconstructions have variance 1 in
        the training data.
    """
    from scipy.linalg import cho_factor, cho_solve

    of_eeg, crossed, of_audio = covariances.matrices()
    reach, n_features = covariances.lags.reach, covariances.audio.shape[1]
    now = slice(reach * n_features, (reach + 1) * n_features)
    of_features = np.diag(1 / np.sqrt(np.maximum(np.diag(of_audio)[now], TINY)))[:, :, None].astype(np.float32)
    for alpha in alphas:
        weights = cho_solve(cho_factor(_regularised(of_eeg, alpha)), crossed[:, now])
        weights /= np.sqrt(np.maximum(np.sum(weights * (of_eeg @ weights), axis=0), TINY))
        yield FilterBanks(_laid_out(weights, covariances.lags.number), covariances.lags.first, of_features)


def canonical_filters(
    covariances: Covariances, eeg_alphas: Sequence[float], audio_alphas: Sequence[float], components: int
) -> Iterator[FilterBanks]:
    """Solve for the pairs of filters whose outputs are most correlated, each weighted by its correlation.

    Parameters
    ----------
    covariances : Covariances
        Of EEG and audio features.
    eeg_alphas, audio_alphas : sequence of float
        Regularisations of the EEG and of the audio, in units of the mean power of a lagged channel or feature.
    components : int
        Number of pairs.

    Yields
    ------
    FilterBanks
        For each pair of regularisations.
    """
    from scipy.linalg import cholesky, eigh, solve_triangular

    of_eeg, crossed, of_audio = covariances.matrices()
    scale = np.sqrt(np.maximum(np.diag(of_audio), TINY))  # features have different units
    of_audio, crossed, lags = of_audio / np.outer(scale, scale), crossed / scale, covariances.lags
    audio_roots = [cholesky(_regularised(of_audio, alpha), lower=True) for alpha in audio_alphas]
    for alpha in eeg_alphas:
        eeg_root = cholesky(_regularised(of_eeg, alpha), lower=True)
        half = solve_triangular(eeg_root, crossed, lower=True)
        for audio_root in audio_roots:
            whole = solve_triangular(audio_root, half.T, lower=True).T
            # the singular vectors of `whole`, by way of its small side
            last = whole.shape[1] - 1
            wanted = (max(0, last - components + 1), last)
            squares, right = (part[..., ::-1] for part in eigh(whole.T @ whole, subset_by_index=wanted))
            correlations = np.sqrt(squares.clip(min=0))
            eeg = solve_triangular(eeg_root, whole @ right, lower=True, trans="T")
            audio = solve_triangular(audio_root, right * correlations, lower=True, trans="T")
            yield FilterBanks(
                _laid_out(eeg, lags.number), lags.first, _laid_out(audio / scale[:, None], 2 * lags.reach + 1)
            )


def _regularised(covariance: Doubles, alpha: float) -> Doubles:
    regularised: Doubles = covariance + max(TINY, alpha * float(np.diag(covariance).mean())) * np.eye(len(covariance))
    return regularised


def _laid_out(weights: Doubles, n_lags: int) -> Singles:
    """Arrange weights (lags * channels, D) as (D, channels, lags)."""
    return np.ascontiguousarray(weights.T.reshape(weights.shape[1], n_lags, -1).transpose(0, 2, 1), dtype=np.float32)

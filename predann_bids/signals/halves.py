"""EEG and audio features at half the rate: averages over pairs of neighbouring samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

HALVING = 2  # samples that are averaged


class Halved(NamedTuple):
    """Windows of EEG at half the rate.

    Parameters
    ----------
    values : Tensor, shape (B, C, T // 2)
        Fastest where the channels of a moment lie side by side in memory.
    """

    values: Tensor

    @classmethod
    def of(cls, eeg: Tensor) -> Halved:
        """Halve windows (B, C, T)."""
        return cls(halve(eeg))


class HalvedFeatures(NamedTuple):
    """Audio features at half the rate, and their statistics at the full rate, over all windows.

    Parameters
    ----------
    values : Tensor, shape (B, M, T // 2)
        Fastest where the bands of a moment lie side by side in memory.
    mean, variance : Tensor, shape (M,)
        Mean and variance of each band.
    number : int
        Number of frames in all windows.
    """

    values: Tensor
    mean: Tensor
    variance: Tensor
    number: int

    @classmethod
    def of(cls, features: Tensor) -> HalvedFeatures:
        """Halve features (B, M, T), and measure them."""
        # window by window, and these together: much faster than over both dimensions at once
        variances, means = torch.var_mean(features, dim=2, correction=0)
        spread, mean = torch.var_mean(means, dim=0, correction=0)
        return cls(halve(features), mean, variances.mean(dim=0) + spread, features.shape[0] * features.shape[2])

    def split(self, bands: Sequence[int]) -> list[HalvedFeatures]:
        """Divide the features, so many into each part."""
        sizes = list(bands)
        values = torch.split(self.values, sizes, dim=1)
        pairs = zip(values, torch.split(self.mean, sizes), torch.split(self.variance, sizes), strict=True)
        return [HalvedFeatures(*part, self.number) for part in pairs]


def halve(x: Tensor) -> Tensor:
    """Average pairs of neighbouring samples: (B, C, T) -> (B, C, T // 2)."""
    end = x.shape[2] // HALVING * HALVING
    return (x[:, :, 0:end:HALVING] + x[:, :, 1:end:HALVING]) / HALVING  # eight times as fast as avg_pool1d

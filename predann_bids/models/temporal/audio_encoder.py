"""The audio network, which computes the representation that the EEG network predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from predann_bids.models.temporal.layers import TemporalEncoder, as_map, halve

DILATIONS = (1, 2, 4)


class Halved(NamedTuple):
    """Features at half the rate, a map (B, M, 1, T // 2); and their mean and variance (M,) and number at the full rate.

    They depend on no weight, so that those of whole songs need to be computed only once.
    """

    features: Tensor
    mean: Tensor
    variance: Tensor
    number: int

    @classmethod
    def of(cls, features: Tensor) -> Halved:
        """Halve features (B, M, T), and measure them."""
        # window by window, and these together: much faster than over both dimensions at once
        variances, means = torch.var_mean(features, dim=2, correction=0)
        spread, mean = torch.var_mean(means, dim=0, correction=0)
        number = features.shape[0] * features.shape[2]
        return cls(as_map(halve(features)), mean, variances.mean(dim=0) + spread, number)

    def split(self, bands: Sequence[int]) -> list[Halved]:
        """Divide the features, so many into each part."""
        sizes, (features, mean, variance, number) = list(bands), self
        parts = zip(
            torch.split(features, sizes, dim=1), torch.split(mean, sizes), torch.split(variance, sizes), strict=True
        )
        return [Halved(*part, number) for part in parts]


class AudioEncoder(nn.Module):
    """Encode audio features (B, M, T) as a representation (B, D, T // 2).

    Parameters
    ----------
    n_bands : int
        Bands M of the audio features.
    width : int
        Channels inside.
    dimensions : int
        Channels D of the representation.
    """

    def __init__(self, n_bands: int, *, width: int, dimensions: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(n_bands)
        self.encoder = TemporalEncoder(n_bands, width, dimensions, DILATIONS)

    def forward(self, features: Tensor) -> Tensor:
        """Encode features, after each band has been standardised."""
        return self.encode(Halved.of(features))

    def encode(self, halved: Halved) -> Tensor:
        """Encode halved features: (B, D, T // 2).

        They are standardised by the weights of the first layer, which is linear, instead of one by one.
        """
        norm: Any = self.norm
        mix = self.encoder.mix
        if self.training:
            _follow(norm, halved)
            mean, variance = halved.mean, halved.variance
        else:
            mean, variance = norm.running_mean, norm.running_var
        scale = norm.weight * torch.rsqrt(variance + norm.eps)
        weight, shift = mix.weight[:, :, 0], norm.bias - mean * scale
        assert mix.bias is not None
        mixed = mix.with_weights(halved.features, weight * scale, mix.bias + weight @ shift)
        return self.encoder.after_mixing(mixed)


class AudioEncoders(nn.Module):
    """Encode the features of several teachers, each with a network of its own, side by side: (B, K * D, T // 2).

    Parameters
    ----------
    bands : sequence of int
        Bands of each of the K teachers, which follow each other in the features.
    width : int
        Channels inside.
    dimensions : int
        Channels D of the representation of each teacher.
    """

    def __init__(self, bands: Sequence[int], *, width: int, dimensions: int) -> None:
        super().__init__()
        self.bands = tuple(bands)
        self.of_teachers = nn.ModuleList(AudioEncoder(n, width=width, dimensions=dimensions) for n in bands)

    def forward(self, features: Tensor) -> Tensor:
        """Encode features (B, all bands, T), after each band has been standardised."""
        return self.encode(Halved.of(features))

    def encode(self, halved: Halved) -> Tensor:
        """Encode halved features: (B, K * D, T // 2)."""
        pairs: Any = zip(self.of_teachers, halved.split(self.bands), strict=True)
        return torch.cat([encoder.encode(part) for encoder, part in pairs], dim=1)


@torch.no_grad()
def _follow(norm: Any, measured: Halved) -> None:
    """Update a norm's running statistics with those of a batch, as PyTorch does."""
    norm.num_batches_tracked += 1
    norm.running_mean.lerp_(measured.mean, norm.momentum)
    norm.running_var.lerp_(measured.variance * (measured.number / max(1, measured.number - 1)), norm.momentum)

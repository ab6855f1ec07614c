"""The audio network, which computes the representation that the EEG network predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from predann_bids.models.temporal.layers import TemporalEncoder, as_map
from predann_bids.signals.halves import HalvedFeatures

DILATIONS = (1, 2, 4)


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

    def forward(self, features: Tensor | HalvedFeatures) -> Tensor:
        """Encode features, at the full rate or halved, after each band has been standardised: (B, D, T // 2).

        They are standardised by the weights of the first layer, which is linear, instead of one by one.
        """
        halved = features if isinstance(features, HalvedFeatures) else HalvedFeatures.of(features)
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
        mixed = mix.with_weights(as_map(halved.values), weight * scale, mix.bias + weight @ shift)
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

    def forward(self, features: Tensor | HalvedFeatures) -> Tensor:
        """Encode features of all bands, at the full rate or halved, after each has been standardised."""
        halved = features if isinstance(features, HalvedFeatures) else HalvedFeatures.of(features)
        pairs: Any = zip(self.of_teachers, halved.split(self.bands), strict=True)
        return torch.cat([encoder(part) for encoder, part in pairs], dim=1)


@torch.no_grad()
def _follow(norm: Any, measured: HalvedFeatures) -> None:
    """Update a norm's running statistics with those of a batch, as PyTorch does."""
    norm.num_batches_tracked += 1
    norm.running_mean.lerp_(measured.mean, norm.momentum)
    norm.running_var.lerp_(measured.variance * (measured.number / max(1, measured.number - 1)), norm.momentum)

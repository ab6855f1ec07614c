"""Temporal convolutions and other layers for multichannel time series."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from predann_bids.signals.halves import halve


class Convolution(nn.Conv1d):
    """A convolution over time of `as_map`: (B, C, 1, T) -> (B, H, 1, T); its weights are those of `Conv1d`.

    On processors, PyTorch computes it and its gradients two to three times as fast as on (B, C, T).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, with zeros beyond both ends."""
        padding, dilation = int(self.padding[0]), self.dilation[0]
        return F.conv2d(x, self.weight[:, :, None], self.bias, padding=(0, padding), dilation=(1, dilation))

    @staticmethod
    def with_weights(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Mix the channels of each moment with other weights (H, C) and biases (H,)."""
        return F.conv2d(x, weight[:, :, None, None], bias)


class Normalisation(nn.BatchNorm1d):
    """Batch normalisation of `as_map`, (B, C, 1, T)."""

    def _check_input_dim(self, x: Tensor) -> None:
        if x.dim() != 4:
            raise ValueError(f"expected a tensor (B, C, 1, T), found {x.dim()} dimensions")


class ResidualBlock(nn.Module):
    """Compute x + GELU(batch norm(dilated convolution of x)): (B, H, 1, T) -> (B, H, 1, T).

    Parameters
    ----------
    width : int
        Channels H.
    dilation : int
        Dilation of the convolution, in frames.
    """

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.convolution = Convolution(width, width, kernel_size=3, padding=dilation, dilation=dilation)
        self.norm = Normalisation(width)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        return x + F.gelu(self.norm(self.convolution(x)))


class TemporalEncoder(nn.Module):
    """Encode a multichannel time series as a representation with a time axis, at half the rate.

    Parameters
    ----------
    n_inputs : int
        Channels of the input, such as mel bands.
    width : int
        Channels inside.
    n_outputs : int
        Channels D of the representation.
    dilations : sequence of int
        One residual block for each; the receptive field is ``1 + 2 * sum(dilations)`` frames.
    """

    def __init__(self, n_inputs: int, width: int, n_outputs: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.mix = Convolution(n_inputs, width, kernel_size=1)
        self.blocks = nn.Sequential(*(ResidualBlock(width, dilation) for dilation in dilations))
        self.out = Convolution(width, n_outputs, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Encode a time series.

        Parameters
        ----------
        x : Tensor, shape (B, n_inputs, T)

        Returns
        -------
        Tensor, shape (B, D, T // 2)
        """
        return self.after_mixing(self.mix(as_map(halve(x))))

    def after_mixing(self, mixed: Tensor) -> Tensor:
        """Encode a map (B, width, 1, T) of mixed inputs: (B, D, T)."""
        return centre(self.out(self.blocks(mixed))[:, :, 0])


def as_map(x: Tensor) -> Tensor:
    """Lay out (B, C, T) as (B, C, 1, T) with the channels of a moment side by side in memory."""
    return x[:, :, None].contiguous(memory_format=torch.channels_last)


def centre(z: Tensor) -> Tensor:
    """Subtract the mean over time of each channel, so that similarities compare time courses, not levels."""
    return z - z.mean(dim=2, keepdim=True)


def middle(z: Tensor, frames: int) -> Tensor:
    """Cut the middle frames from a representation that was computed with context: (B, D, T) -> (B, D, frames)."""
    first = (z.shape[2] - frames) // 2
    return centre(z[:, :, first : first + frames])


def log_power(z: Tensor) -> Tensor:
    """Compute the log of the mean square over time: (B, D, T) -> (B, D)."""
    return torch.log(z.square().mean(dim=2) + 1e-4)

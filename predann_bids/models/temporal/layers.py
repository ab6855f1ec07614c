"""Temporal convolutions and other layers for multichannel time series."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HALVING = 2  # input samples per frame of a representation


class ResidualBlock(nn.Module):
    """Compute x + GELU(batch norm(dilated convolution of x)): (B, H, T) -> (B, H, T).

    Parameters
    ----------
    width : int
        Channels H.
    dilation : int
        Dilation of the convolution, in frames.
    """

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, kernel_size=3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm1d(width)

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
        self.mix = nn.Conv1d(n_inputs, width, kernel_size=1)
        self.blocks = nn.Sequential(*(ResidualBlock(width, dilation) for dilation in dilations))
        self.out = nn.Conv1d(width, n_outputs, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Encode a time series.

        Parameters
        ----------
        x : Tensor, shape (B, n_inputs, T)

        Returns
        -------
        Tensor, shape (B, D, T // 2)
        """
        return centre(self.out(self.blocks(self.mix(halve(x)))))


def halve(x: Tensor) -> Tensor:
    """Average pairs of neighbouring samples: (B, C, T) -> (B, C, T // 2)."""
    return F.avg_pool1d(x, HALVING)


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

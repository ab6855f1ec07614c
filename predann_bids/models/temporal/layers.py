"""Temporal convolutions over series of many channels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HALVING = 2  # frames of a representation per sample of its input: one for two


class ResidualBlock(nn.Module):
    """x + GELU(batch norm(dilated convolution of x)), length kept; (B, H, T) -> (B, H, T)."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, kernel_size=3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the block finds to its input."""
        return x + F.gelu(self.norm(self.convolution(x)))


class TemporalEncoder(nn.Module):
    """A series of many channels becomes a representation that keeps its time axis, at half the rate.

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
        """Encode.

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
    """Give each channel mean zero over time, so that similarities compare courses, not levels."""
    return z - z.mean(dim=2, keepdim=True)


def middle(z: Tensor, frames: int) -> Tensor:
    """Keep the frames in the middle, where a representation was made with context: (B, D, T) -> (B, D, frames)."""
    first = (z.shape[2] - frames) // 2
    return centre(z[:, :, first : first + frames])


def log_power(z: Tensor) -> Tensor:
    """Log of the mean square over time: (B, D, T) -> (B, D)."""
    return torch.log(z.square().mean(dim=2) + 1e-4)

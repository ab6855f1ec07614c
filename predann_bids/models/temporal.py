"""Dilated temporal convolutions: the form that both encoders of preset `default` share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HALVING = 2  # frames of a representation per sample of its input: one for two


class ResidualBlock(nn.Module):
    """x + dropout(GELU(batch norm(dilated convolution of x))), length kept; (B, H, T) -> (B, H, T)."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, kernel_size=3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the block finds to its input."""
        changed: Tensor = self.dropout(F.gelu(self.norm(self.convolution(x))))
        return x + changed


class TemporalEncoder(nn.Module):
    """A series of many channels becomes a representation that keeps its time axis, at half the rate.

    Parameters
    ----------
    n_inputs : int
        Channels of the input: electrodes, or mel bands.
    width : int
        Channels inside.
    n_outputs : int
        Channels D of the representation.
    dilations : sequence of int
        One residual block for each; the receptive field is ``1 + 2 * sum(dilations)`` frames.
    dropout : float
        Share of channels that a block leaves out in training.
    """

    def __init__(self, n_inputs: int, width: int, n_outputs: int, dilations: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.mix = nn.Conv1d(n_inputs, width, kernel_size=1)
        self.blocks = nn.Sequential(*(ResidualBlock(width, dilation, dropout) for dilation in dilations))
        self.out = nn.Conv1d(width, n_outputs, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Encode.

        Parameters
        ----------
        x : Tensor, shape (B, n_inputs, T)

        Returns
        -------
        Tensor, shape (B, D, T // 2)
            Each channel has mean zero over time, so that similarities compare courses, not levels.
        """
        z = self.out(self.blocks(self.mix(halve(x))))
        centred: Tensor = z - z.mean(dim=2, keepdim=True)
        return centred


def halve(x: Tensor) -> Tensor:
    """Average pairs of neighbouring samples: (B, C, T) -> (B, C, T // 2)."""
    return F.avg_pool1d(x, HALVING)


def log_power(z: Tensor) -> Tensor:
    """Log of the mean square over time: (B, D, T) -> (B, D)."""
    return torch.log(z.square().mean(dim=2) + 1e-4)

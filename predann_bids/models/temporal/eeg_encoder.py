"""The EEG network, which predicts the representation of the audio network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from predann_bids.models.temporal.layers import Convolution, as_map, centre
from predann_bids.signals.halves import Halved

KERNEL = 25  # frames of 16 ms: 0.4 s, long enough for the responses to music (50 to 300 ms) around the delay


class LinearEegEncoder(nn.Module):
    """Encode EEG (B, C, T) as a representation (B, D, T // 2), by spatial filters followed by temporal filters.

    There is no nonlinearity. On held-out participants it recognises music at least as well as dilated residual networks
    (see docs/results.md), with fewer weights that can overfit the training participants. The audio network models what
    is nonlinear in hearing.

    Parameters
    ----------
    n_channels : int
        EEG channels C.
    width : int
        Number of spatial filters.
    dimensions : int
        Channels D of the representation.
    dropout : float
        Share of EEG channels dropped in training, so that no single electrode becomes decisive.
    """

    def __init__(self, n_channels: int, *, width: int, dimensions: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout1d(dropout)
        self.spatial = Convolution(n_channels, width, kernel_size=1, bias=False)
        self.temporal = Convolution(width, dimensions, KERNEL, padding=KERNEL // 2, bias=False)

    def forward(self, eeg: Tensor | Halved) -> Tensor:
        """Predict the representation from scaled EEG, at the full rate or halved."""
        values = (eeg if isinstance(eeg, Halved) else Halved.of(eeg)).values
        # channels of a moment side by side, as the convolution takes them
        sources = torch.bmm(values.transpose(1, 2), self._filters(values).transpose(1, 2)).transpose(1, 2)
        return centre(self.temporal(as_map(sources))[:, :, 0])

    def _filters(self, eeg: Tensor) -> Tensor:
        """Return the spatial filters of each window (B, width, C); in training without dropped channels."""
        weights = self.spatial.weight[:, :, 0].expand(len(eeg), -1, -1)
        if not self.training or self.dropout.p == 0:
            return weights
        kept: Tensor = weights * self.dropout(eeg.new_ones(*eeg.shape[:2], 1)).transpose(1, 2)
        return kept

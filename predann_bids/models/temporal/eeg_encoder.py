"""EEG becomes a prediction of the audio network's representation."""

from __future__ import annotations

from torch import Tensor, nn

from predann_bids.models.temporal.layers import centre, halve

KERNEL = 25  # frames of 16 ms: 0.4 s, which holds the responses to music (50 to 300 ms) around the delay


class LinearEegEncoder(nn.Module):
    """Spatial filters, then temporal filters: EEG (B, C, T) becomes a representation (B, D, T // 2).

    It has no nonlinearity. On held-out participants it recognises music at least as well as dilated residual networks
    (see docs/results.md), with fewer weights to fit to the participants it was trained on. What is nonlinear in hearing
    is the audio network's part.

    Parameters
    ----------
    n_channels : int
        EEG channels C.
    width : int
        Number of spatial filters.
    dimensions : int
        Channels D of the representation.
    dropout : float
        Share of EEG channels left out in training, so that no single electrode decides.
    """

    def __init__(self, n_channels: int, *, width: int, dimensions: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout1d(dropout)
        self.spatial = nn.Conv1d(n_channels, width, kernel_size=1, bias=False)
        self.temporal = nn.Conv1d(width, dimensions, KERNEL, padding=KERNEL // 2, bias=False)

    def forward(self, eeg: Tensor) -> Tensor:
        """Predict the representation from scaled EEG."""
        return centre(self.temporal(self.spatial(self.dropout(halve(eeg)))))

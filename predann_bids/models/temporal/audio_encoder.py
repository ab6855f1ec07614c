"""The audio network, which computes the representation that the EEG network predicts."""

from __future__ import annotations

from torch import Tensor, nn

from predann_bids.models.temporal.layers import TemporalEncoder

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

    def forward(self, features: Tensor) -> Tensor:
        """Encode features, after each band has been standardised."""
        encoded: Tensor = self.encoder(self.norm(features))
        return encoded

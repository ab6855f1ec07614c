"""Audio features become the representation that the EEG network predicts."""

from __future__ import annotations

from torch import Tensor, nn

from predann_bids.models.temporal.layers import TemporalEncoder

DILATIONS = (1, 2, 4)


class AudioEncoder(nn.Module):
    """Audio features (B, M, T) become a representation (B, D, T // 2)."""

    def __init__(self, n_bands: int, *, width: int, dimensions: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(n_bands)
        self.encoder = TemporalEncoder(n_bands, width, dimensions, DILATIONS)

    def forward(self, features: Tensor) -> Tensor:
        """Encode features of any loudness: each band is brought to one scale first."""
        encoded: Tensor = self.encoder(self.norm(features))
        return encoded

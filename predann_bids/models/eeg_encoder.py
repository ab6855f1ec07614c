"""EEG becomes a prediction of the audio network's representation."""

from __future__ import annotations

from predann_bids.models.temporal import TemporalEncoder

# 31 frames of 16 ms: half a second, which holds the responses to music (50 to 300 ms) on both sides of the delay
DILATIONS = (1, 2, 4, 8)


def eeg_encoder(n_channels: int, *, width: int, dimensions: int, dropout: float) -> TemporalEncoder:
    """Make the EEG encoder of preset `default`: (B, C, T) -> (B, D, T // 2).

    Parameters
    ----------
    n_channels : int
        EEG channels C.
    width, dimensions : int
        Channels inside, and of the representation.
    dropout : float
        Share of inner channels left out in training.
    """
    return TemporalEncoder(n_channels, width, dimensions, DILATIONS, dropout)

"""The waveform itself, at the sampling rate of the published networks."""

from __future__ import annotations

from torch import Tensor

from predann_bids.models.audio.features import FEATURES, AudioFeatures

AUDIO_RATE = 44_100


@FEATURES.add("waveform")
class Waveform(AudioFeatures):
    """Mono sound at 44.1 kHz, unchanged."""

    in_frames = False
    audio_rate = AUDIO_RATE
    bands = 1

    def __init__(self, rate_hz: float) -> None:
        super().__init__(rate_hz)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return waveforms (B, samples) as they are."""
        return waveforms

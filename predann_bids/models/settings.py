"""The settings from which a decoder is built before its weights are loaded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

from predann_bids.signals.scaling import SHRINKAGE


@dataclass(frozen=True)
class Settings:
    """Settings of all decoders: plain values only, so that a checkpoint can be read without executing anything.

    Parameters
    ----------
    channels : tuple of str
        EEG channels, in their order.
    songs : tuple of str
        Names of the stimuli, the classes.
    rate_hz : float
        Sampling rate of the EEG.
    delay_s, window_s : float
        Delay of the EEG after the audio, and length of a window.
    features : str
        Registered name of the audio features.
    shrinkage : float, optional
        Shrinkage with which the EEG of each recording is whitened; see `signals.scaling.whitening`. With None, its
        channels are only standardised.
    """

    channels: tuple[str, ...]
    songs: tuple[str, ...]
    rate_hz: float = 125.0
    delay_s: float = 0.2
    window_s: float = 3.0
    features: str = "log-mel"
    shrinkage: float | None = SHRINKAGE

    def plain(self) -> dict[str, Any]:
        """Return the settings as numbers, text and lists, which a checkpoint may hold."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Self:
        """Restore settings from the values that `plain` returned."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
        return cls(**values)

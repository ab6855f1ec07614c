"""Settings of a simulated dataset, in a light module: a help text must not wait for MNE."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

# marks a field that says nothing of itself while it has its default, so that datasets made before it keep their bytes
ADDED = {"added": True}
BACKGROUNDS = ("stationary", "realistic")


@dataclass(frozen=True)
class Simulation:
    """What to simulate.

    Parameters
    ----------
    participants, songs : int
        Number of each; every participant hears all songs, in random order.
    seconds : float
        Length of every song.
    repetitions : int
        How often each participant hears each song, all within one recording.
    channels : int
        Electrodes, 4 to 128.
    sampling_rate : float
        Of the EEG, in Hz.
    snr : float
        Power of the response to the music over power of everything else, from 1 to 30 Hz; with 0 there is no response
        and everything else is the same.
    seed : int
        Seed of everything random.
    background : {'stationary', 'realistic'}
        What the EEG is without a response.

    Raises
    ------
    ValueError
        A number is out of bounds, or the background is unknown.
    """

    participants: int = 8
    songs: int = 4
    seconds: float = 60.0
    repetitions: int = 1
    channels: int = 32
    sampling_rate: float = 250.0
    snr: float = 0.02
    seed: int = 0
    background: str = field(default="stationary", metadata=ADDED)

    def __post_init__(self) -> None:
        _require("participants", self.participants, 1, 999)
        _require("songs", self.songs, 1, 99)
        _require("seconds", self.seconds, 2, 3600)
        _require("repetitions", self.repetitions, 1, 100)
        _require("channels", self.channels, 4, 128)
        _require("sampling_rate", self.sampling_rate, 80, 5000)
        _require("snr", self.snr, 0, 1000)
        _require("seed", self.seed, 0, 2**63 - 1)
        if self.background not in BACKGROUNDS:
            raise ValueError(f"background is {self.background}; it must be one of {', '.join(BACKGROUNDS)}")

    def described(self) -> dict[str, Any]:
        """Return the settings that describe a dataset."""
        return {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if one.metadata != ADDED or getattr(self, one.name) != one.default
        }


def _require(name: str, value: float, lowest: float, highest: float) -> None:
    """Refuse a number out of bounds, NaN included."""
    if not lowest <= value <= highest:
        raise ValueError(f"{name} is {value}; it must be between {lowest} and {highest}")

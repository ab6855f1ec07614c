"""Settings of a simulated dataset, in a light module: a help text must not wait for MNE."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    participants: int = 8
    songs: int = 4
    seconds: float = 60.0
    repetitions: int = 1
    channels: int = 32
    sampling_rate: float = 250.0
    snr: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        _require("participants", self.participants, 1, 999)
        _require("songs", self.songs, 1, 99)
        _require("seconds", self.seconds, 2, 3600)
        _require("repetitions", self.repetitions, 1, 100)
        _require("channels", self.channels, 4, 128)
        _require("sampling_rate", self.sampling_rate, 80, 5000)
        _require("snr", self.snr, 0, 1000)
        _require("seed", self.seed, 0, 2**63 - 1)


def _require(name: str, value: float, lowest: float, highest: float) -> None:
    """Refuse a number out of bounds, NaN included."""
    if not lowest <= value <= highest:
        raise ValueError(f"{name} is {value}; it must be between {lowest} and {highest}")

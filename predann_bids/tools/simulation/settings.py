"""What can be asked of a simulated dataset; light, so that a help text need not wait for MNE."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Simulation:
    """What to simulate.

    Parameters
    ----------
    participants, songs : int
        How many of each; all participants hear all songs, in an order of their own.
    seconds : float
        Length of every song.
    repetitions : int
        How often each participant hears each song, all within one recording.
    channels : int
        Electrodes, 4 to 128.
    sampling_rate : float
        Of the EEG, in Hz.
    snr : float
        Power of the response to the music over power of everything else, from 1 to 30 Hz; with 0 the EEG holds no
        music at all and is otherwise the same.
    seed : int
        Same simulation, same bytes.
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


def _require(name: str, found: float, lowest: float, highest: float) -> None:
    """Refuse a number out of bounds; written so that NaN is out of bounds too."""
    if not lowest <= found <= highest:
        raise ValueError(f"{name} is {found}; it must be between {lowest} and {highest}")

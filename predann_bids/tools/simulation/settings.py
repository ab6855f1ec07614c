"""Settings of a simulated dataset, in a light module: a help text must not wait for MNE."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

# marks a field that says nothing of itself while it has its default, so that datasets made before it keep their bytes
ADDED = {"added": True}
DEFAULT_SNR = 0.02
BACKGROUNDS = ("stationary", "realistic")
FEWEST_TO_CALIBRATE = 3  # participants: one to test, one to choose the penalty, one to train
WINDOW_S = 3.0  # in which the correlation is measured


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
    snr : float, optional
        Power of the response to the music over power of everything else, from 1 to 30 Hz; with 0 there is no response
        and everything else is the same. By default 0.02, or what gives `response_r`.
    seed : int
        Seed of everything random.
    response_r : float, optional
        Strength of the response, instead of `snr`: the correlation that `strength.cross_validated` measures.
    background : {'stationary', 'realistic'}
        What the EEG is without a response.

    Raises
    ------
    ValueError
        A number is out of bounds, or both `snr` and `response_r` are given.
    """

    participants: int = 8
    songs: int = 4
    seconds: float = 60.0
    repetitions: int = 1
    channels: int = 32
    sampling_rate: float = 250.0
    snr: float | None = None
    seed: int = 0
    response_r: float | None = field(default=None, metadata=ADDED)
    background: str = field(default="stationary", metadata=ADDED)

    def __post_init__(self) -> None:
        _require("participants", self.participants, 1, 999)
        _require("songs", self.songs, 1, 99)
        _require("seconds", self.seconds, 2, 3600)
        _require("repetitions", self.repetitions, 1, 100)
        _require("channels", self.channels, 4, 128)
        _require("sampling_rate", self.sampling_rate, 80, 5000)
        _require("seed", self.seed, 0, 2**63 - 1)
        if self.background not in BACKGROUNDS:
            raise ValueError(f"background is {self.background}; it must be one of {', '.join(BACKGROUNDS)}")
        if self.snr is not None:
            _require("snr", self.snr, 0, 1000)
        if self.response_r is not None:
            self._require_what_calibration_needs(self.response_r)

    def _require_what_calibration_needs(self, response_r: float) -> None:
        if self.snr is not None:
            raise ValueError(
                f"snr is {self.snr} and response_r is {response_r}, but each of them says how strong the response is;"
                " give one of them"
            )
        _require("response_r", response_r, 0.001, 0.9)
        if self.participants < FEWEST_TO_CALIBRATE or self.seconds < WINDOW_S:
            raise ValueError(
                f"response_r is measured on people held out, in windows of {WINDOW_S:g} s; it takes at"
                f" least {FEWEST_TO_CALIBRATE} participants, not {self.participants}, and songs of"
                f" {WINDOW_S:g} s, not {self.seconds:g}"
            )

    @property
    def fixed_snr(self) -> float:
        """The signal-to-noise ratio, where it is not to be found out."""
        return DEFAULT_SNR if self.snr is None else self.snr

    def described(self, snr: float) -> dict[str, Any]:
        """Return the settings that describe a dataset which got a signal-to-noise ratio."""
        return {
            one.name: snr if one.name == "snr" else getattr(self, one.name)
            for one in fields(self)
            if one.metadata != ADDED or getattr(self, one.name) != one.default
        }


def _require(name: str, value: float, lowest: float, highest: float) -> None:
    """Refuse a number out of bounds, NaN included."""
    if not lowest <= value <= highest:
        raise ValueError(f"{name} is {value}; it must be between {lowest} and {highest}")

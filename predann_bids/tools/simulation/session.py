"""What a simulated participant is recorded with, and what is played meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from predann_bids.arrays import Doubles
from predann_bids.timing import Rate, Span


@dataclass(frozen=True)
class Playback:
    """One song played once: its number, and the EEG samples during which it plays."""

    song: int
    span: Span


@dataclass(frozen=True)
class Session:
    """One recording session.

    Parameters
    ----------
    electrodes : numpy.ndarray, shape (C, 3)
        Positions on the unit sphere; x right, y front, z up.
    rate : Rate
        Of the EEG.
    n_samples : int
        Length of the recording.
    playbacks : tuple of Playback
        What is played when.
    """

    electrodes: Doubles
    rate: Rate
    n_samples: int
    playbacks: tuple[Playback, ...] = ()

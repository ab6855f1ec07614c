"""EEG of a simulated listener: a response to the music, and everything else that electrodes pick up.

All potentials are in microvolts. Every part of the recording has its own random generator, so that changing the
strength of the response changes no other part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.tools.simulation.background.artefacts import artefacts
from predann_bids.tools.simulation.background.realistic import brain, seen_through_skull
from predann_bids.tools.simulation.background.stationary import everything_else
from predann_bids.tools.simulation.response import draw_listener, playing_power, response, response_gain
from predann_bids.tools.simulation.session import Session

PARTS = (
    *("listener", "background", "sensors", "alpha", "blinks", "drift", "line", "signatures"),
    *("cap", "skin", "muscles", "pops", "motion"),
)


@dataclass(frozen=True)
class Parts:
    """What a recording is the sum of.

    Parameters
    ----------
    rest : numpy.ndarray, shape (C, n_samples)
        Everything but the response to the music, in microvolts.
    music : numpy.ndarray, shape (C, n_samples)
        The response, at a scale of its own.
    power : float
        Of what the signal-to-noise ratio refers to, while music plays: see `playing_power`.
    """

    rest: Doubles
    music: Doubles
    power: float

    def music_gain(self, session: Session, snr: float) -> float:
        """Return the gain that brings the response to a signal-to-noise ratio."""
        return response_gain(self.music, self.power, session, snr)


def record(
    session: Session,
    features: Sequence[Doubles],
    snr: float,
    seed: np.random.SeedSequence,
    background: str = "stationary",
) -> Doubles:
    """Record a participant who listens to songs.

    Parameters
    ----------
    session : Session
        Electrodes, and what is played when.
    features : sequence of numpy.ndarray, each of shape (features, samples)
        For each song, what the brain follows in it: see `audio_features`.
    snr : float
        Power of the response over power of everything else (with the realistic background, of everything else but
        artefacts), from 1 to 30 Hz while music plays, mean over channels.
    seed : numpy.random.SeedSequence
        The participant.
    background : {'stationary', 'realistic'}
        What everything else is.

    Returns
    -------
    numpy.ndarray, shape (C, n_samples)
        EEG in microvolts, against infinity.
    """
    parts = make_parts(session, features, seed, background)
    return parts.rest + parts.music_gain(session, snr) * parts.music if snr > 0.0 else parts.rest


def make_parts(
    session: Session, features: Sequence[Doubles], seed: np.random.SeedSequence, background: str = "stationary"
) -> Parts:
    """Make what `record` adds up.

    Parameters
    ----------
    session, features, seed
        As in `record`.
    background : str
        Key of `BACKGROUNDS`.

    Returns
    -------
    Parts
    """
    rngs = {part: np.random.default_rng(_child(seed, number)) for number, part in enumerate(PARTS)}
    seen, rest, power = BACKGROUNDS[background](session, rngs)
    return Parts(rest, response(seen, draw_listener(seen.electrodes, rngs["listener"]), features), power)


def _stationary(session: Session, rngs: Mapping[str, np.random.Generator]) -> tuple[Session, Doubles, float]:
    rest = everything_else(session, rngs)
    return session, rest, playing_power(rest, session)


def _realistic(session: Session, rngs: Mapping[str, np.random.Generator]) -> tuple[Session, Doubles, float]:
    seen = seen_through_skull(session, rngs["cap"])
    rest = brain(seen, rngs)
    # A restless participant responds no stronger: artefacts do not count.
    power = playing_power(rest, session)
    rest += artefacts(session, rngs)
    return seen, rest, power


# each gives where the brain sees the electrodes, everything but the response, and the power that a response refers to
BACKGROUNDS = {"stationary": _stationary, "realistic": _realistic}


def _child(seed: np.random.SeedSequence, number: int) -> np.random.SeedSequence:
    """Derive an independent seed; unlike `SeedSequence.spawn`, leaves no trace in its parent."""
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, number))

"""EEG of a simulated listener: a response to the music, and everything else that electrodes pick up.

All potentials are in microvolts. Every part of the recording has its own random generator, so that changing the
strength of the response changes no other part.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.tools.simulation.background import everything_else
from predann_bids.tools.simulation.response import draw_listener, response, response_gain
from predann_bids.tools.simulation.session import Session

PARTS = ("listener", "background", "sensors", "alpha", "blinks", "drift", "line", "signatures")


def record(session: Session, features: Sequence[Doubles], snr: float, seed: np.random.SeedSequence) -> Doubles:
    """Record a participant who listens to songs.

    Parameters
    ----------
    session : Session
        Electrodes, and what is played when.
    features : sequence of numpy.ndarray, each of shape (features, samples)
        For each song, what the brain follows in it: see `audio_features`.
    snr : float
        Power of the response over power of everything else, from 1 to 30 Hz while music plays, mean over channels.
    seed : numpy.random.SeedSequence
        The participant.

    Returns
    -------
    numpy.ndarray, shape (C, n_samples)
        EEG in microvolts, against infinity.
    """
    rngs = {part: np.random.default_rng(_child(seed, number)) for number, part in enumerate(PARTS)}
    eeg = everything_else(session, rngs)
    if snr > 0.0:
        music = response(session, draw_listener(session.electrodes, rngs["listener"]), features)
        eeg += response_gain(music, eeg, session, snr) * music
    return eeg


def _child(seed: np.random.SeedSequence, number: int) -> np.random.SeedSequence:
    """Derive an independent seed; unlike `SeedSequence.spawn`, leaves no trace in its parent."""
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, number))

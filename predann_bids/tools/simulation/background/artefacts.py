"""What real recordings contain besides the brain's activity: muscles, electrodes that pop, a head that moves.

All potentials are in microvolts. Every participant has its own habits: how often something happens is drawn first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from scipy import signal

from predann_bids.arrays import Doubles
from predann_bids.tools.simulation.background.stationary import LINE_HZ, blinks, drift, line_noise
from predann_bids.tools.simulation.session import Session

MUSCLE_PER_MINUTE, MUSCLE_S, MUSCLE_UV = (0.5, 4.0), (0.3, 3.0), (5.0, 25.0)
MUSCLE_HZ = 20.0
TEMPLES = np.array([[0.9, 0.3, -0.1], [-0.9, 0.3, -0.1]])
MUSCLE_WIDTH = 0.5  # radians, standard deviation

POPS_PER_MINUTE, POP_S, POP_UV, POP_DECAY_S = (0.3, 2.0), (1.5, 4.0), (30.0, 250.0), (0.15, 0.8)

MOTIONS_PER_MINUTE, MOTION_S, MOTION_UV = (0.1, 0.5), (1.5, 4.0), (15.0, 60.0)
MOTION_HZ = (0.3, 4.0)
LOOSE_ELECTRODES = 2


def artefacts(session: Session, rngs: Mapping[str, np.random.Generator]) -> Doubles:
    """Return the artefacts (C, n_samples), one generator for each kind."""
    eeg = blinks(session, rngs["blinks"])
    eeg += drift(session, rngs["drift"])
    if session.rate.hz / 2 > LINE_HZ:
        eeg += line_noise(session, rngs["line"])
    eeg += muscles(session, rngs["muscles"])
    eeg += pops(session, rngs["pops"])
    eeg += motion(session, rngs["motion"])
    return eeg


def happenings(
    session: Session, per_minute: tuple[float, float], seconds: tuple[float, float], rng: np.random.Generator
) -> Iterator[slice]:
    """Yield the samples of something that happens at random, as often as this participant's habits have it.

    Parameters
    ----------
    session : Session
        How long it lasts.
    per_minute, seconds : (lowest, highest)
        How often it happens to participants, and how long it lasts each time; both uniformly distributed.
    rng : numpy.random.Generator
        Source of randomness.
    """
    expected = rng.uniform(*per_minute) * session.rate.seconds(session.n_samples) / 60
    for _ in range(rng.poisson(expected)):
        length = min(session.n_samples, session.rate.samples(rng.uniform(*seconds)))
        start = int(rng.integers(session.n_samples - length + 1))
        yield slice(start, start + length)


def muscles(session: Session, rng: np.random.Generator) -> Doubles:
    """Bursts of a temporal muscle, above 20 Hz; its fibres are near, so half is each electrode's own."""
    sections = signal.butter(3, MUSCLE_HZ, "highpass", fs=session.rate.hz, output="sos")
    size = rng.uniform(*MUSCLE_UV)
    n_channels = len(session.electrodes)
    eeg = np.zeros((n_channels, session.n_samples))
    for span in happenings(session, MUSCLE_PER_MINUTE, MUSCLE_S, rng):
        place = TEMPLES[rng.integers(2)] + rng.normal(0.0, [0.0, 0.3, 0.2])
        angles = np.arccos(np.clip(session.electrodes @ place / np.linalg.norm(place), -1.0, 1.0))
        sizes = size * rng.lognormal(0.0, 0.5) * np.exp(-0.5 * (angles / MUSCLE_WIDTH) ** 2)
        noise = signal.sosfilt(sections, rng.standard_normal((n_channels + 1, span.stop - span.start)), axis=1)
        eeg[:, span] += sizes[:, None] * np.hanning(noise.shape[1]) * (noise[:1] + noise[1:]) / np.sqrt(2)
    return eeg


def pops(session: Session, rng: np.random.Generator) -> Doubles:
    """Jumps of single electrodes that lose contact, and their return."""
    eeg = np.zeros((len(session.electrodes), session.n_samples))
    for span in happenings(session, POPS_PER_MINUTE, POP_S, rng):
        time = np.arange(span.stop - span.start) / session.rate.hz
        size = rng.choice([-1.0, 1.0]) * rng.uniform(*POP_UV)
        eeg[rng.integers(len(eeg)), span] += size * np.exp(-time / rng.uniform(*POP_DECAY_S))
    return eeg


def motion(session: Session, rng: np.random.Generator) -> Doubles:
    """Slow waves over the whole head while it moves, and larger ones under a few loose electrodes."""
    sections = signal.butter(2, MOTION_HZ, "bandpass", fs=session.rate.hz, output="sos")
    n_channels = len(session.electrodes)
    eeg = np.zeros((n_channels, session.n_samples))
    for span in happenings(session, MOTIONS_PER_MINUTE, MOTION_S, rng):
        length = span.stop - span.start
        run_in = session.rate.samples(1 / MOTION_HZ[0])
        waves = signal.sosfilt(sections, rng.standard_normal((3 + LOOSE_ELECTRODES, run_in + length)), axis=1)
        waves = waves[:, run_in:] / waves.std(axis=1, keepdims=True)
        pattern = np.zeros((n_channels, len(waves)))
        pattern[:, :3] = session.electrodes
        pattern[rng.integers(n_channels, size=LOOSE_ELECTRODES), 3 + np.arange(LOOSE_ELECTRODES)] = 1.0
        eeg[:, span] += rng.uniform(*MOTION_UV) * np.hanning(length) * (pattern @ waves)
    return eeg

"""The brain's activity as real electrodes see it: it swells and subsides, and neighbours record nearly the same.

All potentials are in microvolts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.tools.simulation.background.artefacts import happenings
from predann_bids.tools.simulation.background.stationary import coloured_noise
from predann_bids.tools.simulation.fields import dipole_field
from predann_bids.tools.simulation.session import Session

# The skull conducts badly and blurs what lies below, so that a dipole seems to lie deeper (Berg and Scherg 1994):
# radii of the head at which electrodes would see fields as smooth without a skull.
SKULL = 2.6
CAP_DEGREES = 4.0  # how far caps are turned from their place, standard deviation about each axis

CORTEX_UV = 12.0
CORTEX_SOURCES = 150
SOURCES_AT_ONCE = 30
CORTEX_RADII = (0.45, 0.85)
UNEVENNESS = 0.8  # of the sources' sizes, standard deviation of the logarithm
SKIN_SHARE = 0.0003  # of the variance, seen by one electrode alone
SENSOR_NOISE_UV = 0.3

NETWORKS = 6
SWELL = 0.35  # of the networks, standard deviation of the logarithm
SWELL_S = 45.0

BURSTS_PER_MINUTE, BURST_S, BURST_UV = (2.0, 12.0), (0.5, 3.0), 8.0


def seen_through_skull(session: Session, rng: np.random.Generator) -> Session:
    """Return the session with electrodes as the brain sees them: the cap a little turned, and far away."""
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_rotvec(rng.normal(0.0, CAP_DEGREES, size=3), degrees=True)
    return replace(session, electrodes=SKULL * turn.apply(session.electrodes))


def brain(session: Session, rngs: Mapping[str, np.random.Generator]) -> Doubles:
    """Return the ongoing EEG (C, n_samples) of a brain and the noise of the sensors, one generator for each part."""
    eeg = cortex(session, rngs["background"])
    eeg += skin(session, rngs["skin"])
    eeg += alpha_bursts(session, rngs["alpha"])
    eeg += SENSOR_NOISE_UV * rngs["sensors"].standard_normal(eeg.shape)
    return eeg


def cortex(session: Session, rng: np.random.Generator) -> Doubles:
    """Activity of sources all over the cortex, 1/f in power with an exponent of 1 to 2, in networks that swell."""
    sizes = rng.lognormal(0.0, UNEVENNESS, size=CORTEX_SOURCES)
    sizes *= CORTEX_UV / np.sqrt(np.sum(sizes**2))
    strengths = swelling(NETWORKS, session, rng)
    members = rng.integers(NETWORKS, size=CORTEX_SOURCES)
    eeg = np.zeros((len(session.electrodes), session.n_samples))
    # in portions, since all sources of a long recording at once would be gigabytes
    for first in range(0, CORTEX_SOURCES, SOURCES_AT_ONCE):
        some = slice(first, first + SOURCES_AT_ONCE)
        fields = np.array([_cortical_field(session.electrodes, rng) for _ in sizes[some]])
        exponents = rng.uniform(1.0, 2.0, size=(len(fields), 1))
        sources = coloured_noise(
            partial(_one_over_f, exponents=exponents), len(fields), session.rate, session.n_samples, rng
        )
        eeg += (sizes[some, None] * fields).T @ (strengths[members[some]] * sources)
    return eeg


def _cortical_field(electrodes: Doubles, rng: np.random.Generator) -> Doubles:
    direction = rng.standard_normal(3)
    position = rng.uniform(*CORTEX_RADII) * direction / np.linalg.norm(direction)
    return dipole_field(electrodes, position, rng.standard_normal(3))


def _one_over_f(hz: Doubles, exponents: Doubles) -> Doubles:
    """Amplitudes of noise whose power falls with an exponent above 0.5 Hz."""
    amplitudes: Doubles = (hz**2 + 0.5**2) ** (-exponents / 4)
    return amplitudes


def skin(session: Session, rng: np.random.Generator) -> Doubles:
    """Potentials under single electrodes, with the spectrum of EEG: what neighbours do not share."""
    n_channels = len(session.electrodes)
    exponents = rng.uniform(1.0, 2.0, size=(n_channels, 1))
    noise = coloured_noise(partial(_one_over_f, exponents=exponents), n_channels, session.rate, session.n_samples, rng)
    sizes = np.sqrt(SKIN_SHARE) * CORTEX_UV * rng.lognormal(0.0, 0.3, size=(n_channels, 1))
    eeg: Doubles = sizes * noise
    return eeg


def alpha_bursts(session: Session, rng: np.random.Generator) -> Doubles:
    """Bursts of occipital rhythm near the participant's own frequency, each of which waxes and wanes."""
    peak_hz, size = rng.normal(10.0, 0.7), BURST_UV * rng.lognormal(0.0, 0.4)
    eeg = np.zeros((len(session.electrodes), session.n_samples))
    for span in happenings(session, BURSTS_PER_MINUTE, BURST_S, rng):
        time = np.arange(span.stop - span.start) / session.rate.hz
        turns = (peak_hz + rng.normal(0.0, 0.4)) * time + rng.random()
        wave = np.sqrt(2) * np.hanning(len(time)) * np.sin(2 * np.pi * turns)
        position = np.array([rng.normal(0.0, 0.25), -0.55, rng.normal(0.15, 0.15)])
        field = dipole_field(session.electrodes, position, position)
        eeg[:, span] += size * rng.lognormal(0.0, 0.4) * np.outer(field, wave)
    return eeg


def swelling(n_series: int, session: Session, rng: np.random.Generator) -> Doubles:
    """Draw gains (n_series, n_samples) that change over minutes: exponentials of smooth noise."""
    from scipy.interpolate import PchipInterpolator

    seconds = session.rate.seconds(session.n_samples)
    knots = np.arange(-SWELL_S * rng.random(), seconds + SWELL_S, SWELL_S)
    logarithms = PchipInterpolator(knots, rng.normal(0.0, SWELL, size=(n_series, len(knots))), axis=1)
    gains: Doubles = np.exp(logarithms(np.arange(session.n_samples) / session.rate.hz))
    return gains

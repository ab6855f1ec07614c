"""Everything in a simulated EEG apart from the response to music: brain, eyes, mains, amplifier.

All potentials are in microvolts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from scipy import fft

from predann_bids.arrays import Doubles
from predann_bids.timing import Rate
from predann_bids.tools.simulation.fields import bilateral_field, dipole_field, random_field
from predann_bids.tools.simulation.session import Session

BACKGROUND_UV = 10.0
BACKGROUND_SOURCES = 40
SENSOR_NOISE_UV = 0.8
ALPHA_UV = 5.0
BLINK_UV = 100.0
BLINK_INTERVAL = 5.0
BLINK_SECONDS = 0.3
DRIFT_UV = 15.0
LINE_UV = 1.5
LINE_HZ = 50.0
SIGNATURE_UV = 1.5
SIGNATURE_TONES = 4


def everything_else(session: Session, rngs: Mapping[str, np.random.Generator]) -> Doubles:
    """Return the EEG (C, n_samples) of a participant who does not respond to music, one generator for each part."""
    eeg = background(session, rngs["background"])
    eeg += SENSOR_NOISE_UV * rngs["sensors"].standard_normal(eeg.shape)
    eeg += alpha(session, rngs["alpha"])
    eeg += blinks(session, rngs["blinks"])
    eeg += drift(session, rngs["drift"])
    if session.rate.hz / 2 > LINE_HZ:
        eeg += line_noise(session, rngs["line"])
    for span in (playback.span for playback in session.playbacks):
        eeg[:, span.start : span.stop] += signature(replace(session, n_samples=span.length), rngs["signatures"])
    return eeg


def background(session: Session, rng: np.random.Generator) -> Doubles:
    """Ongoing activity of many sources, 1/f in power with an exponent of 1 to 1.6 above 0.5 Hz."""
    exponents = rng.uniform(1.0, 1.6, size=(BACKGROUND_SOURCES, 1))
    fields = np.array([random_field(session.electrodes, rng) for _ in range(BACKGROUND_SOURCES)])
    sources = coloured_noise(
        lambda hz: (hz**2 + 0.5**2) ** (-exponents / 4), BACKGROUND_SOURCES, session.rate, session.n_samples, rng
    )
    eeg: Doubles = (BACKGROUND_UV / np.sqrt(BACKGROUND_SOURCES)) * fields.T @ sources
    return eeg


def alpha(session: Session, rng: np.random.Generator) -> Doubles:
    """Occipital rhythm at the participant's own frequency; being narrow-band noise, it waxes and wanes by itself."""
    peak_hz = rng.normal(10.0, 0.7)
    waves = coloured_noise(
        lambda hz: np.exp(-0.5 * ((hz - peak_hz) / 0.4) ** 2), 2, session.rate, session.n_samples, rng
    )
    size = ALPHA_UV * rng.lognormal(0.0, 0.3)
    right = dipole_field(session.electrodes, np.array([0.20, -0.50, 0.10]), np.array([0.2, -1.0, 0.3]))
    left = dipole_field(session.electrodes, np.array([-0.20, -0.50, 0.10]), np.array([-0.2, -1.0, 0.3]))
    eeg: Doubles = size / np.sqrt(2) * np.outer(right, waves[0]) + size / np.sqrt(2) * np.outer(left, waves[1])
    return eeg


def blinks(session: Session, rng: np.random.Generator) -> Doubles:
    """Blinks every few seconds, positive at the forehead, where the largest electrode sees `BLINK_UV` on average."""
    eyes = bilateral_field(session.electrodes, np.array([0.30, 0.80, -0.35]), np.array([0.0, 0.5, 1.0]))
    rate, n_samples = session.rate, session.n_samples
    # Gaps of a gamma distribution: never quite regular, seldom very short. Twice as many as needed on average.
    n_gaps = int(2 * rate.seconds(n_samples) / BLINK_INTERVAL) + 10
    onsets = np.cumsum(rng.gamma(4.0, BLINK_INTERVAL / 4, size=n_gaps))
    sizes = BLINK_UV * rng.lognormal(0.0, 0.15, size=n_gaps)
    shape = np.hanning(rate.samples(BLINK_SECONDS) + 2)
    wave = np.zeros(n_samples)
    starts = np.array([rate.samples(onset) for onset in onsets])
    is_inside = starts < n_samples
    wave[starts[is_inside]] = sizes[is_inside]
    return np.outer(eyes / eyes.max(), np.convolve(wave, shape)[:n_samples])


def drift(session: Session, rng: np.random.Generator) -> Doubles:
    """Slow potentials of skin and electrodes, below a few tenths of a hertz, independent in each channel."""
    n_channels = len(session.electrodes)
    sizes = DRIFT_UV * rng.lognormal(0.0, 0.4, size=(n_channels, 1))
    noise = coloured_noise(lambda hz: 1.0 / (1.0 + (hz / 0.05) ** 2), n_channels, session.rate, session.n_samples, rng)
    return sizes * noise


def line_noise(session: Session, rng: np.random.Generator) -> Doubles:
    """Mains at 50 Hz; electrodes differ in how much they pick up, and slightly in phase."""
    n_channels = len(session.electrodes)
    sizes = LINE_UV * np.sqrt(2) * rng.lognormal(0.0, 0.4, size=n_channels)
    turns = 2 * np.pi * LINE_HZ * np.arange(session.n_samples) / session.rate.hz
    phases = rng.uniform(0.0, 2 * np.pi) + rng.normal(0.0, 0.3, size=n_channels)
    # sin(a + b) = sin a cos b + cos a sin b: two sines for all channels rather than one for each.
    basis = np.vstack([np.sin(turns), np.cos(turns)])
    eeg: Doubles = np.column_stack([sizes * np.cos(phases), sizes * np.sin(phases)]) @ basis
    return eeg


def signature(session: Session, rng: np.random.Generator) -> Doubles:
    """Draw what marks a stretch of a recording and has nothing to do with the music.

    Real recordings drift from state to state (drowsiness, sweat, muscle tone), so that a stretch resembles itself
    whatever is played. A decoder that is trained and tested on parts of the same presentation decodes this instead of
    the music. To make the trap visible, each presentation here has a few narrow-band sources and noisy channels of its
    own.
    """
    rate, n_samples = session.rate, session.n_samples
    highest_hz = min(40.0, 0.4 * rate.hz)
    peaks = rng.uniform(3.0, highest_hz, size=(SIGNATURE_TONES, 1))
    fields = np.array([random_field(session.electrodes, rng) for _ in peaks])
    sources = coloured_noise(lambda hz: np.exp(-0.5 * ((hz - peaks) / 0.5) ** 2), SIGNATURE_TONES, rate, n_samples, rng)
    noise_sizes = SIGNATURE_UV * rng.lognormal(-1.0, 0.7, size=(len(session.electrodes), 1))
    eeg: Doubles = SIGNATURE_UV * fields.T @ sources
    eeg += noise_sizes * rng.standard_normal(eeg.shape)
    return eeg


def coloured_noise(
    amplitude: Callable[[Doubles], Doubles], n_series: int, rate: Rate, n_samples: int, rng: np.random.Generator
) -> Doubles:
    """Draw Gaussian noise with a given amplitude spectrum.

    Parameters
    ----------
    amplitude : callable
        Amplitude at frequencies in Hz, shape (frequencies,) -> (frequencies,) or (n_series, frequencies).
    n_series : int
        Number of independent series.
    rate : Rate
        Sampling rate.
    n_samples : int
        Length of each series.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray, shape (n_series, n_samples)
        Each series has a root mean square of one.
    """
    padded = fft.next_fast_len(n_samples, real=True)
    weights = amplitude(fft.rfftfreq(padded, 1 / rate.hz))
    weights[..., 0] = 0.0
    spectra = weights * rng.standard_normal((n_series, weights.shape[-1], 2)).view(complex)[..., 0]
    noise: Doubles = fft.irfft(spectra, padded)[:, :n_samples]
    scaled: Doubles = noise / np.sqrt(np.mean(noise**2, axis=1, keepdims=True))
    return scaled

"""EEG of a simulated listener: a response to the music, under everything else that electrodes pick up.

All potentials are in microvolts. Every field on the scalp is that of current dipoles inside a unit sphere, so that it
varies smoothly from electrode to electrode and sums with others as real fields do. The response follows the audio that
is played: its onsets (spectral flux) and the envelopes of its frequency bands, each convolved with the waves P50, N100
and P200. Every part of the recording has its own random generator: changing the strength of the response changes no
other part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from predann_bids.timing import Rate, Span

Array = NDArray[np.float64]

# Waves of the auditory evoked potential: latency and width (standard deviation of a Gaussian) in s, polarity and size.
WAVE_LATENCIES = np.array([0.050, 0.100, 0.200])
WAVE_WIDTHS = np.array([0.010, 0.016, 0.030])
WAVE_SIZES = np.array([0.5, -1.0, 0.8])
KERNEL_SECONDS = 0.4

# Generators of the waves: places in the right temporal lobe (left is its mirror image), and directions, whose fields
# peak in front of (P50), at (N100) and behind (P200) the fronto-central scalp. x right, y front, z up.
WAVE_PLACES = np.array([[0.40, 0.10, 0.10], [0.40, 0.00, 0.10], [0.40, -0.10, 0.15]])
WAVE_MOMENTS = np.array([[-0.10, 0.80, 0.70], [-0.25, 0.45, 0.90], [-0.25, 0.00, 1.0]])

# Six bands, equally wide in log frequency (Hz); the auditory cortex is tonotopic: each moves the generators a little.
BAND_EDGES_HZ = np.geomspace(100.0, 8000.0, 7)
TONOTOPIC_STEP = np.array([-0.03, -0.05, 0.02])
FLUX_WEIGHT, BAND_WEIGHT = 1.0, 0.35
SPECTRUM_SAMPLES = 512
BLOCK = 4096

SNR_BAND_HZ = (1.0, 30.0)

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

PARTS = ("listener", "background", "sensors", "alpha", "blinks", "drift", "line", "signatures")


@dataclass(frozen=True)
class Playback:
    """One song heard once: which, and while which samples of the EEG."""

    song: int
    span: Span


@dataclass(frozen=True)
class Listener:
    """A participant's response to music.

    `latencies` and `sizes` of the waves are of shape (3,), in s and signed; `fields`, of shape (drives, 3, C), is each
    wave's scalp field for each drive (onsets first, then bands), one in root mean square at the participant's average.
    """

    latencies: Array
    sizes: Array
    fields: Array


def record(
    electrodes: Array,
    rate: Rate,
    n_samples: int,
    playbacks: Sequence[Playback],
    drives: Sequence[Array],
    snr: float,
    seed: np.random.SeedSequence,
) -> Array:
    """Record a participant who listens to songs.

    Parameters
    ----------
    electrodes : numpy.ndarray, shape (C, 3)
        Places on the unit sphere; x right, y front, z up.
    rate : Rate
        Of the EEG.
    n_samples : int
        Length of the recording.
    playbacks : sequence of Playback
        What is heard when.
    drives : sequence of numpy.ndarray, each of shape (drives, samples)
        For each song, what of it the brain follows: see `hear`.
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
    eeg = everything_else(electrodes, rate, n_samples, playbacks, rngs)
    if snr > 0.0:
        music = response(draw_listener(electrodes, rngs["listener"]), rate, n_samples, playbacks, drives)
        eeg += response_gain(music, eeg, rate, playbacks, snr) * music
    return eeg


def _child(seed: np.random.SeedSequence, number: int) -> np.random.SeedSequence:
    """Derive an independent seed; unlike `SeedSequence.spawn`, leaves no trace in its parent."""
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, number))


# -- the response ------------------------------------------------------------------------------------------------------


def hear(song: Array, audio_rate: Rate, eeg_rate: Rate) -> Array:
    """Reduce audio to what the brain follows.

    Parameters
    ----------
    song : numpy.ndarray, shape (audio samples,)
        Waveform.
    audio_rate, eeg_rate : Rate
        Of the waveform, and of the result.

    Returns
    -------
    numpy.ndarray, shape (7, EEG samples)
        Onset envelope (spectral flux) with standard deviation one, and six band envelopes, together with standard
        deviation one. Envelopes are powers to the 0.3, close to loudness.
    """
    n_samples = eeg_rate.samples(audio_rate.seconds(len(song)))
    centres = [audio_rate.samples(eeg_rate.seconds(sample)) for sample in range(n_samples)]
    frequencies = fft.rfftfreq(SPECTRUM_SAMPLES, 1 / audio_rate.hz)
    first_bins = np.searchsorted(frequencies, BAND_EDGES_HZ)
    flux, bands = np.empty(n_samples), np.empty((n_samples, len(first_bins) - 1))
    before: NDArray[np.floating[Any]] = np.zeros((1, len(frequencies)))
    # Single precision is 24 bits, more than the audio has, and twice as fast.
    padded = np.pad(song.astype(np.float32), (SPECTRUM_SAMPLES // 2, SPECTRUM_SAMPLES))
    # In blocks, since the whole spectrogram of a long song at a high rate would be gigabytes.
    for start in range(0, n_samples, BLOCK):
        block = slice(start, start + BLOCK)
        spectra = _power_spectra(padded, centres[block])
        loudness = spectra**0.3
        flux[block] = np.maximum(np.diff(loudness, axis=0, prepend=before), 0.0).sum(axis=1)
        bands[block] = np.add.reduceat(spectra, first_bins, axis=1)[:, :-1] ** 0.3
        before = loudness[-1:]
    return np.vstack([_unit(flux, flux), _unit(bands.T, bands - bands.mean(axis=0))])


def _power_spectra(audio: NDArray[np.float32], starts: Sequence[int]) -> NDArray[np.float32]:
    """Power spectra (starts, bins) of Hann windows that begin at given samples."""
    frames = np.lib.stride_tricks.sliding_window_view(audio, SPECTRUM_SAMPLES)[np.asarray(starts)]
    spectra = fft.rfft(frames * np.hanning(SPECTRUM_SAMPLES).astype(np.float32), axis=1)
    power: NDArray[np.float32] = spectra.real**2 + spectra.imag**2
    return power


def _unit(values: Array, reference: Array) -> Array:
    """Divide by the standard deviation of a reference; silence stays silence."""
    spread = reference.std()
    return values / spread if spread > 0 else values


def draw_listener(electrodes: Array, rng: np.random.Generator) -> Listener:
    """Draw a participant: latencies vary by 5 %, sizes by 20 %, and the generators' places and directions a little."""
    fields = np.empty((len(BAND_EDGES_HZ), len(WAVE_SIZES), len(electrodes)))
    shift = rng.normal(0.0, 0.04, size=3)
    turn = rng.normal(0.0, 0.15, size=(len(WAVE_SIZES), 3))
    for drive in range(len(fields)):
        weight = FLUX_WEIGHT if drive == 0 else BAND_WEIGHT * rng.lognormal(0.0, 0.3)
        for wave in range(len(WAVE_SIZES)):
            place = WAVE_PLACES[wave] + shift + drive * TONOTOPIC_STEP
            fields[drive, wave] = weight * bilateral_field(electrodes, place, WAVE_MOMENTS[wave] + turn[wave])
    return Listener(
        latencies=WAVE_LATENCIES * rng.normal(1.0, 0.05),
        sizes=WAVE_SIZES * rng.lognormal(0.0, 0.2, size=len(WAVE_SIZES)),
        fields=fields,
    )


def response(
    listener: Listener, rate: Rate, n_samples: int, playbacks: Sequence[Playback], drives: Sequence[Array]
) -> Array:
    """Potentials (C, n_samples) that the music evokes, at the arbitrary scale of the listener's fields."""
    eeg = np.zeros((listener.fields.shape[2], n_samples))
    kernels = wave_kernels(listener, rate)
    evoked: dict[int, Array] = {}
    for playback in playbacks:
        if playback.song not in evoked:
            waves = _convolve(drives[playback.song], kernels)
            evoked[playback.song] = np.tensordot(listener.fields, waves, axes=((0, 1), (0, 1)))
        start = playback.span.start
        heard = evoked[playback.song][:, : n_samples - start]
        eeg[:, start : start + heard.shape[1]] += heard
    return eeg


def wave_kernels(listener: Listener, rate: Rate) -> Array:
    """Impulse responses (3, samples) of the listener's waves."""
    time = np.arange(rate.samples(KERNEL_SECONDS)) / rate.hz
    distance = (time - listener.latencies[:, None]) / WAVE_WIDTHS[:, None]
    kernels: Array = listener.sizes[:, None] * np.exp(-0.5 * distance**2)
    return kernels


def _convolve(drives: Array, kernels: Array) -> Array:
    """Convolve each of (D, T) with each of (W, L): (D, W, T + L - 1)."""
    length = drives.shape[1] + kernels.shape[1] - 1
    padded = fft.next_fast_len(length, real=True)
    spectra = fft.rfft(drives, padded)[:, None] * fft.rfft(kernels, padded)
    convolved: Array = fft.irfft(spectra, padded)[..., :length]
    return convolved


def response_gain(music: Array, rest: Array, rate: Rate, playbacks: Sequence[Playback], snr: float) -> float:
    """Gain that gives the response `music` (C, T) the power `snr` relative to the `rest` (C, T) of the EEG."""
    music_power = sum(band_power(music[:, p.span.start : p.span.stop], rate) for p in playbacks)
    rest_power = sum(band_power(rest[:, p.span.start : p.span.stop], rate) for p in playbacks)
    return float(np.sqrt(snr * rest_power / music_power)) if music_power > 0 else 0.0


def band_power(eeg: Array, rate: Rate) -> float:
    """Energy of (C, T) between 1 and 30 Hz, mean over channels; a Hann taper keeps slow drift out of the band."""
    n_samples = eeg.shape[1]
    frequencies = fft.rfftfreq(n_samples, 1 / rate.hz)
    is_in_band = (frequencies >= SNR_BAND_HZ[0]) & (frequencies <= SNR_BAND_HZ[1])
    spectra = fft.rfft(eeg * np.hanning(n_samples), axis=1)[:, is_in_band]
    return float((np.abs(spectra) ** 2).sum(axis=1).mean())


# -- everything else ---------------------------------------------------------------------------------------------------


def everything_else(
    electrodes: Array,
    rate: Rate,
    n_samples: int,
    playbacks: Sequence[Playback],
    rngs: dict[str, np.random.Generator],
) -> Array:
    """EEG (C, n_samples) of somebody who hears nothing: brain, eyes, mains, amplifier."""
    eeg = background(electrodes, rate, n_samples, rngs["background"])
    eeg += SENSOR_NOISE_UV * rngs["sensors"].standard_normal(eeg.shape)
    eeg += alpha(electrodes, rate, n_samples, rngs["alpha"])
    eeg += blinks(electrodes, rate, n_samples, rngs["blinks"])
    eeg += drift(len(electrodes), rate, n_samples, rngs["drift"])
    if rate.hz / 2 > LINE_HZ:
        eeg += line_noise(len(electrodes), rate, n_samples, rngs["line"])
    for playback in playbacks:
        span = playback.span
        eeg[:, span.start : span.stop] += signature(electrodes, rate, span.length, rngs["signatures"])
    return eeg


def dipole_field(electrodes: Array, place: Array, moment: Array) -> Array:
    r"""Potential of a current dipole at the electrodes (C, 3): (C,), one in root mean square.

    .. math:: V(r) \propto \frac{p \cdot (r - r_0)}{|r - r_0|^3}

    in an unbounded conductor; the skull would make it smoother still, which does not matter here.
    """
    offset = electrodes - place
    field: Array = (offset @ moment) / np.linalg.norm(offset, axis=1) ** 3
    scaled: Array = field / np.sqrt(np.mean(field**2))
    return scaled


def bilateral_field(electrodes: Array, place: Array, moment: Array) -> Array:
    """Field (C,) of a dipole and its mirror image in the other hemisphere, one in root mean square."""
    mirror = np.array([-1.0, 1.0, 1.0])
    field = dipole_field(electrodes, place, moment) + dipole_field(electrodes, mirror * place, mirror * moment)
    scaled: Array = field / np.sqrt(np.mean(field**2))
    return scaled


def random_field(electrodes: Array, rng: np.random.Generator) -> Array:
    """Field (C,) of a dipole somewhere in the brain, in any direction."""
    direction = rng.standard_normal(3)
    radius = 0.75 * rng.random() ** (1 / 3)
    place = radius * direction / np.linalg.norm(direction)
    return dipole_field(electrodes, place, rng.standard_normal(3))


def coloured_noise(
    amplitude: Callable[[Array], Array], n_series: int, rate: Rate, n_samples: int, rng: np.random.Generator
) -> Array:
    """Gaussian noise (n_series, n_samples), one in root mean square, of an amplitude spectrum (a function of Hz)."""
    padded = fft.next_fast_len(n_samples, real=True)
    weights = amplitude(fft.rfftfreq(padded, 1 / rate.hz))
    weights[..., 0] = 0.0
    spectra = weights * rng.standard_normal((n_series, weights.shape[-1], 2)).view(complex)[..., 0]
    noise: Array = fft.irfft(spectra, padded)[:, :n_samples]
    scaled: Array = noise / np.sqrt(np.mean(noise**2, axis=1, keepdims=True))
    return scaled


def background(electrodes: Array, rate: Rate, n_samples: int, rng: np.random.Generator) -> Array:
    """Ongoing activity of many sources, 1/f in power with an exponent of 1 to 1.6 above 0.5 Hz."""
    exponents = rng.uniform(1.0, 1.6, size=(BACKGROUND_SOURCES, 1))
    fields = np.array([random_field(electrodes, rng) for _ in range(BACKGROUND_SOURCES)])
    sources = coloured_noise(lambda hz: (hz**2 + 0.5**2) ** (-exponents / 4), BACKGROUND_SOURCES, rate, n_samples, rng)
    eeg: Array = (BACKGROUND_UV / np.sqrt(BACKGROUND_SOURCES)) * fields.T @ sources
    return eeg


def alpha(electrodes: Array, rate: Rate, n_samples: int, rng: np.random.Generator) -> Array:
    """Occipital rhythm at the participant's own frequency; being narrow-band noise, it waxes and wanes by itself."""
    peak_hz = rng.normal(10.0, 0.7)
    waves = coloured_noise(lambda hz: np.exp(-0.5 * ((hz - peak_hz) / 0.4) ** 2), 2, rate, n_samples, rng)
    size = ALPHA_UV * rng.lognormal(0.0, 0.3)
    right = dipole_field(electrodes, np.array([0.20, -0.50, 0.10]), np.array([0.2, -1.0, 0.3]))
    left = dipole_field(electrodes, np.array([-0.20, -0.50, 0.10]), np.array([-0.2, -1.0, 0.3]))
    eeg: Array = size / np.sqrt(2) * np.outer(right, waves[0]) + size / np.sqrt(2) * np.outer(left, waves[1])
    return eeg


def blinks(electrodes: Array, rate: Rate, n_samples: int, rng: np.random.Generator) -> Array:
    """Blinks every few seconds, positive at the forehead, where the largest electrode sees `BLINK_UV` on average."""
    eyes = bilateral_field(electrodes, np.array([0.30, 0.80, -0.35]), np.array([0.0, 0.5, 1.0]))
    seconds = rate.seconds(n_samples)
    # Gaps of a gamma distribution: never quite regular, seldom very short. Twice as many as needed on average.
    n_gaps = int(2 * seconds / BLINK_INTERVAL) + 10
    onsets = np.cumsum(rng.gamma(4.0, BLINK_INTERVAL / 4, size=n_gaps))
    sizes = BLINK_UV * rng.lognormal(0.0, 0.15, size=n_gaps)
    shape = np.hanning(rate.samples(BLINK_SECONDS) + 2)
    wave = np.zeros(n_samples)
    starts = np.array([rate.samples(onset) for onset in onsets])
    is_inside = starts < n_samples
    wave[starts[is_inside]] = sizes[is_inside]
    return np.outer(eyes / eyes.max(), np.convolve(wave, shape)[:n_samples])


def drift(n_channels: int, rate: Rate, n_samples: int, rng: np.random.Generator) -> Array:
    """Slow potentials of skin and electrodes, below a few tenths of a hertz, each channel for itself."""
    sizes = DRIFT_UV * rng.lognormal(0.0, 0.4, size=(n_channels, 1))
    noise = coloured_noise(lambda hz: 1.0 / (1.0 + (hz / 0.05) ** 2), n_channels, rate, n_samples, rng)
    return sizes * noise


def line_noise(n_channels: int, rate: Rate, n_samples: int, rng: np.random.Generator) -> Array:
    """Mains at 50 Hz; electrodes differ in how much they catch, and a little in phase."""
    sizes = LINE_UV * np.sqrt(2) * rng.lognormal(0.0, 0.4, size=n_channels)
    turns = 2 * np.pi * LINE_HZ * np.arange(n_samples) / rate.hz
    phases = rng.uniform(0.0, 2 * np.pi) + rng.normal(0.0, 0.3, size=n_channels)
    # sin(a + b) = sin a cos b + cos a sin b: two sines for all channels rather than one for each.
    basis = np.vstack([np.sin(turns), np.cos(turns)])
    eeg: Array = np.column_stack([sizes * np.cos(phases), sizes * np.sin(phases)]) @ basis
    return eeg


def signature(electrodes: Array, rate: Rate, n_samples: int, rng: np.random.Generator) -> Array:
    """What marks a stretch of a recording and has nothing to do with the music.

    Real recordings drift from state to state (drowsiness, sweat, muscle tone), so that a stretch resembles itself
    whatever is played. Training and testing on parts of the same presentation decodes this instead of music; to
    make the trap visible, each presentation here has a few narrow-band sources and noisy channels of its own.
    """
    highest_hz = min(40.0, 0.4 * rate.hz)
    peaks = rng.uniform(3.0, highest_hz, size=(SIGNATURE_TONES, 1))
    fields = np.array([random_field(electrodes, rng) for _ in peaks])
    sources = coloured_noise(lambda hz: np.exp(-0.5 * ((hz - peaks) / 0.5) ** 2), SIGNATURE_TONES, rate, n_samples, rng)
    noise_sizes = SIGNATURE_UV * rng.lognormal(-1.0, 0.7, size=(len(electrodes), 1))
    eeg: Array = SIGNATURE_UV * fields.T @ sources
    eeg += noise_sizes * rng.standard_normal(eeg.shape)
    return eeg

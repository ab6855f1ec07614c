"""The response of a simulated listener to music.

It follows the onsets in the audio (spectral flux) and the envelopes of its frequency bands, each convolved with the
waves P50, N100 and P200 of the auditory evoked potential.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from predann_bids.arrays import Doubles, Floats, Singles
from predann_bids.timing import Rate
from predann_bids.tools.simulation.fields import bilateral_field
from predann_bids.tools.simulation.session import Session

# Waves of the auditory evoked potential: latency and width (standard deviation of a Gaussian) in s, polarity and size.
WAVE_LATENCIES = np.array([0.050, 0.100, 0.200])
WAVE_WIDTHS = np.array([0.010, 0.016, 0.030])
WAVE_SIZES = np.array([0.5, -1.0, 0.8])
KERNEL_SECONDS = 0.4

# Generators of the waves: positions in the right temporal lobe (mirrored in the left), and directions whose fields
# peak in front of (P50), at (N100) and behind (P200) the fronto-central scalp. x right, y front, z up.
WAVE_POSITIONS = np.array([[0.40, 0.10, 0.10], [0.40, 0.00, 0.10], [0.40, -0.10, 0.15]])
WAVE_MOMENTS = np.array([[-0.10, 0.80, 0.70], [-0.25, 0.45, 0.90], [-0.25, 0.00, 1.0]])

# Six bands, equally wide in log frequency (Hz); the auditory cortex is tonotopic: each moves the generators a little.
BAND_EDGES_HZ = np.geomspace(100.0, 8000.0, 7)
TONOTOPIC_STEP = np.array([-0.03, -0.05, 0.02])
FLUX_WEIGHT, BAND_WEIGHT = 1.0, 0.35
SPECTRUM_SAMPLES = 512
BLOCK = 4096

SNR_BAND_HZ = (1.0, 30.0)


@dataclass(frozen=True)
class Listener:
    """A participant's response to music.

    Parameters
    ----------
    latencies : numpy.ndarray, shape (3,)
        Of the waves, in seconds.
    sizes : numpy.ndarray, shape (3,)
        Of the waves, signed.
    fields : numpy.ndarray, shape (features, 3, C)
        Scalp field of each wave for each audio feature, onsets first, then bands.
    """

    latencies: Doubles
    sizes: Doubles
    fields: Doubles


def audio_features(song: Doubles, audio_rate: Rate, eeg_rate: Rate) -> Doubles:
    """Reduce audio to the features that the brain follows.

    Parameters
    ----------
    song : numpy.ndarray, shape (audio samples,)
        Waveform.
    audio_rate, eeg_rate : Rate
        Of the waveform and of the result.

    Returns
    -------
    numpy.ndarray, shape (7, EEG samples)
        Onset envelope (spectral flux) with a standard deviation of one, and six band envelopes with one of one
        together. Envelopes are powers to the 0.3, close to loudness.
    """
    n_samples = eeg_rate.samples(audio_rate.seconds(len(song)))
    centres = [audio_rate.samples(eeg_rate.seconds(sample)) for sample in range(n_samples)]
    frequencies = fft.rfftfreq(SPECTRUM_SAMPLES, 1 / audio_rate.hz)
    first_bins = np.searchsorted(frequencies, BAND_EDGES_HZ)
    flux, bands = np.empty(n_samples), np.empty((n_samples, len(first_bins) - 1))
    before: Floats = np.zeros((1, len(frequencies)))
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


def _power_spectra(audio: Singles, starts: Sequence[int]) -> Singles:
    """Return the power spectra (starts, bins) of Hann windows that begin at given samples."""
    frames = np.lib.stride_tricks.sliding_window_view(audio, SPECTRUM_SAMPLES)[np.asarray(starts)]
    spectra = fft.rfft(frames * np.hanning(SPECTRUM_SAMPLES).astype(np.float32), axis=1)
    power: Singles = spectra.real**2 + spectra.imag**2
    return power


def _unit(values: Doubles, reference: Doubles) -> Doubles:
    """Divide by the standard deviation of a reference; silence stays silence."""
    spread = reference.std()
    return values / spread if spread > 0 else values


def draw_listener(electrodes: Doubles, rng: np.random.Generator) -> Listener:
    """Draw a participant: latencies vary by 5 %, sizes by 20 %, and the generators' places and directions a little."""
    fields = np.empty((len(BAND_EDGES_HZ), len(WAVE_SIZES), len(electrodes)))
    shift = rng.normal(0.0, 0.04, size=3)
    turn = rng.normal(0.0, 0.15, size=(len(WAVE_SIZES), 3))
    for feature in range(len(fields)):
        weight = FLUX_WEIGHT if feature == 0 else BAND_WEIGHT * rng.lognormal(0.0, 0.3)
        for wave in range(len(WAVE_SIZES)):
            position = WAVE_POSITIONS[wave] + shift + feature * TONOTOPIC_STEP
            fields[feature, wave] = weight * bilateral_field(electrodes, position, WAVE_MOMENTS[wave] + turn[wave])
    return Listener(
        latencies=WAVE_LATENCIES * rng.normal(1.0, 0.05),
        sizes=WAVE_SIZES * rng.lognormal(0.0, 0.2, size=len(WAVE_SIZES)),
        fields=fields,
    )


def response(session: Session, listener: Listener, features: Sequence[Doubles]) -> Doubles:
    """Return the potentials (C, n_samples) that the music evokes, at the arbitrary scale of the listener's fields."""
    eeg = np.zeros((len(session.electrodes), session.n_samples))
    kernels = wave_kernels(listener, session.rate)
    evoked: dict[int, Doubles] = {}
    for playback in session.playbacks:
        if playback.song not in evoked:
            waves = _convolve(features[playback.song], kernels)
            evoked[playback.song] = np.tensordot(listener.fields, waves, axes=((0, 1), (0, 1)))
        start = playback.span.start
        recorded = evoked[playback.song][:, : session.n_samples - start]
        eeg[:, start : start + recorded.shape[1]] += recorded
    return eeg


def wave_kernels(listener: Listener, rate: Rate) -> Doubles:
    """Return the impulse responses (3, samples) of the listener's waves."""
    time = np.arange(rate.samples(KERNEL_SECONDS)) / rate.hz
    distance = (time - listener.latencies[:, None]) / WAVE_WIDTHS[:, None]
    kernels: Doubles = listener.sizes[:, None] * np.exp(-0.5 * distance**2)
    return kernels


def _convolve(features: Doubles, kernels: Doubles) -> Doubles:
    """Convolve each of (F, T) with each of (W, L): (F, W, T + L - 1)."""
    length = features.shape[1] + kernels.shape[1] - 1
    padded = fft.next_fast_len(length, real=True)
    spectra = fft.rfft(features, padded)[:, None] * fft.rfft(kernels, padded)
    convolved: Doubles = fft.irfft(spectra, padded)[..., :length]
    return convolved


def response_gain(music: Doubles, rest_power: float, session: Session, snr: float) -> float:
    """Return the gain that gives the response its power.

    Parameters
    ----------
    music : numpy.ndarray, shape (C, n_samples)
        The response to music.
    rest_power : float
        Of what the response is compared with: see `playing_power`.
    session : Session
        Says while which samples music plays.
    snr : float
        Wanted power of the response over power of the rest.
    """
    music_power = playing_power(music, session)
    return float(np.sqrt(snr * rest_power / music_power)) if music_power > 0 else 0.0


def playing_power(eeg: Doubles, session: Session) -> float:
    """Return the energy of (C, n_samples) from 1 to 30 Hz while music plays, mean over channels."""
    spans = [playback.span for playback in session.playbacks]
    return float(sum(band_power(eeg[:, span.start : span.stop], session.rate) for span in spans))


def band_power(eeg: Doubles, rate: Rate) -> float:
    """Return the energy of (C, T) from 1 to 30 Hz, mean over channels; a Hann taper keeps drift out of the band."""
    n_samples = eeg.shape[1]
    frequencies = fft.rfftfreq(n_samples, 1 / rate.hz)
    is_in_band = (frequencies >= SNR_BAND_HZ[0]) & (frequencies <= SNR_BAND_HZ[1])
    spectra = fft.rfft(eeg * np.hanning(n_samples), axis=1)[:, is_in_band]
    return float((np.abs(spectra) ** 2).sum(axis=1).mean())

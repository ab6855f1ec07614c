"""Onsets in music, and what the EEG does after them: a check that both are on one clock.

Sounds that begin evoke a response at the vertex some 50 to 250 ms later, in music as in silence. Averaged over the
hundreds of onsets of a song, it shows in most recordings. Where it does not, the stimulus times may be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from predann_bids.arrays import Bools, Doubles, Floats, Ints, Singles
from predann_bids.signals.audio import read_mono
from predann_bids.signals.preprocessing.stretches import quiet
from predann_bids.timing import Rate

Seconds = tuple[float, float]

WINDOW_S, HOP_S = 0.046, 0.01
COMPRESSION = 100.0  # spectra count down to a hundredth of the loudest; what is quieter is noise to an ear
HIGHEST_HZ = 11_000.0
NEAREST_S = 0.1  # onsets that follow faster are one
SURROUNDING_S = 0.4
CLEARLY = 0.5  # standard deviations of the flux that a peak must stand above its surroundings
LEAD_S = 0.01  # the logarithm sees a sound when it enters the window, not when it fills it
FRAMES_AT_ONCE = 1000

BEFORE_S, AFTER_S = 0.1, 0.5
TESTED_S = (0.0, 0.4)
FEWEST_ONSETS = 20
SHIFTS = 199
SHORTEST_SHIFT_S = 1.0  # longer than the response
ENOUGH = 5000  # samples that medians are taken from
DRIFTS_HZ = 1.0  # what is slower says nothing of responses, and is most of an EEG that was not filtered
CHANNELS = 16  # whose drifts are removed at a time, in float64
OUTLIER = 5.0  # robust standard deviations to which samples are limited, so that no artefact makes the average
ROBUST = 1.4826  # median absolute deviation to standard deviation, of a normal distribution


@dataclass(frozen=True)
class OnsetResponse:
    """The average EEG around onsets of the music, and around as many moments that have nothing to do with them.

    Parameters
    ----------
    times_s : ndarray, shape (L,)
        Seconds from the onset.
    average : ndarray, shape (C, L)
        In µV, without baseline correction: in music, the response to one onset is the baseline of the next.
    field_power : ndarray, shape (L,)
        Global field power: the standard deviation of the average over channels, in µV.
    null_low, null_high : ndarray, shape (L,)
        2.5th and 97.5th percentile of the global field power of averages around shifted onsets.
    count : int
        Number of onsets.
    z, p : float
        Mean global field power from 0 to 0.4 s after onsets: standard deviations above that of shifted onsets, and
        the share of shifts (and the data) that reach it.
    """

    times_s: Doubles
    average: Doubles
    field_power: Doubles
    null_low: Doubles
    null_high: Doubles
    count: int
    z: float
    p: float


def detect_onsets(audio: Path) -> Doubles:
    """Find where sounds begin in an audio file: the peaks of the spectral flux.

    The flux (Dixon 2006, Onset detection revisited) is the sum over frequencies of all rises of the log-compressed
    magnitude spectrum from one frame, 10 ms apart, to the next. A peak is the largest value within 100 ms on either
    side that stands clearly above the mean of its surroundings.

    Returns
    -------
    ndarray, shape (onsets,)
        Seconds from the start of the file.

    Raises
    ------
    UnusableData
        The file is no audio.
    """
    stat = audio.stat() if audio.is_file() else None
    return _detected(audio, stat and (stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=256)  # everybody hears the same music
def _detected(audio: Path, _state: tuple[int, int] | None) -> Doubles:
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    flux = _flux(audio)
    if not flux.size or flux.std() == 0:
        return np.empty(0)
    highest = maximum_filter1d(flux, 2 * round(NEAREST_S / HOP_S) + 1)
    surrounding = uniform_filter1d(flux, 2 * round(SURROUNDING_S / HOP_S) + 1)
    peaks = np.flatnonzero((flux == highest) & (flux > surrounding + CLEARLY * flux.std()))
    onsets = np.asarray(peaks * HOP_S + LEAD_S, dtype=np.float64)
    onsets.setflags(write=False)
    return onsets


def _flux(audio: Path) -> Doubles:
    """Sum of the rises into each frame; frame n is centred on n times 10 ms."""
    spectra = np.concatenate(list(_spectra(audio)) or [np.zeros((1, 1), np.float32)])
    loudest = float(spectra.max())
    if loudest == 0:
        return np.zeros(len(spectra))
    np.log1p(spectra * np.float32(COMPRESSION / loudest), out=spectra)
    rises = np.maximum(np.diff(spectra, axis=0), 0).sum(axis=1, dtype=np.float64)
    return np.concatenate([[0.0], rises])


def _spectra(audio: Path) -> Iterator[Singles]:
    mono, rate_hz = read_mono(audio)
    length = round(WINDOW_S * rate_hz)
    window = np.hanning(length).astype(np.float32)
    transform = 1 << (length - 1).bit_length()  # powers of two are fast, other lengths may be very slow
    highest = round(min(HIGHEST_HZ / rate_hz, 0.5) * transform)
    padded = np.pad(mono, length // 2)
    starts = np.round(np.arange(0, len(mono) / rate_hz, HOP_S) * rate_hz).astype(int)
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)
    for place in range(0, len(starts), FRAMES_AT_ONCE):
        chosen = frames[np.minimum(starts[place : place + FRAMES_AT_ONCE], len(frames) - 1)]
        yield np.abs(np.fft.rfft(chosen * window, transform)[:, :highest]).astype(np.float32)


def onsets_played(onsets: Doubles, *, audio_start: float, onset: float, duration: float) -> Doubles:
    """Place the onsets of an audio file on the clock of a recording in which a part of it was played.

    Parameters
    ----------
    onsets : ndarray
        Seconds from the start of the file.
    audio_start, onset, duration : float
        Where in the file the presentation begins, and when in the recording, and how long it lasts; in seconds.
    """
    inside = onsets[(onsets >= audio_start) & (onsets < audio_start + duration)]
    return inside - audio_start + onset


def respond_to_onsets(
    eeg: Floats,
    rate_hz: float,
    onsets: Sequence[float] | Doubles,
    presentations: Sequence[Seconds],
    *,
    bad_spans: Sequence[Seconds] = (),
    picks: Sequence[int] | Ints | None = None,
    seed: int = 0,
) -> OnsetResponse | None:
    """Average the EEG over the onsets of the music, and compare with onsets that were shifted.

    Chance is estimated from 199 circular shifts of the onsets within each presentation, each by its own time. Shifted
    onsets keep their rhythm; where the music repeats itself some still meet sounds, so the comparison errs on the
    side of chance. All shifts come out of one circular cross-correlation of the EEG with the train of onsets.

    Parameters
    ----------
    eeg : ndarray, shape (T, C)
        In µV, in memory or mapped. Drifts below 1 Hz are removed from it, if they still are in it.
    rate_hz : float
        Sampling rate.
    onsets : sequence of float
        Seconds from the start of the recording.
    presentations, bad_spans : sequence of (onset, duration)
        In seconds; what lies in bad spans is left out.
    picks : sequence of int, optional
        Channels to use; all by default.
    seed : int
        Of the shifts.

    Returns
    -------
    OnsetResponse or None
        None when there are fewer than 20 onsets to average.
    """
    rng = np.random.default_rng(seed)
    rate, chosen = Rate(rate_hz), np.arange(eeg.shape[1]) if picks is None else np.asarray(picks, dtype=int)
    lags = np.arange(-rate.samples(BEFORE_S), rate.samples(AFTER_S) + 1)
    sums = np.zeros((SHIFTS + 1, lags.size, chosen.size + 1))
    count = 0
    for presentation in presentations:
        samples, first = _cut(eeg, rate, presentation, bad_spans, chosen)
        places = np.array([rate.samples(onset) - first for onset in onsets], dtype=int)
        places = places[(places >= -lags[0]) & (places < len(samples) - lags[-1])]
        places = places[samples[places, -1] > 0]
        shortest = rate.samples(SHORTEST_SHIFT_S)
        if not places.size or len(samples) <= 2 * shortest:
            continue
        shifts = np.concatenate([[0], rng.integers(shortest, len(samples) - shortest, SHIFTS)])
        correlation = _correlate(samples, places)
        for row, shift in zip(sums, shifts, strict=True):
            row += correlation[(shift + lags) % len(correlation)]
        count += places.size
    if count < FEWEST_ONSETS:
        return None
    summed, met = sums[:, :, :-1], np.maximum(sums[:, :, -1:], 1)
    # Shifted onsets meet bad spans and the ends of the music more often. What is left over in an average of n moments
    # has an amplitude of one over the root of n: brought to the number of moments that the onsets themselves meet.
    return _summary(summed / np.sqrt(met * met[0]), lags / rate_hz, count)


def _cut(
    eeg: Floats, rate: Rate, presentation: Seconds, bad_spans: Sequence[Seconds], picks: Ints
) -> tuple[Singles, int]:
    """Cut out a presentation, without drifts, limited, nothing in bad spans; a last column has 1 where it counts.

    Also returns the place of its first sample in the recording.
    """
    first, last = rate.samples(presentation[0]), rate.samples(sum(presentation))
    samples = np.asarray(eeg[first:last], dtype=np.float32)[:, picks]
    usable = np.ones(len(samples), dtype=bool)
    for onset, duration in bad_spans:
        start, stop = (max(0, rate.samples(edge) - first) for edge in (onset, onset + duration))
        usable[start:stop] = False
    if usable.any():
        samples = _without_drifts(samples, rate.hz, usable)
        some = samples[usable][:: max(1, len(samples) // ENOUGH)]
        centre = np.median(some, axis=0)
        most = OUTLIER * ROBUST * np.median(np.abs(some - centre), axis=0)
        samples = np.clip(samples - centre, -most, most)
    samples[~usable] = 0
    return np.column_stack([samples, usable.astype(np.float32)]), first


def _without_drifts(samples: Singles, rate_hz: float, usable: Bools) -> Singles:
    """High-pass samples (T, C); what lies in bad spans is bridged first, so that it does not spread."""
    from mne.filter import filter_data

    good, bad = np.flatnonzero(usable), np.flatnonzero(~usable)
    steady = np.empty_like(samples)
    for first in range(0, samples.shape[1], CHANNELS):
        some = samples[:, first : first + CHANNELS].T.astype(np.float64)
        for trace in some:
            trace[bad] = np.interp(bad, good, trace[good])
        with quiet():
            steady[:, first : first + CHANNELS] = filter_data(some, rate_hz, DRIFTS_HZ, None, copy=False).T
    return steady


def _correlate(samples: Singles, places: Ints) -> Singles:
    """Sum samples (T, C) over places, later by 0, 1, 2, ... samples, around a circle."""
    from scipy.fft import irfft, next_fast_len, rfft

    length = next_fast_len(len(samples), real=True)
    train = np.zeros(length, dtype=np.float32)
    np.add.at(train, places, 1)
    product = rfft(samples, length, axis=0) * np.conj(rfft(train))[:, None]
    correlation: Singles = irfft(product, length, axis=0, overwrite_x=True)
    return correlation


def _summary(averages: Doubles, times_s: Doubles, count: int) -> OnsetResponse:
    power = averages.std(axis=2)
    low, high = np.percentile(power[1:], [2.5, 97.5], axis=0)
    tested = power[:, (times_s >= TESTED_S[0]) & (times_s <= TESTED_S[1])].mean(axis=1)
    null = tested[1:]
    z = (tested[0] - null.mean()) / null.std(ddof=1) if null.std() > 0 else 0.0
    p = (1 + np.count_nonzero(null >= tested[0])) / (1 + null.size)
    return OnsetResponse(times_s, averages[0].T, power[0], low, high, count, float(z), float(p))

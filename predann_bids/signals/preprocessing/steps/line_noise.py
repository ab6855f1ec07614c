"""Power-line noise: its frequencies, and ZapLine, which removes it by its spatial pattern as well as by frequency."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from predann_bids.arrays import Doubles
from predann_bids.config import Preprocessing
from predann_bids.signals.preprocessing.interface import LOADED, STEPS, STREAMED, PreprocessingStep
from predann_bids.signals.preprocessing.state import State, Step

Spectrum = NDArray[np.complex128]

FEWEST_CHANNELS = 4
SHORTEST_S = 4.0
# What carries the noise changes when cables move, so the components are sought anew in every segment; neighbours
# fade into each other.
SEGMENT_S, FADE_S = 60.0, 1.0
LINE_HZ, NEIGHBOURS_HZ = 0.5, (1.5, 5.0)
FAINT = 0.01  # of the power around the line frequency
CLEAN = 1.25  # line power this many times that of its neighbourhood, which is 1 dB, is taken for none


@STEPS.add("line_noise")
class LineNoise(PreprocessingStep):
    """Remove the line frequency and its harmonics, with notch filters or with ZapLine."""

    order = 10

    @property
    def wanted(self) -> bool:
        """Whether line noise is to be removed."""
        return self.config.notch != "none"

    @property
    def memory(self) -> float:
        """ZapLine takes the whole recording at once."""
        return LOADED if self.config.line_noise == "zapline" else STREAMED

    def apply(self, state: State) -> State:
        """Set the notches, or clean the whole recording."""
        frequencies = notch_frequencies(self.config, state.raw.info["line_freq"], state.rate_hz)
        if not frequencies:
            reason = "the sidecar gives no PowerLineFrequency"
            return state.note(Step("no notch", {"reason": reason})) if self.config.notch == "auto" else state
        if self.config.line_noise == "zapline":
            return _zapped(state, frequencies[0])
        step = Step("notch", {"frequencies_hz": frequencies, "filter": "zero-phase FIR, Hamming window"})
        return state.filter(notches_hz=frequencies).note(step)


def _zapped(state: State, line_hz: float) -> State:
    from mne.io import RawArray

    noisy = state.raw.get_data()
    clean, step = remove_line_noise(noisy, state.rate_hz, line_hz)
    if step.name == "no notch":
        return state.note(step)
    share = 1 - float(np.median(clean.var(axis=1)) / max(np.median(noisy.var(axis=1)), np.finfo(float).tiny))
    step = Step(step.name, step.parameters | {"variance_removed": round(share, 4)})
    return replace(state, raw=RawArray(clean, state.raw.info, verbose="error")).note(step)


def notch_frequencies(config: Preprocessing, line_hz: float | None, rate_hz: float) -> list[float]:
    """List the line frequency and its harmonics below the Nyquist frequency; empty for no notch."""
    hz = line_hz if config.notch == "auto" else None if config.notch == "none" else config.notch
    # one Hz of room, as the notch itself has a width
    return [float(f) for f in np.arange(hz, rate_hz / 2 - 1, hz)] if hz else []


def remove_line_noise(data: Doubles, rate_hz: float, line_hz: float) -> tuple[Doubles, Step]:
    """Remove the line frequency and its harmonics with ZapLine (de Cheveigné 2020).

    What a moving average over one period takes out of the signal holds the noise. In it, spatial filters find the
    components with the largest share of power at the line frequency and its harmonics; as many of them are projected
    out as are needed until nothing stands out there. The rest of the spectrum stays.

    Parameters
    ----------
    data : ndarray, shape (C, T)
        EEG; it is not changed. Flat channels stay as they are.
    rate_hz, line_hz : float
        Sampling rate and line frequency.

    Returns
    -------
    ndarray, shape (C, T), and Step
        Where ZapLine is not possible, `data` itself and a step that gives the reason.
    """
    live = np.flatnonzero(np.ptp(data, axis=1) > 0)
    if reason := _obstacle(len(live), data.shape[1], rate_hz, line_hz):
        return data, Step("no notch", {"reason": reason})
    clean, removed, before, after = data.copy(), [], 1.0, 1.0
    for start, stop, weights in _segments(data.shape[1], rate_hz):
        segment = data[live, start:stop].T
        artifact, n_components, excess = _artifact(segment, rate_hz, line_hz)
        clean[live, start:stop] -= (artifact * weights[:, None]).T
        removed.append(n_components)
        before, after = max(before, excess[0]), max(after, excess[-1])
    parameters = {
        "frequency_hz": line_hz,
        "components_removed": removed,
        "segment_s": round(data.shape[1] / rate_hz / len(removed), 3),
        "excess_before_db": round(10 * math.log10(before), 2),
        "excess_after_db": round(10 * math.log10(after), 2),
    }
    return clean, Step("zapline", parameters)


def _obstacle(n_channels: int, n_samples: int, rate_hz: float, line_hz: float) -> str | None:
    if n_channels < FEWEST_CHANNELS:
        return f"ZapLine needs {FEWEST_CHANNELS} channels that are not flat"
    if n_samples < max(SHORTEST_S * rate_hz, n_channels):
        return f"ZapLine needs a recording of {SHORTEST_S:g} s"
    if line_hz >= rate_hz / 2 - NEIGHBOURS_HZ[0]:
        return f"the line frequency ({line_hz:g} Hz) does not lie below half the sampling rate ({rate_hz / 2:g} Hz)"
    return None


def _segments(n_samples: int, rate_hz: float) -> Iterator[tuple[int, int, Doubles]]:
    """Cut a recording into equal parts that overlap; the weights of all parts add up to one everywhere."""
    count = max(1, round(n_samples / rate_hz / SEGMENT_S))
    edges = np.linspace(0, n_samples, count + 1).round().astype(int)
    fade = int(FADE_S * rate_hz)
    ramp = (np.arange(2 * fade) + 0.5) / (2 * fade)
    for left, right in pairwise(edges):
        start, stop = max(0, int(left) - fade), min(n_samples, int(right) + fade)
        weights = np.ones(stop - start)
        if left > 0:
            weights[: 2 * fade] = ramp
        if right < n_samples:
            weights[-2 * fade :] = ramp[::-1]
        yield start, stop, weights


def _artifact(segment: Doubles, rate_hz: float, line_hz: float) -> tuple[Doubles, int, list[float]]:
    """Find the line noise of one segment (T, C) -> (T, C), with how much stood out after 0, 1, ... components."""
    from meegkit.dss import dss0
    from meegkit.utils import gaussfilt, tscov

    segment = np.ascontiguousarray(segment - segment.mean(axis=0))
    residue = segment - _period_mean(segment, rate_hz / line_hz)
    if not residue.any():
        return residue, 0, [1.0]
    covariance = tscov(residue)[0]
    n_harmonics = int(rate_hz / 2 // line_hz)
    biased = tscov(gaussfilt(residue, rate_hz, line_hz, fwhm=1, n_harm=n_harmonics))[0]
    filters = dss0(covariance, biased)[0]
    spectra = _line_spectra(residue, rate_hz, line_hz)
    excess = [_excess(spectra)]
    # removing more than a quarter of all dimensions would take too much of the brain along
    while excess[-1] > CLEAN and len(excess) <= min(segment.shape[1] // 4, filters.shape[1]):
        projection = _projection(filters[:, : len(excess)], covariance)
        excess.append(_excess([(line - line @ projection, around - around @ projection) for line, around in spectra]))
    n_components = len(excess) - 1
    return residue @ _projection(filters[:, :n_components], covariance), n_components, excess


def _period_mean(segment: Doubles, period: float) -> Doubles:
    """Average over the period in samples around each sample: (T, C) -> (T, C).

    Centred, unlike the published one: delayed by half a period, the average would differ from the signal at low
    frequencies too, and so much more of the brain would be in what components are taken out of.
    """
    from meegkit.utils import smooth

    delay = round((period - 1) / 2)
    start = math.ceil(period)
    padded = np.pad(segment, ((start, delay), (0, 0)), mode="reflect")
    averaged: Doubles = smooth(padded, period)[start + delay :]
    return averaged


def _projection(filters: Doubles, covariance: Doubles) -> Doubles:
    """Regress channels on components, which DSS makes uncorrelated and scales to a variance of one: (C, C)."""
    return filters @ (filters.T @ covariance)


def _line_spectra(residue: Doubles, rate_hz: float, line_hz: float) -> list[tuple[Spectrum, Spectrum]]:
    """Spectrum at each harmonic that lies in EEG, and around it: (bins, C) each."""
    spectrum = np.fft.rfft(residue * np.hanning(len(residue))[:, None], axis=0)
    hz = np.fft.rfftfreq(len(residue), 1 / rate_hz)
    near, far = NEIGHBOURS_HZ
    distances = [np.abs(hz - harmonic) for harmonic in np.arange(line_hz, rate_hz / 2 - near, line_hz)]
    spectra = [(spectrum[d <= LINE_HZ], spectrum[(d >= near) & (d <= far)]) for d in distances]
    # where filters or amplifiers have left nothing of the EEG, what stands out is nothing as well
    power = [float(np.median((np.abs(around) ** 2).mean(axis=0))) for _, around in spectra]
    return [pair for pair, level in zip(spectra, power, strict=True) if level >= FAINT * power[0]]


def _excess(spectra: list[tuple[Spectrum, Spectrum]]) -> float:
    """Compare power at the line frequency with that around it: a mean over channels, of the worst harmonic."""
    ratios = []
    for line, around in spectra:
        line_power, around_power = ((np.abs(bins) ** 2).mean(axis=0) for bins in (line, around))
        live = around_power > 0
        ratios.append(float((line_power[live] / around_power[live]).mean()) if live.any() else 1.0)
    return max(ratios)

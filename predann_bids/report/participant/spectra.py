"""Spectra before and after preprocessing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from scipy.signal import welch

from predann_bids.arrays import Doubles
from predann_bids.report.participant.drawn import AFTER, BEFORE, PALE, figure_html, new_figure
from predann_bids.report.participant.recorded import Recorded

SEGMENT_S = 4.0  # resolves 0.25 Hz, so that a notch is seen as one
HIGHEST_HZ = 80.0


@dataclass(frozen=True)
class Spectra:
    """Power spectral densities of several channels.

    Parameters
    ----------
    frequencies : ndarray, shape (F,)
        In Hz.
    power_db : ndarray, shape (C, F)
        In dB relative to 1 µV²/Hz.
    """

    frequencies: Doubles
    power_db: Doubles


def estimate_spectra(eeg: Doubles, rate_hz: float) -> Spectra:
    """Estimate power spectral densities with Welch's method (Hann windows of 4 s that overlap by half).

    Parameters
    ----------
    eeg : ndarray, shape (C, T)
        In µV.
    rate_hz : float
        Sampling rate.
    """
    segment = min(eeg.shape[1], round(SEGMENT_S * rate_hz))
    # one channel at a time, as the windows of all together take several times the memory of the EEG
    power = np.stack([welch(trace, rate_hz, nperseg=segment)[1] for trace in eeg])
    frequencies = np.arange(power.shape[1]) * rate_hz / segment
    floor = np.finfo(np.float64).tiny  # a channel without any signal has no logarithm
    return Spectra(frequencies, 10 * np.log10(np.maximum(power, floor)))


def spectra_html(recorded: Recorded, before: Spectra, after: Spectra, key: str) -> str:
    """Show the spectra of the good channels.

    Parameters
    ----------
    recorded : Recorded
        The recording, before and after preprocessing.
    before, after : Spectra
        Of its good channels.
    key : str
        Distinguishes this recording's figures from those of others.
    """
    band = recorded.step("band-pass")
    line_hz = recorded.sidecar.get("PowerLineFrequency")
    figure = draw_spectra(
        before,
        after,
        line_hz=line_hz if isinstance(line_hz, int | float) else None,  # BIDS allows "n/a"
        band_hz=(band.get("low_hz"), band.get("high_hz")),
    )
    edges = " Dashed: the edges of the band-pass." if band else ""
    caption = (
        f"Median over the good channels with the interquartile range, from {stretch_in_words(recorded)}; Welch's"
        f" method with windows of {SEGMENT_S:g} s.{edges}"
    )
    return figure_html(figure, name=f"{key}-spectra", title="Spectra before and after", caption=caption)


def stretch_in_words(recorded: Recorded) -> str:
    """Say which stretch of the recording a figure is about."""
    start, stop = recorded.stretch
    if stop - start >= recorded.seconds - 1:
        return "the whole recording"
    return f"{start:.0f} to {stop:.0f} s of the recording"


def draw_spectra(
    before: Spectra, after: Spectra, *, line_hz: float | None = None, band_hz: Sequence[float | None] = ()
) -> Figure:
    """Draw spectra before and after preprocessing: the median over channels, with the interquartile range.

    Parameters
    ----------
    before, after : Spectra
        Of the same channels.
    line_hz : float, optional
        Line frequency to mark.
    band_hz : sequence of float
        Edges of the band-pass to mark; None for an open one.
    """
    figure = new_figure(3.9)
    axes = figure.subplots()
    for spectra, colour, name in ((before, BEFORE, "before"), (after, AFTER, "after preprocessing")):
        frequencies = spectra.frequencies[spectra.frequencies <= HIGHEST_HZ]
        low, median, high = np.percentile(spectra.power_db[:, : frequencies.size], [25, 50, 75], axis=0)
        axes.fill_between(frequencies, low, high, color=colour, alpha=0.25, linewidth=0)
        axes.plot(frequencies, median, color=colour, linewidth=1.4, label=name)
    axes.set_xlim(0, min(before.frequencies[-1], HIGHEST_HZ))
    axes.set_ylim(*_decibel_limits(before, after))
    edges = [(hz, f"{hz:g} Hz", "--") for hz in band_hz if hz]
    line = [(line_hz, f"line, {line_hz:g} Hz", ":")] if line_hz else []
    for hz, name, style in [*edges, *line]:
        axes.axvline(hz, color=PALE, linestyle=style, linewidth=1, zorder=0)
        axes.text(hz, 1.01, name, transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=8)
    axes.set_xlabel("Frequency (Hz)")
    axes.set_ylabel("Power spectral density\n(dB re 1 µV²/Hz)")
    axes.legend(frameon=False, loc="upper right")
    return figure


def _decibel_limits(before: Spectra, after: Spectra) -> tuple[float, float]:
    # What a filter has removed lies arbitrarily low; the axis is for what was and what is left.
    shown = (before.frequencies > 0) & (before.frequencies <= HIGHEST_HZ)
    median = np.median(before.power_db[:, shown], axis=0)
    kept = np.median(after.power_db, axis=0)
    return float(median.min()) - 20, float(max(median.max(), kept.max())) + 6

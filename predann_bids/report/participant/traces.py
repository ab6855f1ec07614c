"""A few seconds of the preprocessed EEG itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
from matplotlib.figure import Figure

from predann_bids.arrays import Doubles
from predann_bids.report.participant.drawn import AFTER, BAD, INK, image_html, new_figure
from predann_bids.report.participant.recorded import Recorded, microvolts

BEFORE_S, AFTER_S = 2.0, 8.0
MOST_TRACES = 32


def traces_html(recorded: Recorded) -> str:
    """EEG around the onset of the first presentation."""
    first, rate = recorded.presentations[0], recorded.after.info["sfreq"]
    names = shown_channels(recorded.after.ch_names, recorded.bad)
    start_s = max(0.0, first.onset - BEFORE_S)
    eeg = microvolts(recorded.after, start_s, first.onset + AFTER_S, names)
    times = start_s - first.onset + np.arange(eeg.shape[1]) / rate
    total = len(recorded.after.ch_names)
    shown = f" {len(names)} of {total} channels are shown." if len(names) < total else ""
    marked = f" Vermilion: channels that were bad ({escape(', '.join(recorded.bad))})." if recorded.bad else ""
    caption = f"Preprocessed EEG, each channel about its median; at 0 s {escape(first.label)} begins.{shown}{marked}"
    figure = draw_traces(eeg, times, names, recorded.bad)
    return image_html(figure, title="Traces of EEG", caption=caption, inks=(INK, BAD, AFTER))


def shown_channels(names: Sequence[str], bad: Sequence[str]) -> list[str]:
    """Choose every so many channels, and bad ones between them while there is room."""
    every = math.ceil(len(names) / MOST_TRACES)
    extra = set([name for place, name in enumerate(names) if name in bad and place % every][:MOST_TRACES])
    return [name for place, name in enumerate(names) if place % every == 0 or name in extra]


def draw_traces(eeg: Doubles, times: Doubles, names: Sequence[str], bad: Sequence[str] = ()) -> Figure:
    """Draw EEG as traces below each other, each about its median, with a scale bar.

    Parameters
    ----------
    eeg : ndarray, shape (C, T)
        In µV.
    times : ndarray, shape (T,)
        Seconds from the onset of a presentation.
    names : sequence of str
        Channel names, C of them.
    bad : sequence of str
        Channels to set apart.
    """
    figure = new_figure(1.0 + 0.19 * max(10, len(names)))
    axes = figure.subplots()
    spacing = _round_up(3 * float(np.median(np.std(eeg, axis=1))))
    for lane, (name, trace) in enumerate(zip(names, eeg, strict=True)):
        colour, width = (BAD, 0.9) if name in bad else (INK, 0.55)
        # offsets of electrodes are larger than signals, where no filter has removed them
        axes.plot(times, (trace - np.median(trace)) / spacing - lane, color=colour, linewidth=width)
    axes.axvline(0, color=AFTER, linewidth=1.2)
    axes.set_yticks(-np.arange(len(names)), names, fontsize=8, parse_math=False)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_color(BAD if name in bad else INK)
    axes.set_xlim(times[0], math.ceil(times[-1]))
    axes.set_ylim(-len(names) - 0.2, 1.2)
    axes.plot([1.012, 1.012], [-1, 0], transform=axes.get_yaxis_transform(), color=INK, linewidth=2, clip_on=False)
    axes.text(1.02, -0.5, f"{spacing:g} µV", transform=axes.get_yaxis_transform(), va="center", fontsize=9)
    axes.set_xlabel("Time from the onset of the presentation (s)")
    axes.tick_params(axis="y", length=0)
    return figure


def _round_up(value: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= value)

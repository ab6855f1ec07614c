"""The distribution of amplitudes before and after preprocessing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from predann_bids.arrays import Doubles
from predann_bids.report.participant.drawn import AFTER, BAD, BEFORE, PALE, figure_html, light_grid, new_figure
from predann_bids.report.participant.recorded import Recorded
from predann_bids.report.participant.spectra import stretch_in_words
from predann_bids.signals.quality import LARGE_UV

EDGES_UV = np.logspace(-1, 4, 76)
MOST_NAMED = 8


@dataclass(frozen=True)
class Amplitudes:
    """Amplitudes of several channels.

    Parameters
    ----------
    shares : ndarray, shape (C, 75)
        Share of each channel's samples in each bin of `EDGES_UV`, by their distance from the channel's median.
    spread_uv : ndarray, shape (C,)
        Standard deviations.
    """

    shares: Doubles
    spread_uv: Doubles

    @classmethod
    def of(cls, eeg: Doubles) -> Amplitudes:
        """Take the amplitudes of EEG (C, T) in µV."""
        counts = []
        for trace in eeg:
            distance = np.abs(trace - np.median(trace))
            counts.append(np.histogram(distance.clip(max=EDGES_UV[-1]), EDGES_UV)[0] / len(trace))
        return cls(np.array(counts), eeg.std(axis=1))


def amplitudes_html(recorded: Recorded, names: Sequence[str], before: Amplitudes, after: Amplitudes, key: str) -> str:
    """Show the distribution of amplitudes, over samples and over channels.

    Parameters
    ----------
    recorded : Recorded
        The recording, before and after preprocessing.
    names : sequence of str
        Channels.
    before, after : Amplitudes
        Of these channels.
    key : str
        Distinguishes this recording's figures from those of others.
    """
    figure = draw_amplitudes(before, after, names, recorded.bad)
    bad = " Crosses: bad channels before they were repaired." if recorded.bad else ""
    caption = (
        f"From {escape(stretch_in_words(recorded))}. Left: how far samples lie from the median of their channel;"
        f" median over the good channels, with the 10th to 90th percentile; dotted, {LARGE_UV:g} µV, which cortical"
        f" activity does not reach. Right: each channel's standard deviation, channels in the order of the file.{bad}"
    )
    return figure_html(figure, name=f"{key}-amplitudes", title="Amplitudes before and after", caption=caption)


def draw_amplitudes(before: Amplitudes, after: Amplitudes, names: Sequence[str], bad: Sequence[str] = ()) -> Figure:
    """Draw amplitudes before and after preprocessing.

    Parameters
    ----------
    before, after : Amplitudes
        Of all channels.
    names : sequence of str
        Channels.
    bad : sequence of str
        Those of them that were bad, which are marked.
    """
    figure = new_figure(3.6)
    left, right = figure.subplots(1, 2)
    is_bad = np.array([name in bad for name in names])
    good = ~is_bad if not is_bad.all() else np.ones(len(names), dtype=bool)
    centres = np.sqrt(EDGES_UV[1:] * EDGES_UV[:-1])
    places = np.arange(len(names))
    for amplitudes, colour, marker, name in ((before, BEFORE, "o", "before"), (after, AFTER, "s", "after")):
        low, median, high = np.percentile(100 * amplitudes.shares[good], [10, 50, 90], axis=0)
        left.fill_between(centres, low, high, color=colour, alpha=0.25, linewidth=0)
        left.plot(centres, median, color=colour, linewidth=1.4, label=name)
        spread = np.maximum(amplitudes.spread_uv, EDGES_UV[0])
        right.plot(places[good], spread[good], marker, color=colour, markersize=3, label=name)
    crossed = np.maximum(before.spread_uv, EDGES_UV[0])[is_bad]
    right.plot(places[is_bad], crossed, "x", color=BAD, markersize=7, markeredgewidth=1.6)
    if crossed.size <= MOST_NAMED:
        for place, value in zip(places[is_bad], crossed, strict=True):
            right.annotate(
                names[place], (place, value), (0, 6), textcoords="offset points", ha="center", fontsize=8, color=BAD,
                parse_math=False,
            )  # fmt: skip
    left.set_xscale("log")
    left.axvline(LARGE_UV, color=PALE, linestyle=":", linewidth=1)
    reached = centres[np.flatnonzero(before.shares.any(axis=0) | after.shares.any(axis=0)).max(initial=0)]
    left.set(
        xlim=(EDGES_UV[0], max(2 * reached, 2 * LARGE_UV)), xlabel="Distance from the median (µV)", ylabel="Samples (%)"
    )
    left.set_ylim(bottom=0)
    left.legend(frameon=False)
    right.set_yscale("log")
    right.margins(y=0.15)
    right.set(xlabel="Channel", ylabel="Standard deviation (µV)")
    for axis in (left.xaxis, right.yaxis):
        axis.set_major_formatter("{x:g}")
    right.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(1.5, 0.7)))
    light_grid(right, "y")
    return figure

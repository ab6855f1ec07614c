"""A picture of the quality of all participants: a row of dots for each measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from predann_bids.arrays import Bools, Doubles
from predann_bids.report.drawing import FAINT, INK, WIDTH_IN, Illustration, shorten

GOOD, OUTLIER, NORMAL = "#0072B2", "#D55E00", "#e6f0f7"
MOST_NAMED = 6
LONGEST_NAME = 16
ROW_IN = 0.92
FARTHEST_LIMIT = 3  # times the span of what is shown; beyond, it would squeeze all participants into a corner


@dataclass(frozen=True)
class Dots:
    """One measure over participants.

    Parameters
    ----------
    title : str
        What is measured, with its unit.
    values : mapping
        Participant to value, in the unit of the title.
    outliers : sequence of str
        Participants who stand out.
    fence : tuple of float, optional
        Between which values participants do not stand out from each other; may be infinite.
    limit : float, optional
        Beyond which they stand out, whatever the others are.
    logarithmic : bool
        Whether the axis is.
    context : sequence of float
        Values that are always in sight, so that small differences look small.
    """

    title: str
    values: Mapping[str, float]
    outliers: Sequence[str] = ()
    fence: tuple[float, float] | None = None
    limit: float | None = None
    logarithmic: bool = False
    context: Sequence[float] = ()


def draw_quality(measures: Sequence[Dots]) -> Illustration:
    """Draw every participant as a dot in a row for each measure; outliers are named."""
    figure = Figure(figsize=(WIDTH_IN, 0.3 + ROW_IN * len(measures)), layout="constrained")
    for axes, dots in zip(figure.subplots(len(measures), 1, squeeze=False)[:, 0], measures, strict=True):
        _draw_row(axes, dots)
    caption = (
        "A dot for each participant; the black line is the median. Orange diamonds stand out, the worst by name. Blue"
        " bands: values that do not stand out from those of the others; dashed: fixed limits."
    )
    return Illustration("quality", "Quality of all participants", caption, figure)


def _draw_row(axes: Axes, dots: Dots) -> None:
    labels, values = list(dots.values), np.array(list(dots.values.values()))
    is_out = np.array([label in dots.outliers for label in labels], dtype=bool)
    if dots.logarithmic:
        axes.set_xscale("log")
    heights = _spread(np.log(np.maximum(values, 1e-9)) if dots.logarithmic else values)
    heights[is_out] = np.resize([0.0, 0.6, -0.6], is_out.sum())  # so that their names do not hide each other
    size = 5.5 if len(values) <= 60 else 3.5
    axes.plot(values[~is_out], heights[~is_out], "o", color=GOOD, markersize=size, alpha=0.75, markeredgewidth=0)
    axes.plot(values[is_out], heights[is_out], "D", color=OUTLIER, markersize=size + 0.5)
    _limit_axis(axes, values, dots)
    if dots.fence:
        low, high = np.clip(dots.fence, *axes.get_xlim())
        axes.axvspan(low, high, color=NORMAL, linewidth=0, zorder=0)
    if dots.limit is not None:
        axes.axvline(dots.limit, color=OUTLIER, linestyle="--", linewidth=1, zorder=1)
    axes.axvline(float(np.median(values)), color=INK, linewidth=1.2, zorder=1)
    _name_outliers(axes, labels, values, heights, is_out)
    axes.set_title(dots.title, fontsize=9)
    axes.set_ylim(-1, 1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=FAINT, linewidth=0.7)
    if dots.logarithmic:
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(1.5, 0.7)))


def _spread(values: Doubles) -> Doubles:
    """Spread dots that would hide each other: equal values get different heights, others stay in the middle."""
    heights = np.zeros(len(values))
    if np.ptp(values) == 0:
        bins = np.zeros(len(values), dtype=int)
    else:
        bins = np.floor((values - values.min()) / np.ptp(values) * 79.999).astype(int)
    for place in np.unique(bins):
        inside = np.flatnonzero(bins == place)
        reach = min(0.7, 0.12 * (len(inside) - 1))
        heights[inside] = np.linspace(-reach, reach, len(inside)) if len(inside) > 1 else 0
    return heights


def _limit_axis(axes: Axes, values: Doubles, dots: Dots) -> None:
    shown = [*values, *dots.context]
    span = max(shown) - min(shown)
    if dots.limit is not None and abs(dots.limit - float(np.median(values))) <= FARTHEST_LIMIT * span:
        shown.append(dots.limit)
    low, high = min(shown), max(shown)
    if dots.logarithmic:
        factor = max(1.1, (high / max(low, 1e-9)) ** 0.05)
        axes.set_xlim(low / factor, high * factor)
        return
    room = 0.05 * (high - low) or max(0.05 * abs(high), 0.5)
    axes.set_xlim(low - room, high + room)


def _name_outliers(
    axes: Axes,
    labels: Sequence[str],
    values: Doubles,
    heights: Doubles,
    is_out: Bools,
) -> None:
    middle = float(np.median(values))
    worst = sorted(np.flatnonzero(is_out).tolist(), key=lambda place: -abs(values[place] - middle))[:MOST_NAMED]
    low, high = axes.get_xlim()
    for place in worst:
        right = values[place] > (low + high) / 2
        axes.annotate(
            shorten(labels[place], LONGEST_NAME), (values[place], heights[place]), (-6 if right else 6, 0),
            textcoords="offset points", ha="right" if right else "left", va="center", fontsize=8, color=OUTLIER,
            parse_math=False,
        )  # fmt: skip

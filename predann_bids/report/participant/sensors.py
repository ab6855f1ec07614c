"""Electrodes on the head, with bad channels and why they are bad."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import mne
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from predann_bids.report.drawing import shorten
from predann_bids.report.participant.drawn import AFTER, BAD, INK, figure_html, new_figure, table_html
from predann_bids.report.participant.recorded import Recorded, has_positions

UNKNOWN = "not said"
# dark enough for a white name upon them
REASON_COLOURS: Mapping[str, str] = {
    "flat": INK,
    "marked in channels.tsv": BAD,
    "deviation": "#0072B2",
    "hf noise": "#8F3E77",
    "correlation": "#00704F",
    "dropout": "#B00040",
    "ransac": "#7A5200",
}
WORDS = {
    "deviation": "amplitude deviates",
    "hf noise": "high-frequency noise",
    "correlation": "low correlation with others",
    "dropout": "drops out",
    "ransac": "not predicted by others (RANSAC)",
}
MANY = 64  # channels that fit on a small head
LONGEST_LIST = 60  # characters in the legend


def sensors_html(recorded: Recorded, key: str) -> str:
    """Electrodes on the head and the table of bad channels."""
    table = _bad_table(recorded)
    if not has_positions(recorded.after.info):
        return f"<p>The positions of the electrodes are not known.</p>{table}"
    figure = draw_sensors(recorded.after.info, recorded.reasons)
    return figure_html(figure, name=f"{key}-sensors", title="Sensors", caption=_caption(recorded)) + table


def draw_sensors(info: mne.Info, reasons: Mapping[str, Sequence[str]]) -> Figure:
    """Draw the electrodes on the head, with their names; bad ones are filled with the colour of their first reason."""
    kinds = [kind for kind in (*REASON_COLOURS, UNKNOWN) if kind in {_kind(why) for why in reasons.values()}]
    crowd = len(info["ch_names"])
    width = 5.6 if crowd <= MANY else 8.0
    figure = new_figure(width - 0.4 + 0.22 * len(kinds), width)
    axes = figure.subplots()
    size = max(20.0, min(430.0, 16000 / crowd if crowd <= MANY else 32000 / crowd))
    mne.viz.plot_sensors(info, axes=axes, show_names=False, pointsize=size, linewidth=0.8, show=False, verbose="error")
    dots = axes.collections[-1]
    dots.set_zorder(4)  # above the outline of the head
    names = info["ch_names"]
    dots.set_facecolor([_colour(reasons[name]) if name in reasons else "#dce9f3" for name in names])
    dots.set_edgecolor([INK if name in reasons else AFTER for name in names])
    for name, (x, y) in zip(names, np.asarray(dots.get_offsets()), strict=True):
        text = axes.text(x, y, name, ha="center", va="center", zorder=5, parse_math=False)
        text.set(
            fontsize=max(4.0, min(8.0, 420 / crowd if crowd <= MANY else 800 / crowd)),
            color="white" if name in reasons else INK,
        )
        text.set_fontweight("bold" if name in reasons else "normal")
    _legend(figure, kinds, reasons)
    return figure


def _kind(why: Sequence[str]) -> str:
    return next((kind for kind in REASON_COLOURS if kind in why), UNKNOWN)


def _colour(why: Sequence[str]) -> str:
    return REASON_COLOURS.get(_kind(why), BAD)


def _legend(figure: Figure, kinds: Sequence[str], reasons: Mapping[str, Sequence[str]]) -> None:
    if not kinds:
        return
    handles = [Line2D([], [], marker="o", linestyle="", color=REASON_COLOURS.get(kind, BAD)) for kind in kinds]
    words = [
        f"{WORDS.get(kind, kind)}: "
        + shorten(", ".join(name for name, why in reasons.items() if _kind(why) == kind), LONGEST_LIST)
        for kind in kinds
    ]
    legend = figure.legend(handles, words, loc="outside lower center", fontsize=8, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _bad_table(recorded: Recorded) -> str:
    rows = [
        (
            escape(name),
            escape(", ".join(WORDS.get(reason, reason) for reason in why) or UNKNOWN),
            "interpolated" if name in recorded.interpolated else "left as it is, marked as bad",
        )
        for name, why in recorded.reasons.items()
    ]
    if not rows:
        return ""
    return f'<div class="predann-long">{table_html(["Bad channel", "Why", "What became of it"], rows)}</div>'


def _caption(recorded: Recorded) -> str:
    template = " The recording has none; these are a template's." if recorded.step("template positions") else ""
    marked = f" Bad: {escape(', '.join(recorded.bad))}." if recorded.bad else " No channel was bad."
    several = " Of several reasons, the first gives the colour." if recorded.bad else ""
    return f"Positions of the electrodes, seen from above, nose up.{template}{marked}{several}"

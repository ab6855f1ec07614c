"""How well the audio that was heard is found among others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from predann_bids.report.drawing import (
    CHANCE,
    CHANCE_LINE,
    FAINT,
    WIDTH_IN,
    Illustration,
    legend,
    number,
    row_of_panels,
    style_of,
    upper,
)
from predann_bids.report.evidence import RETRIEVAL_KINDS, Kind, Models, retrieval_kinds

MEASURES = {
    "top1": "Top 1 (%)",
    "top5": "Top 5 (%)",
    "top10": "Top 10 (%)",
    "mean_reciprocal_rank": "Mean rec. rank",
}
RANKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
FEW_RANKS = (1, 10, 100, 1000, 10000)


def curve_figure(models: Models) -> Illustration | None:
    """Draw cumulative match curves: how often the audio that was heard is among the best so many."""
    curves = {
        kind: {
            model: found["curve"]
            for model, scores in models.items()
            if ((found := retrieval_kinds(scores).get(kind)) and (found.get("curve") or {}).get("rank"))
        }
        for kind in RETRIEVAL_KINDS
    }
    shown = {kind: found for kind, found in curves.items() if found}
    if not shown:
        return None
    title = "How far up the list the audio that was heard is found"
    figure, grid = row_of_panels(title, len(shown), 3.7)
    for axes, (kind, found) in zip(grid, shown.items(), strict=True):
        axes.set_title(RETRIEVAL_KINDS[kind].replace(", ", ",\n"))
        _draw_curve_panel(axes, found)
    grid[0].set_ylabel("Windows found among so many (%)")
    legend(figure, dict.fromkeys(model for found in shown.values() for model in found), "chance")
    caption = (
        "Cumulative match curves. The candidates are ranked by how similar their audio is to what the EEG predicts;"
        " the curve tells in which share of windows the audio that was heard ranks at most so high. Curves left of and"
        " above the dashed line, which is a guess, find it more often than chance."
    )
    return Illustration("retrieval_curves", title, caption, figure)


def _draw_curve_panel(axes: Axes, found: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    for model, curve in found.items():
        style, shares = style_of(model), 100 * np.array(curve["share"], dtype=np.float64)
        marked: Any = {"marker": style.marker, "markevery": max(1, len(shares) // 5), "markersize": 4.5}
        axes.plot(curve["rank"], shares, color=style.colour, linewidth=1.5, clip_on=False, **marked)
    longest = max(found.values(), key=lambda curve: len(curve["rank"]))
    axes.plot(longest["rank"], 100 * np.array(longest["chance"], dtype=np.float64), **CHANCE_LINE)
    last = max(longest["rank"])
    axes.set_xscale("log")
    ticks = [rank for rank in (RANKS if last <= 100 else FEW_RANKS) if rank <= last]
    axes.set_xticks(ticks, [str(rank) for rank in ticks])
    axes.minorticks_off()
    axes.set(xlabel="Rank of the audio heard", ylim=(0, 100))
    axes.grid(color=FAINT, linewidth=0.7)


def retrieval_length_figure(models: Models) -> Illustration | None:
    """Draw what is found at once, among five and ten, and the mean reciprocal rank, by length of the segment."""
    found = {model: retrieval_kinds(scores) for model, scores in models.items()}
    kinds = [kind for kind in RETRIEVAL_KINDS if any(k.get(kind, {}).get("by_length") for k in found.values())]
    lengths = sorted({float(n) for k in found.values() for kind in kinds for n in k.get(kind, {}).get("by_length", {})})
    if len(lengths) < 2:
        return None
    title = "Retrieval by length of the segment"
    figure = Figure(figsize=(WIDTH_IN, 1.4 + 1.65 * len(MEASURES)), layout="constrained")
    figure.suptitle(title, x=0.005, ha="left")
    grid = figure.subplots(len(MEASURES), len(kinds), squeeze=False, sharex=True)
    for row, measure in zip(grid, MEASURES, strict=True):
        for axes, kind in zip(row, kinds, strict=True):
            _draw_length_panel(axes, {m: k[kind] for m, k in found.items() if kind in k}, lengths, measure)
        row[0].set_ylabel(MEASURES[measure])
    for axes, kind in zip(grid[0], kinds, strict=True):
        axes.set_title(RETRIEVAL_KINDS[kind].replace(", ", ",\n"))
    for axes in grid[-1]:
        axes.set_xlabel("Segment (s)")
    legend(figure, [model for model, k in found.items() if k], "chance")
    caption = (
        "Retrieval when the windows inside a longer segment decide together. Top 1, 5, 10: share of segments whose own"
        " audio is the first, or among the first five or ten; mean reciprocal rank: 1 where it is always the first,"
        " 1/2 where it is always the second. Axes differ from panel to panel."
    )
    return Illustration("retrieval_lengths", title, caption, figure)


def _draw_length_panel(axes: Axes, found: Mapping[str, Kind], lengths: Sequence[float], measure: str) -> None:
    scale = 1 if measure == "mean_reciprocal_rank" else 100
    curves = {model: scale * _by_length(kind, lengths, measure) for model, kind in found.items()}
    guess = scale * _by_length(next(iter(found.values()), {}), lengths, f"chance_{measure}")
    if scale == 100 and np.nanmin([*guess, math.inf]) >= 100 * (1 - 1e-9):
        axes.text(0.5, 0.5, "has no more candidates\nthan that", ha="center", va="center", fontsize=8, color=CHANCE,
                  transform=axes.transAxes)  # fmt: skip
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        return
    for model, values in curves.items():
        style = style_of(model)
        axes.plot(lengths, values, style.marker, linestyle="-", color=style.colour, markersize=4.5, clip_on=False)
    axes.plot(lengths, guess, **CHANCE_LINE)
    top = upper([v / 100 for v in (*guess, *(v for c in curves.values() for v in c))]) if scale == 100 else 1.0
    axes.set_ylim(0, top)
    axes.set_xticks(lengths, [f"{length:g}" for length in lengths])
    axes.margins(x=0.1)
    axes.grid(axis="y", color=FAINT, linewidth=0.7)


def _by_length(kind: Kind, lengths: Sequence[float], measure: str) -> NDArray[np.float64]:
    table = kind.get("by_length") or {}
    return np.array([number((table.get(f"{length:g}") or {}).get(measure)) for length in lengths], dtype=np.float64)

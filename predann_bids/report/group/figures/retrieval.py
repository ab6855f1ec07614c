"""How well the audio that was playing is found among others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from predann_bids.arrays import Doubles
from predann_bids.report.drawing import (
    CHANCE,
    CHANCE_LINE,
    FAINT,
    Illustration,
    legend,
    new_figure,
    number,
    row_of_panels,
    upper,
)
from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.figures import FIGURES
from predann_bids.report.scores import Retrieval, retrieval_kinds
from predann_bids.report.words.decisions import RETRIEVAL_KINDS
from predann_bids.report.words.models import model_words

MEAN_RANK = "mean_reciprocal_rank"
MEASURES = {"top1": "Top 1 (%)", "top5": "Top 5 (%)", "top10": "Top 10 (%)", MEAN_RANK: "Mean rec. rank"}
RANKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
FEW_RANKS = (1, 10, 100, 1000, 10000)
Curve = Mapping[str, Sequence[float]]


@FIGURES.add("retrieval_curves")
def draw_curves(evidence: GroupEvidence) -> Illustration | None:
    """Draw cumulative match curves: how often the audio that was playing ranks at most so high."""
    panels = {kind: curves for kind in RETRIEVAL_KINDS if (curves := _curves(evidence, kind))}
    if not panels:
        return None
    title = "How high the true audio ranks"
    figure, row = row_of_panels(title, len(panels), 3.7)
    for axes, (kind, curves) in zip(row, panels.items(), strict=True):
        _name_kind(axes, kind)
        _draw_curve_panel(axes, curves)
    row[0].set_ylabel("Windows with at most this rank (%)")
    models = dict.fromkeys(model for curves in panels.values() for model in curves)
    legend(figure, map(model_words, models), "chance")
    caption = (
        "Cumulative match curves. Candidates are ranked by how similar their audio is to what the EEG predicts; the"
        " curve shows for which share of windows the audio that was playing has at most a given rank. Curves to the"
        " left of and above the dashed line, which is a random guess, find it more often than chance."
    )
    return Illustration("retrieval_curves", title, caption, figure)


def _curves(evidence: GroupEvidence, kind: str) -> dict[str, Curve]:
    curves = {model: retrieval_kinds(s).get(kind, {}).get("curve") or {} for model, s in evidence.models.items()}
    return {model: curve for model, curve in curves.items() if curve.get("rank")}


def _name_kind(axes: Axes, kind: str) -> None:
    axes.set_title(RETRIEVAL_KINDS[kind].replace(", ", ",\n"))


def _draw_curve_panel(axes: Axes, curves: Mapping[str, Curve]) -> None:
    for model, curve in curves.items():
        words, shares = model_words(model), 100 * np.array(curve["share"], dtype=np.float64)
        marked: Any = {"marker": words.marker, "markevery": max(1, len(shares) // 5), "markersize": 4.5}
        axes.plot(curve["rank"], shares, color=words.colour, linewidth=1.5, clip_on=False, **marked)
    longest = max(curves.values(), key=lambda curve: len(curve["rank"]))
    axes.plot(longest["rank"], 100 * np.array(longest["chance"], dtype=np.float64), **CHANCE_LINE)
    last = max(longest["rank"])
    axes.set_xscale("log")
    ticks = [rank for rank in (RANKS if last <= 100 else FEW_RANKS) if rank <= last]
    axes.set_xticks(ticks, [str(rank) for rank in ticks])
    axes.minorticks_off()
    axes.set(xlabel="Rank of the true audio", ylim=(0, 100))
    axes.grid(color=FAINT, linewidth=0.7)


@FIGURES.add("retrieval_lengths")
def draw_retrieval_lengths(evidence: GroupEvidence) -> Illustration | None:
    """Draw top-1, top-5 and top-10 retrieval and the mean reciprocal rank, by length of the segment."""
    models = {model: retrieved for model, scores in evidence.models.items() if (retrieved := retrieval_kinds(scores))}
    kinds = [kind for kind in RETRIEVAL_KINDS if any(k.get(kind, {}).get("by_length") for k in models.values())]
    lengths = sorted(
        {float(n) for k in models.values() for kind in kinds for n in k.get(kind, {}).get("by_length", {})}
    )
    if len(lengths) < 2:
        return None
    title = "Retrieval by length of the segment"
    figure = new_figure(title, 1.4 + 1.65 * len(MEASURES))
    panels = figure.subplots(len(MEASURES), len(kinds), squeeze=False, sharex=True)
    for row, measure in zip(panels, MEASURES, strict=True):
        for axes, kind in zip(row, kinds, strict=True):
            _draw_length_panel(axes, {m: k[kind] for m, k in models.items() if kind in k}, lengths, measure)
        row[0].set_ylabel(MEASURES[measure])
    for axes, kind in zip(panels[0], kinds, strict=True):
        _name_kind(axes, kind)
    for axes in panels[-1]:
        axes.set_xlabel("Segment (s)")
    legend(figure, map(model_words, models), "chance")
    caption = (
        "Retrieval when the windows inside a longer segment decide together. Top 1, 5, 10: share of segments whose own"
        " audio ranks first, or among the first five or ten; mean reciprocal rank: 1 where it always ranks first, 1/2"
        " where it always ranks second. Axes differ from panel to panel."
    )
    return Illustration("retrieval_lengths", title, caption, figure)


def _draw_length_panel(axes: Axes, models: Mapping[str, Retrieval], lengths: Sequence[float], measure: str) -> None:
    scale = 1 if measure == MEAN_RANK else 100
    curves = {model: scale * _by_length(retrieval, lengths, measure) for model, retrieval in models.items()}
    guess = scale * _by_length(next(iter(models.values()), {}), lengths, f"chance_{measure}")
    if scale == 100 and np.nanmin([*guess, math.inf]) >= 100 * (1 - 1e-9):
        axes.text(0.5, 0.5, "no more candidates\nthan this", ha="center", va="center", fontsize=8, color=CHANCE,
                  transform=axes.transAxes)  # fmt: skip
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        return
    for model, values in curves.items():
        words = model_words(model)
        axes.plot(lengths, values, words.marker, linestyle="-", color=words.colour, markersize=4.5, clip_on=False)
    axes.plot(lengths, guess, **CHANCE_LINE)
    top = upper([v / 100 for v in (*guess, *(v for c in curves.values() for v in c))]) if scale == 100 else 1.0
    axes.set_ylim(0, top)
    axes.set_xticks(lengths, [f"{length:g}" for length in lengths])
    axes.margins(x=0.1)
    axes.grid(axis="y", color=FAINT, linewidth=0.7)


def _by_length(retrieval: Retrieval, lengths: Sequence[float], measure: str) -> Doubles:
    table = retrieval.get("by_length") or {}
    return np.array([number((table.get(f"{length:g}") or {}).get(measure)) for length in lengths], dtype=np.float64)

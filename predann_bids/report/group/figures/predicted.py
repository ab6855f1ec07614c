"""How well EEG predicts audio features."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes

from predann_bids.report.drawing import (
    FAINT,
    INK,
    Illustration,
    draw_reference,
    legend,
    row_of_panels,
    shifts,
    shorten,
)
from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.figures import FIGURES
from predann_bids.report.group.predicted import WAYS, name_of
from predann_bids.report.words.models import Mark

CAPTION = (
    "Correlation of predicted with real features within test windows: mean over participants, with its 95 % interval."
    " Thin lines: the correlation of the same predictions with the features of other windows of the participant, where"
    " it should be zero."
)


@FIGURES.add("predicted")
def draw_predicted(evidence: GroupEvidence) -> Illustration | None:
    """Draw a row for each kind of features, with the linear prediction and that by way of the network."""
    rows = evidence.metrics.get("predicts") or []
    ways = {way: mark for way, mark in WAYS.items() if any(row.get(way) for row in rows)}
    if not ways:
        return None
    title = "What the EEG predicts"
    figure, (axes,) = row_of_panels(title, 1, 1.7 + 0.5 * len(rows))
    for (way, mark), shift in zip(ways.items(), shifts(len(ways)), strict=True):
        for height, row in enumerate(rows):
            if row.get(way):
                _draw_correlation(axes, height + float(shift), mark, row[way])
    draw_reference(axes, 0, "no prediction")
    axes.set_yticks(range(len(rows)), [shorten(name_of(row)) for row in rows], parse_math=False)
    axes.set_ylim(len(rows) - 0.5, -0.65)
    axes.set_xlabel("Correlation")
    axes.grid(axis="x", color=FAINT, linewidth=0.7)
    legend(figure, ways.values())
    return Illustration("predicted", title, CAPTION, figure)


def _draw_correlation(axes: Axes, height: float, mark: Mark, scores: Any) -> None:
    low, high = scores["ci95"] or (math.nan, math.nan)
    axes.plot([low, high], [height, height], color=mark.colour, linewidth=2.2, solid_capstyle="butt")
    axes.plot([scores["correlation"]], [height], mark.marker, color=mark.colour, markersize=7)
    axes.plot([scores["other_moments"]], [height], "|", color=INK, markersize=8)

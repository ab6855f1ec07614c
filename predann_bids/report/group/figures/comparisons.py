"""How models differ from each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from predann_bids.report.drawing import FAINT, INK, Illustration, draw_reference, name_panel, row_of_panels
from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.figures import FIGURES
from predann_bids.report.scores import comparison_rows
from predann_bids.report.words.decisions import COMPARED
from predann_bids.report.words.models import model_words

CAPTION = (
    "Accuracy of the first model minus that of the second, on the same windows: mean over participants, with its 95 %"
    " interval. An interval that includes the dashed line shows no difference. By retrieval, a window counts as right"
    " when its own audio ranks first among all moments of all songs."
)


@FIGURES.add("comparisons")
def draw_comparisons(evidence: GroupEvidence) -> Illustration | None:
    """Draw the difference of every pair of models with its interval, and that of each seed where there are several."""
    rows = [row for row in comparison_rows(evidence.metrics) if row.get("difference") is not None]
    panels = [(title, [row for row in rows if row["by"] == by]) for by, title in COMPARED.items()]
    panels = [(title, listed) for title, listed in panels if listed]
    if not panels:
        return None
    pairs = list(dict.fromkeys((row["first"], row["second"]) for row in rows))
    title = "Differences between models"
    figure, row_of_axes = row_of_panels(title, len(panels), 1.7 + 0.5 * len(pairs))
    for axes, (panel, listed) in zip(row_of_axes, panels, strict=True):
        name_panel(axes, panel)
        for row in listed:
            _draw_difference(axes, pairs.index((row["first"], row["second"])), row)
        draw_reference(axes, 0, "no difference")
        axes.set_xlabel("Difference\n(percentage points)")
        axes.grid(axis="x", color=FAINT, linewidth=0.7)
        axes.set_ylim(len(pairs) - 0.5, -0.65)
    names = [f"{model_words(first).name} − {model_words(second).name}" for first, second in pairs]
    row_of_axes[0].set_yticks(range(len(pairs)), names)
    seeds = " Open circles: the difference for each training seed." if any(map(_has_seeds, rows)) else ""
    return Illustration("comparisons", title, CAPTION + seeds, figure)


def _draw_difference(axes: Axes, height: int, row: Mapping[str, Any]) -> None:
    mark = model_words(row["first"])
    low, high = row.get("ci95") or (math.nan, math.nan)
    axes.plot([100 * low, 100 * high], [height, height], color=mark.colour, linewidth=2.2, solid_capstyle="butt")
    axes.plot([100 * row["difference"]], [height], mark.marker, color=mark.colour, markersize=7.5)
    if _has_seeds(row):
        seeds = row["by_seed"]
        heights = [height + 0.28] * len(seeds)
        axes.plot([100 * seed for seed in seeds], heights, "o", color=INK, mfc="none", markersize=4)


def _has_seeds(row: Mapping[str, Any]) -> bool:
    return len(row.get("by_seed") or ()) > 1

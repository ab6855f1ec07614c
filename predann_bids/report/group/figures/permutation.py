"""What permuted labels give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from predann_bids.report.drawing import (
    INK,
    Illustration,
    accuracy_axis,
    draw_chance,
    draw_interval,
    name_panel,
    number,
    row_of_panels,
    upper,
)
from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.figures import FIGURES
from predann_bids.report.words.decisions import BY_LOGITS, BY_MATCH
from predann_bids.report.words.models import model_words

NULL_COLOUR = "#bbbbbb"


@FIGURES.add("permutation")
def draw_permutation(evidence: GroupEvidence) -> Illustration | None:
    """Draw what permuted labels give, and the accuracy that has to exceed it."""
    shown = {name: scores for name, scores in evidence.models.items() if scores.get("permutation")}
    panels = [
        (way, chance)
        for way, chance in ((BY_LOGITS, evidence.chance), (BY_MATCH, evidence.match_chance))
        if any(scores["permutation"].get(f"{way.prefix}null_mean") is not None for scores in shown.values())
    ]
    if not panels:
        return None
    title = "Accuracy against permuted labels"
    figure, row = row_of_panels(title, len(panels), 1.95 + 0.5 * len(shown))
    values = [scores.get(way.accuracy) for scores in shown.values() for way, _ in panels]
    for axes, (way, chance) in zip(row, panels, strict=True):
        name_panel(axes, way.title)
        for height, (model, scores) in enumerate(shown.items()):
            _draw_null(axes, height, scores["permutation"], way.prefix)
            draw_interval(axes, height, model_words(model), number(scores.get(way.accuracy)), math.nan, math.nan)
        accuracy_axis(axes, upper([*values, *(chance for _, chance in panels)]))
        draw_chance(axes, chance)
        axes.set_ylim(len(shown) - 0.5, -0.65)
    row[0].set_yticks(range(len(shown)), [model_words(model).name for model in shown])
    handles = [Line2D([], [], color=NULL_COLOUR, linewidth=9), Line2D([], [], color=INK, marker="|", linestyle="")]
    figure.legend(handles, ["middle 95 % of the null", "its mean"], loc="outside lower center", ncols=2)
    caption = (
        "Coloured marker: accuracy on the true labels. Grey bar: the middle 95 % of the accuracies on permuted labels;"
        " a marker outside it is one that permuted labels hardly ever reach. The bar should lie around the dashed line;"
        " where it does not, something other than the assignment of the labels favours some answers."
    )
    return Illustration("permutation", title, caption, figure)


def _draw_null(axes: Axes, height: int, null: Mapping[str, Any], prefix: str) -> None:
    low, high = null.get(f"{prefix}null_ci95") or (math.nan, math.nan)
    ends = [100 * low, 100 * high]
    axes.plot(ends, [height, height], color=NULL_COLOUR, linewidth=9, solid_capstyle="butt", zorder=0)
    axes.plot([100 * number(null.get(f"{prefix}null_mean"))], [height], "|", color=INK, markersize=9)

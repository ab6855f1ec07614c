"""The same study with each split."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from predann_bids.report import text
from predann_bids.report.drawing import (
    BLANK,
    CHANCE,
    CHANCE_LINE,
    Illustration,
    accuracy_axis,
    draw_interval,
    legend,
    name_panel,
    row_of_panels,
    shifts,
    upper,
)
from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.figures import FIGURES
from predann_bids.report.group.figures.control import with_interval
from predann_bids.report.scores import SplitResult, common_match_chance, evaluated, split_results
from predann_bids.report.words.decisions import BY_LOGITS, WAYS, Way
from predann_bids.report.words.models import model_words
from predann_bids.report.words.splits import split_words

CAPTION = (
    "The same data, decoders and settings, tested with different kinds of data held out. Each row has its own chance"
    " level, because the number of candidates differs. With splits within recordings, whatever marks a recording is in"
    " the training data too, so a high accuracy there is not by itself evidence of music."
)


@FIGURES.add("splits")
def draw_splits(evidence: GroupEvidence) -> Illustration | None:
    """Draw the accuracy of the same study with each split, beside the chance level of each."""
    results = split_results(evidence.metrics)
    panels = [way for way in WAYS if any(_has(result, way) for result in results)]
    if len(results) < 2 or not panels:
        return None
    models = list(dict.fromkeys(model for result in results for model in evaluated(result.content)))
    title = "Accuracy by what was held out"
    figure, row = row_of_panels(title, len(panels), 1.7 + len(results) * (0.2 + 0.17 * len(models)))
    ends: list[float | None] = []
    for axes, way in zip(row, panels, strict=True):
        name_panel(axes, way.title)
        for height, result in enumerate(results):
            ends += _draw_split(axes, height, models, result, way)
        axes.set_ylim(len(results) - 0.5, -0.5)
    for axes in row:
        accuracy_axis(axes, upper(ends))
    row[0].set_yticks(range(len(results)), [split_words(result.split).held_out for result in results])
    legend(figure, map(model_words, models), "chance of this split")
    return Illustration("splits", title, CAPTION, figure)


def _has(result: SplitResult, way: Way) -> bool:
    return any(scores.get(way.accuracy) is not None for scores in evaluated(result.content).values())


def _draw_split(axes: Axes, height: int, models: Sequence[str], result: SplitResult, way: Way) -> list[float | None]:
    """Draw a row of the panel; return all its values."""
    evaluated_here = evaluated(result.content)
    chance = result.content.get("chance")
    level = chance if way is BY_LOGITS else common_match_chance(evaluated_here, chance)
    rows = {model: with_interval(evaluated_here.get(model), way) for model in models}
    if not any(math.isfinite(value) for value, *_ in rows.values()):
        axes.text(0, height, "  no song logits for unseen songs", va="center", fontsize=8, color=CHANCE, bbox=BLANK)
    elif level is not None:
        _draw_level(axes, height, level)
    for shift, (model, (value, low, high)) in zip(shifts(len(models)), rows.items(), strict=True):
        draw_interval(axes, height + shift, model_words(model), value, low, high, written=False)
    return [level, *(value for row in rows.values() for value in row)]


def _draw_level(axes: Axes, height: int, level: float) -> None:
    axes.plot([100 * level, 100 * level], [height - 0.45, height + 0.45], **CHANCE_LINE)
    axes.annotate(
        text.share(level), (100 * level, height - 0.45), (2, -1), textcoords="offset points", fontsize=7, color=CHANCE,
        va="top",
    )  # fmt: skip

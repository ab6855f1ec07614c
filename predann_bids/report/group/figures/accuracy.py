"""Accuracy, over all windows and by participant and song."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from predann_bids.arrays import Doubles
from predann_bids.report.drawing import (
    BLANK,
    CHANCE,
    FAINT,
    Illustration,
    accuracy_axis,
    draw_chance,
    draw_interval,
    legend,
    name_panel,
    number,
    row_of_panels,
    shifts,
    shorten,
    upper,
)
from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.figures import FIGURES
from predann_bids.report.scores import Models, Scores
from predann_bids.report.words.decisions import BY_LOGITS, BY_MATCH, Way
from predann_bids.report.words.models import Mark, model_words


@FIGURES.add("accuracy")
def draw_accuracy(evidence: GroupEvidence) -> Illustration | None:
    """Draw accuracy with its interval against chance, for each model, by song logits and by match."""
    models = evidence.models
    panels = [
        (way, _rows(models, way), chance)
        for way, chance in ((BY_LOGITS, evidence.chance), (BY_MATCH, evidence.match_chance))
        if any(scores.get(way.accuracy) is not None for scores in models.values())
    ]
    if not panels:
        return None
    title = "Accuracy against chance"
    figure, row = row_of_panels(title, len(panels), 1.75 + 0.5 * len(models))
    top = upper([value for _, rows, chance in panels for _, *values in rows for value in (*values, chance)])
    for axes, (way, rows, chance) in zip(row, panels, strict=True):
        name_panel(axes, way.title)
        for height, (model, value, low, high) in enumerate(rows):
            draw_interval(axes, height, model_words(model), value, low, high)
            if way is BY_LOGITS and not math.isfinite(value):
                axes.text(0, height, "  has no song logits", va="center", fontsize=8, color=CHANCE, bbox=BLANK)
        accuracy_axis(axes, top)
        draw_chance(axes, chance)
        axes.set_ylim(len(rows) - 0.5, -0.65)
    row[0].set_yticks(range(len(models)), [model_words(model).name for model in models])
    caption = (
        "Share of test windows for which the right song was named. Horizontal lines: 95 % intervals over participants."
        " A model whose interval includes the dashed line cannot be distinguished from chance."
    )
    return Illustration("accuracy", title, caption, figure)


def _rows(models: Models, way: Way) -> list[tuple[str, float, float, float]]:
    rows = []
    for model, scores in models.items():
        low, high = scores.get(way.interval) or (math.nan, math.nan)
        rows.append((model, number(scores.get(way.accuracy)), low, high))
    return rows


# By participant, by song


@FIGURES.add("by_participant")
def draw_participants(evidence: GroupEvidence) -> Illustration | None:
    """Draw the accuracy of each participant as dots, for each model."""
    names = sorted({name for scores in evidence.models.values() for name in scores.get("by_participant") or ()})
    caption = (
        "Each dot is the accuracy on the test windows of one participant. A result carried by a few participants alone"
        " would show as a few dots far to the right of the dashed line, with the others around it."
    )
    return _breakdown("by_participant", "by_participant", "participant", names, caption, evidence)


@FIGURES.add("by_song")
def draw_songs(evidence: GroupEvidence) -> Illustration | None:
    """Draw the accuracy of each song as dots, for each model."""
    names = list(dict.fromkeys(name for scores in evidence.models.values() for name in scores.get("by_stimulus") or ()))
    caption = (
        "Each dot is the accuracy on the test windows of one song. For a decoder that always names the same few songs,"
        " these would lie far to the right of the dashed line, and all others to the left of it."
    )
    return _breakdown("by_song", "by_stimulus", "song", names, caption, evidence)


def _breakdown(
    figure_name: str, key: str, what: str, names: Sequence[str], caption: str, evidence: GroupEvidence
) -> Illustration | None:
    """Draw the accuracies under one key of the scores, a row for each name, a dot for each model."""
    models = evidence.models
    panels = [
        (way, chance)
        for way, chance in ((BY_LOGITS, evidence.chance), (BY_MATCH, evidence.match_chance))
        if any(np.isfinite(_values(scores, key, names, way)).any() for scores in models.values())
    ]
    if not panels:
        return None
    title = f"Accuracy by {what}"
    figure, row = row_of_panels(title, len(panels), 1.75 + row_height_in(len(names)) * len(names))
    values = [value for scores in models.values() for way, _ in panels for value in _values(scores, key, names, way)]
    top = upper([*values, *(chance for _, chance in panels)])
    for axes, (way, chance) in zip(row, panels, strict=True):
        name_panel(axes, way.title)
        for shift, (model, scores) in zip(shifts(len(models)), models.items(), strict=True):
            _draw_dots(axes, model_words(model), _values(scores, key, names, way), shift)
        axes.hlines(range(len(names)), 0, top, color=FAINT, linewidth=0.7, zorder=0)
        accuracy_axis(axes, top)
        draw_chance(axes, chance)
        axes.set_ylim(len(names) - 0.4, -0.6)
    size = 9.0 if len(names) <= 40 else 8.0
    row[0].set_yticks(range(len(names)), [shorten(name) for name in names], fontsize=size, parse_math=False)
    row[0].set_ylabel(what.capitalize())
    legend(figure, map(model_words, models))
    return Illustration(figure_name, title, caption, figure)


def _values(scores: Scores, key: str, names: Sequence[str], way: Way) -> Doubles:
    table = scores.get(key) or {}
    return np.array([number((table.get(name) or {}).get(way.accuracy)) for name in names], dtype=np.float64)


def _draw_dots(axes: Axes, mark: Mark, values: Doubles, shift: float) -> None:
    heights = np.arange(len(values)) + shift
    axes.plot(100 * values, heights, mark.marker, color=mark.colour, markersize=5, markeredgewidth=0, clip_on=False)


def row_height_in(n_rows: int) -> float:
    """Return the height of a row in inches: roomy for a few rows, never too low to be read."""
    return max(0.17, min(0.34, 8 / max(1, n_rows)))

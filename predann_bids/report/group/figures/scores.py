"""Accuracy, over all and by participant, song, and length of the segment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from predann_bids.report.drawing import (
    BLANK,
    BY_LOGITS,
    BY_MATCH,
    CHANCE,
    CHANCE_LINE,
    FAINT,
    Illustration,
    ModelStyle,
    accuracy_axis,
    common_match_chance,
    draw_chance,
    draw_interval,
    legend,
    name_panel,
    number,
    percent,
    row_of_panels,
    shifts,
    shorten,
    style_of,
    upper,
)
from predann_bids.report.evidence import Models, Scores

WAYS = {"mean": "Mean", "max": "Maximum", "majority": "Majority vote", "match": "Match"}


def accuracy_figure(models: Models, chance: float | None) -> Illustration | None:
    """Draw accuracy with its interval against chance, for each model, by song logits and by match."""
    panels = [
        (title, _columns(models, accuracy, interval), level)
        for title, accuracy, interval, level in (
            (BY_LOGITS, "accuracy", "ci95", chance),
            (BY_MATCH, "match_accuracy", "match_ci95", common_match_chance(models, chance)),
        )
        if any(scores.get(accuracy) is not None for scores in models.values())
    ]
    if not panels:
        return None
    title = "Accuracy against chance"
    figure, row = row_of_panels(title, len(panels), 1.75 + 0.5 * len(models))
    top = upper([value for _, rows, level in panels for _, *values in rows for value in (*values, level)])
    for axes, (panel, rows, level) in zip(row, panels, strict=True):
        name_panel(axes, panel)
        for place, (model, value, low, high) in enumerate(rows):
            draw_interval(axes, place, style_of(model), value, low, high)
            if panel == BY_LOGITS and not math.isfinite(value):
                axes.text(0, place, "  has no song logits", va="center", fontsize=8, color=CHANCE, bbox=BLANK)
        accuracy_axis(axes, top)
        draw_chance(axes, level)
        axes.set_ylim(len(rows) - 0.5, -0.65)
    row[0].set_yticks(range(len(models)), [style_of(model).name for model in models])
    caption = (
        "Share of test windows in which the right song was named. Horizontal lines: 95 % interval over participants."
        " A model whose interval holds the dashed line cannot be told from chance."
    )
    return Illustration("accuracy", title, caption, figure)


def _columns(models: Models, accuracy: str, interval: str) -> list[tuple[str, float, float, float]]:
    rows = []
    for model, scores in models.items():
        low, high = scores.get(interval) or (math.nan, math.nan)
        rows.append((model, number(scores.get(accuracy)), low, high))
    return rows


# By participant, by song


def breakdown_figure(models: Models, chance: float | None, key: str) -> Illustration | None:
    """Draw the accuracy of each participant or each song as dots, for each model.

    Parameters
    ----------
    models : mapping
        Scores by model.
    chance : float or None
        Chance level of the song logits.
    key : {"by_participant", "by_stimulus"}
        What to list.
    """
    names = list(dict.fromkeys(name for scores in models.values() for name in scores.get(key) or ()))
    names = sorted(names) if key == "by_participant" else names
    panels = [
        (title, column, level)
        for title, column, level in (
            (BY_LOGITS, "accuracy", chance),
            (BY_MATCH, "match_accuracy", common_match_chance(models, chance)),
        )
        if any(np.isfinite(_listed(scores, key, names, column)).any() for scores in models.values())
    ]
    if not panels:
        return None
    what = "participant" if key == "by_participant" else "song"
    title = f"Accuracy by {what}"
    figure, row = row_of_panels(title, len(panels), 1.75 + row_height_in(len(names)) * len(names))
    values = [v for scores in models.values() for _, column, _ in panels for v in _listed(scores, key, names, column)]
    top = upper([*values, *(level for *_, level in panels)])
    for axes, (panel, column, level) in zip(row, panels, strict=True):
        name_panel(axes, panel)
        for shift, (model, scores) in zip(shifts(len(models)), models.items(), strict=True):
            _draw_dots(axes, style_of(model), _listed(scores, key, names, column), shift)
        axes.hlines(range(len(names)), 0, top, color=FAINT, linewidth=0.7, zorder=0)
        accuracy_axis(axes, top)
        draw_chance(axes, level)
        axes.set_ylim(len(names) - 0.4, -0.6)
    size = 9.0 if len(names) <= 40 else 8.0
    row[0].set_yticks(range(len(names)), [shorten(name) for name in names], fontsize=size, parse_math=False)
    row[0].set_ylabel(what.capitalize())
    legend(figure, models)
    return Illustration(key.replace("stimulus", "song"), title, _breakdown_caption(what), figure)


def _breakdown_caption(what: str) -> str:
    if what == "participant":
        return (
            "Each dot is the accuracy on the test windows of one participant. A result that a few participants carry"
            " alone would show as a few dots far right of the dashed line, with the others around it."
        )
    return (
        "Each dot is the accuracy on the test windows of one song. A decoder that always names the same few songs"
        " would have these far right of the dashed line, and all others left of it."
    )


def _listed(scores: Scores, key: str, names: Sequence[str], column: str) -> NDArray[np.float64]:
    table = scores.get(key) or {}
    return np.array([number((table.get(name) or {}).get(column)) for name in names], dtype=np.float64)


def _draw_dots(axes: Axes, style: ModelStyle, values: NDArray[np.float64], shift: float) -> None:
    places = np.arange(len(values)) + shift
    axes.plot(100 * values, places, style.marker, color=style.colour, markersize=5, markeredgewidth=0, clip_on=False)


def row_height_in(n_rows: int) -> float:
    """Height of a row in inches: roomy for a few, never too low to be read."""
    return max(0.17, min(0.34, 8 / max(1, n_rows)))


# Length of the evaluated segments


def length_figure(models: Models, chance: float | None) -> Illustration | None:
    """Draw accuracy by segment length, for each way to combine the windows inside."""
    lengths = sorted({float(length) for scores in models.values() for length in scores.get("by_length") or ()})
    ways = [way for way in WAYS if any(np.isfinite(_by_length(s, lengths, way)).any() for s in models.values())]
    if len(lengths) < 2 or not ways:
        return None
    title = "Accuracy by length of the segment"
    figure, row = row_of_panels(title, len(ways), 3.5)
    curves = [value for scores in models.values() for way in ways for value in _by_length(scores, lengths, way)]
    levels = {way: common_match_chance(models, chance) if way == "match" else chance for way in ways}
    top = upper([*curves, *levels.values()])
    for axes, way in zip(row, ways, strict=True):
        axes.set_title(WAYS[way])
        for model, scores in models.items():
            style, values = style_of(model), 100 * _by_length(scores, lengths, way)
            axes.plot(lengths, values, style.marker, linestyle="-", color=style.colour, markersize=5, clip_on=False)
        axes.set(xlabel="Segment (s)", xticks=lengths, ylim=(0, top))
        axes.set_xticks(lengths, [f"{length:g}" for length in lengths])
        axes.margins(x=0.12)
        axes.grid(axis="y", color=FAINT, linewidth=0.7)
        if (level := levels[way]) is not None:
            axes.axhline(100 * level, **CHANCE_LINE)
    row[0].set_ylabel("Accuracy (%)")
    legend(figure, models, chance_name(levels))
    caption = (
        "Accuracy when the windows inside a longer segment decide together: by the mean or the maximum of their song"
        " probabilities, by a majority vote of their decisions, or by the mean similarity with the audio of the same"
        " moments (match). It rises with length as far as the errors of neighbouring windows are independent."
    )
    return Illustration("by_length", title, caption, figure)


def _by_length(scores: Scores, lengths: Sequence[float], way: str) -> NDArray[np.float64]:
    table = scores.get("by_length") or {}
    return np.array([number((table.get(f"{length:g}") or {}).get(way)) for length in lengths], dtype=np.float64)


def chance_name(levels: Mapping[str, float | None]) -> str | None:
    """Name the dashed lines for a legend, as one unless the candidates of a match are fewer than all songs."""
    by_logits, by_match = (next((x for way, x in levels.items() if (way == "match") is m), None) for m in (False, True))
    names = [None if level is None else percent(level) for level in (by_logits, by_match)]
    if names[0] and names[1] and names[0] != names[1]:
        return f"chance {names[0]}, of a match {names[1]}"
    name = names[0] or names[1]
    return f"chance {name}" if name else None

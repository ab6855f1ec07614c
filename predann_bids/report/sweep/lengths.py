"""Accuracy by length of the segment, for each point of a sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from predann_bids.report.drawing import CHANCE_LINE, FAINT, Illustration, new_figure, shorten, upper
from predann_bids.report.sweep.figures import COLOURS, MARKERS
from predann_bids.report.words.decisions import AGGREGATIONS
from predann_bids.report.words.models import model_words

MOST_PANELS = 24


def sweep_length_figure(table: pd.DataFrame, names: Mapping[str, str], model: str) -> Illustration | None:
    """Draw one model's accuracy by segment length, a panel for each point, a line for each way to combine windows.

    Parameters
    ----------
    table : DataFrame
        From `length_table`.
    names : mapping
        Label of each point to its name for a reader.
    model : str
        Which model.
    """
    table = table[table["model"] == model]
    points = [label for label in names if (table["point"] == label).any()]
    if not points or len(points) > MOST_PANELS or table["length"].nunique() < 2:
        return None
    columns = min(len(points), 4 if len(points) > 6 else 3)
    rows = math.ceil(len(points) / columns)
    lines = 1 + names[points[0]].count(", ")
    title = f"Accuracy by length of the segment: {model_words(model).name}"
    figure = new_figure(title, 1.0 + (1.7 + 0.14 * lines) * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
    ways = [way for way in AGGREGATIONS if (table["aggregation"] == way).any()]
    top = upper([*table["accuracy"].astype(float), *table["chance"].dropna().astype(float)])
    for axes, label in zip(panels.flat, points, strict=False):
        _draw_lengths(axes, table[table["point"] == label], ways)
        parts = [shorten(part, 104 // columns) for part in names[label].split(", ")]
        axes.set_title("\n".join(parts), fontsize=8.5, parse_math=False)
        axes.set_ylim(0, top)
    for axes in list(panels.flat)[len(points) :]:
        axes.remove()
    for column in range(columns):
        last = (len(points) - 1 - column) // columns  # the lowest panel of the column
        panels[last, column].set_xlabel("Segment (s)")
    for axes in panels[:, 0]:
        axes.set_ylabel("Accuracy (%)")
    handles = [Line2D([], [], color=COLOURS[n], marker=MARKERS[n], markersize=5) for n in range(len(ways))]
    handles.append(Line2D([], [], **CHANCE_LINE))
    figure.legend(
        handles, [*(AGGREGATIONS[way] for way in ways), "chance"], loc="outside lower center", ncols=len(handles)
    )
    caption = (
        "Accuracy when the windows inside a longer segment decide together: by the mean or the maximum of their song"
        " probabilities, by a majority vote of their decisions, or by their mean similarity to the audio of the same"
        " moments (match). This needs no training."
    )
    return Illustration("sweep_by_length", title, caption, figure)


def _draw_lengths(axes: Axes, table: pd.DataFrame, ways: Sequence[str]) -> None:
    lengths = sorted(set(table["length"]))
    for n, way in enumerate(ways):
        part = table[table["aggregation"] == way].sort_values("length")
        if part.empty:  # an empty line that is not clipped has no extent, which upsets the layout
            continue
        axes.plot(
            part["length"], 100 * part["accuracy"].astype(float), MARKERS[n], linestyle="-", color=COLOURS[n],
            markersize=4, linewidth=1.2, clip_on=False,
        )  # fmt: skip
    for level in set(table["chance"].dropna().astype(float).round(9)):
        axes.axhline(100 * level, **CHANCE_LINE)
    axes.set_xticks(lengths, [f"{length:g}" for length in lengths])
    axes.margins(x=0.1)
    axes.grid(axis="y", color=FAINT, linewidth=0.7)

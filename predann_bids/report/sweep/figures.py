"""Figures of a sweep: accuracy against what was varied, and by length of the segment for each point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from predann_bids.report.drawing import (
    BY_LOGITS,
    BY_MATCH,
    CHANCE_LINE,
    FAINT,
    WIDEST_LEGEND,
    WIDTH_IN,
    Illustration,
    ModelStyle,
    percent,
    shorten,
    style_of,
    upper,
)
from predann_bids.report.group.figures.scores import WAYS
from predann_bids.report.sweep.results import SEED, VariedKey, value_text
from predann_bids.report.text import interval, listed

MOST_DIMENSIONS, MOST_ROWS, MOST_PANELS = 3, 6, 24
UNEVEN = 8.0  # when one step of the values is so many times another, they are drawn at equal distances
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222", "#F0E442")  # Okabe and Ito
MARKERS = "osD^vPX*"
MOST_NAMED_COLOURS = 3  # more numbers are told apart by a scale
PANELS = ((BY_LOGITS, ""), (BY_MATCH, "match_"))


@dataclass(frozen=True)
class _Layout:
    """Which key goes along the axis, which makes lines, and which makes rows of panels."""

    along: VariedKey
    lines: VariedKey | None = None
    rows: VariedKey | None = None

    @classmethod
    def of(cls, keys: Sequence[VariedKey]) -> _Layout:
        """Put numbers before names, and what has most values along the axis; names in rows where there are any."""
        ordered = sorted(keys, key=lambda key: (not key.is_numeric, -len(key.values)))
        return cls(*ordered)

    @property
    def places(self) -> NDArray[np.float64]:
        """Places of the values along the axis: they themselves, or equal distances for names and uneven numbers."""
        values = self.along.values
        if self.along.is_numeric:
            steps = np.diff(np.sort(np.array(values, dtype=np.float64)))
            if len(values) < 3 or (steps.min() > 0 and steps.max() / steps.min() <= UNEVEN):
                return np.array(values, dtype=np.float64)
        return np.arange(len(values), dtype=np.float64)


def drawn_keys(keys: Sequence[VariedKey]) -> list[VariedKey]:
    """Keys that a figure can show: seeds are repetitions, unless nothing else was varied."""
    others = [key for key in keys if key.dotted != SEED]
    return others or list(keys)


def sweep_figures(table: pd.DataFrame, keys: Sequence[VariedKey], *, over_seeds: bool) -> list[Illustration]:
    """Draw accuracy against the varied keys: one figure for all models, or one for each where several keys vary.

    Parameters
    ----------
    table : DataFrame
        From `score_table`, or, over seeds, from `seed_table`.
    keys : sequence of VariedKey
        From `drawn_keys`.
    over_seeds : bool
        Whether values are means over seeds, with the range over them in place of an interval.
    """
    if not keys or len(keys) > MOST_DIMENSIONS or table.empty:
        return []
    layout = _Layout.of(keys)
    if layout.rows and len(layout.rows.values) > MOST_ROWS:
        return []
    names = ("lowest", "highest") if over_seeds else ("ci95_low", "ci95_high")
    if not layout.lines:
        drawn = [_figure("sweep", "", table, layout, names)]
    else:
        models = list(dict.fromkeys(table["model"]))
        drawn = [_figure(f"sweep_{m}", style_of(m).name, table[table["model"] == m], layout, names) for m in models]
    return [illustration for illustration in drawn if illustration]


def _figure(
    name: str, model: str, table: pd.DataFrame, layout: _Layout, limits: tuple[str, str]
) -> Illustration | None:
    panels = [(title, prefix) for title, prefix in PANELS if table[f"{prefix}accuracy"].notna().any()]
    if not panels:
        return None
    rows = layout.rows.values if layout.rows else (None,)
    figure = Figure(figsize=(WIDTH_IN, 0.9 + 2.7 * len(rows)), layout="constrained")
    what = listed([_lower(key.title) for key in (layout.along, layout.lines, layout.rows) if key])
    title = f"Accuracy by {what}{f': {model}' if model else ''}"
    figure.suptitle(title, x=0.005, ha="left")
    grid = figure.subplots(len(rows), len(panels), squeeze=False, sharex=True, sharey=True)
    styles = _styles(table, layout)
    top = _top(table, limits)
    chances = set()
    for row, axes_of_row in zip(rows, grid, strict=True):
        part = table if layout.rows is None else table[_is(table, layout.rows, row)]
        for axes, (panel, prefix) in zip(axes_of_row, panels, strict=True):
            heading = panel if layout.rows is None else f"{panel}, {layout.rows.said(row)}"
            axes.set_title(shorten(heading, 60), parse_math=False)
            chances |= _draw_panel(axes, part, layout, styles, prefix, limits)
            axes.set_ylim(0, top)
    for axes in grid[-1]:
        _label_places(axes, layout)
    for axes in grid[:, 0]:
        axes.set_ylabel("Accuracy (%)")
    _legend(figure, styles, layout.lines, chances)
    return Illustration(name, title, _caption(layout, limits), figure)


def _draw_panel(
    axes: Axes,
    table: pd.DataFrame,
    layout: _Layout,
    styles: Mapping[Any, ModelStyle],
    prefix: str,
    limits: tuple[str, str],
) -> set[float]:
    places = layout.places
    step = float(np.diff(np.sort(places)).min()) if len(places) > 1 else 1.0
    offsets = (np.arange(len(styles)) - (len(styles) - 1) / 2) * min(0.06, 0.5 / max(1, len(styles))) * step
    for offset, (series, style) in zip(offsets, styles.items(), strict=True):
        mine = table[_is(table, layout.lines, series)] if layout.lines else table[table["model"] == series]
        values, low, high = (_along(mine, layout.along, f"{prefix}{column}") for column in ("accuracy", *limits))
        if not np.isfinite(values).any():
            continue
        order = np.argsort(places)
        axes.vlines(places + offset, 100 * low, 100 * high, color=style.colour, linewidth=1.5, alpha=0.75)
        axes.plot(
            (places + offset)[order], 100 * values[order], style.marker, color=style.colour, markersize=5.5,
            linestyle="-" if layout.along.is_numeric else "", linewidth=1.3, clip_on=False,
        )  # fmt: skip
    axes.grid(axis="y", color=FAINT, linewidth=0.7)
    axes.set_xlim(places.min() - 0.4 * step, places.max() + 0.4 * step)
    return _draw_chance(axes, table, layout, prefix, step)


def _draw_chance(axes: Axes, table: pd.DataFrame, layout: _Layout, prefix: str, step: float) -> set[float]:
    """Draw the chance level as one line, or as a piece at each value where it differs."""
    known = table[f"{prefix}chance"].dropna().astype(float).round(9)
    levels = set(known)
    if len(levels) == 1:
        axes.axhline(100 * levels.copy().pop(), **CHANCE_LINE)
        return levels
    for place, value in zip(layout.places, layout.along.values, strict=True):
        for level in set(known[_is(table, layout.along, value)[known.index]]):
            axes.hlines(100 * level, place - 0.4 * step, place + 0.4 * step, **CHANCE_LINE)
    return levels


def _along(table: pd.DataFrame, key: VariedKey, column: str) -> NDArray[np.float64]:
    """Values of a column at each value of a key; of several rows there is but one, or their mean."""
    found = [table.loc[_is(table, key, value), column].astype(float).mean() for value in key.values]
    return np.array(found, dtype=np.float64)


def _is(table: pd.DataFrame, key: VariedKey, value: Any) -> NDArray[np.bool_]:
    return np.array([cell == value for cell in table[key.name]], dtype=bool)


def _styles(table: pd.DataFrame, layout: _Layout) -> dict[Any, ModelStyle]:
    """Name, colour and marker of each line."""
    if layout.lines is None:
        return {model: style_of(model) for model in dict.fromkeys(table["model"])}
    values = layout.lines.values
    colours: Sequence[str] = COLOURS
    if len(values) > (MOST_NAMED_COLOURS if layout.lines.is_numeric else len(COLOURS)):
        ranks = np.argsort(np.argsort(np.array(values))) if layout.lines.is_numeric else np.arange(len(values))
        colours = [to_hex(colormaps["viridis"](0.85 * rank / (len(values) - 1))) for rank in ranks]
    return {
        value: ModelStyle(shorten(value_text(value)), colours[n], MARKERS[n % len(MARKERS)])
        for n, value in enumerate(values)
    }


def _label_places(axes: Axes, layout: _Layout) -> None:
    names = [shorten(value_text(value), 16) for value in layout.along.values]
    crowded = sum(len(name) + 2 for name in names) > 44
    axes.set_xticks(
        layout.places, names, parse_math=False, rotation=30 if crowded else 0, ha="right" if crowded else "center"
    )
    axes.set_xlabel(layout.along.axis)


def _legend(figure: Figure, styles: Mapping[Any, ModelStyle], lines: VariedKey | None, chances: set[float]) -> None:
    handles = [Line2D([], [], color=s.colour, marker=s.marker, linestyle="-", markersize=5.5) for s in styles.values()]
    names = [style.name for style in styles.values()]
    if chances:
        levels = sorted(chances)
        shown = percent(levels[0]) if len(levels) == 1 else interval([levels[0], levels[-1]])
        handles, names = [*handles, Line2D([], [], **CHANCE_LINE)], [*names, f"chance {shown}"]
    rows = math.ceil((sum(map(len, names)) + 4 * len(names)) / WIDEST_LEGEND)
    figure.legend(
        handles,
        names,
        loc="outside lower center",
        ncols=math.ceil(len(names) / rows),
        title=lines.axis if lines else None,
    )


def _top(table: pd.DataFrame, limits: tuple[str, str]) -> float:
    columns = [f"{prefix}{column}" for prefix in ("", "match_") for column in ("accuracy", limits[1], "chance")]
    return upper([None if pd.isna(value) else float(value) for name in columns for value in table[name]])


def _caption(layout: _Layout, limits: tuple[str, str]) -> str:
    bars = (
        "Each mark is the mean over seeds; vertical lines run from the lowest to the highest seed, which says nothing"
        " of how much people differ: the table has the intervals over participants."
        if limits[0] == "lowest"
        else "Vertical lines: 95 % interval over participants, of each point by itself."
    )
    distances = ""
    if layout.along.is_numeric and not np.array_equal(layout.places, np.array(layout.along.values, dtype=np.float64)):
        distances = " Values stand at equal distances."
    return (
        f"Share of test windows in which the right song was named. {bars}{distances} Dashed: chance. Marks at one value"
        " are moved a little apart."
    )


def _lower(title: str) -> str:
    return f"{title[:1].lower()}{title[1:]}"


# Length of the evaluated segments


def sweep_length_figure(table: pd.DataFrame, names: Mapping[str, str], model: str) -> Illustration | None:
    """Draw one model's accuracy by segment length, a panel for each point, a line for each way to combine windows.

    Parameters
    ----------
    table : DataFrame
        From `length_table`.
    names : mapping
        Label of each point to what a reader calls it.
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
    figure = Figure(figsize=(WIDTH_IN, 1.0 + (1.7 + 0.14 * lines) * rows), layout="constrained")
    title = f"Accuracy by length of the segment: {style_of(model).name}"
    figure.suptitle(title, x=0.005, ha="left")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    ways = [way for way in WAYS if (table["aggregation"] == way).any()]
    top = upper([*table["accuracy"].astype(float), *table["chance"].dropna().astype(float)])
    for axes, label in zip(grid.flat, points, strict=False):
        _draw_lengths(axes, table[table["point"] == label], ways)
        parts = [shorten(part, 104 // columns) for part in names[label].split(", ")]
        axes.set_title("\n".join(parts), fontsize=8.5, parse_math=False)
        axes.set_ylim(0, top)
    for axes in list(grid.flat)[len(points) :]:
        axes.remove()
    for column in range(columns):
        last = (len(points) - 1 - column) // columns  # the lowest panel that is there
        grid[last, column].set_xlabel("Segment (s)")
    for axes in grid[:, 0]:
        axes.set_ylabel("Accuracy (%)")
    handles = [Line2D([], [], color=COLOURS[n], marker=MARKERS[n], markersize=5) for n in range(len(ways))]
    handles.append(Line2D([], [], **CHANCE_LINE))
    figure.legend(handles, [*(WAYS[way] for way in ways), "chance"], loc="outside lower center", ncols=len(handles))
    caption = (
        "Accuracy when the windows inside a longer segment decide together: by the mean or the maximum of their song"
        " probabilities, by a majority vote of their decisions, or by their mean similarity with the audio of the same"
        " moments (match). Nothing is trained for it."
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

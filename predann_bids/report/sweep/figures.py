"""Figures of a sweep: accuracy against what was varied."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from predann_bids.arrays import Bools, Doubles
from predann_bids.report import text
from predann_bids.report.drawing import CHANCE_LINE, FAINT, WIDEST_LEGEND, Illustration, new_figure, shorten, upper
from predann_bids.report.sweep.layout import MOST_DIMENSIONS, Layout
from predann_bids.report.sweep.results import VariedKey, value_text
from predann_bids.report.words.decisions import WAYS, Way, lower_first
from predann_bids.report.words.models import Mark, model_words

MOST_ROWS = 6
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222", "#F0E442")  # Okabe and Ito
MARKERS = "osD^vPX*"
MOST_NAMED_COLOURS = 3  # more numbers are told apart by a scale
OVER_SEEDS, OVER_PEOPLE = ("lowest", "highest"), ("ci95_low", "ci95_high")  # what vertical lines show


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
    layout = Layout.of(keys)
    if layout.rows and len(layout.rows.values) > MOST_ROWS:
        return []
    limits = OVER_SEEDS if over_seeds else OVER_PEOPLE
    if not layout.lines:
        figures = [_figure("sweep", "", table, layout, limits)]
    else:
        models = list(dict.fromkeys(table["model"]))
        figures = [
            _figure(f"sweep_{model}", model_words(model).name, table[table["model"] == model], layout, limits)
            for model in models
        ]
    return [figure for figure in figures if figure]


def _figure(name: str, model: str, table: pd.DataFrame, layout: Layout, limits: tuple[str, str]) -> Illustration | None:
    ways = [way for way in WAYS if table[way.accuracy].notna().any()]
    if not ways:
        return None
    rows = layout.rows.values if layout.rows else (None,)
    what = text.listed([lower_first(key.title) for key in (layout.along, layout.lines, layout.rows) if key])
    title = f"Accuracy by {what}{f': {model}' if model else ''}"
    figure = new_figure(title, 0.9 + 2.7 * len(rows))
    panels = figure.subplots(len(rows), len(ways), squeeze=False, sharex=True, sharey=True)
    marks, top = _marks(table, layout), _top(table, limits)
    chances = set()
    for row, axes_of_row in zip(rows, panels, strict=True):
        part = table if layout.rows is None else table[_is(table, layout.rows, row)]
        for axes, way in zip(axes_of_row, ways, strict=True):
            heading = way.title if layout.rows is None else f"{way.title}, {layout.rows.name_with(row)}"
            axes.set_title(shorten(heading, 60), parse_math=False)
            chances |= _draw_panel(axes, part, layout, marks, way, limits)
            axes.set_ylim(0, top)
    for axes in panels[-1]:
        _label_positions(axes, layout)
    for axes in panels[:, 0]:
        axes.set_ylabel("Accuracy (%)")
    _legend(figure, list(marks.values()), layout.lines, chances)
    return Illustration(name, title, _caption(layout, limits), figure)


def _draw_panel(
    axes: Axes,
    table: pd.DataFrame,
    layout: Layout,
    marks: Mapping[Any, Mark],
    way: Way,
    limits: tuple[str, str],
) -> set[float]:
    """Draw one line for each mark, with its vertical lines.

    Parameters
    ----------
    axes : Axes
        The panel.
    table : DataFrame
        What the panel shows.
    layout : Layout
        What goes along the axis, and what makes lines.
    marks : mapping
        Value of the key that makes lines, or model, to how it is drawn.
    way : Way
        How songs were decided on.
    limits : tuple of str
        Columns of the ends of the vertical lines, without the way's prefix.

    Returns
    -------
    set of float
        Chance levels.
    """
    positions = layout.positions
    step = float(np.diff(np.sort(positions)).min()) if len(positions) > 1 else 1.0
    offsets = (np.arange(len(marks)) - (len(marks) - 1) / 2) * min(0.06, 0.5 / max(1, len(marks))) * step
    for offset, (series, mark) in zip(offsets, marks.items(), strict=True):
        rows = table[_is(table, layout.lines, series)] if layout.lines else table[table["model"] == series]
        values, low, high = (_along(rows, layout.along, f"{way.prefix}{column}") for column in ("accuracy", *limits))
        if not np.isfinite(values).any():
            continue
        order = np.argsort(positions)
        axes.vlines(positions + offset, 100 * low, 100 * high, color=mark.colour, linewidth=1.5, alpha=0.75)
        axes.plot(
            (positions + offset)[order], 100 * values[order], mark.marker, color=mark.colour, markersize=5.5,
            linestyle="-" if layout.along.is_numeric else "", linewidth=1.3, clip_on=False,
        )  # fmt: skip
    axes.grid(axis="y", color=FAINT, linewidth=0.7)
    axes.set_xlim(positions.min() - 0.4 * step, positions.max() + 0.4 * step)
    return _draw_chance(axes, table, layout, way, step)


def _draw_chance(axes: Axes, table: pd.DataFrame, layout: Layout, way: Way, step: float) -> set[float]:
    """Draw the chance level as one line, or as a piece at each value where it differs."""
    chance = table[f"{way.prefix}chance"].astype(float).round(9)
    levels = set(chance.dropna())
    if len(levels) == 1:
        axes.axhline(100 * next(iter(levels)), **CHANCE_LINE)
        return levels
    for position, value in zip(layout.positions, layout.along.values, strict=True):
        for level in set(chance[_is(table, layout.along, value)].dropna()):
            axes.hlines(100 * level, position - 0.4 * step, position + 0.4 * step, **CHANCE_LINE)
    return levels


def _along(table: pd.DataFrame, key: VariedKey, column: str) -> Doubles:
    """Return the values of a column at each value of a key; their mean, where there are several rows."""
    means = [table.loc[_is(table, key, value), column].astype(float).mean() for value in key.values]
    return np.array(means, dtype=np.float64)


def _is(table: pd.DataFrame, key: VariedKey, value: Any) -> Bools:
    return np.array([cell == value for cell in table[key.name]], dtype=bool)


def _marks(table: pd.DataFrame, layout: Layout) -> dict[Any, Mark]:
    """Return name, colour and marker of each line."""
    if layout.lines is None:
        return {model: model_words(model) for model in dict.fromkeys(table["model"])}
    values = layout.lines.values
    colours: Sequence[str] = COLOURS
    if len(values) > (MOST_NAMED_COLOURS if layout.lines.is_numeric else len(COLOURS)):
        ranks = np.argsort(np.argsort(np.array(values))) if layout.lines.is_numeric else np.arange(len(values))
        colours = [to_hex(colormaps["viridis"](0.85 * rank / (len(values) - 1))) for rank in ranks]
    return {
        value: Mark(shorten(value_text(value)), colours[n], MARKERS[n % len(MARKERS)]) for n, value in enumerate(values)
    }


def _label_positions(axes: Axes, layout: Layout) -> None:
    names = [shorten(value_text(value), 16) for value in layout.along.values]
    crowded = sum(len(name) + 2 for name in names) > 44
    axes.set_xticks(
        layout.positions, names, parse_math=False, rotation=30 if crowded else 0, ha="right" if crowded else "center"
    )
    axes.set_xlabel(layout.along.axis)


def _legend(figure: Figure, marks: Sequence[Mark], lines: VariedKey | None, chances: set[float]) -> None:
    handles = [Line2D([], [], color=m.colour, marker=m.marker, linestyle="-", markersize=5.5) for m in marks]
    names = [mark.name for mark in marks]
    if chances:
        levels = sorted(chances)
        shown = text.share(levels[0]) if len(levels) == 1 else text.interval([levels[0], levels[-1]])
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
    columns = [f"{way.prefix}{column}" for way in WAYS for column in ("accuracy", limits[1], "chance")]
    return upper([None if pd.isna(value) else float(value) for name in columns for value in table[name]])


def _caption(layout: Layout, limits: tuple[str, str]) -> str:
    bars = (
        "Each mark is the mean over seeds; vertical lines run from the lowest to the highest seed, which says nothing"
        " about how much people differ: the table has the intervals over participants."
        if limits == OVER_SEEDS
        else "Vertical lines: 95 % intervals over participants, of each point by itself."
    )
    distances = "" if layout.is_even else " Values are drawn at equal distances."
    return (
        f"Share of test windows for which the right song was named. {bars}{distances} Dashed: chance. Marks at the same"
        " value are moved apart a little."
    )

"""Figures of the group report: each stands alone, with its title, its units, its chance level and its caption.

Colours are those of Okabe and Ito (2008), told apart with every kind of colour vision; a model has one colour and one
marker in all figures. Text in SVG stays text.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

WIDTH_IN, DPI = 8.0, 150
INK, CHANCE, FAINT = "#222222", "#555555", "#dddddd"
CHANCE_LINE: Mapping[str, Any] = {"color": CHANCE, "linestyle": "--", "linewidth": 1.2, "zorder": 1}
LONGEST_NAME = 28
MOST_SONGS_BESIDE = 6  # so many rows and columns fit twice into the width
MOST_SONGS_NAMED_TWICE = 15  # beyond, columns are numbered, and cells are too small for text
WAYS = {"mean": "Mean", "max": "Maximum", "majority": "Majority vote", "match": "Match"}
BY_LOGITS, BY_MATCH = "By song logits", "By match"
STYLE: Mapping[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "figure.titlesize": 11.5,
    "figure.titleweight": "bold",
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": "#888888",
    "figure.constrained_layout.wspace": 0.05,
    "legend.frameon": False,
    "svg.fonttype": "none",
}

Scores = Mapping[str, Any]
Models = Mapping[str, Scores]


@dataclass(frozen=True)
class ModelStyle:
    """How a kind of model is called and drawn."""

    name: str
    colour: str
    marker: str


STYLES: Mapping[str, ModelStyle] = {
    "predann": ModelStyle("PredANN", "#0072B2", "o"),
    "baseline": ModelStyle("Baseline (weight 0)", "#D55E00", "s"),
    "linear": ModelStyle("Linear decoder", "#009E73", "D"),
}


def style_of(model: str) -> ModelStyle:
    """Name, colour and marker of a model; one that is not known yet goes by its own name."""
    return STYLES.get(model, ModelStyle(model, "#CC79A7", "^"))


@dataclass(frozen=True)
class Illustration:
    """A figure with its caption.

    Parameters
    ----------
    name : str
        Stem of its files.
    title : str
        What it shows, in a few words.
    caption : str
        What is shown, and how to read it.
    figure : Figure
        The drawing.
    """

    name: str
    title: str
    caption: str
    figure: Figure

    def svg(self) -> str:
        """Render as SVG: same figure, same bytes; identifiers are its own among all figures of a page."""
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with matplotlib.rc_context({"svg.hashsalt": self.name}):
            self._save(buffer, format="svg", metadata=nothing)
        return _tidy(buffer.getvalue(), self.title)

    def png(self) -> bytes:
        """Render as PNG with 150 dots per inch."""
        buffer = io.BytesIO()
        self._save(buffer, format="png", dpi=DPI, metadata={"Software": None})
        return buffer.getvalue()

    def _save(self, buffer: Any, **options: Any) -> None:
        with warnings.catch_warnings():
            # Names in a script that the font lacks are drawn as boxes in the PNG; SVG and tables have them in full.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            self.figure.savefig(buffer, **options)
        self.figure.set_layout_engine("none")  # the layout, which takes longest, is found once


def _tidy(svg: str, title: str) -> str:
    """Leave out what a page cannot use: prolog, identifiers that nothing refers to, the names of fonts."""
    svg = svg[svg.index("<svg ") :]
    used = set(re.findall(r'(?:url\(#|xlink:href="#)([^)"]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", svg)
    svg = re.sub(r"'DejaVu Sans'(, [^;\"]*)?sans-serif", "sans-serif", svg)
    svg = re.sub(r"^\s*<!--.*?-->\n", "", svg, flags=re.MULTILINE)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)


@contextmanager
def drawing_style() -> Iterator[None]:
    """Draw alike everywhere, whatever the user's own settings of matplotlib are."""
    from matplotlib.style import context

    with context(["default", dict(STYLE)]):
        yield


def illustrate(metrics: Mapping[str, Any], history: pd.DataFrame, labels: Sequence[str]) -> list[Illustration]:
    """Draw every figure that the scores allow, in the order of the report.

    Parameters
    ----------
    metrics : mapping
        Content of metrics.json.
    history : DataFrame
        Columns `fold model epoch` and losses or accuracies by epoch.
    labels : sequence of str
        Names of the stimuli, in the order of the confusion matrices.
    """
    models = evaluated(metrics)
    chance = metrics.get("chance")
    with drawing_style():
        drawn = [
            accuracy_figure(models, chance),
            breakdown_figure(models, chance, "by_participant"),
            breakdown_figure(models, chance, "by_stimulus"),
            confusion_figure(models, chance, labels),
            length_figure(models, chance),
            training_figure(history, models, chance),
        ]
    return [illustration for illustration in drawn if illustration]


def evaluated(metrics: Mapping[str, Any]) -> Models:
    """List the models that have scores, in the order of metrics.json."""
    return {name: scores for name, scores in metrics["models"].items() if scores is not None}


def match_chance(scores: Scores, chance: float | None) -> float | None:
    """Chance level of decisions by match: of the candidates, where they were counted."""
    counted = scores.get("match_chance")
    return chance if counted is None else float(counted)


# Accuracy and its interval


def accuracy_figure(models: Models, chance: float | None) -> Illustration | None:
    """Draw accuracy with its interval against chance, for each model, by song logits and by match."""
    panels = [
        (title, _columns(models, accuracy, interval), level)
        for title, accuracy, interval, level in (
            (BY_LOGITS, "accuracy", "ci95", chance),
            (BY_MATCH, "match_accuracy", "match_ci95", _common_match_chance(models, chance)),
        )
        if any(scores.get(accuracy) is not None for scores in models.values())
    ]
    if not panels:
        return None
    title = "Accuracy against chance"
    figure, row = _panels(title, len(panels), 1.75 + 0.5 * len(models))
    top = _upper([value for _, rows, level in panels for _, *values in rows for value in (*values, level)])
    for axes, (panel, rows, level) in zip(row, panels, strict=True):
        _name_panel(axes, panel)
        for place, (model, value, low, high) in enumerate(rows):
            _draw_interval(axes, place, style_of(model), value, low, high)
        _accuracy_axis(axes, top)
        _draw_chance(axes, level)
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
        rows.append((model, _number(scores.get(accuracy)), low, high))
    return rows


def _draw_interval(axes: Axes, place: float, style: ModelStyle, value: float, low: float, high: float) -> None:
    axes.plot([100 * low, 100 * high], [place, place], color=style.colour, linewidth=2.2, solid_capstyle="butt")
    axes.plot([100 * value], [place], style.marker, color=style.colour, markersize=7.5, clip_on=False)
    if math.isfinite(value):
        axes.annotate(
            _percent(value), (100 * value, place), (0, 8), textcoords="offset points", ha="center", va="bottom",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip


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
            (BY_MATCH, "match_accuracy", _common_match_chance(models, chance)),
        )
        if any(np.isfinite(_listed(scores, key, names, column)).any() for scores in models.values())
    ]
    if not panels:
        return None
    what = "participant" if key == "by_participant" else "song"
    title = f"Accuracy by {what}"
    figure, row = _panels(title, len(panels), 1.75 + row_height_in(len(names)) * len(names))
    values = [v for scores in models.values() for _, column, _ in panels for v in _listed(scores, key, names, column)]
    top = _upper([*values, *(level for *_, level in panels)])
    for axes, (panel, column, level) in zip(row, panels, strict=True):
        _name_panel(axes, panel)
        for shift, (model, scores) in zip(_shifts(len(models)), models.items(), strict=True):
            _draw_dots(axes, style_of(model), _listed(scores, key, names, column), shift)
        axes.hlines(range(len(names)), 0, top, color=FAINT, linewidth=0.7, zorder=0)
        _accuracy_axis(axes, top)
        _draw_chance(axes, level)
        axes.set_ylim(len(names) - 0.4, -0.6)
    size = 9.0 if len(names) <= 40 else 8.0
    row[0].set_yticks(range(len(names)), [shorten(name) for name in names], fontsize=size, parse_math=False)
    row[0].set_ylabel(what.capitalize())
    _legend(figure, models)
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
    return np.array([_number((table.get(name) or {}).get(column)) for name in names], dtype=np.float64)


def _draw_dots(axes: Axes, style: ModelStyle, values: NDArray[np.float64], shift: float) -> None:
    places = np.arange(len(values)) + shift
    axes.plot(100 * values, places, style.marker, color=style.colour, markersize=5, markeredgewidth=0, clip_on=False)


def _shifts(n_models: int) -> NDArray[np.float64]:
    """Places of several models within a row of height one, so that no dot hides another."""
    step = min(0.3, 0.7 / n_models)
    return np.array([step * (model - (n_models - 1) / 2) for model in range(n_models)])


def row_height_in(n_rows: int) -> float:
    """Height of a row in inches: roomy for a few, never too low to be read."""
    return max(0.17, min(0.34, 8 / max(1, n_rows)))


# Confusions


def confusion_figure(models: Models, chance: float | None, labels: Sequence[str]) -> Illustration | None:
    """Draw which song was named for which, by song logits and by match, for the first model."""
    if not models:
        return None
    model, scores = next(iter(models.items()))
    panels = [
        (title, np.array(scores[key], dtype=np.int64))
        for title, key in ((BY_LOGITS, "confusion"), (BY_MATCH, "match_confusion"))
        if scores.get(key)
    ]
    if not panels:
        return None
    # Where cells are too small for numbers, colour has to show what there is; else it is the same in all reports.
    many = len(labels) > MOST_SONGS_NAMED_TWICE
    top = _upper([share for _, counts in panels for share in _row_shares(counts).ravel() / 100]) if many else 100.0
    beside = len(labels) <= MOST_SONGS_BESIDE
    title = f"Which song {style_of(model).name} names for which"
    height = 4.1 if beside else 0.6 + len(panels) * (5.6 + 0.035 * len(labels))
    figure = Figure(figsize=(WIDTH_IN, height), layout="constrained")
    figure.suptitle(title, x=0.005, ha="left")
    grid = figure.subplots(*((1, len(panels)) if beside else (len(panels), 1)), squeeze=False).ravel()
    for place, (axes, (panel, counts)) in enumerate(zip(grid, panels, strict=True)):
        _draw_confusion(axes, counts, labels, top=top, named=place == 0 or not beside, small=beside)
        axes.set_title(panel)
    _draw_scale(figure, grid, chance)
    return Illustration("confusion", title, _confusion_caption(len(labels)), figure)


def _confusion_caption(n_songs: int) -> str:
    cells = " Each cell gives the percentage and, below it, the number of windows."
    numbers = " Columns carry the numbers that stand behind the names of the songs."
    return (
        "Rows: the song that was heard; columns: the song that was named. Each row adds up to 100 %; a perfect decoder"
        " has 100 % on the diagonal, a guessing one has the marked chance level everywhere."
        + (cells if n_songs <= MOST_SONGS_NAMED_TWICE else numbers)
    )


def _row_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Percentages of the windows of each song heard, (songs, songs)."""
    shares: NDArray[np.float64] = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def _draw_confusion(
    axes: Axes, counts: NDArray[np.int64], labels: Sequence[str], *, top: float, named: bool, small: bool
) -> None:
    shares = _row_shares(counts)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=top, interpolation="none", aspect="auto")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    n = len(labels)
    axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2 if n <= MOST_SONGS_NAMED_TWICE else 0.3)
    axes.tick_params(which="minor", length=0)
    _name_songs(axes, labels, named=named, longest=16 if small else LONGEST_NAME)
    axes.set_xlabel("Song named")
    if named:
        axes.set_ylabel("Song heard")
    if n <= MOST_SONGS_NAMED_TWICE:
        _write_cells(axes, counts, shares, dark=0.55 * top)


def _name_songs(axes: Axes, labels: Sequence[str], *, named: bool, longest: int) -> None:
    n = len(labels)
    if n > MOST_SONGS_NAMED_TWICE:
        rows = [f"{shorten(label)}  {number}" for number, label in enumerate(labels, 1)]
        columns = [str(number) for number in range(1, n + 1)]
        turn: Mapping[str, Any] = {"rotation": 90, "ha": "center"}
    else:
        rows, columns = ([shorten(label, length) for label in labels] for length in (longest, 18))
        turn = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    size = max(5.0, min(9.0, 320 / n))
    axes.set_yticks(range(n), rows if named else [""] * n, fontsize=size, parse_math=False)  # a $ is a $
    axes.set_xticks(range(n), columns, fontsize=size, parse_math=False, **turn)


def _write_cells(axes: Axes, counts: NDArray[np.int64], shares: NDArray[np.float64], dark: float) -> None:
    n = len(counts)
    size = 9.0 if n <= MOST_SONGS_BESIDE else 7.5
    for (row, column), share in np.ndenumerate(shares):
        ink = "white" if share > dark else INK
        axes.text(column, row - 0.06, f"{share:.0f}", ha="center", va="bottom", color=ink, fontsize=size)
        count = str(counts[row, column])
        axes.text(column, row + 0.06, count, ha="center", va="top", color=ink, fontsize=0.72 * size, alpha=0.85)


def _draw_scale(figure: Figure, grid: NDArray[Any], chance: float | None) -> None:
    bar = figure.colorbar(grid[0].images[0], ax=list(grid), shrink=0.75 if len(grid) == 1 else 0.6, aspect=28, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("Share of the windows of a song heard (%)")
    if chance is not None:
        bar.ax.axhline(100 * chance, **CHANCE_LINE)
        bar.ax.annotate(
            f"chance {_percent(chance)}", (0, 100 * chance), (-4, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", rotation=90, ha="right", va="bottom" if chance < 0.2 else "center", fontsize=8,
        )  # fmt: skip


# Length of the evaluated segments


def length_figure(models: Models, chance: float | None) -> Illustration | None:
    """Draw accuracy by segment length, for each way to combine the windows inside."""
    lengths = sorted({float(length) for scores in models.values() for length in scores.get("by_length") or ()})
    ways = [way for way in WAYS if any(np.isfinite(_by_length(s, lengths, way)).any() for s in models.values())]
    if len(lengths) < 2 or not ways:
        return None
    title = "Accuracy by length of the segment"
    figure, row = _panels(title, len(ways), 3.5)
    curves = [value for scores in models.values() for way in ways for value in _by_length(scores, lengths, way)]
    levels = {way: _common_match_chance(models, chance) if way == "match" else chance for way in ways}
    top = _upper([*curves, *levels.values()])
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
    _legend(figure, models, _chance_name(levels))
    caption = (
        "Accuracy when the windows inside a longer segment decide together: by the mean or the maximum of their song"
        " probabilities, by a majority vote of their decisions, or by the mean similarity with the audio of the same"
        " moments (match). It rises with length as far as the errors of neighbouring windows are independent."
    )
    return Illustration("by_length", title, caption, figure)


def _by_length(scores: Scores, lengths: Sequence[float], way: str) -> NDArray[np.float64]:
    table = scores.get("by_length") or {}
    return np.array([_number((table.get(f"{length:g}") or {}).get(way)) for length in lengths], dtype=np.float64)


def _chance_name(levels: Mapping[str, float | None]) -> str | None:
    """Name the dashed lines for a legend, as one unless the candidates of a match are fewer than all songs."""
    by_logits, by_match = (next((x for way, x in levels.items() if (way == "match") is m), None) for m in (False, True))
    names = [None if level is None else _percent(level) for level in (by_logits, by_match)]
    if names[0] and names[1] and names[0] != names[1]:
        return f"chance {names[0]}, of a match {names[1]}"
    name = names[0] or names[1]
    return f"chance {name}" if name else None


# Training


def training_figure(history: pd.DataFrame, models: Models, chance: float | None) -> Illustration | None:
    """Draw losses, and accuracies where they were kept, by epoch: a line for each fold, a panel for each model."""
    if not {"model", "fold", "epoch"} <= set(history.columns):
        return None
    shown = [model for model in models if (history["model"] == model).any()]
    kinds = [
        (name, columns, level)
        for name, columns, level in (
            ("Loss (nats)", ("train_loss", "validation_loss"), None),
            ("EEG song loss (nats)", ("validation_eeg_loss",), -math.log(chance) if chance else None),
            ("Accuracy (%)", ("train_accuracy", "validation_accuracy"), 100 * chance if chance else None),
        )
        if any(column in history and history[column].notna().any() for column in columns)
    ]
    if not shown or not kinds:
        return None
    title = "Training"
    figure = Figure(figsize=(WIDTH_IN, 1.2 + 2.15 * len(kinds)), layout="constrained")
    figure.suptitle(title, x=0.005, ha="left")
    grid = figure.subplots(len(kinds), len(shown), squeeze=False, sharex=True)
    for row, (name, columns, level) in zip(grid, kinds, strict=True):
        for axes, model in zip(row, shown, strict=True):
            _draw_curves(axes, history[history["model"] == model], model, columns)
            _draw_training_chance(axes, level)
            axes.grid(axis="y", color=FAINT, linewidth=0.7)
        row[0].set_ylabel(name)
    for axes, model in zip(grid[0], shown, strict=True):
        axes.set_title(style_of(model).name)
    for axes in grid[-1]:
        axes.set_xlabel("Epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
    handles = [Line2D([], [], color=INK, linestyle=style, linewidth=1.2) for style in (":", "-")]
    figure.legend(handles, ["training", "validation"], loc="outside lower center", ncols=2)
    return Illustration("training", title, _training_caption(kinds), figure)


def _training_caption(kinds: Sequence[tuple[str, Any, Any]]) -> str:
    chance = " The dashed line is the song loss of an even guess." if any("song" in kind for kind, *_ in kinds) else ""
    return (
        "One thin line for each fold; dots mark the epoch with a fold's lowest validation loss, whose weights were"
        " tested. A validation curve that rises while the training curve falls shows overfitting. The losses of models"
        f" with different objectives are sums of different parts and cannot be compared.{chance}"
    )


def _draw_curves(axes: Axes, rows: pd.DataFrame, model: str, columns: Sequence[str]) -> None:
    colour = style_of(model).colour
    for _, fold in rows.groupby("fold"):
        for column in (column for column in columns if column in fold):
            scale = 100 if column.endswith("accuracy") else 1
            line = ":" if column.startswith("train") else "-"
            axes.plot(fold["epoch"], scale * fold[column], line, color=colour, linewidth=0.9)
            if column == "validation_loss" and fold[column].notna().any():
                best = fold.iloc[int(fold[column].to_numpy().argmin())]
                axes.plot([best["epoch"]], [best[column]], "o", color=colour, markersize=4)


def _draw_training_chance(axes: Axes, level: float | None) -> None:
    if level is None:
        return
    axes.axhline(level, **CHANCE_LINE)
    axes.annotate(
        f"chance {level:.2g}", (0.99, level), (0, 2), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="right", va="bottom", fontsize=8, color=CHANCE,
    )  # fmt: skip


# What figures share


def shorten(name: str, longest: int = LONGEST_NAME) -> str:
    """Cut a name that is too long for a figure, with an ellipsis."""
    return name if len(name) <= longest else f"{name[: longest - 1].rstrip()}…"


def _panels(title: str, n_panels: int, height_in: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    figure.suptitle(title, x=0.005, ha="left")
    return figure, list(figure.subplots(1, n_panels, squeeze=False, sharey=True)[0])


def _name_panel(axes: Axes, name: str) -> None:
    axes.set_title(name, pad=18)  # the name of the chance line goes below
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _accuracy_axis(axes: Axes, top: float) -> None:
    axes.set_xlim(0, top)
    axes.set_xlabel("Accuracy (%)")
    axes.grid(axis="x", color=FAINT, linewidth=0.7)


def _draw_chance(axes: Axes, level: float | None) -> None:
    """Draw and name the chance level across horizontal rows."""
    if level is None:
        return
    axes.axvline(100 * level, **CHANCE_LINE)
    axes.annotate(
        f"chance {_percent(level)}", (100 * level, 1), (0, 3), xycoords=("data", "axes fraction"),
        textcoords="offset points", ha="center", va="bottom", fontsize=8, color=CHANCE,
    )  # fmt: skip


def _legend(figure: Figure, models: Models, chance: str | None = None) -> None:
    styles = [style_of(model) for model in models]
    handles = [Line2D([], [], color=s.colour, marker=s.marker, linestyle="", markersize=6) for s in styles]
    names = [style.name for style in styles]
    if chance:
        handles, names = [*handles, Line2D([], [], **CHANCE_LINE)], [*names, chance]
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))


def _common_match_chance(models: Models, chance: float | None) -> float | None:
    return next((match_chance(scores, chance) for scores in models.values()), chance)


def _upper(values: Sequence[float | None]) -> float:
    """End of an accuracy axis in percent: a round number with some room beyond the highest value."""
    finite = [100 * value for value in values if value is not None and math.isfinite(value)]
    highest = max(finite, default=100.0)
    return next((float(end) for end in (10, 20, 30, 40, 50, 60, 80) if highest * 1.08 <= end), 100.0)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.0995 else f"{100 * share:.0f} %"

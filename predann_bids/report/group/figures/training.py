"""How training went."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from predann_bids.report.drawing import CHANCE, CHANCE_LINE, FAINT, INK, WIDTH_IN, Illustration, style_of
from predann_bids.report.evidence import Models


def training_figure(
    history: pd.DataFrame, models: Models, chance: float | None, validated_on: str | None = None
) -> Illustration | None:
    """Draw losses, and accuracies where they were kept, by epoch: a line for each fold, a panel for each model.

    `validated_on` is "test" where training was followed on the test data.
    """
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
    figure.legend(
        handles,
        ["training", "test, by which nothing was chosen" if validated_on == "test" else "validation"],
        loc="outside lower center",
        ncols=2,
    )
    return Illustration("training", title, _training_caption(kinds), figure)


def _training_caption(kinds: Sequence[tuple[str, Any, Any]]) -> str:
    chance = " The dashed line is the song loss of an even guess." if any("song" in kind for kind, *_ in kinds) else ""
    return (
        "One thin line for each training (fold, and seed where there are several); dots mark the epoch whose weights"
        " were tested. A validation curve that rises while the training curve falls"
        " shows overfitting. The losses of models with different objectives are sums of different parts and cannot be"
        f" compared.{chance}"
    )


def _draw_curves(axes: Axes, rows: pd.DataFrame, model: str, columns: Sequence[str]) -> None:
    colour = style_of(model).colour
    for _, fold in rows.groupby([column for column in ("seed", "fold") if column in rows]):
        for column in (column for column in columns if column in fold):
            scale = 100 if column.endswith("accuracy") else 1
            line = ":" if column.startswith("train") else "-"
            there = fold[fold[column].notna()]  # of some epochs only where validation is rare
            point = "." if len(there) == 1 else None
            axes.plot(there["epoch"], scale * there[column], line, color=colour, linewidth=0.9, marker=point)
            kept = there[there["kept"] == 1] if "kept" in there and column == columns[-1] else there[:0]
            axes.plot(kept["epoch"], scale * kept[column], "o", color=colour, markersize=4)


def _draw_training_chance(axes: Axes, level: float | None) -> None:
    if level is None:
        return
    axes.axhline(level, **CHANCE_LINE)
    axes.annotate(
        f"chance {level:.2g}", (0.99, level), (0, 2), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="right", va="bottom", fontsize=8, color=CHANCE,
    )  # fmt: skip

"""The course of training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from predann_bids.report.drawing import CHANCE, CHANCE_LINE, FAINT, INK, Illustration, new_figure
from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.figures import FIGURES
from predann_bids.report.scores import has_logits
from predann_bids.report.words.models import model_words


@dataclass(frozen=True)
class _Quantity:
    """What a row of panels shows: its name, its columns of the history, and its chance level."""

    name: str
    columns: tuple[str, ...]
    level: float | None = None


@FIGURES.add("training")
def draw_training(evidence: GroupEvidence) -> Illustration | None:
    """Draw losses, and accuracies where they were kept, by epoch: a line for each fold, a panel for each model."""
    history = evidence.history
    if not {"model", "fold", "epoch"} <= set(history.columns):
        return None
    models = [model for model in evidence.models if (history["model"] == model).any()]
    quantities = _quantities(evidence)
    if not models or not quantities:
        return None
    title = "Training"
    figure = new_figure(title, 1.2 + 2.15 * len(quantities))
    panels = figure.subplots(len(quantities), len(models), squeeze=False, sharex=True)
    for row, quantity in zip(panels, quantities, strict=True):
        for axes, model in zip(row, models, strict=True):
            _draw_curves(axes, history[history["model"] == model], model, quantity.columns)
            _draw_level(axes, quantity.level)
            axes.grid(axis="y", color=FAINT, linewidth=0.7)
        row[0].set_ylabel(quantity.name)
    for axes, model in zip(panels[0], models, strict=True):
        axes.set_title(model_words(model).name)
    for axes in panels[-1]:
        axes.set_xlabel("Epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
    on_test = evidence.protocol.get("validated_on") == "test"
    lines = ["training", "test, which was not used to choose anything" if on_test else "validation"]
    handles = [Line2D([], [], color=INK, linestyle=style, linewidth=1.2) for style in (":", "-")]
    figure.legend(handles, lines, loc="outside lower center", ncols=2)
    return Illustration("training", title, _caption(quantities), figure)


def _quantities(evidence: GroupEvidence) -> list[_Quantity]:
    """List the quantities that the history holds."""
    history = evidence.history
    # of the song logits of training songs; test songs can be others
    chance = evidence.chance if any(map(has_logits, evidence.models.values())) else None
    quantities = (
        _Quantity("Loss (nats)", ("train_loss", "validation_loss")),
        _Quantity("EEG song loss (nats)", ("validation_eeg_loss",), -math.log(chance) if chance else None),
        _Quantity("Accuracy (%)", ("train_accuracy", "validation_accuracy"), 100 * chance if chance else None),
    )
    return [q for q in quantities if any(column in history and history[column].notna().any() for column in q.columns)]


def _caption(quantities: Sequence[_Quantity]) -> str:
    has_song_loss = any("song" in quantity.name for quantity in quantities)
    chance = " The dashed line is the song loss of a uniform guess." if has_song_loss else ""
    return (
        "One thin line for each training (fold, and seed where there are several); dots mark the epoch whose weights"
        " were tested. A validation curve that rises while the training curve falls shows overfitting. The losses of"
        f" models with different objectives are sums of different parts and cannot be compared.{chance}"
    )


def _draw_curves(axes: Axes, rows: pd.DataFrame, model: str, columns: Sequence[str]) -> None:
    colour = model_words(model).colour
    for _, fold in rows.groupby([column for column in ("seed", "fold") if column in rows]):
        for column in (column for column in columns if column in fold):
            scale = 100 if column.endswith("accuracy") else 1
            line = ":" if column.startswith("train") else "-"
            epochs = fold[fold[column].notna()]  # some epochs only, where validation is rare
            point = "." if len(epochs) == 1 else None
            axes.plot(epochs["epoch"], scale * epochs[column], line, color=colour, linewidth=0.9, marker=point)
            kept = epochs[epochs["kept"] == 1] if "kept" in epochs and column == columns[-1] else epochs[:0]
            axes.plot(kept["epoch"], scale * kept[column], "o", color=colour, markersize=4)


def _draw_level(axes: Axes, level: float | None) -> None:
    if level is None:
        return
    axes.axhline(level, **CHANCE_LINE)
    axes.annotate(
        f"chance {level:.2g}", (0.99, level), (0, 2), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="right", va="bottom", fontsize=8, color=CHANCE,
    )  # fmt: skip

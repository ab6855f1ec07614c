"""What the result is held against: other models, permuted labels, data without the music, and other splits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from predann_bids.report.drawing import (
    BLANK,
    BY_LOGITS,
    BY_MATCH,
    CHANCE,
    CHANCE_LINE,
    COMPARED,
    FAINT,
    INK,
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
    style_of,
    upper,
)
from predann_bids.report.evidence import CONDITIONS, Models, Scores, comparison_rows, evaluated, split_results

BAND_POWER = ModelStyle("Band power alone", "#444444", "P")
NULL_COLOUR = "#bbbbbb"
# heading, accuracy, its interval
WAYS = ((BY_LOGITS, "accuracy", "ci95"), (BY_MATCH, "match_accuracy", "match_ci95"))


def comparison_figure(metrics: Mapping[str, Any]) -> Illustration | None:
    """Draw the difference of every pair of models with its interval, and that of each seed where there are several."""
    rows = [row for row in comparison_rows(metrics) if row.get("difference") is not None]
    panels = [(title, [r for r in rows if r["by"] == by]) for by, title in COMPARED.items()]
    panels = [(title, listed) for title, listed in panels if listed]
    if not panels:
        return None
    pairs = list(dict.fromkeys((row["first"], row["second"]) for row in rows))
    title = "Differences between models"
    figure, grid = row_of_panels(title, len(panels), 1.7 + 0.5 * len(pairs))
    seeds = False
    for axes, (panel, listed) in zip(grid, panels, strict=True):
        name_panel(axes, panel)
        for row in listed:
            seeds = _draw_difference(axes, pairs.index((row["first"], row["second"])), row) or seeds
        _draw_zero(axes)
        axes.set_xlabel("Difference (percentage points)")
        axes.grid(axis="x", color=FAINT, linewidth=0.7)
        axes.set_ylim(len(pairs) - 0.5, -0.65)
    grid[0].set_yticks(range(len(pairs)), [f"{style_of(a).name} − {style_of(b).name}" for a, b in pairs])
    caption = (
        "Accuracy of the first model minus that of the second, on the same windows: mean of participants, with its 95 %"
        " interval. An interval that holds the dashed line shows no difference. By retrieval, a window counts as right"
        " when its own audio ranks first among all moments of all songs."
        + (" Open circles: one for each seed that the decoders were trained with." if seeds else "")
    )
    return Illustration("comparisons", title, caption, figure)


def _draw_difference(axes: Axes, place: int, row: Mapping[str, Any]) -> bool:
    style = style_of(row["first"])
    low, high = row.get("ci95") or (math.nan, math.nan)
    axes.plot([100 * low, 100 * high], [place, place], color=style.colour, linewidth=2.2, solid_capstyle="butt")
    axes.plot([100 * row["difference"]], [place], style.marker, color=style.colour, markersize=7.5)
    seeds = row.get("by_seed") or []
    if len(seeds) < 2:
        return False
    axes.plot([100 * seed for seed in seeds], [place + 0.28] * len(seeds), "o", color=INK, mfc="none", markersize=4)
    return True


def _draw_zero(axes: Axes) -> None:
    axes.axvline(0, **CHANCE_LINE)
    axes.annotate(
        "no difference", (0, 1), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center",
        va="bottom", fontsize=8, color=CHANCE,
    )  # fmt: skip


def permutation_figure(models: Models, chance: float | None) -> Illustration | None:
    """Draw what permuted labels give, and the accuracy that has to exceed it."""
    shown = {name: scores for name, scores in models.items() if scores.get("permutation")}
    panels = [
        (title, accuracy, prefix, level)
        for (title, accuracy, _), prefix, level in zip(
            WAYS, ("", "match_"), (chance, common_match_chance(models, chance)), strict=True
        )
        if any(scores["permutation"].get(f"{prefix}null_mean") is not None for scores in shown.values())
    ]
    if not panels:
        return None
    title = "Accuracy against permuted labels"
    figure, grid = row_of_panels(title, len(panels), 1.95 + 0.5 * len(shown))
    values = [scores.get(accuracy) for scores in shown.values() for _, accuracy, *_ in panels]
    for axes, (panel, accuracy, prefix, level) in zip(grid, panels, strict=True):
        name_panel(axes, panel)
        for place, (model, scores) in enumerate(shown.items()):
            _draw_null(axes, place, scores["permutation"], prefix)
            draw_interval(axes, place, style_of(model), number(scores.get(accuracy)), math.nan, math.nan)
        accuracy_axis(axes, upper([*values, *(level for *_, level in panels)]))
        draw_chance(axes, level)
        axes.set_ylim(len(shown) - 0.5, -0.65)
    grid[0].set_yticks(range(len(shown)), [style_of(model).name for model in shown])
    handles = [Line2D([], [], color=NULL_COLOUR, linewidth=9), Line2D([], [], color=INK, marker="|", linestyle="")]
    figure.legend(handles, ["middle 95 % of the null", "its mean"], loc="outside lower center", ncols=2)
    caption = (
        "Coloured marker: accuracy on the labels as they are. Grey bar: the middle 95 % of accuracies on permuted"
        " labels; a marker outside of it is one that permuted labels hardly ever reach. The bar should lie around the"
        " dashed line; where it does not, something other than the labels' assignment favours some answers."
    )
    return Illustration("permutation", title, caption, figure)


def _draw_null(axes: Axes, place: int, found: Mapping[str, Any], prefix: str) -> None:
    low, high = found.get(f"{prefix}null_ci95") or (math.nan, math.nan)
    axes.plot([100 * low, 100 * high], [place, place], color=NULL_COLOUR, linewidth=9, solid_capstyle="butt", zorder=0)
    axes.plot([100 * number(found.get(f"{prefix}null_mean"))], [place], "|", color=INK, markersize=9)


def control_figure(metrics: Mapping[str, Any]) -> Illustration | None:
    """Draw the accuracy on real data beside that on data in which music and EEG do not belong together."""
    control = (metrics.get("control") or {}).get("fingerprint")
    if not control:
        return None
    models, chance = evaluated(metrics), metrics.get("chance")
    levels = (control.get("chance", chance), common_match_chance(models, chance))
    panels = [
        (title, _control_rows(models, control, accuracy, interval), level)
        for (title, accuracy, interval), level in zip(WAYS, levels, strict=True)
    ]
    panels = [panel for panel in panels if panel[1]]
    if not panels:
        return None
    shown = list(dict.fromkeys(style for _, rows, _ in panels for style, _ in rows))
    title = "Real data against data without the music"
    figure, grid = row_of_panels(title, len(panels), 1.9 + 3 * (0.25 + 0.17 * len(shown)))
    ends = [v for _, rows, level in panels for _, row in rows for value in row for v in (*value, level)]
    for axes, (panel, rows, level) in zip(grid, panels, strict=True):
        name_panel(axes, panel)
        for style, row in rows:
            shift = shifts(len(shown))[shown.index(style)]
            for place, (value, low, high) in enumerate(row):
                draw_interval(axes, place + shift, style, value, low, high, written=False)
        axes.axhspan(0.5, 2.5, color="#f3f3f3", zorder=-1)
        accuracy_axis(axes, upper(ends))
        draw_chance(axes, level)
        axes.set_ylim(2.5, -0.5)
    grid[0].set_yticks(range(3), ["Real data", *CONDITIONS.values()])
    handles = [Line2D([], [], color=s.colour, marker=s.marker, linestyle="", markersize=6) for s in shown]
    columns = len(shown) if len(shown) < 4 else math.ceil(len(shown) / 2)
    figure.legend(handles, [style.name for style in shown], loc="outside lower center", ncols=columns)
    return Illustration("control", title, CONTROL_CAPTION, figure)


CONTROL_CAPTION = (
    "Accuracy with 95 % interval. On the shaded rows music and EEG do not belong together: what lies above the dashed"
    " line there is not music, but leaks from what marks the recordings. Only what real data have beyond it can be"
    " music. Band power alone is a linear classifier that knows nothing but how strong each channel is in each"
    " frequency band."
)


def _control_rows(
    models: Models, control: Mapping[str, Any], accuracy: str, interval: str
) -> list[tuple[ModelStyle, list[tuple[float, float, float]]]]:
    rows = []
    for model, scores in models.items():
        sources = [scores, *(((control.get(c) or {}).get("models") or {}).get(model) for c in CONDITIONS)]
        if any((source or {}).get(accuracy) is not None for source in sources[1:]):
            rows.append((style_of(model), [_value(source, accuracy, interval) for source in sources]))
    band_power = control.get("band_power")
    if band_power and accuracy == "accuracy" and any((v or {}).get(accuracy) is not None for v in band_power.values()):
        sources = [band_power.get(kind) for kind in ("real", *CONDITIONS)]
        rows.append((BAND_POWER, [_value(source, accuracy, interval) for source in sources]))
    return rows


def _value(source: Scores | None, accuracy: str, interval: str) -> tuple[float, float, float]:
    source = source or {}
    low, high = source.get(interval) or (math.nan, math.nan)
    return number(source.get(accuracy)), float(low), float(high)


def splits_figure(metrics: Mapping[str, Any]) -> Illustration | None:
    """Draw the accuracy of the same study with each split, beside the chance level of each."""
    results = split_results(metrics)
    panels = [
        way for way in WAYS if any(s.get(way[1]) is not None for r in results for s in evaluated(r.content).values())
    ]
    if len(results) < 2 or not panels:
        return None
    models = list(dict.fromkeys(model for result in results for model in evaluated(result.content)))
    title = "Accuracy by what was held out"
    figure, grid = row_of_panels(title, len(panels), 1.7 + len(results) * (0.2 + 0.17 * len(models)))
    ends: list[float | None] = []
    for axes, (panel, accuracy, interval) in zip(grid, panels, strict=True):
        name_panel(axes, panel)
        for place, result in enumerate(results):
            ends += _draw_split(axes, place, models, result.content, accuracy, interval)
        axes.set_ylim(len(results) - 0.5, -0.5)
    for axes in grid:
        accuracy_axis(axes, upper(ends))
    names = [result.name for result in results]
    grid[0].set_yticks(range(len(results)), names)
    legend(figure, models, "chance of this split")
    caption = (
        "The same data, decoders and settings, tested on what they were not trained on in different ways. Each row has"
        " its own chance level, as the number of candidates differs. Splits within recordings share with the training"
        " data whatever marks a recording, so a high accuracy there is no evidence of music by itself."
    )
    return Illustration("splits", title, caption, figure)


def _draw_split(
    axes: Axes, place: int, models: Sequence[str], content: Mapping[str, Any], accuracy: str, interval: str
) -> list[float | None]:
    found = evaluated(content)
    chance = content.get("chance")
    level = chance if accuracy == "accuracy" else common_match_chance(found, chance)
    rows = {model: _value(found.get(model), accuracy, interval) for model in models}
    if level is not None and any(math.isfinite(value) for value, *_ in rows.values()):
        axes.plot([100 * level, 100 * level], [place - 0.45, place + 0.45], **CHANCE_LINE)
        axes.annotate(
            percent(level), (100 * level, place - 0.45), (2, -1), textcoords="offset points", fontsize=7, color=CHANCE,
            va="top",
        )  # fmt: skip
    elif not any(math.isfinite(value) for value, *_ in rows.values()):
        axes.text(0, place, "  no song logits for songs never heard", va="center", fontsize=8, color=CHANCE, bbox=BLANK)
    for shift, (model, (value, low, high)) in zip(shifts(len(models)), rows.items(), strict=True):
        draw_interval(axes, place + shift, style_of(model), value, low, high, written=False)
    return [level, *(v for row in rows.values() for v in row)]

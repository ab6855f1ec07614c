"""What the network uses: at which delay, where on the head, and in which frequency band."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from predann_bids.report.drawing import (
    BY_LOGITS,
    BY_MATCH,
    CHANCE,
    CHANCE_LINE,
    FAINT,
    INK,
    WIDTH_IN,
    Illustration,
    ModelStyle,
    name_panel,
    number,
    row_of_panels,
    shorten,
    style_of,
    upper,
)
from predann_bids.report.evidence import SIGNIFICANT

FEWEST_ON_A_HEAD = 4  # a map of fewer channels would be made of interpolation alone
HEAD_RADIUS_M = 0.095
Uses = Mapping[str, Any]
WAYS = ((BY_LOGITS, ""), (BY_MATCH, "match_"))
INTERVALS = {"accuracy": "ci95", "match_accuracy": "match_ci95", "moment_mrr": "moment_mrr_ci95"}


def delay_figure(uses: Uses, chance: float | None, match_chance: float | None) -> Illustration | None:
    """Draw how well decoders do when the EEG is taken earlier or later than they were trained with."""
    found = uses.get("delay") or {}
    panels = [
        (title, key, level)
        for title, key, level in (
            (BY_LOGITS, "accuracy", chance),
            (BY_MATCH, "match_accuracy", match_chance),
            ("Moment of the song", "moment_mrr", found.get("moment_mrr_chance")),
        )
        if any(value is not None for value in found.get(key) or ())
    ]
    if not panels or len(found.get("delay_s") or ()) < 2:
        return None
    style = style_of(uses.get("model", "predann"))
    title = f"At which delay {style.name} finds the music in the EEG"
    figure = Figure(figsize=(WIDTH_IN, 3.2), layout="constrained")
    figure.suptitle(title, x=0.005, ha="left")
    for axes, (panel, key, level) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        axes.set_title(panel)
        _draw_delay(axes, found, key, style, level)
    handles = [
        Line2D([], [], color=INK, linestyle=":", linewidth=1.4),
        Line2D([], [], **CHANCE_LINE),
    ]
    figure.legend(handles, ["delay that it was trained with", "chance"], loc="outside lower center", ncols=2)
    caption = (
        "The decoders stay as they were trained, at the dotted line; only the test EEG is taken earlier (left) or later"
        " (right) relative to the audio. Bands: 95 % intervals. A peak near the dotted line shows that the decoder"
        " follows the course of the music; a curve that is flat does not depend on when things happen, as song logits"
        " need not. Moment of the song: mean reciprocal rank of the moment heard among all moments of its song."
    )
    return Illustration("delay", title, caption, figure)


def _draw_delay(axes: Axes, found: Uses, key: str, style: ModelStyle, level: float | None) -> None:
    share = key != "moment_mrr"
    scale = 100 if share else 1
    delays, values = np.array(found["delay_s"], dtype=np.float64), scale * _floats(found[key])
    limits = found.get(INTERVALS[key]) or []
    bands = scale * np.array([pair or (math.nan, math.nan) for pair in limits], dtype=np.float64).reshape(-1, 2)
    if len(bands) == len(delays):
        axes.fill_between(delays, bands[:, 0], bands[:, 1], color=style.colour, alpha=0.22, linewidth=0)
    axes.plot(delays, values, color=style.colour, marker=style.marker, markersize=3.5, linewidth=1.5)
    if found.get("trained_delay_s") is not None:
        axes.axvline(found["trained_delay_s"], color=INK, linestyle=":", linewidth=1.4, zorder=0)
    if level is not None:
        axes.axhline(scale * level, **CHANCE_LINE)
    ends = [*(bands.ravel() / scale), *(values / scale), level]
    axes.set_ylim(0, upper(ends) / (1 if share else 100))
    axes.set(xlabel="EEG later than audio (s)", ylabel="Accuracy (%)" if share else "Mean reciprocal rank")
    axes.grid(color=FAINT, linewidth=0.7)


def channels_figure(uses: Uses) -> Illustration | None:
    """Draw on the head, and by region, how much accuracy is lost without a place's signal."""
    channels, regions = uses.get("channels") or [], uses.get("regions") or []
    ways = [way for way in WAYS if _any(channels, f"{way[1]}drop") or _any(regions, f"{way[1]}drop")]
    placed = [c for c in channels if c.get("position") and None not in c["position"]]
    mapped = len(placed) >= FEWEST_ON_A_HEAD and any(_any(placed, f"{prefix}drop") for _, prefix in ways)
    # channels without a place are listed, the most important ones
    listed = regions or ([] if mapped else _foremost(channels))
    if not ways or not (mapped or listed):
        return None
    name = style_of(uses.get("model", "predann")).name
    title = f"Where on the head {name} finds the music"
    heights = [height for height, shown in ((3.2, mapped), (1.3 + 0.26 * len(listed), bool(listed))) if shown]
    figure = Figure(figsize=(WIDTH_IN, 0.7 + sum(heights)), layout="constrained")
    figure.suptitle(title, x=0.005, ha="left")
    rows = figure.subplots(len(heights), len(ways), squeeze=False, height_ratios=heights)
    if mapped:
        _draw_heads(figure, rows[0], placed, ways)
    if listed:
        _draw_drops(rows[-1], listed, ways, [shorten(item["name"]) for item in listed], named=not mapped)
        figure.legend(*_significance(listed), loc="outside lower center", ncols=2)
    heads = (
        " Maps: each channel together with its neighbours; red where the decoder depends on it, blue where shuffling"
        " it raised accuracy. Maps have no intervals: read them with the regions below."
    )
    caption = (
        "Percentage points of accuracy lost when the signal of a place is shuffled among the test windows, so that it"
        f" tells nothing any more. What other places tell as well is not lost.{heads if mapped else ''}"
        + (f" {FILLED}" if listed else "")
    )
    return Illustration("channels", title, caption, figure)


FILLED = (
    "Lines: 95 % intervals; filled circles: different from none after Holm's correction (p < 0.05), open circles: not."
)


def _draw_heads(
    figure: Figure, row: NDArray[Any], channels: Sequence[Mapping[str, Any]], ways: Sequence[tuple[str, str]]
) -> None:
    import mne

    info = _layout(channels)
    values = {prefix: 100 * _floats([c.get(f"{prefix}drop") for c in channels]) for _, prefix in ways}
    highest = max([1e-3, *(abs(v) for drops in values.values() for v in drops if math.isfinite(v))])
    image: Any = None
    for axes, (title, prefix) in zip(row, ways, strict=True):
        axes.set_title(title)
        if not np.isfinite(values[prefix]).any():
            axes.set_axis_off()
            continue
        image, _ = mne.viz.plot_topomap(
            np.nan_to_num(values[prefix]), info, axes=axes, show=False, cmap="RdBu_r", vlim=(-highest, highest),
            contours=4, sphere=HEAD_RADIUS_M, res=96,
        )  # fmt: skip
    bar = figure.colorbar(image, ax=list(row), shrink=0.75, aspect=22, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("Accuracy lost\n(percentage points)")


def _layout(channels: Sequence[Mapping[str, Any]]) -> Any:
    import mne

    names = [channel["name"] for channel in channels]
    info = mne.create_info(names, 100.0, "eeg", verbose="ERROR")
    places = {channel["name"]: np.array(channel["position"], dtype=np.float64) for channel in channels}
    info.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"), verbose="ERROR")
    return info


def bands_figure(uses: Uses) -> Illustration | None:
    """Draw how much accuracy is lost without each frequency band."""
    bands = uses.get("bands") or []
    ways = [way for way in WAYS if _any(bands, f"{way[1]}drop")]
    if not ways:
        return None
    title = f"Which frequencies {style_of(uses.get('model', 'predann')).name} uses"
    figure, row = row_of_panels(title, len(ways), 1.9 + 0.34 * len(bands))
    names = [f"{band['name']}, {band['low_hz']:g}–{band['high_hz']:g} Hz" for band in bands]
    _draw_drops(np.array(row), bands, ways, names, named=True)
    figure.legend(*_significance(bands), loc="outside lower center", ncols=2)
    caption = (
        "Percentage points of accuracy lost when a frequency band is removed from the test EEG. The decoder was trained"
        f" with all of them, so a loss shows what it relies on, not all that the band could tell. {FILLED}"
    )
    return Illustration("bands", title, caption, figure)


def _draw_drops(
    row: NDArray[Any],
    items: Sequence[Mapping[str, Any]],
    ways: Sequence[tuple[str, str]],
    names: Sequence[str],
    *,
    named: bool,
) -> None:
    for place, (axes, (title, prefix)) in enumerate(zip(row, ways, strict=True)):
        name_panel(axes, title if named else "")
        for height, item in enumerate(items):
            _draw_drop(axes, height, item, prefix)
        axes.axvline(0, **CHANCE_LINE)
        axes.annotate(
            "no loss", (0, 1), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center",
            va="bottom", fontsize=8, color=CHANCE,
        )  # fmt: skip
        axes.set_xlabel("Accuracy lost (percentage points)")
        axes.grid(axis="x", color=FAINT, linewidth=0.7)
        if place == 0:
            axes.set_yticks(range(len(items)), names, parse_math=False)
        else:
            axes.tick_params(axis="y", length=0, labelleft=False)
        axes.set_ylim(len(items) - 0.5, -0.5)


def _draw_drop(axes: Axes, height: float, item: Mapping[str, Any], prefix: str) -> None:
    value, colour = 100 * number(item.get(f"{prefix}drop")), style_of("predann").colour
    low, high = item.get(f"{prefix}ci95") or (math.nan, math.nan)
    axes.plot([100 * low, 100 * high], [height, height], color=colour, linewidth=1.8, solid_capstyle="butt")
    face = colour if _significant(item, prefix) else "white"
    axes.plot([value], [height], "o", color=colour, markerfacecolor=face, markersize=6)


def _significant(item: Mapping[str, Any], prefix: str) -> bool:
    p_holm, limits = item.get(f"{prefix}p_holm"), item.get(f"{prefix}ci95")
    return p_holm is not None and p_holm < SIGNIFICANT and not (limits and limits[0] <= 0 <= limits[1])


def _significance(items: Sequence[Mapping[str, Any]]) -> tuple[list[Line2D], list[str]]:
    colour = style_of("predann").colour
    if all(item.get(f"{prefix}p_holm") is None for item in items for _, prefix in WAYS):
        return [Line2D([], [], color=colour, marker="o", markerfacecolor="white", linestyle="")], ["not tested"]
    faces = {"different from none (Holm-corrected p < 0.05)": colour, "not": "white"}
    handles = [Line2D([], [], color=colour, marker="o", markerfacecolor=f, linestyle="") for f in faces.values()]
    return handles, list(faces)


def _foremost(channels: Sequence[Mapping[str, Any]], most: int = 20) -> list[Mapping[str, Any]]:
    found = [c for c in channels if c.get("match_drop") is not None or c.get("drop") is not None]
    return sorted(found, key=lambda c: -max(c.get("match_drop") or 0, c.get("drop") or 0))[:most]


def _any(items: Sequence[Mapping[str, Any]], key: str) -> bool:
    return any(item.get(key) is not None for item in items)


def _floats(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([number(value) for value in values], dtype=np.float64)

"""What accuracy is lost without a place on the head, or without a frequency band."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from predann_bids.arrays import Doubles
from predann_bids.report.drawing import (
    FAINT,
    Illustration,
    draw_reference,
    name_panel,
    new_figure,
    number,
    row_of_panels,
    shorten,
)
from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.figures import FIGURES
from predann_bids.report.scores import SIGNIFICANT
from predann_bids.report.words.decisions import WAYS, Way
from predann_bids.report.words.models import PREDANN, model_words

FEWEST_ON_A_HEAD = 4  # a map of fewer channels would be nothing but interpolation
MOST_LISTED = 20  # channels without a position
HEAD_RADIUS_M = 0.095
FILLED = (
    "Lines: 95 % intervals; filled circles: different from zero after Holm's correction (p < 0.05), open circles: not."
)
Loss = Mapping[str, Any]  # of a channel, a region or a band


@FIGURES.add("channels")
def draw_channels(evidence: GroupEvidence) -> Illustration | None:
    """Draw on the head, and by region, how much accuracy is lost without the signal from a place."""
    channels, regions = evidence.uses.get("channels") or [], evidence.uses.get("regions") or []
    ways = [way for way in WAYS if _has(channels, way) or _has(regions, way)]
    placed = [c for c in channels if c.get("position") and None not in c["position"]]
    mapped = len(placed) >= FEWEST_ON_A_HEAD and any(_has(placed, way) for way in ways)
    # channels without a position are listed, the most important ones
    listed = regions or ([] if mapped else _foremost(channels))
    if not ways or not (mapped or listed):
        return None
    title = f"Where on the head {_model_name(evidence)} finds the music"
    heights = [height for height, shown in ((3.2, mapped), (1.3 + 0.26 * len(listed), bool(listed))) if shown]
    figure = new_figure(title, 0.7 + sum(heights))
    rows = figure.subplots(len(heights), len(ways), squeeze=False, height_ratios=heights)
    if mapped:
        _draw_heads(figure, rows[0], placed, ways)
    if listed:
        _draw_losses(rows[-1], listed, ways, [shorten(loss["name"]) for loss in listed], named=not mapped)
        _explain_circles(figure, listed)
    return Illustration("channels", title, _channels_caption(mapped=mapped, listed=bool(listed)), figure)


def _channels_caption(*, mapped: bool, listed: bool) -> str:
    heads = (
        " Maps: each channel together with its neighbours; red where the decoder depends on it, blue where shuffling it"
        " raised accuracy. Maps have no intervals: read them together with the regions below."
    )
    return (
        "Percentage points of accuracy lost when the signal from a place is shuffled among the test windows, so that it"
        " carries no information. What other places carry as well is not lost."
        + (heads if mapped else "")
        + (f" {FILLED}" if listed else "")
    )


@FIGURES.add("bands")
def draw_bands(evidence: GroupEvidence) -> Illustration | None:
    """Draw how much accuracy is lost without each frequency band."""
    bands = evidence.uses.get("bands") or []
    ways = [way for way in WAYS if _has(bands, way)]
    if not ways:
        return None
    title = f"Which frequencies {_model_name(evidence)} uses"
    figure, row = row_of_panels(title, len(ways), 1.9 + 0.34 * len(bands))
    names = [f"{band['name']}, {band['low_hz']:g}–{band['high_hz']:g} Hz" for band in bands]
    _draw_losses(np.array(row), bands, ways, names, named=True)
    _explain_circles(figure, bands)
    caption = (
        "Percentage points of accuracy lost when a frequency band is removed from the test EEG. The decoder was trained"
        " with all bands, so a loss shows what it relies on, not all the information that the band could provide."
        f" {FILLED}"
    )
    return Illustration("bands", title, caption, figure)


def _model_name(evidence: GroupEvidence) -> str:
    return model_words(evidence.uses.get("model", PREDANN)).name


# Maps


def _draw_heads(figure: Figure, row: NDArray[Any], channels: Sequence[Loss], ways: Sequence[Way]) -> None:
    import mne

    info = _head(channels)
    maps = [100 * _losses(channels, way) for way in ways]
    highest = max([1e-3, *(abs(value) for values in maps for value in values if math.isfinite(value))])
    image: Any = None
    for axes, way, values in zip(row, ways, maps, strict=True):
        axes.set_title(way.title)
        if not np.isfinite(values).any():
            axes.set_axis_off()
            continue
        image, _ = mne.viz.plot_topomap(
            np.nan_to_num(values), info, axes=axes, show=False, cmap="RdBu_r", vlim=(-highest, highest), contours=4,
            sphere=HEAD_RADIUS_M, res=96,
        )  # fmt: skip
    bar = figure.colorbar(image, ax=list(row), shrink=0.75, aspect=22, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("Accuracy lost\n(percentage points)")


def _head(channels: Sequence[Loss]) -> Any:
    import mne

    positions = {channel["name"]: np.array(channel["position"], dtype=np.float64) for channel in channels}
    info = mne.create_info(list(positions), 100.0, "eeg", verbose="ERROR")
    info.set_montage(mne.channels.make_dig_montage(positions, coord_frame="head"), verbose="ERROR")
    return info


# Rows


def _draw_losses(
    row: NDArray[Any], losses: Sequence[Loss], ways: Sequence[Way], names: Sequence[str], *, named: bool
) -> None:
    """Draw a panel of rows for each way to decide.

    Parameters
    ----------
    row : array of Axes
        One panel for each way.
    losses : sequence of mapping
        Losses, one for each row.
    ways : sequence of Way
        Ways to decide.
    names : sequence of str
        Names of the rows.
    named : bool
        Whether panels have headings.
    """
    for index, (axes, way) in enumerate(zip(row, ways, strict=True)):
        name_panel(axes, way.title if named else "")
        for height, loss in enumerate(losses):
            _draw_loss(axes, height, loss, way)
        draw_reference(axes, 0, "no loss")
        axes.set_xlabel("Accuracy lost (percentage points)")
        axes.grid(axis="x", color=FAINT, linewidth=0.7)
        if index == 0:
            axes.set_yticks(range(len(losses)), names, parse_math=False)
        else:
            axes.tick_params(axis="y", length=0, labelleft=False)
        axes.set_ylim(len(losses) - 0.5, -0.5)


def _draw_loss(axes: Axes, height: float, loss: Loss, way: Way) -> None:
    value, colour = 100 * number(loss.get(f"{way.prefix}drop")), model_words(PREDANN).colour
    low, high = loss.get(way.interval) or (math.nan, math.nan)
    axes.plot([100 * low, 100 * high], [height, height], color=colour, linewidth=1.8, solid_capstyle="butt")
    face = colour if _is_significant(loss, way) else "white"
    axes.plot([value], [height], "o", color=colour, markerfacecolor=face, markersize=6)


def _is_significant(loss: Loss, way: Way) -> bool:
    p_holm, limits = loss.get(f"{way.prefix}p_holm"), loss.get(way.interval)
    return p_holm is not None and p_holm < SIGNIFICANT and not (limits and limits[0] <= 0 <= limits[1])


def _explain_circles(figure: Figure, losses: Sequence[Loss]) -> None:
    colour = model_words(PREDANN).colour
    faces = {"different from zero (Holm-corrected p < 0.05)": colour, "not shown to differ": "white"}
    if all(loss.get(f"{way.prefix}p_holm") is None for loss in losses for way in WAYS):
        faces = {"not tested": "white"}
    handles = [Line2D([], [], color=colour, marker="o", markerfacecolor=f, linestyle="") for f in faces.values()]
    figure.legend(handles, list(faces), loc="outside lower center", ncols=2)


def _foremost(channels: Sequence[Loss]) -> list[Loss]:
    measured = [channel for channel in channels if any(_has([channel], way) for way in WAYS)]
    return sorted(measured, key=lambda c: -max(c.get(f"{way.prefix}drop") or 0 for way in WAYS))[:MOST_LISTED]


def _has(losses: Sequence[Loss], way: Way) -> bool:
    return any(loss.get(f"{way.prefix}drop") is not None for loss in losses)


def _losses(losses: Sequence[Loss], way: Way) -> Doubles:
    return np.array([number(loss.get(f"{way.prefix}drop")) for loss in losses], dtype=np.float64)

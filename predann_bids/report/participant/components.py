"""Independent components that were removed: their labels by ICLabel, and their topographies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import mne
import numpy as np
from matplotlib.figure import Figure

from predann_bids.report.participant.drawn import figure_html, table_html
from predann_bids.report.participant.recorded import Recorded, has_positions
from predann_bids.report.text import count

MOST_SHOWN = 24
PER_ROW = 6
PANEL_IN = 1.55
RESOLUTION = 48


def components_html(recorded: Recorded, key: str) -> str:
    """Maps and table of the removed components; empty when there was no ICA."""
    step = recorded.step("ICA")
    if not step:
        return ""
    removed = sorted(step.get("removed", ()), key=lambda c: -(c.get("variance_explained") or 0))
    words = f"<p>{escape(_summary(step, len(removed)))}</p>"
    if not removed:
        return words
    return words + _maps(recorded, step, removed[:MOST_SHOWN], key) + _table(removed)


def _summary(step: Mapping[str, Any], removed: int) -> str:
    fitted, explained = step.get("fitted_components"), step.get("variance_explained")
    kept = ", ".join(f"{times} {label}" for label, times in (step.get("kept") or {}).items())
    number = f"{removed} of {fitted} independent components" if fitted else count(removed, "independent component")
    parts = [f"{number} {'was' if removed == 1 else 'were'} removed."]
    if isinstance(explained, int | float):
        parts.append(f"All together explain {100 * explained:.1f} % of the variance of the EEG.")
    if isinstance(step.get("threshold"), int | float):
        parts.append(f"ICLabel had to give at least {step['threshold']:g} to an artefact.")
    if kept:
        parts.append(f"Kept: {kept}.")
    return " ".join(parts)


def _maps(recorded: Recorded, step: Mapping[str, Any], removed: Sequence[Mapping[str, Any]], key: str) -> str:
    names = list(step.get("channels", ()))
    known = set(names) <= set(recorded.after.ch_names) and has_positions(recorded.after.info, names)
    drawable = [c for c in removed if len(c.get("topography") or ()) == len(names)]
    if not (names and known and drawable):
        return ""
    info = mne.pick_info(recorded.after.info, [recorded.after.ch_names.index(name) for name in names])
    total = len(step.get("removed", ()))
    caption = (
        "Topographies of the removed components, each on a scale of its own (red and blue: opposite signs), by the"
        f" variance that they explain. {f'The first {len(drawable)} are shown.' if len(drawable) < total else ''}"
    )
    figure = draw_components(drawable, info)
    return figure_html(figure, name=f"{key}-components", title="Removed components", caption=caption)


def draw_components(removed: Sequence[Mapping[str, Any]], info: mne.Info) -> Figure:
    """Draw the topographies of components, with label, probability and variance.

    Parameters
    ----------
    removed : sequence of mapping
        `component`, `label`, `probability`, `variance_explained`, and `topography`, one value for each channel.
    info : mne.Info
        Of these channels, with positions.
    """
    columns = min(PER_ROW, max(4, len(removed)))  # fewer would make larger heads, not a clearer figure
    rows = math.ceil(len(removed) / columns)
    figure = Figure(figsize=(PANEL_IN * columns, (PANEL_IN + 0.45) * rows), dpi=100, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    info = mne.pick_info(info, range(len(info["ch_names"])))
    info["bads"] = []
    for axes, component in zip(panels, removed, strict=False):
        values = np.asarray(component["topography"], dtype=float)
        largest = float(np.abs(values).max()) or 1.0
        mne.viz.plot_topomap(
            values, info, axes=axes, sensors=False, contours=0, res=RESOLUTION, cmap="RdBu_r",
            vlim=(-largest, largest), show=False,
        )  # fmt: skip
        axes.set_title(_title(component), fontsize=8, loc="center", parse_math=False)
    for axes in panels[len(removed) :]:
        axes.set_axis_off()
    return figure


def _title(component: Mapping[str, Any]) -> str:
    variance = component.get("variance_explained")
    second = f"\n{100 * variance:.1f} % of variance" if isinstance(variance, int | float) else ""
    return f"IC {component['component']} {component['label']} {component['probability']:.2f}{second}"


def _table(removed: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            str(component["component"]),
            escape(str(component["label"])),
            f"{component['probability']:.3f}",
            "n/a" if component.get("variance_explained") is None else f"{100 * component['variance_explained']:.2f}",
        )
        for component in removed
    ]
    table = table_html(["Component", "Label", "Probability", "Variance explained (%)"], rows, numbers=(0, 2, 3))
    return f'<div class="predann-long">{table}</div>'

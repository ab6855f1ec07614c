"""At which delay between audio and EEG the decoder finds the music."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from predann_bids.report.drawing import CHANCE_LINE, FAINT, INK, Illustration, new_figure, number, upper
from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.figures import FIGURES
from predann_bids.report.words.decisions import BY_LOGITS, BY_MATCH
from predann_bids.report.words.models import PREDANN, Mark, model_words

CAPTION = (
    "The decoders stay as they were trained, at the dotted line; only the test EEG is taken earlier (left) or later"
    " (right) relative to the audio. Bands: 95 % intervals. A peak near the dotted line shows that the decoder follows"
    " the course of the music; a flat curve means that timing does not matter, which may be so for song logits. Moment"
    " of the song: mean reciprocal rank of the moment that was playing among all moments of its song."
)


@dataclass(frozen=True)
class _Measure:
    """A curve over delays: its heading, its keys in `uses.delay`, its chance level, and whether it is a share."""

    title: str
    key: str
    interval: str
    chance: float | None
    is_share: bool = True


@FIGURES.add("delay")
def draw_delay(evidence: GroupEvidence) -> Illustration | None:
    """Draw how well decoders do when the EEG is taken earlier or later than they were trained with."""
    curves = evidence.uses.get("delay") or {}
    measures = (
        _Measure(BY_LOGITS.title, BY_LOGITS.accuracy, BY_LOGITS.interval, evidence.chance),
        _Measure(BY_MATCH.title, BY_MATCH.accuracy, BY_MATCH.interval, evidence.match_chance),
        _Measure(
            "Moment of the song", "moment_mrr", "moment_mrr_ci95", curves.get("moment_mrr_chance"), is_share=False
        ),
    )
    shown = [measure for measure in measures if any(value is not None for value in curves.get(measure.key) or ())]
    if not shown or len(curves.get("delay_s") or ()) < 2:
        return None
    words = model_words(evidence.uses.get("model", PREDANN))
    title = f"At which delay {words.name} finds the music in the EEG"
    figure = new_figure(title, 3.2)
    for axes, measure in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        axes.set_title(measure.title)
        _draw_curve(axes, curves, measure, words)
    handles = [Line2D([], [], color=INK, linestyle=":", linewidth=1.4), Line2D([], [], **CHANCE_LINE)]
    figure.legend(handles, ["delay in training", "chance"], loc="outside lower center", ncols=2)
    return Illustration("delay", title, CAPTION, figure)


def _draw_curve(axes: Axes, curves: Mapping[str, Any], measure: _Measure, mark: Mark) -> None:
    scale = 100 if measure.is_share else 1
    delays = np.array(curves["delay_s"], dtype=np.float64)
    values = scale * np.array([number(value) for value in curves[measure.key]], dtype=np.float64)
    limits = [pair or (math.nan, math.nan) for pair in curves.get(measure.interval) or []]
    bands = scale * np.array(limits, dtype=np.float64).reshape(-1, 2)
    if len(bands) == len(delays):
        axes.fill_between(delays, bands[:, 0], bands[:, 1], color=mark.colour, alpha=0.22, linewidth=0)
    axes.plot(delays, values, color=mark.colour, marker=mark.marker, markersize=3.5, linewidth=1.5)
    if curves.get("trained_delay_s") is not None:
        axes.axvline(curves["trained_delay_s"], color=INK, linestyle=":", linewidth=1.4, zorder=0)
    if measure.chance is not None:
        axes.axhline(scale * measure.chance, **CHANCE_LINE)
    ends = [*(bands.ravel() / scale), *(values / scale), measure.chance]
    axes.set_ylim(0, upper(ends) / (1 if measure.is_share else 100))
    axes.set(xlabel="EEG later than audio (s)", ylabel="Accuracy (%)" if measure.is_share else "Mean reciprocal rank")
    axes.grid(color=FAINT, linewidth=0.7)

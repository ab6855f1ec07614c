"""Real data beside data in which music and EEG do not belong together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from predann_bids.report.drawing import (
    Illustration,
    accuracy_axis,
    draw_chance,
    draw_interval,
    legend,
    name_panel,
    number,
    row_of_panels,
    shifts,
    upper,
)
from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.figures import FIGURES
from predann_bids.report.scores import Models, Scores
from predann_bids.report.words.controls import CONTROL_WORDS
from predann_bids.report.words.decisions import BY_LOGITS, BY_MATCH, Way
from predann_bids.report.words.models import BAND_POWER, model_words

CAPTION = (
    "Accuracy with 95 % intervals. On the shaded rows music and EEG do not belong together: what lies above the dashed"
    " line there is not music, but leakage from what marks the recordings. Only what real data show beyond it can be"
    " music. Band power alone is a linear classifier that sees only how strong each channel is in each frequency band."
)


@FIGURES.add("control")
def draw_control(evidence: GroupEvidence) -> Illustration | None:
    """Draw the accuracy on real data beside that on data in which music and EEG do not belong together."""
    control = (evidence.metrics.get("control") or {}).get("fingerprint")
    if not control:
        return None
    levels = ((BY_LOGITS, control.get("chance", evidence.chance)), (BY_MATCH, evidence.match_chance))
    panels = [(way, _rows(evidence.models, control, way), chance) for way, chance in levels]
    panels = [panel for panel in panels if panel[1]]
    if not panels:
        return None
    shown = [model for model in (*evidence.models, BAND_POWER) if any(model in rows for _, rows, _ in panels)]
    title = "Real data against data without the music"
    figure, row_of_axes = row_of_panels(title, len(panels), 1.9 + 3 * (0.25 + 0.17 * len(shown)))
    ends = [v for _, rows, chance in panels for row in rows.values() for triple in row for v in (*triple, chance)]
    for axes, (way, rows, chance) in zip(row_of_axes, panels, strict=True):
        name_panel(axes, way.title)
        for model, row in rows.items():
            shift = shifts(len(shown))[shown.index(model)]
            for height, (value, low, high) in enumerate(row):
                draw_interval(axes, height + shift, model_words(model), value, low, high, written=False)
        axes.axhspan(0.5, 2.5, color="#f3f3f3", zorder=-1)
        accuracy_axis(axes, upper(ends))
        draw_chance(axes, chance)
        axes.set_ylim(2.5, -0.5)
    row_of_axes[0].set_yticks(range(3), ["Real data", *(words.name for words in CONTROL_WORDS.values())])
    legend(figure, map(model_words, shown))
    return Illustration("control", title, CAPTION, figure)


def _rows(models: Models, control: Mapping[str, Any], way: Way) -> dict[str, list[tuple[float, float, float]]]:
    """Return accuracy and interval on real data and on each control, by model."""
    rows = {}
    for model, scores in models.items():
        sources = [scores, *(((control.get(c) or {}).get("models") or {}).get(model) for c in CONTROL_WORDS)]
        if any((source or {}).get(way.accuracy) is not None for source in sources[1:]):
            rows[model] = [with_interval(source, way) for source in sources]
    band_power = control.get(BAND_POWER)
    if band_power and way is BY_LOGITS and any((v or {}).get("accuracy") is not None for v in band_power.values()):
        rows[BAND_POWER] = [with_interval(band_power.get(kind), way) for kind in ("real", *CONTROL_WORDS)]
    return rows


def with_interval(scores: Scores | None, way: Way) -> tuple[float, float, float]:
    """Return an accuracy and the ends of its interval, NaN for what is missing."""
    scores = scores or {}
    low, high = scores.get(way.interval) or (math.nan, math.nan)
    return number(scores.get(way.accuracy)), float(low), float(high)

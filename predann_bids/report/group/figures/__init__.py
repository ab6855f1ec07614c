"""Figures of the group report: each stands alone, with its title, its units, its chance level and its caption.

Colours are those of Okabe and Ito (2008), told apart with every kind of colour vision; a model has one colour and one
marker in all figures. Text in SVG stays text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from predann_bids.report.drawing import (
    BY_LOGITS,
    BY_MATCH,
    COMPARED,
    Illustration,
    common_match_chance,
    drawing_style,
    shorten,
    style_of,
)
from predann_bids.report.evidence import evaluated, has_logits
from predann_bids.report.group.figures.confusion import confusion_figure
from predann_bids.report.group.figures.evidence import (
    comparison_figure,
    control_figure,
    permutation_figure,
    splits_figure,
)
from predann_bids.report.group.figures.retrieval import curve_figure, retrieval_length_figure
from predann_bids.report.group.figures.scores import accuracy_figure, breakdown_figure, length_figure
from predann_bids.report.group.figures.training import training_figure
from predann_bids.report.group.figures.uses import bands_figure, channels_figure, delay_figure

__all__ = [
    "BY_LOGITS",
    "BY_MATCH",
    "COMPARED",
    "FIGURES",
    "Illustration",
    "breakdown_figure",
    "confusion_figure",
    "drawing_style",
    "illustrate",
    "shorten",
    "style_of",
    "training_figure",
]

# every name that a figure can have
FIGURES = (
    "accuracy",
    "comparisons",
    "permutation",
    "control",
    "retrieval_curves",
    "retrieval_lengths",
    "delay",
    "channels",
    "bands",
    "splits",
    "by_participant",
    "by_song",
    "confusion",
    "by_length",
    "training",
)


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
    chance, uses = metrics.get("chance"), metrics.get("uses") or {}
    # of the song logits of training songs, where test songs are others
    loss_chance = chance if any(has_logits(scores) for scores in models.values()) else None
    with drawing_style():
        drawn = [
            accuracy_figure(models, chance),
            comparison_figure(metrics),
            permutation_figure(models, chance),
            control_figure(metrics),
            curve_figure(models),
            retrieval_length_figure(models),
            delay_figure(uses, chance, common_match_chance(models, chance)),
            channels_figure(uses),
            bands_figure(uses),
            splits_figure(metrics),
            breakdown_figure(models, chance, "by_participant"),
            breakdown_figure(models, chance, "by_stimulus"),
            confusion_figure(models, chance, labels),
            length_figure(models, chance),
            training_figure(history, models, loss_chance, metrics["protocol"].get("validated_on")),
        ]
    return [illustration for illustration in drawn if illustration]

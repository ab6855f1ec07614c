"""Accuracy by length of the evaluated segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.report import text
from predann_bids.report.drawing import CHANCE_LINE, FAINT, Illustration, legend, number, row_of_panels, upper
from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.figures import FIGURES
from predann_bids.report.scores import Scores
from predann_bids.report.words.decisions import AGGREGATIONS
from predann_bids.report.words.models import model_words


@FIGURES.add("by_length")
def draw_lengths(evidence: GroupEvidence) -> Illustration | None:
    """Draw accuracy by segment length, for each way to combine the windows inside."""
    models = evidence.models
    lengths = sorted({float(length) for scores in models.values() for length in scores.get("by_length") or ()})
    ways = [w for w in AGGREGATIONS if any(np.isfinite(_by_length(s, lengths, w)).any() for s in models.values())]
    if len(lengths) < 2 or not ways:
        return None
    title = "Accuracy by length of the segment"
    figure, row = row_of_panels(title, len(ways), 3.5)
    curves = [value for scores in models.values() for way in ways for value in _by_length(scores, lengths, way)]
    levels = {way: evidence.match_chance if way == "match" else evidence.chance for way in ways}
    top = upper([*curves, *levels.values()])
    for axes, way in zip(row, ways, strict=True):
        axes.set_title(AGGREGATIONS[way])
        for model, scores in models.items():
            mark, values = model_words(model), 100 * _by_length(scores, lengths, way)
            axes.plot(lengths, values, mark.marker, linestyle="-", color=mark.colour, markersize=5, clip_on=False)
        axes.set(xlabel="Segment (s)", xticks=lengths, ylim=(0, top))
        axes.set_xticks(lengths, [f"{length:g}" for length in lengths])
        axes.margins(x=0.12)
        axes.grid(axis="y", color=FAINT, linewidth=0.7)
        if (level := levels[way]) is not None:
            axes.axhline(100 * level, **CHANCE_LINE)
    row[0].set_ylabel("Accuracy (%)")
    legend(figure, map(model_words, models), chance_name(levels))
    caption = (
        "Accuracy when the windows inside a longer segment decide together: by the mean or the maximum of their song"
        " probabilities, by a majority vote of their decisions, or by their mean similarity to the audio of the same"
        " moments (match). It rises with length in so far as the errors of neighbouring windows are independent."
    )
    return Illustration("by_length", title, caption, figure)


def _by_length(scores: Scores, lengths: Sequence[float], way: str) -> Doubles:
    table = scores.get("by_length") or {}
    return np.array([number((table.get(f"{length:g}") or {}).get(way)) for length in lengths], dtype=np.float64)


def chance_name(levels: Mapping[str, float | None]) -> str | None:
    """Name the dashed lines for a legend, as one unless the candidates of a match are fewer than all songs."""
    by_match = levels.get("match")
    by_logits = next((level for way, level in levels.items() if way != "match"), None)
    names = [None if level is None else text.share(level) for level in (by_logits, by_match)]
    if names[0] and names[1] and names[0] != names[1]:
        return f"chance {names[0]}, of a match {names[1]}"
    name = names[0] or names[1]
    return f"chance {name}" if name else None

"""The page `quality.html`: all participants side by side."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from predann_bids import __version__
from predann_bids.report import text
from predann_bids.report.drawing import drawing_style
from predann_bids.report.pages import template
from predann_bids.report.quality.figure import Dots, draw_quality
from predann_bids.report.quality.measures import MEASURES, Measure
from predann_bids.report.quality.participants import FEWEST_TO_COMPARE, MOST_Z, Participant, fence

MOST_NAMED = 8
DRAWN = ("onset_response_z",)  # without a rule, but worth a look


def quality_page(participants: Sequence[Participant], reported: Collection[str]) -> str:
    """Compose the page.

    Parameters
    ----------
    participants : sequence of Participant
        In the order of their labels.
    reported : collection of str
        Participants who have a report beside the page.
    """
    from markupsafe import Markup

    measures = [measure for measure in MEASURES if any(p.values[measure.name] is not None for p in participants)]
    illustration, svg = _picture(participants, measures)
    return template("quality.html.j2").render(
        sentence=summary(participants),
        facts=_facts(participants),
        measures=measures,
        rows=[_row(participant, measures, reported) for participant in participants],
        outliers=[
            (p.label, [_in_words(p, m) for m in measures if m.name in p.reasons]) for p in participants if p.reasons
        ],
        rules={m.name: _rule_in_words(m) for m in measures if m.rule},
        illustration=illustration,
        svg=Markup(svg) if svg else None,  # matplotlib escapes what it writes into SVG
        most_z=MOST_Z,
        few=len(participants) < FEWEST_TO_COMPARE,
        fewest=FEWEST_TO_COMPARE,
        version=__version__,
    )


def summary(participants: Sequence[Participant]) -> str:
    """Say in a sentence who stands out."""
    finished = [p for p in participants if p.values["recordings"]]
    outliers = [p.label for p in finished if p.reasons]
    if not finished:
        return "No participant has been preprocessed yet."
    if not outliers:
        return f"None of {text.count(len(finished), 'participant')} stands out."
    named = text.listed(outliers) if len(outliers) <= MOST_NAMED else ""
    verb = "stands" if len(outliers) == 1 else "stand"
    who = f": {named}" if named else ""
    return f"{len(outliers)} of {text.count(len(finished), 'participant')} {verb} out{who}."


def _facts(participants: Sequence[Participant]) -> list[str]:
    def total(name: str) -> float:
        return sum(p.values[name] or 0 for p in participants)

    facts = [
        text.count(len(participants), "participant"),
        text.count(int(total("recordings")), "recording"),
        text.count(int(total("presentations")), "presentation"),
        f"{total('music_min'):.1f} min of music",
    ]
    if any(p.values["usable_min"] is not None for p in participants):
        facts.append(f"{total('usable_min'):.1f} min usable")
    return facts


def _row(participant: Participant, measures: Sequence[Measure], reported: Collection[str]) -> dict[str, Any]:
    cells = [
        {
            "shown": measure.written(participant.values[measure.name]),
            "sorted": participant.values[measure.name],
            "out": measure.name in participant.reasons,
        }
        for measure in measures
    ]
    return {
        "label": participant.label,
        "report": f"{participant.label}.html" if participant.label in reported else None,
        "cells": cells,
        "reasons": len(participant.reasons),
    }


def _in_words(participant: Participant, measure: Measure) -> str:
    reason, value = participant.reasons[measure.name], participant.values[measure.name]
    return f"{measure.title}: {measure.written(value)} ({reason.relation} {measure.written(reason.number)})"


def _rule_in_words(measure: Measure) -> str:
    rule = measure.rule
    if rule is None:
        return ""
    side = {"high": "above", "low": "below", "both": "above or below"}[rule.side]
    least = f"a factor of {rule.least:g}" if rule.logarithmic else measure.written(rule.least)
    limit = "" if rule.limit is None else f"{side} {measure.written(rule.limit)}, or "
    return f"Stands out: {limit}far {side} the median, by {least} or more."


def _picture(participants: Sequence[Participant], measures: Sequence[Measure]) -> tuple[Any, str | None]:
    drawn = [_dots(participants, m) for m in measures if m.rule or m.name in DRAWN]
    if not drawn:
        return None, None
    with drawing_style():
        illustration = draw_quality(drawn)
        return illustration, illustration.svg()


def _dots(participants: Sequence[Participant], measure: Measure) -> Dots:
    scale = 100 if measure.form.endswith("%") else 1
    values = {p.label: float(v) for p in participants if (v := p.values[measure.name]) is not None}
    rule = measure.rule
    low, high = fence(list(values.values()), rule) if rule else (0.0, np.inf)
    return Dots(
        measure.title,
        {label: scale * value for label, value in values.items()},
        [p.label for p in participants if measure.name in p.reasons],
        (scale * low, scale * high) if rule and len(values) >= FEWEST_TO_COMPARE else None,
        scale * rule.limit if rule and rule.limit is not None else None,
        bool(rule and rule.logarithmic),
        [scale * edge for edge in (low, high) if np.isfinite(edge)],
    )

"""Figures of the group report: each stands alone, with its title, its units, its chance level and its caption.

A figure is a function of the evidence of a run, in a module of this folder: `FIGURES.add` gives it its name, and
`LAYOUT` in `predann_bids.report.group.sections` its place on the page.
"""

from __future__ import annotations

from collections.abc import Callable

from predann_bids.registry import Registry
from predann_bids.report.drawing import Illustration, drawing_style
from predann_bids.report.group.evidence import GroupEvidence, make_all

FIGURES: Registry[Callable[[GroupEvidence], Illustration | None]] = Registry("figure", __name__)


def draw_all(evidence: GroupEvidence) -> dict[str, Illustration]:
    """Draw every figure that the evidence allows, by name."""
    with drawing_style():
        return make_all(FIGURES, evidence)

"""Which model to believe: PredANN, or the best of the decoders that are solved for in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from predann_bids.report import text
from predann_bids.report.scores import SIGNIFICANT, comparison_rows, evaluated, is_no_choice
from predann_bids.report.words.decisions import BY_LOGITS, BY_MATCH, Way
from predann_bids.report.words.models import CLOSED_FORM, PREDANN, model_words

NEARLY_EQUAL = 0.01  # shares of correct decisions


@dataclass(frozen=True)
class Rival:
    """The best closed-form decoder by one way to decide, beside PredANN.

    Parameters
    ----------
    way : Way
        By song logits or by match.
    model : str
        Name of the closed-form decoder.
    accuracy, predann : float
        Accuracies of both.
    limits : sequence of float or None
        Interval of the closed-form decoder's accuracy.
    comparison : mapping or None
        PredANN minus the closed-form decoder, as in `comparisons` of metrics.json.
    """

    way: Way
    model: str
    accuracy: float
    predann: float
    limits: Any
    comparison: Mapping[str, Any] | None

    @property
    def is_beaten(self) -> bool:
        """Whether PredANN is shown to be more accurate, after Holm's correction, too."""
        comparison = self.comparison or {}
        limits: Any = comparison.get("ci95")
        return bool(limits) and bool(limits[0] > 0) and (comparison.get("p_holm") or 0) < SIGNIFICANT

    @property
    def is_ahead(self) -> bool:
        """Whether the closed-form decoder is more accurate, by more than what is nearly equal."""
        return self.accuracy > self.predann + NEARLY_EQUAL

    @property
    def is_shown_ahead(self) -> bool:
        """Whether the closed-form decoder is shown to be more accurate."""
        limits: Any = (self.comparison or {}).get("ci95")
        return bool(limits) and bool(limits[1] < 0)


def rivals(metrics: Mapping[str, Any]) -> list[Rival]:
    """Find the best closed-form decoder by song logits and by match, where PredANN decides that way, too."""
    models = evaluated(metrics)
    own, others = models.get(PREDANN), {name: models[name] for name in CLOSED_FORM if name in models}
    if own is None or not others or is_no_choice(own):
        return []
    rows = {(row["first"], row["second"], row["by"]): row for row in comparison_rows(metrics)}
    found = []
    for way, by in ((BY_LOGITS, "logits"), (BY_MATCH, "match")):
        scored = {name: s[way.accuracy] for name, s in others.items() if s.get(way.accuracy) is not None}
        if own.get(way.accuracy) is None or not scored:
            continue
        best = max(scored, key=scored.__getitem__)
        comparison, limits = rows.get((PREDANN, best, by)), others[best].get(way.interval)
        found.append(Rival(way, best, scored[best], own[way.accuracy], limits, comparison))
    return found


def believe_sentence(metrics: Mapping[str, Any]) -> str:
    """Say how PredANN stands to the best closed-form decoder; empty if there is none to compare with."""
    found = rivals(metrics)
    if not found:
        return ""
    beaten = [rival for rival in found if rival.is_beaten]
    clauses = [_clause(rival) for rival in found]
    if len(beaten) == len(found):
        return f"It is more accurate than the best closed-form decoder: {'; '.join(clauses)}."
    if beaten:
        return (
            f"Only {beaten[0].way.inside} is it more accurate than the best closed-form decoder: {'; '.join(clauses)}."
        )
    return (
        "It is not shown to be more accurate than the best decoder that is solved for in closed form, which needs no"
        f" training: {'; '.join(clauses)}."
    )


def _clause(rival: Rival) -> str:
    limits = f" (95 % interval {text.interval(rival.limits)})" if rival.limits else ""
    return f"{rival.way.inside}, {model_words(rival.model).inside} reaches {text.share(rival.accuracy)}{limits}"


def below_words(metrics: Mapping[str, Any]) -> tuple[str, tuple[str, ...]] | None:
    """Say that a closed-form decoder is more accurate than PredANN, if one is."""
    ahead = [rival for rival in rivals(metrics) if rival.is_ahead]
    if not ahead:
        return None
    sentences = [
        f"{rival.way.title}, {model_words(rival.model).inside} is right in {text.share(rival.accuracy)} of cases,"
        f" PredANN in {text.share(rival.predann)}{_certainty(rival)}."
        for rival in ahead
    ]
    return (
        _title(ahead),
        (
            " ".join(sentences),
            "PredANN contains such a decoder, and how much that part counts is chosen on validation data. With little"
            " validation data the choice can miss: more participants, or longer music, make it safer.",
        ),
    )


def _title(ahead: Sequence[Rival]) -> str:
    if any(rival.is_shown_ahead for rival in ahead):
        return "A decoder that is solved for in seconds is more accurate than PredANN here: believe that one."
    return "A decoder that is solved for in seconds is ahead of PredANN here, but no difference between them is shown."


def _certainty(rival: Rival) -> str:
    limits = (rival.comparison or {}).get("ci95")
    if not limits:
        return ""
    shown = "" if rival.is_shown_ahead else ", which may be chance"
    return f" (difference {text.interval_points(limits)} points, 95 % interval{shown})"

"""What metrics.json says, in the shape that figures, tables and sentences share; older files have fewer keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from predann_bids.data.splits import nature_of
from predann_bids.report.words.decisions import RETRIEVAL_KINDS
from predann_bids.report.words.splits import TRANSFER

Scores = Mapping[str, Any]  # of one model
Models = Mapping[str, Scores]
Retrieval = Mapping[str, Any]  # of one kind

SIGNIFICANT = 0.05
ONE_CANDIDATE = 0.999
ROUNDING = 0.005  # differences that whole percentages may hide


# What kind of run it was


def is_given(protocol: Mapping[str, Any]) -> bool:
    """Whether decoders were trained elsewhere."""
    return protocol["split"] == TRANSFER or protocol.get("validated_on") == "nothing"


def is_within_recording(split: str) -> bool:
    """Whether parts of the recordings that are tested were trained on."""
    return nature_of(split).within_recording


def has_unseen_songs(split: str) -> bool:
    """Whether songs that are tested have no class in training."""
    return nature_of(split).unseen_songs


@dataclass(frozen=True)
class SplitResult:
    """The result with one split.

    Parameters
    ----------
    split : str
        Its name in the configuration.
    content : mapping
        `protocol`, `chance`, `models` and `comparison`, as in metrics.json.
    """

    split: str
    content: Mapping[str, Any]


def split_results(metrics: Mapping[str, Any]) -> list[SplitResult]:
    """List the results with the run's own split, and with those that were evaluated as well."""
    own = SplitResult(metrics["protocol"]["split"], metrics)
    return [own, *(SplitResult(split, content) for split, content in (metrics.get("also") or {}).items() if content)]


# The scores of a model


def evaluated(metrics: Mapping[str, Any]) -> Models:
    """Return the models that have scores, in the order of metrics.json."""
    return {name: scores for name, scores in metrics["models"].items() if scores is not None}


def has_logits(scores: Scores) -> bool:
    """Whether a model names songs by logits: none does for songs it was not trained on, and a linear one never."""
    return scores.get("accuracy") is not None


def match_chance(scores: Scores, chance: float | None) -> float | None:
    """Return the chance level of decisions by match: that of the candidates, where they were counted."""
    counted = scores.get("match_chance")
    return chance if counted is None else float(counted)


def common_match_chance(models: Models, chance: float | None) -> float | None:
    """Return the chance level of decisions by match, one for all models."""
    return next((match_chance(scores, chance) for scores in models.values()), chance)


def is_no_choice(scores: Scores) -> bool:
    """Whether a match had only one candidate to name, so that being right says nothing."""
    return (scores.get("match_chance") or 0) > ONE_CANDIDATE


def judged_interval(scores: Scores, prefix: str = "") -> Any:
    """Return the interval that is compared with chance.

    For song logits that is the balanced one, because a decoder that prefers songs that are tested more often is right
    more often. If all songs are tested equally often, it is the interval of the accuracy.
    """
    balanced = None if prefix else scores.get("balanced_ci95")
    return balanced or scores.get(f"{prefix}ci95")


def exceeds_chance(scores: Scores, chance: float | None) -> bool:
    """Whether songs are named more often than by guessing, by the interval that is compared with chance."""
    limits = judged_interval(scores)
    return bool(limits) and chance is not None and bool(limits[0] > chance)


def is_balanced_apart(scores: Scores, prefix: str = "") -> bool:
    """Whether songs were tested unequally often, so that another number than the accuracy is compared with chance."""
    limits, judged = scores.get(f"{prefix}ci95"), judged_interval(scores, prefix)
    return bool(limits and judged and max(abs(a - b) for a, b in zip(limits, judged, strict=True)) > ROUNDING)


@dataclass(frozen=True)
class AboveChance:
    """Whether a model exceeds chance, by permuted labels and by its interval.

    Parameters
    ----------
    by_interval : str or None
        Where the judged interval lies: 'above', 'around' or 'below' chance; None if there is none.
    p_value, p_holm : float or None
        Of permuted labels, plain and corrected.
    n : int
        Number of permutations.
    """

    by_interval: Literal["above", "around", "below"] | None
    p_value: float | None
    p_holm: float | None
    n: int

    @classmethod
    def of(cls, scores: Scores, prefix: str, chance: float | None) -> AboveChance:
        """Look it up in the scores of a model; `prefix` is that of the way to decide."""
        null = scores.get("permutation") or {}
        p_value, p_holm = (null.get(f"{prefix}{key}") for key in ("p_value", "p_holm"))
        return cls(_side(judged_interval(scores, prefix), chance), p_value, p_holm, null.get("n") or 0)

    @classmethod
    def of_interval(cls, limits: Any, chance: float | None) -> AboveChance:
        """Judge by an interval alone."""
        return cls(_side(limits, chance), None, None, 0)

    @property
    def decisive(self) -> float | None:
        """The p-value that decides, if labels were permuted."""
        return self.p_value if self.p_holm is None else self.p_holm

    @property
    def too_few(self) -> bool:
        """Whether no permutation reached the accuracy, and yet there are too few for a small p-value."""
        decisive, p_value = self.decisive, self.p_value
        if decisive is None or p_value is None:
            return False
        return decisive >= SIGNIFICANT and p_value <= 1.001 / (self.n + 1)

    @property
    def shown(self) -> bool:
        """Whether accuracy is shown to exceed chance: by permuted labels, or else by the interval."""
        return self.by_interval == "above" if self.decisive is None else self.decisive < SIGNIFICANT


def _side(limits: Any, chance: float | None) -> Literal["above", "around", "below"] | None:
    if limits is None or chance is None:
        return None
    if limits[0] > chance:
        return "above"
    return "below" if limits[1] < chance else "around"


def retrieval_kinds(scores: Scores) -> Mapping[str, Retrieval]:
    """Return what was retrieved, by kind; an older file has only the kind `window`."""
    retrieval = scores.get("retrieval")
    if not retrieval:
        return {}
    kinds = retrieval.get("kinds") or {"window": retrieval}
    return {name: kinds[name] for name in RETRIEVAL_KINDS if kinds.get(name)}


# Comparisons of models


def comparison_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the comparisons of pairs of models; an older file has only that of PredANN and its baseline."""
    rows = metrics.get("comparisons")
    if rows:
        return [dict(row) for row in rows]
    comparison = metrics.get("comparison")
    if not comparison:
        return []
    pair = {"first": "predann", "second": "baseline", "test": comparison.get("test")}
    return [
        {
            **pair,
            "by": by,
            "difference": comparison[f"{prefix}accuracy_difference"],
            "ci95": comparison.get(f"{prefix}ci95"),
            "p_value": comparison.get(f"{prefix}p_value"),
        }
        for by, prefix in (("logits", ""), ("match", "match_"))
        if comparison.get(f"{prefix}accuracy_difference") is not None
    ]

"""What metrics.json says, in the shape that figures, tables and sentences share; older files have fewer keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Scores = Mapping[str, Any]
Models = Mapping[str, Scores]
Kind = Mapping[str, Any]

SIGNIFICANT = 0.05
ONE_CANDIDATE = 0.999

# the ways to part music from EEG, as a reader is told
CONDITIONS = {"reassigned": "Music reassigned", "shifted": "EEG shifted in time"}
SPLIT_NAMES = {
    "participant": "People never seen",
    "stimulus": "Songs never heard",
    "session": "Sessions never seen",
    "run": "Runs never seen",
    "time": "Same recordings, time",
    "chunk": "Same recordings, chunk",
}
RETRIEVAL_KINDS = {
    "song": "Which song, at the same moment",
    "moment": "Which moment of the song",
    "window": "Which moment of which song",
}


def is_given(protocol: Mapping[str, Any]) -> bool:
    """Tell whether decoders were trained elsewhere."""
    return protocol["split"] == "transfer" or protocol.get("validated_on") == "nothing"


def evaluated(metrics: Mapping[str, Any]) -> Models:
    """List the models that have scores, in the order of metrics.json."""
    return {name: scores for name, scores in metrics["models"].items() if scores is not None}


def match_chance(scores: Scores, chance: float | None) -> float | None:
    """Chance level of decisions by match: of the candidates, where they were counted."""
    counted = scores.get("match_chance")
    return chance if counted is None else float(counted)


def judged_interval(scores: Mapping[str, Any], prefix: str = "") -> Any:
    """Interval that is held against chance: of song logits the balanced one, as long songs are tested more often."""
    balanced = None if prefix else scores.get("balanced_ci95")
    return balanced or scores.get(f"{prefix}ci95")


def _without_empty_interval(row: Mapping[str, Any]) -> dict[str, Any]:
    # few participants can differ alike by accident, which is no certainty
    limits = row.get("ci95")
    return {"ci95": None} if limits and limits[0] == limits[1] != 0 else {}


def is_no_choice(scores: Mapping[str, Any]) -> bool:
    """Whether a match had but one candidate to name, so that being right says nothing."""
    return (scores.get("match_chance") or 0) > ONE_CANDIDATE


def signs_can_decide(metrics: Mapping[str, Any]) -> bool:
    """Whether a sign-flip test over so few participants can reach p < 0.05 at all."""
    least = 2.0 ** (1 - int(metrics["protocol"]["n_participants"]))
    return bool(least < SIGNIFICANT)


def retrieval_kinds(scores: Mapping[str, Any]) -> Mapping[str, Kind]:
    """Return what was retrieved, by kind; an older file has but the kind `window`."""
    found = scores.get("retrieval")
    if not found:
        return {}
    kinds = found.get("kinds") or {"window": found}
    return {name: kinds[name] for name in RETRIEVAL_KINDS if kinds.get(name)}


@dataclass(frozen=True)
class SplitResult:
    """What a split gave.

    Parameters
    ----------
    split : str
        Its name in the configuration.
    content : mapping
        `protocol`, `chance`, `models` and `comparison`, as in metrics.json.
    """

    split: str
    content: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What was held out, for a reader."""
        return SPLIT_NAMES.get(self.split, self.split)


def split_results(metrics: Mapping[str, Any]) -> list[SplitResult]:
    """List the results of the run's own split, and of those that were evaluated as well."""
    own = SplitResult(metrics["protocol"]["split"], metrics)
    return [own, *(SplitResult(split, content) for split, content in (metrics.get("also") or {}).items() if content)]


def has_logits(scores: Mapping[str, Any]) -> bool:
    """Whether a model names songs by logits: none does for songs it was not trained on, and a linear one never."""
    return scores.get("accuracy") is not None


def comparison_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the comparisons of pairs of models; an older file has that of PredANN and its baseline alone."""
    rows = metrics.get("comparisons")
    if rows:
        silent = {} if signs_can_decide(metrics) else {"p_value": None, "p_holm": None}
        return [dict(row) | silent | _without_empty_interval(row) for row in rows]
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

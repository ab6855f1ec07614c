"""Plain answers to what a reviewer asks first, each with its numbers and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from predann_bids.report import text
from predann_bids.report.group.believe import rivals
from predann_bids.report.group.controls import control_findings, control_verdict, least_exceeded
from predann_bids.report.group.sentences import judged_in_words
from predann_bids.report.scores import (
    SIGNIFICANT,
    AboveChance,
    Scores,
    comparison_rows,
    evaluated,
    is_given,
    is_no_choice,
    is_within_recording,
    match_chance,
    retrieval_kinds,
    split_results,
)
from predann_bids.report.words.decisions import BY_LOGITS, BY_MATCH, COMPARED, Way, lower_first
from predann_bids.report.words.models import BASELINE, OWN_MOMENT, model_words
from predann_bids.report.words.splits import question_about, split_words

NO_INTERVAL = "unknown, because no interval could be computed"
NOT_SHOWN = "not distinguishable from chance"


@dataclass(frozen=True)
class Answer:
    """An answer in a line.

    Parameters
    ----------
    question : str
        What a reader asks.
    text : str
        The answer, with number, interval and test.
    section : str
        Where on the page it comes from.
    """

    question: str
    text: str
    section: str


def answers(metrics: Mapping[str, Any]) -> list[Answer]:
    """Answer what this run can answer, in the order of the page.

    Parameters
    ----------
    metrics : mapping
        Content of metrics.json.
    """
    models = evaluated(metrics)
    if not models:
        return []
    model, scores = next(iter(models.items()))
    given = [
        _chance_answer(scores, metrics),
        _control_answer(metrics, model),
        _comparison_answer(
            metrics, model, (BASELINE, OWN_MOMENT), f"Does {model_words(model).name} beat networks without it?"
        ),
        _best_rival_answer(metrics, model),
        _seed_answer(metrics, model),
        *(_split_answer(result.split, result.content) for result in split_results(metrics)[1:]),
        _moment_answer(scores),
    ]
    return [answer for answer in given if answer]


def not_computed(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List what was not computed, and the option that does."""
    models = evaluated(metrics)
    splits = {result.split for result in split_results(metrics)}
    n_seeds = metrics["protocol"].get("n_seeds") or 1
    missing = [
        ("permuted labels", "--permutations N", any(s.get("permutation") for s in models.values())),
        ("the recordings' fingerprint", "--control fingerprint", (metrics.get("control") or {}).get("fingerprint")),
        *(
            (lower_first(split_words(split).held_out), f"--also-split {split}", split in splits)
            for split in ("participant", "stimulus")
        ),
        ("several seeds", "--n-seeds N", n_seeds > 1),
    ]
    missing = missing[:1] if is_given(metrics["protocol"]) else missing  # the others need training
    return [(what, option) for what, option, computed in missing if not computed]


# Chance


def _chance_answer(scores: Scores, metrics: Mapping[str, Any]) -> Answer | None:
    verdicts = _above_chance(scores, metrics.get("chance"))
    if not verdicts:
        return None
    within = is_within_recording(metrics["protocol"]["split"])
    caveat = " With this split, that does not show that music was decoded: see the warning." if within else ""
    section = "permutation" if scores.get("permutation") else "models"
    return Answer("Is it better than chance?", f"{' '.join(verdicts)}{caveat}", section)


def _split_answer(split: str, content: Mapping[str, Any]) -> Answer | None:
    models = evaluated(content)
    verdicts = _above_chance(next(iter(models.values())), content.get("chance")) if models else []
    if not verdicts:
        return None
    within = is_within_recording(split)
    caveat = " Within recordings, that does not show that music was decoded." if within else ""
    return Answer(question_about(split), f"{' '.join(verdicts)}{caveat}", "splits")


def _above_chance(scores: Scores, chance: float | None) -> list[str]:
    """Say by song logits and by match whether accuracy exceeds chance."""
    levels = [(BY_LOGITS, chance)]
    levels += [] if is_no_choice(scores) else [(BY_MATCH, match_chance(scores, chance))]
    return [
        f"{way.title}, {_against_chance(scores, way, level)}."
        for way, level in levels
        if scores.get(way.accuracy) is not None
    ]


def _against_chance(scores: Scores, way: Way, chance: float | None) -> str:
    found = AboveChance.of(scores, way.prefix, chance)
    details = [*judged_in_words(scores, way)]
    if chance is not None:
        details.append(f"chance {text.share(chance)}")
    if found.p_value is not None:
        details.append(f"permuted labels p {text.p(found.p_value)}")
    if found.p_holm is not None:
        details.append(f"Holm-corrected p {text.p(found.p_holm)}")
    return f"{_exceeds(found)}: {text.share(scores[way.accuracy])} ({'; '.join(details)})"


def _exceeds(found: AboveChance) -> str:
    if found.too_few:
        only = f"{found.n} permutations are too few to confirm it"
        return f"yes by its interval; {only}" if found.by_interval == "above" else f"not shown: {only}"
    if found.decisive is None and found.by_interval is None:
        return NO_INTERVAL
    if found.by_interval == "below":
        return "no, it is below chance"
    if not found.shown:
        by_interval = found.by_interval == "above"
        return f"{'yes by its interval, but permuted labels do not confirm it' if by_interval else NOT_SHOWN}"
    around = found.by_interval == "around"
    return "yes by permuted labels, although its interval holds chance" if around else "yes"


def _moment_answer(scores: Scores) -> Answer | None:
    moments = retrieval_kinds(scores).get("moment")
    if not moments or moments.get("mean_reciprocal_rank") is None:
        return None
    limits, chance = moments.get("mean_reciprocal_rank_ci95"), moments.get("chance_mean_reciprocal_rank")
    details = [f"95 % interval {limits[0]:.3f} to {limits[1]:.3f}" if limits else text.NO_INTERVAL]
    if chance is not None:
        details.append(f"chance {chance:.3f}")
    verdict = _exceeds(AboveChance.of_interval(limits, chance))
    return Answer(
        "Can it find the moment within a song?",
        f"{verdict[0].upper()}{verdict[1:]}: mean reciprocal rank {moments['mean_reciprocal_rank']:.3f} among"
        f" {text.candidates(moments.get('n_candidates'))} moments of the song that was playing ({'; '.join(details)}).",
        "retrieval",
    )


# The fingerprint


def _control_answer(metrics: Mapping[str, Any], model: str) -> Answer | None:
    findings = control_findings(metrics, model)
    if not findings:
        return None
    numbers = "; ".join(
        f"{f.way.inside}, {f.condition}, {text.points(f.difference)} points ({f.certainty()})"
        for f in least_exceeded(findings)
    )
    return Answer(
        "Is it the music or the recording's fingerprint?",
        f"{control_verdict(findings)}. Real data minus the stronger control: {numbers}.",
        "control",
    )


# Other models, other seeds


def _comparison_answer(metrics: Mapping[str, Any], model: str, others: Sequence[str], question: str) -> Answer | None:
    rows = [
        row
        for row in comparison_rows(metrics)
        if row["first"] == model and row["second"] in others and row.get("difference") is not None
    ]
    if not rows:
        return None
    named = len({row["second"] for row in rows}) > 1
    return Answer(question, " ".join(_difference(row, named=named) for row in rows), "comparisons")


def _best_rival_answer(metrics: Mapping[str, Any], model: str) -> Answer | None:
    best = list(dict.fromkeys(rival.model for rival in rivals(metrics)))
    names = " and ".join(model_words(name).name for name in best)
    return _comparison_answer(metrics, model, best, f"Does it beat the best closed-form decoder ({names})?")


def _difference(row: Mapping[str, Any], *, named: bool) -> str:
    details = [text.interval_of(row.get("ci95"), text.interval_points)]
    if row.get("p_value") is not None:
        details.append(f"p {text.p(row['p_value'])}")
    if row.get("p_holm") is not None:
        details.append(f"Holm-corrected p {text.p(row['p_holm'])}")
    against = f", against {model_words(row['second']).inside}" if named else ""
    return (
        f"{COMPARED[row['by']]}{against}, {_beats(row)}: {text.points(row['difference'])} points"
        f" ({'; '.join(details)})."
    )


def _beats(row: Mapping[str, Any]) -> str:
    limits, better = row.get("ci95"), row["difference"] > 0
    if limits is None:
        return NO_INTERVAL
    if limits[0] <= 0 <= limits[1]:
        return "no difference can be shown"
    if (row.get("p_holm") or 0) >= SIGNIFICANT:
        return f"{'yes' if better else 'it is worse'}, but not after Holm's correction"
    return "yes" if better else "no, it is worse"


def _seed_answer(metrics: Mapping[str, Any], model: str) -> Answer | None:
    rows = [row for row in comparison_rows(metrics) if row["first"] == model and len(row.get("by_seed") or ()) > 1]
    rows = [row for row in rows if row["second"] == rows[0]["second"]]
    if not rows:
        return None
    ranges = [
        f"from {text.interval_points((min(row['by_seed']), max(row['by_seed'])))} points"
        f" {lower_first(COMPARED[row['by']])}"
        for row in rows
    ]
    return Answer(
        "Does it depend on the seed?",
        f"Over {len(rows[0]['by_seed'])} seeds, the difference from {model_words(rows[0]['second']).inside} ranges"
        f" {text.listed(ranges)}.",
        "comparisons",
    )

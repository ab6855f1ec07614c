"""Plain answers to what a reviewer asks first, each with its numbers and where they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from predann_bids.data.splits import WITHIN_RECORDING
from predann_bids.report import text
from predann_bids.report.evidence import (
    SIGNIFICANT,
    Scores,
    comparison_rows,
    evaluated,
    is_given,
    is_no_choice,
    judged_interval,
    match_chance,
    retrieval_kinds,
    split_results,
)
from predann_bids.report.group.caveats import ControlFinding, control_findings
from predann_bids.report.group.figures import COMPARED, style_of
from predann_bids.report.group.sentences import OTHERS

QUESTIONS = {
    "stimulus": "Does it work for music never heard in training?",
    "participant": "Does it work for people never seen?",
    "session": "Does it work for sessions never seen?",
    "run": "Does it work for runs never seen?",
    "time": "And within recordings, parted in time?",
    "chunk": "And within recordings, as published?",
}


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
    found = [
        _chance_answer(scores, metrics),
        _control_answer(metrics, model),
        _comparison_answer(metrics, model, ("baseline",), f"Does {style_of(model).name} beat its baseline?"),
        _comparison_answer(metrics, model, ("linear", "linear_whitened"), "Does it beat the linear decoder?"),
        _seed_answer(metrics, model),
        *(_split_answer(result.split, result.content) for result in split_results(metrics)[1:]),
        _moment_answer(scores),
    ]
    return [answer for answer in found if answer]


def not_computed(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List what was not computed, and the option that does."""
    models = evaluated(metrics)
    splits = {result.split for result in split_results(metrics)}
    n_seeds = metrics["protocol"].get("n_seeds") or 1
    missing = [
        ("permuted labels", "--permutations N", any(s.get("permutation") for s in models.values())),
        ("the recordings' fingerprint", "--control fingerprint", (metrics.get("control") or {}).get("fingerprint")),
        ("people never seen", "--also-split participant", "participant" in splits),
        ("music never heard in training", "--also-split stimulus", "stimulus" in splits),
        ("several seeds", "--n-seeds N", n_seeds > 1),
    ]
    missing = missing[:1] if is_given(metrics["protocol"]) else missing  # the others need training
    return [(what, option) for what, option, computed in missing if not computed]


def _chance_answer(scores: Scores, metrics: Mapping[str, Any]) -> Answer | None:
    verdicts = _above_chance(scores, metrics.get("chance"), scores.get("permutation") or {})
    if not verdicts:
        return None
    split = metrics["protocol"]["split"]
    caveat = " In this split that does not show music: see the warning." if split in WITHIN_RECORDING else ""
    section = "permutation" if scores.get("permutation") else "models"
    return Answer("Is it more than chance?", f"{' '.join(verdicts)}{caveat}", section)


def _above_chance(scores: Scores, chance: float | None, permutation: Mapping[str, Any]) -> list[str]:
    """Say by song logits and by match whether accuracy exceeds chance."""
    ways = [("By song logits", "", chance)]
    ways += [] if is_no_choice(scores) else [("By match", "match_", match_chance(scores, chance))]
    return [
        f"{way} {_against_chance(scores, prefix, level, permutation)}."
        for way, prefix, level in ways
        if scores.get(f"{prefix}accuracy") is not None
    ]


def _against_chance(scores: Scores, prefix: str, chance: float | None, permutation: Mapping[str, Any]) -> str:
    limits, p_value = scores.get(f"{prefix}ci95"), permutation.get(f"{prefix}p_value")
    p_holm = permutation.get(f"{prefix}p_holm")
    details = [f"95 % interval {text.interval(limits)}" if limits else "no interval"]
    if chance is not None:
        details.append(f"chance {text.share(chance)}")
    if p_value is not None:
        details.append(f"permuted labels p {text.p(p_value)}")
    if p_holm is not None:
        details.append(f"Holm-corrected p {text.p(p_holm)}")
    decisive = p_holm if p_holm is not None else p_value
    judged = judged_interval(scores, prefix)
    if judged and limits and text.interval(judged) != text.interval(limits):
        details.insert(1, f"with every song counted the same {text.interval(judged)}")
    verdict = _exceeds(judged, chance, decisive)
    number = permutation.get("n") or 0
    if decisive is not None and decisive >= SIGNIFICANT and p_value is not None and p_value <= 1.001 / (number + 1):
        verdict = f"{_exceeds(judged, chance, None)} by its interval; {number} permutations are too few to confirm it"
    return f"{verdict}: {text.share(scores[f'{prefix}accuracy'])} ({'; '.join(details)})"


def _exceeds(limits: Sequence[float] | None, chance: float | None, p_value: float | None) -> str:
    if limits is None or chance is None:
        return "unknown, for want of an interval"
    low, high = limits
    if high < chance:
        return "no, it is below chance"
    if low <= chance:
        return "not distinguishable from chance"
    if p_value is not None and p_value >= SIGNIFICANT:
        return "by its interval yes, but permuted labels do not confirm it"
    return "yes"


def _control_answer(metrics: Mapping[str, Any], model: str) -> Answer | None:
    findings = control_findings(metrics, model)
    if not findings:
        return None
    question = "Is it the music or the recording's fingerprint?"
    failed = [finding for finding in findings if not finding.exceeded]
    leaking = [finding for finding in findings if finding.leaks]
    shown = ", ".join(dict.fromkeys(finding.way for finding in findings))
    if len(failed) == len(findings):
        verdict = "It cannot be told from the fingerprint"
    elif failed:
        verdict = f"Beyond the fingerprint only in part ({_ways(findings, exceeded=True)})"
    elif leaking:
        verdict = f"Both: beyond the fingerprint {shown}, but the fingerprint alone exceeds chance, too"
    else:
        verdict = f"More than the fingerprint, {shown}"
    # of the controls, the one that real data exceed least
    least = [min((f for f in findings if f.way == way), key=_lowest) for way in dict.fromkeys(f.way for f in findings)]
    numbers = "; ".join(finding.numbers() for finding in least)
    return Answer(question, f"{verdict}. Real data minus the stronger control: {numbers}.", "control")


def _lowest(finding: ControlFinding) -> float:
    return finding.ci95[0] if finding.ci95 else -math.inf


def _ways(findings: Sequence[ControlFinding], *, exceeded: bool) -> str:
    return ", ".join(f"{f.way} {f.short}" for f in findings if f.exceeded == exceeded)


def _comparison_answer(metrics: Mapping[str, Any], model: str, others: Sequence[str], question: str) -> Answer | None:
    rows = [
        row
        for row in comparison_rows(metrics)
        if row["first"] == model and row["second"] in others and row.get("difference") is not None
    ]
    if not rows:
        return None
    named = len({row["second"] for row in rows}) > 1
    parts = [_difference(row, named=named) for row in rows]
    return Answer(question, " ".join(parts), "comparisons")


def _difference(row: Mapping[str, Any], *, named: bool) -> str:
    limits, p_value, p_holm = row.get("ci95"), row.get("p_value"), row.get("p_holm")
    details = [f"95 % interval {text.interval_points(limits)}" if limits else "no interval"]
    if p_value is not None:
        details.append(f"p {text.p(p_value)}")
    if p_holm is not None:
        details.append(f"Holm-corrected p {text.p(p_holm)}")
    way = COMPARED[row["by"]]
    against = f", against {OTHERS.get(row['second'], row['second'])}," if named else ""
    return f"{way}{against} {_beats(row)}: {text.points(row['difference'])} points ({'; '.join(details)})."


def _beats(row: Mapping[str, Any]) -> str:
    limits, p_value, p_holm = row.get("ci95"), row.get("p_value"), row.get("p_holm")
    if limits is None:
        return "unknown, for want of an interval"
    if limits[0] <= 0 <= limits[1]:
        return "no difference can be shown"
    if p_value is not None and p_value >= SIGNIFICANT:
        return (
            "by the interval " + ("yes" if row["difference"] > 0 else "it is worse") + ", but the test does not confirm"
        )
    if p_holm is not None and p_holm >= SIGNIFICANT:
        return ("yes" if row["difference"] > 0 else "it is worse") + ", but not after Holm's correction"
    return "yes" if row["difference"] > 0 else "no, it is worse"


def _seed_answer(metrics: Mapping[str, Any], model: str) -> Answer | None:
    rows = [r for r in comparison_rows(metrics) if r["first"] == model and len(r.get("by_seed") or ()) > 1]
    rows = [row for row in rows if row["second"] == rows[0]["second"]]
    if not rows:
        return None
    parts = []
    for row in rows:
        seeds = row["by_seed"]
        way = COMPARED[row["by"]].replace("By", "by")
        least, most = text.points(min(seeds)), text.points(max(seeds))
        parts.append(f"{way}, minus {OTHERS.get(row['second'], row['second'])}: {least} to {most} points")
    first = len(rows[0]["by_seed"])
    return Answer(
        "Does it depend on the seed?", f"Differences of {first} seeds range, {'; '.join(parts)}.", "comparisons"
    )


def _split_answer(split: str, content: Mapping[str, Any]) -> Answer | None:
    models = evaluated(content)
    if not models:
        return None
    scores = next(iter(models.values()))
    verdicts = _above_chance(scores, content.get("chance"), scores.get("permutation") or {})
    if not verdicts:
        return None
    question = QUESTIONS.get(split, f"And with the split {split}?")
    caveat = " Within recordings that does not show music." if split in WITHIN_RECORDING else ""
    return Answer(question, f"{' '.join(verdicts)}{caveat}", "splits")


def _moment_answer(scores: Scores) -> Answer | None:
    found = retrieval_kinds(scores).get("moment")
    if not found or found.get("mean_reciprocal_rank") is None:
        return None
    limits, chance = found.get("mean_reciprocal_rank_ci95"), found.get("chance_mean_reciprocal_rank")
    details = [f"95 % interval {limits[0]:.3f} to {limits[1]:.3f}" if limits else "no interval"]
    if chance is not None:
        details.append(f"chance {chance:.3f}")
    verdict = _exceeds(limits, chance, None)
    return Answer(
        "Can it tell the moment of a song?",
        f"{verdict[0].upper()}{verdict[1:]}: mean reciprocal rank {found['mean_reciprocal_rank']:.3f} among"
        f" {text.candidates(found.get('n_candidates'))} moments of the song that was heard ({'; '.join(details)}).",
        "retrieval",
    )

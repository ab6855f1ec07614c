"""What was found, in sentences that claim no more than the numbers show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from predann_bids.data.splits import WITHIN_RECORDING
from predann_bids.report import text
from predann_bids.report.evidence import (
    SIGNIFICANT,
    Scores,
    comparison_rows,
    evaluated,
    is_no_choice,
    judged_interval,
    match_chance,
    retrieval_kinds,
    signs_can_decide,
)
from predann_bids.report.group.figures import COMPARED, style_of

TESTED_ON = {
    "participant": "of people it was never trained on",
    "stimulus": "of people hearing songs it was never trained on",
    "session": "of sessions it was never trained on",
    "run": "of runs it was never trained on",
}
# names of models that others are compared with, inside a sentence
OTHERS = {
    "baseline": "its baseline",
    "linear": "the linear decoder",
    "linear_whitened": "the linear decoder on whitened EEG",
}


def results_sentence(metrics: Mapping[str, Any]) -> str:
    """Say in one sentence what the first model can do, and whether that is more than chance.

    Parameters
    ----------
    metrics : mapping
        Content of metrics.json.
    """
    models = evaluated(metrics)
    if not models:
        return "No decoder was evaluated."
    model, scores = next(iter(models.items()))
    protocol, chance = metrics["protocol"], metrics.get("chance")
    counted = match_chance(scores, chance)
    by_logits = _finding(scores, "accuracy", "ci95", chance, "of cases by its song logits", name_chance=True)
    by_match = _finding(
        scores,
        "match_accuracy",
        "match_ci95",
        counted,
        "by matching EEG to the audio of the same moment" if by_logits else "of cases by matching EEG to audio",
        name_chance=not by_logits or text.share(counted) != text.share(chance),
    )
    if is_no_choice(scores):
        found = _retrieval_finding(scores)
        return (
            f"From {_shortest_length(scores, protocol)} s of EEG {tested_on(protocol['split'])},"
            f" {style_of(model).name} {found or 'had but one song to name, which says nothing'}."
        )
    findings = ", and ".join(finding for finding in (by_logits, by_match) if finding) or "in an unknown share of cases"
    found = None if by_logits else _retrieval_finding(scores)
    return (
        f"From {_shortest_length(scores, protocol)} s of EEG {tested_on(protocol['split'])}, {style_of(model).name}"
        f" names the right one of {_candidates(scores, protocol)} {findings}{f', and {found}' if found else ''}."
    )


def _candidates(scores: Scores, protocol: Mapping[str, Any]) -> str:
    if protocol["split"] != "stimulus":
        return f"{protocol['n_stimuli']} songs"
    number = retrieval_kinds(scores).get("song", {}).get("n_candidates")
    if number is None:
        return "the held-out songs"
    written = text.candidates(number)
    return f"{'' if '.' not in written else 'on average '}{written} held-out songs"


def _finding(
    scores: Scores, accuracy: str, interval: str, chance: float | None, how: str, *, name_chance: bool
) -> str | None:
    if scores.get(accuracy) is None:
        return None
    limits = scores.get(interval)
    details = [f"95 % interval {text.interval(limits)}" if limits else "no interval"]
    if name_chance and chance is not None:
        details.append(f"chance {text.share(chance)}")
    verdict = _verdict(judged_interval(scores, accuracy.removesuffix("accuracy")), chance)
    return f"in {text.share(scores[accuracy])} {how} ({', '.join(details)}){f', {verdict}' if verdict else ''}"


def _retrieval_finding(scores: Scores) -> str | None:
    """Say how often the very window that was heard is found, for models that cannot name songs by logits."""
    found = retrieval_kinds(scores).get("window", {})
    if found.get("top1") is None:
        return None
    limits, chance = found.get("ci95"), found.get("chance_top1")
    details = [f"95 % interval {text.interval(limits)}" if limits else "no interval"]
    if chance is not None:
        details.append(f"chance {text.share(chance)}")
    verdict = _verdict(limits, chance)
    return (
        f"picks the moment that was heard out of {text.candidates(found.get('n_candidates'))} moments of these songs in"
        f" {text.share(found['top1'])} ({', '.join(details)}){f', {verdict}' if verdict else ''}"
    )


def _verdict(limits: Sequence[float] | None, chance: float | None) -> str:
    if limits is None or chance is None:
        return ""
    low, high = limits
    if low <= chance <= high:
        return "which is not distinguishable from chance"
    return "which is below chance" if high < chance else ""


def tested_on(split: str) -> str:
    """Say whose EEG was tested, inside a sentence."""
    if split in WITHIN_RECORDING:
        return "of recordings it was trained on parts of"
    return TESTED_ON.get(split, "it was not trained on")


def _shortest_length(scores: Scores, protocol: Mapping[str, Any]) -> str:
    # Accuracy is that of the first length that was evaluated.
    return next(iter(scores.get("by_length") or ()), f"{protocol['window']:g}")


def comparison_sentences(metrics: Mapping[str, Any]) -> list[str]:
    """Say by how much the first model is better than each other, or that nothing can be shown.

    Parameters
    ----------
    metrics : mapping
        Content of metrics.json.
    """
    first = next(iter(evaluated(metrics)), "predann") if metrics.get("models") else "predann"
    return [
        comparison_sentence(row)
        for row in comparison_rows(metrics)
        if row["first"] == first and row.get("difference") is not None and row.get("ci95") is not None
    ]


def comparison_sentence(row: Mapping[str, Any]) -> str:
    """Say how two models differ."""
    first, second = style_of(row["first"]).name, OTHERS.get(row["second"], style_of(row["second"]).name)
    low, high = row["ci95"]
    tested = _tested(row)
    if low <= 0 <= high:
        return (
            f"{COMPARED[row['by']]}, no difference can be shown between {first} and {second}"
            f" ({text.points(row['difference'])} percentage points, {tested})."
        )
    return (
        f"{COMPARED[row['by']]}, {first} is {text.points(abs(row['difference'])).removeprefix('+')} percentage points"
        f" {'more' if row['difference'] > 0 else 'less'} accurate than {second} ({tested}){doubt(row)}."
    )


def _tested(row: Mapping[str, Any]) -> str:
    low, high = row["ci95"]
    parts = [f"95 % interval {text.points(low)} to {text.points(high)}"]
    if row.get("p_value") is not None:
        test = f", {row['test']}" if row.get("test") else ""
        parts.append(f"p {text.p(row['p_value'])}{test}")
    if row.get("p_holm") is not None:
        parts.append(f"Holm-corrected p {text.p(row['p_holm'])}")
    return "; ".join(parts)


def doubt(row: Mapping[str, Any]) -> str:
    """Say that a test does not confirm what the interval shows."""
    if (row.get("p_value") or 0) >= SIGNIFICANT:
        return ", but the test does not confirm this"
    if (row.get("p_holm") or 0) >= SIGNIFICANT:
        return ", but not after Holm's correction"
    return ""


# What sections say


def permutation_sentences(metrics: Mapping[str, Any]) -> list[str]:
    """Say which null hypothesis the permuted labels stand for."""
    found = next((s["permutation"] for s in evaluated(metrics).values() if s.get("permutation")), None)
    if not found:
        return []
    number = found.get("n")
    how = {
        "kept": "The labels of the test presentations were permuted within recordings; the decoders were kept as they"
        " are. The null hypothesis is that their decisions have nothing to do with what was heard. What training on"
        " wrong labels could reach is not part of it.",
        "retrained": "The labels were permuted before training, and every decoder was trained again. The null"
        " hypothesis is that labels and EEG have nothing to do with each other, whatever a decoder could learn from"
        " them.",
    }.get(found.get("null") or "", "Labels were permuted.")
    least = f" With {number} permutations, no p-value can lie below {1 / (number + 1):.2g}." if number else ""
    return [how + least]


def use_sentences(metrics: Mapping[str, Any]) -> list[str]:
    """Say at which delay, in which regions and bands the network finds the music, and whether representations agree."""
    uses = metrics.get("uses")
    if not uses:
        return []
    name = style_of(uses.get("model", "predann")).name
    decides = signs_can_decide(metrics)
    said = [
        *_peaks(uses.get("delay") or {}),
        _needed(uses.get("regions") or [], "Regions", name, decides=decides),
        _needed(uses.get("bands") or [], "Frequency bands", name, decides=decides),
        _similarity(uses.get("similarity"), decides=decides),
    ]
    return [sentence for sentence in said if sentence]


def _peaks(found: Mapping[str, Any]) -> list[str]:
    delays, trained = found.get("delay_s") or [], found.get("trained_delay_s")
    known = [(value, delay) for delay, value in zip(delays, found.get("match_accuracy") or [], strict=False)]
    known = [pair for pair in known if pair[0] is not None]
    if not known or trained is None:
        return []
    best, delay = max(known)
    return [
        f"By match, accuracy is highest ({text.share(best)}) with the EEG taken {delay:g} s after the audio; the"
        f" decoder was trained with {trained:g} s."
    ]


def _needed(items: Sequence[Mapping[str, Any]], what: str, name: str, *, decides: bool) -> str | None:
    tested = [
        (way, key) for way, key in (("by song logits", ""), ("by match", "match_")) if _has(items, f"{key}p_holm")
    ]
    if not tested:
        return None
    found = []
    for way, key in tested:
        needed = [i for i in items if _lost(i, key, decides=decides)]
        needed.sort(key=lambda item: -item[f"{key}drop"])
        parts = [f"{item['name']} ({text.points(-item[f'{key}drop'])})" for item in needed]
        found.append(f"{way}: {text.listed(parts) if parts else 'none that can be shown'}")
    return (
        f"{what} without which {name} loses accuracy (percentage points,"
        f" {'Holm-corrected p < 0.05' if decides else 'by their intervals'}), {'; '.join(found)}."
    )


def _lost(item: Mapping[str, Any], key: str, *, decides: bool) -> bool:
    p_holm, drop = item.get(f"{key}p_holm"), item.get(f"{key}drop")
    limits = item.get(f"{key}ci95")
    confirmed = not decides or (p_holm is not None and p_holm < SIGNIFICANT)
    sure = confirmed and (not limits or limits[0] > 0)
    return sure and drop is not None and drop > 0


def _has(items: Sequence[Mapping[str, Any]], key: str) -> bool:
    return any(item.get(key) is not None for item in items)


def _similarity(found: Mapping[str, Any] | None, *, decides: bool) -> str | None:
    if not found or found.get("correlation") is None:
        return None
    limits, p_value = found.get("ci95"), found.get("p_value")
    details = [f"Spearman correlation {found['correlation']:.2f}".replace("-", "−")]
    if limits:
        details.append(f"95 % interval {limits[0]:.2f} to {limits[1]:.2f}".replace("-", "−"))
    if p_value is not None:
        details.append(f"p {text.p(p_value)}")
    details.append(f"{found['n_conditions']} moments of the music, mean over participants")
    confirmed = not decides or p_value is None or p_value < SIGNIFICANT
    shown = found["correlation"] > 0 and (not limits or limits[0] > 0) and confirmed
    claim = (
        "Moments of the music that the audio network represents alike are also represented alike from EEG"
        if shown
        else "It cannot be shown that moments of the music that the audio network represents alike are represented"
        " alike from EEG"
    )
    return f"{claim} ({'; '.join(details)})."

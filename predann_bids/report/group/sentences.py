"""The results in sentences that claim no more than the numbers show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from predann_bids.report import text
from predann_bids.report.scores import (
    SIGNIFICANT,
    AboveChance,
    Scores,
    comparison_rows,
    evaluated,
    has_logits,
    has_unseen_songs,
    is_balanced_apart,
    is_no_choice,
    judged_interval,
    match_chance,
    retrieval_kinds,
)
from predann_bids.report.words.decisions import BY_LOGITS, BY_MATCH, COMPARED, Way
from predann_bids.report.words.models import BASELINE, CLOSED_FORM, OWN_MOMENT, PREDANN, model_words
from predann_bids.report.words.splits import split_words


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
    protocol = metrics["protocol"]
    subject = (
        f"From {_shortest_length(scores, protocol)} s of EEG {split_words(protocol['split']).tested_on},"
        f" {model_words(model).name}"
    )
    retrieval = None if has_logits(scores) and not is_no_choice(scores) else _retrieval_clause(scores)
    if is_no_choice(scores):
        return f"{subject} {retrieval or 'had only one song to choose from, which shows nothing'}."
    accuracy = ", and ".join(_accuracy_clauses(scores, metrics.get("chance"))) or "in an unknown share of cases"
    return (
        f"{subject} names the right one of {_candidates(scores, protocol)} {accuracy}"
        f"{f', and {retrieval}' if retrieval else ''}."
    )


def _shortest_length(scores: Scores, protocol: Mapping[str, Any]) -> str:
    # Accuracy is that of the first length that was evaluated.
    return next(iter(scores.get("by_length") or ()), f"{protocol['window']:g}")


def _candidates(scores: Scores, protocol: Mapping[str, Any]) -> str:
    if not has_unseen_songs(protocol["split"]):
        return f"{protocol['n_stimuli']} songs"
    number = retrieval_kinds(scores).get("song", {}).get("n_candidates")
    if number is None:
        return "the held-out songs"
    written = text.candidates(number)
    return f"{'' if '.' not in written else 'on average '}{written} held-out songs"


def _accuracy_clauses(scores: Scores, chance: float | None) -> list[str]:
    """Say how often the right song is named, by song logits and by match."""
    of_match = match_chance(scores, chance)
    both = has_logits(scores)
    named = not both or text.share(of_match) != text.share(chance)
    how = "by matching EEG to the audio of the same moment" if both else "of cases by matching EEG to audio"
    clauses = [
        _accuracy_clause(scores, BY_LOGITS, chance, "of cases by its song logits", name_chance=True),
        _accuracy_clause(scores, BY_MATCH, of_match, how, name_chance=named),
    ]
    return [clause for clause in clauses if clause]


def _accuracy_clause(scores: Scores, way: Way, chance: float | None, how: str, *, name_chance: bool) -> str | None:
    if scores.get(way.accuracy) is None:
        return None
    found, details = AboveChance.of(scores, way.prefix, chance), judged_in_words(scores, way)
    if name_chance and chance is not None:
        details.append(f"chance {text.share(chance)}")
    if found.decisive is not None:
        corrected = "" if found.p_holm is None else ", Holm-corrected"
        details.append(f"permuted labels{corrected} p {text.p(found.decisive)}")
    verdict = _verdict(found)
    return f"in {text.share(scores[way.accuracy])} {how} ({', '.join(details)}){f', {verdict}' if verdict else ''}"


def judged_in_words(scores: Scores, way: Way) -> list[str]:
    """Write the interval that is compared with chance, after the value that it belongs to if that is another."""
    shown = [text.interval_of(judged_interval(scores, way.prefix))]
    if is_balanced_apart(scores, way.prefix):
        shown.insert(0, f"{text.share(scores.get('balanced_accuracy'))} with every song weighted equally")
    return shown


def _retrieval_clause(scores: Scores) -> str | None:
    """Say how often the very window that was playing is found, for models that cannot name songs by logits."""
    windows = retrieval_kinds(scores).get("window", {})
    if windows.get("top1") is None:
        return None
    limits, chance = windows.get("ci95"), windows.get("chance_top1")
    details = [text.interval_of(limits)]
    if chance is not None:
        details.append(f"chance {text.share(chance)}")
    verdict = _verdict(AboveChance.of_interval(limits, chance))
    return (
        f"picks the right one of {text.candidates(windows.get('n_candidates'))} moments of these songs in"
        f" {text.share(windows['top1'])} ({', '.join(details)}){f', {verdict}' if verdict else ''}"
    )


def _verdict(found: AboveChance) -> str:
    """Say where accuracy is not shown to exceed chance, or where interval and permuted labels disagree."""
    if found.by_interval == "below":
        return "which is below chance"
    if found.shown:
        return "although the interval holds chance" if found.by_interval == "around" else ""
    if found.by_interval == "above":
        few = f"{found.n} permutations are too few to confirm" if found.too_few else "permuted labels do not confirm"
        return f"which {few}"
    return "" if found.by_interval is None and found.decisive is None else "which is not distinguishable from chance"


# Comparisons


def ladder(metrics: Mapping[str, Any]) -> list[str]:
    """Say what each model may use in training, the networks from the least to the most, then what is solved at once."""
    rungs = [name for name in (BASELINE, OWN_MOMENT, PREDANN, *CLOSED_FORM) if name in evaluated(metrics)]
    known = [(words.name, words.learns_from) for words in map(model_words, rungs) if words.learns_from]
    if len(known) < 2:
        return []
    told = "; ".join(f"{name}, from {source}" for name, source in known)
    return [f"What each learns from: {told}. In the test, all are given the same."]


def comparison_sentences(metrics: Mapping[str, Any]) -> list[str]:
    """Say by how much the first model is better than each other, or that no difference can be shown.

    Parameters
    ----------
    metrics : mapping
        Content of metrics.json.
    """
    first = next(iter(evaluated(metrics)), PREDANN) if metrics.get("models") else PREDANN
    return [
        comparison_sentence(row)
        for row in comparison_rows(metrics)
        if row["first"] == first and row.get("difference") is not None and row.get("ci95") is not None
    ]


def comparison_sentence(row: Mapping[str, Any]) -> str:
    """Say how two models differ."""
    first, second = model_words(row["first"]).name, model_words(row["second"]).inside
    low, high = row["ci95"]
    tested = _tested(row)
    if low <= 0 <= high:
        return (
            f"{COMPARED[row['by']]}, no difference can be shown between {first} and {second}"
            f" ({text.points(row['difference'])} percentage points, {tested})."
        )
    return (
        f"{COMPARED[row['by']]}, {first} is {text.points(abs(row['difference'])).removeprefix('+')} percentage points"
        f" {'more' if row['difference'] > 0 else 'less'} accurate than {second} ({tested}){_doubt(row)}."
    )


def _tested(row: Mapping[str, Any]) -> str:
    parts = [f"95 % interval {text.interval_points(row['ci95'])}"]
    if row.get("p_value") is not None:
        test = f", {row['test']}" if row.get("test") else ""
        parts.append(f"p {text.p(row['p_value'])}{test}")
    if row.get("p_holm") is not None:
        parts.append(f"Holm-corrected p {text.p(row['p_holm'])}")
    return "; ".join(parts)


def _doubt(row: Mapping[str, Any]) -> str:
    """Say that the number of comparisons casts doubt on what interval and test show."""
    if (row.get("p_holm") or 0) >= SIGNIFICANT:
        return ", but not after Holm's correction"
    return ""


# Permuted labels


def permutation_sentences(metrics: Mapping[str, Any]) -> list[str]:
    """Say which null hypothesis the permuted labels stand for."""
    null = next((s["permutation"] for s in evaluated(metrics).values() if s.get("permutation")), None)
    if not null:
        return []
    n = null.get("n")
    how = {
        "kept": "The labels of the test presentations were permuted within recordings; the decoders were kept as they"
        " were. The null hypothesis is that their decisions have nothing to do with the music that was playing. It does"
        " not cover what training on wrong labels could achieve.",
        "retrained": "The labels were permuted before training, and every decoder was trained again. The null"
        " hypothesis is that labels and EEG have nothing to do with each other, whatever a decoder could learn from"
        " them.",
    }.get(null.get("null") or "", "Labels were permuted.")
    least = f" With {n} permutations, no p-value can lie below {1 / (n + 1):.2g}." if n else ""
    return [how + least]

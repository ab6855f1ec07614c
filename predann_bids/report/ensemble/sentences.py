"""What averaging runs gains, in sentences that claim no more than the numbers show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from predann_bids.report import text
from predann_bids.report.scores import SIGNIFICANT, is_within_recording, judged_interval
from predann_bids.report.words.models import model_words
from predann_bids.report.words.splits import fact_about

WITHIN_RECORDINGS = (
    "The split by {split} trains on one part of a recording and tests on another. Anything that marks a recording then"
    " also marks its song, so a high accuracy does not show that music was decoded, and an average may be better at"
    " recognising recordings, not music."
)
CHOSEN = (
    "If these runs were chosen from several because they did well on these test data, all accuracies here are too high:"
    " test the choice on other people."
)
ANY_ENSEMBLE = (
    "An average of several networks is often more accurate than one of them, even if they differ in their seed alone."
    " What different runs add is the difference between their average and that of as many seeds of one run."
)


def names_of(metrics: Mapping[str, Any]) -> list[str]:
    """List the names of the members."""
    return [member["name"] for member in metrics["ensemble"]["members"]]


def shown_name(name: str, metrics: Mapping[str, Any]) -> str:
    """Name a row of the comparison for a reader."""
    networks, n_members = metrics["networks"][name], len(names_of(metrics))
    if name == "ensemble":
        return f"Average of the {n_members} runs"
    if name == "everything":
        return f"Average of all seeds of all runs ({networks} networks)"
    if name in names_of(metrics):
        return name
    return f"Average of {text.count(networks, 'seed')} of {name.removeprefix('seeds of ')}"


def summary(metrics: Mapping[str, Any]) -> list[str]:
    """Say how accurate the average is, and what it gains over its members and over averages of seeds."""
    return [headline(metrics), _gains(metrics, "its members", names_of(metrics)), seeds_sentence(metrics)]


def headline(metrics: Mapping[str, Any]) -> str:
    """Say how accurate the average is, beside its members."""
    scores, models = metrics["models"]["ensemble"], metrics["models"]
    alone = [models[name]["accuracy"] for name in names_of(metrics)]
    members = text.share(alone[0]) if min(alone) == max(alone) else text.interval([min(alone), max(alone)])
    details = f"{text.interval_of(judged_interval(scores))}, chance {text.share(metrics['chance'])}"
    return (
        f"Averaged over {len(alone)} runs, song probabilities name the right one of"
        f" {metrics['protocol']['n_stimuli']} songs in {text.share(scores['accuracy'])} of cases ({details}); each run"
        f" alone does in {members}."
    )


def seeds_sentence(metrics: Mapping[str, Any]) -> str:
    """Say what the average over runs gains over averages of seeds, or how that could be found out."""
    rows = _rows_of_seeds(metrics)
    of_seeds = [name for name in metrics["models"] if name.startswith("seeds of ")]
    if not of_seeds:
        return (
            "No run has several seeds, so it cannot be seen whether another average of as many networks would do as"
            " well: repeat the runs with --n-seeds."
        )
    told = _gains(metrics, "averages of seeds", of_seeds)
    if not rows:
        return told
    better = [row for row in rows if row["difference"] > 0 and (row["p_holm"] or 1.0) < SIGNIFICANT]
    if len(better) == len(rows):
        return f"{told} So the runs add something to each other that seeds do not."
    return f"{told} That the runs add something to each other that seeds do not cannot be shown."


def _rows_of_seeds(metrics: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row for row in metrics["comparisons"] if row["second"] not in names_of(metrics)]


def _gains(metrics: Mapping[str, Any], rivals: str, names: Sequence[str]) -> str:
    rows = [row for row in metrics["comparisons"] if row["second"] in names]
    if not rows:
        return f"With fewer than two participants, it cannot be tested what the average gains over {rivals}."
    parts = [
        f"{text.points(row['difference'])} against"
        f" {_inside(shown_name(row['second'], metrics))} ({text.interval_of(row['ci95'], text.interval_points)},"
        f" p {text.p(row['p_holm'])})"
        for row in rows
    ]
    return f"Its gain over {rivals}, in percentage points: {'; '.join(parts)}."


def _inside(name: str) -> str:
    return f"the a{name[1:]}" if name.startswith("Average of") else name


def facts(metrics: Mapping[str, Any]) -> list[str]:
    """List what was averaged, and what all runs have in common."""
    protocol = metrics["protocol"]
    return [
        text.count(protocol["n_participants"], "participant"),
        text.count(protocol["n_stimuli"], "song"),
        f"{fact_about(protocol['split'])}, {text.count(protocol['n_folds'], 'fold')}",
        f"windows of {protocol['window']:g} s",
        f"model: {model_words(metrics['ensemble']['model']).name}",
    ]


def cautions(metrics: Mapping[str, Any]) -> list[str]:
    """Say what must not be concluded."""
    split = metrics["protocol"]["split"]
    within = [WITHIN_RECORDINGS.format(split=split)] if is_within_recording(split) else []
    return [ANY_ENSEMBLE, CHOSEN, *within]


def methods(metrics: Mapping[str, Any]) -> list[str]:
    """Describe what was done, for the methods section of a paper."""
    seeds = sorted({len(member["seeds"]) for member in metrics["ensemble"]["members"]})
    several = seeds != [1]
    first = (
        f"The song probabilities of {len(names_of(metrics))} decoders, each the softmax of its song logits as it was"
        " tested, were averaged window by window, and the song with the highest mean was named. The decoders of a fold"
        " were trained and tested on the same parts of the data."
    )
    paired = (
        " Where decoders were trained with several seeds, the first seeds of all decoders were averaged, then the"
        " second ones, and so on, and decisions were pooled. Averages of seeds are of one decoder, with as many"
        " networks as there are decoders, or all its seeds where these are fewer; all choices of neighbouring seeds"
        " were pooled."
        if several
        else ""
    )
    tested = (
        " Differences are means over participants, with a 95 % t interval over whole participants and the two-sided t"
        " test that belongs to it; p-values were corrected by the method of Holm (1979), those against single decoders"
        " and those against averages of seeds apart. McNemar's exact test (McNemar, 1947) on windows that do not"
        " overlap treats windows as independent."
    )
    return [f"{first}{paired}{tested if metrics['comparisons'] else ''}"]

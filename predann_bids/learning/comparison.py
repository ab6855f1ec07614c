"""Compare models on the same windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from predann_bids.arrays import Bools, Doubles
from predann_bids.learning.evaluation import Aggregation, WindowPredictions, decide
from predann_bids.learning.models import MODELS, PREDANN, By
from predann_bids.learning.statistics import (
    SIGN_FLIP,
    Scoring,
    difference_interval,
    holm,
    overlap_corrected_p,
    sign_flip_p,
)

WAYS: Mapping[By, Aggregation] = {"logits": "mean", "match": "match"}  # in which a song is named
# the pairs that are reported, by the question that they answer: those of one question are corrected together
QUESTIONS = tuple(dict.fromkeys(model.rival for model in MODELS.values() if model.rival))
PAIRS: tuple[tuple[tuple[str, str, By], ...], ...] = tuple(
    tuple((PREDANN.name, m.name, by) for m in MODELS.values() if m.rival == question for by in m.compared_by)
    for question in QUESTIONS
)


def compare(first: WindowPredictions, second: WindowPredictions, scoring: Scoring) -> dict[str, Any] | None:
    """Compare the accuracies of two models on the same windows, participant by participant.

    Returns
    -------
    dict
        `accuracy_difference` (first minus second, mean of participants), its bootstrap interval over participants, and
        the p-value of the two-sided sign-flip test; the same by match. None with fewer than two participants, or when
        the models can be compared in neither way.
    """
    found = {by: _compared(first, second, by, scoring) for by in WAYS}
    if not any(found.values()):
        return None
    keys = {"accuracy_difference": "difference", "ci95": "ci95", "p_value": "p_value"}
    by_logits, by_match = found["logits"] or {}, found["match"] or {}
    names = {"accuracy_difference": "match_accuracy_difference", "ci95": "match_ci95", "p_value": "match_p_value"}
    return {
        **{key: by_logits.get(name) for key, name in keys.items()},
        "test": SIGN_FLIP,
        **{names[key]: by_match.get(name) for key, name in keys.items()},
    }


def compare_all(models: Mapping[str, WindowPredictions], scoring: Scoring) -> list[dict[str, Any]]:
    """Compare every pair of `PAIRS` that was evaluated.

    p-values are corrected for the number of comparisons that answer one question (Holm 1979): with the baseline, and
    with linear decoders.

    Returns
    -------
    list of dict
        For each pair the difference (first minus second, mean of participants over all seeds), its interval, the
        p-value of the sign-flip test, plain and corrected; a t test corrected for overlapping training sets; McNemar's
        test on paired windows of the first seed that do not overlap; and the difference with each seed.
    """
    return [row for question in PAIRS for row in _answered(question, models, scoring)]


def _answered(
    question: Sequence[tuple[str, str, By]], models: Mapping[str, WindowPredictions], scoring: Scoring
) -> list[dict[str, Any]]:
    rows = []
    for one, other, by in question:
        if one in models and other in models:
            found = _compared(models[one], models[other], by, scoring)
            if found:
                rows.append({"first": one, "second": other, "by": by, **found})
    for row, p_value in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_holm"] = p_value
    return rows


def _compared(first: WindowPredictions, second: WindowPredictions, by: By, scoring: Scoring) -> dict[str, Any] | None:
    one, other = hits(first, by, scoring), hits(second, by, scoring)
    if one is None or other is None:
        return None
    differences = _participant_differences(one, other)
    interval = difference_interval(differences, scoring)
    if interval is None:
        return None
    seeds = sorted(set(one["seed"]) & set(other["seed"]))
    return {
        "difference": float(differences.mean()),
        "ci95": interval,
        "p_value": sign_flip_p(differences, scoring),
        "test": SIGN_FLIP,
        "overlap_p_value": overlap_corrected_p(differences, scoring),
        "mcnemar": mcnemar(*(some[some["seed"] == some["seed"].min()] for some in (one, other)), scoring=scoring),
        "by_seed": [
            float(_participant_differences(one[one["seed"] == seed], other[other["seed"] == seed]).mean())
            for seed in seeds
        ],
    }


def hits(windows: WindowPredictions, by: By, scoring: Scoring) -> pd.DataFrame | None:
    """Tell of every window whether it is decided rightly: columns `seed fold trial participant correct`.

    None when the model allows no such decision.
    """
    columns = ["seed", "fold", "trial", "participant"]
    if by == "retrieval":
        if windows.ranks is None:
            return None
        ranks = windows.ranks[windows.ranks["length"] == scoring.window_s]
        rows = windows.table.iloc[ranks["window"].to_numpy(dtype=np.int64)]
        return rows[columns].assign(correct=ranks["rank_window"].to_numpy() <= 1).reset_index(drop=True)
    if WAYS[by] not in windows.ways:
        return None
    found = decide(windows, WAYS[by], length_s=scoring.window_s, window_s=scoring.window_s, stride_s=scoring.stride_s)
    return found.table[columns].assign(correct=found.correct)


def mcnemar(first: pd.DataFrame, second: pd.DataFrame, *, scoring: Scoring) -> dict[str, Any]:
    """Compare hits on the same windows by McNemar's exact test (1947).

    Only windows that do not overlap are paired. The test takes windows for independent, which those of one participant
    are not quite: it says less than the test over participants.
    """
    from statsmodels.stats.contingency_tables import mcnemar as exact

    place = first.groupby(["seed", "fold", "trial"]).cumcount().to_numpy()
    apart = place % max(1, round(np.ceil(scoring.window_s / scoring.stride_s - 1e-9))) == 0
    right, other = (some["correct"].to_numpy(dtype=bool)[apart] for some in (first, second))
    table = np.array(
        [[np.sum(right & other), np.sum(right & ~other)], [np.sum(~right & other), np.sum(~right & ~other)]]
    )
    return {
        "only_first": int(table[0, 1]),
        "only_second": int(table[1, 0]),
        "n_windows": int(apart.sum()),
        "p_value": float(exact(table, exact=True).pvalue),
    }


def _participant_differences(first: pd.DataFrame, second: pd.DataFrame) -> Doubles:
    one, other = (some["correct"].astype(np.float64).groupby(some["participant"]).mean() for some in (first, second))
    differences: Doubles = np.asarray((one - other).dropna(), dtype=np.float64)
    return differences


def compare_with_control(
    real: WindowPredictions,
    control: WindowPredictions,
    scoring: Scoring,
    rows: Sequence[Mapping[By, Bools]] = (),
) -> dict[str, Any]:
    """Subtract the accuracy on control data from that on real data, participant by participant, of one model.

    `rows` are the windows of both that can be compared, by way of deciding; all when not given.
    """
    result: dict[str, Any] = {}
    for by, prefix in zip(WAYS, ("", "match_"), strict=True):
        keys = [f"{prefix}accuracy_difference", f"{prefix}ci95", f"{prefix}p_value"]
        result |= dict.fromkeys(keys)
        mine, theirs = (real, control) if not rows else (real.subset(rows[0][by]), control.subset(rows[1][by]))
        if not len(mine.table) or not len(theirs.table):
            continue
        one, other = hits(mine, by, scoring), hits(theirs, by, scoring)
        if one is None or other is None:
            continue
        found = _participant_differences(one, other)
        limits = difference_interval(found, scoring)
        if limits is not None:
            result |= dict(zip(keys, (float(found.mean()), limits, sign_flip_p(found, scoring)), strict=True))
    return result

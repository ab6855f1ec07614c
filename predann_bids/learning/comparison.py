"""Compare the accuracies of models on the same windows, and of one model on real and control data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from predann_bids.arrays import Bools, Doubles
from predann_bids.learning.evaluation.decisions import decide
from predann_bids.learning.evaluation.predictions import Aggregation, WindowPredictions
from predann_bids.learning.models import MODELS, PREDANN, By
from predann_bids.learning.statistics import Scoring, holm, mean_of, sign_flip_p

WAYS: Mapping[By, Aggregation] = {"logits": "mean", "match": "match"}  # kinds of decision about the song
# the reported pairs, grouped by the question that they answer; p-values of one question are corrected together
QUESTIONS = tuple(dict.fromkeys(model.rival for model in MODELS.values() if model.rival))
PAIRS: tuple[tuple[tuple[str, str, By], ...], ...] = tuple(
    tuple((PREDANN.name, m.name, by) for m in MODELS.values() if m.rival == question for by in m.compared_by)
    for question in QUESTIONS
)


def compare(
    first: WindowPredictions, second: WindowPredictions, scoring: Scoring, ways: Collection[By] = tuple(WAYS)
) -> dict[str, Any] | None:
    """Compare the accuracies of two models on the same windows, participant by participant.

    Parameters
    ----------
    first, second : WindowPredictions
        Test windows of both models.
    scoring : Scoring
        How intervals and tests are made.
    ways : collection of str
        Kinds of decision to compare; the others are None.

    Returns
    -------
    dict
        `accuracy_difference` (first minus second, mean over participants), its interval over participants, the p-value
        of the test that belongs to this interval, and that of sign flips; and the same by match. None with fewer than
        two participants, or if the models cannot be compared in either way.
    """
    comparisons = {by: compared(first, second, by, scoring) if by in ways else None for by in WAYS}
    if not any(comparisons.values()):
        return None
    keys = {"accuracy_difference": "difference"} | {key: key for key in ("ci95", "p_value", "sign_flip_p_value")}
    by_logits, by_match = comparisons["logits"] or {}, comparisons["match"] or {}
    return {
        **{key: by_logits.get(name) for key, name in keys.items()},
        "test": scoring.test,
        **{f"match_{key}": by_match.get(name) for key, name in keys.items()},
    }


def compare_all(models: Mapping[str, WindowPredictions], scoring: Scoring) -> list[dict[str, Any]]:
    """Compare all pairs in `PAIRS` that were evaluated.

    There is one question about the baseline and one about linear decoders. p-values are corrected for the number of
    comparisons that answer the same question (Holm 1979).

    Returns
    -------
    list of dict
        For each pair: the difference (first minus second, over all seeds, mean over participants), its interval, and
        the p-value of the test that belongs to this interval, plain and corrected; that of sign flips; McNemar's test
        on those windows of the first seed that do not overlap; and the difference for each seed.
    """
    return [row for question in PAIRS for row in _answered(question, models, scoring)]


def _answered(
    question: Sequence[tuple[str, str, By]], models: Mapping[str, WindowPredictions], scoring: Scoring
) -> list[dict[str, Any]]:
    rows = []
    for one, other, by in question:
        if one in models and other in models:
            comparison = compared(models[one], models[other], by, scoring)
            if comparison:
                rows.append({"first": one, "second": other, "by": by, **comparison})
    for row, p_value in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_holm"] = p_value
    return rows


def compared(first: WindowPredictions, second: WindowPredictions, by: By, scoring: Scoring) -> dict[str, Any] | None:
    """Compare two models by one kind of decision: an entry of `compare_all`, without names and correction.

    Parameters
    ----------
    first, second : WindowPredictions
        What both models say of the same windows.
    by : {"logits", "match", "retrieval"}
        The kind of decision.
    scoring : Scoring
        How intervals and tests are made.

    Returns
    -------
    dict, or None with fewer than two participants, or if a model does not make this kind of decision
    """
    first_hits, second_hits = hits(first, by, scoring), hits(second, by, scoring)
    if first_hits is None or second_hits is None:
        return None
    differences = _participant_differences(first_hits, second_hits)
    found = mean_of(differences, scoring)
    if found is None:
        return None
    seeds = sorted(set(first_hits["seed"]) & set(second_hits["seed"]))
    return {
        "difference": found.value,
        "ci95": found.interval,
        "p_value": found.p_value,
        "test": scoring.test,
        "sign_flip_p_value": sign_flip_p(differences, scoring),
        "mcnemar": mcnemar(
            *(frame[frame["seed"] == frame["seed"].min()] for frame in (first_hits, second_hits)), scoring=scoring
        ),
        "by_seed": [
            float(
                _participant_differences(
                    first_hits[first_hits["seed"] == seed], second_hits[second_hits["seed"] == seed]
                ).mean()
            )
            for seed in seeds
        ],
    }


def hits(windows: WindowPredictions, by: By, scoring: Scoring) -> pd.DataFrame | None:
    """Return whether each window is decided correctly, as columns `seed fold trial participant correct`.

    The result is None if the model does not make this kind of decision.
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
    decisions = decide(
        windows, WAYS[by], length_s=scoring.window_s, window_s=scoring.window_s, stride_s=scoring.stride_s
    )
    return decisions.table[columns].assign(correct=decisions.correct)


def mcnemar(first: pd.DataFrame, second: pd.DataFrame, *, scoring: Scoring) -> dict[str, Any]:
    """Compare hits on the same windows by McNemar's exact test (1947).

    Only windows that do not overlap are used. The test assumes that windows are independent, but those of one
    participant are not quite, so it is weaker evidence than the test over participants.
    """
    from statsmodels.stats.contingency_tables import mcnemar as exact

    number = first.groupby(["seed", "fold", "trial"]).cumcount().to_numpy()
    disjoint = number % max(1, round(np.ceil(scoring.window_s / scoring.stride_s - 1e-9))) == 0
    first_correct, second_correct = (frame["correct"].to_numpy(dtype=bool)[disjoint] for frame in (first, second))
    table = np.array(
        [
            [np.sum(first_correct & second_correct), np.sum(first_correct & ~second_correct)],
            [np.sum(~first_correct & second_correct), np.sum(~first_correct & ~second_correct)],
        ]
    )
    return {
        "only_first": int(table[0, 1]),
        "only_second": int(table[1, 0]),
        "n_windows": int(disjoint.sum()),
        "p_value": float(exact(table, exact=True).pvalue),
    }


def _participant_differences(first: pd.DataFrame, second: pd.DataFrame) -> Doubles:
    first_accuracy, second_accuracy = (
        frame["correct"].astype(np.float64).groupby(frame["participant"]).mean() for frame in (first, second)
    )
    differences: Doubles = np.asarray((first_accuracy - second_accuracy).dropna(), dtype=np.float64)
    return differences


def compare_with_control(
    real: WindowPredictions,
    control: WindowPredictions,
    scoring: Scoring,
    rows: Sequence[Mapping[By, Bools]] = (),
) -> dict[str, Any]:
    """Compare the accuracies of one model on real and control data, participant by participant.

    Parameters
    ----------
    real, control : WindowPredictions
        Test windows of real data and of control data.
    scoring : Scoring
        Widening of intervals.
    rows : sequence of mapping of str to ndarray of bool
        Windows of real and of control data that can be compared, by kind of decision; empty for all.

    Returns
    -------
    dict
        Accuracy difference (real minus control), its interval and p-value, by logits and by match.
    """
    result: dict[str, Any] = {}
    for by, prefix in zip(WAYS, ("", "match_"), strict=True):
        keys = [f"{prefix}accuracy_difference", f"{prefix}ci95", f"{prefix}p_value"]
        result |= dict.fromkeys(keys)
        real_rows, control_rows = (
            (real, control) if not rows else (real.subset(rows[0][by]), control.subset(rows[1][by]))
        )
        if not len(real_rows.table) or not len(control_rows.table):
            continue
        real_hits, control_hits = hits(real_rows, by, scoring), hits(control_rows, by, scoring)
        if real_hits is None or control_hits is None:
            continue
        found = mean_of(_participant_differences(real_hits, control_hits), scoring)
        if found is not None:
            result |= dict(zip(keys, (found.value, found.interval, found.p_value), strict=True))
    return result

"""Compare models on the same windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from predann_bids.learning.evaluation import Aggregation, Decisions, WindowPredictions, decide
from predann_bids.learning.statistics import (
    SIGN_FLIP,
    Floats,
    Grid,
    difference_interval,
    holm,
    overlap_corrected_p,
    sign_flip_p,
)

By = Literal["logits", "match"]
WAYS: Mapping[By, Aggregation] = {"logits": "mean", "match": "match"}
# the pairs that are reported, all of them corrected together
PAIRS: tuple[tuple[str, str, By], ...] = (
    ("predann", "baseline", "logits"),
    ("predann", "baseline", "match"),
    ("predann", "linear", "match"),
    ("predann", "linear_whitened", "match"),
)


def compare(first: WindowPredictions, second: WindowPredictions, grid: Grid) -> dict[str, Any] | None:
    """Compare the accuracies of two models on the same windows, participant by participant.

    Returns
    -------
    dict
        `accuracy_difference` (first minus second, mean of participants), its bootstrap interval over participants, and
        the p-value of the two-sided sign-flip test; the same by match. None with fewer than two participants, or when
        the models can be compared in neither way.
    """
    found = {by: _compared(first, second, by, grid) for by in WAYS}
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


def compare_all(models: Mapping[str, WindowPredictions], grid: Grid) -> list[dict[str, Any]]:
    """Compare every pair of `PAIRS` that was evaluated, with p-values corrected for their number (Holm 1979).

    Returns
    -------
    list of dict
        For each pair the difference (first minus second, mean of participants over all seeds), its interval, the
        p-value of the sign-flip test, plain and corrected; a t test corrected for overlapping training sets; McNemar's
        test on paired windows of the first seed that do not overlap; and the difference with each seed.
    """
    rows = []
    for one, other, by in PAIRS:
        if one in models and other in models:
            found = _compared(models[one], models[other], by, grid)
            if found:
                rows.append({"first": one, "second": other, "by": by, **found})
    for row, p_value in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_holm"] = p_value
    return rows


def _compared(first: WindowPredictions, second: WindowPredictions, by: By, grid: Grid) -> dict[str, Any] | None:
    how = WAYS[by]
    if how not in first.ways or how not in second.ways:
        return None
    decided = [_decide(windows, how, grid) for windows in (first, second)]
    differences = _participant_differences(*decided)
    interval = difference_interval(differences, grid)
    if interval is None:
        return None
    alone = [_decide(windows.of_seed(int(windows.table["seed"].min())), how, grid) for windows in (first, second)]
    seeds = sorted(set(decided[0].table["seed"]) & set(decided[1].table["seed"]))
    return {
        "difference": float(differences.mean()),
        "ci95": interval,
        "p_value": sign_flip_p(differences, grid),
        "test": SIGN_FLIP,
        "overlap_p_value": overlap_corrected_p(differences, grid),
        "mcnemar": mcnemar(alone[0], alone[1], grid),
        "by_seed": [
            float(_participant_differences(*(_of_seed(decisions, seed) for decisions in decided)).mean())
            for seed in seeds
        ],
    }


def mcnemar(first: Decisions, second: Decisions, grid: Grid) -> dict[str, Any]:
    """Compare decisions on the same windows by McNemar's exact test (1947).

    Only windows that do not overlap are paired. The test takes windows for independent, which those of one participant
    are not quite: it says less than the test over participants.
    """
    from statsmodels.stats.contingency_tables import mcnemar as exact

    place = first.table.groupby(["seed", "fold", "trial"]).cumcount().to_numpy()
    apart = place % max(1, round(np.ceil(grid.window_s / grid.stride_s - 1e-9))) == 0
    right, other = first.correct[apart], second.correct[apart]
    table = np.array(
        [[np.sum(right & other), np.sum(right & ~other)], [np.sum(~right & other), np.sum(~right & ~other)]]
    )
    return {
        "only_first": int(table[0, 1]),
        "only_second": int(table[1, 0]),
        "n_windows": int(apart.sum()),
        "p_value": float(exact(table, exact=True).pvalue),
    }


def _decide(windows: WindowPredictions, how: Aggregation, grid: Grid) -> Decisions:
    return decide(windows, how, length_s=grid.window_s, window_s=grid.window_s, stride_s=grid.stride_s)


def _of_seed(decisions: Decisions, seed: int) -> Decisions:
    mine = (decisions.table["seed"] == seed).to_numpy()
    return Decisions(decisions.table[mine].reset_index(drop=True), decisions.scores[mine], decisions.predicted[mine])


def _participant_differences(first: Decisions, second: Decisions) -> Floats:
    means = [_participant_means(decisions) for decisions in (first, second)]
    differences: Floats = np.asarray((means[0] - means[1]).dropna(), dtype=np.float64)
    return differences


def _participant_means(decisions: Decisions) -> pd.Series[float]:
    correct = pd.Series(decisions.correct.astype(np.float64))
    return correct.groupby(decisions.table["participant"].to_numpy()).mean()


def compare_with_control(real: WindowPredictions, control: WindowPredictions, grid: Grid) -> dict[str, Any]:
    """Subtract the accuracy on control data from that on real data, participant by participant, of one model."""
    result: dict[str, Any] = {}
    for how, prefix in zip(WAYS.values(), ("", "match_"), strict=True):
        keys = [f"{prefix}accuracy_difference", f"{prefix}ci95", f"{prefix}p_value"]
        result |= dict.fromkeys(keys)
        if how not in real.ways or how not in control.ways:
            continue
        found = _participant_differences(_decide(real, how, grid), _decide(control, how, grid))
        limits = difference_interval(found, grid)
        if limits is not None:
            result |= dict(zip(keys, (float(found.mean()), limits, sign_flip_p(found, grid)), strict=True))
    return result

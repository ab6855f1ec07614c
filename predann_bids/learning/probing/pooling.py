"""Pool the counts of several folds, and turn them into accuracies, intervals and p-values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.learning.probing.counts import WAYS, Probe, Tally, plain_values
from predann_bids.learning.statistics import Scoring, holm, mean_of, ratio_interval


def pool_probes(parts: Sequence[Probe], scoring: Scoring, *, model: str = "predann") -> dict[str, Any]:
    """Pool the counts of several folds: compute the entry `uses` of metrics.json.

    A participant who is tested in several folds counts once, with all windows. Losses of accuracy are means over
    participants; p-values are from t tests, corrected for the number of bands or regions (Holm).

    Parameters
    ----------
    parts : sequence of Probe
        At least one probe; all of decoders with the same channels, delays, bands and regions.
    scoring : Scoring
        Widening of intervals.
    model : str
        Name of the model.

    Returns
    -------
    dict
        As it is written to metrics.json.

    Raises
    ------
    ValueError
        The probes do not have the same channels, delays, bands or regions.
    """
    whole = _add(parts)
    bands = [asdict(band) for band in whole.bands]
    regions = [{"name": name, "channels": list(members)} for name, members in whole.regions.items()]
    losses = _losses(whole.by_channel)
    return {
        "model": model,
        "full": {
            f"{way}accuracy": _share(whole.by_band.hits[0, :, i], whole.by_band.windows, scoring)[0]
            for i, way in enumerate(WAYS)
        },
        "delay": _delay_curve(whole, scoring),
        "bands": _with_losses(bands, whole.by_band, scoring),
        "channels": [
            {
                "name": name,
                "position": plain_values(position) if np.isfinite(position).all() else None,
                **{f"{way}drop": _mean(losses[number, :, i]) for i, way in enumerate(WAYS)},
            }
            for number, (name, position) in enumerate(zip(whole.channels, whole.positions, strict=True))
        ],
        "regions": _with_losses(regions, whole.by_region, scoring),
        "similarity": _similarity(whole, scoring),
    }


def _delay_curve(whole: Probe, scoring: Scoring) -> dict[str, Any]:
    tally = whole.by_delay
    curves = {f"{way}accuracy": tally.hits[:, :, i] for i, way in enumerate(WAYS)}
    curve: dict[str, Any] = {"delay_s": list(whole.delays_s), "trained_delay_s": whole.trained_delay_s}
    names = {"accuracy": "ci95", "match_accuracy": "match_ci95", "moment_mrr": "moment_mrr_ci95"}
    for name, sums in {**curves, "moment_mrr": whole.reciprocal_ranks}.items():
        shares = [_share(row, tally.windows, scoring) for row in sums]
        curve[name], curve[names[name]] = ([share[part] for share in shares] for part in (0, 1))
    return curve | {"moment_mrr_chance": _share(whole.guessed_ranks, tally.windows, scoring)[0]}


def _share(sums: Doubles, counts: Doubles, scoring: Scoring) -> tuple[float | None, list[float] | None]:
    """Return the sum over participants divided by the number of their windows, and its interval."""
    tested = counts > 0
    if not tested.any():
        return None, None
    return float(sums.sum() / counts.sum()), ratio_interval(sums[tested], counts[tested], scoring)


def _losses(tally: Tally) -> Doubles:
    """Return the accuracy lost under all conditions but the first, (conditions - 1, participants with windows, 2)."""
    tested = tally.windows > 0
    rates = tally.hits[:, tested] / tally.windows[tested][:, None]
    losses: Doubles = rates[:1] - rates[1:]
    return losses


def _with_losses(rows: Sequence[dict[str, Any]], tally: Tally, scoring: Scoring) -> list[dict[str, Any]]:
    losses = _losses(tally)
    for way_index, way in enumerate(WAYS):
        by_row = [losses[number, :, way_index] for number in range(len(rows))]
        means = [mean_of(loss, scoring) for loss in by_row]
        corrected = holm([mean.p_value if mean else None for mean in means])
        for row, loss, mean, p_value in zip(rows, by_row, means, corrected, strict=True):
            row[f"{way}drop"] = _mean(loss)
            row[f"{way}ci95"] = mean.interval if mean else None
            row[f"{way}p_holm"] = p_value
    return list(rows)


def _similarity(whole: Probe, scoring: Scoring) -> dict[str, Any]:
    defined = np.isfinite(whole.similarity)
    correlations, n_conditions = whole.similarity[defined], whole.n_conditions[defined]
    mean = mean_of(correlations, scoring)
    return {
        "correlation": _mean(correlations),
        "ci95": mean.interval if mean else None,
        "p_value": mean.p_value if mean else None,
        "n_conditions": round(float(n_conditions.mean())) if len(n_conditions) else 0,
    }


def _add(parts: Sequence[Probe]) -> Probe:
    """Add counts participant by participant, and average correlations, weighted by their numbers of conditions."""
    first = parts[0]
    for part in parts[1:]:
        for name in ("channels", "delays_s", "bands", "regions"):
            if getattr(part, name) != getattr(first, name):
                raise ValueError(f"probes of decoders with different {name} cannot be pooled")
    people = tuple(sorted({name for part in parts for name in part.participants}))

    def total(values: Callable[[Probe], Doubles], axis: int) -> Doubles:
        shape = list(values(first).shape)
        shape[axis] = len(people)
        summed = np.zeros(shape)
        for part in parts:
            rows = [people.index(name) for name in part.participants]
            np.moveaxis(summed, axis, 0)[rows] += np.moveaxis(values(part), axis, 0)
        return summed

    def tally(name: str) -> Tally:
        return Tally(
            total(lambda part: getattr(part, name).windows, 0), total(lambda part: getattr(part, name).hits, 1)
        )

    conditions = total(lambda p: np.where(np.isfinite(p.similarity), p.n_conditions, 0), 0)
    weighted = total(lambda p: np.nan_to_num(p.similarity) * p.n_conditions, 0)
    similarity = np.full(len(people), np.nan)
    np.divide(weighted, conditions, out=similarity, where=conditions > 0)
    return replace(
        first,
        participants=people,
        by_delay=tally("by_delay"),
        reciprocal_ranks=total(lambda part: part.reciprocal_ranks, 1),
        guessed_ranks=total(lambda part: part.guessed_ranks, 0),
        by_band=tally("by_band"),
        by_region=tally("by_region"),
        by_channel=tally("by_channel"),
        similarity=similarity,
        n_conditions=conditions,
    )


def _mean(values: Doubles) -> float | None:
    return float(values.mean()) if len(values) else None

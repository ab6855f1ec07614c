"""Tables of the group report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from predann_bids.report.evidence import (
    CONDITIONS,
    RETRIEVAL_KINDS,
    Models,
    comparison_rows,
    evaluated,
    match_chance,
    retrieval_kinds,
    split_results,
)
from predann_bids.report.group.figures import BY_LOGITS, BY_MATCH, COMPARED, style_of
from predann_bids.report.table import Column, Kind, Table

# every name that a table can have
TABLES = (
    "models",
    "comparisons",
    "permutation",
    "control",
    "retrieval",
    "regions",
    "channels",
    "bands",
    "splits",
    "by_participant",
    "by_song",
    "by_fold",
)


def all_tables(metrics: Mapping[str, Any], predictions: pd.DataFrame) -> dict[str, Table]:
    """Make every table that the scores allow, by name, in the order of the report.

    Parameters
    ----------
    metrics : mapping
        Content of metrics.json.
    predictions : DataFrame
        Content of predictions.tsv.
    """
    models = evaluated(metrics)
    made = [
        _model_table(models, metrics),
        _comparison_table(metrics),
        _permutation_table(models),
        _control_table(models, metrics),
        _retrieval_table(models),
        _region_table(metrics),
        _channel_table(metrics),
        _band_table(metrics),
        _split_table(metrics),
        _breakdown_table(models, "by_participant", "By participant", "Participant"),
        _breakdown_table(models, "by_stimulus", "By song", "Song"),
        _fold_table(predictions, models),
    ]
    return {table.name: table for table in made if table and table.values}


def _model_table(models: Models, metrics: Mapping[str, Any]) -> Table:
    chance, n_songs = metrics.get("chance"), metrics["protocol"]["n_stimuli"]
    logits = ("accuracy", "ci95", "balanced_accuracy", "top3_accuracy")
    match = ("match_accuracy", "match_ci95")
    shown = (*logits, *match) if any(s.get("accuracy") is not None for s in models.values()) else match
    columns: dict[str, Column] = {
        "accuracy": Column("Accuracy", group=BY_LOGITS),
        "ci95": Column("95 % interval", "interval", BY_LOGITS),
        "balanced_accuracy": Column("Balanced", group=BY_LOGITS),
        "top3_accuracy": Column("Top 3", group=BY_LOGITS),
        "match_accuracy": Column("Accuracy", group=BY_MATCH),
        "match_ci95": Column("95 % interval", "interval", BY_MATCH),
    }
    guesses = {
        "accuracy": chance,
        "balanced_accuracy": chance,
        "top3_accuracy": 3 / n_songs if n_songs > 3 else None,
        "match_accuracy": next((match_chance(scores, chance) for scores in models.values()), chance),
    }
    rows = [(style_of(model).name, *(scores.get(key) for key in shown)) for model, scores in models.items()]
    guess = ("Chance", *(guesses.get(key) for key in shown))
    heading = (Column("Model", "name"), *(columns[key] for key in shown))
    return Table("models", "Models", heading, (*rows, guess), guess=True)


def _comparison_table(metrics: Mapping[str, Any]) -> Table | None:
    rows = [row for row in comparison_rows(metrics) if row.get("difference") is not None]
    optional = {
        "p_holm": Column("p, Holm", "p"),
        "overlap_p_value": Column("p, overlap", "p"),
    }
    shown = [key for key in optional if any(row.get(key) is not None for row in rows)]
    mcnemar = any(row.get("mcnemar") for row in rows)
    columns = [
        Column("First − second", "name"),
        Column("By", "name"),
        Column("Difference", "points"),
        Column("95 % interval", "points_interval"),
        Column("p", "p"),
        *(optional[key] for key in shown),
    ]
    if mcnemar:
        parts: tuple[tuple[str, Kind], ...] = (
            ("Only 1st right", "count"),
            ("Only 2nd right", "count"),
            ("p", "p"),
        )
        columns += [Column(name, kind, "McNemar") for name, kind in parts]
    keys = ("difference", "ci95", "p_value", *shown)
    values = [
        (
            f"{style_of(row['first']).name} − {style_of(row['second']).name}",
            COMPARED[row["by"]].removeprefix("By "),
            *(row.get(key) for key in keys),
            *(_mcnemar(row) if mcnemar else ()),
        )
        for row in rows
    ]
    return Table("comparisons", "All comparisons", tuple(columns), tuple(values))


def _mcnemar(row: Mapping[str, Any]) -> tuple[Any, ...]:
    found = row.get("mcnemar") or {}
    return tuple(found.get(key) for key in ("only_first", "only_second", "p_value"))


def _permutation_table(models: Models) -> Table | None:
    columns = (
        Column("Model", "name"),
        Column("By", "name"),
        Column("Accuracy"),
        Column("Mean of the null"),
        Column("95 % of the null", "interval"),
        Column("p", "p"),
        Column("p, Holm", "p"),
        Column("Permutations", "count"),
    )
    values = []
    for model, scores in models.items():
        found = scores.get("permutation") or {}
        for by, prefix in (("song logits", ""), ("match", "match_")):
            if found.get(f"{prefix}p_value") is None:
                continue
            keys = (f"{prefix}{key}" for key in ("null_mean", "null_ci95", "p_value", "p_holm"))
            accuracy = scores.get(f"{prefix}accuracy")
            values.append((style_of(model).name, by, accuracy, *(found.get(key) for key in keys), found.get("n")))
    return Table("permutation", "Permuted labels", columns, tuple(values))


def _control_table(models: Models, metrics: Mapping[str, Any]) -> Table | None:
    control = (metrics.get("control") or {}).get("fingerprint")
    if not control:
        return None
    columns = (
        Column("Model", "name"),
        Column("By", "name"),
        Column("Control", "name"),
        Column("Accuracy", "share", "Real data"),
        Column("95 % interval", "interval", "Real data"),
        Column("Accuracy", "share", "Control"),
        Column("95 % interval", "interval", "Control"),
        Column("Difference", "points", "Real − control"),
        Column("95 % interval", "points_interval", "Real − control"),
        Column("p", "p", "Real − control"),
    )
    values = [
        row
        for model, scores in models.items()
        for way in (("song logits", ""), ("match", "match_"))
        for condition in CONDITIONS
        if (row := _control_row(model, scores, control.get(condition) or {}, way, condition))
    ]
    return Table("control", "Real data against controls", columns, (*values, *_band_power_rows(control)))


def _control_row(
    model: str, scores: Mapping[str, Any], found: Mapping[str, Any], way: tuple[str, str], condition: str
) -> tuple[Any, ...] | None:
    by, prefix = way
    control = (found.get("models") or {}).get(model) or {}
    difference = (found.get("differences") or {}).get(model) or {}
    if control.get(f"{prefix}accuracy") is None:
        return None
    return (
        style_of(model).name,
        by,
        condition,
        scores.get(f"{prefix}accuracy"),
        scores.get(f"{prefix}ci95"),
        control.get(f"{prefix}accuracy"),
        control.get(f"{prefix}ci95"),
        *(difference.get(f"{prefix}{key}") for key in ("accuracy_difference", "ci95", "p_value")),
    )


def _band_power_rows(control: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    found = control.get("band_power") or {}
    real = found.get("real") or {}
    return [
        ("Band power alone", "classifier", condition, real.get("accuracy"), real.get("ci95"),
         value["accuracy"], value.get("ci95"), None, None, None)
        for condition in CONDITIONS
        if (value := found.get(condition)) and value.get("accuracy") is not None
    ]  # fmt: skip


def _retrieval_table(models: Models) -> Table | None:
    columns = (
        Column("Model", "name"),
        Column("Searched for", "name"),
        Column("Candidates", "candidates"),
        Column("Found", "share", "Top 1"),
        Column("95 % interval", "interval", "Top 1"),
        Column("Chance", "share", "Top 1"),
        *(Column(name, "share", f"Top {k}") for k in (5, 10) for name in ("Found", "Chance")),
        Column("Mean", "number", "Reciprocal rank"),
        Column("95 % interval", "number_interval", "Reciprocal rank"),
        Column("Chance", "number", "Reciprocal rank"),
    )
    keys = (
        *("n_candidates", "top1", "ci95", "chance_top1", "top5", "chance_top5", "top10", "chance_top10"),
        *("mean_reciprocal_rank", "mean_reciprocal_rank_ci95", "chance_mean_reciprocal_rank"),
    )
    values = [
        (style_of(model).name, name.lower(), *(found.get(key) for key in keys))
        for kind, name in RETRIEVAL_KINDS.items()
        for model, scores in models.items()
        if (found := retrieval_kinds(scores).get(kind))
    ]
    return Table("retrieval", "What is found", columns, tuple(values))


DROP_COLUMNS = (
    Column("Lost", "points", BY_LOGITS),
    Column("95 % interval", "points_interval", BY_LOGITS),
    Column("p, Holm", "p", BY_LOGITS),
    Column("Lost", "points", BY_MATCH),
    Column("95 % interval", "points_interval", BY_MATCH),
    Column("p, Holm", "p", BY_MATCH),
)
DROP_KEYS = ("drop", "ci95", "p_holm", "match_drop", "match_ci95", "match_p_holm")


def _region_table(metrics: Mapping[str, Any]) -> Table | None:
    regions = (metrics.get("uses") or {}).get("regions") or []
    columns = (Column("Region", "name"), *DROP_COLUMNS, Column("Channels", "name"))
    values = [(r["name"], *map(r.get, DROP_KEYS), ", ".join(r.get("channels") or ())) for r in regions]
    return Table("regions", "Accuracy lost without a region", columns, tuple(values))


def _channel_table(metrics: Mapping[str, Any]) -> Table | None:
    channels = (metrics.get("uses") or {}).get("channels") or []
    columns = (Column("Channel", "name"), Column("Lost", "points", BY_LOGITS), Column("Lost", "points", BY_MATCH))
    values = [(channel["name"], channel.get("drop"), channel.get("match_drop")) for channel in channels]
    return Table("channels", "Accuracy lost without a channel and its neighbours", columns, tuple(values))


def _band_table(metrics: Mapping[str, Any]) -> Table | None:
    bands = (metrics.get("uses") or {}).get("bands") or []
    columns = (Column("Band", "name"), *DROP_COLUMNS)
    values = [(f"{b['name']}, {b['low_hz']:g}–{b['high_hz']:g} Hz", *map(b.get, DROP_KEYS)) for b in bands]
    return Table("bands", "Accuracy lost without a frequency band", columns, tuple(values))


SPLIT_COLUMNS: tuple[tuple[str, Kind], ...] = (
    ("Accuracy", "share"),
    ("95 % interval", "interval"),
    ("Chance", "share"),
)


def _split_table(metrics: Mapping[str, Any]) -> Table | None:
    results = split_results(metrics)
    if len(results) < 2:
        return None
    columns = (
        Column("Split", "name"),
        Column("Model", "name"),
        *(Column(name, kind, group) for group in (BY_LOGITS, BY_MATCH) for name, kind in SPLIT_COLUMNS),
    )
    values = []
    for result in results:
        chance = result.content.get("chance")
        for model, scores in evaluated(result.content).items():
            by_logits = (scores.get("accuracy"), scores.get("ci95"))
            by_match = (scores.get("match_accuracy"), scores.get("match_ci95"), match_chance(scores, chance))
            guess = None if by_logits[0] is None else chance
            values.append((result.split, style_of(model).name, *by_logits, guess, *by_match))
    return Table("splits", "Accuracy by what was held out", columns, tuple(values))


def _breakdown_table(models: Models, key: str, title: str, name: str) -> Table | None:
    names = list(dict.fromkeys(row for scores in models.values() for row in scores.get(key) or ()))
    names = sorted(names) if key == "by_participant" else names
    tables = [scores.get(key) or {} for scores in models.values()]
    rows = []
    for row in names:
        cells = [table.get(row) or {} for table in tables]
        windows = next((cell["n_windows"] for cell in cells if cell.get("n_windows") is not None), None)
        rows.append((row, windows, *(cell.get(a) for cell in cells for a in ("accuracy", "match_accuracy"))))
    first = (Column(name, "name"), Column("Windows", "count"))
    return _by_model("by_participant" if key == "by_participant" else "by_song", title, models, first, rows)


def _fold_table(predictions: pd.DataFrame, models: Models) -> Table | None:
    """Accuracy of each fold, from the shortest segments: a fold whose training failed stands out."""
    needed = {"model", "fold", "participant", "stimulus", "length", "aggregation", "predicted"}
    if not needed <= set(predictions.columns) or predictions.empty:
        return None
    shortest = predictions[predictions["length"] == predictions["length"].min()]
    correct = shortest.assign(correct=shortest["stimulus"] == shortest["predicted"])
    means = correct[correct["predicted"].notna()].groupby(["fold", "model", "aggregation"])["correct"].mean().to_dict()
    # every model, seed and way to decide has the same windows
    same = [column for column in ("model", "seed", "aggregation") if column in correct]
    first = correct[(correct[same] == correct[same].iloc[0]).all(axis=1)]
    rows = [
        (
            str(fold),
            part["participant"].nunique(),
            len(part),
            *(_float(means.get((fold, model, how))) for model in models for how in ("mean", "match")),
        )
        for fold, part in first.groupby("fold")
    ]
    heading = (Column("Fold", "name"), Column("Participants", "count"), Column("Windows", "count"))
    return _by_model("by_fold", "By fold", models, heading, rows)


def _by_model(
    name: str, title: str, models: Models, first: tuple[Column, ...], rows: Sequence[tuple[Any, ...]]
) -> Table | None:
    """Give each model a column by song logits and one by match, but none that is empty."""
    ways = ("Logits (%)", "Match (%)")
    columns = (*first, *(Column(way, "share", style_of(model).name) for model in models for way in ways))
    kept = [n for n in range(len(columns)) if n < len(first) or any(row[n] is not None for row in rows)]
    return Table(name, title, tuple(columns[n] for n in kept), tuple(tuple(row[n] for n in kept) for row in rows))


def _float(value: Any) -> float | None:
    return None if value is None or value != value else float(value)

"""The tables of an ensemble: its accuracy and that of its rivals, their differences, longer segments, the members."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from predann_bids.report.ensemble.sentences import shown_name
from predann_bids.report.table import Column, Table
from predann_bids.report.words.decisions import AGGREGATIONS

BY_LOGITS = ("mean", "max", "majority")


def make_tables(metrics: Mapping[str, Any]) -> dict[str, Table]:
    """Make all tables, by name.

    Parameters
    ----------
    metrics : mapping
        Content of the ensemble's metrics.json.
    """
    tables = (
        tabulate_accuracies(metrics),
        tabulate_differences(metrics),
        tabulate_lengths(metrics),
        tabulate_members(metrics),
    )
    return {table.name: table for table in tables if table.values}


def tabulate_accuracies(metrics: Mapping[str, Any]) -> Table:
    """Make a row for the average, each member and each average of seeds, and one for chance."""
    columns = (
        Column("Model", "name"),
        Column("Networks", "count"),
        Column("Accuracy"),
        Column("95 % interval", "interval"),
        Column("Balanced"),
        Column("95 % interval, balanced", "interval"),
        Column("Top 3"),
    )
    keys = ("accuracy", "ci95", "balanced_accuracy", "balanced_ci95", "top3_accuracy")
    rows = [
        (shown_name(name, metrics), metrics["networks"][name], *(scores[key] for key in keys))
        for name, scores in metrics["models"].items()
    ]
    n_songs, chance = metrics["protocol"]["n_stimuli"], metrics["chance"]
    guess = ("Chance", None, chance, None, chance, None, 3 / n_songs if n_songs > 3 else None)
    return Table("accuracy", "Accuracy by song logits", columns, (*rows, guess), guess=True)


def tabulate_differences(metrics: Mapping[str, Any]) -> Table:
    """Make a row for each rival of the average."""
    columns = (
        Column("Average of the runs minus ...", "name"),
        Column("Difference", "points"),
        Column("95 % interval", "points_interval"),
        Column("p", "p"),
        Column("p, Holm", "p"),
        Column("p, sign flips", "p"),
        Column("Only average right", "count", "McNemar"),
        Column("Only other right", "count", "McNemar"),
        Column("p", "p", "McNemar"),
    )
    rows = tuple(
        (
            shown_name(row["second"], metrics),
            *(row[key] for key in ("difference", "ci95", "p_value", "p_holm", "sign_flip_p_value")),
            *(row["mcnemar"][key] for key in ("only_first", "only_second", "p_value")),
        )
        for row in metrics["comparisons"]
    )
    return Table("differences", "What the average gains", columns, rows)


def tabulate_lengths(metrics: Mapping[str, Any]) -> Table:
    """Make a row for each length of the segment, with a column for each way to combine windows, and each rival."""
    models = metrics["models"]
    columns = [Column("Seconds", "name")]
    columns += [Column(AGGREGATIONS[how], group=shown_name(name, metrics)) for name in models for how in BY_LOGITS]
    lengths = list(models["ensemble"]["by_length"])
    rows = [(length, *(scores["by_length"][length][how] for scores in models.values() for how in BY_LOGITS))
            for length in lengths]  # fmt: skip
    return Table("by_length", "Length of the segment", tuple(columns), tuple(rows) if len(rows) > 1 else ())


def tabulate_members(metrics: Mapping[str, Any]) -> Table:
    """Make a row for each run."""
    columns = ("Run", "Preset", "Network", "Teacher", "Weight of PredANN", "Delay (s)", "Seeds")
    rows = tuple(
        (
            member["name"],
            member["preset"],
            member["encoders"],
            member["teacher"],
            f"{member['predann_weight']:g}",
            f"{member['delay']:g}",
            ", ".join(map(str, member["seeds"])),
        )
        for member in metrics["ensemble"]["members"]
    )
    return Table("members", "The runs", tuple(Column(name, "name") for name in columns), rows)

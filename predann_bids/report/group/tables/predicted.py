"""How well EEG predicts audio features."""

from __future__ import annotations

from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.predicted import WAYS, name_of
from predann_bids.report.group.tables import TABLES
from predann_bids.report.table import Column, Table


@TABLES.add("predicted")
def tabulate_predicted(evidence: GroupEvidence) -> Table:
    """Make a row for each kind of features."""
    keys = (("correlation", "Correlation", "number"), ("ci95", "95 % interval", "number_interval"))
    columns = (
        Column("Features", "name"),
        Column("Number", "count"),
        Column("Components", "count"),
        *(Column(heading, kind, mark.name) for mark in WAYS.values() for _, heading, kind in keys),  # type: ignore[arg-type]
        Column("Difference", "number", "PredANN minus linear"),
        Column("95 % interval", "number_interval", "PredANN minus linear"),
        Column("p", "p", "PredANN minus linear"),
    )
    values = []
    for row in evidence.metrics.get("predicts") or []:
        scores = [(row.get(way) or {}).get(key) for way in WAYS for key, *_ in keys]
        difference = row.get("difference") or {}
        compared = map(difference.get, ("value", "ci95", "p_value"))
        values.append((name_of(row), row["n_features"], row["n_components"], *scores, *compared))
    return Table("predicted", "What the EEG predicts", columns, tuple(values))

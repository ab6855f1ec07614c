"""What is retrieved."""

from __future__ import annotations

from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.tables import TABLES
from predann_bids.report.scores import retrieval_kinds
from predann_bids.report.table import Column, Table
from predann_bids.report.words.decisions import RETRIEVAL_KINDS, lower_first
from predann_bids.report.words.models import model_words

COLUMNS = {
    "n_candidates": Column("Candidates", "candidates"),
    "top1": Column("Found", "share", "Top 1"),
    "ci95": Column("95 % interval", "interval", "Top 1"),
    "chance_top1": Column("Chance", "share", "Top 1"),
    "top5": Column("Found", "share", "Top 5"),
    "chance_top5": Column("Chance", "share", "Top 5"),
    "top10": Column("Found", "share", "Top 10"),
    "chance_top10": Column("Chance", "share", "Top 10"),
    "mean_reciprocal_rank": Column("Mean", "number", "Reciprocal rank"),
    "mean_reciprocal_rank_ci95": Column("95 % interval", "number_interval", "Reciprocal rank"),
    "chance_mean_reciprocal_rank": Column("Chance", "number", "Reciprocal rank"),
}


@TABLES.add("retrieval")
def tabulate_retrieval(evidence: GroupEvidence) -> Table:
    """Make a row for each kind of retrieval and model."""
    values = tuple(
        (model_words(model).name, lower_first(name), *map(retrieval.get, COLUMNS))
        for kind, name in RETRIEVAL_KINDS.items()
        for model, scores in evidence.models.items()
        if (retrieval := retrieval_kinds(scores).get(kind))
    )
    columns = (Column("Model", "name"), Column("Searched for", "name"), *COLUMNS.values())
    return Table("retrieval", "What is found", columns, values)

"""Accuracy by participant, song and fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.tables import TABLES
from predann_bids.report.scores import Models
from predann_bids.report.table import Column, Table
from predann_bids.report.words.models import model_words

NEEDED = frozenset({"model", "fold", "participant", "stimulus", "length", "aggregation", "predicted"})


@TABLES.add("by_participant")
def tabulate_participants(evidence: GroupEvidence) -> Table:
    """Make a row for each participant."""
    names = sorted({name for scores in evidence.models.values() for name in scores.get("by_participant") or ()})
    heading = (Column("Participant", "name"), Column("Windows", "count"))
    rows = _rows(evidence.models, "by_participant", names)
    return _by_model("by_participant", "By participant", evidence.models, heading, rows)


@TABLES.add("by_song")
def tabulate_songs(evidence: GroupEvidence) -> Table:
    """Make a row for each song."""
    names = dict.fromkeys(name for scores in evidence.models.values() for name in scores.get("by_stimulus") or ())
    heading = (Column("Song", "name"), Column("Windows", "count"))
    rows = _rows(evidence.models, "by_stimulus", list(names))
    return _by_model("by_song", "By song", evidence.models, heading, rows)


def _rows(models: Models, key: str, names: Sequence[str]) -> list[tuple[Any, ...]]:
    tables = [scores.get(key) or {} for scores in models.values()]
    rows = []
    for name in names:
        cells = [table.get(name) or {} for table in tables]
        windows = next((cell["n_windows"] for cell in cells if cell.get("n_windows") is not None), None)
        rows.append((name, windows, *(cell.get(a) for cell in cells for a in ("accuracy", "match_accuracy"))))
    return rows


@TABLES.add("by_fold")
def tabulate_folds(evidence: GroupEvidence) -> Table | None:
    """Make a row for each fold, from the shortest segments: a fold whose training failed stands out."""
    predictions = evidence.predictions
    if not set(predictions.columns) >= NEEDED or predictions.empty:
        return None
    shortest = predictions[predictions["length"] == predictions["length"].min()]
    shortest = shortest.assign(correct=shortest["stimulus"] == shortest["predicted"])
    decided = shortest[shortest["predicted"].notna()]
    means = decided.groupby(["fold", "model", "aggregation"])["correct"].mean().to_dict()
    # every model, seed and way to decide has the same windows
    same = [column for column in ("model", "seed", "aggregation") if column in shortest]
    first = shortest[(shortest[same] == shortest[same].iloc[0]).all(axis=1)]
    rows = [
        (
            str(fold),
            part["participant"].nunique(),
            len(part),
            *(_float(means.get((fold, model, how))) for model in evidence.models for how in ("mean", "match")),
        )
        for fold, part in first.groupby("fold")
    ]
    heading = (Column("Fold", "name"), Column("Participants", "count"), Column("Windows", "count"))
    return _by_model("by_fold", "By fold", evidence.models, heading, rows)


def _by_model(
    name: str, title: str, models: Models, heading: tuple[Column, ...], rows: Sequence[tuple[Any, ...]]
) -> Table:
    """Give each model a column by song logits and one by match, leaving out those that are empty."""
    ways = ("Logits (%)", "Match (%)")
    columns = (*heading, *(Column(way, "share", model_words(model).name) for model in models for way in ways))
    kept = [n for n in range(len(columns)) if n < len(heading) or any(row[n] is not None for row in rows)]
    return Table(name, title, tuple(columns[n] for n in kept), tuple(tuple(row[n] for n in kept) for row in rows))


def _float(value: Any) -> float | None:
    return None if value is None or value != value else float(value)

"""The tables of a sweep's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from predann_bids.report.sweep.evidence import SweepEvidence
from predann_bids.report.sweep.results import SEED, VariedKey, value_text
from predann_bids.report.table import Column, Table
from predann_bids.report.words.decisions import WAYS
from predann_bids.report.words.models import model_words

MOST_COLUMNS = 12  # points side by side in a table


def tabulate_points(evidence: SweepEvidence, scores: pd.DataFrame) -> Table:
    """Make a row for each point and model, from the frame of `score_table`."""
    shown: list[tuple[Column, tuple[str, ...]]] = []
    for way in WAYS:
        shown.append((Column("Accuracy", group=way.title), (way.accuracy,)))
        shown.append((Column("95 % interval", "interval", way.title), (f"{way.interval}_low", f"{way.interval}_high")))
        shown.append((Column("p", "p", way.title), (f"{way.prefix}p_value",)))
        if scores[f"{way.prefix}chance"].dropna().astype(float).round(9).nunique() > 1:
            shown.append((Column("Chance", group=way.title), (f"{way.prefix}chance",)))
    for name, way in zip(("Logits − baseline", "Match − baseline"), WAYS, strict=True):
        shown.append((Column("Points", "points", name), (f"{way.prefix}minus_baseline",)))
        shown.append((Column("p", "p", name), (f"{way.prefix}minus_baseline_p",)))
    shown = [(column, names) for column, names in shown if scores[names[0]].notna().any()]
    rows = [
        (
            *(value_text(row[key.name]) for key in evidence.keys),
            model_words(row["model"]).name,
            *(_value([row[name] for name in names]) for _, names in shown),
        )
        for row in scores.to_dict("records")
    ]
    columns = (*_key_columns(evidence.keys), Column("Model", "name"), *(column for column, _ in shown))
    return Table("sweep", "All points", columns, tuple(rows))


def tabulate_seeds(evidence: SweepEvidence, seeds: pd.DataFrame) -> Table:
    """Make a row for each combination of the other keys and each model, from the frame of `seed_table`."""
    keys = [key for key in evidence.keys if key.dotted != SEED]
    ways = [way for way in WAYS if seeds[way.accuracy].notna().any()]
    columns = [*_key_columns(keys), Column("Model", "name"), Column("Seeds", "count")]
    for way in ways:
        columns += [Column("Mean", group=way.title), Column("SD", group=way.title)]
        columns += [Column("Lowest to highest", "interval", way.title)]
    rows = [
        (
            *(value_text(row[key.name]) for key in keys),
            model_words(row["model"]).name,
            row["n_seeds"],
            *(
                value
                for way in ways
                for value in (
                    _value([row[way.accuracy]]),
                    _value([row[f"{way.prefix}sd"]]),
                    _value([row[f"{way.prefix}lowest"], row[f"{way.prefix}highest"]]),
                )
            ),
        )
        for row in seeds.to_dict("records")
    ]
    return Table("sweep_over_seeds", "Over seeds", tuple(columns), tuple(rows))


def tabulate_breakdowns(evidence: SweepEvidence, breakdowns: Mapping[str, pd.DataFrame]) -> list[Table]:
    """Set the accuracies of the first model side by side, by song and by participant, unless there are too many.

    Parameters
    ----------
    evidence : SweepEvidence
        The results.
    breakdowns : mapping
        Frames of `breakdown_table`, by 'stimulus' and 'participant'.
    """
    if len(evidence.results) > MOST_COLUMNS:
        return []
    tables = []
    for by, name in (("stimulus", "Song"), ("participant", "Participant")):
        frame = breakdowns[by]
        frame = frame[frame["model"] == evidence.model]
        for way in WAYS:
            wide = frame.pivot(index=by, columns="point", values=way.accuracy)
            if wide.notna().any().any():
                wide = wide.loc[list(dict.fromkeys(frame[by]))]
                columns = (Column(name, "name"), *(Column(evidence.names[label]) for label in evidence.names))
                rows = [(str(row), *(_value([wide.loc[row, label]]) for label in evidence.names)) for row in wide.index]
                title = f"{model_words(evidence.model).name} by {name.lower()}, {way.inside} (%)"
                tables.append(Table(f"sweep_by_{by}", title, columns, tuple(rows)))
    return tables


def _key_columns(keys: Sequence[VariedKey]) -> tuple[Column, ...]:
    return tuple(Column(key.axis, "name") for key in keys)


def _value(values: Sequence[Any]) -> Any:
    cells = [None if pd.isna(value) else value for value in values]
    if len(cells) == 1:
        value = cells[0]
        return int(value) if value is not None and float(value).is_integer() and value > 1 else value
    return None if None in cells else cells

"""The outcome of a sweep: what is printed, and what is raised."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Column, Table

from predann_bids.console import plain_console, say
from predann_bids.errors import SomeParticipantsFailed, UnusableData
from predann_bids.report import text
from predann_bids.report.sweep.results import PointResult, score_table, value_text
from predann_bids.report.words.decisions import WAYS, Way
from predann_bids.workflows.processes import Failure
from predann_bids.workflows.sweep.points import Sweep

MOST_IN_FULL = 8  # points


@dataclass(frozen=True)
class SweepOutcome:
    """The outcome of a sweep.

    Parameters
    ----------
    directory : Path
        Where the tables and the page are.
    results : tuple of PointResult
        Results of the finished points.
    failures : mapping
        Label of a point that failed, to what went wrong.
    """

    directory: Path
    results: tuple[PointResult, ...]
    failures: Mapping[str, Failure]


def raise_failures(sweep: Sweep, outcome: SweepOutcome) -> None:
    """Raise an error that names the points that failed, if any did.

    Raises
    ------
    SomeParticipantsFailed
        Some failed; the rest is complete.
    PredannError
        All failed: the error of the first.
    TryAgain
        Nothing failed, but other processes are still working on some points.
    """
    failures = outcome.failures
    if not failures:
        return
    names = {point.label: sweep.name_of(point) for point in sweep.points}
    busy = all(failure.may_pass for failure in failures.values())
    if len({failure.message for failure in failures.values()}) == 1 and not outcome.results:
        lines = [next(iter(failures.values())).message]
    else:
        lines = [f"{names[label]}: {failure.message}" for label, failure in failures.items()]
    if busy or not outcome.results:
        raise (next(iter(failures.values())).kind or UnusableData)("\n".join(lines))
    raise SomeParticipantsFailed("Some points failed; the rest is complete:\n" + "\n".join(lines))


def summarise(sweep: Sweep, outcome: SweepOutcome) -> None:
    """Print a summary: a row for each point and model, or for the first model alone when there are many points."""
    out = plain_console()
    table = Table(
        *(key.axis for key in sweep.keys), Column("model", no_wrap=True), *(f"{way.inside} (%)" for way in WAYS)
    )
    scores = score_table(outcome.results)
    if len(outcome.results) > MOST_IN_FULL:
        scores = scores[scores["model"] == scores["model"].iloc[0]]
    for row in scores.to_dict("records"):
        keys = [value_text(row[key.name]) for key in sweep.keys]
        table.add_row(*keys, row["model"], *(_share(row, way) for way in WAYS))
    for label in outcome.failures:
        values = next(point.values for point in sweep.points if point.label == label)
        state = "not done yet" if outcome.failures[label].may_pass else "failed"
        table.add_row(*(value_text(values[key.name]) for key in sweep.keys), state, "", "")
    out.print(table)
    page = outcome.directory / "sweep.html"
    shown = page if page.is_file() else outcome.directory / "sweep.tsv"
    say(f"{len(outcome.results)} of {len(sweep.points)} points: {shown}")


def _share(row: Mapping[Hashable, Any], way: Way) -> str:
    limits = [row[f"{way.interval}_{end}"] for end in ("low", "high")]
    interval = "" if None in limits or any(limit != limit for limit in limits) else f" ({text.interval_cell(limits)})"
    return text.cell(row[way.accuracy]) + interval

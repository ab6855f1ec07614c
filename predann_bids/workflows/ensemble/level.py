"""Average the song probabilities of finished group runs, score the average, and report it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from predann_bids.errors import CannotCreateOutput, WrongUsage
from predann_bids.files import check_place, read_json, write_json, write_text
from predann_bids.learning.ensemble.averaging import Candidate, Member, list_candidates, score_ensemble
from predann_bids.learning.evaluation.decisions import predictions_table
from predann_bids.learning.statistics import Scoring
from predann_bids.progress import Progress
from predann_bids.workflows.ensemble.agreement import refuse_different
from predann_bids.workflows.ensemble.reading import FinishedRun, find_run, name_runs, read_run


@dataclass(frozen=True)
class EnsembleOutcome:
    """What came of averaging runs.

    Parameters
    ----------
    directory : Path
        Where the files are.
    metrics : mapping
        Content of metrics.json.
    report : Path or None
        The page, if one was written.
    """

    directory: Path
    metrics: Mapping[str, Any]
    report: Path | None

    def lines(self) -> list[str]:
        """Say it in a few lines."""
        from predann_bids.report.ensemble.sentences import summary

        return [*summary(self.metrics), f"Report: {self.report or self.directory / 'metrics.json'}"]


def run_ensemble(
    paths: Sequence[Path], output: Path | None = None, *, model: str = "predann", report: bool = True
) -> EnsembleOutcome:
    """Average the song probabilities of finished group runs, window by window.

    Parameters
    ----------
    paths : sequence of Path
        Directories of group runs, or output directories with a single one.
    output : Path, optional
        Where to write; by default `ensemble` beside the first run.
    model : str
        The model of each run that is averaged.
    report : bool
        Whether to write the page.

    Returns
    -------
    EnsembleOutcome

    Raises
    ------
    WrongUsage
        There are fewer than two runs, or they were not tested on the same windows.
    MissingInput, UnusableData
        A run is not finished, or has no song probabilities.
    CannotCreateOutput
        The output directory holds something else, or cannot be written.
    """
    directories = [find_run(path) for path in paths]
    if len(directories) < 2:
        raise WrongUsage("An ensemble needs two or more runs. Give the directories of several group runs.")
    directory = output or directories[0].parent / "ensemble"
    _refuse_other_content(directory)
    with Progress("Reading runs", len(directories)) as progress:
        runs = []
        for place, name in zip(directories, name_runs(directories), strict=True):
            runs.append(read_run(place, name, model))
            progress.advance(note=name)
    refuse_different(runs)
    metrics, candidates = _scored(runs, model)
    write_text(directory / "predictions.tsv", _predictions(candidates, runs[0]))
    write_json(directory / "metrics.json", metrics)
    page = _report(directory, metrics) if report else None
    return EnsembleOutcome(directory, metrics, page)


def _refuse_other_content(directory: Path) -> None:
    """Refuse to write over a group run, or anything else that is no ensemble."""
    check_place(directory, "The ensemble")
    metrics = directory / "metrics.json"
    is_other = metrics.is_file() and "ensemble" not in read_json(metrics)
    if is_other or (directory / "config.toml").exists():
        raise CannotCreateOutput(f"{directory} holds a group run, which would be lost. Choose another place with -o.")


def _scored(runs: Sequence[FinishedRun], model: str) -> tuple[dict[str, Any], list[Candidate]]:
    """Put together the content of metrics.json."""
    first = runs[0]
    candidates = list_candidates([Member(run.name, run.windows) for run in runs])
    protocol = {key: first.protocol[key] for key in ("split", "n_folds", "n_participants", "n_stimuli", "window")}
    members = [
        {
            "name": run.name,
            "preset": run.protocol["preset"],
            "encoders": run.science.training.encoders,
            "teacher": ", ".join((run.science.training.teacher, *run.science.training.more_teachers)),
            "predann_weight": run.science.training.predann_weight,
            "delay": run.science.windows.delay,
            "seeds": [int(seed) for seed in run.windows.table["seed"].unique()],
        }
        for run in runs
    ]
    with Progress("Scoring", 1) as progress:
        scores = score_ensemble(candidates, first.labels, scoring_of(first))
        progress.advance()
    ensemble = {"averaged": "song probabilities", "model": model, "members": members}
    return {"ensemble": ensemble, "protocol": protocol, "chance": 1 / len(first.labels), **scores}, candidates


def scoring_of(run: FinishedRun) -> Scoring:
    """Return how a run's test windows lie, and how its intervals are made."""
    science = run.science
    return Scoring(
        science.windows.length,
        science.windows.stride,
        science.lengths,
        science.evaluation.resamples,
        science.training.seed,
        run.protocol.get("widening") or 1.0,
    )


def _predictions(candidates: Sequence[Candidate], run: FinishedRun) -> str:
    tables = [predictions_table(one.windows, run.labels, scoring_of(run), model=one.name) for one in candidates]
    whole = pd.concat(tables, ignore_index=True)
    return whole.to_csv(sep="\t", index=False, na_rep="n/a", quoting=csv.QUOTE_NONE)


def _report(directory: Path, metrics: Mapping[str, Any]) -> Path:
    from predann_bids.report.ensemble.page import write_ensemble_report

    with Progress("Writing the report", 1) as progress:
        page = write_ensemble_report(metrics, directory)
        progress.advance()
    return page

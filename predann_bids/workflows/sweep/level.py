"""A sweep: a group run for each point of a grid of configurations, and what they found in one table and one page.

Each point is a group run like any other, `OUTPUT_DIR/group/LABEL_POINT`; what all found together lies in
`OUTPUT_DIR/group/LABEL`, beside a note on each finished point by which it is found again.
"""

from __future__ import annotations

import hashlib
import shutil
import traceback
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Column, Table

from predann_bids import __version__
from predann_bids.bids.derivatives import read_derivatives
from predann_bids.bids.recordings import Selection
from predann_bids.config import Science, science_hash
from predann_bids.console import plain_console, say
from predann_bids.errors import (
    CannotCreateOutput,
    InvalidDataset,
    NothingSelected,
    SomeParticipantsFailed,
    TryAgain,
    UnusableData,
    WrongUsage,
)
from predann_bids.files import read_json, write_json, write_text, written_whole
from predann_bids.report.sweep.results import PointResult, score_table, value_text
from predann_bids.workflows.application import run_level
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.selecting import select
from predann_bids.workflows.processes import Failure, exclusive
from predann_bids.workflows.sweep.grid import Point, Sweep

FATAL = (InvalidDataset, NothingSelected, CannotCreateOutput)  # what no other point would escape
MOST_IN_FULL = 8  # points


@dataclass(frozen=True)
class SweepOutcome:
    """What came of a sweep.

    Parameters
    ----------
    directory : Path
        Where the tables and the page are.
    results : tuple of PointResult
        Of the finished points.
    failures : mapping
        Label of a point that failed, to what went wrong.
    """

    directory: Path
    results: tuple[PointResult, ...]
    failures: Mapping[str, Failure]


@dataclass(frozen=True)
class _Runs:
    """The points' group runs on one output directory."""

    sweep: Sweep
    bids_dir: Path
    output_dir: Path
    selection: Selection
    stimuli_dir: Path | None
    execution: Execution
    data: tuple[Any, ...] = field(default=(), repr=False)

    @property
    def directory(self) -> Path:
        return self.output_dir / "group" / self.sweep.label

    def of(self, point: Point) -> Path:
        return self.output_dir / "group" / point.label

    def note(self, point: Point) -> Path:
        """File that is written when a point is finished."""
        return self.directory / "points" / f"{point.label}.json"

    def fingerprint(self, point: Point) -> str:
        return science_hash(point.science.model_dump(mode="json", exclude={"preprocessing"}), *self.data)

    def is_finished(self, point: Point) -> bool:
        """Tell whether a point is done, with this configuration on these data, and nobody has changed it since."""
        metrics, note = self.of(point) / "metrics.json", self.note(point)
        if not (metrics.is_file() and note.is_file()):
            return False
        if self.execution.report and not (self.of(point) / "report.html").is_file():
            return False
        written = read_json(note)
        return written.get("ScienceHash") == self.fingerprint(point) and written.get("Metrics") == _digest(metrics)

    def finish(self, point: Point) -> None:
        found = {"ScienceHash": self.fingerprint(point), "Metrics": _digest(self.of(point) / "metrics.json")}
        values = {key.dotted: point.values[key.name] for key in self.sweep.keys}
        write_json(self.note(point), {"Label": point.label, "Values": values, **found})


def run_sweep(
    sweep: Sweep,
    bids_dir: Path,
    output_dir: Path,
    *,
    selection: Selection | None = None,
    stimuli_dir: Path | None = None,
    execution: Execution | None = None,
    validate: bool = False,
) -> SweepOutcome:
    """Do the group runs that are not done yet, then write the tables and the page of all that are.

    A point that fails does not stop the others, unless `execution` says so. Several processes may do the same sweep at
    once: each takes points that no other is doing.

    Raises
    ------
    MissingInput, NothingSelected
        There are no derivatives, or none that were asked for.
    InvalidDataset
        The dataset is not valid BIDS.
    WrongUsage
        The sweep has the name of a group run.
    """
    execution, selection = execution or Execution(), selection or Selection()
    derivatives = select(read_derivatives(output_dir), selection, output_dir)
    sources = [(derivative.paths.sidecar.name, derivative.sidecar.get("ScienceHash")) for derivative in derivatives]
    audio = list(_audio_files([stimuli_dir] if stimuli_dir else [bids_dir / "stimuli", output_dir / "stimuli"]))
    runs = _Runs(sweep, bids_dir, output_dir, selection, stimuli_dir, execution, (sources, audio, __version__))
    points = {point.label: point for point in sweep.points}
    if (runs.directory / "metrics.json").is_file():
        raise WrongUsage(f"{runs.directory} holds a group run. Choose another name for the sweep with --label.")
    failures = {
        label: failure
        for label, failure in _run_points(runs, validate=validate).items()
        # another process that was busy with it may have finished meanwhile
        if not (failure.kind is TryAgain and runs.is_finished(points[label]))
    }
    results = tuple(
        PointResult(point.label, point.values, read_json(runs.of(point) / "metrics.json"))
        for point in sweep.points
        if point.label not in failures and runs.is_finished(point)
    )
    outcome = SweepOutcome(runs.directory, results, failures)
    if results:
        _write_results(runs, outcome)
    return outcome


def raise_failures(sweep: Sweep, outcome: SweepOutcome) -> None:
    """Raise what says which points failed, if any did.

    Raises
    ------
    SomeParticipantsFailed
        Some failed, and the rest is complete.
    PredannError
        All failed: the error of the first.
    TryAgain
        Nothing failed, but other processes are still busy with some points.
    """
    failures = outcome.failures
    if not failures:
        return
    said = {point.label: sweep.said(point) for point in sweep.points}
    busy = all(failure.kind is TryAgain for failure in failures.values())
    if len({failure.message for failure in failures.values()}) == 1 and not outcome.results:
        lines = [next(iter(failures.values())).message]
    else:
        lines = [f"{said[label]}: {failure.message}" for label, failure in failures.items()]
    if busy or not outcome.results:
        raise (next(iter(failures.values())).kind or UnusableData)("\n".join(lines))
    raise SomeParticipantsFailed("Some points failed, the rest is complete:\n" + "\n".join(lines))


def summarise(sweep: Sweep, outcome: SweepOutcome) -> None:
    """Print a summary: a row for each point and model, or for the first model alone when there are many points."""
    table = Table(
        *(key.axis for key in sweep.keys), Column("model", no_wrap=True), "by song logits (%)", "by match (%)"
    )
    scores = score_table(outcome.results)
    if len(outcome.results) > MOST_IN_FULL:
        scores = scores[scores["model"] == scores["model"].iloc[0]]
    for row in scores.to_dict("records"):
        keys = [value_text(row[key.name]) for key in sweep.keys]
        table.add_row(*keys, row["model"], _share(row, ""), _share(row, "match_"))
    for label in outcome.failures:
        values = next(point.values for point in sweep.points if point.label == label)
        told = "not done yet" if outcome.failures[label].kind is TryAgain else "failed"
        table.add_row(*(value_text(values[key.name]) for key in sweep.keys), told, "", "")
    plain_console().print(table)
    page = outcome.directory / "sweep.html"
    shown = page if page.is_file() else outcome.directory / "sweep.tsv"
    say(f"{len(outcome.results)} of {len(sweep.points)} points: {shown}")


def _share(row: Mapping[Hashable, Any], prefix: str) -> str:
    accuracy, low, high = (row[f"{prefix}{name}"] for name in ("accuracy", "ci95_low", "ci95_high"))
    if accuracy is None or accuracy != accuracy:
        return "–"
    return f"{100 * accuracy:.1f}" + (
        f" ({100 * low:.1f} to {100 * high:.1f})" if low == low and low is not None else ""
    )


def _run_points(runs: _Runs, *, validate: bool) -> dict[str, Failure]:
    failures: dict[str, Failure] = {}
    for number, point in enumerate(runs.sweep.points, start=1):
        heading = f"Point {number} of {len(runs.sweep.points)}: {runs.sweep.said(point)}"
        kept = not runs.execution.overwrite and runs.is_finished(point)
        note = "kept as it is" if kept else f"group/{point.label}"
        say(f"{heading} ({note})", stderr=True)
        if kept:
            continue
        failure = _run_point(runs, point, validate=validate)
        validate = validate and failure is not None  # once is enough
        if failure:
            failures[point.label] = failure
            told = "Left out for now" if failure.kind is TryAgain else "Failed"
            say(f"{told}: {failure.message}", stderr=True)
            if runs.execution.stop_on_first_crash:
                break
    return failures


def _run_point(runs: _Runs, point: Point, *, validate: bool) -> Failure | None:
    log = runs.output_dir / "logs" / f"group_{point.label}.log"
    try:
        with exclusive(runs.note(point).with_suffix(".lock")):
            _take_over(runs, point)
            run_level(
                "group",
                runs.bids_dir,
                runs.output_dir,
                point.science,
                selection=runs.selection,
                stimuli_dir=runs.stimuli_dir,
                execution=runs.execution,
                validate=validate,
                label=point.label,
                folds=(),
            )
            runs.finish(point)
    except FATAL:
        raise
    except Exception as error:  # one point must not stop the others
        failure = Failure.of(error)
        if not isinstance(error, TryAgain):
            write_text(log, traceback.format_exc())
        return failure
    log.unlink(missing_ok=True)
    return None


# -- what points have in common ----------------------------------------------------------------------------------------


def _take_over(runs: _Runs, point: Point) -> None:
    """Give a new point what its nearest finished neighbour has trained.

    Points that differ in the weight of PredANN alone have the same baseline and linear decoders, for instance. Whether
    something really is the same, the group run decides by its hash; what is not is trained anew and replaced.
    """
    target = runs.of(point)
    if target.exists() or runs.execution.overwrite:
        return
    finished = [other for other in runs.sweep.points if other.label != point.label and runs.is_finished(other)]
    nearest = min(finished, key=lambda other: _distance(point.science, other.science), default=None)
    if nearest is None or _distance(point.science, nearest.science)[0]:
        return
    source = runs.of(nearest)
    # the .json last: it is what says that a model is finished
    for file in sorted(source.rglob("fold-*/**/*"), key=lambda file: (file.suffix == ".json", file)):
        if file.is_file() and file.suffix in (".ckpt", ".npz", ".csv", ".json") and "_probe" not in file.stem:
            with written_whole(target / file.relative_to(source)) as beside:
                shutil.copyfile(file, beside)


def _distance(one: Science, other: Science) -> tuple[int, int, int]:
    """Count the keys in which configurations differ: those that every model depends on, then decoders, then PredANN."""

    def differing(section: str, keys: set[str]) -> int:
        a, b = getattr(one, section), getattr(other, section)
        return sum(getattr(a, key) != getattr(b, key) for key in keys)

    training = set(type(one.training).model_fields) - {"seed", "seeds", "baseline", "n_seeds", "predann_weight"}
    sections = set(type(one).model_fields) - {"preset", "preprocessing", "training", "evaluation"}
    all_models = sum(getattr(one, section) != getattr(other, section) for section in sections - {"windows"})
    all_models += differing("windows", set(type(one.windows).model_fields) - {"stride"}) + differing(
        "training", {"seed"}
    )
    return all_models, differing("training", training), differing("training", {"predann_weight"})


# -- results -----------------------------------------------------------------------------------------------------------


def _write_results(runs: _Runs, outcome: SweepOutcome) -> None:
    from predann_bids.report.sweep.page import SweepEvidence, write_sweep

    sweep = runs.sweep
    said = {point.label: sweep.said(point) for point in sweep.points}
    unfinished = set(said) - {result.label for result in outcome.results} - set(outcome.failures)
    missing = {said[label]: failure.message for label, failure in outcome.failures.items()}
    missing |= {said[label]: "not done yet" for label in said if label in unfinished}
    first = outcome.results[0].label
    shutil.copyfile(runs.output_dir / "group" / first / "config.toml", runs.directory / "config.toml")
    write_sweep(
        SweepEvidence(sweep.label, sweep.keys, outcome.results, missing), runs.directory, page=runs.execution.report
    )


def _audio_files(directories: Sequence[Path]) -> Iterator[tuple[str, int, int]]:
    for directory in directories:
        for file in sorted(directory.rglob("*")) if directory.is_dir() else ():
            if file.is_file():
                known = file.stat()
                yield file.name, known.st_size, known.st_mtime_ns


def _digest(file: Path) -> str:
    return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()

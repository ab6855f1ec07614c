"""A sweep: a group run for each point of a grid of configurations, and all their results in one table and one page.

Each point is a group run like any other, `OUTPUT_DIR/group/LABEL_POINT`. The results of all points together are in
`OUTPUT_DIR/group/LABEL`, beside a note on each finished point, by which it is recognised.
"""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from predann_bids import __version__
from predann_bids.bids.derivatives import read_derivatives
from predann_bids.bids.recordings import Selection
from predann_bids.console import say
from predann_bids.errors import CannotCreateOutput, InvalidDataset, MissingInput, NothingSelected, TryAgain, WrongUsage
from predann_bids.files import content_hash, read_json, write_text
from predann_bids.report.sweep.results import PointResult
from predann_bids.workflows.application import run_level
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.inputs.selecting import select
from predann_bids.workflows.locks import exclusive
from predann_bids.workflows.processes import Failure
from predann_bids.workflows.sweep.outcome import SweepOutcome, raise_failures, summarise
from predann_bids.workflows.sweep.points import Point, Sweep
from predann_bids.workflows.sweep.runs import Runs
from predann_bids.workflows.sweep.sharing import take_over

__all__ = ["SweepOutcome", "raise_failures", "run_sweep", "summarise"]

FATAL = (InvalidDataset, NothingSelected, CannotCreateOutput)  # no other point would escape these


def run_sweep(
    sweep: Sweep,
    bids_dir: Path,
    output_dir: Path,
    *,
    selection: Selection | None = None,
    stimuli_dir: Path | None = None,
    execution: Execution | None = None,
    validate: bool = False,
    only: Sequence[int] = (),
) -> SweepOutcome:
    """Do the group runs that are not finished, then write the tables and the page of all that are.

    A point that fails does not stop the others, unless `execution` says so. Several processes may run the same sweep at
    once: each takes points that no other is working on.

    Parameters
    ----------
    sweep : Sweep
        The points.
    bids_dir, output_dir : Path
        Dataset, and where its derivatives are.
    selection : Selection, optional
        Recordings to use; all by default.
    stimuli_dir : Path, optional
        Where the audio is, if not in the dataset.
    execution : Execution, optional
        How to run.
    validate : bool
        Whether to validate the dataset, once.
    only : sequence of int
        Numbers of the points to do, from 1; all when empty.

    Returns
    -------
    SweepOutcome
        Results and failures.

    Raises
    ------
    MissingInput, NothingSelected
        There are no derivatives, or none of those selected.
    InvalidDataset
        The dataset is not valid BIDS.
    WrongUsage
        The sweep has the name of a group run.
    """
    execution, selection = execution or Execution(), selection or Selection()
    derivatives = select(read_derivatives(output_dir), selection, output_dir)
    sources = [(derivative.paths.sidecar.name, derivative.sidecar.get("ScienceHash")) for derivative in derivatives]
    audio = list(_audio_files([stimuli_dir] if stimuli_dir else [bids_dir / "stimuli", output_dir / "stimuli"]))
    runs = Runs(sweep, bids_dir, output_dir, selection, stimuli_dir, execution, (sources, audio, __version__))
    points = {point.label: point for point in sweep.points}
    if unknown := sorted(set(only) - set(range(1, len(points) + 1))):
        raise WrongUsage(f"--point {unknown[0]}: there are points 1 to {len(points)}.")
    if (runs.directory / "metrics.json").is_file():
        raise WrongUsage(f"{runs.directory} holds a group run. Choose another name for the sweep with --label.")
    failures = {
        label: failure
        for label, failure in _run_points(runs, only, validate=validate).items()
        # another process that was working on it may have finished meanwhile
        if not (failure.may_pass and runs.is_finished(points[label]))
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


def _run_points(runs: Runs, only: Sequence[int], *, validate: bool) -> dict[str, Failure]:
    failures: dict[str, Failure] = {}
    for number, point in enumerate(runs.sweep.points, start=1):
        if only and number not in only:
            continue
        heading = f"Point {number} of {len(runs.sweep.points)}: {runs.sweep.name_of(point)}"
        kept = not runs.execution.overwrite and runs.is_finished(point)
        note = "kept as it is" if kept else f"group/{point.label}"
        say(f"{heading} ({note})", stderr=True)
        if kept:
            continue
        failure = _run_point(runs, point, validate=validate) if runs.execution.train else _not_done(number)
        validate = validate and failure is not None  # once is enough
        if failure:
            failures[point.label] = failure
            state = "Left out for now" if failure.may_pass else "Failed"
            say(f"{state}: {failure.message}", stderr=True)
            if runs.execution.stop_on_first_crash:
                break
    return failures


def _run_point(runs: Runs, point: Point, *, validate: bool) -> Failure | None:
    log = runs.output_dir / "logs" / f"group_{point.label}.log"
    try:
        with exclusive(runs.note(point).with_suffix(".lock")):
            take_over(runs, point)
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


def _not_done(number: int) -> Failure:
    return Failure.of(MissingInput(f"It is not done yet. Run the sweep with the same options and --point {number}."))


def _write_results(runs: Runs, outcome: SweepOutcome) -> None:
    from predann_bids.report.sweep.page import SweepEvidence, write_sweep

    sweep = runs.sweep
    names = {point.label: sweep.name_of(point) for point in sweep.points}
    unfinished = set(names) - {result.label for result in outcome.results} - set(outcome.failures)
    missing = {names[label]: failure.message for label, failure in outcome.failures.items()}
    missing |= {name: "not done yet" for label, name in names.items() if label in unfinished}
    first = outcome.results[0].label
    shutil.copyfile(runs.output_dir / "group" / first / "config.toml", runs.directory / "config.toml")
    write_sweep(
        SweepEvidence(sweep.label, sweep.keys, outcome.results, missing), runs.directory, page=runs.execution.report
    )


def _audio_files(directories: Sequence[Path]) -> Iterator[tuple[str, str]]:
    for directory in directories:
        for file in sorted(directory.rglob("*")) if directory.is_dir() else ():
            if file.is_file():
                yield file.name, content_hash(file)

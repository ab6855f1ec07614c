"""One analysis level from start to end: validate, work, say what came of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from predann_bids.bids.recordings import Selection
from predann_bids.config import Science
from predann_bids.errors import CannotCreateOutput, WrongUsage
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.validation import validate_dataset


def run_level(
    level: str,
    bids_dir: Path,
    output_dir: Path,
    science: Science,
    *,
    selection: Selection,
    stimuli_dir: Path | None,
    stimulus_map: str | None = None,
    execution: Execution,
    validate: bool,
    label: str,
    folds: Sequence[int],
    from_model: Path | None = None,
) -> None:
    """Run an analysis level and print a summary; see `run_participant` and `run_group`."""
    _refuse_inside_input(output_dir, bids_dir)
    _refuse_unwritable(output_dir)
    if execution.work_dir:
        _use_for_temporary_files(execution.work_dir)
    if validate:
        _validate(bids_dir, selection)
    if level == "participant":
        _participant(bids_dir, output_dir, science, selection, stimuli_dir, stimulus_map, execution)
    else:
        _group(bids_dir, output_dir, science, selection, stimuli_dir, execution, label, folds, from_model)


def _validate(bids_dir: Path, selection: Selection) -> None:
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(f"Validating {bids_dir} ...", highlight=False, soft_wrap=True, markup=False)
    # hundreds of participants take the validator half a minute, without a word
    with console.status(f"Validating {escape(str(bids_dir))} ..."):
        notes = validate_dataset(bids_dir, selection)
    for note in notes:
        console.print(note, highlight=False, soft_wrap=True, markup=False)


def _use_for_temporary_files(work_dir: Path) -> None:
    try:
        work_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotCreateOutput(
            f"The work directory {work_dir} cannot be created: {error.strerror}. Choose another with --work-dir."
        ) from error
    tempfile.tempdir = os.environ["TMPDIR"] = str(work_dir)


def _refuse_inside_input(output_dir: Path, bids_dir: Path) -> None:
    """Keep the promise that the input is never written to; `derivatives/` is no part of it."""
    output, source = output_dir.resolve(), bids_dir.resolve()
    inside = output.relative_to(source).parts if output.is_relative_to(source) else ("derivatives", "outside")
    if inside[:1] != ("derivatives",) or len(inside) < 2:
        raise WrongUsage(
            f"The output directory {output_dir} is the dataset itself or a part of it, which is never written to."
            f" Choose a directory outside of {bids_dir}, or {bids_dir / 'derivatives' / 'predann-bids'}."
        )


def _refuse_unwritable(output_dir: Path) -> None:
    existing = next(path for path in (output_dir, *output_dir.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise CannotCreateOutput(f"The output directory {output_dir} cannot be created: {existing} is a file.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise CannotCreateOutput(
            f"The output directory {output_dir} cannot be written to: no permission for {existing}."
        )


def _participant(
    bids_dir: Path,
    output_dir: Path,
    science: Science,
    selection: Selection,
    stimuli_dir: Path | None,
    stimulus_map: str | None,
    execution: Execution,
) -> None:
    from predann_bids.workflows.participant.level import run_participant
    from predann_bids.workflows.participant.recording import RecordingOutcome

    def summarise(outcomes: Sequence[RecordingOutcome]) -> None:
        table = Table(Column("recording", no_wrap=True), "status", "presentations", "music (min)", "bad channels")
        for outcome in outcomes:
            table.add_row(
                outcome.recording.name,
                outcome.status,
                str(outcome.presentations),
                f"{outcome.music_s / 60:.1f}",
                ", ".join(outcome.bad_channels) or "none",
            )
        out = Console()
        # a file or a pipe has no width, and names must not be cut
        (out if out.is_terminal else Console(width=200)).print(table)
        for warning in dict.fromkeys(w for outcome in outcomes for w in outcome.warnings):
            Console(stderr=True).print(f"Warning: {warning}", highlight=False, soft_wrap=True, markup=False)

    run_participant(
        bids_dir,
        output_dir,
        science,
        selection=selection,
        stimuli_dir=stimuli_dir,
        stimulus_map=stimulus_map,
        execution=execution,
        on_done=summarise,
    )
    Console().print(f"Derivatives: {output_dir}", highlight=False, soft_wrap=True)


def _group(
    bids_dir: Path,
    output_dir: Path,
    science: Science,
    selection: Selection,
    stimuli_dir: Path | None,
    execution: Execution,
    label: str,
    folds: Sequence[int],
    from_model: Path | None,
) -> None:
    from predann_bids.workflows.group.level import run_group

    outcome = run_group(
        bids_dir,
        output_dir,
        science,
        selection=selection,
        stimuli_dir=stimuli_dir,
        execution=execution,
        label=label,
        folds=folds,
        from_model=from_model,
    )
    for line in outcome.lines():
        Console().print(line, highlight=False, soft_wrap=True, markup=False)

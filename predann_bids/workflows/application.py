"""One analysis level from start to end: validate, work, summarise."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Column, Table

from predann_bids.bids.recordings import Selection
from predann_bids.config import Science
from predann_bids.console import plain_console, say
from predann_bids.errors import (
    CannotCreateOutput,
    MissingInput,
    SomeParticipantsFailed,
    UnusableData,
    WrongUsage,
)
from predann_bids.files import check_place
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.scratch import temporary_files_in
from predann_bids.workflows.validation import validate_dataset

if TYPE_CHECKING:
    from predann_bids.workflows.participant.recording import RecordingOutcome


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
    """Run an analysis level and print a summary.

    Parameters
    ----------
    level : str
        'participant' or 'group'.
    bids_dir, output_dir : Path
        The dataset, which is never written to, and the directory of the derivatives.
    science : Science
        Everything that changes results.
    selection : Selection
        Which recordings.
    stimuli_dir : Path, optional
        Where the audio is.
    stimulus_map : str, optional
        A file, or the name of a map that comes with the package; participant level only.
    execution : Execution
        How the work is done.
    validate : bool
        Run the BIDS validator first.
    label, folds, from_model
        As in `run_group`.

    Raises
    ------
    PredannError
        As `validate_dataset`, `run_participant` and `run_group`; `WrongUsage` or `CannotCreateOutput` if the output
        directory is part of the dataset or cannot be written to.
    """
    check_places(bids_dir, output_dir)
    if level == "participant":
        _refuse_missing(stimuli_dir, stimulus_map)
    else:
        from predann_bids.workflows.group.request import check_label

        check_label(output_dir, label, from_model)
        _refuse_missing(stimuli_dir, None)
        _refuse_wrong_options(execution, from_model, science)
    with temporary_files_in(execution.work_dir, output_dir):
        if validate:
            _validate(bids_dir, selection)
        common: dict[str, Any] = {"selection": selection, "stimuli_dir": stimuli_dir, "execution": execution}
        if level == "participant":
            from predann_bids.workflows.participant.level import run_participant

            run_participant(
                bids_dir, output_dir, science, stimulus_map=stimulus_map, on_done=_print_recordings, **common
            )
            say(f"Derivatives: {output_dir}")
        else:
            from predann_bids.workflows.group.level import run_group

            outcome = run_group(
                bids_dir, output_dir, science, label=label, folds=folds, from_model=from_model, **common
            )
            for line in outcome.lines():
                say(line)
            if outcome.is_stuck:
                raise UnusableData(outcome.mixture)
            if outcome.lost:
                raise SomeParticipantsFailed(outcome.lost)


def _refuse_missing(stimuli_dir: Path | None, stimulus_map: str | None) -> None:
    if stimulus_map:
        from predann_bids.bids.music.stimulus_map import find_map, read_map

        read_map(find_map(stimulus_map))
    if stimuli_dir and not stimuli_dir.is_dir():
        raise MissingInput(f"There is no directory {stimuli_dir}. Say with --stimuli-dir where the audio is.")


def _refuse_wrong_options(execution: Execution, from_model: Path | None, science: Science) -> None:
    """Refuse options of the group level that are wrong whatever the data, before the dataset is validated."""
    from predann_bids.workflows.resources import check_accelerator, refuse_precision

    check_accelerator(execution)
    refuse_precision(science.training, execution)
    if from_model:
        from predann_bids.models.checkpoints import find_checkpoint

        find_checkpoint(from_model)


def _validate(bids_dir: Path, selection: Selection) -> None:
    console = plain_console(stderr=True)
    if not console.is_terminal:
        say(f"Validating {bids_dir} ...", stderr=True)
    # with hundreds of participants the validator is silent for half a minute
    with console.status(f"Validating {escape(str(bids_dir))} ..."):
        notes = validate_dataset(bids_dir, selection)
    for note in notes:
        say(note, stderr=True)


def check_places(bids_dir: Path, output_dir: Path) -> None:
    """Refuse an output directory that is part of the dataset or cannot be written to.

    Raises
    ------
    CannotCreateOutput, WrongUsage
        It says what to choose instead.
    """
    with suppress(OSError):  # it cannot even be looked up, as the next line says
        _refuse_inside_input(output_dir, bids_dir)
    _refuse_unwritable(output_dir)


def _refuse_inside_input(output_dir: Path, bids_dir: Path) -> None:
    """Keep the promise that the dataset is never written to; its `derivatives/` does not belong to it."""
    output, source = output_dir.resolve(), bids_dir.resolve()
    inside = output.relative_to(source).parts if output.is_relative_to(source) else ("derivatives", "outside")
    if inside[:1] != ("derivatives",) or len(inside) < 2:
        raise WrongUsage(
            f"The output directory {output_dir} is the dataset itself or lies inside it, and the dataset is never"
            f" written to. Choose a directory outside {bids_dir}, or {bids_dir / 'derivatives' / 'predann-bids'}."
        )


def _refuse_unwritable(output_dir: Path) -> None:
    check_place(output_dir, "The output directory")
    if output_dir.is_file():
        raise CannotCreateOutput(f"The output directory {output_dir} cannot be created: {output_dir} is a file.")


def _print_recordings(outcomes: Sequence[RecordingOutcome]) -> None:
    table = Table(Column("recording", no_wrap=True), "status", "presentations", "music (min)", "bad channels")
    for outcome in outcomes:
        table.add_row(
            outcome.recording.name,
            outcome.status,
            str(outcome.presentations),
            f"{outcome.music_s / 60:.1f}",
            ", ".join(outcome.bad_channels) or "none",
        )
    plain_console().print(table)
    for warning in dict.fromkeys(warning for outcome in outcomes for warning in outcome.warnings):
        say(f"Warning: {warning}", stderr=True)

"""The group level: derivatives become a trained, evaluated and reported decoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from predann_bids.bids.derivatives import read_derivatives
from predann_bids.bids.recordings import Selection
from predann_bids.config import Science
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.inputs.audio import find_audio
from predann_bids.workflows.group.inputs.collected import complete_tables
from predann_bids.workflows.group.inputs.selecting import preprocessing_of, select
from predann_bids.workflows.group.request import GroupOutcome, Request, check_label


def run_group(
    bids_dir: Path,
    output_dir: Path,
    science: Science,
    *,
    selection: Selection | None = None,
    stimuli_dir: Path | None = None,
    execution: Execution | None = None,
    label: str = "predann",
    folds: Sequence[int] = (),
    from_model: Path | None = None,
) -> GroupOutcome:
    """Train and evaluate decoders on the derivatives in an output directory.

    Finished folds whose data and configuration have not changed are kept. When all folds are done, they are pooled:
    `predictions.tsv`, `metrics.json` and `report.html` appear in `OUTPUT_DIR/group/LABEL`.

    Parameters
    ----------
    bids_dir : Path
        The dataset; the audio is looked for in its `stimuli/`. It is not written to.
    output_dir : Path
        Where the participant level has written its derivatives.
    science : Science
        Configuration; see `predann_bids.config.resolve`. Its preprocessing is replaced by that of the derivatives.
    selection : Selection, optional
        Which of the preprocessed recordings to use; all unless given.
    stimuli_dir : Path, optional
        Where the audio is.
    execution : Execution, optional
        How to run: processes, memory, devices.
    label : str
        Name of this run.
    folds : sequence of int
        Train these folds only; all when empty.
    from_model : Path, optional
        A group run or a checkpoint, to be tested on these derivatives without training.

    Returns
    -------
    GroupOutcome
        What was found, or which folds are still to do.

    Raises
    ------
    MissingInput
        The participant level has not been run, or audio is missing.
    NothingSelected
        No preprocessed recording is selected.
    UnusableData
        The data do not suffice for the split, or were not all preprocessed alike.
    WrongUsage
        The label is no name, or options contradict each other.

    Examples
    --------
    >>> from pathlib import Path
    >>> from predann_bids import resolve, run_group
    >>> outcome = run_group(Path("ds"), Path("out"), resolve(flags={"training.epochs": 20}))  # doctest: +SKIP
    >>> outcome.metrics["models"]["predann"]["accuracy"]  # doctest: +SKIP
    0.86
    """
    execution = execution or Execution()
    check_label(output_dir, label, from_model)
    everything = read_derivatives(output_dir)
    stimuli_dirs = [bids_dir / "stimuli", *([stimuli_dir] if stimuli_dir else [])]
    complete_tables(output_dir, everything, stimuli_dirs, report=execution.report)
    derivatives = select(everything, selection or Selection(), output_dir)
    science = science.model_copy(update={"preprocessing": preprocessing_of(derivatives)})
    # the participant level has put the audio that it used, wherever that was, beside the derivatives
    audio_dirs = [stimuli_dir] if stimuli_dir else [bids_dir / "stimuli", output_dir / "stimuli"]
    found = find_audio(derivatives, audio_dirs, execution.missing_audio)
    request = Request(
        bids_dir, output_dir, label, science, found.derivatives, found.files, execution, from_model, found.lost
    )
    finished = None if execution.overwrite else request.finished()
    if finished:
        return finished
    from predann_bids.workflows.group.run import run_request

    return run_request(request, folds)

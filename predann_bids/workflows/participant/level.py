"""The participant level: raw recordings become preprocessed derivatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from predann_bids.bids.derivatives import DerivativePaths, prepare_output, provide_stimulus_table, write_citation
from predann_bids.bids.finding.index import LastIndex
from predann_bids.bids.finding.lost_zeros import restore_zeros
from predann_bids.bids.finding.same_samples import same_samples_notes
from predann_bids.bids.music.stimulus_map import StimulusMap, find_map, read_map
from predann_bids.bids.recordings import Recording, Selection, find_recordings, list_recordings
from predann_bids.config import Science
from predann_bids.console import say
from predann_bids.errors import SomeParticipantsFailed, UnusableData
from predann_bids.files import write_text
from predann_bids.progress import Progress
from predann_bids.report.methods.preprocessing import preprocessing_methods
from predann_bids.report.methods.references import references
from predann_bids.report.quality.participants import write_participants
from predann_bids.report.quality.writing import write_quality
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.participant.derivative import report_path
from predann_bids.workflows.participant.recording import (
    RecordingJob,
    RecordingOutcome,
    finished_before,
    process_recording,
)
from predann_bids.workflows.processes import Failure, Worker, do_all
from predann_bids.workflows.record import recorded

if TYPE_CHECKING:
    from predann_bids.report.participant import ReportJob

REPORT_GB = 0.6
PYTHON_GB = 0.5  # with MNE
PRELOAD = (
    "mne",
    "mne.io",
    "scipy.signal",
    "pandas",
    "soundfile",
    "predann_bids.signals.preprocessing.preprocess",
    __name__,
)


def run_participant(
    bids_dir: Path,
    output_dir: Path,
    science: Science,
    *,
    selection: Selection | None = None,
    stimuli_dir: Path | None = None,
    stimulus_map: str | None = None,
    execution: Execution | None = None,
    on_done: Callable[[Sequence[RecordingOutcome]], None] | None = None,
) -> list[RecordingOutcome]:
    """Preprocess the selected recordings of a dataset into BIDS derivatives, with a report for each participant.

    Finished recordings whose sources and configuration have not changed are kept. A participant that fails does not
    stop the others.

    Parameters
    ----------
    bids_dir : Path
        The dataset. It is not written to.
    output_dir : Path
        The derivative dataset to make or to complete.
    science : Science
        Configuration; see `predann_bids.resolve`.
    selection : Selection, optional
        Which recordings to preprocess; all unless given.
    stimuli_dir : Path, optional
        Where the audio is; `stimuli/` of the dataset unless given.
    stimulus_map : str, optional
        File, or name of a map that comes with the program, that says which audio was played when.
    execution : Execution, optional
        How to run: processes, memory, reports.
    on_done : callable, optional
        Called with the outcomes before a failure is raised.

    Returns
    -------
    list of RecordingOutcome
        What became of each recording.

    Raises
    ------
    SomeParticipantsFailed
        Some participants failed; their sentences are in the message, their tracebacks in `OUTPUT_DIR/logs/`.
    PredannError
        All of them failed: the error of the first. Or the dataset, the selection or the output is not usable.

    Examples
    --------
    >>> from pathlib import Path
    >>> from predann_bids import resolve, run_participant
    >>> outcomes = run_participant(Path("ds"), Path("out"), resolve())  # doctest: +SKIP
    >>> [outcome.status for outcome in outcomes]  # doctest: +SKIP
    ['done', 'done']
    """
    execution = execution or Execution()
    rules = restore_zeros(read_map(find_map(stimulus_map)), bids_dir) if stimulus_map else None
    last_index = LastIndex(output_dir / "logs" / "last_index.json")
    listing = list_recordings(bids_dir, selection or Selection(), last_index)
    for note in listing.notes:
        say(f"Warning: {note}", stderr=True)
    prepare_output(output_dir, bids_dir)
    last_index.save()
    with recorded(output_dir, "participant", science, execution):
        audio_dir = stimuli_dir or bids_dir / "stimuli"
        return _preprocess(listing.recordings, bids_dir, output_dir, science, audio_dir, rules, execution, on_done)


def _preprocess(
    recordings: Sequence[Recording],
    bids_dir: Path,
    output_dir: Path,
    science: Science,
    audio_dir: Path,
    rules: StimulusMap | None,
    execution: Execution,
    on_done: Callable[[Sequence[RecordingOutcome]], None] | None,
) -> list[RecordingOutcome]:
    methods = preprocessing_methods(science.preprocessing)
    write_citation(output_dir, methods, references(methods))
    jobs = [
        RecordingJob(
            recording,
            output_dir,
            audio_dir,
            science.preprocessing,
            execution.overwrite,
            rules,
            look_for_onsets=execution.report,
            missing_audio=execution.missing_audio,
            audio_copies=execution.audio_copies,
        )
        for recording in recordings
    ]
    outcomes = _process(jobs, execution)
    _log_failures(outcomes, output_dir)
    if on_done:
        on_done(outcomes)
    provide_stimulus_table((bids_dir / "stimuli", audio_dir), output_dir)
    stimuli = None if execution.audio_copies else audio_dir
    failed_reports = _write_reports(outcomes, bids_dir, output_dir, stimuli, execution) if execution.report else []
    (write_quality if execution.report else write_participants)(output_dir)
    _raise_failures(outcomes, failed_reports, rules)
    return outcomes


def _process(jobs: Sequence[RecordingJob], execution: Execution) -> list[RecordingOutcome]:
    outcomes = []
    with Progress("Preprocessing", len(jobs)) as progress:

        def take(outcome: RecordingOutcome) -> None:
            outcomes.append(outcome)
            progress.advance(note=f"{outcome.recording.name}: {outcome.status}")

        unfinished = []
        for job in jobs:  # here, as it takes longer to start a process than to see that it has nothing to do
            if outcome := finished_before(job):
                take(outcome)
            else:
                unfinished.append(job)
        for outcome in _work_on(unfinished, execution, progress):
            take(outcome)
            if outcome.failure and execution.stop_on_first_crash:
                break
    return _with_copies_told(sorted(outcomes, key=lambda outcome: outcome.recording))


def _with_copies_told(outcomes: Sequence[RecordingOutcome]) -> list[RecordingOutcome]:
    """Warn of recordings that hold the same samples, with the first of all recordings."""
    notes = same_samples_notes([str(o.recording.path) for o in outcomes], [o.origin for o in outcomes])
    return [replace(o, warnings=(*o.warnings, *notes)) if o is outcomes[0] else o for o in outcomes]


def _work_on(jobs: Sequence[RecordingJob], execution: Execution, progress: Progress) -> Iterator[RecordingOutcome]:
    if not jobs:
        return
    processes = min(execution.processes_for(max(peak_gb(job) for job in jobs)), len(jobs))
    workers = max(1, execution.processes // processes)
    jobs = [replace(job, workers=workers) for job in jobs]
    for finished in do_all(process_recording, jobs, processes, preload=PRELOAD, on_beat=progress.beat):
        recording = finished.task.recording
        yield finished.value or RecordingOutcome(recording, "failed", failure=finished.failure)


def peak_gb(job: RecordingJob) -> float:
    """Estimate how much memory a recording needs at most, from the size of its file and what is done to it."""
    from predann_bids.signals.preprocessing.interface import LOADED, memory_needed

    path = job.recording.path
    files = [file for file in path.parent.glob(f"{path.stem}.*") if file.is_file()]  # links may lead nowhere
    size_gb = max((file.stat().st_size for file in files), default=0) / 1e9
    # MNE reads EEGLAB files as a whole
    return PYTHON_GB + size_gb * (LOADED if path.suffix.lower() == ".set" else memory_needed(job.config))


def _log_failures(outcomes: Sequence[RecordingOutcome], output_dir: Path) -> None:
    for outcome in outcomes:
        log = output_dir / "logs" / f"{outcome.recording.name}.log"
        if outcome.failure:
            write_text(log, f"{outcome.failure.message}\n\n{outcome.failure.trace}")
        else:
            log.unlink(missing_ok=True)


def _write_reports(
    outcomes: Sequence[RecordingOutcome],
    bids_dir: Path,
    output_dir: Path,
    stimuli_dir: Path | None,
    execution: Execution,
) -> list[str]:
    """Write the reports that are missing or out of date; return what went wrong."""
    done = sorted({o.recording.participant for o in outcomes if o.status in ("done", "kept")})
    wanted = [participant for participant in done if not report_path(output_dir, participant).is_file()]
    if not wanted:
        return []
    jobs = _report_jobs(wanted, bids_dir, output_dir, stimuli_dir)
    failures: list[str] = []
    with Progress("Participant reports", len(jobs)) as progress:
        preload = (*PRELOAD, "predann_bids.report.participant")
        processes = execution.processes_for(REPORT_GB)
        for finished in do_all(report_participant, jobs, processes, preload=preload, on_beat=progress.beat):
            if finished.failure:  # one report must not stop the others
                failures.append(_failed_report(finished.task, finished.failure))
            progress.advance(note=finished.value.name if finished.value else "failed")
    return failures


def _failed_report(job: ReportJob, failure: Failure) -> str:
    log = job.target.parent / "logs" / f"sub-{job.participant}_report.log"
    write_text(log, failure.trace)
    return f"The report of participant {job.participant} failed: {failure.message} See {log}."


def _report_jobs(
    participants: Sequence[str], bids_dir: Path, output_dir: Path, stimuli_dir: Path | None
) -> list[ReportJob]:
    """List what to report: all that is finished of each participant, whatever was selected for this run."""
    from predann_bids.report.participant import ReportJob

    finished: dict[str, list[tuple[Recording, DerivativePaths]]] = {participant: [] for participant in participants}
    for recording in find_recordings(bids_dir, Selection(participants=tuple(participants))):
        paths = DerivativePaths.of(recording, output_dir)
        if paths.sidecar.is_file():
            finished[recording.participant].append((recording, paths))
    return [
        ReportJob(name, tuple(pairs), report_path(output_dir, name), stimuli_dir) for name, pairs in finished.items()
    ]


def report_participant(job: ReportJob, _: Worker) -> Path:
    """Write one report."""
    from predann_bids.report.participant import write_report

    return write_report(job)


def _raise_failures(
    outcomes: Sequence[RecordingOutcome], failed_reports: Sequence[str], rules: StimulusMap | None
) -> None:
    participants = {outcome.recording.participant for outcome in outcomes}
    failures = {o.recording: o.failure for o in outcomes if o.failure}
    lines = [f"{recording.name}: {failure.message}" for recording, failure in failures.items()]
    if failures and {recording.participant for recording in failures} == participants:
        kind = next(iter(failures.values())).kind or UnusableData
        raise kind("\n".join(lines))
    lost = [sentence for outcome in outcomes for sentence in outcome.unusable]
    if failures or failed_reports:
        raise SomeParticipantsFailed(
            "Some participants failed; the rest is complete:\n" + "\n".join([*lines, *failed_reports, *lost])
        )
    if lost:
        raise SomeParticipantsFailed("Some presentations cannot be used; all others are complete:\n" + "\n".join(lost))
    if not any(outcome.status in ("done", "kept") for outcome in outcomes):
        reason = f"no rule of {rules.path} matches, and" if rules else "without --stimulus-map,"
        raise UnusableData(
            f"Nothing says which music was played in {len(outcomes)} recordings: {reason} no row of their events.tsv"
            " names an audio file in the column stim_file. Run predann-tools stimuli to see what the dataset holds."
        )

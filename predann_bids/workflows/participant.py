"""The participant level: raw recordings become preprocessed derivatives."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predann_bids import __version__
from predann_bids.bids.derivatives import (
    EVENTS_SIDECAR,
    DerivativePaths,
    copy_positions,
    prepare_output,
    provide_stimuli,
    source_fingerprint,
    write_citation,
)
from predann_bids.bids.presentations import Resolution, list_audio, resolve_presentations, to_table
from predann_bids.bids.recordings import Recording, Selection, find_recordings
from predann_bids.config import Preprocessing, Science, science_hash
from predann_bids.errors import PredannError, SomeParticipantsFailed, UnusableData
from predann_bids.files import read_json, write_json, write_text
from predann_bids.progress import Progress
from predann_bids.report.methods import preprocessing_methods
from predann_bids.signals.audio import audio_seconds
from predann_bids.signals.brainvision import write_brainvision
from predann_bids.workflows.execution import Execution, Failure, exclusive, run_all

if TYPE_CHECKING:
    from predann_bids.report.participant import ReportJob
    from predann_bids.signals.eeg import Preprocessed

REPORT_GB = 0.6
PRELOAD = ("mne", "mne_bids", "scipy.signal", "pandas", "soundfile", __name__)


@dataclass(frozen=True)
class RecordingOutcome:
    """What became of one recording."""

    recording: Recording
    status: str  # "done", "kept" (finished before), "no music" or "failed"
    presentations: int = 0
    music_s: float = 0.0
    bad_channels: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None
    elapsed_s: float = 0.0


@dataclass(frozen=True)
class _Job:
    recording: Recording
    output_dir: Path
    stimuli_dir: Path
    config: Preprocessing
    overwrite: bool


def run_participant(
    bids_dir: Path,
    output_dir: Path,
    science: Science,
    *,
    selection: Selection | None = None,
    stimuli_dir: Path | None = None,
    execution: Execution | None = None,
    on_done: Callable[[Sequence[RecordingOutcome]], None] | None = None,
) -> list[RecordingOutcome]:
    """Preprocess the selected recordings of a dataset into BIDS derivatives, with a report for each participant.

    Finished recordings whose sources and configuration have not changed are kept. A participant that fails does not
    stop the others; `on_done` sees the outcomes before a failure is raised.

    Raises
    ------
    SomeParticipantsFailed
        Some participants failed; their sentences are in the message, their tracebacks in `OUTPUT_DIR/logs/`.
    PredannError
        All of them failed: the error of the first. Or the dataset, the selection or the output is not usable.
    """
    execution = execution or Execution()
    recordings = find_recordings(bids_dir, selection or Selection())
    prepare_output(output_dir, bids_dir)
    write_citation(output_dir, preprocessing_methods(science.preprocessing))
    audio_dir = stimuli_dir or bids_dir / "stimuli"
    jobs = [_Job(r, output_dir, audio_dir, science.preprocessing, execution.overwrite) for r in recordings]
    outcomes = _process(jobs, execution)
    _log_failures(outcomes, output_dir)
    if on_done:
        on_done(outcomes)
    failed_reports = _write_reports(outcomes, bids_dir, output_dir, execution) if execution.report else []
    _raise_failures(outcomes, failed_reports)
    return outcomes


def process_recording(job: _Job) -> RecordingOutcome:
    """Do one recording, whatever happens; errors are part of the outcome."""
    begun = time.monotonic()
    try:
        lock = job.output_dir / "logs" / "locks" / f"{job.recording.name}.lock"
        with exclusive(lock):
            outcome = _process_locked(job)
    except Exception as error:  # one recording must not stop the others
        outcome = RecordingOutcome(job.recording, "failed", failure=Failure.of(error))
    return replace(outcome, elapsed_s=time.monotonic() - begun)


def _process_locked(job: _Job) -> RecordingOutcome:
    recording, paths = job.recording, DerivativePaths.of(job.recording, job.output_dir)
    events = recording.sidecar("events", ".tsv")
    if events is None:
        return RecordingOutcome(recording, "no music", warnings=(f"{recording.path} has no events.tsv.",))
    fingerprint = science_hash(
        job.config, source_fingerprint(recording, events, list_audio(events, job.stimuli_dir)), __version__
    )
    finished = None if job.overwrite else _finished(recording, paths, fingerprint)
    if finished:
        return finished
    raw = _read(recording)
    resolution = resolve_presentations(
        events,
        job.stimuli_dir,
        recording_seconds=raw.n_times / raw.info["sfreq"],
        shortest=job.config.shortest,
        audio_seconds=audio_seconds,
    )
    if not resolution.presentations:
        return RecordingOutcome(recording, "no music", warnings=resolution.warnings)
    from predann_bids.signals.eeg import samples_fingerprint

    source = samples_fingerprint(raw)
    preprocessed = _preprocess(raw, job)
    _write(job, paths, preprocessed, resolution, fingerprint, source)
    return RecordingOutcome(
        recording,
        "done",
        len(resolution.presentations),
        sum(p.duration for p in resolution.presentations),
        preprocessed.bad_channels,
        resolution.warnings,
    )


def _finished(recording: Recording, paths: DerivativePaths, fingerprint: str) -> RecordingOutcome | None:
    needed = (paths.sidecar, paths.header, paths.header.with_suffix(".eeg"), paths.events, paths.channels)
    if not all(path.is_file() for path in needed):
        return None
    sidecar = read_json(paths.sidecar)
    if sidecar.get("ScienceHash") != fingerprint:
        return None
    summary = sidecar["Presentations"]
    return RecordingOutcome(
        recording,
        "kept",
        summary["Count"],
        summary["Seconds"],
        tuple(sidecar["BadChannels"]),
        tuple(summary["Warnings"]),
    )


def _read(recording: Recording) -> Any:
    try:
        return recording.read()
    except PredannError:
        raise
    except Exception as error:  # the readers of four formats raise whatever they meet
        reason = " ".join(str(error).split())
        raise UnusableData(f"{recording.path} cannot be read: {reason[:300]}") from error


def _preprocess(raw: Any, job: _Job) -> Preprocessed:
    from predann_bids.signals.eeg import preprocess

    try:
        return preprocess(raw, job.config)
    except UnusableData as error:
        raise UnusableData(f"{job.recording.path}: {error}.") from error


def _write(
    job: _Job, paths: DerivativePaths, done: Preprocessed, resolution: Resolution, fingerprint: str, source: str
) -> None:
    for leftover in paths.stem.parent.glob(f".writing-*{paths.stem.name}_*"):
        # of a run that was killed; this process holds the recording's lock
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    paths.sidecar.unlink(missing_ok=True)  # from here on the recording is unfinished
    _report_path(job.output_dir, job.recording.participant).unlink(missing_ok=True)  # and its report out of date
    markers = [(p.onset, p.duration, p.label) for p in resolution.presentations]
    write_brainvision(done.raw, paths.header, markers)
    copy_positions(job.recording, job.output_dir)
    provide_stimuli((p.stim_file for p in resolution.presentations), job.stimuli_dir, job.output_dir)
    write_text(paths.channels, _channel_table(done, job.config))
    write_text(paths.events, to_table(resolution.presentations).to_csv(sep="\t", index=False, na_rep="n/a"))
    write_json(paths.events_sidecar, EVENTS_SIDECAR)
    write_json(paths.sidecar, _sidecar(job, done, resolution, fingerprint, source))


def _channel_table(done: Preprocessed, config: Preprocessing) -> str:
    low, high = (f"{hz:g}" if hz else "n/a" for hz in (config.l_freq, config.h_freq))
    interpolated = {name for step in done.steps if step.name == "interpolation" for name in step.parameters["channels"]}
    rows = ["name\ttype\tunits\tlow_cutoff\thigh_cutoff\tsampling_frequency\tstatus\tstatus_description"]
    for name in done.raw.ch_names:
        bad = name in done.bad_channels and name not in interpolated
        reason = (
            "interpolated" if name in interpolated else "flat, or bad in the recording's channels.tsv" if bad else "n/a"
        )
        rate = f"{done.raw.info['sfreq']:g}"
        rows.append("\t".join([name, "EEG", "µV", low, high, rate, "bad" if bad else "good", reason]))
    return "\n".join(rows) + "\n"


def _sidecar(job: _Job, done: Preprocessed, resolution: Resolution, fingerprint: str, origin: str) -> dict[str, Any]:
    recording, info = job.recording, done.raw.info
    source = recording.metadata()
    kept = (
        "TaskDescription",
        "Manufacturer",
        "ManufacturersModelName",
        "CapManufacturer",
        "EEGGround",
        "PowerLineFrequency",
    )
    filters = {step.name: step.parameters for step in done.steps if step.name in ("notch", "band-pass")}
    return {
        "Description": "Preprocessed EEG; see PreprocessingSteps",
        "Sources": [f"bids:raw:{recording.path.relative_to(recording.root).as_posix()}"],
        "TaskName": source.get("TaskName", recording.task),
        **{key: source[key] for key in kept if key in source},
        "SamplingFrequency": info["sfreq"],
        "EEGReference": "average" if job.config.reference == "average" else source.get("EEGReference", "n/a"),
        "SoftwareFilters": filters or "n/a",
        "RecordingType": "continuous",
        "RecordingDuration": done.raw.n_times / info["sfreq"],
        "EEGChannelCount": len(done.raw.ch_names),
        "PreprocessingConfiguration": job.config.model_dump(mode="json"),
        "PreprocessingSteps": [{"Name": step.name, **step.parameters} for step in done.steps],
        "BadChannels": list(done.bad_channels),
        "Presentations": {
            "Count": len(resolution.presentations),
            "Seconds": round(sum(p.duration for p in resolution.presentations), 3),
            "Warnings": [warning.replace(f"{recording.root}/", "") for warning in resolution.warnings],
        },
        "ScienceHash": fingerprint,
        "SourceFingerprint": origin,
    }


def _process(jobs: Sequence[_Job], execution: Execution) -> list[RecordingOutcome]:
    # float64 samples, the copies that filters make, and Python with MNE itself
    largest = max(job.recording.path.with_suffix(_data_suffix(job.recording.path)).stat().st_size for job in jobs)
    processes = execution.processes_for(0.4 + 20 * largest / 1e9)
    outcomes = []
    with Progress("Preprocessing", len(jobs)) as progress:
        for outcome in run_all(process_recording, jobs, processes, preload=PRELOAD, on_beat=progress.beat):
            outcomes.append(outcome)
            progress.advance(note=f"{outcome.recording.name}: {outcome.status}")
            if outcome.failure and execution.stop_on_first_crash:
                break
    return sorted(outcomes, key=lambda outcome: outcome.recording)


def _data_suffix(path: Path) -> str:
    for suffix in (".eeg", ".fdt"):
        if path.with_suffix(suffix).is_file():
            return suffix
    return path.suffix


def _log_failures(outcomes: Sequence[RecordingOutcome], output_dir: Path) -> None:
    for outcome in outcomes:
        log = output_dir / "logs" / f"{outcome.recording.name}.log"
        if outcome.failure:
            write_text(log, f"{outcome.failure.message}\n\n{outcome.failure.trace}")
        else:
            log.unlink(missing_ok=True)


def _report_path(output_dir: Path, participant: str) -> Path:
    return output_dir / f"sub-{participant}.html"


def _write_reports(
    outcomes: Sequence[RecordingOutcome], bids_dir: Path, output_dir: Path, execution: Execution
) -> list[str]:
    """Report each participant of whom there is something new, on all finished recordings; return what went wrong."""
    from predann_bids.report.participant import ReportJob

    jobs = []
    for participant in sorted({o.recording.participant for o in outcomes if o.status in ("done", "kept")}):
        target = _report_path(output_dir, participant)
        if not target.is_file():
            recordings = find_recordings(bids_dir, Selection(participants=(participant,)))
            pairs = [(recording, DerivativePaths.of(recording, output_dir)) for recording in recordings]
            jobs.append(ReportJob(participant, tuple(pair for pair in pairs if pair[1].sidecar.is_file()), target))
    failures: list[str] = []
    if jobs:
        with Progress("Participant reports", len(jobs)) as progress:
            preload = (*PRELOAD, "predann_bids.report.participant")
            processes = execution.processes_for(REPORT_GB)
            for done in run_all(report_participant, jobs, processes, preload=preload, on_beat=progress.beat):
                if isinstance(done, Failure):
                    failures.append(done.message)
                progress.advance(note="failed" if isinstance(done, Failure) else done.name)
    return failures


def report_participant(job: ReportJob) -> Path | Failure:
    """Write one report, whatever happens; an error is the result."""
    from predann_bids.report.participant import write_report

    try:
        return write_report(job)
    except Exception as error:  # one report must not stop the others
        log = job.target.parent / "logs" / f"sub-{job.participant}_report.log"
        write_text(log, traceback.format_exc())
        return Failure.of(UnusableData(f"The report of participant {job.participant} failed: {error}; see {log}."))


def _raise_failures(outcomes: Sequence[RecordingOutcome], failed_reports: Sequence[str]) -> None:
    participants = {outcome.recording.participant for outcome in outcomes}
    failures = {o.recording: o.failure for o in outcomes if o.failure}
    lines = [f"{recording.name}: {failure.message}" for recording, failure in failures.items()]
    if failures and {recording.participant for recording in failures} == participants:
        kind = next(iter(failures.values())).kind or UnusableData
        raise kind("\n".join(lines))
    if failures or failed_reports:
        raise SomeParticipantsFailed(
            "Some participants failed, the rest is complete:\n" + "\n".join([*lines, *failed_reports])
        )
    if not any(outcome.status in ("done", "kept") for outcome in outcomes):
        raise UnusableData(
            f"No event of {len(outcomes)} recordings says which music was played: no row of their events.tsv names an"
            " audio file in the column stim_file."
        )

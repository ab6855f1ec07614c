"""The participant level: raw recordings become preprocessed derivatives."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predann_bids import __version__
from predann_bids.bids.cues import Cues, find_cues, read_events
from predann_bids.bids.derivatives import (
    EVENTS_SIDECAR,
    DerivativePaths,
    prepare_output,
    provide_stimuli,
    source_fingerprint,
    write_citation,
    write_positions,
)
from predann_bids.bids.formats import require_files
from predann_bids.bids.presentations import Resolution, place, to_table
from predann_bids.bids.recordings import Recording, Selection, find_recordings
from predann_bids.bids.spans import BadSpan, bad_spans, from_events
from predann_bids.bids.stimuli import Stimuli
from predann_bids.bids.stimulus_map import StimulusMap, find_map, read_map
from predann_bids.config import Preprocessing, Science, science_hash
from predann_bids.errors import SomeParticipantsFailed, UnusableData
from predann_bids.files import read_json, write_json, write_text
from predann_bids.progress import Progress
from predann_bids.report.methods_preprocessing import preprocessing_methods
from predann_bids.report.quality import write_participants, write_quality
from predann_bids.report.references import references
from predann_bids.signals.audio import audio_seconds
from predann_bids.signals.brainvision import write_brainvision
from predann_bids.workflows.execution import Execution, Failure, exclusive, run_all

if TYPE_CHECKING:
    from predann_bids.report.participant import ReportJob
    from predann_bids.signals.eeg import Preprocessed

REPORT_GB = 0.6
# of memory: Python with MNE, and, as multiples of a file's size, what streams, is estimated on, or is loaded
PYTHON_GB, STREAMED, ESTIMATED, LOADED = 0.5, 0.5, 2.0, 12.0
QUALITY_S = 40.0  # stretch of the raw recording that line noise is measured on
PRELOAD = ("mne", "mne.io", "scipy.signal", "pandas", "soundfile", "predann_bids.signals.eeg", __name__)


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
    stimulus_map: StimulusMap | None = None
    look_for_onsets: bool = False
    workers: int = 1

    @property
    def entities(self) -> dict[str, str]:
        """Entities that a stimulus map may have conditions on."""
        recording = self.recording
        return {name: getattr(recording, name) for name in ("participant", "session", "task", "run")}


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
    stop the others; `on_done` sees the outcomes before a failure is raised.

    Raises
    ------
    SomeParticipantsFailed
        Some participants failed; their sentences are in the message, their tracebacks in `OUTPUT_DIR/logs/`.
    PredannError
        All of them failed: the error of the first. Or the dataset, the selection or the output is not usable.
    """
    execution = execution or Execution()
    rules = read_map(find_map(stimulus_map)) if stimulus_map else None
    recordings = find_recordings(bids_dir, selection or Selection())
    prepare_output(output_dir, bids_dir)
    methods = preprocessing_methods(science.preprocessing)
    write_citation(output_dir, methods, references(methods))
    audio_dir = stimuli_dir or bids_dir / "stimuli"
    jobs = [
        _Job(r, output_dir, audio_dir, science.preprocessing, execution.overwrite, rules, execution.report)
        for r in recordings
    ]
    outcomes = _process(jobs, execution)
    _log_failures(outcomes, output_dir)
    if on_done:
        on_done(outcomes)
    failed_reports = _write_reports(outcomes, bids_dir, output_dir, execution) if execution.report else []
    (write_quality if execution.report else write_participants)(output_dir)
    _raise_failures(outcomes, failed_reports, rules)
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
    require_files(recording.path)
    events = recording.sidecar("events", ".tsv")
    cues = find_cues(events, Stimuli(job.stimuli_dir), stimulus_map=job.stimulus_map, entities=job.entities)
    if not cues.music:
        missing = (f"{recording.path} has no events.tsv.",) if events is None else ()
        return RecordingOutcome(recording, "no music", warnings=missing)
    fingerprint = science_hash(
        job.config,
        source_fingerprint(recording, events, cues.audio),
        job.stimulus_map.fingerprint(job.entities) if job.stimulus_map else [],
        __version__,
    )
    finished = None if job.overwrite else _finished(recording, paths, fingerprint)
    if finished:
        return finished
    reading = recording.open()
    raw = reading.raw
    resolution = place(
        cues,
        recording_seconds=raw.n_times / raw.info["sfreq"],
        shortest=job.config.shortest,
        audio_seconds=audio_seconds,
    )
    resolution = replace(resolution, warnings=(*reading.warnings, *resolution.warnings))
    if not resolution.presentations:
        return RecordingOutcome(recording, "no music", warnings=resolution.warnings)
    spans = _bad_spans(raw, events, cues)
    done = _preprocess(raw, job)
    quality = _quality(raw, done, resolution, spans, _onsets(job, resolution))
    resolution = replace(resolution, warnings=(*resolution.warnings, *done.warnings))
    _write(job, paths, _Made(done, resolution, spans, quality, fingerprint, _origin(raw)))
    return RecordingOutcome(
        recording,
        "done",
        len(resolution.presentations),
        sum(p.duration for p in resolution.presentations),
        done.bad_channels,
        resolution.warnings,
    )


@dataclass(frozen=True)
class _Made:
    """Everything that is written for one recording."""

    preprocessed: Preprocessed
    resolution: Resolution
    bad_spans: tuple[BadSpan, ...]
    quality: dict[str, float | None]
    fingerprint: str
    origin: str


def _origin(raw: Any) -> str:
    from predann_bids.signals.eeg import samples_fingerprint

    return samples_fingerprint(raw)


def _bad_spans(raw: Any, events: Path | None, cues: Cues) -> tuple[BadSpan, ...]:
    """List what the file itself and its events mark as bad, unless those are the events of another stretch of time."""
    marked = from_events(read_events(events)) if events and cues.times_are_of_the_recording else ()
    seconds = raw.n_times / raw.info["sfreq"]
    return tuple(span for span in sorted({*bad_spans(raw), *marked}) if span.onset < seconds)


def _onsets(job: _Job, resolution: Resolution) -> list[float] | None:
    """List when notes begin, in seconds from the start of the recording; None when nobody will look at it."""
    if not job.look_for_onsets:
        return None
    from predann_bids.signals.onsets import onsets_heard

    return [
        float(second)
        for p in resolution.presentations
        for second in onsets_heard(
            _detected_onsets(job.stimuli_dir / p.stim_file),
            audio_start=p.audio_start,
            onset=p.onset,
            duration=p.duration,
        )
    ]


@lru_cache(maxsize=256)
def _detected_onsets(audio: Path) -> Any:
    from predann_bids.signals.onsets import detect_onsets

    return detect_onsets(audio)


def _quality(
    raw: Any, done: Preprocessed, resolution: Resolution, spans: tuple[BadSpan, ...], onsets: list[float] | None
) -> dict[str, float | None]:
    from predann_bids.signals.quality import measure

    rate = float(raw.info["sfreq"])
    middle = raw.n_times / rate / 2
    start, stop = (round(max(0.0, middle + offset) * rate) for offset in (-QUALITY_S / 2, QUALITY_S / 2))
    before = raw.get_data(picks=done.info["ch_names"], start=start, stop=min(raw.n_times, stop)) * 1e6
    names = done.info["ch_names"]
    return measure(
        before,
        rate,
        done.data,
        done.rate_hz,
        bad=[names.index(name) for name in done.bad_channels],
        line_hz=raw.info["line_freq"],
        presentations=[(p.onset, p.duration) for p in resolution.presentations],
        bad_spans=[(span.onset, span.duration) for span in spans],
        music_onsets=onsets,
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


def _preprocess(raw: Any, job: _Job) -> Preprocessed:
    from predann_bids.signals.eeg import preprocess

    try:
        told = str(job.recording.metadata().get("EEGReference", ""))
        return preprocess(raw, job.config, recorded_against=told, workers=job.workers)
    except UnusableData as error:
        raise UnusableData(f"{job.recording.path}: {error}.") from error


def _write(job: _Job, paths: DerivativePaths, made: _Made) -> None:
    for leftover in paths.stem.parent.glob(f".writing-*{paths.stem.name}_*"):
        # of a run that was killed; this process holds the recording's lock
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    paths.sidecar.unlink(missing_ok=True)  # from here on the recording is unfinished
    _report_path(job.output_dir, job.recording.participant).unlink(missing_ok=True)  # and its report out of date
    done, presentations = made.preprocessed, made.resolution.presentations
    markers = [(p.onset, p.duration, p.label) for p in presentations]
    marks = [(span.onset, span.duration, span.description) for span in made.bad_spans]
    from predann_bids.signals.spatial import positions

    places = positions(done.info)
    write_brainvision(done.data, done.info["ch_names"], done.rate_hz, places, paths.header, sorted([*markers, *marks]))
    if job.recording.sidecar("electrodes", ".tsv"):
        write_positions(job.recording, job.output_dir, done.info["ch_names"], places)
    provide_stimuli((p.stim_file for p in presentations), job.stimuli_dir, job.output_dir)
    write_text(paths.channels, _channel_table(done, job.config))
    write_text(paths.events, to_table(presentations).to_csv(sep="\t", index=False, na_rep="n/a"))
    write_json(paths.events_sidecar, EVENTS_SIDECAR)
    write_json(paths.sidecar, _sidecar(job, made))


def _channel_table(done: Preprocessed, config: Preprocessing) -> str:
    low, high = (f"{hz:g}" if hz else "n/a" for hz in (config.l_freq, config.h_freq))
    interpolated = set(_parameters(done, "interpolation").get("channels", ()))
    reasons = _parameters(done, "bad channels").get("reasons", {})
    rows = ["name\ttype\tunits\tlow_cutoff\thigh_cutoff\tsampling_frequency\tstatus\tstatus_description"]
    for name in done.info["ch_names"]:
        words = [*(["interpolated"] if name in interpolated else []), *reasons.get(name, ())]
        status = "bad" if name in reasons and name not in interpolated else "good"
        rate = f"{done.rate_hz:g}"
        rows.append("\t".join([name, "EEG", "µV", low, high, rate, status, ", ".join(words) or "n/a"]))
    return "\n".join(rows) + "\n"


def _parameters(done: Preprocessed, name: str) -> dict[str, Any]:
    return next((step.parameters for step in done.steps if step.name == name), {})


def _sidecar(job: _Job, made: _Made) -> dict[str, Any]:
    recording, done, presentations = job.recording, made.preprocessed, made.resolution.presentations
    source = recording.metadata()
    kept = (
        "TaskDescription",
        "Manufacturer",
        "ManufacturersModelName",
        "CapManufacturer",
        "EEGGround",
        "PowerLineFrequency",
    )
    filters = {step.name: step.parameters for step in done.steps if step.name in ("notch", "zapline", "band-pass")}
    seconds = sum(p.duration for p in presentations)
    return {
        "Description": "Preprocessed EEG; see PreprocessingSteps",
        "Sources": [f"bids:raw:{recording.path.relative_to(recording.root).as_posix()}"],
        "TaskName": source.get("TaskName", recording.task),
        **{key: source[key] for key in kept if key in source},
        "SamplingFrequency": done.rate_hz,
        "EEGReference": _reference_in_words(done) or source.get("EEGReference", "n/a"),
        "SoftwareFilters": filters or "n/a",
        "RecordingType": "continuous",
        "RecordingDuration": len(done.data) / done.rate_hz,
        "EEGChannelCount": len(done.info["ch_names"]),
        "PreprocessingConfiguration": job.config.model_dump(mode="json"),
        "PreprocessingSteps": [{"Name": step.name, **step.parameters} for step in done.steps],
        "BadChannels": list(done.bad_channels),
        "BadSpans": [
            {"onset": round(span.onset, 6), "duration": round(span.duration, 6), "description": span.description}
            for span in made.bad_spans
        ],
        "Quality": made.quality,
        "Presentations": {
            "Count": len(presentations),
            "Seconds": round(seconds, 3),
            "UsableSeconds": made.quality["usable_s"],
            "Warnings": [warning.replace(f"{recording.root}/", "") for warning in made.resolution.warnings],
        },
        "ScienceHash": made.fingerprint,
        "SourceFingerprint": made.origin,
    }


def _reference_in_words(done: Preprocessed) -> str:
    reference = _parameters(done, "reference")
    if not reference:
        return ""
    return {"average": "average", "rest": "REST"}.get(reference["kind"], ", ".join(reference.get("channels", ())))


def _process(jobs: Sequence[_Job], execution: Execution) -> list[RecordingOutcome]:
    peak = max(_peak_gb(job) for job in jobs)
    processes = min(execution.processes_for(peak), len(jobs))
    workers = max(1, execution.processes // processes)
    outcomes = []
    with Progress("Preprocessing", len(jobs)) as progress:
        jobs = [replace(job, workers=workers) for job in jobs]
        for outcome in run_all(process_recording, jobs, processes, preload=PRELOAD, on_beat=progress.beat):
            outcomes.append(outcome)
            progress.advance(note=f"{outcome.recording.name}: {outcome.status}")
            if outcome.failure and execution.stop_on_first_crash:
                break
    return sorted(outcomes, key=lambda outcome: outcome.recording)


def _peak_gb(job: _Job) -> float:
    """Guess how much memory a recording needs at most: little when it streams, all of it as float64 when not."""
    path = job.recording.path
    files = [file for file in path.parent.glob(f"{path.stem}.*") if file.is_file()]  # links may lead nowhere
    size_gb = max((file.stat().st_size for file in files), default=0) / 1e9
    if job.config.line_noise != "notch" or path.suffix == ".set":
        return PYTHON_GB + size_gb * LOADED
    estimates = "auto" in (job.config.bad_channels, job.config.ica)
    return PYTHON_GB + size_gb * (STREAMED + ESTIMATED * estimates)


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


def _raise_failures(
    outcomes: Sequence[RecordingOutcome], failed_reports: Sequence[str], rules: StimulusMap | None
) -> None:
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
        told = f"no rule of {rules.path} matches, and" if rules else "without --stimulus-map,"
        raise UnusableData(
            f"Nothing says which music was played in {len(outcomes)} recordings: {told} no row of their events.tsv"
            " names an audio file in the column stim_file. predann-tools stimuli shows what there is."
        )

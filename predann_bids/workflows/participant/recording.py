"""One recording, from its raw files to its derivative."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predann_bids.bids.derivatives import DerivativePaths
from predann_bids.bids.formats import require_files
from predann_bids.bids.gaps import TimeLine
from predann_bids.bids.music.cues import Cues, read_rows
from predann_bids.bids.music.placing import place_music
from predann_bids.bids.music.presentations import Resolution, from_table
from predann_bids.bids.music.provided import provide_stimuli
from predann_bids.bids.music.stimulus_map import StimulusMap
from predann_bids.bids.music.unusable import as_error, sentences
from predann_bids.bids.recordings import Recording
from predann_bids.bids.spans import BadSpan, bad_spans, from_events
from predann_bids.config import Preprocessing
from predann_bids.errors import PredannError, UnusableData
from predann_bids.files import read_json
from predann_bids.workflows.locks import exclusive
from predann_bids.workflows.participant.derivative import Made, write_derivative
from predann_bids.workflows.participant.sources import ContentNotKnown, KnownContents, Sources
from predann_bids.workflows.processes import Failure, Worker

if TYPE_CHECKING:
    from predann_bids.signals.preprocessing.preprocess import Preprocessed

QUALITY_S = 40.0  # stretch of the raw recording that line noise is measured on


@dataclass(frozen=True)
class RecordingOutcome:
    """The outcome of one recording."""

    recording: Recording
    status: str  # "done", "kept" (finished before), "no music" or "failed"
    presentations: int = 0
    music_s: float = 0.0
    bad_channels: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()  # a sentence for each fault, with file and row
    failure: Failure | None = None
    origin: str = ""  # what its samples are recognised by


@dataclass(frozen=True)
class RecordingJob:
    """A recording to preprocess, and how.

    Parameters
    ----------
    recording : Recording
        The raw recording.
    output_dir, stimuli_dir : Path
        The derivative dataset, and where the audio is.
    config : Preprocessing
        What to do.
    overwrite : bool
        Do finished work again.
    stimulus_map : StimulusMap, optional
        Rules that say which music was played.
    look_for_onsets : bool
        Measure the response to onsets in the music.
    missing_audio : str
        "fail" to fail a recording with presentations that cannot be used, "skip" to leave those out.
    audio_copies : bool
        Put the audio beside the derivatives.
    workers : int
        Threads to use.
    """

    recording: Recording
    output_dir: Path
    stimuli_dir: Path
    config: Preprocessing
    overwrite: bool
    stimulus_map: StimulusMap | None = None
    look_for_onsets: bool = False
    missing_audio: str = "skip"
    audio_copies: bool = True
    workers: int = 1

    def sources(self, *, may_read: bool = True) -> Sources:
        """Find what the derivative is made from; `may_read` as in `KnownContents`."""
        known = KnownContents(self.output_dir / "logs" / "contents" / f"{self.recording.name}.json", may_read)
        return Sources.find(self.recording, self.config, self.stimuli_dir, self.stimulus_map, known)


def process_recording(job: RecordingJob, _: Worker) -> RecordingOutcome:
    """Preprocess one recording."""
    with exclusive(job.output_dir / "logs" / "locks" / f"{job.recording.name}.lock"):
        return _process_locked(job)


def finished_before(job: RecordingJob) -> RecordingOutcome | None:
    """Return the outcome of a recording that needs no work: it is finished, or has no music.

    Only tables and sidecars are read. What cannot be used is left to `process_recording` to report, and so are files
    that may have changed.
    """
    try:
        return _outcome(job, job.sources(may_read=False))
    except (ContentNotKnown, PredannError, OSError):
        return None


def _outcome(job: RecordingJob, sources: Sources) -> RecordingOutcome | None:
    """Return what can be said without opening the recording: that it has no music, or is finished."""
    recording, cues, paths = job.recording, sources.cues, DerivativePaths.of(job.recording, job.output_dir)
    if cues.unusable and (not cues.music or job.missing_audio == "fail"):
        raise as_error(cues.unusable)
    if not cues.music:
        notes = [f"{recording.path} has no events.tsv."] if sources.events is None else [*cues.notes]
        if paths.sidecar.is_file():
            notes.append(
                f"{recording.name}: no music is found now, but its derivative of an earlier run is still in"
                f" {job.output_dir}; remove it if it is not to be used."
            )
        return RecordingOutcome(recording, "no music", warnings=tuple(notes))
    recording.require_choice()
    require_files(recording.path)  # only now: whoever fetched nothing but the music misses no other recording
    outcome = None if job.overwrite else _finished(paths, sources, job.missing_audio)
    if outcome and job.audio_copies:  # the dataset may have moved, and with it what a link led to
        used = [presentation.stim_file for presentation in from_table(paths.events)]
        provide_stimuli(used, job.stimuli_dir, job.output_dir)
    return outcome


def _process_locked(job: RecordingJob) -> RecordingOutcome:
    recording, sources = job.recording, job.sources()
    if outcome := _outcome(job, sources):
        return outcome
    fingerprint = sources.fingerprint  # before anything is read: what changes meanwhile is noticed by the next run
    reading = recording.open()
    raw, cues = reading.raw, sources.cues
    resolution = place_music(cues, sources.events, reading, shortest=job.config.shortest, audio_seconds=_audio_seconds)
    if resolution.unusable and job.missing_audio == "fail":
        raise as_error(resolution.unusable)
    odd = _remarks_on_audio(job.stimuli_dir, resolution)
    resolution = replace(resolution, warnings=(*resolution.warnings, *odd))
    if not resolution.presentations:
        return RecordingOutcome(recording, "no music", warnings=resolution.warnings)
    spans = _bad_spans(raw, sources.events, cues, reading.timeline)
    done = _preprocess(raw, job, resolution, spans)
    quality = _quality(raw, done, resolution, spans, _onsets(job, resolution))
    resolution = replace(resolution, warnings=(*resolution.warnings, *done.warnings))
    origin = _origin(raw)
    audio = {cue.stim_file: sources.contents[cue.audio] for cue in cues.music}
    made = Made(recording, job.config, done, resolution, spans, quality, fingerprint, origin, audio)
    write_derivative(made, job.output_dir, job.stimuli_dir if job.audio_copies else None)
    return RecordingOutcome(
        recording,
        "done",
        len(resolution.presentations),
        sum(p.duration for p in resolution.presentations),
        done.bad_channels,
        resolution.warnings,
        tuple(sentences(resolution.unusable)),
        origin=origin,
    )


def _audio_seconds(audio: Path) -> float:
    """Return the length of audio whose samples can be used; what cannot costs its own presentations only."""
    from predann_bids.signals.audio import audio_remarks, audio_seconds

    seconds = audio_seconds(audio)
    audio_remarks(audio)
    return seconds


def _remarks_on_audio(stimuli_dir: Path, resolution: Resolution) -> list[str]:
    from predann_bids.signals.audio import audio_remarks

    files = sorted({stimuli_dir / presentation.stim_file for presentation in resolution.presentations})
    return [f"{file} {remark}" for file in files for remark in audio_remarks(file)]


def _finished(paths: DerivativePaths, sources: Sources, missing: str) -> RecordingOutcome | None:
    needed = (paths.sidecar, paths.header, paths.header.with_suffix(".eeg"), paths.events, paths.channels)
    if not all(path.is_file() for path in needed):
        return None
    sidecar = read_json(paths.sidecar)
    if sidecar["Presentations"].get("Unusable") and missing == "fail":
        return None
    if sidecar.get("ScienceHash") != sources.fingerprint:
        return None
    samples = round(sidecar["RecordingDuration"] * sidecar["SamplingFrequency"])
    if paths.header.with_suffix(".eeg").stat().st_size != 4 * samples * sidecar["EEGChannelCount"]:
        return None  # it was damaged since
    summary = sidecar["Presentations"]
    return RecordingOutcome(
        sources.recording,
        "kept",
        summary["Count"],
        summary["Seconds"],
        tuple(sidecar["BadChannels"]),
        tuple(summary["Warnings"]),
        tuple(summary.get("Unusable", ())),
        origin=sidecar.get("SourceFingerprint", ""),
    )


def _origin(raw: Any) -> str:
    from predann_bids.signals.preprocessing.preprocess import samples_fingerprint

    return samples_fingerprint(raw)


def _bad_spans(raw: Any, events: Path | None, cues: Cues, timeline: TimeLine) -> tuple[BadSpan, ...]:
    """List what the file itself and its events mark as bad, unless those are the events of another stretch of time."""
    rows = read_rows(events) if events and cues.times_are_of_the_recording else []
    marked = [span.in_file(timeline) for span in from_events(rows)]
    seconds = raw.n_times / raw.info["sfreq"]
    return tuple(span for span in sorted({*bad_spans(raw), *marked}) if span.onset < seconds)


def _onsets(job: RecordingJob, resolution: Resolution) -> list[float] | None:
    """List when notes begin, in seconds from the start of the recording; None when nobody will look at it."""
    if not job.look_for_onsets:
        return None
    from predann_bids.signals.onsets import detect_onsets, onsets_played

    return [
        float(second)
        for p in resolution.presentations
        for second in onsets_played(
            detect_onsets(job.stimuli_dir / p.stim_file),
            audio_start=p.audio_start,
            onset=p.onset,
            duration=p.duration,
        )
    ]


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


def _preprocess(raw: Any, job: RecordingJob, resolution: Resolution, spans: tuple[BadSpan, ...]) -> Preprocessed:
    from predann_bids.signals.preprocessing.preprocess import preprocess
    from predann_bids.signals.preprocessing.stretches import worth_judging

    judged_by = worth_judging(
        raw.n_times / raw.info["sfreq"],
        [(p.onset, p.duration) for p in resolution.presentations],
        [(span.onset, span.duration) for span in spans],
    )
    recorded_against = str(job.recording.metadata().get("EEGReference", ""))
    try:
        return preprocess(raw, job.config, recorded_against=recorded_against, judged_by=judged_by, workers=job.workers)
    except UnusableData as error:
        raise UnusableData(f"{job.recording.path}: {error}.") from error

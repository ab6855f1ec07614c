"""Inspect what the participant level would find in a dataset, without processing anything."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from predann_bids.bids.music.cues import Cue, find_cues, read_events
from predann_bids.bids.music.presentations import Presentation, resolve_cues
from predann_bids.bids.music.stimuli import AudioFile, Stimuli, names_audio
from predann_bids.bids.music.stimulus_map import ENTITIES, NOTHING, StimulusMap
from predann_bids.bids.recordings import Recording
from predann_bids.errors import MissingInput, PredannError, ReadOrWriteFailed
from predann_bids.signals.audio import audio_seconds

UNNAMED = "(rows without trial_type and value)"
# columns of events.tsv that hold measurements, which do not name a kind of row
MEASURES = {"onset", "duration", "sample", "response_time", "HED"}


class Stimulus(NamedTuple):
    """A class to be recognised, and the audio file that it stands for."""

    label: str
    file: str


@dataclass(frozen=True)
class RecordingInspection:
    """The music in one recording, and what is wrong with it.

    Parameters
    ----------
    recording : Recording
        The recording.
    music : tuple of Cue
        All music that its events and the stimulus map ask for, whether or not its audio exists.
    presentations : tuple of Presentation
        Presentations that would be used; empty if there is a problem.
    ignored : mapping
        Why rows are not music, to the kinds of these rows and their numbers.
    missing : frozenset of str
        Audio files that are asked for and do not exist.
    rules : frozenset of int
        Lines of the stimulus map that apply to this recording.
    values : mapping
        Columns of its events.tsv on which the map has conditions, to their values and the numbers of these.
    warnings, remarks : tuple of str
        Sentences about presentations, and a few words about the recording.
    closed : str
        Why the EEG cannot be opened, which leaves its length unknown; empty if it can.
    problem : PredannError, optional
        The error with which the participant level would fail.
    """

    recording: Recording
    music: tuple[Cue, ...] = ()
    presentations: tuple[Presentation, ...] = ()
    ignored: Mapping[str, Counter[str]] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    rules: frozenset[int] = frozenset()
    values: Mapping[str, Counter[str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    closed: str = ""
    problem: PredannError | None = None

    @property
    def stimuli(self) -> list[Stimulus]:
        """Stimulus of each presentation; if there is a problem, of all music that is asked for."""
        source = self.music if self.problem else self.presentations
        return [Stimulus(one.label, one.stim_file) for one in source]


@dataclass(frozen=True)
class DatasetInspection:
    """The music in all recordings of a dataset.

    Parameters
    ----------
    recordings : tuple of RecordingInspection
        All recordings, in their order.
    stimuli_dir : Path
        Directory of the audio files.
    stimulus_map : StimulusMap, optional
        The user's stimulus map.
    shortest : float
        Presentations shorter than this, in seconds, are left out.
    """

    recordings: tuple[RecordingInspection, ...]
    stimuli_dir: Path
    stimulus_map: StimulusMap | None = None
    shortest: float = 0.0

    @property
    def participants(self) -> list[str]:
        """Labels of all participants."""
        return sorted({one.recording.participant for one in self.recordings})

    @property
    def failing(self) -> list[RecordingInspection]:
        """Recordings with a problem."""
        return [one for one in self.recordings if one.problem]

    def counts_by_stimulus(self) -> dict[Stimulus, Counter[str]]:
        """Return how often each participant is presented with each stimulus."""
        counts: dict[Stimulus, Counter[str]] = {}
        for one in self.recordings:
            for stimulus in one.stimuli:
                counts.setdefault(stimulus, Counter())[one.recording.participant] += 1
        return dict(sorted(counts.items()))


def entities_of(recording: Recording) -> dict[str, str]:
    """Return the entities of a recording on which a stimulus map can have conditions."""
    return {name: getattr(recording, name) for name in ENTITIES}


def audio_in(directory: Path) -> list[str]:
    """List the audio files below a directory, relative to it, without broken links."""
    files = (path for path in directory.rglob("*") if names_audio(path.name) and path.is_file())
    return sorted(path.relative_to(directory).as_posix() for path in files)


def inspect_recordings(
    recordings: Sequence[Recording], stimuli_dir: Path, stimulus_map: StimulusMap | None, *, shortest: float
) -> Iterator[RecordingInspection]:
    """Inspect recordings one after the other; a problem with one does not stop the others.

    Parameters
    ----------
    recordings : sequence of Recording
        Recordings of one dataset.
    stimuli_dir : Path
        Directory of the audio files.
    stimulus_map : StimulusMap, optional
        The user's stimulus map.
    shortest : float
        Presentations shorter than this, in seconds, are left out.
    """
    stimuli = _StimuliAndMissing(stimuli_dir)
    seconds_of = cache(audio_seconds)
    for recording in recordings:
        try:
            yield _inspect(recording, stimuli, stimulus_map, shortest, seconds_of)
        except PredannError as error:
            yield RecordingInspection(recording, problem=error)
        except OSError as error:
            reason = f"{error.filename or recording.path} cannot be read: {error.strerror or error}."
            yield RecordingInspection(recording, problem=ReadOrWriteFailed(reason))


@dataclass(frozen=True)
class _StimuliAndMissing(Stimuli):
    """A stimuli directory that notes which audio is missing instead of failing."""

    missing: set[str] = field(default_factory=set)

    def locate(self, wanted: str) -> AudioFile:
        try:
            return super().locate(wanted)
        except PredannError:
            self.missing.add(wanted)
            return AudioFile(self.directory / wanted, wanted)


def _inspect(
    recording: Recording,
    stimuli: _StimuliAndMissing,
    stimulus_map: StimulusMap | None,
    shortest: float,
    seconds_of: Callable[[Path], float],
) -> RecordingInspection:
    events = recording.sidecar("events", ".tsv")
    entities = entities_of(recording)
    cues = find_cues(events, stimuli, stimulus_map=stimulus_map, entities=entities)
    table = read_events(events) if events else pd.DataFrame()
    missing = frozenset(cue.stim_file for cue in cues.music) & stimuli.missing
    length, remarks, closed = _length(recording) if cues.music else (math.inf, (), "")
    presentations: tuple[Presentation, ...] = ()
    warnings = cues.notes
    problem = None
    try:
        if missing:  # fails with the sentence that names file and row
            find_cues(events, Stimuli(stimuli.directory), stimulus_map=stimulus_map, entities=entities)
        resolution = resolve_cues(cues, recording_seconds=length, shortest=shortest, audio_seconds=seconds_of)
        presentations, warnings = resolution.presentations, resolution.warnings
    except PredannError as error:
        problem = error
    return RecordingInspection(
        recording,
        cues.music,
        presentations,
        {reason: _kinds(table, lines) for reason, lines in cues.ignored.items() if lines},
        missing,
        _rules_that_match(stimulus_map, entities, table) if stimulus_map else frozenset(),
        {name: _values(table, name) for name in stimulus_map.columns & set(table)} if stimulus_map else {},
        warnings,
        (*remarks, *(["no events.tsv"] if events is None else [])),
        closed,
        problem,
    )


def _length(recording: Recording) -> tuple[float, tuple[str, ...], str]:
    """Return the length in seconds, remarks, and why the EEG cannot be opened, in which case it is endless."""
    try:
        raw = recording.read()
    except PredannError as error:
        what = "EEG not there" if isinstance(error, MissingInput) else "EEG unreadable"
        return math.inf, (f"{what}, length unknown",), str(error)
    return raw.n_times / raw.info["sfreq"], (), ""


def _kinds(table: pd.DataFrame, lines: Sequence[int]) -> Counter[str]:
    rows = table.iloc[[line - 2 for line in lines]]  # the header is line 1
    columns = [rows[name].tolist() for name in ("trial_type", "value") if name in rows]
    cells = zip(*columns, strict=True) if columns else (() for _ in lines)
    return Counter(next((cell for cell in row if cell not in NOTHING), UNNAMED) for row in cells)


def _values(table: pd.DataFrame, column: str) -> Counter[str]:
    return Counter(cell for cell in table[column].tolist() if cell not in NOTHING)


def _rules_that_match(stimulus_map: StimulusMap, entities: Mapping[str, str], table: pd.DataFrame) -> frozenset[int]:
    """Return the lines of the rules that apply to the recording or to any of its rows; the first match counts."""
    rules = stimulus_map.about(entities)
    columns = sorted(stimulus_map.columns & set(table))
    rows: list[dict[str, str]] = table[columns].drop_duplicates().to_dict("records")  # type: ignore[assignment]
    winners: set[int] = set()
    for rule in rules:
        if rule.is_about_recordings:
            if not winners:
                return frozenset({rule.line})
            continue  # an earlier rule about rows applies
        matched = [row for row in rows if rule.matches(row)]
        if matched:
            winners.add(rule.line)
            rows = [row for row in rows if row not in matched]
    return frozenset(winners)

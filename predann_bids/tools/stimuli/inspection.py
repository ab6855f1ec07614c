"""Inspect what the participant level would find in a dataset, without processing anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from predann_bids.bids.music.cues import Cue, find_cues, read_events
from predann_bids.bids.music.placing import place_music
from predann_bids.bids.music.presentations import Presentation, Resolution
from predann_bids.bids.music.stimuli import Stimuli, readable_files
from predann_bids.bids.music.stimulus_map import ENTITIES, NOTHING, StimulusMap
from predann_bids.bids.music.unusable import Unusable
from predann_bids.bids.recordings import Reading, Recording
from predann_bids.errors import MissingInput, PredannError, ReadOrWriteFailed
from predann_bids.signals.audio import audio_remarks, audio_seconds

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
        All music that its events and the stimulus map ask for and whose audio exists.
    presentations : tuple of Presentation
        Presentations that would be used; empty if there is a problem.
    ignored : mapping
        Why rows are not music, to the kinds of these rows and their numbers.
    unusable : tuple of Unusable
        Music whose audio, onset or duration cannot be used.
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
    unusable: tuple[Unusable, ...] = ()
    rules: frozenset[int] = frozenset()
    values: Mapping[str, Counter[str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    closed: str = ""
    problem: PredannError | None = None

    @property
    def stimuli(self) -> list[Stimulus]:
        """Stimulus of each presentation and of what cannot be used; if there is a problem, of all that is asked for."""
        usable = self.music if self.problem else self.presentations
        return [Stimulus(one.label, one.stim_file) for one in (*usable, *self.unusable)]

    @property
    def missing(self) -> frozenset[str]:
        """Audio files that are asked for and do not exist."""
        return frozenset(one.stim_file for one in self.unusable if isinstance(one.error, MissingInput))


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

    @property
    def incomplete(self) -> list[RecordingInspection]:
        """Recordings with presentations that cannot be used, among others that can."""
        return [one for one in self.recordings if one.unusable and not one.problem]

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
    return readable_files(directory)


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
    stimuli = Stimuli(stimuli_dir, recordings[0].root / "stimuli" if recordings else None)
    for recording in recordings:
        yield inspect_recording(recording, stimuli, stimulus_map, shortest=shortest)


def inspect_recording(
    recording: Recording,
    stimuli: Stimuli,
    stimulus_map: StimulusMap | None,
    *,
    shortest: float,
    look_at_samples: bool = True,
) -> RecordingInspection:
    """Inspect one recording; see `inspect_recordings`.

    Parameters
    ----------
    recording : Recording
        The recording.
    stimuli : Stimuli
        Where the audio is.
    stimulus_map : StimulusMap, optional
        The user's stimulus map.
    shortest : float
        Presentations shorter than this, in seconds, are left out.
    look_at_samples : bool
        Look at the values of the EEG and of the audio, too, which takes twice as long.
    """
    try:
        return _inspect(recording, stimuli, stimulus_map, shortest, look_at_samples)
    except PredannError as error:
        return RecordingInspection(recording, problem=error)
    except OSError as error:
        reason = f"{error.filename or recording.path} cannot be read: {error.strerror or error}."
        return RecordingInspection(recording, problem=ReadOrWriteFailed(reason))


def _inspect(
    recording: Recording,
    stimuli: Stimuli,
    stimulus_map: StimulusMap | None,
    shortest: float,
    look_at_samples: bool,
) -> RecordingInspection:
    events = recording.sidecar("events", ".tsv")
    entities = entities_of(recording)
    cues = find_cues(events, stimuli, stimulus_map=stimulus_map, entities=entities)
    table = read_events(events) if events else pd.DataFrame()
    reading, remarks, closed = _open(recording, look_at_samples) if cues.music else (None, (), "")
    resolution = Resolution((), cues.notes, cues.unusable)
    problem = None
    try:
        resolution = place_music(cues, events, reading, shortest=shortest, audio_seconds=audio_seconds)
        heard = {stimuli.directory / p.stim_file for p in resolution.presentations if look_at_samples}
        resolution = replace(resolution, warnings=(*resolution.warnings, *_remarks_on_audio(heard)))
    except PredannError as error:
        problem = error
    return RecordingInspection(
        recording,
        cues.music,
        resolution.presentations,
        {reason: _kinds(table, lines) for reason, lines in cues.ignored.items() if lines},
        resolution.unusable,
        _rules_that_match(stimulus_map, entities, table) if stimulus_map else frozenset(),
        {name: _values(table, name) for name in stimulus_map.columns & set(table)} if stimulus_map else {},
        resolution.warnings,
        (*remarks, *(["no events.tsv"] if events is None else [])),
        closed,
        problem,
    )


def _remarks_on_audio(files: Collection[Path]) -> list[str]:
    return [f"{file} {remark}" for file in sorted(files) for remark in audio_remarks(file)]


def _open(recording: Recording, look_at_samples: bool) -> tuple[Reading | None, tuple[str, ...], str]:
    """Return the opened recording, remarks, and why it cannot be opened."""
    try:
        return recording.open(look_at_samples=look_at_samples), (), ""
    except PredannError as error:
        what = "EEG not there" if isinstance(error, MissingInput) else "EEG unreadable"
        return None, (f"{what}, length unknown",), str(error)


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

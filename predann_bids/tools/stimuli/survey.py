"""Look at what the participant level would find in a dataset, without processing anything."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pandas as pd

from predann_bids.bids.music.cues import Cue, find_cues, read_events
from predann_bids.bids.music.presentations import Presentation, place
from predann_bids.bids.music.stimuli import Found, Stimuli, names_audio
from predann_bids.bids.music.stimulus_map import ENTITIES, NOTHING, StimulusMap
from predann_bids.bids.recordings import Recording
from predann_bids.errors import MissingInput, PredannError, ReadOrWriteFailed
from predann_bids.signals.audio import audio_seconds

UNNAMED = "(rows without trial_type and value)"


@dataclass(frozen=True)
class Inspected:
    """What was found out about one recording.

    Parameters
    ----------
    recording : Recording
        Which.
    music : tuple of Cue
        What its events and the stimulus map say of music, audio that is missing included.
    presentations : tuple of Presentation
        What would be used; none where there is a problem.
    ignored : mapping
        Reason to the kinds of rows that are no music for it, and how many there are of each.
    missing : frozenset of str
        Audio that is asked for and cannot be found.
    rules : frozenset of int
        Lines of the stimulus map that say something about this recording.
    values : mapping
        Columns of its events.tsv that the map has conditions on, to the values in them and how many there are.
    warnings, remarks : tuple of str
        Sentences about presentations, and a few words about the recording.
    closed : str
        Why the EEG cannot be opened, so that its length is unknown; empty where it can.
    problem : PredannError, optional
        What the participant level would fail with.
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
    def heard(self) -> list[tuple[str, str]]:
        """Label and audio file of each presentation; where there is a problem, of what is asked for."""
        return [(one.label, one.stim_file) for one in (self.music if self.problem else self.presentations)]


@dataclass(frozen=True)
class Survey:
    """What was found out about a dataset.

    Parameters
    ----------
    inspected : tuple of Inspected
        All recordings, in their order.
    stimuli_dir : Path
        Where the audio was looked for.
    stimulus_map : StimulusMap, optional
        What the user says.
    shortest : float
        Presentations shorter than this, in seconds, are left out.
    """

    inspected: tuple[Inspected, ...]
    stimuli_dir: Path
    stimulus_map: StimulusMap | None = None
    shortest: float = 0.0

    @property
    def participants(self) -> list[str]:
        """Labels of all participants."""
        return sorted({one.recording.participant for one in self.inspected})

    @property
    def failing(self) -> list[Inspected]:
        """Recordings with a problem."""
        return [one for one in self.inspected if one.problem]

    def hearers(self) -> dict[tuple[str, str], Counter[str]]:
        """Return each stimulus, as label and audio file, with how often each participant hears it."""
        hearers: dict[tuple[str, str], Counter[str]] = {}
        for one in self.inspected:
            for stimulus in one.heard:
                hearers.setdefault(stimulus, Counter())[one.recording.participant] += 1
        return dict(sorted(hearers.items()))


def entities_of(recording: Recording) -> dict[str, str]:
    """Return the entities that a stimulus map can have conditions on."""
    return {name: getattr(recording, name) for name in ENTITIES}


def audio_in(directory: Path) -> list[str]:
    """List the audio files in a directory and below, relative to it; links to content that is not there are none."""
    files = (path for path in directory.rglob("*") if names_audio(path.name) and path.is_file())
    return sorted(path.relative_to(directory).as_posix() for path in files)


def inspect_all(
    recordings: Sequence[Recording], stimuli_dir: Path, stimulus_map: StimulusMap | None, *, shortest: float
) -> Iterator[Inspected]:
    """Inspect recordings one after the other; what is wrong with one is kept with it and stops no other.

    Parameters
    ----------
    recordings : sequence of Recording
        Of one dataset.
    stimuli_dir : Path
        Where the audio is.
    stimulus_map : StimulusMap, optional
        What the user says.
    shortest : float
        Presentations shorter than this, in seconds, are left out.
    """
    stimuli = _Forgiving(stimuli_dir)
    seconds_of = cache(audio_seconds)
    for recording in recordings:
        try:
            yield _inspect(recording, stimuli, stimulus_map, shortest, seconds_of)
        except PredannError as error:
            yield Inspected(recording, problem=error)
        except OSError as error:
            reason = f"{error.filename or recording.path} cannot be read: {error.strerror or error}."
            yield Inspected(recording, problem=ReadOrWriteFailed(reason))


@dataclass(frozen=True)
class _Forgiving(Stimuli):
    """A stimuli directory that gives missing audio a name, to count who asks for it."""

    missing: set[str] = field(default_factory=set)

    def locate(self, wanted: str) -> Found:
        try:
            return super().locate(wanted)
        except PredannError:
            self.missing.add(wanted)
            return Found(self.directory / wanted, wanted)


def _inspect(
    recording: Recording,
    stimuli: _Forgiving,
    stimulus_map: StimulusMap | None,
    shortest: float,
    seconds_of: Callable[[Path], float],
) -> Inspected:
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
        if missing:  # the sentence that names file and row
            find_cues(events, Stimuli(stimuli.directory), stimulus_map=stimulus_map, entities=entities)
        resolution = place(cues, recording_seconds=length, shortest=shortest, audio_seconds=seconds_of)
        presentations, warnings = resolution.presentations, resolution.warnings
    except PredannError as error:
        problem = error
    return Inspected(
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
    """Return seconds, remarks, and why it cannot be opened; what cannot is taken to last for ever."""
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
    """Return the lines of the rules that win, for the recording or for any of its rows."""
    rules = stimulus_map.about(entities)
    columns = sorted(stimulus_map.columns & set(table))
    rows: list[dict[str, str]] = table[columns].drop_duplicates().to_dict("records")  # type: ignore[assignment]
    winners: set[int] = set()
    for rule in rules:
        if rule.is_about_recordings:
            if not winners:
                return frozenset({rule.line})
            continue  # a rule about rows came first
        matched = [row for row in rows if rule.matches(row)]
        if matched:
            winners.add(rule.line)
            rows = [row for row in rows if row not in matched]
    return frozenset(winners)

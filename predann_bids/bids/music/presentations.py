"""Presentations: which music played when, and for how long."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from predann_bids.bids.music.cues import Cue, Cues, find_cues, read_rows
from predann_bids.bids.music.stimuli import Stimuli
from predann_bids.bids.music.stimulus_map import StimulusMap
from predann_bids.bids.music.unusable import Unusable, as_error
from predann_bids.bids.numbers import MISSING
from predann_bids.errors import PredannError, UnusableData

CUT_TOLERANCE_S = 0.01  # events tables round to milliseconds
OTHER_UNITS = 10  # an onset of so many times the length of a recording is in milliseconds or samples
LISTED_ONE_BY_ONE = 3  # warnings of a kind; more are put into one sentence

Remarks = dict[str, list[tuple[str, str]]]  # what happened -> where, and the sentence about it


@dataclass(frozen=True)
class Presentation:
    """One stretch of one recording in which one stimulus plays.

    Parameters
    ----------
    label : str
        Name of the stimulus, the class to be recognised.
    stim_file : str
        Audio file, relative to the stimuli directory.
    onset, duration : float
        Seconds from the start of the recording.
    audio_start : float
        Seconds into the audio file at `onset`.
    stim_id : str
        Its id in the table of stimuli; empty if it has none.
    """

    label: str
    stim_file: str
    onset: float
    duration: float
    audio_start: float = 0.0
    stim_id: str = ""

    @property
    def end(self) -> float:
        """Seconds from the start of the recording at which the stimulus stops."""
        return self.onset + self.duration


@dataclass(frozen=True)
class Resolution:
    """The presentations of a recording in the order of their onsets, warnings about them, and what cannot be used."""

    presentations: tuple[Presentation, ...]
    warnings: tuple[str, ...] = ()
    unusable: tuple[Unusable, ...] = ()


def resolve_cues(
    cues: Cues,
    *,
    recording_seconds: float,
    shortest: float,
    audio_seconds: Callable[[Path], float],
) -> Resolution:
    """Turn cues into presentations that lie inside the recording and its audio and do not overlap.

    A presentation lasts as long as the stimulus map says or until the row that ends it, whichever is shorter; without
    these, as long as its own row says when that is at least `shortest`, else as long as the audio. It is cut where the
    audio or the recording ends and where the next presentation begins.

    Parameters
    ----------
    cues : Cues
        In the order of their onsets.
    recording_seconds : float
        Length of the recording.
    shortest : float
        Presentations shorter than this, in seconds, are left out with a warning.
    audio_seconds : callable
        Returns the length of an audio file in seconds.

    Returns
    -------
    Resolution

    Raises
    ------
    UnusableData
        Most of the music begins after the end of the recording, so that its times are those of something else.
    PredannError
        Nothing can be used: the error of the first that cannot.
    """
    remarks: Remarks = defaultdict(list)
    presentations = []
    unusable = list(cues.unusable)
    music = _without_repetitions(cues.music, remarks, unusable)
    onsets = [cue.onset for cue in cues.music] + [one.onset for one in cues.unusable if one.onset is not None]
    _refuse_other_times(music, recording_seconds)
    for cue in music:
        next_onset = min((onset for onset in onsets if onset > cue.onset), default=math.inf)
        try:
            _refuse_outside(cue, recording_seconds)
            seconds = _seconds_left(cue, shortest, audio_seconds)
        except PredannError as error:
            unusable.append(_lost(cue, error))
            continue
        presentation = _resolve_one(cue, next_onset, recording_seconds, shortest, seconds, remarks)
        if presentation:
            presentations.append(presentation)
    if unusable and not presentations:
        raise as_error(unusable)
    ordered = tuple(sorted(unusable, key=lambda one: one.line))
    return Resolution(tuple(presentations), (*cues.notes, *_sentences(remarks)), ordered)


def _lost(cue: Cue, error: PredannError) -> Unusable:
    return Unusable(cue.where, cue.line, cue.onset, cue.duration, cue.label, cue.stim_file, error)


def _without_repetitions(music: Sequence[Cue], remarks: Remarks, unusable: list[Unusable]) -> list[Cue]:
    """Return the first of equal rows, and none of those that contradict each other about what begins."""
    kept: list[Cue] = []
    for _, at_once in groupby(music, key=lambda cue: cue.onset):
        first, *others = at_once
        other = next((cue for cue in others if cue.audio != first.audio), None)
        if other:
            unusable += [_lost(one, _at_once(one, other if one is first else first)) for one in (*others, first)]
            continue
        kept.append(first)
        remarks["repeat an earlier row and are left out"] += [
            (cue.where, f"'{cue.stim_file}' repeats line {first.line} and is left out") for cue in others
        ]
    return kept


def _at_once(cue: Cue, other: Cue) -> UnusableData:
    return UnusableData(
        f"'{cue.stim_file}' begins at {cue.onset:g} s, as does '{other.stim_file}' of line {other.line}; only one"
        " stimulus can be recognised at a time. Remove one of the rows."
    )


def _refuse_other_times(music: Sequence[Cue], recording_seconds: float) -> None:
    """Refuse times in other units or of another recording: where one may have ended early, few lie outside of it."""
    outside = [cue for cue in music if max(cue.onset, cue.marker) >= recording_seconds]
    if not outside:
        return
    farthest = max(max(cue.onset, cue.marker) for cue in outside)
    if 2 * len(outside) >= len(music) or farthest > OTHER_UNITS * recording_seconds:
        error = _outside(outside[0], recording_seconds)
        raise UnusableData(f"{outside[0].where}: {error}")


def _refuse_outside(cue: Cue, recording_seconds: float) -> None:
    if max(cue.onset, cue.marker) >= recording_seconds:
        raise _outside(cue, recording_seconds)


def _outside(cue: Cue, recording_seconds: float) -> UnusableData:
    return UnusableData(
        f"'{cue.stim_file}' begins at {cue.onset:g} s, outside the recording (0 to {recording_seconds:g} s)."
        " Onsets must be seconds from the start of this file."
    )


def _seconds_left(cue: Cue, shortest: float, audio_seconds: Callable[[Path], float]) -> float:
    """Return how many seconds the audio lasts from what was played first."""
    seconds = audio_seconds(cue.audio)
    if seconds < shortest:
        raise UnusableData(f"the audio {cue.audio} lasts {seconds:.2f} s, less than a window ({shortest:g} s)")
    if cue.audio_start >= seconds:
        raise UnusableData(
            f"audio_start is {cue.audio_start:g} s, but the audio {cue.audio} lasts only {seconds:.2f} s"
        )
    return seconds - cue.audio_start


def _resolve_one(
    cue: Cue, next_onset: float, recording_seconds: float, shortest: float, left: float, remarks: Remarks
) -> Presentation | None:
    first = max(cue.onset, 0.0)  # music may have begun before the recording
    duration = _duration(cue, left, next_onset, shortest)
    if duration > left + CUT_TOLERANCE_S:
        _remark_cut(remarks, cue, duration, left, "the audio ends")
    duration = min(duration, left)
    if first > cue.onset:
        room = max(0.0, duration - (first - cue.onset))
        _remark_cut(remarks, cue, duration, room, "the recording begins")
        duration = room
    for limit, reason in ((recording_seconds, "the recording ends"), (next_onset, "the next begins")):
        room = max(0.0, limit - first)
        if duration > room + CUT_TOLERANCE_S:
            _remark_cut(remarks, cue, duration, room, reason)
        duration = min(duration, room)
    if duration < shortest:
        text = f"'{cue.stim_file}' is left out, as {duration:.2f} s are less than {shortest:g} s"
        remarks[f"are left out, as they last less than {shortest:g} s"].append((cue.where, text))
        return None
    return Presentation(cue.label, cue.stim_file, first, duration, cue.audio_start + first - cue.onset, cue.stim_id)


def _duration(cue: Cue, left: float, next_onset: float, shortest: float) -> float:
    # an end that comes after the next onset belongs to a later presentation: this one was played to its end
    ended = cue.end - cue.onset if cue.end is not None and cue.onset < cue.end <= next_onset else None
    if cue.stated is not None:
        return min(cue.stated, ended or cue.stated)
    if ended is not None:
        return ended
    if cue.duration is not None and cue.duration >= shortest:
        return cue.duration
    return left


def _remark_cut(remarks: Remarks, cue: Cue, duration: float, room: float, reason: str) -> None:
    text = f"'{cue.stim_file}' is cut from {duration:.2f} to {room:.2f} s, where {reason}"
    remarks[f"are cut, where {reason}"].append((cue.where, text))


def _sentences(remarks: Mapping[str, Sequence[tuple[str, str]]]) -> list[str]:
    sentences = []
    for what, cases in remarks.items():
        if len(cases) <= LISTED_ONE_BY_ONE:
            sentences += [f"{where}: {text}." for where, text in cases]
        else:
            file = cases[0][0].rpartition(", line ")[0]
            lines = [where.rpartition(" ")[2] for where, _ in cases]
            shown = ", ".join(lines[:8]) + (", ..." if len(lines) > 8 else "")
            sentences.append(f"{file}: {len(cases)} presentations {what} (lines {shown}).")
    return sentences


def resolve_presentations(
    events: Path | None,
    stimuli_dir: Path,
    *,
    recording_seconds: float,
    shortest: float,
    audio_seconds: Callable[[Path], float],
    stimulus_map: StimulusMap | None = None,
    entities: Mapping[str, str] | None = None,
) -> Resolution:
    """Find the presentations of one recording: `find_cues`, then `resolve_cues`.

    Parameters
    ----------
    events : Path or None
        Its events.tsv, if there is one.
    stimuli_dir : Path
        Where the audio is.
    recording_seconds : float
        Length of the recording.
    shortest : float
        Presentations shorter than this, in seconds, are left out.
    audio_seconds : callable
        Returns the length of an audio file in seconds.
    stimulus_map : StimulusMap, optional
        Which events or recordings stand for which audio.
    entities : mapping of str to str, optional
        Entities of the recording, for the conditions of the map.
    """
    cues = find_cues(events, Stimuli(stimuli_dir), stimulus_map=stimulus_map, entities=entities)
    return resolve_cues(cues, recording_seconds=recording_seconds, shortest=shortest, audio_seconds=audio_seconds)


COLUMNS = ("onset", "duration", "trial_type", "stim_file", "audio_start")


def to_table(
    presentations: Sequence[Presentation], unusable: Sequence[Unusable] = ()
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Lay out presentations as the events table of a derivative: its columns, and a row for each.

    Further columns are there only if needed: `stim_id` if any presentation has one, and the reason of what cannot be
    used, which has a row, too.
    """
    with_ids = any(p.stim_id for p in presentations)
    ids = [(p.stim_id or "n/a",) if with_ids else () for p in presentations]
    rows = [
        (round(p.onset, 6), round(p.duration, 6), p.label, p.stim_file, round(p.audio_start, 6), *own)
        for p, own in zip(presentations, ids, strict=True)
    ]
    columns = (*COLUMNS, *(["stim_id"] if with_ids else []))
    if not unusable:
        return columns, list(rows)
    empty = ["n/a"] * (len(columns) - len(COLUMNS))
    lost = [
        (_known(one.onset), _known(one.duration), one.label or "n/a", "n/a", "n/a", *empty, one.reason)
        for one in unusable
    ]
    return (*columns, "unusable"), sorted([*((*row, "n/a") for row in rows), *lost], key=_by_onset)


def _known(seconds: float | None) -> object:
    return "n/a" if seconds is None else round(seconds, 6)


def _by_onset(row: Sequence[object]) -> float:
    return row[0] if isinstance(row[0], float) else math.inf


def from_table(path: Path) -> tuple[Presentation, ...]:
    """Read the presentations of a derivative back, without what cannot be used."""
    return tuple(
        Presentation(
            row["trial_type"],
            row["stim_file"],
            float(row["onset"]),
            float(row["duration"]),
            float(row["audio_start"]),
            row.get("stim_id", "").replace("n/a", ""),
        )
        for row in read_rows(path)
        if row.get("unusable", "n/a") in MISSING
    )

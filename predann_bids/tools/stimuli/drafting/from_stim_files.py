"""Draft a map if `stim_file` names audio: rules for missing files, or for where the music ends."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath

from predann_bids.bids.music.stimuli import Stimuli
from predann_bids.errors import PredannError
from predann_bids.tools.stimuli.drafting.counting import DatasetEvents
from predann_bids.tools.stimuli.drafting.draft import LISTED, Draft, fill_in, in_brackets
from predann_bids.tools.stimuli.drafting.events import can_be_a_condition
from predann_bids.tools.stimuli.drafting.names import STOPS, in_order, match_names

MOST_ALTERNATIVES = 5


def draft_from_stim_files(
    events: DatasetEvents, stimuli_dir: Path, audio: Sequence[str], shortest: float
) -> Draft | None:
    """Draft rules about the audio that `stim_file` names; None if it names none.

    Parameters
    ----------
    events : DatasetEvents
        Events of all recordings.
    stimuli_dir : Path
        Directory of the audio files.
    audio : sequence of str
        The files in it.
    shortest : float
        Durations below this, in seconds, are those of markers.
    """
    stimuli = Stimuli(stimuli_dir)
    named = {value: count for value, count in events.counts("stim_file").items() if stimuli.names_audio(value)}
    if not named:
        return None
    missing = sorted(name for name in named if not _exists(stimuli, name))
    durations = _durations(events, named)
    are_markers = not durations or statistics.median(durations) < shortest
    column, values = _condition_on_music(events, named)
    ends = _ends(events, column, values) if are_markers and column else []
    comments = [f"{sum(named.values())} rows name {len(named)} audio files in stim_file; {len(missing)} are missing."]
    if not missing and not are_markers:
        comments += ["No map is needed: these rules only repeat what stim_file and duration already say."]
    if missing:
        comments += [
            "If you have a missing file under its own name, put it into the stimuli directory and delete its rule."
        ]
    if are_markers:
        comments += [*_about_ends(events, column, values, ends, durations)]
    by_file = bool(missing) or not column
    header = (
        *(["stim_file"] if by_file else []),
        *([column] if column else []),
        "audio",
        *(["end_value"] if ends else []),
    )
    marks, stops = ["|".join(values)] if column else [], ["|".join(ends)] if ends else []
    similar = match_names((PurePosixPath(name).stem for name in missing), audio)
    rules = [(name, *marks, similar.get(PurePosixPath(name).stem, fill_in(name)), *stops) for name in missing]
    if not column:
        rules += [(name, "{stim_file}") for name in sorted(set(named) - set(missing))]
    elif len(missing) < len(named):
        rules += [(*(["n/a"] if by_file else []), *marks, "{stim_file}", *stops)]
    return Draft(comments, header, rules)


def _exists(stimuli: Stimuli, name: str) -> bool:
    try:
        stimuli.locate(name)
    except PredannError:
        return False
    return True


def _durations(events: DatasetEvents, named: Collection[str]) -> list[float]:
    return [
        seconds
        for one in events.recordings
        for seconds, cell in zip(one.durations, one.columns.get("stim_file", ()), strict=False)
        if cell in named and math.isfinite(seconds)
    ]


def _condition_on_music(events: DatasetEvents, named: Collection[str]) -> tuple[str, list[str]]:
    """Find a column, and the few values of it, that only rows naming audio have."""
    for column in events.columns():
        inside, outside = set[str](), set[str]()
        for one in events.recordings:
            for cell, name in zip(one.columns.get(column, ()), one.columns.get("stim_file", ()), strict=False):
                (inside if name in named else outside).add(cell)
        are_few = 0 < len(inside) <= MOST_ALTERNATIVES and all(map(can_be_a_condition, inside))
        if column != "stim_file" and are_few and not inside & outside:
            return column, sorted(inside, key=in_order)
    return "", []


def _ends(events: DatasetEvents, column: str, starts: Sequence[str]) -> list[str]:
    """Choose the values that end the music: those named so, or the first of those that follow nearly every start."""
    followers = events.followers(column, starts)
    named = [value for value in followers if STOPS.search(value)]
    usual = {value: delay for value, (share, delay) in followers.items() if share >= 0.8}
    return named or sorted(usual, key=lambda value: usual[value])[:1]


def _about_ends(
    events: DatasetEvents, column: str, starts: Sequence[str], ends: Sequence[str], durations: Sequence[float]
) -> Iterator[str]:
    median = f"{statistics.median(durations):g} s" if durations else "unknown"
    yield (
        f"Their durations (median {median}) are those of markers: without an end, music is assumed to last as long as"
        " its audio."
    )
    followers = events.followers(column, starts) if column else {}
    if followers:
        yield f"What follows {column} {'|'.join(starts)} at most once, and after how long (median):"
        for value, (share, delay) in sorted(followers.items(), key=lambda item: item[1][1])[:LISTED]:
            meaning = in_brackets(events.meaning(column, value))
            yield f"- {value}: in {share:.0%} of cases, after {delay:.2f} s{meaning}"
        guess = f"end_value {'|'.join(ends)} is a guess" if ends else "No value stands out"
        yield f"{guess}. Write the values that stop the music, separated by |, or delete the column."

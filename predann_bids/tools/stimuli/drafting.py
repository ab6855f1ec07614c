"""Draft a stimulus map from what a dataset's events, file names and audio look like."""

from __future__ import annotations

import math
import re
import statistics
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from predann_bids.bids.music.stimuli import Stimuli, names_audio
from predann_bids.bids.music.stimulus_map import ENTITIES
from predann_bids.errors import PredannError
from predann_bids.tools.stimuli import observed as seen
from predann_bids.tools.stimuli.observed import Observed, in_order, match_names
from predann_bids.tools.stimuli.survey import audio_in

FILL_IN = "FILL-IN"
MOST_VALUES = 200
MOST_ALTERNATIVES = 5
OTHER_MARKERS = 2  # such as a break before the start
LISTED = 12
WIDTH, MEANING = 110, 60
LABELS = tuple(name for name in ENTITIES if name != "participant")
STARTS = re.compile(r"start|begin|bgin|onset|play", re.IGNORECASE)
STOPS = re.compile(r"stop|end|off|finish", re.IGNORECASE)


@dataclass(frozen=True)
class Draft:
    """A map to be: what was seen, in sentences, and the table."""

    comments: Sequence[str]
    header: Sequence[str]
    rules: Sequence[Sequence[str]]

    def text(self, dataset: str, audio: Sequence[str]) -> str:
        """Write the map, which is valid as it stands, with what was seen in comments."""
        lines = [f"Draft of a stimulus map for {dataset}, made by predann-tools stimuli. Check every rule."]
        lines += [*self.comments]
        if any(FILL_IN in cell for rule in self.rules for cell in rule):
            lines += [
                f"Replace each {FILL_IN}... by the name of the audio file that was played, relative to the directory of"
                " the stimuli, and delete the rules for what is no music.",
            ]
            lines += [f"Audio that is there: {_some(audio, 60)}." if audio else "There is no audio yet."]
        table = [self.header, *self.rules]
        comments = [part for line in lines for part in _wrapped(line)]
        return "".join(f"# {part}\n" for part in comments) + "".join("\t".join(row) + "\n" for row in table)


def draft_map(dataset: str, observed: Sequence[Observed], stimuli_dir: Path, *, shortest: float) -> str:
    """Draft a stimulus map, in the first of these ways that does.

    1. `stim_file` names audio: rules for what is missing of it, or for where the music ends.
    2. Values of an events column, or labels of sessions, tasks or runs, are named like the audio files.
    3. The values of an events column come seconds apart: a rule for each, with audio to be filled in.
    4. Recordings hold one stimulus each: a rule for each session, task or run, with audio to be filled in.

    Parameters
    ----------
    dataset : str
        Its name.
    observed : sequence of Observed
        All recordings.
    stimuli_dir : Path
        Where the audio is.
    shortest : float
        A duration below this, in seconds, is that of a marker.
    """
    audio = [name for name in audio_in(stimuli_dir) if not re.search(r"[{}]", name)]  # braces are for filling in
    useless = seen.times_mean_nothing(observed)
    draft = (
        _from_stim_file(observed, stimuli_dir, audio, shortest)
        or _from_names(observed, audio, useless)
        or (None if useless else _from_values(observed))
        or _from_recordings(observed, useless)
    )
    return draft.text(dataset, audio)


# -- 1: stim_file ------------------------------------------------------------------------------------------------------


def _from_stim_file(
    observed: Sequence[Observed], stimuli_dir: Path, audio: Sequence[str], shortest: float
) -> Draft | None:
    named = {value: count for value, count in seen.counts(observed, "stim_file").items() if names_audio(value)}
    if not named:
        return None
    stimuli = Stimuli(stimuli_dir)
    missing = sorted(name for name in named if not _is_there(stimuli, name))
    durations = [
        seconds
        for one in observed
        for seconds, cell in zip(one.durations, one.columns.get("stim_file", ()), strict=False)
        if cell in named and math.isfinite(seconds)
    ]
    brief = not durations or statistics.median(durations) < shortest
    column, values = _what_marks(observed, named)
    ends = _ends(observed, column, values) if brief and column else []
    comments = [f"{sum(named.values())} rows name {len(named)} audio files in stim_file; {len(missing)} are missing."]
    if not missing and not brief:
        comments += ["No map is needed: the rules say what stim_file and duration say by themselves."]
    if missing:
        comments += ["Where a missing file can be had under its own name, put it there and delete its rule."]
    if brief:
        comments += [*_about_ends(observed, column, values, ends, durations)]
    by_file = bool(missing) or not column
    header = (
        *(["stim_file"] if by_file else []),
        *([column] if column else []),
        "audio",
        *(["end_value"] if ends else []),
    )
    marks, stops = ["|".join(values)] if column else [], ["|".join(ends)] if ends else []
    similar = match_names((PurePosixPath(name).stem for name in missing), audio)
    rules = [(name, *marks, similar.get(PurePosixPath(name).stem, _fill_in(name)), *stops) for name in missing]
    if column:
        rules += [(*(["n/a"] if by_file else []), *marks, "{stim_file}", *stops)] if len(missing) < len(named) else []
    else:
        rules += [(name, "{stim_file}") for name in sorted(set(named) - set(missing))]
    return Draft(comments, header, rules)


def _is_there(stimuli: Stimuli, name: str) -> bool:
    try:
        stimuli.locate(name)
    except PredannError:
        return False
    return True


def _what_marks(observed: Sequence[Observed], named: Mapping[str, int]) -> tuple[str, list[str]]:
    """Find a column whose few values tell the rows that name audio from all others."""
    for column in seen.columns_of(observed):
        inside, outside = set[str](), set[str]()
        for one in observed:
            cells = zip(one.columns.get(column, ()), one.columns.get("stim_file", ()), strict=False)
            for cell, name in cells:
                (inside if name in named else outside).add(cell)
        few = 0 < len(inside) <= MOST_ALTERNATIVES and all(map(seen.can_be_a_condition, inside))
        if column != "stim_file" and few and not inside & outside:
            return column, sorted(inside, key=in_order)
    return "", []


def _ends(observed: Sequence[Observed], column: str, starts: Sequence[str]) -> list[str]:
    """Choose what ends the music: named so, or the first to come of what follows nearly every start."""
    after = seen.followers(observed, column, starts)
    named = [value for value in after if STOPS.search(value)]
    usual = {value: delay for value, (part, delay) in after.items() if part >= 0.8}
    return named or sorted(usual, key=lambda value: usual[value])[:1]


def _about_ends(
    observed: Sequence[Observed],
    column: str,
    starts: Sequence[str],
    ends: Sequence[str],
    durations: Sequence[float],
) -> Iterable[str]:
    median = f"{statistics.median(durations):g} s" if durations else "unknown"
    yield f"Their duration (median {median}) is a marker's, so music lasts as long as its audio where nothing ends it."
    after = seen.followers(observed, column, starts) if column else {}
    if after:
        yield f"What follows {column} {'|'.join(starts)} once, and how long after (median):"
        for value, (part, delay) in sorted(after.items(), key=lambda item: item[1][1])[:LISTED]:
            meaning = _meaning(observed, column, value)
            yield f"- {value}: in {part:.0%} of cases, after {delay:.2f} s{meaning}"
        guess = f"end_value {'|'.join(ends)} is a guess" if ends else "None stands out"
        yield f"{guess}. Write those that stop the music, parted by |, or take the column out."


# -- 2: names ----------------------------------------------------------------------------------------------------------


def _from_names(observed: Sequence[Observed], audio: Sequence[str], useless: bool) -> Draft | None:
    matches = {name: match_names(_labels(observed, name), audio) for name in LABELS}
    if not useless:
        matches |= {name: match_names(seen.counts(observed, name), audio) for name in seen.columns_of(observed)}
    # the more files the better; where a recording's name and its events say the same, the events also say when
    best = max(matches, key=lambda name: (len(set(matches[name].values())), name not in LABELS))
    found = matches[best]
    if not found:
        return None
    values = _labels(observed, best) if best in LABELS else list(seen.counts(observed, best))
    others = sorted(set(values) - set(found), key=in_order)
    comments = [f"{len(found)} of {len(values)} values of '{best}' are named like audio files."]
    if others:
        comments += [f"Not named like any, and taken for no music: {_some(others)}."]
    rules = [(value, found[value]) for value in sorted(found, key=in_order)]
    if best in LABELS:
        named = [one for one in observed if one.entities[best] in found]
        return _per_recording(named, (best,), rules, comments, useless)
    return Draft(comments, (best, "audio"), rules)


def _labels(observed: Sequence[Observed], entity: str) -> list[str]:
    return sorted({one.entities[entity] for one in observed} - {""}, key=in_order)


# -- 3: values of a column ---------------------------------------------------------------------------------------------


def _from_values(observed: Sequence[Observed]) -> Draft | None:
    if _hold_one_piece(observed):
        return None
    likely = {column: seen.like_stimuli(observed, column) for column in seen.columns_of(observed)}
    several = (column for column, values in likely.items() if 1 < len(values) <= MOST_VALUES)
    repeated = (
        column for column, values in likely.items() if len(values) == 1 and _returns(observed, column, values[0])
    )
    column = next(several, None) or next(repeated, None)
    return _per_value(observed, column, likely[column]) if column else None


def _returns(observed: Sequence[Observed], column: str, value: str) -> bool:
    return seen.counts(observed, column)[value] > seen.presence(observed, column)[value]


def _per_value(observed: Sequence[Observed], column: str, values: Sequence[str]) -> Draft:
    total, places = seen.counts(observed, column), seen.presence(observed, column)
    gaps = seen.spacing(observed, column, values)
    comments = [f"Values of '{column}' that return after {seen.SPACING_S:g} s or more and seem to be no responses:"]
    for value in values:
        gap = f", {gaps[value]:.1f} s to the next of these (median)" if math.isfinite(gaps[value]) else ""
        rows = f"{total[value]} row{'s' * (total[value] != 1)}"
        where = f"{rows} in {places[value]} of {len(observed)} recordings"
        comments.append(f"- {value}: {where}{gap}{_meaning(observed, column, value)}")
    others = [value for value, _ in total.most_common() if value not in values]
    if others:
        comments.append(f"Left out: {_some([f'{value} x {total[value]}' for value in others])}.")
    if len(values) == 1:
        comments += [
            "Nothing in the events tells the pieces apart. Write a rule for each, with further columns such as"
            " participant, run and onset to say which row is meant.",
        ]
    return Draft(comments, (column, "audio"), [(value, _fill_in(value)) for value in values])


def _hold_one_piece(observed: Sequence[Observed]) -> bool:
    """Tell whether events are little but the start and the stop of the one piece that a recording holds."""
    marker = _marker(observed)
    if marker is None:
        return False
    column, start, stop = marker
    return len({*seen.like_stimuli(observed, column)} - {start, stop}) <= (OTHER_MARKERS if stop else 0)


# -- 4: recordings -----------------------------------------------------------------------------------------------------


def _from_recordings(observed: Sequence[Observed], useless: bool) -> Draft:
    useless_why = "The times in events.tsv are not those of these recordings: too late, or the same in all."
    why = useless_why if useless else "Nothing in events.tsv tells pieces of music apart."
    comments = [f"{why} The rules take each recording for one piece of music, known by its name."]
    entities = _telling(observed)
    labels = sorted(
        {tuple(one.entities[name] for name in entities) for one in observed},
        key=lambda row: [(not label, in_order(label)) for label in row],  # n/a is a rule for all that are left
    )
    rules = [(*(label or "n/a" for label in row), _fill_in("-".join(filter(None, row)))) for row in labels]
    return _per_recording(observed, entities, rules, comments, useless)


def _telling(observed: Sequence[Observed]) -> tuple[str, ...]:
    """Find the entity that tells a participant's recordings apart, or all that vary."""
    varying = [name for name in LABELS if _varies(observed, (name,))]
    people = {one.entities["participant"] for one in observed}
    for name in varying:
        pairs = {(one.entities["participant"], one.entities[name]) for one in observed}
        if len(pairs) == len(observed) > len(people):
            return (name,)
    return tuple(varying)


def _varies(observed: Sequence[Observed], entities: Sequence[str]) -> bool:
    return len({tuple(one.entities[name] for name in entities) for one in observed}) > 1


def _per_recording(
    observed: Sequence[Observed],
    entities: Sequence[str],
    rules: Sequence[Sequence[str]],
    comments: Sequence[str],
    useless: bool,
) -> Draft:
    marker = None if useless else _marker(observed)
    if not marker:
        more = (
            "The music is taken to start with the recording; if it does not, onset_shift says how many seconds later."
        )
        shifted = [(*rule, "0") for rule in rules]
        return Draft([*comments, more], (*entities, "audio", "onset_shift"), shifted)
    column, start, stop = marker
    more = f"It starts at the row with {column} {start}" + (f" and ends at {stop}." if stop else ".")
    more += " If your audio begins earlier than what was played, add a column audio_start with the seconds."
    marked = [(*rule[:-1], start, rule[-1], *([stop] if stop else [])) for rule in rules]
    return Draft([*comments, more], (*entities, column, "audio", *(["end_value"] if stop else [])), marked)


def _marker(observed: Sequence[Observed]) -> tuple[str, str, str] | None:
    """Find the row that starts the one piece of each recording, and the row that ends it if there is one."""
    for column in seen.columns_of(observed):
        total = seen.counts(observed, column)
        starts = [value for value in total if STARTS.search(value) and _stands_once(observed, column, value)]
        stops = [value for value in total if STOPS.search(value) and _stands_once(observed, column, value)]
        stops = [value for value in stops if value not in starts]
        if starts:
            return column, starts[0], stops[0] if stops else ""
    return None


def _stands_once(observed: Sequence[Observed], column: str, value: str) -> bool:
    rows = [len(one.times(column, {value})) for one in observed]
    return max(rows) == 1 and 10 * sum(rows) >= 8 * len(rows)


# -- texts -------------------------------------------------------------------------------------------------------------


def _fill_in(value: str) -> str:
    stem = re.sub(r"[/\\{}\s]+", "-", str(PurePosixPath(value).with_suffix("")) if names_audio(value) else value)
    return f"{FILL_IN}-{stem}.wav" if stem else f"{FILL_IN}.wav"


def _meaning(observed: Sequence[Observed], column: str, value: str) -> str:
    text = textwrap.shorten(seen.meaning(observed, column, value), MEANING, placeholder=" ...")
    return f" ({text})" if text else ""


def _some(values: Sequence[str], shown: int = LISTED) -> str:
    return ", ".join(values[:shown]) + (f", ... ({len(values)})" if len(values) > shown else "")


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)

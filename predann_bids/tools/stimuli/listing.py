"""Lay out a survey of a dataset's music as tables and sentences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from predann_bids.bids.music.stimulus_map import StimulusMap, is_among
from predann_bids.errors import PredannError
from predann_bids.signals.audio import audio_seconds
from predann_bids.tools.stimuli.observed import MEASURES
from predann_bids.tools.stimuli.survey import Inspected, Survey, audio_in

SHOWN = 20  # rows of a table, or sentences of a kind, without --verbose
FREQUENT = 6
WHERE = re.compile(r"^.*?, line \d+(?: \(and \d+ more rows\))?: ")


def show(survey: Survey, console: Console, *, shown: int | None = SHOWN) -> None:
    """Print the tables of a survey, and sentences about what should be looked at.

    Parameters
    ----------
    survey : Survey
        What was found.
    console : Console
        Where to; markup must be off, as names of files may look like it.
    shown : int, optional
        At most so many rows of a table and sentences of a kind; all without it.
    """
    for table in (_recordings_table(survey, shown), _stimuli_table(survey, shown), _ignored_table(survey, shown)):
        if table.row_count:
            console.print(table)
    told = {
        "Warnings": _alike([text for one in survey.inspected for text in one.warnings]),
        "Problems": _alike([f"{one.problem}" for one in survey.failing]),
        "Worth a look": list(hints(survey)),
    }
    for title, sentences in told.items():
        if sentences:
            console.print(f"\n{title}", style="bold")
            for sentence in sentences[:shown]:
                console.print(f"- {sentence}", soft_wrap=True)
            if shown and len(sentences) > shown:
                console.print(f"... and {len(sentences) - shown} more (-v shows all)")
    console.print(f"\n{_summary(survey)}", soft_wrap=True)


def _recordings_table(survey: Survey, shown: int | None) -> Table:
    table = Table(
        Column("recording", no_wrap=True),
        Column("presentations", justify="right", overflow="fold"),
        Column("stimuli", justify="right", overflow="fold"),
        Column("duration (s)", justify="right", no_wrap=True),
        Column("music (min)", justify="right", overflow="fold"),
        Column("rows ignored", justify="right", overflow="fold"),
        Column("remarks", overflow="fold"),
        title="Recordings",
    )
    for one in survey.inspected[:shown]:
        seconds = [p.duration for p in one.presentations]
        table.add_row(
            one.recording.name,
            str(len(one.heard)),
            str(len(set(one.heard))),
            _range(seconds),
            f"{sum(seconds) / 60:.1f}" if seconds else "",
            str(sum(count for kinds in one.ignored.values() for count in kinds.values())),
            "; ".join(_remarks(one)),
        )
    _say_how_many_more(table, len(survey.inspected), shown)
    return table


def _remarks(one: Inspected) -> Iterator[str]:
    if one.problem:
        yield "PROBLEM, see below"
    elif not one.presentations:
        yield "no music"
    if one.missing:
        yield f"{number(len(one.missing), 'audio file')} missing"
    if one.warnings:
        yield number(len(one.warnings), "warning")
    yield from one.remarks


def _stimuli_table(survey: Survey, shown: int | None) -> Table:
    table = Table(
        "stimulus",
        "audio",
        Column("length (s)", justify="right", overflow="fold"),
        Column("presentations", justify="right", overflow="fold"),
        Column("participants", justify="right", overflow="fold"),
        title=f"Stimuli in {survey.stimuli_dir}",
    )
    missing = {name for one in survey.inspected for name in one.missing}
    hearers = survey.hearers()
    for label, audio in sorted(hearers, key=lambda stimulus: (stimulus[1] not in missing, stimulus))[:shown]:
        counts = hearers[label, audio]
        table.add_row(
            label,
            audio,
            "MISSING" if audio in missing else _length(survey.stimuli_dir / audio),
            str(counts.total()),
            f"{len(counts)} of {len(survey.participants)}",
        )
    _say_how_many_more(table, len(hearers), shown)
    return table


def _length(audio: Path) -> str:
    try:
        return f"{audio_seconds(audio):.2f}"
    except PredannError:
        return "UNREADABLE"


def _ignored_table(survey: Survey, shown: int | None) -> Table:
    table = Table("rows that are no music, because", Column("rows", justify="right", overflow="fold"), "most frequent")
    reasons: dict[str, Counter[str]] = {}
    for one in survey.inspected:
        for reason, kinds in one.ignored.items():
            reasons.setdefault(reason, Counter()).update(kinds)
    for reason, kinds in reasons.items():
        table.add_row(reason, str(kinds.total()), _most_frequent(kinds, None if shown is None else FREQUENT))
    return table


def _most_frequent(counts: Counter[str], shown: int | None = FREQUENT) -> str:
    named = [f"{value} x {count}" for value, count in counts.most_common(shown)]
    return ", ".join([*named, *([f"... ({len(counts)} values)"] if len(counts) > len(named) else [])])


def _say_how_many_more(table: Table, total: int, shown: int | None) -> None:
    if shown and total > shown:
        table.add_row(f"... and {total - shown} more (-v shows all)")


def _range(seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    shortest, longest = f"{min(seconds):.2f}", f"{max(seconds):.2f}"
    return shortest if shortest == longest else f"{shortest} - {longest}"


def _alike(sentences: Sequence[str]) -> list[str]:
    """Give sentences that differ only in file and row once, with how many recordings they hold for."""
    alike: dict[str, list[str]] = {}
    for sentence in sentences:
        alike.setdefault(WHERE.sub("", sentence), []).append(sentence)
    return [
        first if not others else f"{first} The same in {number(len(others), 'more place')}."
        for first, *others in alike.values()
    ]


def hints(survey: Survey) -> Iterator[str]:
    """Say what of the map and of the stimuli was not used, and who did not hear what others did."""
    hearers = survey.hearers()
    if not survey.stimuli_dir.is_dir():
        yield f"There is no directory {survey.stimuli_dir}; --stimuli-dir says where the audio is."
    closed = [one.closed for one in survey.inspected if one.closed]
    if closed:
        yield (
            f"The EEG of {number(len(closed), 'recording')} cannot be opened, so its length is not known."
            f" {'The first: ' if len(closed) > 1 else ''}{closed[0]}"
        )
    yield from _assumed(survey)
    if survey.stimulus_map:
        yield from _unused(survey, survey.stimulus_map)
    files: dict[str, set[str]] = {}
    for label, audio in hearers:
        files.setdefault(label, set()).add(audio)
    for label, names in files.items():
        if len(names) > 1:
            yield f"The label '{label}' stands for several audio files, as one class: {_some(names)}."
    idle = set(audio_in(survey.stimuli_dir)) - {audio for _, audio in hearers}
    if idle:
        yield f"Not used {'are' if len(idle) > 1 else 'is'} {number(len(idle), 'audio file')}: {_some(idle)}."
    yield from _lacking(survey, hearers)


def _assumed(survey: Survey) -> Iterator[str]:
    stated = [
        cue.duration
        for one in survey.inspected
        for cue in one.music
        if cue.line and cue.stated is None and cue.end is None and cue.duration is not None
    ]
    brief = [seconds for seconds in stated if seconds < survey.shortest]
    if brief:
        yield (
            f"{number(len(brief), 'row')} of music state a duration of {_range(brief)} s, a marker's: the"
            " music is taken to last as long as its audio. If it ended earlier, a stimulus map can say so (end_value,"
            " duration)."
        )


def _unused(survey: Survey, stimulus_map: StimulusMap) -> Iterator[str]:
    used = {line for one in survey.inspected for line in one.rules}
    idle = [str(rule.line) for rule in stimulus_map.rules if rule.line not in used]
    if idle:
        yield (
            f"{len(idle)} of {len(stimulus_map.rules)} rules of {stimulus_map.path} have no effect, as nothing matches"
            f" them or an earlier rule did (lines {_some(idle, in_order=True)})."
        )
    for column in sorted(stimulus_map.columns):
        found = Counter[str]()
        for one in survey.inspected:
            found.update(one.values.get(column, {}))
        if not any(column in one.values for one in survey.inspected):
            yield f"No events.tsv has the column '{column}' of {stimulus_map.path}."
            continue
        rules = [rule for rule in stimulus_map.rules if column in rule.columns]
        known = [value for rule in rules for value in (*rule.columns[column], *rule.end_values)]
        unknown = Counter({value: count for value, count in found.items() if not is_among(value, known)})
        if unknown and column not in MEASURES:
            yield f"In the column '{column}' there are values that no rule has: {_most_frequent(unknown)}."


def _lacking(survey: Survey, hearers: dict[tuple[str, str], Counter[str]]) -> Iterator[str]:
    for participant in survey.participants:
        lacking = [label for (label, _), counts in hearers.items() if participant not in counts]
        if lacking:
            yield f"Participant {participant} lacks {len(lacking)} of {len(hearers)} stimuli: {_some(lacking)}."


def number(count: int, noun: str) -> str:
    """Write a number of things: ``1 row``, ``2 rows``."""
    return f"{count} {noun}{'s' * (count != 1)}"


def _some(names: Iterable[str], *, in_order: bool = False) -> str:
    names = list(names) if in_order else sorted(names)
    return ", ".join(names[:FREQUENT]) + (f" and {len(names) - FREQUENT} more" if len(names) > FREQUENT else "")


def _summary(survey: Survey) -> str:
    presentations = [p for one in survey.inspected for p in one.presentations]
    failing = f"; problems in {number(len(survey.failing), 'recording')}" if survey.failing else ""
    minutes = sum(p.duration for p in presentations) / 60
    return (
        f"{number(len(survey.inspected), 'recording')} of {number(len(survey.participants), 'participant')}:"
        f" {number(len(presentations), 'usable presentation')}, {minutes:.1f} min of music{failing}."
    )

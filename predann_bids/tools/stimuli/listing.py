"""Print what an inspection of a dataset's music found, as tables and sentences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from predann_bids.bids.music.unusable import sentences
from predann_bids.errors import PredannError
from predann_bids.signals.audio import audio_seconds
from predann_bids.tools.stimuli.hints import hints
from predann_bids.tools.stimuli.inspection import DatasetInspection, RecordingInspection
from predann_bids.tools.stimuli.wording import FREQUENT, most_frequent, number, seconds_range

SHOWN = 20  # rows of a table, or sentences of a kind, without --verbose
WHERE = re.compile(r"^.*?, line \d+(?: \(and \d+ more rows\))?: ")


def show(dataset: DatasetInspection, console: Console, *, shown: int | None = SHOWN) -> None:
    """Print tables of recordings, stimuli and ignored rows, and sentences about what should be looked at.

    Parameters
    ----------
    dataset : DatasetInspection
        The inspected dataset.
    console : Console
        Where to print; markup must be off, because names of files may look like it.
    shown : int, optional
        Number of rows of a table, and of sentences of a kind, to print; None for all.
    """
    for table in (_recordings_table(dataset, shown), _stimuli_table(dataset, shown), _ignored_table(dataset, shown)):
        if table.row_count:
            console.print(table)
    sections = {
        "Warnings": _alike([text for one in dataset.recordings for text in one.warnings]),
        "Problems": _alike(
            [f"{one.problem}" for one in dataset.failing]
            + [sentence for one in dataset.incomplete for sentence in sentences(one.unusable)]
        ),
        "Worth a look": list(hints(dataset)),
    }
    for title, told in sections.items():
        if told:
            console.print(f"\n{title}", style="bold")
            for sentence in told[:shown]:
                console.print(f"- {sentence}", soft_wrap=True)
            if shown and len(told) > shown:
                console.print(f"... and {len(told) - shown} more (-v shows all)")
    console.print(f"\n{_summary(dataset)}", soft_wrap=True)


def _recordings_table(dataset: DatasetInspection, shown: int | None) -> Table:
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
    for one in dataset.recordings[:shown]:
        seconds = [p.duration for p in one.presentations]
        table.add_row(
            one.recording.name,
            str(len(one.stimuli)),
            str(len(set(one.stimuli))),
            seconds_range(seconds),
            f"{sum(seconds) / 60:.1f}" if seconds else "",
            str(sum(count for kinds in one.ignored.values() for count in kinds.values())),
            "; ".join(_remarks(one)),
        )
    _say_how_many_more(table, len(dataset.recordings), shown)
    return table


def _remarks(one: RecordingInspection) -> Iterator[str]:
    if one.problem:
        yield "PROBLEM, see below"
    elif not one.presentations:
        yield "no music"
    if one.unusable:
        yield f"{number(len(one.unusable), 'presentation')} not usable, see below"
    if one.missing:
        yield f"{number(len(one.missing), 'audio file')} missing"
    if one.warnings:
        yield number(len(one.warnings), "warning")
    yield from one.remarks


def _stimuli_table(dataset: DatasetInspection, shown: int | None) -> Table:
    table = Table(
        "stimulus",
        "audio",
        Column("length (s)", justify="right", overflow="fold"),
        Column("presentations", justify="right", overflow="fold"),
        Column("participants", justify="right", overflow="fold"),
        title=f"Stimuli in {dataset.stimuli_dir}",
    )
    missing = {name for one in dataset.recordings for name in one.missing}
    counts = dataset.counts_by_stimulus()
    for stimulus in sorted(counts, key=lambda stimulus: (stimulus.file not in missing, stimulus))[:shown]:
        listeners = counts[stimulus]
        table.add_row(
            stimulus.label,
            stimulus.file,
            "MISSING" if stimulus.file in missing else _length(dataset.stimuli_dir / stimulus.file),
            str(listeners.total()),
            f"{len(listeners)} of {len(dataset.participants)}",
        )
    _say_how_many_more(table, len(counts), shown)
    return table


def _length(audio: Path) -> str:
    try:
        return f"{audio_seconds(audio):.2f}"
    except (PredannError, OSError):
        return "UNREADABLE"


def _ignored_table(dataset: DatasetInspection, shown: int | None) -> Table:
    table = Table("rows that are not music, because", Column("rows", justify="right", overflow="fold"), "most frequent")
    reasons: dict[str, Counter[str]] = {}
    for one in dataset.recordings:
        for reason, kinds in one.ignored.items():
            reasons.setdefault(reason, Counter()).update(kinds)
    for reason, kinds in reasons.items():
        table.add_row(reason, str(kinds.total()), most_frequent(kinds, None if shown is None else FREQUENT))
    return table


def _say_how_many_more(table: Table, total: int, shown: int | None) -> None:
    if shown and total > shown:
        table.add_row(f"... and {total - shown} more (-v shows all)")


def _alike(sentences: Sequence[str]) -> list[str]:
    """Return sentences that differ only in file and row once, with the number of places where they hold."""
    alike: dict[str, list[str]] = {}
    for sentence in sentences:
        alike.setdefault(WHERE.sub("", sentence), []).append(sentence)
    return [
        first if not others else f"{first} The same in {number(len(others), 'more place')}."
        for first, *others in alike.values()
    ]


def _summary(dataset: DatasetInspection) -> str:
    presentations = [p for one in dataset.recordings for p in one.presentations]
    failing = f"; problems in {number(len(dataset.failing), 'recording')}" if dataset.failing else ""
    lost = sum(len(one.unusable) for one in dataset.incomplete)
    failing += f"; {number(lost, 'presentation')} not usable" if lost else ""
    minutes = sum(p.duration for p in presentations) / 60
    return (
        f"{number(len(dataset.recordings), 'recording')} of {number(len(dataset.participants), 'participant')}:"
        f" {number(len(presentations), 'usable presentation')}, {minutes:.1f} min of music{failing}."
    )

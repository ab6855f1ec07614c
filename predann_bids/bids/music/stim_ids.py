"""Find what `stim_id` in a row of events.tsv stands for, and compare it with `stim_file`."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath

from predann_bids.bids.music.names import meanings
from predann_bids.bids.music.provided import same_content
from predann_bids.bids.music.stimuli import AudioFile, Stimuli
from predann_bids.bids.music.stimulus_table import (
    NOTHING,
    PREFIX,
    Entry,
    StimulusTable,
    is_stimulus_id,
    read_stimulus_table,
    with_prefix,
)
from predann_bids.errors import MissingInput, UnusableData

UNKNOWN = "stim_id stands for nothing, as there is no stimuli.tsv"
NOT_HEARD = "stim_id stands for no audio"


class Contradiction(UnusableData):
    """`stim_id` and `stim_file` of a row, or two rows of the table of stimuli, say different things."""


@dataclass(frozen=True)
class Meant:
    """What a row's `stim_id` stands for.

    Parameters
    ----------
    stim_id : str
        With its `stim-`.
    found : AudioFile
        The audio.
    label : str
        Name of its class; empty if the table gives none.
    audio_start : float
        Second of the file at which playing began.
    note : str
        What a user should know.
    """

    stim_id: str
    found: AudioFile
    label: str = ""
    audio_start: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class StimIds:
    """The ids of a dataset's stimuli; its table is read when the first row refers to it."""

    stimuli: Stimuli

    @cached_property
    def _table(self) -> StimulusTable | None:
        places = (self.stimuli.of_dataset, self.stimuli.directory)
        return read_stimulus_table(place for place in places if place)

    def meant_by(self, row: Mapping[str, str]) -> Meant | str | None:
        """Return what a row's `stim_id` stands for, or why it is no music; None if its `stim_file` has to say.

        Raises
        ------
        UnusableData
            The id is not in the table, or stands for something else than `stim_file` says.
        MissingInput
            There is no such audio.
        """
        stim_id, stim_file = row.get("stim_id", ""), row.get("stim_file", "")
        if stim_id in NOTHING:
            return None
        if self._table is None:
            return self._without_table(stim_id, stim_file)
        entry = self._find(self._table, stim_id)
        if entry is None:
            paths = " or ".join(str(path) for path in self._table.paths)
            if self.stimuli.names_audio(stim_file):
                note = f"stim_id '{stim_id}' is not in {paths}; stim_file '{stim_file}' is taken"
                return Meant("", self.stimuli.locate(stim_file), note=note)
            raise UnusableData(f"stim_id '{stim_id}' is not in {paths}; add it there, or correct it")
        says_nothing = not entry.cell("type") and self.stimuli.lacks_video(entry.cell("filename"))
        if says_nothing or not entry.is_heard:
            if self.stimuli.names_audio(stim_file):
                raise _contradiction(stim_file, entry, f"no audio but {entry.cell('type') or entry.cell('filename')}")
            return NOT_HEARD
        start = _seconds(row.get("audio_start", ""))
        found = self._locate(entry, stim_file)
        return Meant(entry.stimulus_id, found, entry.cell("label"), start, _note(entry, self.stimuli))

    def named(self, row: Mapping[str, str]) -> str:
        """Name the class of a row whose `stim_id` cannot be used."""
        stim_id = row.get("stim_id", "")
        entry = self._table.find(stim_id) if self._table else None
        file = PurePosixPath(entry.cell("filename") if entry else row.get("stim_file", "").replace("n/a", ""))
        return (entry and entry.cell("label")) or file.stem or stim_id.removeprefix(PREFIX)

    def _find(self, table: StimulusTable, stim_id: str) -> Entry | None:
        try:
            return table.find(stim_id)
        except UnusableData as error:
            raise Contradiction(str(error)) from error

    def _without_table(self, stim_id: str, stim_file: str) -> Meant | str | None:
        is_id = is_stimulus_id(stim_id)
        if self.stimuli.names_audio(stim_file):  # a column of this name may mean something else
            return Meant(stim_id, self.stimuli.locate(stim_file)) if is_id else None
        if not is_id:
            return None
        try:
            return Meant(stim_id, Entry("", stim_id, {}).locate(self.stimuli))
        except MissingInput:
            return UNKNOWN

    def _locate(self, entry: Entry, stim_file: str) -> AudioFile:
        if stim_file in NOTHING:
            return entry.locate(self.stimuli)
        filename = entry.cell("filename")
        if not filename:
            named = self.stimuli.locate(stim_file)
            by_id = _if_there(entry, self.stimuli)
            if by_id and not _are_same(by_id, named):
                raise _contradiction(stim_file, entry, f"'{by_id.name}'")
            return named
        if _certain(stim_file) & _certain(filename):
            return entry.locate(self.stimuli)
        # what is missing is told first: it is the plainer of two problems
        found = self.stimuli.locate(stim_file) if self.stimuli.names_audio(stim_file) else None
        other = _if_there(entry, self.stimuli)
        if found is None or (other and not _are_same(found, other)):
            raise _contradiction(stim_file, entry, f"'{filename}'")
        told = f"'{stim_file}' is taken for {with_prefix(entry.stimulus_id)}, whose '{filename}' is not there"
        return found if other else replace(found, note=told)


def _if_there(entry: Entry, stimuli: Stimuli) -> AudioFile | None:
    try:
        return entry.locate(stimuli)
    except MissingInput:
        return None


def _are_same(one: AudioFile, other: AudioFile) -> bool:
    return one.path == other.path or same_content(one.path, other.path)


def _contradiction(stim_file: str, entry: Entry, what: str) -> Contradiction:
    return Contradiction(
        f"stim_file says '{stim_file}', but {with_prefix(entry.stimulus_id)} is {what} in {entry.where}; correct one of"
        " them"
    )


def _note(entry: Entry, stimuli: Stimuli) -> str:
    is_in_dataset = stimuli.of_dataset is None or stimuli.of_dataset.resolve() == stimuli.directory.resolve()
    if is_in_dataset and entry.cell("present").lower() == "false":
        return f"{entry.where} says that {entry.stimulus_id} is not part of the dataset, but it is there and is used"
    return ""


def _certain(name: str) -> set[str]:
    return {unicodedata.normalize("NFC", one).casefold() for one in meanings(name).certain}


def _seconds(cell: str) -> float:
    if cell in NOTHING:
        return 0.0
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise UnusableData(f"audio_start '{cell}' must be a number of seconds from the start of the audio file, or n/a")
    return value

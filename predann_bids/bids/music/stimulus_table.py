"""The table of stimuli that BEP044 proposes: `stimuli/stimuli.tsv`, to which `stim_id` in events.tsv refers.

See pull request 2022 of the BIDS specification. `label` and, in events.tsv, `audio_start` are columns of this program:
the name of the class, and the second of the file at which playing began, for which the proposal has no words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from predann_bids.bids import tables
from predann_bids.bids.music.names import names_audio
from predann_bids.bids.music.stimuli import AudioFile, Stimuli
from predann_bids.bids.sidecars import is_dangling, not_fetched
from predann_bids.errors import MissingInput, UnusableData
from predann_bids.files import write_json

TABLE = "stimuli.tsv"
PREFIX = "stim-"
NOTHING = ("", "n/a")
HEARD, NOT_HEARD = ("audio", "audiovideo"), ("image", "video")
ABOUT_A_STIMULUS = ("license", "copyright", "URL", "description")

SIDECAR: Mapping[str, Mapping[str, object]] = {
    "stimulus_id": {"Description": "Name of the stimulus, to which stim_id in events.tsv refers"},
    "type": {
        "Description": "What kind of stimulus it is",
        "Levels": {"audio": "sound", "audiovideo": "film with sound", "image": "picture", "video": "silent film"},
    },
    "filename": {"Description": "File, relative to /stimuli"},
    "label": {"Description": "Name of the class that the stimulus belongs to; not part of BEP044"},
    "URL": {"Description": "Where the file can be obtained"},
    "license": {"Description": "Terms under which the file may be used"},
    "copyright": {"Description": "Who holds the rights"},
    "description": {"Description": "What is played"},
    "present": {
        "Description": "Whether the file is part of the dataset",
        "Levels": {"true": "it is in /stimuli", "false": "it must be obtained elsewhere"},
    },
}


@dataclass(frozen=True)
class Entry:
    """One row of the table.

    Parameters
    ----------
    where : str
        File and line.
    stimulus_id : str
        With its `stim-`.
    cells : mapping
        All columns.
    """

    where: str
    stimulus_id: str
    cells: Mapping[str, str]

    def cell(self, name: str) -> str:
        """Return a cell; empty if it is `n/a` or there is no such column."""
        cell = self.cells.get(name, "")
        return "" if cell in NOTHING else cell

    @property
    def is_heard(self) -> bool:
        """Whether it is sound, as far as the table says; if it does not say, files decide."""
        kind = self.cell("type").lower()
        if kind in HEARD or kind in NOT_HEARD:
            return kind in HEARD
        return not self.cell("filename") or names_audio(self.cell("filename"))

    def locate(self, stimuli: Stimuli) -> AudioFile:
        """Find its file: the one that it names, else `stim-<label>[_part-<label>]_audio.*` or `_audiovideo.*`.

        Raises
        ------
        MissingInput
            There is no such file; if the table says that it is not part of the dataset, the message says so.
        UnusableData
            Several files could be meant.
        """
        try:
            if self.cell("filename"):
                return stimuli.locate(self.cell("filename"))
            return _named_by(self.stimulus_id, stimuli)
        except MissingInput as error:
            if self.cell("present").lower() != "false":
                raise MissingInput(f"{self.stimulus_id} of {self.where}: {error}") from error
            about = [f"{name} {self.cell(name)}" for name in ABOUT_A_STIMULUS if self.cell(name)]
            told = f" ({'; '.join(about)})" if about else ""
            raise MissingInput(
                f"{self.stimulus_id} is not part of the dataset: {self.where} says that present is false{told}. Obtain"
                f" the audio, and put it into {stimuli.directory}, or set --stimuli-dir to where it is"
            ) from error


@dataclass(frozen=True)
class StimulusTable:
    """The rows of one or two tables, by their ids; in several rows of one id the same file must be named."""

    paths: tuple[Path, ...]
    entries: Mapping[str, tuple[Entry, ...]]

    def find(self, stim_id: str) -> Entry | None:
        """Return the row of an id, which may be written with or without `stim-`.

        Raises
        ------
        UnusableData
            Two rows contradict each other.
        """
        entries = self.entries.get(with_prefix(stim_id), ())
        contents = {(entry.cell("filename"), entry.cell("label"), entry.cell("type").lower()) for entry in entries}
        if len(contents) > 1:
            places = " and ".join(entry.where for entry in entries)
            raise UnusableData(f"{places} describe {with_prefix(stim_id)} differently; keep one of these rows")
        return entries[0] if entries else None


def with_prefix(stim_id: str) -> str:
    """Return an id with its `stim-`."""
    return stim_id if stim_id.startswith(PREFIX) else f"{PREFIX}{stim_id}"


def is_stimulus_id(cell: str) -> bool:
    """Whether a cell has the form that BEP044 gives an id."""
    return re.fullmatch(r"stim-[0-9a-zA-Z+]+", cell) is not None


def read_stimulus_table(directories: Iterable[Path]) -> StimulusTable | None:
    """Read the tables in some directories; None if there is none, or none with the column `stimulus_id`.

    Raises
    ------
    UnusableData
        A table cannot be read.
    MissingInput
        It is a link to content that was not fetched.
    """
    paths, entries = [], dict[str, tuple[Entry, ...]]()
    for path in {(directory / TABLE).absolute(): directory / TABLE for directory in directories}.values():
        if is_dangling(path):
            raise not_fetched(path)
        if not path.is_file():
            continue
        names, rows = tables.read_rows(path, known=("stimulus_id", "filename", "present"))
        if "stimulus_id" not in names:
            if any("stimulus_id" in name for name in names):
                raise UnusableData(f"{path} has no column 'stimulus_id'. Separate the columns with tabs.")
            continue  # some other table of that name
        paths.append(path)
        for line, row in enumerate(rows, 2):
            if row["stimulus_id"] not in NOTHING:
                key = with_prefix(row["stimulus_id"])
                entries[key] = (*entries.get(key, ()), Entry(f"{path}, line {line}", key, row))
    return StimulusTable(tuple(paths), entries) if paths else None


def _named_by(stimulus_id: str, stimuli: Stimuli) -> AudioFile:
    named = re.compile(rf"{re.escape(stimulus_id)}(_part-[0-9a-zA-Z+]+)?_({'|'.join(HEARD)})\.(?!json$|tsv$)[^.]+")
    files = sorted(path for path in stimuli.directory.glob(f"{stimulus_id}_*") if named.fullmatch(path.name))
    if len(files) > 1:
        names = ", ".join(path.name for path in files)
        raise UnusableData(
            f"{stimulus_id} could be any of {names} in {stimuli.directory}; name one in the column filename of {TABLE}"
        )
    if not files:
        raise MissingInput(
            f"there is no {stimulus_id}_audio.wav (or of another format) in {stimuli.directory}, and no other file is"
            f" named in the column filename of {TABLE}"
        )
    return stimuli.locate(files[0].name)


def keep_used_rows(table: StimulusTable, used: Mapping[str, str], directory: Path) -> None:
    """Write the rows of stimuli that were used into a derivative, and whether the audio is in it.

    Parameters
    ----------
    table : StimulusTable
        That of the source dataset.
    used : mapping
        Id to file of each stimulus.
    directory : Path
        The directory `stimuli` of the derivative.
    """
    rows = []
    for stimulus_id, stim_file in sorted(used.items()):
        entry = table.find(stimulus_id)
        if entry:
            present = "true" if (directory / stim_file).is_file() else "false"
            rows.append({**entry.cells, "stimulus_id": stimulus_id, "filename": stim_file, "present": present})
    if rows:
        write_stimulus_table(directory, rows)


def write_stimulus_table(directory: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write `stimuli.tsv` and `stimuli.json` into a directory.

    Parameters
    ----------
    directory : Path
        The directory `stimuli` of a dataset.
    rows : sequence of mapping
        Columns and cells of each stimulus; what a row lacks is `n/a`.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    tables.write_table(directory / TABLE, names, [[row.get(name) or "n/a" for name in names] for row in rows])
    described = {name: SIDECAR.get(name, {"Description": f"As in the source dataset: {name}"}) for name in names}
    write_json((directory / TABLE).with_suffix(".json"), described)

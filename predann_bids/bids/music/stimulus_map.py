"""The stimulus map: a table in which a user says which events or recordings stand for which audio."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from predann_bids.bids.music.mapping.sheets import Sheet, read_sheet
from predann_bids.bids.numbers import DECIMAL_COMMA, MISSING
from predann_bids.errors import MissingInput, WrongUsage

ENTITIES = ("participant", "session", "task", "run")
PREFIXES = {"participant": "sub-", "session": "ses-", "task": "task-", "run": "run-"}
EFFECTS = ("audio", "label", "onset_shift", "audio_start", "duration", "end_value", "start_value")
SECONDS = ("onset_shift", "audio_start", "duration", "onset")
NOTHING = ("", "n/a")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
NO_MUSIC = "no-music"  # the audio of rows that are declared to be no music
SHIPPED = Path(__file__).parents[2] / "stimulus_maps"


@dataclass(frozen=True)
class MapRule:
    """One row of a stimulus map: conditions, and what follows from them.

    Parameters
    ----------
    line : int
        Its line in the map.
    entities, columns : mapping
        Entities of a recording, and columns of its events.tsv, to the values that they may have.
    audio, label : str
        Audio file under the stimuli directory, and the name of its class (empty: the file's stem). Both may hold
        `{task}`, `{stim_file}` and the like.
    onset_shift, audio_start : float
        Seconds from the marker to the onset, and from the start of the audio file to what was played first.
    duration : float, optional
        Seconds that the presentation lasts.
    end_values : tuple of str
        The presentation ends at the next row with one of these in a column of `columns`.
    start_values : tuple of str
        It begins at the first row, at or after the one that matches, with one of these in a column of `columns`.
    note : str
        What a user should know of how it was read.
    """

    line: int
    entities: Mapping[str, tuple[str, ...]]
    columns: Mapping[str, tuple[str, ...]]
    audio: str
    label: str = ""
    onset_shift: float = 0.0
    audio_start: float = 0.0
    duration: float | None = None
    end_values: tuple[str, ...] = ()
    start_values: tuple[str, ...] = ()
    note: str = ""

    @property
    def excludes(self) -> bool:
        """Whether the rule declares what it is about to be no music."""
        return self.audio == NO_MUSIC

    @property
    def is_about_recordings(self) -> bool:
        """Whether the rule stands for whole recordings, not for rows of their events."""
        return not self.columns

    def applies_to(self, entities: Mapping[str, str]) -> bool:
        """Whether the recording with these entities meets the conditions."""
        return all(
            any(_same_label(name, value, entities.get(name, "")) for value in values)
            for name, values in self.entities.items()
        )

    def matches(self, row: Mapping[str, str]) -> bool:
        """Whether a row of events.tsv meets the conditions; a missing column meets none."""
        return all(is_among(row.get(name), values) for name, values in self.columns.items())

    def has_one_of(self, values: Iterable[str], row: Mapping[str, str]) -> bool:
        """Whether a row has one of the values in a column that the rule has a condition on."""
        return any(is_among(row.get(name), values) for name in self.columns)


@dataclass(frozen=True)
class StimulusMap:
    """The rules of a stimulus map, in their order.

    Parameters
    ----------
    path : Path
        The file.
    rules : tuple of MapRule
        The first that matches wins.
    """

    path: Path
    rules: tuple[MapRule, ...] = field(default=())

    @property
    def columns(self) -> set[str]:
        """Columns of events.tsv that any rule has a condition on."""
        return {name for rule in self.rules for name in rule.columns}

    def about(self, entities: Mapping[str, str]) -> tuple[MapRule, ...]:
        """Return the rules whose conditions on entities a recording meets."""
        return tuple(rule for rule in self.rules if rule.applies_to(entities))

    def fingerprint(self, entities: Mapping[str, str]) -> list[dict[str, Any]]:
        """Describe what the map says about a recording, so that a change of it is noticed."""
        return [_content(rule) for rule in self.about(entities)]


def _content(rule: MapRule) -> dict[str, Any]:
    content = {key: value for key, value in asdict(rule).items() if key not in ("line", "note")}
    if not rule.start_values:
        del content["start_values"]  # a rule without it says what it said before this column existed
    return content


def is_among(cell: str | None, values: Iterable[str]) -> bool:
    """Whether a cell holds one of the values; numbers are the same however they are written."""
    return cell is not None and any(cell == value or _same_number(cell, value) for value in values)


def first_match(rules: Sequence[MapRule]) -> Callable[[Mapping[str, str]], MapRule | None]:
    """Return a function that finds the first rule that a row matches, and remembers it for rows like this one."""
    columns = sorted({name for rule in rules for name in rule.columns})
    known: dict[tuple[str | None, ...], MapRule | None] = {}

    def first(row: Mapping[str, str]) -> MapRule | None:
        cells = tuple(row.get(name) for name in columns)
        if cells not in known:
            known[cells] = next((rule for rule in rules if rule.matches(row)), None)
        return known[cells]

    return first


def fill_in(template: str, values: Mapping[str, str]) -> str:
    """Replace `{task}`, `{stim_file}` and the like.

    Raises
    ------
    KeyError
        A name has no value in `values`; the error carries the name.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1).strip()
        if values.get(name, "") in NOTHING:
            raise KeyError(name)
        return values[name]

    return re.sub(r"\{([^{}]*)\}", value, template)


def shipped_maps() -> tuple[str, ...]:
    """Name the maps that come with the package."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.tsv")))


def find_map(name: str) -> Path:
    """Return the path of a map: a file, or one that comes with the package.

    Raises
    ------
    MissingInput
        It is neither.
    """
    shipped = SHIPPED / f"{name.lower()}.tsv"
    if Path(name).is_file():
        return Path(name)
    if "/" not in name and shipped.is_file():
        return shipped
    raise MissingInput(
        f"There is no stimulus map {name}: expected a TSV file, or one of those that come with the program"
        f" ({', '.join(shipped_maps())})."
    )


def read_map(path: Path) -> StimulusMap:
    """Read a stimulus map; lines that begin with `#` are comments.

    Raises
    ------
    WrongUsage
        It is no table, has no column `audio`, or a cell does not fit; the message names the line.
    MissingInput
        There is no such file.
    """
    try:
        sheet = read_sheet(path, "audio")
    except FileNotFoundError as error:
        raise MissingInput(f"There is no stimulus map {path}.") from error
    if sheet is None:
        raise WrongUsage(f"{path} is empty: expected a table with the column audio and a row for each rule.")
    _check_header(path, sheet.header_line, sheet.header)
    rules = []
    for line, cells in sheet.rows:
        where = f"{path}, line {line}"
        row = {name: _dotted(where, name, cell, sheet) for name, cell in zip(sheet.header, cells, strict=True)}
        rules.append(
            _rule(path, line, {name: cell for name, cell in row.items() if not _is_nothing(where, name, cell)})
        )
    if not rules:
        raise WrongUsage(f"{path} has no rule: expected at least one row below the header.")
    return StimulusMap(path, tuple(rules))


def read_map_cells(path: Path) -> list[list[str]]:
    """Read the cells of a stimulus map, the names of its columns first, without comments and blank lines."""
    sheet = read_sheet(path, "audio")
    if sheet is None:
        return [["audio"]]
    rows = [
        [_dotted(str(path), name, cell, sheet) for name, cell in zip(sheet.header, cells, strict=True)]
        for _, cells in sheet.rows
    ]
    return [list(sheet.header), *rows]


def _dotted(where: str, name: str, cell: str, sheet: Sheet) -> str:
    """Write a decimal comma in a column of seconds as a point."""
    if name not in SECONDS:
        return cell
    return "|".join(_dotted_one(where, name, one.strip(), sheet.separator) for one in cell.split("|"))


def _dotted_one(where: str, name: str, cell: str, separator: str) -> str:
    if not DECIMAL_COMMA.fullmatch(cell):
        return cell
    # 1,500 may be a thousand and a half; where semicolons separate columns, commas are those of decimals
    if separator != ";" and THOUSANDS.fullmatch(cell):
        raise WrongUsage(
            f"{where}: {name} '{cell}' could be {cell.replace(',', '.')} or {cell.replace(',', '')} seconds. Write it"
            " with a point, or without a comma."
        )
    return cell.replace(",", ".")


def _is_nothing(where: str, name: str, cell: str) -> bool:
    """Whether a cell says nothing; R and pandas have words for this that may as well be values."""
    if cell in NOTHING or cell == "N/A":
        return True
    if cell not in MISSING:
        return False
    if name not in EFFECTS:
        raise WrongUsage(
            f"{where}: '{cell}' in the column '{name}' may be a value, or mean that there is none. Write n/a if the"
            f" rule holds whatever the value is, or '{cell}|{cell}' for the value."
        )
    return True


def _check_header(path: Path, line: int, header: list[str]) -> None:
    where = f"{path}, line {line}"
    if "audio" not in header:
        hint = " Separate the columns with tabs." if len(header) == 1 and re.search(r"[,; ]", header[0]) else ""
        if [name for name in header if name.casefold() == "audio"]:
            hint = " Write it in small letters."
        raise WrongUsage(f"{where}: the stimulus map has no column 'audio', only {', '.join(header)}.{hint}")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice or "" in header:
        raise WrongUsage(f"{where}: each column must have a name of its own (found: {', '.join(header)}).")


def _rule(path: Path, line: int, row: Mapping[str, str]) -> MapRule:
    where = f"{path}, line {line}"
    if "audio" not in row:
        raise WrongUsage(f"{where}: the cell 'audio' is empty; every rule must name an audio file.")
    conditions = {name: _alternatives(cell) for name, cell in row.items() if name not in EFFECTS}
    columns = {name: values for name, values in conditions.items() if name not in ENTITIES}
    found_by_value = {effect: _alternatives(row.get(effect, "")) for effect in ("end_value", "start_value")}
    for effect, values in found_by_value.items():
        if values and not columns:
            raise WrongUsage(
                f"{where}: '{effect}' needs a condition on a column of events.tsv, in which to look for it."
            )
    duration = _seconds(where, row, "duration")
    if duration is not None and duration <= 0:
        raise WrongUsage(f"{where}: the duration {row['duration']} must be a positive number of seconds.")
    audio_start = _seconds(where, row, "audio_start") or 0.0
    if audio_start < 0:
        raise WrongUsage(f"{where}: audio_start {row['audio_start']} lies before the start of the audio file.")
    return MapRule(
        line,
        {name: values for name, values in conditions.items() if name in ENTITIES},
        columns,
        row["audio"],
        row.get("label", ""),
        _seconds(where, row, "onset_shift") or 0.0,
        audio_start,
        duration,
        found_by_value["end_value"],
        found_by_value["start_value"],
    )


def _alternatives(cell: str) -> tuple[str, ...]:
    return tuple(value.strip() for value in cell.split("|") if value.strip() not in NOTHING)


def _seconds(where: str, row: Mapping[str, str], column: str) -> float | None:
    cell = row.get(column)
    if cell is None:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise WrongUsage(f"{where}: {column} '{cell}' is not a number of seconds; write it as 12.5.")
    return value


def _same_label(entity: str, wanted: str, label: str) -> bool:
    wanted = wanted.removeprefix(PREFIXES[entity])
    # runs are numbers in BIDS, all other labels are words
    return wanted == label or (entity == "run" and _same_number(wanted, label))


def _same_number(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return False

"""A table, as text for the page and as numbers for the file beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from predann_bids.report import text

MOST_ROWS_OPEN = 20  # longer tables are folded
MISSING = "n/a"  # in files, as BIDS has it

Kind = Literal[
    "name", "share", "interval", "points", "points_interval", "p", "count", "number", "number_interval", "candidates"
]
WRITTEN: Mapping[Kind, Callable[[Any], str]] = {
    "name": lambda value: text.NOTHING if value is None else str(value),
    "share": text.cell,
    "interval": text.interval_cell,
    "points": text.points,
    "points_interval": text.interval_points,
    "p": text.p_cell,
    "count": lambda value: text.NOTHING if value is None else str(value),
    "number": lambda value: text.NOTHING if value is None else f"{value:.3f}",
    "number_interval": lambda value: text.NOTHING if value is None else " to ".join(f"{x:.3f}" for x in value),
    "candidates": text.candidates,
}


@dataclass(frozen=True)
class Column:
    """A column: its heading, and the kind of its values.

    Parameters
    ----------
    name : str
        Heading.
    kind : str
        How values are written; shares and differences are kept as fractions and shown in percent.
    group : str
        Heading above those of neighbouring columns, if any.
    """

    name: str
    kind: Kind = "share"
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A table of values; the first column holds names.

    Parameters
    ----------
    name : str
        Stem of its file.
    title : str
        Heading.
    columns : tuple of Column
        What the columns are.
    values : tuple of tuple
        Values, a tuple for each row: text, numbers, pairs of numbers for intervals, None where nothing was computed.
    guess : bool
        Whether the last row is the chance level.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    values: tuple[tuple[Any, ...], ...]
    guess: bool = False

    @property
    def is_long(self) -> bool:
        """Whether it is so long that the page folds it."""
        return len(self.values) > MOST_ROWS_OPEN

    @property
    def header(self) -> tuple[str, ...]:
        """Headings of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """Headings above those of the columns, and how many columns each spans; empty for none."""
        if not any(column.group for column in self.columns):
            return ()
        return tuple((name, len(list(columns))) for name, columns in groupby(self.columns, lambda c: c.group))

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Cells as the page shows them; the chance level is empty where it has no value."""
        return tuple(
            tuple(
                "" if value is None and self.guess and row is self.values[-1] else WRITTEN[column.kind](value)
                for column, value in zip(self.columns, row, strict=True)
            )
            for row in self.values
        )

    def tsv(self) -> str:
        """Write it as tab-separated values: plain numbers (shares from 0 to 1), intervals in two columns."""
        header = [name for column in self.columns for name in _file_columns(column)]
        lines = [
            [field for column, value in zip(self.columns, row, strict=True) for field in _file_fields(column, value)]
            for row in self.values
        ]
        return "".join("\t".join(line) + "\n" for line in (header, *lines))


def _file_columns(column: Column) -> list[str]:
    name = re.sub(r"\W+", "_", f"{column.group} {column.name}".lower().replace("95 %", "ci95")).strip("_")
    return [f"{name}_low", f"{name}_high"] if column.kind.endswith("interval") else [name]


def _file_fields(column: Column, value: Any) -> list[str]:
    if column.kind.endswith("interval"):
        return [MISSING, MISSING] if value is None else [f"{limit:.6g}" for limit in value]
    if value is None or value != value:
        return [MISSING]
    return [f"{value:.6g}" if isinstance(value, float) else re.sub(r"[\t\r\n]+", " ", str(value))]

"""Read events.tsv as people write it: with blank lines, superfluous tabs and padded cells, but never shifted."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from predann_bids.errors import UnusableData

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, str]
LAST = "last"  # a line of its own at the end, unless an open quotation mark swallows it


def read_events(path: Path) -> pd.DataFrame:
    """Read an events file as a table; see `read_rows`."""
    import pandas as pd

    names, rows = _read(path)
    return pd.DataFrame(rows, columns=names, dtype=str)


def read_rows(path: Path) -> list[Row]:
    """Read an events file as stripped text, with `n/a` where it says so; row `i` is line `i + 2` of the file.

    Raises
    ------
    UnusableData
        It is no table, or has no onset and duration.
    """
    return _read(path)[1]


def _read(path: Path) -> tuple[list[str], list[Row]]:
    lines = _lines(path)
    names = [name.strip() for name in lines[0]]
    missing = {"onset", "duration"} - set(names)
    if missing:
        hint = " Separate the columns with tabs." if len(names) == 1 else ""
        raise UnusableData(
            f"{path} has no column {' and '.join(sorted(missing))}; BIDS requires onset and duration.{hint}"
        )
    for number, cells in enumerate(lines, 1):
        if len(cells) > len(names):
            raise UnusableData(
                f"{path} is not a table of tab-separated text: line {number} has {len(cells)} cells, but the header has"
                f" {len(names)} names."
            )
    columns = {name: names.index(name) for name in names}  # of columns of one name, the first counts
    rows = [
        {name: cells[column].strip() if column < len(cells) else "" for name, column in columns.items()}
        for cells in lines[1:]
    ]
    return list(columns), rows


def _lines(path: Path) -> list[list[str]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableData(f"{path} is not a table of tab-separated text in UTF-8. Save it as such.") from error
    if not text.strip():
        raise UnusableData(f"{path} is empty: expected a table with the columns onset and duration.")
    if "\0" in text:
        raise UnusableData(f"{path} is not a table of tab-separated text: it holds zero bytes. Copy or fetch it again.")
    text = re.sub(r"\t+(\r?\n|\r|$)", r"\1", text)
    text += "" if text.endswith(("\n", "\r")) else "\n"
    try:
        *lines, last = csv.reader(io.StringIO(text + LAST, newline=""), delimiter="\t")
    except csv.Error as error:
        raise UnusableData(f"{path} is not a table of tab-separated text: {error}.") from error
    if last != [LAST]:
        raise UnusableData(f"{path} is not a table of tab-separated text: a quotation mark is not closed.")
    return lines

"""Read events.tsv as it is found: with blank lines, superfluous tabs and padded cells, but never shifted."""

from __future__ import annotations

import re
import warnings
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from predann_bids.errors import UnusableData


def read_events(path: Path) -> pd.DataFrame:
    """Read an events file as stripped text, with `n/a` where it says so; row `i` is line `i + 2` of the file.

    Raises
    ------
    UnusableData
        It is no table, or has no onset and duration.
    """
    table = _read_table(path)
    missing = {"onset", "duration"} - set(table.columns)
    if missing:
        hint = " Separate the columns with tabs." if len(table.columns) == 1 else ""
        raise UnusableData(
            f"{path} has no column {' and '.join(sorted(missing))}; BIDS requires onset and duration.{hint}"
        )
    return table


def _read_table(path: Path) -> pd.DataFrame:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableData(f"{path} is not a table of tab-separated text in UTF-8. Save it as such.") from error
    if not text.strip():
        raise UnusableData(f"{path} is empty: expected a table with the columns onset and duration.")
    if "\0" in text:
        raise UnusableData(f"{path} is not a table of tab-separated text: it holds zero bytes. Copy or fetch it again.")
    # pandas would take the first column for row names where all rows end with one more tab than the header
    text = re.sub(r"\t+(\r?\n|\r|$)", r"\1", text)
    options: Any = {"sep": "\t", "dtype": str, "keep_default_na": False, "index_col": False, "skip_blank_lines": False}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(StringIO(text), **options)
    except pd.errors.ParserWarning as error:
        raise UnusableData(
            f"{path} is not a table of tab-separated text: its rows have more cells than its header has names."
        ) from error
    except pd.errors.ParserError as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise UnusableData(f"{path} is not a table of tab-separated text: {reason}.") from error
    stripped: pd.DataFrame = table.fillna("").map(str.strip).rename(columns=str.strip)
    return stripped

"""Read events.tsv as people write it: with blank lines, superfluous tabs and padded cells, but never shifted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from predann_bids.bids import tables
from predann_bids.bids.tables import Row

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("onset", "duration")
KNOWN = (*REQUIRED, "stim_file", "stim_id", "sample")


def read_events(path: Path) -> pd.DataFrame:
    """Read an events file as a table; see `read_rows`."""
    import pandas as pd

    names, rows = tables.read_rows(path, required=REQUIRED, known=KNOWN)
    return pd.DataFrame(rows, columns=names, dtype=str)


def read_rows(path: Path) -> list[Row]:
    """Read an events file as stripped text, with `n/a` where it says so; row `i` is line `i + 2` of the file.

    Raises
    ------
    UnusableData
        It is no table, or has no onset and duration.
    """
    return tables.read_rows(path, required=REQUIRED, known=KNOWN)[1]

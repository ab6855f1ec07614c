"""What the report calls things, and what it says about them: one table per kind, one row per thing.

A row is all that a new split, model, decoder network or audio feature needs to appear in sentences, figures, tables and
the methods text. These modules import nothing heavy, so the command line can offer the names of a table as choices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from predann_bids.errors import WrongUsage
from predann_bids.registry import nearest

Words = TypeVar("Words")


def look_up(kind: str, table: Mapping[str, Words], name: str) -> Words:
    """Return a row of a table of words.

    Parameters
    ----------
    kind : str
        What a row stands for, in the message: 'split', 'model'.
    table : mapping
        The table.
    name : str
        Name of the row.

    Raises
    ------
    WrongUsage
        The table has no such row.
    """
    try:
        return table[name]
    except KeyError:
        raise WrongUsage(f"The report has no words for the {kind} '{name}'. {nearest(name, dict(table))}") from None


def add(kind: str, table: dict[str, Words], name: str, words: Words) -> None:
    """Add a row to a table of words.

    Parameters
    ----------
    kind : str
        What a row stands for, in the message.
    table : dict
        The table; it is changed.
    name : str
        Name of the row.
    words : object
        The row.

    Raises
    ------
    ValueError
        The table already has other words under this name.
    """
    if table.setdefault(name, words) != words:
        raise ValueError(f"the report already has words for a {kind} named '{name}'")

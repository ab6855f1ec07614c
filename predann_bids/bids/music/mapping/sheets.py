"""Read small tables as spreadsheet programs save them: commas or semicolons, quotes, UTF-16, blank columns."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from predann_bids.bids.tables import LINE_END, QUOTED, UTF_16
from predann_bids.errors import WrongUsage

TAB, SEPARATORS = "\t", (",", ";")
# what a spreadsheet shows in place of a value that it cannot compute
ERRORS = frozenset({"#N/A", "#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!"})
ANNOUNCED = re.compile(r'"?sep=(.)"?[,;\t]*', re.IGNORECASE)  # a first line that tells Excel the separator
EMPTY = ("", "n/a")


@dataclass(frozen=True)
class Sheet:
    """A table with comments.

    Parameters
    ----------
    header : list of str
        Names of the columns.
    header_line : int
        The line that they stand in.
    rows : list of (int, list of str)
        Line, and as many cells as the header has.
    separator : str
        What separates columns.
    """

    header: list[str]
    header_line: int
    rows: list[tuple[int, list[str]]]
    separator: str = TAB


def read_sheet(path: Path, needed: str) -> Sheet | None:
    """Read a table; lines that begin with `#` are comments, and columns without name and content do not count.

    Columns are separated by tabs. Commas or semicolons do if the header then has the column that it must have, and
    the other of the two does not occur in it.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    needed : str
        A column that it must have.

    Returns
    -------
    Sheet or None
        None if the file is empty.

    Raises
    ------
    WrongUsage
        It is no text in UTF-8 or UTF-16, quotation marks are not closed, or a row has too many cells, or an error of a
        spreadsheet; the message names the line.
    """
    lines = list(enumerate(LINE_END.split(_text(path)), 1))
    announced = ANNOUNCED.fullmatch(lines[0][1].strip())
    lines = [(line, text) for line, text in lines[1 if announced else 0 :] if not _is_blank_or_comment(text)]
    if not lines:
        return None
    separator = announced[1] if announced else _separator(lines[0][1], needed)
    (first, header), *rows = ((line, _cells(path, line, text, separator)) for line, text in lines)
    for line, cells in rows:
        wrong = next((cell for cell in cells if cell in ERRORS), None)
        if wrong:
            raise WrongUsage(f"{path}, line {line}: '{wrong}' is an error of a spreadsheet. Correct it there.")
        if any(cell not in EMPTY for cell in cells[len(header) :]):
            more = " A decimal comma needs quotation marks around its cell, or a point." if separator == "," else ""
            raise WrongUsage(
                f"{path}, line {line}: {len(cells)} cells, but the header has {len(header)} columns.{more}"
            )
    rows = [(line, [*cells, *[""] * len(header)][: len(header)]) for line, cells in rows]
    kept = [place for place, name in enumerate(header) if name or any(cells[place] not in EMPTY for _, cells in rows)]
    return Sheet(
        [header[place] for place in kept],
        first,
        [(line, [cells[place] for place in kept]) for line, cells in rows],
        separator,
    )


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        text = content.decode("utf-16" if content.startswith(UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = len(LINE_END.findall(content[: error.start].decode("latin-1"))) + 1
        raise WrongUsage(f"{path}, line {line}: this is no UTF-8 text. Save the file as UTF-8.") from error
    if "\0" in text:
        raise WrongUsage(f"{path} holds zero bytes. Save the file as text in UTF-8.")
    return text


def _is_blank_or_comment(line: str) -> bool:
    plain = line.strip(' \t\xa0,;"')
    return not plain or (plain.startswith("#") and not plain.startswith(tuple(ERRORS)))


def _separator(header: str, needed: str) -> str:
    if TAB in header:
        return TAB
    for separator, other in (SEPARATORS, SEPARATORS[::-1]):
        if separator in header and other not in header:
            names = (name.strip().strip('"').strip() for name in header.split(separator))
            return separator if needed in names else TAB
    return TAB


def _cells(path: Path, line: int, text: str, separator: str) -> list[str]:
    if separator == TAB:
        # a quotation mark is a character like any other, unless a whole cell stands in such marks
        cells = [cell.strip() for cell in text.split(TAB)]
        quoted = [QUOTED.fullmatch(cell) for cell in cells]
        return [
            match[1].replace('""', '"').strip() if match else cell for cell, match in zip(cells, quoted, strict=True)
        ]
    try:
        (cells,) = csv.reader([text], delimiter=separator, strict=True)
    except csv.Error as error:
        raise WrongUsage(
            f"{path}, line {line}: the quotation marks cannot be understood ({error}). A cell in quotation marks must"
            " stand in one line, with those inside it doubled."
        ) from error
    return [cell.strip() for cell in cells]

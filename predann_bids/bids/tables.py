"""Read and write tables of tab-separated text, as BIDS defines them and as other programs write them.

BIDS has no quoting: a quotation mark is a character like any other, and a line end ends a row. Programs that quote all
the same put marks around a whole cell and double those inside; such cells, and no others, lose them.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from predann_bids.errors import UnusableData
from predann_bids.files import write_text

Row = dict[str, str]
Table = dict[str, list[str]]

LINE_END = re.compile(r"\r\n|\r|\n")  # those of Windows, of old Macs, and of everybody else
QUOTED = re.compile(r'"((?:[^"]|"")*)"')
CELL = re.compile(r'"(?:[^"]|"")*"(?=[\t\n]|$)|[^\t\n]*')
LONGEST_CELL = 50  # lines
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
WESTERN = "cp1252"


TABLE = "a table of tab-separated text"


def read_text(path: Path, *, kind: str = "text", otherwise: str | None = None) -> str:
    """Read text in UTF-8, with or without a byte order mark, or in UTF-16, as Excel saves "Unicode text".

    Parameters
    ----------
    path : pathlib.Path
        The file.
    kind : str
        What it should be, for the message.
    otherwise : str, optional
        Encoding to read it in if it is in neither.

    Raises
    ------
    UnusableData
        It is not text.
    """
    content = path.read_bytes()
    encoding = "utf-16" if content.startswith(UTF_16) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if otherwise is None:
            line = 1 + len(LINE_END.findall(content[: error.start].decode("latin-1")))
            raise UnusableData(f"{path} is not {kind} in UTF-8, from line {line} on. Save it as such.") from error
        text = content.decode(otherwise, errors="replace")
    if "\0" in text:
        raise UnusableData(f"{path} is not {kind}: it holds zero bytes. Copy or fetch it again.")
    return text


def read_cells(path: Path, *, otherwise: str | None = None) -> list[list[str]]:
    """Read a table as a list of cells for each line of the file, without blanks around them and empty ones at the end.

    The first line holds the names of the columns. A blank line is an empty list, so that positions are line numbers. A
    quoted cell may hold tabs and line ends where its line does not fit the header otherwise; the lines that it takes up
    are blank then.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    otherwise : str, optional
        Encoding to read it in if it is neither UTF-8 nor UTF-16.

    Raises
    ------
    UnusableData
        It is no text, or a line has more cells than the first.
    """
    lines = _lines(LINE_END.split(read_text(path, kind=TABLE, otherwise=otherwise)))
    while lines and not lines[-1]:
        lines.pop()
    for number, cells in enumerate(lines, 1):
        if len(cells) > len(lines[0]):
            raise UnusableData(
                f"{path} is not {TABLE}: line {number} has {len(cells)} cells, but the header has"
                f" {len(lines[0])} names. {_remedy(lines)}"
            )
    return lines


def _remedy(lines: Sequence[Sequence[str]]) -> str:
    head, *rows = (len(cells) for cells in lines)
    if head <= 1:
        return "The first line must hold the names of the columns, parted by tabs, and nothing may stand above it."
    if {*rows, 0} == {head + 1, 0}:
        return "If R wrote it, write it without the names of rows (row.names=FALSE)."
    return "Remove what is too much, such as a tab within a cell."


def _lines(texts: Sequence[str]) -> list[list[str]]:
    """Take lines apart; those that fit the first only if quoted cells hold tabs or line ends are read so."""
    first = texts[0].split("\t")
    lines: list[list[str]] = []
    for place, text in enumerate(texts):
        if place < len(lines):  # within a cell of a line above
            continue
        parts, taken = text.split("\t"), 1
        if len(_cells(parts)) > len(_cells(first)) or (len(parts) < len(first) and _is_open(parts[-1])):
            parts, taken = _quoted_parts(texts, place, len(first)) or (parts, 1)
        lines += [_cells(parts), *([] for _ in range(taken - 1))]
    return lines


def _is_open(cell: str) -> bool:
    return cell.startswith('"') and not QUOTED.fullmatch(cell.strip())


def _quoted_parts(texts: Sequence[str], place: int, width: int) -> tuple[list[str], int] | None:
    """Find the fewest lines that make one of so many cells, and its cells; None if there are none."""
    for taken in range(1, min(LONGEST_CELL, len(texts) - place) + 1):
        joined = "\n".join(texts[place : place + taken])
        parts, end = [], -1
        while end < len(joined) and (end < 0 or joined[end] == "\t"):
            match = CELL.match(joined, end + 1)
            assert match  # even nothing is a cell
            parts.append(re.sub(r"[\t\n]+", " ", match[0]))
            end = match.end()
        if end == len(joined) and len(parts) == width:
            return parts, taken
    return None


def _cells(parts: Iterable[str]) -> list[str]:
    cells = [_unquoted(part.strip()) for part in parts]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _unquoted(cell: str) -> str:
    quoted = QUOTED.fullmatch(cell)
    return quoted[1].replace('""', '"').strip() if quoted else cell


def read_columns(path: Path, *, known: Sequence[str] = ()) -> Table:
    """Read a table into columns of text; missing cells are ``n/a``, and blank lines are no rows.

    What is not UTF-8 or UTF-16 is read in Windows' western encoding.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    known : sequence of str
        Columns that have a meaning; see `read_rows`.

    Raises
    ------
    UnusableData
        See `read_rows`.
    """
    head, *rows = [cells for cells in read_cells(path, otherwise=WESTERN) if cells] or [[]]
    head = _as_known(head, known)
    _refuse_contradictions(path, head, rows, known)
    return {
        name: [row[place] if place < len(row) and row[place] else "n/a" for row in rows]
        for name, place in _places(head).items()
    }


def read_rows(path: Path, *, required: Sequence[str] = (), known: Sequence[str] = ()) -> tuple[list[str], list[Row]]:
    """Read a table into its columns' names and a row of text for each further line, blank ones among them.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    required : sequence of str
        Columns that it must have.
    known : sequence of str
        Columns that have a meaning: they are found in capitals and with blanks, too, and none may be there twice with
        different cells.

    Returns
    -------
    list of str, list of dict
        Row `i` is line `i + 2` of the file. Missing cells are empty.

    Raises
    ------
    UnusableData
        It is empty, lacks a column, contradicts itself, or is no table; see `read_cells`.
    """
    lines = read_cells(path)
    if not any(lines):
        needed = f" with the columns {' and '.join(required)}" if required else ""
        raise UnusableData(f"{path} is empty: expected a table{needed}.")
    head, others = _as_known(lines[0], known), lines[1:]
    missing = sorted(set(required) - set(head))
    if missing:
        hint = " Separate the columns with tabs." if len(head) == 1 else ""
        raise UnusableData(
            f"{path} has no column {' and '.join(missing)}; BIDS requires {' and '.join(required)}.{hint}"
        )
    _refuse_contradictions(path, head, others, known)
    places = _places(head)
    rows = [{name: row[place] if place < len(row) else "" for name, place in places.items()} for row in others]
    return list(places), rows


def _as_known(head: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the names of columns, those of known ones as BIDS writes them."""
    plain = [re.sub(r"[ -]+", "_", name).lower() for name in head]
    return [other if other in known and other not in head else name for name, other in zip(head, plain, strict=True)]


def _refuse_contradictions(
    path: Path, head: Sequence[str], rows: Sequence[Sequence[str]], known: Iterable[str]
) -> None:
    for name in known:
        places = [place for place, other in enumerate(head) if other == name]
        for cells in rows if len(places) > 1 else ():
            said = [cells[place] if place < len(cells) else "" for place in places]
            if len(set(said)) > 1:
                raise UnusableData(
                    f"{path} has the column {name} {len(places)} times, with different cells ('{said[0]}' and"
                    f" '{next(other for other in said if other != said[0])}'). Keep the one that is right."
                )


def _places(head: Sequence[str]) -> dict[str, int]:
    """Return the place of each column; of those of one name, the first counts."""
    return {name: head.index(name) for name in head if name}


def row_of(table: Mapping[str, Sequence[str]], index: int) -> Row:
    """One row of a table."""
    return {column: cells[index] for column, cells in table.items()}


def table_text(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay out a table as BIDS wants it, without quoting; what would end a cell or a row becomes a blank."""
    lines = ("\t".join(re.sub(r"[\t\r\n]+", " ", str(cell)) for cell in row) for row in (names, *rows))
    return "\n".join(lines) + "\n"


def write_table(path: Path, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table, whole or not at all; see `table_text`."""
    write_text(path, table_text(names, rows))

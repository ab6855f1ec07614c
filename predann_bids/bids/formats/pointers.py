"""Find the files that belong to a header: names in headers are old, misspelt, or those of another recording."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from predann_bids.errors import MissingInput


@dataclass(frozen=True)
class Pointer:
    """The file that belongs to a header.

    Parameters
    ----------
    file : Path
        What to read, whether or not it is there.
    named : str
        The name in the header; empty where it has none.
    other : Path, optional
        The file of that name, if it exists and is another.
    stranger : bool
        Whether `other` has a header of its own: it belongs to another recording.
    """

    file: Path
    named: str = ""
    other: Path | None = None
    stranger: bool = False

    def refusal(self, header: Path) -> MissingInput:
        """Say that a header leads to the data of another recording, and nowhere else."""
        return MissingInput(
            f"{header} names {self.named}, which is the data of another recording, and there is no {self.file.name}"
            f" beside it. Put the recording's own data there, or remove {header.name} if it is a copy."
        )


def find_beside(path: Path, name: str) -> Path | None:
    """Find a file in the directory of `path`, also where its name has other capitals or accents made otherwise."""
    exact = path.parent / name
    if os.path.lexists(exact):
        return exact
    alike = [entry for entry in path.parent.iterdir() if _folded(entry.name) == _folded(name)]
    return alike[0] if len(alike) == 1 else None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def follow(header: Path, named: str, suffix: str, headers: str) -> Pointer:
    """Find the file that belongs to a header: that of the header's own name, else the one that the header names.

    The name in a header is believed only where no file has the header's own name, for headers are copied and renamed
    without being rewritten.

    Parameters
    ----------
    header : Path
        The header.
    named : str
        The file that it names: a name, a path of any system, or nothing.
    suffix : str
        Extension of the file, such as '.eeg'.
    headers : str
        Extension of headers of this format, such as '.vhdr'.
    """
    base = PurePosixPath(named.strip().strip('"').replace("\\", "/")).name.replace("$b", header.stem)
    endings = dict.fromkeys(ending for ending in (PurePosixPath(base).suffix, suffix) if _is_data(ending, headers))
    own = next((found for ending in endings if (found := find_beside(header, header.stem + ending))), None)
    other = find_beside(header, base) if base and _is_data(PurePosixPath(base).suffix, headers) else None
    if other and (other == own or _folded(other.stem) == _folded(header.stem)):
        return Pointer(own or other, base)
    if own or not other:
        return Pointer(own or header.with_suffix(suffix), base, other, bool(other) and _has_header(other, headers))
    if _has_header(other, headers):
        return Pointer(header.with_suffix(suffix), base, other, stranger=True)
    return Pointer(other, base)


def _is_data(ending: str, headers: str) -> bool:
    return bool(ending) and ending.lower() not in (headers, ".json", ".tsv")


def _has_header(data: Path | None, headers: str) -> bool:
    return data is not None and find_beside(data, data.stem + headers) is not None

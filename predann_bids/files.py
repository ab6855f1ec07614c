"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from predann_bids.errors import CannotCreateOutput, PredannError, ReadOrWriteFailed, TryAgain, UnusableData, is_no_space

LONGEST_EXTENSION = 20
BLOCKS, BLOCK = 16, 1 << 14  # what is read of a large file to tell it from another
LARGE = 1 << 26  # bytes from which on the hash of a file is noted, because it takes a while
SETTLED_S = 2.0  # since a file was changed, until its time of change is relied on: file systems round it


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to, and rename it to `path` if the block ends without an error.

    Raises
    ------
    ReadOrWriteFailed
        The file cannot be written.
    TryAgain
        The disk is full.
    """
    beside = path.with_name(f".writing-{uuid.uuid4().hex[:8]}-{path.name}")  # process ids repeat across containers
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = _short_enough(beside)
        yield beside
        beside.replace(path)
    except OSError as error:
        raise refused(path, error) from error
    finally:
        with suppress(OSError):  # renamed already, or never written
            beside.unlink()


def _short_enough(beside: Path) -> Path:
    """Shorten a temporary name that is longer than names may be, but keep its extension, which some writers obey."""
    longest = 255
    with suppress(OSError, AttributeError, ValueError):  # not everywhere can one ask
        longest = os.pathconf(beside.parent, "PC_NAME_MAX")
    excess = len(os.fsencode(beside.name)) - longest
    if excess <= 0:
        return beside
    suffix = beside.suffix if len(beside.suffix) < LONGEST_EXTENSION else ""
    stem = os.fsencode(beside.name.removesuffix(suffix))
    kept = stem[: len(stem) - excess].decode("utf-8", "ignore")  # half a character is dropped
    return beside.with_name(kept + suffix)


def check_place(path: Path, what: str) -> None:
    """Refuse a place where no file or directory can be made, before any work is done for it.

    Parameters
    ----------
    path : Path
        The file or directory to be made, or the directory to write into.
    what : str
        What it is called in the message.

    Raises
    ------
    CannotCreateOutput
        A part of the path is a file, cannot be written to, or has a name that is too long.
    """
    try:
        existing = next(place for place in (path, *path.absolute().parents) if place.exists())
        is_directory = existing.is_dir()
        if path.is_symlink() and not path.exists():
            raise CannotCreateOutput(f"{what} {path} cannot be created: it is a link that leads nowhere. Remove it.")
        if existing == path and not is_directory:  # it may be replaced
            existing, is_directory = path.absolute().parent, True
    except OSError as error:
        raise CannotCreateOutput(f"{what} {path} cannot be created: {error.strerror}. Choose another.") from error
    if not is_directory:
        raise CannotCreateOutput(f"{what} {path} cannot be created: {existing} is a file. Choose another.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise CannotCreateOutput(
            f"{what} {path} cannot be written to: no permission for {existing}, or it is read-only. Choose another."
        )


def refused(path: Path, error: OSError) -> PredannError:
    """Say that a file cannot be written, and what to do about it."""
    if is_no_space(error):
        return TryAgain(f"No space is left for {path}. Free some space and run the same command again.")
    reason = error.strerror or error
    if error.errno == errno.EROFS:
        return ReadOrWriteFailed(f"{path} cannot be written: {reason}. Make it writable, or choose another place.")
    if error.errno == errno.ENAMETOOLONG:
        return ReadOrWriteFailed(f"{path} cannot be written: {reason}. Choose an output directory with a shorter path.")
    return ReadOrWriteFailed(f"{path} cannot be written: {reason}.")


def glimpse(path: Path) -> str:
    """Fingerprint a file by its size and by blocks from all over it.

    Sizes and times of change alone are equal for different files of archives, which give all of them one date.
    """
    size = path.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=8)
    with path.open("rb") as file:
        for place in range(BLOCKS):
            file.seek(max(0, size - BLOCK) * place // (BLOCKS - 1))
            digest.update(file.read(BLOCK))
    return digest.hexdigest()


def content_hash(path: Path) -> str:
    """Fingerprint the whole content of a file.

    Raises
    ------
    ReadOrWriteFailed
        It cannot be read.
    """
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise ReadOrWriteFailed(f"{path} cannot be read: {error.strerror or error}.") from error


def known_hash(path: Path, directory: Path, tell: Callable[[str], None] | None = None) -> str:
    """Fingerprint a file like `content_hash`; of a large one that has not changed since, take what was noted.

    Parameters
    ----------
    path : Path
        The file.
    directory : Path
        Where notes of large files are kept, in `hashes/`.
    tell : callable, optional
        Takes a line, before a large file is read.

    Raises
    ------
    ReadOrWriteFailed
        The file cannot be read, or the note cannot be written.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise ReadOrWriteFailed(f"{path} cannot be read: {error.strerror or error}.") from error
    if stat.st_size < LARGE:
        return content_hash(path)
    state = {"File": str(path.resolve()), "Size": stat.st_size, "Time": stat.st_mtime_ns}
    note = directory / "hashes" / f"{hashlib.blake2b(os.fsencode(path.resolve()), digest_size=8).hexdigest()}.json"
    with suppress(OSError, UnusableData):
        noted = read_json(note)
        if state.items() <= noted.items():
            return str(noted["Hash"])
    if tell:
        tell(f"Hashing {path.name} ({stat.st_size / 1e9:.1f} GB)")
    content = content_hash(path)
    if stat.st_mtime < time.time() - SETTLED_S:
        write_json(note, {**state, "Hash": content})
    return content


def dangling_in_words(link: Path) -> str:
    """Say why a link leads to nothing, and what to do: content was not fetched, or lies where nothing is mounted."""
    target = link.resolve()
    git = next((place for place in target.parents if place.name == ".git"), None)
    if git is None or git.is_dir():
        return "is a link to content that was not fetched. Get it with 'datalad get' and the file's name"
    return (
        f"is a link to content that was not fetched or cannot be seen from here: it leads into {git}, which is not"
        " there. In a container, bind the whole dataset with its .git, or copies without links (cp -rL); if it was not"
        " fetched, get it with 'datalad get' first"
    )


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all; infinite and undefined numbers are refused, as JSON has none."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    UnusableData
        The file is not valid JSON, or not an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise UnusableData(f"{path} is not valid JSON: {error}. Correct it in a text editor.") from error
    except UnicodeDecodeError as error:
        raise UnusableData(f"{path} is not valid JSON: it is not UTF-8 text. Save it as UTF-8.") from error
    if not isinstance(content, dict):
        raise UnusableData(f"{path} must hold a JSON object: names and values in braces.")
    return content

"""What a file is instead of EEG: empty, a pointer to content elsewhere, a web page, an archive."""

from __future__ import annotations

from pathlib import Path

from predann_bids.bids.sidecars import is_dangling, not_fetched
from predann_bids.errors import MissingInput, PredannError, UnusableData

LARGEST_POINTER = 4096  # bytes
ARCHIVES = {b"PK\x03\x04": "ZIP", b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"7z\xbc\xaf": "7-Zip", b"\xfd7zXZ": "xz"}


def is_absent(path: Path) -> bool:
    """Whether nothing can be read: there is no file, or a link or pointer to content that was not fetched."""
    return not path.is_file() or bool(_pointer(path))


def absent(files: list[Path], needed_by: Path) -> MissingInput:
    """Say which files are missing, and how to get them if they were not fetched.

    Parameters
    ----------
    files : list of Path
        Files of which `is_absent` is true.
    needed_by : Path
        The recording that needs them.
    """
    links = [file for file in files if is_dangling(file)]
    if links:
        return not_fetched(*links)
    for file in files:
        if file.is_file():
            return MissingInput(f"{file} is {_pointer(file)}.")
    named = "" if needed_by in files else f"; {needed_by} needs it"
    return MissingInput(f"{', '.join(str(file) for file in files)} does not exist{named}.")


def _pointer(path: Path) -> str:
    """Say to what a small file points, and how to get it; empty if it is no pointer."""
    if path.stat().st_size > LARGEST_POINTER:
        return ""
    start = path.read_bytes()
    if b"annex/objects/" in start.split(b"\n")[0]:
        return f"a pointer of git-annex to content that was not fetched. Get it with `datalad get {path.name}`"
    if start.startswith(b"version https://git-lfs"):
        return f"a pointer of Git LFS to content that was not fetched. Get it with `git lfs pull --include {path.name}`"
    return ""


def refuse_strange(path: Path) -> None:
    """Raise `UnusableData` when a file is plainly something else than data or a header, whatever its format.

    Raises
    ------
    UnusableData
        It is empty, a web page, an archive, or what macOS writes beside a file.
    """
    error = _strange(path)
    if error:
        raise error


def _strange(path: Path) -> PredannError | None:
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        return UnusableData(f"{path} is empty: it has 0 bytes. Fetch or copy it again.")
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml", b"<error")):
        return UnusableData(
            f"{path} is no EEG: it is a web page or an error message of a server, saved under this name. Download the"
            " file itself again."
        )
    for magic, kind in ARCHIVES.items():
        if start.startswith(magic):
            return UnusableData(f"{path} is a compressed file ({kind}). Unpack it, and put what is in it here.")
    if start.startswith(b"\x00\x05\x16\x07"):
        return UnusableData(f"{path} is no EEG: macOS wrote it beside the true file (AppleDouble). Copy that again.")
    if not start.strip(b"\x00") and _is_all_zero(path):
        return UnusableData(
            f"{path} holds nothing but zero bytes, as an interrupted copy leaves behind. Fetch or copy it again."
        )
    return None


def _is_all_zero(path: Path) -> bool:
    with path.open("rb") as file:
        return not any(block.strip(b"\x00") for block in iter(lambda: file.read(1 << 20), b""))


def looks_like_text(start: bytes) -> bool:
    """Whether bytes are text that somebody could read."""
    return bool(start) and all(byte >= 32 or byte in b"\t\r\n\f" for byte in start)

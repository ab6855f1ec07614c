"""Why a file cannot be read as audio: what it is instead, by its first bytes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from predann_bids.errors import MissingInput, PredannError, ReadOrWriteFailed, UnusableData
from predann_bids.files import dangling_in_words

KINDS = "WAV, FLAC, OGG or MP3"


def unreadable(path: Path, error: Exception) -> PredannError:
    """Say why a file cannot be read as audio."""
    if path.is_symlink() and not path.exists():
        return MissingInput(f"{path} {dangling_in_words(path)}.")
    if not path.is_file():
        return MissingInput(f"{path} is not there. Put the audio there, or correct the name.")
    if not os.access(path, os.R_OK):
        return ReadOrWriteFailed(f"{path} cannot be read: there is no permission to. Change that with chmod.")
    if path.stat().st_size == 0:
        return UnusableData(f"{path} is empty. Copy or fetch the audio again.")
    with path.open("rb") as file:
        start = file.read(512)
    if start.startswith(b"version https://git-lfs") or b"/annex/objects/" in start:
        return MissingInput(
            f"{path} cannot be read as audio: it is a pointer to content that was not fetched. Fetch it with 'git lfs"
            " pull' or 'datalad get'."
        )
    if what := _kind(start):
        converting = f'convert it with \'ffmpeg -i "{path.name}" "{path.stem}-converted.wav"\''
        advice = "copy or fetch the audio again" if "text" in what else converting
        return UnusableData(f"{path} cannot be read as audio: it is {what}. Expected {KINDS}: {advice}.")
    reason = getattr(error, "strerror", None) or re.sub(r"^Error opening .*?: ", "", str(error), flags=re.DOTALL)
    return UnusableData(f"{path} cannot be read as audio: {reason.rstrip('.') or 'damaged'}. Expected {KINDS}.")


def _kind(start: bytes) -> str:
    """Name what a file is that libsndfile does not read, from its first bytes; empty if that is not known."""
    if start[4:8] == b"ftyp":
        return "an MPEG-4 file (AAC or Apple Lossless)"
    if start.startswith(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"):
        return "a Windows Media file"
    if start.startswith(b"\x1a\x45\xdf\xa3"):
        return "a Matroska or WebM file"
    if start.startswith(b"RIFF") and start[8:12] == b"AVI ":
        return "an AVI video"
    if start[:1] == b"\xff" and len(start) > 1 and start[1] & 0xF6 == 0xF0:
        return "an AAC stream"
    if re.match(rb"\s*(<!doctype html|<html)", start, re.IGNORECASE):
        return "a web page (text), perhaps a failed download"
    if start and all(byte >= 32 or byte in b"\t\r\n" for byte in start) and _is_utf8(start):
        return "a text file"
    return ""


def _is_utf8(start: bytes) -> bool:
    try:
        start[:-3].decode()
    except UnicodeDecodeError as error:
        return error.end >= len(start) - 4
    return True

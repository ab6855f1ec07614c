"""Compare names of events, labels and audio files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

STOPS = re.compile(r"stop|end|off|finish", re.IGNORECASE)


def match_names(values: Iterable[str], audio: Sequence[str]) -> dict[str, str]:
    """Find the audio file of each value that is named like one.

    If all files are named like `song-01.wav`, numbers find them too. Numbers are everywhere, so they count only if they
    find at least two files and at least half of all files.
    """
    files: dict[str, str] = {}
    for name in audio:
        files.setdefault(_plain(PurePosixPath(name).stem), name)
    endings = [re.fullmatch(r"(.*?)(\d+)", stem) for stem in files]
    are_alike = len({ending[1] if ending else None for ending in endings}) == 1
    numbered = {ending[2]: name for ending, name in zip(endings, files.values(), strict=True) if ending and are_alike}
    matched = {}
    for value in values:
        file = files.get(_plain(value)) or numbered.get(_plain(value))
        if file and _plain(value):
            matched[value] = file
    has_words = any(not _plain(value).isdecimal() for value in matched)
    has_several = len(set(matched.values())) >= max(2, len(files) / 2)
    return matched if has_words or has_several else {}


def _plain(name: str) -> str:
    """Reduce a name to letters and numbers, without accents, case, punctuation and leading zeros."""
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    words = re.sub(r"(?<!\d)[\W_]+|[\W_]+(?!\d)", "", plain)  # two numbers must stay apart
    return re.sub(r"\d+", lambda number: str(int(number[0])), re.sub(r"[\W_]+", " ", words))


def in_order(value: str) -> tuple[tuple[int, float, str], ...]:
    """Return a key that sorts numbers in names as numbers."""
    parts = re.findall(r"\d+|\D+", value)
    return tuple((0, float(part), "") if part.isdecimal() else (1, 0.0, part) for part in parts)

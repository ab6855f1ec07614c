"""Whether the headers of WAV and AIFF files tell the truth about how much sound follows.

libsndfile believes a size that is too small, takes one that is too large for the rest of the file, and says neither.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from predann_bids.errors import UnusableData

SOUND = {b"RIFF": b"data", b"RF64": b"data", b"BW64": b"data", b"FORM": b"SSND"}
STREAMED = (0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000)  # written by programs that cannot seek back
IN_DS64 = 0xFFFFFFFF
NAMES = frozenset(f"{string.ascii_letters}{string.digits} _-.".encode())


@dataclass(frozen=True)
class SoundChunk:
    """The chunk that holds the samples.

    Parameters
    ----------
    size_at : int
        Where in the file its size stands.
    stated, present : int
        Bytes that it should have, and that follow its header.
    streamed : bool
        Whether its size was never filled in, so that it lasts to the end of the file.
    """

    size_at: int
    stated: int
    present: int
    streamed: bool

    @property
    def share(self) -> float:
        """Share of the stated bytes that are there; 1 if all are."""
        return 1.0 if self.streamed else min(1.0, self.present / max(self.stated, 1))


def find_sound(path: Path) -> SoundChunk | None:
    """Find the chunk with the samples; None if the file is of another kind, or has none.

    Raises
    ------
    UnusableData
        The chunk's size is wrong: what follows it is no other chunk, but sound, most likely.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        kind = file.read(12)[:4]
        if kind not in SOUND:
            return None
        order, total = "big" if kind == b"FORM" else "little", 0
        while len(header := file.read(8)) == 8:
            name, stated = header[:4], int.from_bytes(header[4:], order)  # type: ignore[arg-type]
            start = file.tell()
            if name == b"ds64":
                total = int.from_bytes(file.read(16)[8:], "little")
            if name == SOUND[kind]:
                stated = total if total and stated == IN_DS64 else stated
                chunk = SoundChunk(start - 4, stated, size - start, streamed=stated in STREAMED)
                return _checked(path, file, chunk)
            file.seek(start + stated + stated % 2)
    return None


def _checked(path: Path, file: BinaryIO, chunk: SoundChunk) -> SoundChunk:
    """Refuse a size after which no other chunk begins, unless it is zero, as if it was never filled in."""
    start = chunk.size_at + 4
    left = chunk.present - chunk.stated
    if chunk.streamed or left < 8 + chunk.stated % 2 or _is_chunk(file, start + chunk.stated + chunk.stated % 2, left):
        return chunk
    if chunk.stated == 0:
        return SoundChunk(chunk.size_at, 0, chunk.present, streamed=True)
    if _is_padding(file, start + chunk.stated):
        return chunk
    raise UnusableData(
        f"{path} contradicts itself: its header says that {chunk.stated} bytes of sound follow, but {left} more bytes"
        f" come after them. Export it again, or repair it with 'ffmpeg -i {path.name} repaired.wav'."
    )


def _is_chunk(file: BinaryIO, place: int, left: int) -> bool:
    file.seek(place)
    header = file.read(8)
    size = min(int.from_bytes(header[4:], order) for order in ("big", "little"))
    return len(header) == 8 and NAMES.issuperset(header[:4]) and size <= left


def _is_padding(file: BinaryIO, place: int) -> bool:
    file.seek(place)
    return not any(file.read(1 << 20))

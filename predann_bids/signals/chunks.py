"""Whether the headers of WAV, AIFF, W64 and AU files tell the truth about how much sound follows, and Ogg files end.

libsndfile believes a size that is too small, takes one that is too large for the rest of the file, and says neither.
The header of an Ogg file does not say how long it is, but its last page says that it is the last.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

from predann_bids.errors import UnusableData

STREAMED = (0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000)  # written by programs that cannot seek back
ENDLESS = 1 << 62  # they write a larger size, if it has eight bytes
IN_DS64 = 0xFFFFFFFF
NAMES = frozenset(f"{string.ascii_letters}{string.digits} _-.".encode())
W64_NAME = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # follows the four letters of the names of its usual chunks


@dataclass(frozen=True)
class _Chunks:
    """How the chunks of a kind of file are laid out.

    Parameters
    ----------
    sound : tuple of bytes
        Names of the chunk with the samples.
    order : {"little", "big"}
        Of the bytes of a size.
    first : int
        Where the first chunk begins.
    rest_of_name : bytes
        What follows the four letters of a name.
    size_bytes : int
        Bytes of a size.
    counted : int
        Bytes of the header of a chunk that its size counts.
    unit : int
        Chunks begin at multiples of this.
    """

    sound: tuple[bytes, ...]
    order: Literal["little", "big"] = "little"
    first: int = 12
    rest_of_name: bytes = b""
    size_bytes: int = 4
    counted: int = 0
    unit: int = 2

    @property
    def header(self) -> int:
        """Bytes before what a chunk holds."""
        return 4 + len(self.rest_of_name) + self.size_bytes

    def size(self, header: bytes) -> int:
        """Return how many bytes a chunk states to hold."""
        return max(0, int.from_bytes(header[-self.size_bytes :], self.order) - self.counted)

    def padded(self, size: int) -> int:
        """Return where the next chunk begins, seen from the beginning of what a chunk of some size holds."""
        return size + -size % self.unit


WAV = _Chunks((b"data",))
KINDS = {
    b"RIFF": WAV,
    b"RF64": WAV,
    b"BW64": WAV,
    b"FORM": _Chunks((b"SSND", b"BODY"), "big"),
    b"riff": _Chunks((b"data",), first=40, rest_of_name=W64_NAME, size_bytes=8, counted=24, unit=8),
}
AU: dict[bytes, Literal["big", "little"]] = {b".snd": "big", b"dns.": "little"}
OGG, PAGE = b"OggS", 27  # how a page of an Ogg file begins, and how long its header is
FLAGS, SEGMENTS, LAST = 5, 26, 4


@dataclass(frozen=True)
class SoundChunk:
    """The chunk that holds the samples.

    Parameters
    ----------
    size_at, start : int
        Where in the file its size stands, and where the samples begin.
    stated, present : int
        Bytes that it should have, and that follow its header.
    streamed : bool
        Whether its size was never filled in, so that it lasts to the end of the file.
    """

    size_at: int
    start: int
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
        beginning = file.read(12)
        if beginning[:4] in AU and len(beginning) == 12:
            order = AU[beginning[:4]]
            start, stated = (int.from_bytes(beginning[place : place + 4], order) for place in (4, 8))
            of_au = SoundChunk(8, start, stated, max(0, size - start), streamed=stated in STREAMED)
            return _checked(path, file, of_au, None)
        kind = KINDS.get(beginning[:4])
        chunk = _find(file, kind, size) if kind else None
        return chunk and _checked(path, file, chunk, kind)


def _find(file: BinaryIO, kind: _Chunks, size: int) -> SoundChunk | None:
    total = 0
    file.seek(kind.first)
    while len(header := file.read(kind.header)) == kind.header:
        name, stated, start = header[:4], kind.size(header), file.tell()
        if name == b"ds64":
            total = int.from_bytes(file.read(16)[8:], "little")
        if name in kind.sound:
            stated = total if total and stated == IN_DS64 else stated
            streamed = stated in STREAMED or stated >= ENDLESS
            return SoundChunk(start - kind.size_bytes, start, stated, size - start, streamed)
        file.seek(start + kind.padded(stated))
    return None


def _checked(path: Path, file: BinaryIO, chunk: SoundChunk, kind: _Chunks | None) -> SoundChunk:
    """Refuse a size after which no other chunk begins, unless it is zero, as if it was never filled in."""
    left = chunk.present - chunk.stated
    header = kind.header if kind else 1
    if chunk.streamed or left < header + chunk.stated % 2:
        return chunk
    if kind and _is_chunk(file, chunk.start + kind.padded(chunk.stated), left, kind):
        return chunk
    if chunk.stated == 0:
        return replace(chunk, streamed=True)
    if _is_padding(file, chunk.start + chunk.stated):
        return chunk
    raise UnusableData(
        f"{path} contradicts itself: its header says that {chunk.stated} bytes of sound follow, but {left} more bytes"
        f" come after them. Export it again, or repair it with 'ffmpeg -i {path.name} repaired.wav'."
    )


def _is_chunk(file: BinaryIO, place: int, left: int, kind: _Chunks) -> bool:
    file.seek(place)
    header = file.read(kind.header)
    if len(header) < kind.header or not NAMES.issuperset(header[:4]):
        return False
    return kind.size(header) <= left or kind.size(header[:4] + header[:3:-1]) <= left


def _is_padding(file: BinaryIO, place: int) -> bool:
    file.seek(place)
    return not any(file.read(1 << 20))


def has_end(path: Path) -> bool:
    """Whether the last page of an Ogg file (RFC 3533) is there as a whole, and marked as the last of its stream.

    Parameters
    ----------
    path : Path
        The file; what programs put after the last page does not count.
    """
    size, place, flags = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        while len(header := file.read(PAGE)) == PAGE and header.startswith(OGG):
            segments = file.read(header[SEGMENTS])
            place += PAGE + header[SEGMENTS] + sum(segments)
            if place > size:
                return False
            flags = header[FLAGS]
            file.seek(place)
    return bool(flags & LAST) and not header.startswith(OGG)

"""How long an MP3 file really is.

An MP3 file is a row of frames. How many there are stands in its first one, if a program wrote it there (the Xing or
Info tag); else libsndfile guesses from the size of the first frame, and reads no further than it has guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

KBITS = {  # by version (MPEG 1, or 2 and 2.5) and layer
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
KBITS[2, 3] = KBITS[2, 2]
RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
TAG_FLAGS, HAS_FRAMES = 4, 1
ROUNDING = 1  # some programs count the tag itself


@dataclass(frozen=True)
class Frame:
    """Header of one frame: its size in bytes, its length in samples, and what is the same in all frames of a file."""

    size: int
    samples: int
    rate_hz: int
    kind: tuple[int, int]
    mono: bool


@dataclass(frozen=True)
class Mpeg:
    """The frames of an MP3 file.

    Parameters
    ----------
    first : int
        Where the first frame begins, after tags such as titles and pictures.
    head : Frame
        The first frame.
    frames : int
        Number of frames with sound, counted.
    stated : int, optional
        Number of frames that the tag states.
    count_at : int
        Where in the file the tag states it; 0 if it does not.
    """

    first: int
    head: Frame
    frames: int
    stated: int | None
    count_at: int

    @property
    def seconds(self) -> float:
        """Length by the frames that are there."""
        return self.frames * self.head.samples / self.head.rate_hz

    @property
    def stated_seconds(self) -> float | None:
        """Length by the tag."""
        return None if self.stated is None else self.stated * self.head.samples / self.head.rate_hz

    @property
    def is_right(self) -> bool:
        """Whether the tag states what is there."""
        return self.stated is not None and abs(self.stated - self.frames) <= ROUNDING


def read_mpeg(content: bytes) -> Mpeg | None:
    """Count the frames of an MP3 file; None if it has none."""
    first = _after_tags(content)
    first = _next_frame(content, first, None)
    head = _frame(content, first)
    if head is None:
        return None
    tag = _tag_at(content, first, head)
    frames, place = 0, first + (head.size if tag else 0)
    while place < len(content):
        frame = _frame(content, place)
        if frame is None or frame.kind != head.kind:
            place = _next_frame(content, place + 1, head)
            continue
        if place + frame.size > len(content):
            break
        frames, place = frames + 1, place + frame.size
    count_at = _count_at(content, tag)
    stated = int.from_bytes(content[count_at : count_at + 4], "big") if count_at else 0
    return Mpeg(first, head, frames, stated or None, count_at)


def with_right_count(content: bytes, mpeg: Mpeg) -> bytes:
    """Return the file with the number of its frames where libsndfile looks for it."""
    count = mpeg.frames.to_bytes(4, "big")
    if mpeg.count_at:
        return content[: mpeg.count_at] + count + content[mpeg.count_at + 4 :]
    return _tag_frame(content, mpeg, count) + content[mpeg.first :]


def _tag_frame(content: bytes, mpeg: Mpeg, count: bytes) -> bytes:
    """Make a frame that holds nothing but a Xing tag, of the same kind as the first, and large enough for it."""
    header = bytearray(content[mpeg.first : mpeg.first + 4])
    header[1] |= 1  # no checksum
    for step in range(8, 15):
        header[2] = step << 4 | header[2] & 0x0C
        frame = _frame(bytes(header), 0)
        if frame and frame.size >= 200:
            break
    assert frame
    tag = b"Xing" + HAS_FRAMES.to_bytes(4, "big") + count
    return (bytes(header) + bytes(_side_information(frame)) + tag).ljust(frame.size, b"\0")


def _after_tags(content: bytes) -> int:
    """Skip ID3 tags, of which there may be several."""
    place = 0
    while content[place : place + 3] == b"ID3" and len(content) >= place + 10:
        size = 0
        for byte in content[place + 6 : place + 10]:
            size = size << 7 | byte & 0x7F
        place += 10 + size + (10 if content[place + 5] & 0x10 else 0)
    return place


def _next_frame(content: bytes, place: int, like: Frame | None) -> int:
    """Find the next frame that another one follows, or the end of the file."""
    while (place := content.find(b"\xff", place)) >= 0:
        frame = _frame(content, place)
        if frame and (like is None or frame.kind == like.kind):
            following = _frame(content, place + frame.size)
            if following is not None and following.kind == frame.kind:
                return place
            if place + frame.size == len(content):
                return place
        place += 1
    return len(content)


def _frame(content: bytes, place: int) -> Frame | None:
    header = content[place : place + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    step, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or step in (0, 15) or rate == 3:
        return None
    generation = 1 if version == 3 else 2
    rate_hz, bits = RATES_HZ[version][rate], 1000 * KBITS[generation, layer][step]
    samples = 384 if layer == 1 else 576 if layer == 3 and generation == 2 else 1152
    padding = header[2] >> 1 & 1
    size = (12 * bits // rate_hz + padding) * 4 if layer == 1 else samples // 8 * bits // rate_hz + padding
    return Frame(size, samples, rate_hz, (header[1] & 0xFE, rate), header[3] >> 6 == 3)


def _side_information(frame: Frame) -> int:
    """Bytes between the header of a frame of layer 3 and its data, where the tag begins."""
    if frame.samples == 1152:
        return 17 if frame.mono else 32
    return 9 if frame.mono else 17


def _tag_at(content: bytes, first: int, head: Frame) -> int:
    """Find the tag in the first frame; 0 if there is none."""
    frame = content[first : first + head.size]
    places = [frame.find(name, 4, 4 + 40) for name in (b"Xing", b"Info", b"VBRI")]
    return next((first + place for place in places if place > 0), 0)


def _count_at(content: bytes, tag: int) -> int:
    if tag and content[tag : tag + 4] == b"VBRI":
        return tag + 14
    return tag + 8 if tag and int.from_bytes(content[tag + TAG_FLAGS : tag + 8], "big") & HAS_FRAMES else 0

"""Open and decode sound files by what is in them, whatever they are called and whatever their headers promise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile

from predann_bids.arrays import Singles
from predann_bids.errors import UnusableData
from predann_bids.signals.chunks import find_sound, has_end
from predann_bids.signals.mpeg import read_mpeg, with_right_count
from predann_bids.signals.unreadable import unreadable

COMPRESSED = ("MP3", "OGG")  # whose headers do not say how long they are
UNKNOWN = 1 << 62  # frames that libsndfile states where a header states none
LOWEST_HZ, HIGHEST_HZ = 100, 1_000_000
BLOCK = 1 << 12  # frames: no more than a tenth of a second is lost where a file breaks off
MISSING_S = 0.01


@dataclass(frozen=True)
class Extent:
    """How much sound a file holds.

    Parameters
    ----------
    frames, rate_hz : int
        Samples of each channel, and their rate.
    remark : str
        What contradicts the header, in a sentence that lacks the file as its subject; empty if nothing does.
    """

    frames: int
    rate_hz: int
    remark: str = ""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate_hz


def extent(path: Path) -> Extent:
    """Find out how much sound a file holds: from its header, where that can be relied on, else by decoding it.

    Raises
    ------
    UnusableData
        The file is no audio, holds none, or is damaged.
    MissingInput
        It stands in for content that was not fetched.
    ReadOrWriteFailed
        There is no permission to read it.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    return _extent(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4096)
def _extent(path: Path, size: int, changed_ns: int) -> Extent:  # noqa: ARG001 - tell versions of a file apart
    with opened(path) as (file, remark):
        if file.format in COMPRESSED or (file.format == "FLAC" and not _reaches_its_end(file)):
            stated = file.frames
            frames = sum(len(block) for block in _blocks(path, file))
            if file.format == "FLAC" and stated < UNKNOWN:
                remark = _breaks_off(stated / file.samplerate, frames / file.samplerate)
            if file.format == "OGG" and not has_end(path):
                remark = (
                    f"breaks off after {frames / file.samplerate:.2f} s, without the mark of its end; what is there is"
                    " used. Copy or fetch it again, if it should be longer."
                )
        else:
            frames = file.frames
        if not frames:
            raise UnusableData(f"{path} holds no sound: it has a header, but no samples. Export or fetch it again.")
        return Extent(frames, file.samplerate, remark)


def decode(path: Path) -> tuple[Singles, int]:
    """Decode a file as a whole.

    Returns
    -------
    ndarray, shape (frames, channels), float32
        As many frames as `extent` says.
    int
        Sampling rate in Hz.

    Raises
    ------
    UnusableData, MissingInput, ReadOrWriteFailed
        As from `extent`; and `UnusableData` where a file is damaged in the middle.
    """
    found = extent(path)
    with opened(path) as (file, _):
        if file.format in COMPRESSED or file.format == "FLAC":
            sound = np.concatenate(list(_blocks(path, file)))
        else:
            sound = file.read(found.frames, dtype="float32", always_2d=True)
    if len(sound) != found.frames:
        raise UnusableData(
            f"{path} is damaged: of its {found.seconds:.2f} s, only {len(sound) / found.rate_hz:.2f} s can be decoded."
            " Copy or fetch it again."
        )
    return sound, found.rate_hz


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read from its start to its end; libsndfile fails to seek where a length is not as stated."""

    sequential = False

    def seekable(self) -> bool:
        return not self.sequential and bool(super().seekable())


@contextmanager
def opened(path: Path) -> Iterator[tuple[_Sequential, str]]:
    """Open a sound file, its header set right where it is wrong; also give what was wrong with it."""
    try:
        source, remark = _source(path)
        with _Sequential(source if isinstance(source, BytesIO) else str(source)) as file:
            if not LOWEST_HZ <= file.samplerate <= HIGHEST_HZ:
                raise UnusableData(
                    f"{path} states a sampling rate of {file.samplerate} Hz; expected one from {LOWEST_HZ} to"
                    f" {HIGHEST_HZ} Hz. Export it again."
                )
            yield file, remark
    except (soundfile.LibsndfileError, OSError) as error:
        raise unreadable(path, error) from error


def _source(path: Path) -> tuple[Path | BytesIO, str]:
    """Return what to open in place of a file whose header misstates its length, and what to say about it."""
    if chunk := find_sound(path):
        if chunk.streamed and not chunk.stated:
            whole = bytearray(path.read_bytes())
            whole[chunk.size_at : chunk.size_at + 4] = b"\xff" * 4
            return BytesIO(whole), ""
        info = soundfile.info(str(path)) if chunk.share < 1 else None
        return path, _breaks_off(info.duration / chunk.share, info.duration) if info and chunk.present else ""
    try:
        info = soundfile.info(str(path))
    except soundfile.LibsndfileError:
        return path, ""  # the error is raised where it is opened
    if info.format != "MP3":
        return path, ""
    content = path.read_bytes()
    mpeg = read_mpeg(content)
    if mpeg is None or mpeg.is_right:
        return path, ""
    stated = mpeg.stated_seconds
    remark = _breaks_off(stated, mpeg.seconds) if stated else ""
    too_few = info.frames < mpeg.frames * mpeg.head.samples
    return (BytesIO(with_right_count(content, mpeg)) if too_few else path), remark


def _breaks_off(stated_s: float, present_s: float) -> str:
    if abs(stated_s - present_s) <= MISSING_S:
        return ""
    if stated_s > present_s:
        return (
            f"breaks off after {present_s:.2f} s, but its header states {stated_s:.2f} s; what is there is used. Copy"
            " or fetch it again, if it should be longer."
        )
    return f"lasts {present_s:.2f} s, although its header states {stated_s:.2f} s; all of it is used."


def _reaches_its_end(file: _Sequential) -> bool:
    try:
        file.seek(file.frames - 1)
        reached = len(file.read(1)) == 1
        file.seek(0)
    except soundfile.LibsndfileError:
        return False
    return reached


def _blocks(path: Path, file: _Sequential) -> Iterator[Singles]:
    """Decode what can be decoded."""
    if not file.seekable() or file.tell():
        with opened(path) as (again, _):
            yield from _blocks(path, again)
        return
    file.sequential, some = True, False
    while True:
        try:
            block = file.read(BLOCK, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            if not some:
                raise unreadable(path, error) from error
            return
        if not len(block):
            return
        some = True
        yield block

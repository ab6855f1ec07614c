"""Read the Stanford distribution of NMED-T (Losorelli et al. 2017): MATLAB v7.3 files, piece by piece."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predann_bids.errors import UnusableData

FILE_NAME = re.compile(r"(\d{2,})_(\d+)_raw\.mat")
SONG_STARTED = 128  # the trigger that comes one second after the onset of a song's audio
AFTER_ONSET_S = 1.0
ELECTRODES = 128  # the 129th channel is the vertex, against which all others were recorded
READ_SAMPLES = 60_000
LENGTH_TOLERANCE_S = 2.0


@dataclass(frozen=True)
class Song:
    """A song of NMED-T: its trigger, its name, and about how many seconds it lasts."""

    code: int
    name: str
    seconds: float


SONGS: Mapping[int, Song] = {
    song.code: song
    for song in (
        Song(21, "FirstFires", 278),
        Song(22, "Oino", 271),
        Song(23, "Tiptoes", 276),
        Song(24, "CarelessLove", 294),
        Song(25, "LebaneseBlonde", 289),
        Song(26, "Canopee", 276),
        Song(27, "DoingYoga", 292),
        Song(28, "UntilTheSunNeedsToRise", 292),
        Song(29, "SilentShout", 293),
        Song(30, "TheLastThingYouShouldDo", 298),
    )
}


@dataclass(frozen=True)
class Heard:
    """A song in a recording, with the time of its onset in seconds."""

    song: Song
    onset: float


@dataclass(frozen=True)
class RawFile:
    """One opened file.

    Parameters
    ----------
    path : Path
        The file.
    rate_hz : float
        Sampling rate.
    heard : tuple of Heard
        Songs in the order of their onsets.
    """

    path: Path
    rate_hz: float
    heard: tuple[Heard, ...]
    _eeg: Any

    @property
    def samples(self) -> int:
        """Length of the recording."""
        return int(self._eeg.shape[0])

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Read the electrodes' EEG in microvolts, block by block: (samples, electrodes).

        Raises
        ------
        UnusableData
            A block cannot be read, as the file was cut off.
        """
        for start in range(0, self.samples, READ_SAMPLES):
            try:
                block = self._eeg[start : start + READ_SAMPLES]
            except OSError as error:
                raise UnusableData(
                    f"{self.path} is damaged from sample {start} on ({error}). Fetch it again."
                ) from error
            yield np.ascontiguousarray(block[:, :ELECTRODES], dtype=np.float32)


def label_of(path: Path) -> tuple[str, str] | None:
    """Return participant and trial of a file name such as `02_1_raw.mat`; None for other files."""
    match = FILE_NAME.fullmatch(path.name)
    return (match[1], match[2]) if match else None


@contextmanager
def opened(path: Path) -> Iterator[RawFile]:
    """Open a raw file; EEG is read later.

    Raises
    ------
    UnusableData
        It is no such file, its layout is another, or its triggers do not tell when songs began; the message names what
        was found.
    """
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UnusableData(f"{path} is no MATLAB v7.3 file, or was cut off ({error}). Fetch it again.") from error
    with file:
        missing = [name for name in ("X", "fs", "DIN_1") if name not in file]
        if missing:
            raise UnusableData(f"{path} has no variable {', '.join(missing)}; expected X, fs and DIN_1 of NMED-T.")
        eeg = file["X"]  # MATLAB's (channels, samples) is stored the other way round
        if eeg.ndim != 2 or eeg.shape[1] not in (ELECTRODES, ELECTRODES + 1):
            raise UnusableData(
                f"{path}: X has the shape {tuple(reversed(eeg.shape))}; expected {ELECTRODES + 1} channels by samples."
            )
        rate = float(np.asarray(file["fs"]).ravel()[0])
        yield RawFile(path, rate, _songs(path, _triggers(path, file), rate, eeg.shape[0]), eeg)


def _triggers(path: Path, file: Any) -> list[tuple[int | None, int]]:
    """List the triggers of the cell array `DIN_1`: their numbers, and the samples (from 0) that they stand at."""
    try:
        cells = file["DIN_1"]
        rows = [[np.asarray(file[reference]).ravel() for reference in row[:2]] for row in cells[()]]
        return [(_number("".join(map(chr, label))), int(sample[0]) - 1) for label, sample in rows]
    except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
        raise UnusableData(
            f"{path}: DIN_1 is no cell array of trigger labels and samples ({error}); is this a file of NMED-T?"
        ) from error


def _number(label: str) -> int | None:
    digits = re.search(r"\d+", label)
    return int(digits[0]) if digits else None


def _songs(path: Path, triggers: list[tuple[int | None, int]], rate_hz: float, samples: int) -> tuple[Heard, ...]:
    heard: list[Heard] = []
    for place, (number, sample) in enumerate(triggers):
        if number is None or number not in SONGS:
            continue
        song = SONGS[number]
        following = triggers[place + 1] if place + 1 < len(triggers) else (None, 0)
        if following[0] != SONG_STARTED:
            raise UnusableData(
                f"{path}: the trigger {song.code} of {song.name} at sample {sample + 1} is followed by"
                f" {following[0] or 'none'}; expected {SONG_STARTED}, which tells when the song began."
            )
        onset = following[1] / rate_hz - AFTER_ONSET_S
        if any(other.song == song for other in heard):
            raise UnusableData(f"{path}: {song.name} (trigger {song.code}) is heard twice; expected once.")
        if heard and onset < heard[-1].onset + heard[-1].song.seconds - LENGTH_TOLERANCE_S:
            raise UnusableData(
                f"{path}: {song.name} begins at {onset:.1f} s, before {heard[-1].song.name} is over; the triggers are"
                " out of order."
            )
        if onset < 0 or (onset + song.seconds - LENGTH_TOLERANCE_S) * rate_hz > samples:
            raise UnusableData(
                f"{path}: {song.name} begins at {onset:.1f} s and lasts {song.seconds:g} s, but the recording has"
                f" {samples / rate_hz:.1f} s; was it cut off?"
            )
        heard.append(Heard(song, onset))
    if not heard:
        raise UnusableData(f"{path} has no trigger of a song ({min(SONGS)} to {max(SONGS)}).")
    return tuple(heard)

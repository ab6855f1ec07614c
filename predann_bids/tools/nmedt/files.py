"""Read the Stanford distribution of NMED-T (Losorelli et al. 2017): MATLAB v7.3 files, block by block."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from predann_bids.arrays import Singles
from predann_bids.errors import UnusableData

FILE_NAME = re.compile(r"(\d{2,})_(\d+)_raw\.mat")
SONG_STARTED = 128  # the trigger that comes one second after the onset of a song's audio
AFTER_ONSET_S = 1.0
ELECTRODES = 128  # the 129th channel is the vertex, against which all others were recorded
READ_SAMPLES = 60_000
LENGTH_TOLERANCE_S = 2.0


@dataclass(frozen=True)
class Song:
    """A song of NMED-T: its trigger, its name, and its approximate length in seconds."""

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
class PlayedSong:
    """A song in a recording, and its onset in seconds."""

    song: Song
    onset: float


@dataclass(frozen=True)
class RawFile:
    """An opened file.

    Parameters
    ----------
    path : Path
        The file.
    rate_hz : float
        Sampling rate.
    songs : tuple of PlayedSong
        In the order of their onsets.
    """

    path: Path
    rate_hz: float
    songs: tuple[PlayedSong, ...]
    _eeg: Any

    @property
    def samples(self) -> int:
        """Length of the recording in samples."""
        return int(self._eeg.shape[0])

    def blocks(self) -> Iterator[Singles]:
        """Read the electrodes' EEG in microvolts, block by block: (samples, electrodes).

        Raises
        ------
        UnusableData
            A block cannot be read, because the file was cut off.
        """
        for start in range(0, self.samples, READ_SAMPLES):
            try:
                block = self._eeg[start : start + READ_SAMPLES]
            except OSError as error:
                raise UnusableData(
                    f"{self.path} is damaged from sample {start} on ({error}). Download it again."
                ) from error
            yield np.ascontiguousarray(block[:, :ELECTRODES], dtype=np.float32)


def label_of(path: Path) -> tuple[str, str] | None:
    """Return participant and trial from a file name such as `02_1_raw.mat`; None for other files."""
    match = FILE_NAME.fullmatch(path.name)
    return (match[1], match[2]) if match else None


@contextmanager
def opened(path: Path) -> Iterator[RawFile]:
    """Open a raw file. The EEG is read later.

    Raises
    ------
    UnusableData
        The file or its layout is a different one, or its triggers do not say when the songs began.
    """
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UnusableData(f"{path} is not a MATLAB v7.3 file, or was cut off ({error}). Download it again.") from error
    with file:
        missing = [name for name in ("X", "fs", "DIN_1") if name not in file]
        if missing:
            raise UnusableData(f"{path} has no variable {', '.join(missing)}; expected X, fs and DIN_1 of NMED-T.")
        eeg = file["X"]  # HDF5 reverses the dimensions of MATLAB's (channels, samples)
        if eeg.ndim != 2 or eeg.shape[1] not in (ELECTRODES, ELECTRODES + 1):
            raise UnusableData(
                f"{path}: X has the shape {tuple(reversed(eeg.shape))}; expected {ELECTRODES + 1} channels by samples."
            )
        rate = float(np.asarray(file["fs"]).ravel()[0])
        yield RawFile(path, rate, _songs(path, _triggers(path, file), rate, eeg.shape[0]), eeg)


def _triggers(path: Path, file: Any) -> list[tuple[int | None, int]]:
    """List the triggers of the cell array `DIN_1`: their numbers and their samples, counted from 0."""
    try:
        cells = file["DIN_1"]
        rows = [[np.asarray(file[reference]).ravel() for reference in row[:2]] for row in cells[()]]
        return [(_number("".join(map(chr, label))), int(sample[0]) - 1) for label, sample in rows]
    except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
        raise UnusableData(
            f"{path}: DIN_1 is not a cell array of trigger labels and samples ({error}). Is this a file of NMED-T?"
        ) from error


def _number(label: str) -> int | None:
    digits = re.search(r"\d+", label)
    return int(digits[0]) if digits else None


def _songs(path: Path, triggers: list[tuple[int | None, int]], rate_hz: float, samples: int) -> tuple[PlayedSong, ...]:
    songs: list[PlayedSong] = []
    for position, (number, sample) in enumerate(triggers):
        if number is None or number not in SONGS:
            continue
        song = SONGS[number]
        following, started = triggers[position + 1] if position + 1 < len(triggers) else (None, 0)
        if following != SONG_STARTED:
            raise UnusableData(
                f"{path}: the trigger {song.code} of {song.name} at sample {sample + 1} is followed by"
                f" {following or 'none'}; expected {SONG_STARTED}, which says when the song began."
            )
        played = PlayedSong(song, started / rate_hz - AFTER_ONSET_S)
        _check(path, songs, played, samples / rate_hz)
        songs.append(played)
    if not songs:
        raise UnusableData(f"{path} has no trigger of a song ({min(SONGS)} to {max(SONGS)}).")
    return tuple(songs)


def _check(path: Path, before: list[PlayedSong], played: PlayedSong, recording_seconds: float) -> None:
    song, onset = played.song, played.onset
    if any(other.song == song for other in before):
        raise UnusableData(f"{path}: {song.name} (trigger {song.code}) is played twice; expected once.")
    if before and onset < before[-1].onset + before[-1].song.seconds - LENGTH_TOLERANCE_S:
        raise UnusableData(
            f"{path}: {song.name} begins at {onset:.1f} s, before {before[-1].song.name} is over. The triggers are out"
            " of order."
        )
    if onset < 0 or onset + song.seconds - LENGTH_TOLERANCE_S > recording_seconds:
        raise UnusableData(
            f"{path}: {song.name} begins at {onset:.1f} s and lasts {song.seconds:g} s, but the recording has"
            f" {recording_seconds:.1f} s. Was it cut off?"
        )

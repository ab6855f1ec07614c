"""Read audio: how long it is, what it sounds like in mono, and what is odd about it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from predann_bids.arrays import Singles
from predann_bids.errors import UnusableData
from predann_bids.signals.resampling import resample
from predann_bids.signals.sound_files import decode, extent

CANCELLED = 0.1  # of the energy that channels without relation to each other leave in their average
ABOUT = 0.9
SILENT = 1e-4  # peak, -80 dB of full scale: above the noise of 16 bits, below all music
MOSTLY = 0.5


def audio_seconds(path: Path) -> float:
    """Length of an audio file: as much as `read_audio` returns, whatever the header says.

    Raises
    ------
    UnusableData
        The file is no audio, or holds none.
    MissingInput, ReadOrWriteFailed
        It was not fetched, or there is no permission to read it.
    """
    return extent(path).seconds


def read_audio(path: Path, rate_hz: int) -> Singles:
    """Read an audio file as mono at a given rate.

    Parameters
    ----------
    path : Path
        WAV, FLAC, OGG or MP3.
    rate_hz : int
        Rate to resample to (band-limited).

    Returns
    -------
    ndarray, shape (samples,), float32
        Channels averaged; see `read_mono`.
    """
    mono, found_hz = read_mono(path)
    return resample(mono, found_hz, rate_hz)


def read_mono(path: Path) -> tuple[Singles, int]:
    """Read an audio file as mono at its own rate, which is also returned.

    Channels are averaged. Where they cancel each other, as in a stereo file with one channel inverted, the loudest
    channel is taken instead.

    Raises
    ------
    UnusableData
        The file is no audio, or holds values that are no numbers.
    MissingInput, ReadOrWriteFailed
        It was not fetched, or there is no permission to read it.
    """
    mono, found_hz, _ = _mono(path)
    return mono, found_hz


def audio_remarks(path: Path) -> tuple[str, ...]:
    """Say what is odd about an audio file, in sentences that lack the file as their subject: `is silent ...`.

    Raises
    ------
    UnusableData, MissingInput, ReadOrWriteFailed
        As from `read_mono`.
    """
    extent(path)
    state = path.stat()
    return _remarks(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4096)
def _remarks(path: Path, size: int, changed_ns: int) -> tuple[str, ...]:  # noqa: ARG001 - tell versions apart
    mono, rate_hz, instead = _mono(path)
    remarks = [extent(path).remark]
    if instead:
        remarks.append(
            f"has channels that cancel each other, so channel {instead} was taken in place of their average; if"
            " something else was played, provide it as a mono file."
        )
    return tuple(filter(None, [*remarks, _silence(mono, rate_hz)]))


def _mono(path: Path) -> tuple[Singles, int, int]:
    """Read and mix; also return the number of the channel that was taken, from 1; 0 for their average."""
    sound, rate_hz = decode(path)
    mono: Singles = sound.mean(axis=1)
    if not np.isfinite(mono).all():
        bad = int(np.flatnonzero(~np.isfinite(mono))[0])
        raise UnusableData(
            f"{path} holds values that are no numbers (NaN or infinite), the first at {bad / rate_hz:.3f} s. Export it"
            " again."
        )
    instead = _loudest_if_cancelled(sound, mono)
    return (np.ascontiguousarray(sound[:, instead - 1]) if instead else mono), rate_hz, instead


def _loudest_if_cancelled(sound: Singles, mono: Singles) -> int:
    """Number of the loudest channel, from 1, if hardly anything is left in the average; else 0.

    Of channels that are about as loud as each other, the first is taken.
    """
    channels = sound.shape[1]
    if channels == 1:
        return 0
    energies = [float(sound[:, channel].var(dtype=np.float64)) for channel in range(channels)]
    left = float(mono.var(dtype=np.float64))
    # channels of equal energy without relation leave one in the number of channels in their average
    if left * channels >= CANCELLED * np.mean(energies):
        return 0
    return 1 + int(np.argmax(np.array(energies) >= ABOUT * max(energies)))


def _silence(mono: Singles, rate_hz: int) -> str:
    peaks = np.maximum.reduceat(np.abs(mono), np.arange(0, len(mono), rate_hz))
    silent = float(np.mean(peaks < SILENT))
    if silent == 1:
        return "is silent from beginning to end, so nothing can be decoded from it. Is it the right file?"
    if silent > MOSTLY:
        return f"is silent for {100 * silent:.0f} % of its length. Is it the right file?"
    return ""

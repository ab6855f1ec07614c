"""Compute audio features once for each stimulus, and cache them as arrays that all processes memory-map."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from predann_bids.arrays import Singles
from predann_bids.data.kept import map_array
from predann_bids.errors import MissingInput, UnusableData
from predann_bids.files import content_hash, read_json, write_json, written_whole
from predann_bids.models.audio.features import FEATURES
from predann_bids.signals.audio import audio_remarks, read_audio

READER = 2  # increase it when audio is read differently, so that nothing that was kept before is used


def keep_features(audio: Path, features: str, rate_hz: float, directory: Path) -> Path:
    """Compute the features of an audio file, unless they are cached.

    The array is named after a hash of the file's content, so features are computed again when the audio changes, and
    also when the array is incomplete.

    Parameters
    ----------
    audio : Path
        A WAV, FLAC, OGG or MP3 file.
    features : str
        Registered name of the features.
    rate_hz : float
        Sampling rate of the EEG.
    directory : Path
        Where arrays are cached.

    Returns
    -------
    Path
        The float32 array: features (bands, frames), or (samples,) if they are not in frames.

    Raises
    ------
    UnusableData
        The file is not audio.
    ReadOrWriteFailed
        The file cannot be read, or the array cannot be written.
    TryAgain
        No space is left.
    WrongUsage
        No features have this name.
    """
    kind = FEATURES[features]
    version = f"{features}-{kind.version}.{READER}_{rate_hz:g}Hz"
    target = directory / version / f"{content_hash(audio)}.npy"
    try:
        map_array(target, n_dims=2 if kind.in_frames else 1)
    except (MissingInput, UnusableData):
        array = _compute(audio, features, rate_hz)
        with written_whole(target) as beside, beside.open("wb") as file:
            np.save(file, array)
    return target


def keep_remarks(audio: Path, directory: Path) -> tuple[str, ...]:
    """Find what is odd about an audio file, unless that is kept already; see `signals.audio.audio_remarks`.

    Parameters
    ----------
    audio : Path
        A WAV, FLAC, OGG or MP3 file.
    directory : Path
        Where features are cached.

    Raises
    ------
    UnusableData, ReadOrWriteFailed, TryAgain
        As from `keep_features`.
    """
    target = directory / f"remarks-{READER}" / f"{content_hash(audio)}.json"
    try:
        return tuple(read_json(target)["remarks"])
    except (OSError, KeyError, UnusableData):
        remarks = audio_remarks(audio)
        write_json(target, {"remarks": remarks})
    return remarks


def _compute(audio: Path, features: str, rate_hz: float) -> Singles:
    import torch

    front_end = FEATURES[features](rate_hz).eval()
    waveform = torch.from_numpy(read_audio(audio, front_end.audio_rate))
    with torch.no_grad():
        array: Singles = front_end(waveform[None])[0].float().numpy()
    return array  # in its original memory layout, on which the last digits of a training depend

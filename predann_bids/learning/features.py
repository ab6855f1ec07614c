"""Audio features, computed once for each stimulus and kept as arrays that all processes map."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from predann_bids.arrays import Singles
from predann_bids.data.kept import map_array
from predann_bids.errors import MissingInput, ReadOrWriteFailed, UnusableData
from predann_bids.files import written_whole
from predann_bids.models.audio.features import FEATURES
from predann_bids.signals.audio import read_audio


def keep_features(audio: Path, features: str, rate_hz: float, directory: Path) -> Path:
    """Compute the features of an audio file, unless they are there already.

    The array is named after the content of the file, so that audio that has changed is read again. An array that is
    not whole is made again.

    Parameters
    ----------
    audio : Path
        WAV, FLAC, OGG or MP3.
    features : str
        Registered name of the features.
    rate_hz : float
        Sampling rate of the EEG.
    directory : Path
        Where arrays are kept.

    Returns
    -------
    Path
        An array of float32: features (bands, frames), or (samples,) where they are not in frames.

    Raises
    ------
    UnusableData
        The file is no audio.
    ReadOrWriteFailed
        The file cannot be read, or the array cannot be written.
    TryAgain
        No space is left.
    WrongUsage
        No features have this name.
    """
    kind = FEATURES[features]
    version = f"{features}-{kind.version}_{rate_hz:g}Hz"
    target = directory / version / f"{_fingerprint(audio)}.npy"
    try:
        map_array(target, n_dims=2 if kind.in_frames else 1)
    except (MissingInput, UnusableData):
        array = _compute(audio, features, rate_hz)
        with written_whole(target) as beside, beside.open("wb") as file:
            np.save(file, array)
    return target


def _compute(audio: Path, features: str, rate_hz: float) -> Singles:
    import torch

    front_end = FEATURES[features](rate_hz).eval()
    waveform = torch.from_numpy(read_audio(audio, front_end.audio_rate))
    with torch.no_grad():
        array: Singles = front_end(waveform[None])[0].float().numpy()
    return array  # in the memory order that it was computed in, on which the last digits of a training depend


def _fingerprint(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise ReadOrWriteFailed(f"{file} cannot be read: {error.strerror or error}.") from error

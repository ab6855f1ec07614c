"""Read audio and turn it into log-mel spectra."""

from __future__ import annotations

import os
import re
from pathlib import Path

import soundfile

from predann_bids.arrays import Singles
from predann_bids.errors import PredannError, ReadOrWriteFailed, UnusableData


def audio_seconds(path: Path) -> float:
    """Length of an audio file, from its header.

    Raises
    ------
    UnusableData
        The file is no audio, or holds none.
    """
    try:
        info = soundfile.info(str(path))
    except (soundfile.LibsndfileError, OSError) as error:
        raise _unreadable(path, error) from error
    if not info.frames:
        raise UnusableData(f"{path} holds no sound: it has a header, but no samples. Export or fetch it again.")
    return float(info.frames / info.samplerate)


def read_audio(path: Path, rate_hz: int) -> Singles:
    """Read an audio file as mono at a given rate.

    Parameters
    ----------
    path : Path
        WAV, FLAC, OGG or MP3.
    rate_hz : int
        Rate to resample to (band-limited, torchaudio).

    Returns
    -------
    ndarray, shape (samples,), float32
        Channels averaged.
    """
    import torch
    from torchaudio.functional import resample

    try:
        sound, found_hz = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise _unreadable(path, error) from error
    mono = torch.from_numpy(sound.mean(axis=1))
    waveform: Singles = resample(mono, found_hz, rate_hz).numpy()
    return waveform


def _unreadable(path: Path, error: Exception) -> PredannError:
    if not os.access(path, os.R_OK):
        return ReadOrWriteFailed(f"{path} cannot be read: there is no permission to. Change that with chmod.")
    if path.stat().st_size == 0:
        return UnusableData(f"{path} is empty. Copy or fetch the audio again.")
    reason = getattr(error, "strerror", None) or re.sub(r"^Error opening '.*?': ", "", str(error), flags=re.DOTALL)
    return UnusableData(f"{path} cannot be read as audio: {reason.rstrip('.')}. Expected WAV, FLAC, OGG or MP3.")

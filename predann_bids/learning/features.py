"""Compute audio features once for each stimulus, and cache them as arrays that all processes memory-map."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from predann_bids.arrays import Singles
from predann_bids.config.teachers import TeacherName
from predann_bids.data.kept import map_array
from predann_bids.errors import MissingInput, UnusableData
from predann_bids.files import SETTLED_S, content_hash, known_hash, read_json, write_json, written_whole
from predann_bids.models.audio.features import features_kind, make_features
from predann_bids.models.audio.teacher import Teacher
from predann_bids.signals.audio import audio_remarks, read_audio
from predann_bids.signals.frames import Frames

READER = 2  # increase it when audio is read differently, so that nothing that was kept before is used


def keep_features(
    audio: Path,
    features: str,
    rate_hz: float,
    directory: Path,
    label: str = "",
    tell: Callable[[str], None] | None = None,
) -> Path:
    """Compute the features of an audio file, unless they are cached.

    The array is named after a hash of the file's content, so features are computed again when the audio changes, and
    also when the array is incomplete. Those of a teacher are kept at its own frame rate, which a file beside the array
    says, in a directory that is named after a hash of the teacher's weights or files.

    Parameters
    ----------
    audio : Path
        A WAV, FLAC, OGG or MP3 file.
    features : str
        Name of the features.
    rate_hz : float
        Sampling rate of the EEG.
    directory : Path
        Where arrays are cached.
    label : str
        Name of the stimulus, by which some teachers find its features.
    tell : callable, optional
        Takes notes of how far a slow teacher has come.

    Returns
    -------
    Path
        The float32 array: features (bands, frames), or (samples,) if they are not in frames; see `read_frames`.

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
    kind = features_kind(features)
    if issubclass(kind, Teacher):
        return _keep_teacher(audio, features, rate_hz, directory, label, tell)
    version = f"{features}-{kind.version}.{READER}_{rate_hz:g}Hz"
    target = directory / version / f"{content_hash(audio)}.npy"
    try:
        map_array(target, n_dims=2 if kind.in_frames else 1)
    except (MissingInput, UnusableData):
        array = _compute(audio, features, rate_hz)
        with written_whole(target) as beside, beside.open("wb") as file:
            np.save(file, array)
    return target


def _keep_teacher(
    audio: Path, features: str, rate_hz: float, directory: Path, label: str, tell: Callable[[str], None] | None
) -> Path:
    version = teacher_version(features, rate_hz, directory, tell)
    target = directory / version / f"{content_hash(audio)}{_suffix(features, label)}.npy"
    sidecar = target.with_suffix(".json")
    try:
        map_array(target, n_dims=2)
        read_json(sidecar)
    except (OSError, MissingInput, UnusableData):
        teacher = _made(features, rate_hz, *_states(features))
        teacher.tell = tell or teacher.tell
        frames = teacher.compute(audio, label)
        write_json(sidecar, {"FrameRate": frames.rate_hz, "StartTime": frames.first_s})
        with written_whole(target) as beside, beside.open("wb") as file:
            np.save(file, frames.values)
    return target


def teacher_version(features: str, rate_hz: float, directory: Path, tell: Callable[[str], None] | None = None) -> str:
    """Name a teacher by its kind, layer and version, and a hash of its weights or files.

    Weights are opened only if they are not known from an earlier time: see `is_known`.

    Parameters
    ----------
    features : str
        Name of the teacher.
    rate_hz : float
        Sampling rate of the EEG.
    directory : Path
        Where features are cached, and what is known of teachers.
    tell : callable, optional
        Takes a line, before large weights are read to be hashed.
    """
    parts, kind = TeacherName.of(features), _teacher_kind(features)
    layer = f"-{parts.layer}" if parts.layer else ""
    hashed = _known_identity(features, directory)
    if hashed is None:
        teacher = _made(features, rate_hz, *_states(features))
        teacher.hashed = partial(known_hash, directory=directory, tell=tell)
        hashed = teacher.identity()
        _note_identity(features, directory, hashed)
    return f"{parts.kind}{layer}-{kind.version}.{READER}{hashed and f'_{hashed}'}"


def identity_of(features: str, rate_hz: float, directory: Path) -> str:
    """Return what a teacher is recognised by in fingerprints; empty for features of another kind."""
    if not issubclass(features_kind(features), Teacher):
        return ""
    return teacher_version(features, rate_hz, directory)


def is_known(features: str, directory: Path) -> bool:
    """Whether a teacher was made before, and its weights have had the same sizes and times of change ever since.

    Parameters
    ----------
    features : str
        Name of the teacher.
    directory : Path
        Where features are cached.
    """
    return _known_identity(features, directory) is not None


def _known_identity(features: str, directory: Path) -> str | None:
    """Return the hash of the weights that was noted when they were as they are now; None if there is none."""
    note = _note(features, directory)
    if not _weights(features) or not note.is_file():
        return None
    try:
        noted = read_json(note)
    except UnusableData:
        return None
    return str(noted["Identity"]) if noted.get("Files") == _listed(features) else None


def _note_identity(features: str, directory: Path, identity: str) -> None:
    """Note the hash of weights, unless they are so new that one more change could leave their times as they are."""
    files = _weights(features)
    if files and max(file.stat().st_mtime for file in files) < time.time() - SETTLED_S:
        write_json(_note(features, directory), {"Files": _listed(features), "Identity": identity})


def _note(features: str, directory: Path) -> Path:
    name = f"{features} {_teacher_kind(features).version}"
    return directory / "teachers" / f"{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}.json"


def _teacher_kind(features: str) -> type[Teacher]:
    kind = features_kind(features)
    assert issubclass(kind, Teacher)
    return kind


def _weights(features: str) -> list[Path]:
    return _teacher_kind(features).weights(TeacherName.of(features).path)


def _suffix(features: str, label: str) -> str:
    """Tell stimuli of the same audio apart, if features are found by name."""
    by_name = _teacher_kind(features).by_name
    return f"-{hashlib.blake2b(label.encode(), digest_size=4).hexdigest()}" if by_name else ""


def read_frames(file: Path, rate_hz: float) -> Frames:
    """Map features that `keep_features` has kept, with their frame rate: that of the EEG, unless a file says another.

    Raises
    ------
    UnusableData, MissingInput, ReadOrWriteFailed
        The array is incomplete, missing, or cannot be read.
    """
    values, sidecar = map_array(file, n_dims=2), file.with_suffix(".json")
    if not sidecar.is_file():
        return Frames(values, rate_hz)
    said = read_json(sidecar)
    return Frames(values, float(said["FrameRate"]), float(said["StartTime"]))


def _states(features: str) -> tuple[tuple[str, int, int], ...]:
    """Return by what one sees that the files of a teacher have changed."""
    files = _weights(features) or TeacherName.of(features).files()
    return tuple((str(file), (stat := file.stat()).st_size, stat.st_mtime_ns) for file in files)


def _listed(features: str) -> list[list[str | int]]:
    return [list(state) for state in _states(features)]


@lru_cache(maxsize=1)  # weights are read once for all stimuli
def _made(features: str, rate_hz: float, *_: tuple[str, int, int]) -> Any:
    return make_features(features, rate_hz)


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

    front_end = make_features(features, rate_hz)
    waveform = torch.from_numpy(read_audio(audio, front_end.audio_rate))
    with torch.no_grad():
        array: Singles = front_end(waveform[None])[0].float().numpy()
    return array  # in its original memory layout, on which the last digits of a training depend

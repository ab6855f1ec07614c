"""The interface of teachers: frozen features at a frame rate of their own, from a network, a formula or files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from predann_bids.config import Training
from predann_bids.config.teachers import join_teachers, part_teachers
from predann_bids.errors import MissingInput, UnusableData
from predann_bids.files import content_hash
from predann_bids.models.audio.features import JOINT, SPECTRA, AudioFeatures, make_features
from predann_bids.signals.audio import read_audio
from predann_bids.signals.frames import Frames


def _silent(note: str) -> None:
    """Tell nobody."""


class Teacher(AudioFeatures):
    """Audio features at a frame rate of their own, computed once for each stimulus.

    Subclasses set `audio_rate`, `frame_rate_hz` and `bands` when they are made, and compute features in `forward`.
    They are resampled to the rate of the EEG when they are used, and reduced if they are many; see `signals.frames`.

    Parameters
    ----------
    rate_hz : float
        Sampling rate of the EEG.
    path : Path, optional
        Where its weights are.
    layer : str
        Which layer to take; empty for the usual one.

    Attributes
    ----------
    frame_rate_hz : float
        Frames per second.
    first_s : float
        Where the centre of the first frame lies, in seconds from the beginning of the audio.
    by_name : bool
        Whether features are found by the name of the stimulus, so that copies of one audio file may differ.
    memory_gb : float
        Memory of a process that computes features.
    tell : callable
        Takes a note of how far it has come, if that takes long.
    hashed : callable
        Returns the hash of the content of a file of weights.
    """

    frame_rate_hz: float
    first_s: float = 0.0
    by_name: ClassVar[bool] = False
    memory_gb: ClassVar[float] = 0.7

    def __init__(self, rate_hz: float, path: Path | None = None, layer: str = "") -> None:  # noqa: ARG002
        super().__init__(rate_hz)
        self.tell: Callable[[str], None] = _silent
        self.hashed: Callable[[Path], str] = content_hash

    @classmethod
    def make(cls, rate_hz: float, path: Path | None, layer: str) -> Self:  # noqa: D102
        return cls(rate_hz, path, layer)

    @classmethod
    def weights(cls, path: Path | None) -> list[Path]:  # noqa: ARG003 - of teachers that have weights
        """List all files that features depend on, beside the audio, without opening them.

        As long as they have the same sizes and times of change, features that are cached are used without making the
        teacher. By default nothing is listed, and the teacher is made each time.

        Parameters
        ----------
        path : Path, optional
            As it was named.
        """
        return []

    def identity(self) -> str:
        """Return a fingerprint of the weights or files that features are computed from; empty if there are none."""
        return ""

    def problems(self, stimuli: Mapping[str, Path]) -> list[str]:  # noqa: ARG002
        """List what prevents features from being computed, one sentence each, before anything is done.

        Parameters
        ----------
        stimuli : mapping of str to Path
            Label of each stimulus to its audio file.
        """
        return []

    @torch.no_grad()
    def compute(self, audio: Path, label: str) -> Frames:  # noqa: ARG002 - of teachers that find files by it
        """Compute the features of an audio file.

        Parameters
        ----------
        audio : Path
            WAV, FLAC, OGG or MP3.
        label : str
            Name of the stimulus.

        Raises
        ------
        UnusableData
            The file is not audio, or features are not finite.
        """
        waveform = torch.from_numpy(read_audio(audio, self.audio_rate))
        values = self(waveform[None])[0].float().numpy()
        if not np.isfinite(values).all():
            raise UnusableData(f"{audio}: the teacher computes values that are no numbers from it. Choose another.")
        return Frames(values, self.frame_rate_hz, self.first_s)


class Beside(AudioFeatures):
    """The features of one or several teachers, at the rate of the EEG, together with features that are made by hand.

    Parameters
    ----------
    rate_hz : float
        Sampling rate of the EEG.
    teacher, by_hand : str
        Names of both.
    """

    def __init__(self, rate_hz: float, teacher: str = "", by_hand: str = "spectra") -> None:
        super().__init__(rate_hz)
        self.rate_hz = rate_hz
        self.teachers = [make_features(one.name, rate_hz) for one in part_teachers(teacher)]
        self.by_hand_features = make_features(by_hand, rate_hz)
        self.audio_rate = max(one.audio_rate for one in self.teachers)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Compute features (B, bands of the teachers + bands by hand, frames) from waveforms (B, samples)."""
        others = self._heard(self.by_hand_features, waveforms)[:, self.by_hand_features.by_hand]
        parts = []
        for teacher in self.teachers:
            heard = self._heard(teacher, waveforms)
            if isinstance(teacher, Teacher):
                heard = self._resampled(teacher, heard, others.shape[2])
            parts.append(heard)
        parts.append(others.to(parts[0]))
        frames = min(part.shape[2] for part in parts)
        return torch.cat([part[..., :frames] for part in parts], dim=1)

    def _heard(self, features: AudioFeatures, waveforms: Tensor) -> Tensor:
        from torchaudio.functional import resample

        computed: Tensor = features(resample(waveforms, self.audio_rate, features.audio_rate))
        return computed

    def _resampled(self, teacher: Teacher, heard: Tensor, number: int) -> Tensor:
        frames = (Frames(one, teacher.frame_rate_hz, teacher.first_s) for one in heard.float().cpu().numpy())
        return torch.from_numpy(np.stack([one.at(self.rate_hz, number) for one in frames])).to(heard)


def heard_features(features: str, beside: str, rate_hz: float) -> AudioFeatures:
    """Make the audio features that a decoder hears: those of a teacher with those made by hand below them.

    Parameters
    ----------
    features, beside : str
        Name of the features, or of those of several teachers, and of those whose part made by hand lies below them;
        empty for none.
    rate_hz : float
        Sampling rate of the EEG.
    """
    return Beside(rate_hz, features, beside).eval() if beside else make_features(features, rate_hz)


def is_taught(training: Training) -> bool:
    """Return whether the EEG network learns to predict frozen features, alone or beside an audio network's."""
    return training.teacher != JOINT or bool(training.more_teachers)


def taught_features(training: Training) -> str:
    """Name the features of the teacher, or of all teachers; the jointly trained audio network takes spectra."""
    teachers = [replace(one, name=SPECTRA) if one.name == JOINT else one for one in training.teachers]
    return join_teachers(teachers) if len(teachers) > 1 else teachers[0].name


def need(module: str, command: str, teacher: str) -> Any:
    """Import a package that a teacher needs.

    Raises
    ------
    MissingInput
        It is not installed; `command` mends it.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingInput(f"The teacher '{teacher}' needs a package that is not installed: {command}") from error

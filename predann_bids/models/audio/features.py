"""The interface of audio features and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Literal

from torch import Tensor, nn

from predann_bids.config.teachers import TeacherName
from predann_bids.errors import WrongUsage
from predann_bids.registry import Registry

NEAR_HZ = 16_000  # sampling rate of the audio, or the nearest multiple of the frame rate


class AudioFeatures(nn.Module, ABC):
    """Features that are computed once for each stimulus, because they are not trained.

    A frozen pretrained network is one kind of audio features (`models.audio.teacher.Teacher`). `--teacher` takes the
    registered name of any kind that is in frames.

    Parameters
    ----------
    rate_hz : float
        Sampling rate of the EEG.

    Attributes
    ----------
    audio_rate : int
        Sampling rate of the input waveforms in Hz.
    bands : int
        Number of features.
    in_frames : bool
        Whether the features have one frame for each EEG sample; else they have the rate of the audio.
    for_networks, by_hand : slice
        Which features networks learn from, and which closed-form decoders describe music by; by default all.
    version : int
        Part of the name under which features are cached. Increase it when a class computes different numbers.
    path : {"never", "may", "must"}
        Whether a path belongs to the name, as in `file:DIR`.
    layers : tuple of str
        What may stand behind the name, as in `musicnn#cnn3`; empty if nothing may.
    """

    registry: ClassVar[Registry[type[AudioFeatures]]]
    audio_rate: int
    bands: int
    in_frames: ClassVar[bool] = True
    for_networks: ClassVar[slice] = slice(None)
    by_hand: ClassVar[slice] = slice(None)
    version: ClassVar[int] = 1
    path: ClassVar[Literal["never", "may", "must"]] = "never"
    layers: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def make(cls, rate_hz: float, path: Path | None, layer: str) -> AudioFeatures:  # noqa: ARG003 - for subclasses
        """Make them as they were named: with a path and a layer, if they take any."""
        return cls(rate_hz)

    @abstractmethod
    def __init__(self, rate_hz: float) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, waveforms: Tensor) -> Tensor:
        """Compute features.

        Parameters
        ----------
        waveforms : Tensor, shape (B, samples)
            Mono, at `audio_rate`.

        Returns
        -------
        Tensor, shape (B, bands, frames)
            Or (B, samples) if not `in_frames`.
        """


FEATURES: Registry[type[AudioFeatures]] = Registry("audio feature", "predann_bids.models.audio")
AudioFeatures.registry = FEATURES
SPECTRA = "log-mel"  # the features of decoders that ask for no others
JOINT = "joint"  # in place of a teacher: the audio network is trained together with the EEG network, on spectra


def features_kind(name: str) -> type[AudioFeatures]:
    """Return the class of audio features that a name means.

    Parameters
    ----------
    name : str
        A registered name, or one with a path or a layer, such as `file:DIR` or `musicnn#cnn3`.

    Raises
    ------
    WrongUsage
        No features have this name, or a path or layer is missing or out of place.
    """
    parts = TeacherName.of(name)
    kind = FEATURES[parts.kind]
    if parts.path is None and kind.path == "must":
        raise WrongUsage(f"The teacher '{parts.kind}' needs a path: --teacher {parts.kind}:PATH.")
    if parts.path is not None and kind.path == "never":
        raise WrongUsage(f"The teacher '{parts.kind}' takes no path: --teacher {parts.kind}.")
    if parts.layer and parts.layer not in kind.layers:
        expected = f"Expected one of {', '.join(kind.layers)}." if kind.layers else "It has only one."
        raise WrongUsage(f"The teacher '{parts.kind}' has no layer '{parts.layer}'. {expected}")
    return kind


def make_features(name: str, rate_hz: float) -> AudioFeatures:
    """Make the audio features that a name means; see `features_kind`.

    Parameters
    ----------
    name : str
        A registered name, or one with a path or a layer.
    rate_hz : float
        Sampling rate of the EEG.

    Raises
    ------
    WrongUsage, MissingInput, UnusableData
        No features have this name; what they need is missing, or is something else.
    """
    parts = TeacherName.of(name)
    return features_kind(name).make(rate_hz, parts.path, parts.layer).eval()


def audio_rate_near(frame_rate_hz: float) -> tuple[int, int]:
    """Return a whole-number audio rate near 16 kHz, and the samples of audio per frame.

    Raises
    ------
    ValueError
        No such rate exists.
    """
    hop = round(NEAR_HZ / frame_rate_hz)
    audio_rate = hop * frame_rate_hz
    if not float(audio_rate).is_integer():
        raise ValueError(f"no whole audio rate near {NEAR_HZ} Hz has {frame_rate_hz:g} frames per second")
    return int(audio_rate), hop

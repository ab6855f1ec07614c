"""The interface of audio features and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from predann_bids.registry import Registry

NEAR_HZ = 16_000  # sampling rate of the audio, or the nearest multiple of the frame rate


class AudioFeatures(nn.Module, ABC):
    """Features that are computed once for each stimulus, because they are not trained.

    A frozen pretrained network (a teacher) is one kind of audio features; `--teacher` takes its registered name.

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
    """

    registry: ClassVar[Registry[type[AudioFeatures]]]
    audio_rate: int
    bands: int
    in_frames: ClassVar[bool] = True
    for_networks: ClassVar[slice] = slice(None)
    by_hand: ClassVar[slice] = slice(None)
    version: ClassVar[int] = 1

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

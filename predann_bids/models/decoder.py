"""The decoder interface: what fitting, inference, evaluation and probes ask of a decoder, and the registry of decoders.

A decoder predicts from a window of EEG a representation of the audio that was playing. Two kinds differ in how they are
fitted: networks are trained in epochs on an objective, closed-form decoders are solved for. All else is the same for
both: song logits, representations of songs, matching, retrieval and probes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from torch import Tensor, nn

from predann_bids.config import Training
from predann_bids.models.audio.features import FEATURES, JOINT, SPECTRA, AudioFeatures
from predann_bids.models.settings import Settings
from predann_bids.registry import Registry

OnProgress = Callable[[int, str], None]  # a number of finished units of work, and a note
SMALL_GB = 0.7  # memory of a process that fits or applies a small decoder


def silent(units: int, note: str) -> None:
    """Report nothing."""


class Songs(Protocol):
    """The audio of whole songs, as a decoder hears it."""

    def __len__(self) -> int: ...

    def audio(self, song: int) -> Tensor:
        """Return the features (bands, frames) or the waveform (samples,) of a song."""

    def windows(self, song: int) -> tuple[Tensor, int]:
        """Return the first sample of the window at each EEG sample of a song, and the length of these windows."""


@dataclass(frozen=True)
class Blueprint:
    """What a decoder is to be built for.

    Parameters
    ----------
    kind : str
        Its registered name.
    channels : tuple of str
        EEG channels, in their order.
    songs : tuple of str
        Names of the stimuli, the classes.
    rate_hz : float
        Sampling rate of the EEG.
    delay_s, window_s : float
        How windows are cut.
    audio_s : float
        Length of the audio of a window; longer than the window where it has context.
    features : str
        Registered name of the audio features that it hears.
    bands : int
        Bands of these features.
    longest : int
        EEG samples of the longest song.
    """

    kind: str
    channels: tuple[str, ...]
    songs: tuple[str, ...]
    rate_hz: float
    delay_s: float
    window_s: float
    audio_s: float
    features: str
    bands: int
    longest: int

    def common(self) -> dict[str, Any]:
        """Return what the settings of all decoders have in common."""
        names = ("channels", "songs", "rate_hz", "delay_s", "window_s", "features")
        return {name: getattr(self, name) for name in names}


class Decoder(nn.Module, ABC):
    """What every decoder can do.

    Attributes
    ----------
    settings : Settings
        What it is built from, of its `settings_class`.
    at_once : int
        Windows that it encodes at a time, in little memory.
    samples_per_frame : int
        EEG samples for each frame of a representation.
    by_feature : bool
        Whether the similarity of representations is the mean of the correlations of their features, else one
        correlation of all together.
    centred : bool
        Whether the mean over time is taken off before representations are compared.
    can_be_probed : bool
        Whether it can match single moments, so that its use of delays, channels and bands can be measured.
    is_large : bool
        Whether it takes several processors and much memory; of a large decoder one is trained on an accelerator.
    suffix : str
        Extension of its file.
    """

    registry: ClassVar[Registry[type[Decoder]]]
    settings: Settings
    settings_class: ClassVar[type[Settings]] = Settings
    at_once: ClassVar[int] = 128
    samples_per_frame: ClassVar[int] = 1
    by_feature: ClassVar[bool] = False
    centred: ClassVar[bool] = True
    can_be_probed: ClassVar[bool] = True
    is_large: ClassVar[bool] = False
    suffix: ClassVar[str] = "ckpt"

    @classmethod
    def hears(cls, training: Training) -> str:
        """Return the registered name of the audio features that it hears: spectra, unless there is a teacher."""
        return SPECTRA if training.teacher == JOINT else training.teacher

    @classmethod
    def settings_for(cls, blueprint: Blueprint) -> Any:
        """Return the settings, of `settings_class`, for what a decoder is to be built for."""
        return cls.settings_class(**blueprint.common())

    def configuration(self) -> dict[str, dict[str, Any]]:
        """Return the values of the configuration, by section, without which the decoder cannot be used."""
        return {"windows": {"scaling": "recording", "audio_context": 0.0}, "training": {"encoders": self.name}}

    @property
    def name(self) -> str:
        """Its registered name."""
        return next(name for name in DECODERS if DECODERS[name] is type(self))

    @cached_property
    def features(self) -> AudioFeatures:
        """What turns waveforms into what the decoder hears; no part of its weights."""
        return FEATURES[self.settings.features](self.settings.rate_hz).eval()

    @classmethod
    def memory_gb(cls, batch_size: int, audio_s: float = 3.0) -> float:  # noqa: ARG003 - some need more for more
        """Return the memory that a training needs on processors, in GB, for so many windows of so much audio."""
        return SMALL_GB

    @property
    def audio_rate(self) -> int:
        """Sampling rate of the audio in Hz."""
        return self.features.audio_rate

    @abstractmethod
    def encode_eeg(self, eeg: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise songs from EEG.

        Parameters
        ----------
        eeg : Tensor, shape (B, C, T)
            Scaled windows.

        Returns
        -------
        Tensor, shape (B, n_songs)
            Song logits.
        Tensor, shape (B, D) or (B, D, frames)
            The predicted representation.
        """

    @abstractmethod
    def encode_audio(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise songs from audio.

        Parameters
        ----------
        audio : Tensor, shape (B, samples)
            Waveforms at `audio_rate`.

        Returns
        -------
        Tensor, shape (B, n_songs)
            Song logits.
        Tensor, shape (B, D) or (B, D, frames)
            The representation.
        """

    def predict(self, eeg: Tensor) -> Tensor:
        """Predict the representation from EEG, without the song logits."""
        return self.encode_eeg(eeg)[1]

    def song_logits(self, representation: Tensor) -> Tensor:
        """Name songs from a predicted representation: song logits (B, n_songs)."""
        raise NotImplementedError(f"{type(self).__name__} has song logits from EEG only")

    def match(self, representation: Tensor, moments: Tensor) -> Tensor:
        """Compare representations with each song at one moment each.

        Parameters
        ----------
        representation : Tensor, shape (B, D, frames)
            Predicted from EEG.
        moments : Tensor of int, shape (B,)
            First EEG sample of each window's audio, counted from the start of the songs.

        Returns
        -------
        Tensor, shape (B, n_songs)
            Similarity; NaN where a song does not last that long.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot match single moments")

    @abstractmethod
    def represent_songs(self, songs: Songs, on_progress: OnProgress = silent) -> tuple[Tensor, ...]:
        """Represent whole songs, (D, frames) each, on the CPU."""

    def remember(self, songs: Songs) -> None:
        """Keep what the decoder has to know of whole songs to name them."""

    @abstractmethod
    def for_songs(self, names: Sequence[str], songs: Songs) -> Self:
        """Return a decoder like this one that names other songs than those it was trained with.

        Parameters
        ----------
        names : sequence of str
            Names of the stimuli.
        songs : Songs
            Their audio.

        Raises
        ------
        WrongUsage
            It can name none but the songs that it was trained with.
        """

    @abstractmethod
    def save(self, path: Path, facts: Mapping[str, Any]) -> None:
        """Write it whole or not at all; `facts` are plain values that say how it came to be."""

    @classmethod
    @abstractmethod
    def load(cls, path: Path, blueprint: Blueprint, songs: Songs) -> Self:
        """Read what `save` wrote: in eval mode, on the CPU, knowing the songs that it was fitted with."""


DECODERS: Registry[type[Decoder]] = Registry("decoder", "predann_bids.models.decoders")
Decoder.registry = DECODERS

"""The interface of decoders, as fitting, inference and probing use it, and their registry.

From a window of EEG, a decoder predicts a representation of the audio that was playing. There are two kinds: networks
are trained in epochs on an objective; closed-form decoders are solved for. Everything else is the same for both: song
logits, representations of songs, matching, retrieval and probing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from torch import Tensor, nn

from predann_bids.config import Training
from predann_bids.errors import WrongUsage
from predann_bids.models.audio.features import JOINT, SPECTRA, AudioFeatures, make_features
from predann_bids.models.parts import Parts
from predann_bids.models.settings import Settings
from predann_bids.registry import NamedPath, Registry
from predann_bids.signals.montage import Place

OnProgress = Callable[[int, str], None]  # number of units of work just finished, and a note
SMALL_GB = 0.7  # memory of a process that fits or applies a small decoder


def silent(units: int, note: str) -> None:
    """Report nothing."""


class Songs(Protocol):
    """The audio of whole songs, as features or waveforms."""

    def __len__(self) -> int:
        """Return the number of songs."""

    def audio(self, song: int) -> Tensor:
        """Return the features (bands, frames) or the waveform (samples,) of a song."""

    def windows(self, song: int) -> tuple[Tensor, int]:
        """Return where the window at each EEG sample of a song begins, and the length of these windows."""


@dataclass(frozen=True)
class Blueprint:
    """The data that a decoder is built for.

    Parameters
    ----------
    kind : str
        Registered name of the decoder, with the path of its weights if it is to have any: `NAME:PATH`.
    channels : tuple of str
        EEG channels, in their order.
    songs : tuple of str
        Names of the stimuli, the classes.
    rate_hz : float
        Sampling rate of the EEG.
    delay_s, window_s : float
        Delay of the EEG after the audio, and length of a window.
    audio_s : float
        Length of the audio of a window; longer than the window if the audio has context.
    features : str
        Name of the audio features; of several teachers, as `join_teachers` joins them.
    bands : int
        Bands of these features.
    longest : int
        EEG samples of the longest song.
    beside : str
        Name of features whose part made by hand lies below them; empty for none.
    positions : mapping of str to (float, float, float)
        Where channels are, in head coordinates in metres, as far as it is known.
    eeg_encoder : str
        Whether a network that was trained elsewhere is 'finetuned' or 'frozen'.
    of_teachers : tuple of int
        Bands of each teacher, which make up `bands`.
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
    beside: str = ""
    positions: Mapping[str, Place] = field(default_factory=dict)
    eeg_encoder: str = "finetuned"
    of_teachers: tuple[int, ...] = ()

    def common(self) -> dict[str, Any]:
        """Return the values of the settings that all decoders share."""
        names = ("channels", "songs", "rate_hz", "delay_s", "window_s", "features")
        return {name: getattr(self, name) for name in names}


class Decoder(nn.Module, ABC):
    """A decoder of music from EEG.

    Attributes
    ----------
    settings : Settings
        What the decoder is built from; an instance of `settings_class`.
    at_once : int
        Number of windows to encode at a time, which limits memory.
    samples_per_frame : int
        EEG samples per frame of a representation.
    by_feature : bool
        Whether the similarity of two representations is the mean correlation of their features; else it is one
        correlation over all features together.
    centred : bool
        Whether the mean over time is subtracted before representations are compared.
    can_be_probed : bool
        Whether probes can measure which delays, channels and bands it uses; true of every `MomentMatcher`.
    compares_moments : bool
        Whether its song logits come from moments of songs, so that `Training.moments` says from which in training.
    takes_several_teachers : bool
        Whether it learns to predict those of `Training.more_teachers`, too.
    is_large : bool
        Whether training needs several processors and much memory. On an accelerator, large decoders are trained one at
        a time.
    can_share : bool
        Whether several devices can take a share of each batch in training.
    precisions : tuple of str
        Precisions of training that its results do not suffer from, as Lightning names them; empty for all.
    title : str
        What messages call a large network; empty for a published one.
    suffix : str
        Extension of the decoder's file.
    """

    registry: ClassVar[Registry[type[Decoder]]]
    settings: Settings
    settings_class: ClassVar[type[Settings]] = Settings
    at_once: ClassVar[int] = 128
    samples_per_frame: ClassVar[int] = 1
    by_feature: ClassVar[bool] = False
    centred: ClassVar[bool] = True
    can_be_probed: ClassVar[bool] = False
    compares_moments: ClassVar[bool] = False
    takes_several_teachers: ClassVar[bool] = False
    is_large: ClassVar[bool] = False
    can_share: ClassVar[bool] = False
    precisions: ClassVar[tuple[str, ...]] = ()
    title: ClassVar[str] = ""
    suffix: ClassVar[str] = "ckpt"

    @classmethod
    def features_for(cls, training: Training) -> str:
        """Return the registered name of the audio features: those of the teacher, or spectra if there is none."""
        return SPECTRA if training.teacher == JOINT else training.teacher

    @classmethod
    def beside_for(cls, training: Training) -> str:  # noqa: ARG003 - for subclasses
        """Return the name of features whose part made by hand is put below a teacher's; empty for none."""
        return ""

    @classmethod
    def settings_for(cls, blueprint: Blueprint) -> Any:
        """Return the settings, an instance of `settings_class`, of a decoder for some data."""
        return cls.settings_class(**blueprint.common())

    def configuration(self) -> dict[str, dict[str, Any]]:
        """Return the configuration values, by section, that using this decoder requires."""
        return {"windows": {"scaling": "recording", "audio_context": 0.0}, "training": {"encoders": self.name}}

    @property
    def name(self) -> str:
        """The registered name of the decoder."""
        return next(name for name in DECODERS if DECODERS[name] is type(self))

    @cached_property
    def features(self) -> AudioFeatures:
        """The audio features, which turn waveforms into the input of the decoder. They are not part of its weights."""
        return make_features(self.settings.features, self.settings.rate_hz)

    @classmethod
    def check(cls, kind: str) -> None:
        """Refuse, before any work is done, what lacks a package or a file; `kind` is `NAME` or `NAME:PATH`.

        Raises
        ------
        MissingInput
            It says what to do.
        WrongUsage
            The decoder takes no weights.
        """
        name, path = NamedPath.of(kind)
        if path is not None:
            raise WrongUsage(f"--encoders {kind}: '{name}' takes no weights. Leave out what follows the colon.")

    @classmethod
    def channel_notes(
        cls,
        kind: str,  # noqa: ARG003 - all three are for subclasses
        channels: Sequence[str],  # noqa: ARG003
        positions: Mapping[str, Place],  # noqa: ARG003
    ) -> tuple[str, ...]:
        """Note what the decoder does with channels in ways that a reader should know.

        Raises
        ------
        UnusableData
            It cannot work with these channels.
        """
        return ()

    @classmethod
    def memory_gb(cls, batch_size: int, audio_s: float = 3.0) -> float:  # noqa: ARG003 - for subclasses
        """Return the memory in GB that training on CPUs needs, for a batch size and seconds of audio per window."""
        return SMALL_GB

    @classmethod
    def advice(cls, device: str) -> str:  # noqa: ARG003 - for subclasses
        """Return what would make its training faster on a kind of device; empty if nothing would."""
        return ""

    @property
    def parts(self) -> Parts:
        """Sizes and weights of the parts of a representation whose similarities are averaged; empty for none."""
        return ()

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

    @abstractmethod
    def represent_songs(self, songs: Songs, on_progress: OnProgress = silent) -> tuple[Tensor, ...]:
        """Represent whole songs, (D, frames) each, on the CPU."""

    def remember(self, songs: Songs) -> None:
        """Store what the decoder needs to recognise songs, such as their representations."""

    @abstractmethod
    def for_songs(self, names: Sequence[str], songs: Songs) -> Self:
        """Return a copy of this decoder that recognises other songs than those it was trained on.

        Parameters
        ----------
        names : sequence of str
            Names of the stimuli.
        songs : Songs
            Their audio.

        Raises
        ------
        WrongUsage
            The decoder can only recognise the songs that it was trained on.
        """

    @abstractmethod
    def save(self, path: Path, facts: Mapping[str, Any]) -> None:
        """Write the decoder to a file, completely or not at all; `facts` are plain values about its training."""

    @classmethod
    @abstractmethod
    def load(cls, path: Path, blueprint: Blueprint, songs: Songs) -> Self:
        """Read a decoder that `save` wrote: in eval mode, on the CPU, with the songs it was fitted to."""


class MomentMatcher(Decoder):
    """A decoder that decides from predicted representations: which song it is, and which song at one moment.

    Probes need both, to ask again about representations of perturbed EEG.
    """

    can_be_probed = True

    @abstractmethod
    def song_logits(self, representation: Tensor) -> Tensor:
        """Compute song logits (B, n_songs) from predicted representations."""

    @abstractmethod
    def match(self, representation: Tensor, moments: Tensor) -> Tensor:
        """Compare each representation with all songs at one moment.

        Parameters
        ----------
        representation : Tensor, shape (B, D, frames)
            Predicted from EEG.
        moments : Tensor of int, shape (B,)
            First EEG sample of each window's audio, counted from the start of the songs.

        Returns
        -------
        Tensor, shape (B, n_songs)
            Similarities; NaN where a song ends before the window does.
        """


class _Decoders(Registry[type[Decoder]]):
    """Decoders by name; the path of weights may follow the name."""

    def __getitem__(self, name: str) -> type[Decoder]:
        return super().__getitem__(NamedPath.of(name).name)


DECODERS: Registry[type[Decoder]] = _Decoders("decoder", "predann_bids.models.decoders")
Decoder.registry = DECODERS


def moment_matcher(decoder: Decoder) -> MomentMatcher:
    """Return a decoder as one that can be probed.

    Raises
    ------
    WrongUsage
        It does not decide from representations.
    """
    if not isinstance(decoder, MomentMatcher):
        raise WrongUsage(f"Decoders '{decoder.name}' cannot match single moments: add --no-probe.")
    return decoder

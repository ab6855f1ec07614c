"""The decoder and the objective of Akama et al. 2025 (doi 10.1038/s41598-025-02790-6), of preset `published`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from torch import Tensor
from torch.nn import functional as F

from predann_bids.config import Training
from predann_bids.errors import WrongUsage
from predann_bids.models.decoder import DECODERS, Blueprint, OnProgress, Songs, silent
from predann_bids.models.losses import predann_loss
from predann_bids.models.network import Network
from predann_bids.models.published.encoder import PublishedEncoder
from predann_bids.models.published.maps import compiler
from predann_bids.models.published.moments import embed_moments
from predann_bids.models.published.team import Team
from predann_bids.models.settings import Settings

KINDS = ("2d", "1d")
PREDANN_WEIGHT, TEMPERATURE = 0.05, 0.5
PROCESS_GB, SAMPLE_GB = (
    0.9,
    0.19,
)  # of a training, and per 3 s of audio in a batch; measured 8.9 to 10.1 GB for a batch of 48
SONG_ROWS = "projector1.3.weight"


@dataclass(frozen=True)
class PublishedSettings(Settings):
    """Settings of a published decoder, in addition to those of all decoders.

    Parameters
    ----------
    audio_s : float
        Length of the audio, centred on the moment of the EEG window: the length of the window, or longer for context.
    kind : {"2d", "1d"}
        Whether encoders treat channels by time as an image, or convolve over time only.
    dropout : float
        Share of the last feature map that is dropped before averaging.
    """

    audio_s: float = 3.0
    kind: str = "2d"
    dropout: float = 0.5
    features: str = "waveform"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), not {self.dropout}")


@DECODERS.add("2d")
@DECODERS.add("1d")
class PublishedDecoder(Network):
    """The published PredANN decoder: two encoders of the same form, each with song logits and an embedding."""

    at_once = 16
    centred = False
    is_large = True
    can_share = True
    precisions = ("32-true", "64-true", "32", "64")  # with bfloat16, gradients of single weights are off by 43 %
    settings_class = PublishedSettings
    settings: PublishedSettings

    def __init__(self, settings: PublishedSettings) -> None:
        super().__init__()
        self.settings = settings
        n_songs, kind, dropout = len(settings.songs), settings.kind, settings.dropout
        self.encoder_eeg = PublishedEncoder(n_songs, kind=kind, n_channels=len(settings.channels), dropout=dropout)
        self.encoder_audio = PublishedEncoder(n_songs, kind=kind, dropout=dropout)

    @classmethod
    def features_for(cls, training: Training) -> str:  # noqa: ARG003, D102
        return "waveform"

    @classmethod
    def settings_for(cls, blueprint: Blueprint) -> PublishedSettings:  # noqa: D102
        return cls.settings_class(**blueprint.common(), audio_s=blueprint.audio_s, kind=blueprint.kind)

    def configuration(self) -> dict[str, dict[str, Any]]:  # noqa: D102
        settings = self.settings
        context = settings.audio_s if settings.audio_s > settings.window_s else 0.0
        return {"windows": {"scaling": "window", "audio_context": context}, "training": {"encoders": self.name}}

    @property
    def name(self) -> str:  # noqa: D102
        return self.settings.kind

    @classmethod
    def memory_gb(cls, batch_size: int, audio_s: float = 3.0) -> float:  # noqa: D102
        return PROCESS_GB + SAMPLE_GB * audio_s / 3 * batch_size

    @classmethod
    def advice(cls, device: str) -> str:  # noqa: D102
        if device == "cpu" or compiler():
            return ""
        return (
            "There is no C compiler here, which torch.compile needs: the published networks train without it, more"
            " slowly. Install gcc, or name a compiler in the variable CC."
        )

    def first_step(self, device: str) -> str:  # noqa: D102
        return "compiles its networks for the GPU, about half a minute" if device == "cuda" and compiler() else ""

    def share(self, team: Team | None) -> None:  # noqa: D102
        self.encoder_eeg.team = self.encoder_audio.team = team

    def encode_eeg(self, eeg: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise songs from scaled, unpadded EEG (B, C, T): song logits (B, n_songs), embedding (B, 100)."""
        encoded: tuple[Tensor, Tensor] = self.encoder_eeg(eeg)
        return encoded

    def encode_audio(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise songs from unpadded waveforms (B, samples): song logits (B, n_songs), embedding (B, 100)."""
        encoded: tuple[Tensor, Tensor] = self.encoder_audio(audio[:, None])
        return encoded

    def objective(self, eeg: Tensor, audio: Tensor, songs: Tensor, training: Training) -> dict[str, Tensor]:
        """Add the cross-entropies and the PredANN loss; see `published_objective`.

        Parameters
        ----------
        eeg : Tensor, shape (B, C, T)
            Scaled windows.
        audio : Tensor, shape (B, samples)
            Waveforms of the same moments.
        songs : Tensor of int, shape (B,)
            Index of the song of each window.
        training : Training
            Weight and temperature of PredANN, and whether it trains the EEG network alone.

        Returns
        -------
        dict of str to Tensor, shape ()
            The loss, its terms, and the accuracy by song logits.
        """
        parts = published_objective(
            self,
            eeg,
            audio,
            songs,
            weight=training.predann_weight,
            temperature=training.temperature,
            stop_gradient=training.stop_gradient,
        )
        losses = {name: getattr(parts, name) for name in ("loss", "eeg_loss", "audio_loss", "predann_loss")}
        return losses | {"accuracy": (parts.eeg_logits.argmax(dim=1) == songs).float().mean()}

    def represent_songs(self, songs: Songs, on_progress: OnProgress = silent) -> tuple[Tensor, ...]:
        """Embed the window of each song that begins at each EEG sample, (100, moments)."""
        embedded = []
        for index, name in enumerate(self.settings.songs):
            on_progress(0, f"moments of {name}")
            starts, length = songs.windows(index)
            waveform = songs.audio(index).to(next(self.parameters()).device)
            embedded.append(embed_moments(self.encoder_audio, waveform, starts, length)[1].T.cpu())
        return tuple(embedded)

    def for_songs(self, names: Sequence[str], songs: Songs) -> Self:  # noqa: ARG002 - songs are known by weights
        """Return a decoder that recognises some of the songs it was trained on, in any order."""
        trained = self.settings.songs
        unknown = [name for name in names if name not in trained]
        if unknown:
            raise WrongUsage(
                "A decoder of the published method can only recognise the songs that it was trained on"
                f" ({', '.join(trained)}), and no others such as {unknown[0]}. If the songs have other names here,"
                " import the checkpoint with --songs."
            )
        other = type(self)(replace(self.settings, songs=tuple(names)))
        rows = [trained.index(name) for name in names]
        state = {key: value[rows] if key.endswith(SONG_ROWS) else value for key, value in self.state_dict().items()}
        other.load_state_dict(state)
        return other.eval()


class Objective(NamedTuple):
    """The loss and its terms, all scalars, and the EEG network's song logits (B, n_songs)."""

    loss: Tensor
    eeg_loss: Tensor
    audio_loss: Tensor
    predann_loss: Tensor
    eeg_logits: Tensor


def published_objective(
    decoder: PublishedDecoder,
    eeg: Tensor,
    audio: Tensor,
    songs: Tensor,
    *,
    weight: float = PREDANN_WEIGHT,
    temperature: float = TEMPERATURE,
    stop_gradient: bool = True,
) -> Objective:
    """Compute the cross-entropy of both networks' song logits and the PredANN loss.

    Parameters
    ----------
    decoder : PublishedDecoder
        Both networks.
    eeg : Tensor, shape (B, C, T)
        Scaled windows.
    audio : Tensor, shape (B, samples)
        Waveforms of the same moments.
    songs : Tensor of int, shape (B,)
        Index of the song of each window.
    weight, temperature : float
        Weight and temperature of PredANN; weight 0 is the paper's baseline.
    stop_gradient : bool
        Whether PredANN trains only the EEG network, as published.
    """
    eeg_logits, eeg_embedding = decoder.encode_eeg(eeg)
    audio_logits, audio_embedding = decoder.encode_audio(audio)
    by_eeg, by_audio = F.cross_entropy(eeg_logits, songs), F.cross_entropy(audio_logits, songs)
    target = audio_embedding.detach() if stop_gradient else audio_embedding
    predicted = predann_loss(eeg_embedding, target, temperature)
    return Objective(by_eeg + by_audio + weight * predicted, by_eeg, by_audio, predicted, eeg_logits)

"""The decoder of PredANN++ (Noguchi et al. 2026, arXiv 2603.03190), of preset `plusplus`.

An EEG transformer learns to predict masked classes of what a teacher says of the music, together with the song; then
its encoder, with a fresh head, learns to name the song alone.

Deviations. The classes come from the training data unless `Training.classes_from` says otherwise. What the encoder
knows at the end of pretraining is kept beside what becomes of it: from it, with all music masked, come the classes that
the EEG predicts, by which moments are matched; the paper does not match.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from predann_bids.config import Training
from predann_bids.errors import UnusableData, WrongUsage
from predann_bids.models.audio.features import FEATURES
from predann_bids.models.decoder import DECODERS, Blueprint, Songs
from predann_bids.models.memory import evidence
from predann_bids.models.network import RememberingNetwork
from predann_bids.models.plusplus.classes import (
    DIMENSIONS,
    N_CLASSES,
    Classes,
    classify,
    token_rate,
    tokens_of,
    tokens_within,
)
from predann_bids.models.plusplus.encoder import SECTION_S, EegTransformer, SongHead
from predann_bids.models.plusplus.prediction import MaskedPredictor, masked_loss, show_half
from predann_bids.models.settings import Settings
from predann_bids.models.temporal.layers import centre

FRAME = 5  # EEG samples of a frame of the representation: 40 ms at the published 125 Hz
MEMORY_TEMPERATURE = 0.05
PROCESS_GB, SAMPLE_GB = 1.3, 0.1  # of a training, and for each window of a batch, with 128 channels
PRETRAINING, FINE_TUNING = "pretraining", "fine-tuning"


@dataclass(frozen=True)
class PlusPlusSettings(Settings):
    """Settings of a decoder of PredANN++, in addition to those of all decoders.

    Parameters
    ----------
    n_bands : int
        Numbers that the teacher says of each moment.
    memory_frames : int
        Length of the longest song, in frames of the representation.
    """

    n_bands: int = 1
    memory_frames: int = 0
    shrinkage: float | None = None

    @property
    def n_tokens(self) -> int:
        """Music tokens of a window."""
        return max(1, round(self.window_s * token_rate(self.n_bands)))


@DECODERS.add("eeg-transformer")
class PlusPlusDecoder(RememberingNetwork):
    """The EEG transformer of PredANN++, which names songs from its CLS token."""

    at_once = 16
    samples_per_frame = FRAME
    is_large = True
    is_pretrained = True
    settings_class = PlusPlusSettings
    settings: PlusPlusSettings
    takes_mean: ClassVar[bool] = False
    centres: Tensor
    boundaries: Tensor
    coordinates: Tensor
    is_fine_tuned: Tensor

    def __init__(self, settings: PlusPlusSettings) -> None:
        super().__init__()
        self.settings = settings
        shape = (len(settings.channels), max(1, int(settings.window_s / SECTION_S + 1e-9)))
        samples = round(settings.rate_hz * SECTION_S)
        self.encoder = EegTransformer(*shape, samples)
        self.head = SongHead(len(settings.songs), mean=self.takes_mean)
        self.predictor = MaskedPredictor(settings.n_tokens, settings.n_bands, N_CLASSES)
        self.pretrained = EegTransformer(*shape, samples).requires_grad_(False)
        dimensions = min(DIMENSIONS, settings.n_bands)
        self.register_buffer("centres", torch.zeros(N_CLASSES, settings.n_bands))
        self.register_buffer("boundaries", torch.full((N_CLASSES - 1,), torch.inf))
        self.register_buffer("coordinates", torch.zeros(N_CLASSES, dimensions))
        self.make_memory(len(settings.songs), dimensions, settings.memory_frames)
        self.register_buffer("is_fine_tuned", torch.tensor(False))

    @classmethod
    def settings_for(cls, blueprint: Blueprint) -> PlusPlusSettings:  # noqa: D102
        heard = range(blueprint.bands)[FEATURES[blueprint.features].for_networks]
        return cls.settings_class(
            **blueprint.common(), n_bands=len(heard), memory_frames=max(1, blueprint.longest // FRAME)
        )

    def configuration(self) -> dict[str, dict[str, Any]]:  # noqa: D102
        return {"windows": {"scaling": "window", "audio_context": 0.0}, "training": {"encoders": self.name}}

    @classmethod
    def memory_gb(cls, batch_size: int, audio_s: float = 3.0) -> float:  # noqa: D102
        return PROCESS_GB + SAMPLE_GB * audio_s / 3 * batch_size

    @property
    def phase(self) -> str:  # noqa: D102
        return FINE_TUNING if self.is_fine_tuned else PRETRAINING

    # -- training ------------------------------------------------------------------------------------------------------

    def prepare(self, songs: Songs, spans: Mapping[int, Sequence[tuple[int, int]]], training: Training) -> None:
        """Find the classes of what the teacher says, on the audio of the training data or on all of it.

        Raises
        ------
        UnusableData
            The training data hold no token.
        """
        hop, everywhere = self.settings.rate_hz / token_rate(self.settings.n_bands), training.classes_from == "all"
        chosen = range(len(songs)) if everywhere else sorted(spans)
        tokens = [tokens_within(self._heard(songs, song), hop, None if everywhere else spans[song]) for song in chosen]
        joined = torch.cat(tokens).double().numpy() if tokens else np.empty((0, 1))
        if not len(joined):
            raise UnusableData("The training data are too short for masked prediction: they hold no token of music.")
        classes = Classes.of(joined, training.seed)
        for buffer, values in (
            (self.centres, classes.centres),
            (self.boundaries, classes.boundaries),
            (self.coordinates, classes.coordinates()),
        ):
            buffer.copy_(torch.from_numpy(values))

    def begin_epoch(self, epoch: int, training: Training) -> bool:
        """Begin fine-tuning after the epochs of pretraining: keep what the encoder knows, and take a fresh head."""
        if epoch != training.pretraining_epochs:
            return False
        self.pretrained.load_state_dict(self.encoder.state_dict())
        fresh = SongHead(len(self.settings.songs), mean=self.takes_mean)
        self.head.load_state_dict(fresh.state_dict())
        self.is_fine_tuned.fill_(True)
        return True

    def objective(self, eeg: Tensor, audio: Tensor, songs: Tensor, training: Training) -> dict[str, Tensor]:
        """Compute the cross-entropy of the songs, and in pretraining that of masked classes.

        Parameters
        ----------
        eeg : Tensor, shape (B, C, T)
            Scaled windows.
        audio : Tensor, shape (B, bands, frames)
            What the teacher says of the same moments, with or without context.
        songs : Tensor of int, shape (B,)
            Index of the song of each window.
        training : Training
            Weights of masked prediction (`predann_weight`) and of the songs in pretraining (`song_weight`).

        Returns
        -------
        dict of str to Tensor, shape ()
            The loss, its terms, and the accuracy by song logits.
        """
        tokens = self.encoder(eeg)
        logits = self.head(tokens)
        by_song = F.cross_entropy(logits, songs)
        accuracy = (logits.argmax(dim=1) == songs).float().mean()
        if self.is_fine_tuned or not training.predann_weight:
            loss = by_song if self.is_fine_tuned else training.song_weight * by_song
            nothing = by_song.new_full((), torch.nan)  # or the last of pretraining would be logged again
            return {"loss": loss, "eeg_loss": by_song, "masked_loss": nothing, "accuracy": accuracy}
        first = (audio.shape[2] - eeg.shape[2]) // 2
        heard = audio[:, : self.settings.n_bands, first : first + eeg.shape[2]]
        values = tokens_of(heard, self._tokens_in(eeg.shape[2]))
        shown = show_half(values.shape[0], values.shape[1], values.device)
        classes = classify(values, self.centres, self.boundaries)
        masked = masked_loss(self.predictor(tokens, values, shown), classes, shown)
        loss = training.song_weight * by_song + training.predann_weight * masked
        return {"loss": loss, "eeg_loss": by_song, "masked_loss": masked, "accuracy": accuracy}

    # -- what it says --------------------------------------------------------------------------------------------------

    def encode_eeg(self, eeg: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise songs from EEG (B, C, T): song logits (B, n_songs), predicted representation (B, D, T // 5)."""
        return self.head(self.encoder(eeg)), self.predict(eeg)

    def predict(self, eeg: Tensor) -> Tensor:
        """Predict what the teacher says, with all music masked: the mean of the classes, as probable as they are."""
        n_tokens = self._tokens_in(eeg.shape[2])
        values = eeg.new_zeros(len(eeg), n_tokens, self.settings.n_bands)
        shown = torch.zeros(values.shape[:2], dtype=torch.bool, device=eeg.device)
        encoder = self.pretrained if self.is_fine_tuned else self.encoder
        expected = F.softmax(self.predictor(encoder(eeg), values, shown), dim=2) @ self.coordinates
        return F.adaptive_avg_pool1d(expected.transpose(1, 2), eeg.shape[2] // FRAME)

    def represent(self, features: Tensor) -> Tensor:
        """Represent what the teacher says (B, bands, T) by its classes: (B, D, T // 5)."""
        n_frames = features.shape[2] // FRAME
        whole = features[:, : self.settings.n_bands, : n_frames * FRAME]
        tokens = tokens_of(whole, self._tokens_in(whole.shape[2]))
        stood_for = self.coordinates[classify(tokens, self.centres, self.boundaries)]
        return F.adaptive_avg_pool1d(stood_for.transpose(1, 2), n_frames)

    def encode_audio(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise songs from waveforms (B, samples): song logits (B, n_songs), representation (B, D, frames)."""
        z = self.represent(self.features.to(audio.device)(audio))
        return evidence(centre(z), self.memory, self.memory_lengths, MEMORY_TEMPERATURE), z

    def for_songs(self, names: Sequence[str], songs: Songs) -> Self:
        """Return a decoder that recognises some of the songs it was trained on, in any order.

        Raises
        ------
        WrongUsage
            A song is not one of those.
        """
        trained = self.settings.songs
        unknown = [name for name in names if name not in trained]
        if unknown:
            raise WrongUsage(
                f"A decoder of PredANN++ can only recognise the songs that it was trained on ({', '.join(trained)}),"
                f" and no others such as {unknown[0]}."
            )
        rows = [trained.index(name) for name in names]
        frames = max(1, max(songs.audio(index).shape[1] for index in range(len(songs))) // FRAME)
        other = type(self)(replace(self.settings, songs=tuple(names), memory_frames=frames))
        state = {key: value for key, value in self.state_dict().items() if not key.startswith("memory")}
        state["head.layers.4.weight"] = state["head.layers.4.weight"][rows]
        other.load_state_dict(state, strict=False)
        other.eval().remember(songs)
        return other

    def _heard(self, songs: Songs, song: int) -> Tensor:
        return songs.audio(song)[: self.settings.n_bands]

    def _tokens_in(self, samples: int) -> int:
        """Return the number of music tokens in so many EEG samples."""
        return max(1, round(samples / self.settings.rate_hz * token_rate(self.settings.n_bands)))


@DECODERS.add("eeg-transformer-mean")
class MeanDecoder(PlusPlusDecoder):
    """The same, but songs are named from the mean over all tokens."""

    takes_mean = True

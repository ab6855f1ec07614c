"""The linear decoder: a backward temporal response function from EEG to onset envelope and spectral flux."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from predann_bids.arrays import Doubles
from predann_bids.config import Training
from predann_bids.models.audio.by_hand import NAMES
from predann_bids.models.closed_form import ClosedForm, TrainingData
from predann_bids.models.decoder import DECODERS, Blueprint, OnProgress, Songs, silent
from predann_bids.models.linear.backward import BackwardModel, halved, ridge
from predann_bids.models.memory import at_one_moment, evidence, padded
from predann_bids.models.settings import Settings
from predann_bids.signals.halves import HALVING
from predann_bids.signals.scaling import SHRINKAGE
from predann_bids.timing import Rate

TEMPERATURE = 0.05


@dataclass(frozen=True)
class LinearSettings(Settings):
    """Settings of a linear decoder, in addition to those of all decoders.

    Parameters
    ----------
    memory_temperature : float
        Divides similarities before they are summed over moments.
    """

    memory_temperature: float = TEMPERATURE
    features: str = "onsets"


@DECODERS.add("linear")
class LinearDecoder(ClosedForm):
    """A linear decoder. The representation that it predicts consists of audio features; it is not learned."""

    at_once = 256
    samples_per_frame = HALVING
    by_feature = True
    by_contrast = False
    suffix = "npz"
    settings_class = LinearSettings
    settings: LinearSettings

    def __init__(self, settings: LinearSettings, model: BackwardModel) -> None:
        super().__init__()
        self.settings, self.model = settings, model
        self._memory = padded([torch.zeros(len(NAMES), 0)])

    @classmethod
    def features_for(cls, training: Training) -> str:  # noqa: ARG003, D102
        return "onsets"

    @classmethod
    def candidates(cls, data: TrainingData, settings: LinearSettings) -> Iterator[Self]:  # noqa: D102
        lags = np.array(data.lags().eeg)
        for alpha, coefficients in ridge(*data.joined(), lags, Rate(settings.rate_hz / HALVING)).items():
            whitened = settings.shrinkage is not None
            yield cls(settings, BackwardModel(coefficients, lags, alpha, np.nan, whitened, settings.memory_temperature))

    def chosen(self, agreement: float, temperature: float, each: Doubles) -> Self:  # noqa: ARG002, D102
        model = replace(self.model, correlation=agreement, temperature=temperature)
        return type(self)(replace(self.settings, memory_temperature=temperature), model)

    def encode_eeg(self, eeg: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise songs from EEG (B, C, T): song logits (B, n_songs), reconstructed features (B, 2, T // 2)."""
        features = self.predict(eeg)
        return self.song_logits(features), features

    def predict(self, eeg: Tensor) -> Tensor:  # noqa: D102
        return torch.from_numpy(self.model.reconstruct(eeg.numpy()))

    def encode_audio(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise songs from waveforms (B, samples): song logits (B, n_songs), features (B, 2, frames)."""
        features = torch.from_numpy(halved(self.features(audio).numpy()))
        return self.song_logits(features), features

    def song_logits(self, representation: Tensor) -> Tensor:  # noqa: D102
        centred = representation - representation.mean(dim=2, keepdim=True)
        return evidence(centred, *self._memory, self.settings.memory_temperature, by_feature=True)

    def match(self, representation: Tensor, moments: Tensor) -> Tensor:  # noqa: D102
        first = torch.div(moments, HALVING, rounding_mode="floor")
        return at_one_moment(representation, *self._memory, first, by_feature=True)

    def remember(self, songs: Songs) -> None:
        """Store the features of whole songs."""
        self._memory = padded(self.represent_songs(songs))

    def represent_songs(self, songs: Songs, on_progress: OnProgress = silent) -> tuple[Tensor, ...]:  # noqa: ARG002
        """Return the features of whole songs, at half the rate of the EEG."""
        return tuple(torch.from_numpy(halved(songs.audio(index).numpy())) for index in range(len(songs)))

    def for_songs(self, names: Sequence[str], songs: Songs) -> Self:
        """Return the same decoder with the features of other songs."""
        other = type(self)(replace(self.settings, songs=tuple(names)), self.model)
        other.remember(songs)
        return other

    def save(self, path: Path, facts: Mapping[str, Any]) -> None:  # noqa: ARG002 - the file beside it says it
        """Write the coefficients as .npz, without `facts`."""
        self.model.save(path)

    @classmethod
    def load(cls, path: Path, blueprint: Blueprint, songs: Songs) -> Self:  # noqa: D102
        model = BackwardModel.load(path)
        shrinkage = SHRINKAGE if model.whitened else None
        settings = replace(
            cls.settings_for(blueprint), shrinkage=shrinkage, memory_temperature=model.temperature or TEMPERATURE
        )
        decoder = cls(settings, model)
        decoder.remember(songs)
        return decoder

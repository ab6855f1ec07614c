"""The linear decoder: a backward temporal response function from EEG to onset envelope and spectral flux."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from predann_bids.arrays import Doubles
from predann_bids.config import Training
from predann_bids.models.audio.onsets import NAMES
from predann_bids.models.closed_form import ClosedForm
from predann_bids.models.decoder import DECODERS, Blueprint, MomentMatcher, OnProgress, Songs, silent
from predann_bids.models.linear.backward import BackwardModel, halved, ridge
from predann_bids.models.memory import at_one_moment, evidence, padded
from predann_bids.models.settings import Settings
from predann_bids.timing import Rate

HALVING = 2  # EEG samples per frame of a representation


@dataclass(frozen=True)
class LinearSettings(Settings):
    """Settings of a linear decoder, in addition to those of all decoders.

    Parameters
    ----------
    whitened : bool
        Whether the input is whitened EEG; else it is only standardised.
    memory_temperature : float
        Divides similarities before they are summed over moments.
    """

    whitened: bool = False
    memory_temperature: float = 0.05
    features: str = "onsets"


@DECODERS.add("linear")
class LinearDecoder(ClosedForm, MomentMatcher):
    """A linear decoder. The representation that it predicts consists of audio features; it is not learned."""

    at_once = 256
    samples_per_frame = HALVING
    by_feature = True
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
    def solve(  # noqa: D102
        cls, eeg: Doubles, audio: Doubles, settings: LinearSettings, first_lag: int, n_lags: int
    ) -> list[Self]:
        lags = first_lag + np.arange(n_lags)
        solutions = ridge(eeg, audio, lags, Rate(settings.rate_hz / HALVING))
        models = [
            BackwardModel(coefficients, lags, alpha, np.nan, settings.whitened)
            for alpha, coefficients in solutions.items()
        ]
        return [cls(settings, model) for model in models]

    def chosen(self, correlation: float) -> Self:  # noqa: D102
        return type(self)(self.settings, replace(self.model, correlation=correlation))

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
        decoder = cls(replace(cls.settings_for(blueprint), whitened=model.whitened), model)
        decoder.remember(songs)
        return decoder

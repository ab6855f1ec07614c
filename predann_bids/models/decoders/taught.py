"""Canonical correlation analysis that takes the features of a teacher beside those made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from predann_bids.config import Training
from predann_bids.models.audio.by_hand import BY_HAND
from predann_bids.models.audio.features import AudioFeatures
from predann_bids.models.audio.teacher import heard_features, taught_features
from predann_bids.models.closed_form import TrainingData
from predann_bids.models.decoder import DECODERS, Blueprint
from predann_bids.models.decoders.filters import COMPONENTS, EEG_ALPHAS, SHRINKAGES, CanonicalDecoder, FilterSettings
from predann_bids.models.linear.filters import canonical_filters
from predann_bids.signals.frames import Reduction

AUDIO_ALPHAS = (0.3, 3.0, 30.0)  # more features need stronger regularisation


@dataclass(frozen=True)
class TaughtSettings(FilterSettings):
    """Settings of a decoder that takes a teacher's features.

    Parameters
    ----------
    features : str
        Name of the teacher, or of several.
    beside : str
        Name of features whose part made by hand lies below the teacher's; empty for none.
    """

    beside: str = ""


@DECODERS.add("cca_teacher")
class TaughtCanonicalDecoder(CanonicalDecoder):
    """Canonical correlation analysis of lagged EEG with the features of a teacher, and with levels and onsets in bands.

    What a network adds to its teacher is what it adds to this decoder. Many features of a teacher are reduced to
    principal components, as they are for networks.
    """

    hears_teacher = True
    settings_class = TaughtSettings
    settings: TaughtSettings

    @classmethod
    def features_for(cls, training: Training) -> str:
        """Return the name of the features of the teacher, or of several."""
        return taught_features(training)

    @classmethod
    def beside_for(cls, training: Training) -> str:  # noqa: ARG003, D102
        return "spectra"

    @classmethod
    def settings_for(cls, blueprint: Blueprint) -> TaughtSettings:  # noqa: D102
        return cls.settings_class(**blueprint.common(), beside=blueprint.beside)

    @classmethod
    def candidates(cls, data: TrainingData, settings: FilterSettings) -> Iterator[Self]:
        """Solve from features (F, frames) of the teacher, reduced, and by hand; see `ClosedForm.candidates`."""
        for shrinkage, covariances in data.covariances(data.lags(cls.reach_s), SHRINKAGES).items():
            for banks in canonical_filters(covariances, EEG_ALPHAS, AUDIO_ALPHAS, max(COMPONENTS)):
                for number in COMPONENTS:
                    yield cls(replace(settings, shrinkage=shrinkage), banks.first(number))

    @cached_property
    def features(self) -> AudioFeatures:
        """The features of the teacher with those made by hand."""
        return heard_features(self.settings.features, self.settings.beside, self.settings.rate_hz)

    def reducing(self, reduction: Reduction | None) -> Self:
        """Return the same decoder for the teacher's features as they are; it was solved from reduced ones.

        Parameters
        ----------
        reduction : Reduction, optional
            None if they were not reduced.
        """
        return type(self)(self.settings, self.banks, self.agreement, reduction, self.each)

    def _taken(self, features: Tensor) -> Tensor:
        if not self.reduction:
            return features
        parts = (self.reduction.mean, self.reduction.directions)
        mean, directions = (torch.from_numpy(part).to(features) for part in parts)
        reduced = directions @ (features[:, :-BY_HAND] - mean[:, None])
        return torch.cat([reduced, features[:, -BY_HAND:]], dim=1)

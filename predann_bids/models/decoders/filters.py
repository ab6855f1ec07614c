"""Closed-form decoders with two banks of filters, one for EEG and one for audio: multiband ridge regression and CCA."""

from __future__ import annotations

import zipfile
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from predann_bids.arrays import Doubles
from predann_bids.config import Training
from predann_bids.errors import ReadOrWriteFailed, UnusableData
from predann_bids.files import written_whole
from predann_bids.models.audio.by_hand import BY_HAND, NAMES
from predann_bids.models.audio.features import FEATURES
from predann_bids.models.closed_form import ClosedForm, TrainingData
from predann_bids.models.decoder import DECODERS, Blueprint, OnProgress, Songs, silent
from predann_bids.models.linear.covariances import Covariances
from predann_bids.models.linear.filters import FilterBanks, canonical_filters, ridge_filters
from predann_bids.models.memory import at_one_moment, evidence, padded
from predann_bids.models.settings import Settings
from predann_bids.models.temporal.layers import centre
from predann_bids.signals.frames import Reduction
from predann_bids.signals.halves import HALVING, halve

SHRINKAGES = (None, 1e-3, 0.1, 1.0)  # ways to whiten the EEG that are tried
RIDGE_ALPHAS = (0.01, 0.1, 1.0, 10.0, 100.0)
EEG_ALPHAS = (0.1, 1.0, 10.0)
AUDIO_ALPHAS = (0.3, 3.0)
COMPONENTS = (2, 4, 8, 16)


@dataclass(frozen=True)
class FilterSettings(Settings):
    """Settings of a decoder with two banks of filters, in addition to those of all decoders.

    Parameters
    ----------
    memory_temperature : float
        Divides similarities before they are summed over moments.
    """

    memory_temperature: float = 0.05
    features: str = "spectra"


class FilterDecoder(ClosedForm):
    """A decoder whose representations are filtered EEG and filtered audio features.

    Parameters
    ----------
    settings : FilterSettings
        What it is built from.
    banks : FilterBanks
        Its filters.
    agreement : float
        What it was chosen by; NaN if it was not.
    reduction : Reduction, optional
        What the features of a teacher go through before they are filtered.
    each : ndarray, shape (n,), optional
        The information in nats that each of the windows gave that it was chosen by.

    Attributes
    ----------
    reach_s : float
        How far the filters of the audio reach to either side.
    hears_teacher : bool
        Whether they take the features of a teacher, too.
    """

    at_once = 256
    samples_per_frame = HALVING
    suffix = "npz"
    settings_class = FilterSettings
    settings: FilterSettings
    reach_s: ClassVar[float] = 0.0
    hears_teacher: ClassVar[bool] = False

    def __init__(
        self,
        settings: FilterSettings,
        banks: FilterBanks,
        agreement: float = np.nan,
        reduction: Reduction | None = None,
        each: Doubles | None = None,
    ) -> None:
        super().__init__()
        self.settings, self.banks, self.agreement, self.reduction = settings, banks, agreement, reduction
        self.each = each
        self._memory = padded([torch.zeros(len(banks.eeg), 0)])

    @classmethod
    def features_for(cls, training: Training) -> str:  # noqa: ARG003, D102
        return "spectra"

    @classmethod
    def candidates(cls, data: TrainingData, settings: FilterSettings) -> Iterator[Self]:  # noqa: D102
        by_hand = FEATURES[settings.features].by_hand
        for shrinkage, covariances in data.covariances(data.lags(cls.reach_s), SHRINKAGES).items():
            for banks in cls.solutions(covariances.of_features(by_hand)):
                yield cls(replace(settings, shrinkage=shrinkage), banks)

    @classmethod
    @abstractmethod
    def solutions(cls, covariances: Covariances) -> Iterator[FilterBanks]:
        """Solve for filters with each regularisation that is tried."""

    @property
    def rank(self) -> int:  # noqa: D102
        return self.banks.rank

    def chosen(self, agreement: float, temperature: float, each: Doubles) -> Self:  # noqa: D102
        settings = replace(self.settings, memory_temperature=temperature)
        return type(self)(settings, self.banks, agreement, self.reduction, each)

    def encode_eeg(self, eeg: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise songs from EEG (B, C, T): song logits (B, n_songs), components (B, D, T // 2)."""
        components = self.predict(eeg)
        return self.song_logits(components), components

    def predict(self, eeg: Tensor) -> Tensor:  # noqa: D102
        return centre(self.banks.filter_eeg(halve(eeg)))

    def encode_audio(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise songs from waveforms (B, samples): song logits (B, n_songs), components (B, D, frames)."""
        components = centre(self._filtered(self.features(audio)))
        return self.song_logits(components), components

    def song_logits(self, representation: Tensor) -> Tensor:  # noqa: D102
        return evidence(representation, *self._memory, self.settings.memory_temperature)

    def match(self, representation: Tensor, moments: Tensor) -> Tensor:  # noqa: D102
        first = torch.div(moments, HALVING, rounding_mode="floor")
        return at_one_moment(representation, *self._memory, first)

    def remember(self, songs: Songs) -> None:
        """Store the components of whole songs."""
        self._memory = padded(self.represent_songs(songs))

    def represent_songs(self, songs: Songs, on_progress: OnProgress = silent) -> tuple[Tensor, ...]:  # noqa: ARG002
        """Return the components of whole songs."""
        return tuple(self._filtered(songs.audio(index)[None])[0] for index in range(len(songs)))

    def _filtered(self, features: Tensor) -> Tensor:
        return self.banks.filter_audio(halve(self._taken(features)))

    def _taken(self, features: Tensor) -> Tensor:
        """Cut those of the audio features (B, bands, frames) that the filters take."""
        return features[:, FEATURES[self.settings.features].by_hand]

    def for_songs(self, names: Sequence[str], songs: Songs) -> Self:
        """Return the same decoder with the components of other songs."""
        settings = replace(self.settings, songs=tuple(names))
        other = type(self)(settings, self.banks, self.agreement, self.reduction, self.each)
        other.remember(songs)
        return other

    def save(self, path: Path, facts: Mapping[str, Any]) -> None:  # noqa: ARG002 - the file beside it says it
        """Write filters and what was chosen as .npz, without `facts`."""
        content: dict[str, Any] = {
            "eeg": self.banks.eeg,
            "audio": self.banks.audio,
            "shrinkage": np.nan if self.settings.shrinkage is None else self.settings.shrinkage,
            "temperature": self.settings.memory_temperature,
            "agreement": self.agreement,
            "first_lag": self.banks.first_lag,
        }
        if self.each is not None:
            content["information"] = self.each
        if self.reduction:
            content |= {"reduction_mean": self.reduction.mean, "reduction_directions": self.reduction.directions}
        with written_whole(path) as beside, beside.open("wb") as file:
            np.savez(file, **content)

    @classmethod
    def load(cls, path: Path, blueprint: Blueprint, songs: Songs) -> Self:
        """Read what `save` wrote; see `read_filters` for errors."""
        saved = read_filters(path)
        shrinkage = None if np.isnan(saved.shrinkage) else saved.shrinkage
        settings = replace(cls.settings_for(blueprint), shrinkage=shrinkage, memory_temperature=saved.temperature)
        decoder = cls(settings, saved.banks, saved.agreement, saved.reduction, saved.each)
        decoder.remember(songs)
        return decoder


class SavedFilters(NamedTuple):
    """What a file of filters says; see `FilterDecoder`."""

    banks: FilterBanks
    shrinkage: float
    temperature: float
    agreement: float
    reduction: Reduction | None
    each: Doubles | None


def read_filters(path: Path) -> SavedFilters:
    """Read the filters that a decoder has saved, what was chosen with them, and how a teacher's features are reduced.

    Raises
    ------
    ReadOrWriteFailed
        The file cannot be read.
    UnusableData
        The file holds no filters.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            plain = {name: content[name].item() for name in ("shrinkage", "temperature", "agreement")}
            banks = FilterBanks(content["eeg"], int(content["first_lag"]), content["audio"])
            reduces = "reduction_mean" in content.files
            reduction = Reduction(content["reduction_mean"], content["reduction_directions"]) if reduces else None
            each = content["information"] if "information" in content.files else None
            return SavedFilters(banks, **plain, reduction=reduction, each=each)
    except OSError as error:
        raise ReadOrWriteFailed(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UnusableData(f"{path} holds no filters ({error}). Run the group level again.") from error


@DECODERS.add("ridge")
class RidgeDecoder(FilterDecoder):
    """Ridge regression from lagged EEG to levels and onsets in bands and to the broadband onset features.

    Unless validation data clearly speak for counting all features alike, or the broadband features alone, the bands
    and the broadband features count the same.
    """

    @classmethod
    def solutions(cls, covariances: Covariances) -> Iterator[FilterBanks]:  # noqa: D102
        by_hand = covariances.audio.shape[1] == BY_HAND  # a teacher's features are not divided into bands and broadband
        for banks in ridge_filters(covariances, RIDGE_ALPHAS):
            if by_hand:
                yield banks.balanced(len(NAMES))
                yield banks.last(len(NAMES)).ranked(1)
            yield banks.ranked(1)


@DECODERS.add("cca")
class CanonicalDecoder(FilterDecoder):
    """Canonical correlation analysis of lagged EEG with lagged levels and onsets in bands."""

    reach_s = 0.13

    @classmethod
    def solutions(cls, covariances: Covariances) -> Iterator[FilterBanks]:  # noqa: D102
        for banks in canonical_filters(covariances, EEG_ALPHAS, AUDIO_ALPHAS, max(COMPONENTS)):
            yield from (banks.first(number) for number in COMPONENTS)

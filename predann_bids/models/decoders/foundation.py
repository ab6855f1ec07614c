"""Decoders whose EEG network is a foundation model of EEG: `--encoders labram` or `--encoders labram:WEIGHTS`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from predann_bids.arrays import Doubles
from predann_bids.config import Training
from predann_bids.models.decoder import DECODERS, Blueprint
from predann_bids.models.decoders.temporal import TemporalDecoder, TemporalSettings
from predann_bids.models.foundation.encoder import FoundationEegEncoder
from predann_bids.models.foundation.files import read_sizes, weights_path
from predann_bids.models.foundation.interface import FOUNDATION, FoundationModel
from predann_bids.signals.montage import Place
from predann_bids.timing import Rate

PROCESS_GB = 1.1  # of a training, without its weights


@dataclass(frozen=True)
class FoundationSettings(TemporalSettings):
    """Settings of a decoder with a foundation model, in addition to those of a temporal decoder.

    Parameters
    ----------
    weights : str
        File that its weights came from; empty if they were drawn at random.
    sizes : str
        Sizes of the model that differ from the usual ones, as JSON.
    frozen : bool
        Whether the model is not trained.
    heard : tuple of str
        The model's names of the channels that it hears.
    montage : tuple of float
        Weight of each recorded channel in each of them, one row after the other.
    places : tuple of float
        Coordinates of each of them, if the model asks.
    """

    weights: str = ""
    sizes: str = "{}"
    frozen: bool = False
    heard: tuple[str, ...] = ()
    montage: tuple[float, ...] = ()
    places: tuple[float, ...] = ()


class FoundationDecoder(TemporalDecoder):
    """A temporal decoder whose EEG network is a foundation model.

    Attributes
    ----------
    foundation : str
        Registered name of the model.
    weights_gb, window_gb : float
        Memory of a training on processors: of weights, gradients and optimiser, and of 3 s of 64 channels; see
        docs/encoders.md.
    """

    foundation: ClassVar[str]
    weights_gb: ClassVar[float]
    window_gb: ClassVar[float]
    at_once = 16
    is_large = True
    settings_class = FoundationSettings
    settings: FoundationSettings
    eeg_encoder: FoundationEegEncoder

    @classmethod
    def model(cls) -> FoundationModel:
        """Return the model."""
        return FOUNDATION[cls.foundation]()

    @classmethod
    def check(cls, kind: str) -> None:  # noqa: D102
        cls.model().refuse_missing_package()
        weights_path(kind)

    @classmethod
    def channel_notes(  # noqa: D102
        cls, kind: str, channels: Sequence[str], positions: Mapping[str, Place]
    ) -> tuple[str, ...]:
        model = cls.model()
        return model.hear(channels, positions, weights_path(kind)).notes(model.title)

    @classmethod
    def memory_gb(cls, batch_size: int, audio_s: float = 3.0) -> float:  # noqa: D102
        return PROCESS_GB + cls.weights_gb + cls.window_gb * max(1.0, audio_s / 3) * batch_size

    @classmethod
    def settings_for(cls, blueprint: Blueprint) -> FoundationSettings:  # noqa: D102
        settings = super().settings_for(blueprint)
        assert isinstance(settings, FoundationSettings)
        model, file = cls.model(), weights_path(blueprint.kind)
        heard = model.hear(blueprint.channels, blueprint.positions, file)
        given = read_sizes(file) if file else {}
        return replace(
            settings,
            weights=str(file.resolve()) if file else "",
            sizes=json.dumps({name: given[name] for name in model.sizes if name in given}),
            frozen=blueprint.eeg_encoder == "frozen",
            heard=heard.names,
            montage=tuple(float(weight) for row in heard.weights for weight in row),
            places=tuple(coordinate for place in heard.places for coordinate in place),
        )

    def make_eeg_encoder(self, settings: TemporalSettings) -> nn.Module:
        """Return the foundation model with its head, both with random weights."""
        assert isinstance(settings, FoundationSettings)
        return FoundationEegEncoder(
            self.model(),
            settings.heard,
            torch.tensor(settings.montage).view(len(settings.heard), len(settings.channels)),
            torch.tensor(settings.places).view(-1, 3),
            rate_hz=settings.rate_hz,
            samples=Rate(settings.rate_hz).samples(settings.window_s),
            dimensions=settings.dimensions,
            sizes=json.loads(settings.sizes),
            frozen=settings.frozen,
            dropout=settings.channel_dropout,
        )

    def begin(self, covariance: Doubles | None) -> None:  # noqa: D102
        file = Path(self.settings.weights) if self.settings.weights else None
        self.eeg_encoder.begin(file, covariance, self.settings.shrinkage)

    def parameter_groups(self, training: Training) -> list[dict[str, Any]]:
        """Return what is trained: the foundation model, unless it is frozen, in smaller steps than all else."""
        large = list(self.eeg_encoder.network.parameters())
        known = {id(parameter) for parameter in large}
        groups: list[dict[str, Any]] = [{"params": [p for p in self.parameters() if id(p) not in known]}]
        if not self.settings.frozen:
            groups.append({"params": large, "lr": training.eeg_encoder_learning_rate})
        return groups


@DECODERS.add("labram")
class LabramDecoder(FoundationDecoder):
    """A decoder with LaBraM."""

    foundation, title, weights_gb, window_gb = "labram", "LaBraM", 0.1, 0.1


@DECODERS.add("cbramod")
class CBraModDecoder(FoundationDecoder):
    """A decoder with CBraMod."""

    foundation, title, weights_gb, window_gb = "cbramod", "CBraMod", 0.1, 0.1


@DECODERS.add("biot")
class BiotDecoder(FoundationDecoder):
    """A decoder with BIOT."""

    foundation, title, weights_gb, window_gb = "biot", "BIOT", 0.05, 0.02


@DECODERS.add("reve")
class ReveDecoder(FoundationDecoder):
    """A decoder with REVE."""

    foundation, title, weights_gb, window_gb = "reve", "REVE", 1.1, 0.45

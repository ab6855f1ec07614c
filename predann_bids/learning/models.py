"""The table of models that a run evaluates side by side: one row for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from predann_bids.config import Science, Training

By = Literal["logits", "match", "retrieval"]  # "retrieval": the right window ranks first among all windows
Question = Literal["baseline", "linear"]


@dataclass(frozen=True)
class Model:
    """A kind of model.

    Parameters
    ----------
    name : str
        Name in files and in metrics.json.
    fitted : str
        How the model is fitted: a network in epochs, a decoder in closed form, or a classifier that is not a decoder
        and is not saved.
    suffix : str
        Extension of its file; empty if it is not saved.
    decoder : str
        Registered name of the decoder; empty for the network that the configuration names.
    whitened : bool
        Whether its input is whitened EEG.
    weight : float, optional
        Weight of PredANN in its training; by default as configured.
    has_song_logits : bool
        Whether its song logits are evaluated.
    scored : bool
        Whether it is one of the models of metrics.json.
    controlled : bool
        Whether it is also evaluated on control data.
    rival : str, optional
        Question that the comparison of PredANN with this model answers. The p-values of one question are corrected
        together.
    compared_by : tuple of str
        Kinds of accuracy by which PredANN is compared with it.
    """

    name: str
    fitted: Literal["in epochs", "in closed form", "as a classifier"]
    suffix: str
    decoder: str = ""
    whitened: bool = True
    weight: float | None = None
    has_song_logits: bool = True
    scored: bool = True
    controlled: bool = True
    rival: Question | None = None
    compared_by: tuple[By, ...] = ()

    @property
    def in_epochs(self) -> bool:
        """Whether it is trained in epochs, once with each seed."""
        return self.fitted == "in epochs"

    def training(self, training: Training, seed: int) -> Training:
        """Return the training configuration of this model for one seed."""
        weight = training.predann_weight if self.weight is None else self.weight
        return training.model_copy(update={"predann_weight": weight, "seed": seed, "n_seeds": 1, "seeds": ()})


PREDANN = Model("predann", "in epochs", "ckpt")
BASELINE = Model(
    "baseline",
    "in epochs",
    "ckpt",
    weight=0.0,
    controlled=False,
    rival="baseline",
    compared_by=("logits", "match", "retrieval"),
)
LINEAR = Model(
    "linear",
    "in closed form",
    "npz",
    decoder="linear",
    whitened=False,
    has_song_logits=False,
    rival="linear",
    compared_by=("match", "retrieval"),
)
LINEAR_WHITENED = Model(
    "linear_whitened",
    "in closed form",
    "npz",
    decoder="linear",
    has_song_logits=False,
    controlled=False,
    rival="linear",
    compared_by=("match", "retrieval"),
)
BAND_POWER = Model("band_power", "as a classifier", "", whitened=False, scored=False)

MODELS: Mapping[str, Model] = {model.name: model for model in (PREDANN, BASELINE, LINEAR, LINEAR_WHITENED, BAND_POWER)}


def evaluated_models(science: Science) -> tuple[Model, ...]:
    """List the models that a configuration asks for on real data, PredANN first."""
    wanted = {"baseline": science.training.baseline, "linear": science.evaluation.linear}
    return tuple(model for model in MODELS.values() if model.scored and (not model.rival or wanted[model.rival]))

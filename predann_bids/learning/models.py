"""The models that a run evaluates side by side: one row for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from predann_bids.config import Science, Training

By = Literal["logits", "match", "retrieval"]  # the last: the right one of all windows ranks first
Question = Literal["baseline", "linear"]


@dataclass(frozen=True)
class Model:
    """A kind of model.

    Parameters
    ----------
    name : str
        In files and in metrics.json.
    fitted : str
        How: a network in epochs, a decoder in closed form, or a classifier that is no decoder and is not kept.
    suffix : str
        Extension of the file that it is kept in; empty for none.
    decoder : str
        Registered name of the decoder; empty for the network that the configuration names.
    whitened : bool
        Whether it takes whitened EEG.
    weight : float, optional
        Weight of PredANN in its training; as configured if None.
    names_songs : bool
        Whether its song logits are evaluated.
    scored : bool
        Whether it is one of the models of metrics.json.
    controlled : bool
        Whether it is also evaluated on control data.
    rival : str, optional
        Question that comparing PredANN with it answers; comparisons for one question are corrected together.
    compared_by : tuple of str
        Ways in which PredANN is compared with it.
    """

    name: str
    fitted: Literal["in epochs", "in closed form", "as a classifier"]
    suffix: str
    decoder: str = ""
    whitened: bool = True
    weight: float | None = None
    names_songs: bool = True
    scored: bool = True
    controlled: bool = True
    rival: Question | None = None
    compared_by: tuple[By, ...] = ()

    @property
    def in_epochs(self) -> bool:
        """Whether it is trained in epochs, once with each seed."""
        return self.fitted == "in epochs"

    def training(self, training: Training, seed: int) -> Training:
        """Return the configuration of its training with one seed."""
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
    names_songs=False,
    rival="linear",
    compared_by=("match", "retrieval"),
)
LINEAR_WHITENED = Model(
    "linear_whitened",
    "in closed form",
    "npz",
    decoder="linear",
    names_songs=False,
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

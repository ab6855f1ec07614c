"""The table of models that a run evaluates side by side: one row for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from predann_bids.config import Science, Training
from predann_bids.models.decoder import DECODERS
from predann_bids.signals.scaling import SHRINKAGE

By = Literal["logits", "match", "retrieval"]  # "retrieval": the right window ranks first among all windows
Question = Literal["baseline", "linear"]
Moments = Literal["others", "own", "all"]


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
    shrinkage : float, optional
        Shrinkage with which its EEG is whitened, unless that is chosen; None if it is only standardised.
    weight : float, optional
        Weight of PredANN in its training; by default as configured.
    moments : str, optional
        What its song logits are computed from in training, see `config.Training`; by default as configured.
    started : bool
        Whether the network contains a closed-form decoder, if it is of a kind that can.
    scored : bool
        Whether it is one of the models of metrics.json.
    controlled : bool
        Whether it is also evaluated on control data.
    rival : str, optional
        Question that the comparison of PredANN with this model answers. The p-values of one question are corrected
        together.
    compared_by : tuple of str
        Kinds of accuracy by which PredANN is compared with it.
    taught : bool
        Whether it hears the teacher, though it is not trained in epochs; it is left out where there is none.
    """

    name: str
    fitted: Literal["in epochs", "in closed form", "as a classifier"]
    suffix: str
    decoder: str = ""
    shrinkage: float | None = SHRINKAGE
    weight: float | None = None
    moments: Moments | None = None
    started: bool = True
    scored: bool = True
    controlled: bool = True
    rival: Question | None = None
    compared_by: tuple[By, ...] = ()
    taught: bool = False

    @property
    def hears_teacher(self) -> bool:
        """Whether what it is depends on the teacher."""
        return self.in_epochs or self.taught

    @property
    def in_epochs(self) -> bool:
        """Whether it is trained in epochs, once with each seed."""
        return self.fitted == "in epochs"

    def training(self, training: Training, seed: int) -> Training:
        """Return the training configuration of this model for one seed."""
        weight = training.predann_weight if self.weight is None else self.weight
        moments = self.moments or training.moments
        changes = {"predann_weight": weight, "moments": moments, "seed": seed, "n_seeds": 1, "seeds": ()}
        return training.model_copy(update=changes)


PREDANN = Model("predann", "in epochs", "ckpt")
BASELINE = Model(
    "baseline",
    "in epochs",
    "ckpt",
    weight=0.0,
    moments="all",
    started=False,
    controlled=False,
    rival="baseline",
    compared_by=("logits",),
)
OWN_MOMENT = Model(
    "own_moment",
    "in epochs",
    "ckpt",
    weight=0.0,
    moments="own",
    controlled=False,
    rival="baseline",
    compared_by=("logits", "match", "retrieval"),
)
LINEAR = Model(
    "linear",
    "in closed form",
    "npz",
    decoder="linear",
    shrinkage=None,
    rival="linear",
    compared_by=("logits", "match", "retrieval"),
)
LINEAR_WHITENED = replace(LINEAR, name="linear_whitened", shrinkage=SHRINKAGE, controlled=False)
RIDGE = replace(LINEAR, name="ridge", decoder="ridge", controlled=False)
CCA = replace(LINEAR, name="cca", decoder="cca")
CCA_TEACHER = replace(LINEAR, name="cca_teacher", decoder="cca_teacher", controlled=False, taught=True)
BAND_POWER = Model("band_power", "as a classifier", "", shrinkage=None, scored=False)

_CLOSED_FORM = (LINEAR, LINEAR_WHITENED, RIDGE, CCA, CCA_TEACHER)
MODELS: Mapping[str, Model] = {m.name: m for m in (PREDANN, BASELINE, OWN_MOMENT, *_CLOSED_FORM, BAND_POWER)}


def evaluated_models(science: Science) -> tuple[Model, ...]:
    """List the models that a configuration asks for on real data, PredANN first."""
    wanted = {"baseline": science.training.baseline, "linear": science.evaluation.linear}
    network = DECODERS[science.training.encoders]
    left_out = set() if network.compares_moments else {OWN_MOMENT}
    if not network.beside_for(science.training):
        left_out.add(CCA_TEACHER)
    scored = [model for model in MODELS.values() if model.scored and model not in left_out]
    return tuple(model for model in scored if not model.rival or wanted[model.rival])

"""Fits: one model on one fold with one seed, done once; what a study consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from predann_bids import __version__
from predann_bids.config import Science, science_hash
from predann_bids.data.splits import Split
from predann_bids.files import read_json, write_text
from predann_bids.learning.evaluation.predictions import WindowPredictions, window_table
from predann_bids.learning.models import Model, evaluated_models
from predann_bids.models.foundation.files import weights_path
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.studies import Study

RANKS = "ranks_"
# increase these when teachers are used, or what new songs are decoded by is chosen, in another way: it is fitted anew
TAUGHT = "2"
NEW_SONGS = "songs left out in turn"


@dataclass(frozen=True)
class ModelFit:
    """One model on one fold with one seed.

    Parameters
    ----------
    study : Study
        What it belongs to.
    split : Split
        The fold.
    model : Model
        What is fitted.
    seed : int
        Seed of the training.
    execution : Execution
        How to run.
    training_fingerprint, fingerprint : str
        Of everything that the trained model, and what it says of the test windows, depend on.
    starts : tuple of ModelFit
        The closed-form decoders of the same fold, which a network may contain.
    """

    study: Study
    split: Split
    model: Model
    seed: int
    execution: Execution
    training_fingerprint: str = ""
    fingerprint: str = ""
    starts: tuple[ModelFit, ...] = ()

    @property
    def science(self) -> Science:
        """The study's configuration with this model's weight and seed."""
        training = self.model.training(self.study.science.training, self.seed)
        return self.study.science.model_copy(update={"training": training})

    def on_devices(self, number: int) -> ModelFit:
        """Return the same fit, for a number of devices that share it."""
        return replace(self, execution=replace(self.execution, devices_each=number))

    @property
    def title(self) -> str:
        """What to call it in progress messages."""
        return f"fold {self.split.fold}, {self.model.name}"

    @property
    def directory(self) -> Path:
        """Where it is kept: the fold's directory, with one more for each further seed."""
        fold = self.study.directory / f"fold-{self.split.fold}"
        return fold if self.seed == self.study.science.training.seed else fold / f"seed-{self.seed}"

    @property
    def trained(self) -> Path | None:
        """File of the trained model; none for what is not worth keeping."""
        name, suffix = self.model.name, self.model.suffix
        return self.study.given.get(name, self.directory / f"{name}.{suffix}") if suffix else None

    @property
    def outputs(self) -> Path:
        """What the model says of the test windows."""
        return self.directory / f"{self.model.name}_windows.npz"

    @property
    def history(self) -> Path | None:
        """Table of epochs, of what is trained in epochs."""
        is_trained = self.model.in_epochs and not self.study.given
        return self.directory / f"{self.model.name}_history.csv" if is_trained else None

    @property
    def marker(self) -> Path:
        """Written last: a fit is finished when this names its fingerprint."""
        return self.directory / f"{self.model.name}.json"

    @property
    def units(self) -> int:
        """How much work it is, for the progress bar."""
        return self.science.training.all_epochs if self.history else 1

    def is_trained(self) -> bool:
        """Whether the model is there, so that only what it says of the test windows may have to be made anew."""
        there = self.trained is not None and self.trained.is_file() and self.marker.is_file()
        return there and read_json(self.marker).get("TrainingHash") == self.training_fingerprint

    def is_finished(self) -> bool:
        """Whether it is done, with the same data and configuration."""
        files = [file for file in (self.trained, self.outputs, self.history, self.marker) if file]
        return all(f.is_file() for f in files) and read_json(self.marker).get("ScienceHash") == self.fingerprint


def list_fits(study: Study, sources: Sequence[Any], execution: Execution) -> list[ModelFit]:
    """List what a study consists of; `sources` are the fingerprints of the derivatives."""
    material, science = study.material, study.science
    seeds = science.training.all_seeds
    trials = [repr(trial) for trial in material.trials]
    excluded = sorted(material.excluded)
    data = (sources, material.audio.summary(), trials, material.rotations, excluded, __version__, *material.treatment())
    started = weights_path(science.training.encoders) if not study.given else None
    weights = study.contents[started] if started else None
    teachers = material.audio.identities and (*material.audio.identities, TAUGHT)
    choice = (NEW_SONGS,) if study.nature.unseen_songs and not study.given else ()
    fits: list[ModelFit] = []
    for split in study.splits:
        for model in study.models:
            several = model.in_epochs and not study.given
            for seed in seeds if several else seeds[:1]:
                fit = ModelFit(study, split, model, seed, execution)
                given = study.given.get(model.name)
                made = study.contents[given] if given else weights if model.in_epochs else None
                parts = training_parts(fit.science, model)
                heard = teachers if model.hears_teacher else ()
                trained = science_hash(
                    *parts, model.name, split.fold, science.training.seed, made, *data, *heard, *choice
                )
                outputs = science_hash(trained, science.windows, science.lengths)
                fits.append(replace(fit, training_fingerprint=trained, fingerprint=outputs))
    return [replace(fit, starts=_solved_in(fits, fit.split)) if fit.model.in_epochs else fit for fit in fits]


def _solved_in(fits: Sequence[ModelFit], split: Split) -> tuple[ModelFit, ...]:
    return tuple(fit for fit in fits if fit.split is split and fit.model.fitted == "in closed form")


def shared_models(one: Science, other: Science) -> int:
    """Count the models that two configurations train alike on the same data."""
    models = [model for model in evaluated_models(one) if model in evaluated_models(other)]
    pairs = [[_first_training(science, model) for science in (one, other)] for model in models]
    return sum(mine == theirs for mine, theirs in pairs)


def _first_training(science: Science, model: Model) -> tuple[Any, ...]:
    seed = science.training.seed  # of the folds, too
    training = model.training(science.training, seed)
    return seed, *training_parts(science.model_copy(update={"training": training}), model)


def training_parts(science: Science, model: Model) -> tuple[Any, ...]:
    """Return the parts of a configuration that a trained model depends on; the rest only matters when it is tested."""
    windows = science.windows.model_copy(update={"stride": 1.0})  # which training knows nothing of
    if model.taught:
        return windows, science.splitting, [str(teacher) for teacher in science.training.teachers]
    training = science.training.model_copy(update={"baseline": True}) if model.in_epochs else None
    return windows, science.splitting, training


def read_outputs(fits: Sequence[ModelFit]) -> dict[str, WindowPredictions]:
    """Pool what the fits of one study say, by the name of the model."""
    names = dict.fromkeys(fit.model.name for fit in fits)
    return {
        name: WindowPredictions.concatenate([read_fit(fit) for fit in fits if fit.model.name == name]) for name in names
    }


def read_fit(fit: ModelFit) -> WindowPredictions:
    """Read what one fit says."""
    with np.load(fit.outputs) as saved:
        arrays = {name: saved[name] for name in saved.files}
    trial, start = arrays["trial"], arrays["start"]
    material = fit.study.material
    trials = [material.trials[index] for index in trial]
    columns = {
        "seed": fit.seed,
        "fold": fit.split.fold,
        "participant": [t.participant for t in trials],
        "session": [t.session or "n/a" for t in trials],
        "task": [t.task or "n/a" for t in trials],
        "run": [t.run or "n/a" for t in trials],
        "trial": trial,
        "stimulus": [t.stimulus for t in trials],
        "onset": [t.onset + int(s) for t, s in zip(trials, start, strict=True)],
    }
    if "place" in arrays:
        columns["place"] = arrays["place"]
    ranks = {name.removeprefix(RANKS): column for name, column in arrays.items() if name.startswith(RANKS)}
    return WindowPredictions(
        window_table(columns, material.rate),
        arrays.get("probabilities"),
        arrays.get("similarities"),
        pd.DataFrame(ranks) if ranks else None,
    )


def read_history(fits: Sequence[ModelFit]) -> pd.DataFrame:
    """Pool the epochs of all decoders of a study, and write those of each fold beside it."""
    parts = []
    for fit in fits:
        if fit.history:
            part = pd.read_csv(fit.history)
            part.insert(0, "fold", fit.split.fold)
            part.insert(1, "model", fit.model.name)
            part.insert(2, "seed", fit.seed)
            parts.append(part)
    if not parts:
        return pd.DataFrame(columns=["fold", "model", "seed", "epoch"])
    whole = pd.concat(parts, ignore_index=True)
    for fold, rows in whole.groupby("fold"):
        write_text(fits[0].study.directory / f"fold-{fold}" / "history.csv", rows.to_csv(index=False))
    return whole

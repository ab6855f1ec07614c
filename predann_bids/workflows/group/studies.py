"""Fits and studies: the work of the group level in pieces that run at once, each done once.

A study is one protocol on one version of the data: the run itself, another split, or a control in which music and EEG
do not belong together. It consists of fits: one model of one kind, trained (or given) and tested on one fold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from predann_bids import __version__
from predann_bids.config import Science, science_hash
from predann_bids.data.splits import UNSEEN_SONGS, WITHIN_RECORDING, Split
from predann_bids.data.trials import Stretch
from predann_bids.data.windows import Windows, grid, place_in_spans
from predann_bids.files import read_json, write_text
from predann_bids.learning.evaluation import WindowPredictions, window_table
from predann_bids.learning.statistics import Grid, overlap_widening
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.material import Material
from predann_bids.workflows.group.notes import windows_before_and_after

DECODERS = ("predann", "baseline")
LINEAR = ("linear", "linear_whitened")
SIGNATURE = "band_power"
TRANSFER = "transfer"  # in place of a split: a decoder that was trained elsewhere
RANKS = "ranks_"
PLACING = 1004  # seed of where test windows are placed, beside those of the training

Task = TypeVar("Task")


@dataclass(frozen=True)
class Study:
    """One protocol on one version of the data.

    Parameters
    ----------
    science : Science
        Configuration, with the split of this study.
    material : Material
        Data.
    splits : tuple of Split
        Folds.
    models : tuple of str
        Which kinds of model.
    directory : Path
        Where it is kept.
    given : mapping of str to Path
        Models that were trained elsewhere, and are only tested here.
    all_songs_trained : bool
        Whether given models were trained on all songs that are tested.
    given_split : str
        How what given models are tested on was kept apart from what they were trained on.
    """

    science: Science
    material: Material
    splits: tuple[Split, ...]
    models: tuple[str, ...]
    directory: Path
    given: Mapping[str, Path] = field(default_factory=dict)
    all_songs_trained: bool = True
    given_split: str = TRANSFER

    @property
    def known_songs(self) -> bool:
        """Whether all songs that are tested have been trained on, so that they are classes of the song logits."""
        return self.all_songs_trained and self.split not in UNSEEN_SONGS

    @property
    def split(self) -> str:
        """Name of the split."""
        return self.given_split if self.given else self.science.splitting.split

    @property
    def is_within_recording(self) -> bool:
        """Whether parts of one recording are trained on and tested, so that its signature can pass for music."""
        return self.split in WITHIN_RECORDING

    @property
    def grid(self) -> Grid:
        """Layout of the test windows, and how intervals are made."""
        science = self.science
        return Grid(
            science.windows.length,
            science.windows.stride,
            science.lengths,
            science.evaluation.resamples,
            science.training.seed,
            self._widening(),
        )

    def _widening(self) -> float:
        def usable(stretches: Iterable[Stretch]) -> int:
            return sum(piece.span.length for stretch in stretches for piece in stretch.pieces(1))

        tested = sum(usable(split.test) for split in self.splits)
        trained = sum(usable((*split.train, *split.validation)) for split in self.splits)
        n = len(self.splits)
        return overlap_widening(n, tested / n, trained / n) if n > 1 else 1.0

    def tested_windows(self, split: Split) -> Windows:
        """Enumerate the windows that a fold is tested on, the same for all models and seeds."""
        windows, rate = self.science.windows, self.material.rate
        length, stride = rate.samples(windows.length), rate.samples(windows.stride)
        if windows.placing == "grid":
            return grid(split.test, length, stride)
        return place_in_spans(
            split.test,
            length,
            span=rate.samples(windows.span),
            span_stride=max(1, rate.samples(windows.span_stride)),
            stride=stride,
            following=1 + round((max(self.science.lengths) - windows.length) / windows.stride),
            rng=np.random.default_rng([self._dividing, split.fold, PLACING]),
        )

    @property
    def _dividing(self) -> int:
        """Seed of what must be the same for all decoders that are compared."""
        given = self.science.splitting.split_seed
        return self.science.training.seed if given == "auto" else given

    def validation_windows(self, split: Split) -> Windows:
        """Enumerate the windows that training is validated with: without a validation set, as published, the tested.

        Nothing is chosen by them then.
        """
        if not split.validation:
            return self.tested_windows(split).alone()
        length = self.material.rate.samples(self.science.windows.length)
        return grid(split.validation, length, max(1, length // 2))

    def protocol(self) -> dict[str, Any]:
        """Say what was done: the value `protocol` of metrics.json."""
        science = self.science
        used = {trial for split in self.splits for trial in self.tested_windows(split).trial.tolist()}
        return {
            "split": self.split,
            "n_folds": len(self.splits),
            "n_participants": len({self.material.trials[index].participant for index in used}),
            "n_stimuli": len(self.material.labels),
            "window": science.windows.length,
            "delay": science.windows.delay,
            "seed": science.training.seed,
            "n_seeds": 1 if self.given else len(science.training.all_seeds),
            "seeds": [] if self.given else list(science.training.all_seeds),
            "validated_on": "nothing" if self.given else "validation" if science.splitting.validation else "test",
            "preset": science.preset,
            **self._use_of_data(),
        }

    def _use_of_data(self) -> dict[str, Any]:
        material, windows = self.material, self.science.windows
        before, after = windows_before_and_after(material.trials, windows, material.rate)
        interpolated = material.montage.interpolated if material.montage else ()
        return {
            "channels": windows.channels,
            "n_interpolated_recordings": sum(number > 0 for number in interpolated),
            "windows_left_out": 1 - len(after) / max(1, len(before)),
        }


@dataclass(frozen=True)
class Fit:
    """One model of one kind on one fold."""

    study: Study
    split: Split
    model: str
    seed: int
    execution: Execution
    training_fingerprint: str = ""
    fingerprint: str = ""

    @property
    def science(self) -> Science:
        """The study's configuration with this model's weight and seed."""
        training = self.study.science.training
        weight = 0.0 if self.model == "baseline" else training.predann_weight
        changed = training.model_copy(update={"predann_weight": weight, "seed": self.seed, "n_seeds": 1, "seeds": ()})
        return self.study.science.model_copy(update={"training": changed})

    @property
    def directory(self) -> Path:
        """Where it is kept: the fold's directory, with one more for each further seed."""
        fold = self.study.directory / f"fold-{self.split.fold}"
        return fold if self.seed == self.study.science.training.seed else fold / f"seed-{self.seed}"

    @property
    def trained(self) -> Path | None:
        """File of the trained model; none for what is not worth keeping."""
        suffix = {"predann": "ckpt", "baseline": "ckpt", "linear": "npz", "linear_whitened": "npz"}.get(self.model)
        return self.study.given.get(self.model, self.directory / f"{self.model}.{suffix}") if suffix else None

    @property
    def outputs(self) -> Path:
        """What the model says of the test windows."""
        return self.directory / f"{self.model}_windows.npz"

    @property
    def history(self) -> Path | None:
        """Table of epochs, of what is trained in epochs."""
        is_trained = self.model in DECODERS and not self.study.given
        return self.directory / f"{self.model}_history.csv" if is_trained else None

    @property
    def marker(self) -> Path:
        """Written last: a fit is finished when this names its fingerprint."""
        return self.directory / f"{self.model}.json"

    @property
    def units(self) -> int:
        """How much work it is, for the progress bar."""
        return self.science.training.epochs if self.history else 1

    def is_trained(self) -> bool:
        """Tell whether the model is there, and only what it says of the test windows may have to be made anew."""
        there = self.trained is not None and self.trained.is_file() and self.marker.is_file()
        return there and read_json(self.marker).get("TrainingHash") == self.training_fingerprint

    def is_finished(self) -> bool:
        """Tell whether it is done, with the same data and configuration."""
        files = [file for file in (self.trained, self.outputs, self.history, self.marker) if file]
        return all(f.is_file() for f in files) and read_json(self.marker).get("ScienceHash") == self.fingerprint


def list_fits(study: Study, sources: Sequence[Any], execution: Execution) -> list[Fit]:
    """List what a study consists of; `sources` are the fingerprints of the derivatives."""
    material, science = study.material, study.science
    dividing, seeds = science.training.seed, science.training.all_seeds
    audio = [np.round(frames.mean(axis=1, dtype=np.float64), 4).tolist() for frames in material.spectra]
    trials = [repr(trial) for trial in material.trials]
    data = (sources, audio, trials, material.rotations, sorted(material.excluded), __version__, *material.treatment())
    fits = []
    for split in study.splits:
        for model in study.models:
            several = model in DECODERS and not study.given
            for seed in seeds if several else seeds[:1]:
                fit = Fit(study, split, model, seed, execution)
                given = study.given.get(model)
                made = given.stat().st_mtime_ns if given else None
                training = fit.science.training.model_copy(update={"baseline": True}) if model in DECODERS else None
                windows = science.windows.model_copy(update={"stride": 1.0})  # which training knows nothing of
                trained = science_hash(windows, science.splitting, training, model, split.fold, dividing, made, *data)
                outputs = science_hash(trained, science.windows, science.lengths)
                fits.append(replace(fit, training_fingerprint=trained, fingerprint=outputs))
    return fits


def read_outputs(fits: Sequence[Fit]) -> dict[str, WindowPredictions]:
    """Pool what the fits of one study say, by model."""
    models = dict.fromkeys(fit.model for fit in fits)
    return {m: WindowPredictions.concatenate([read_fit(fit) for fit in fits if fit.model == m]) for m in models}


def read_fit(fit: Fit) -> WindowPredictions:
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


def read_history(fits: Sequence[Fit]) -> pd.DataFrame:
    """Pool the epochs of all decoders of a study, and write those of each fold beside it."""
    parts = []
    for fit in fits:
        if fit.history:
            part = pd.read_csv(fit.history)
            part.insert(0, "fold", fit.split.fold)
            part.insert(1, "model", fit.model)
            part.insert(2, "seed", fit.seed)
            parts.append(part)
    if not parts:
        return pd.DataFrame(columns=["fold", "model", "seed", "epoch"])
    whole = pd.concat(parts, ignore_index=True)
    for fold, rows in whole.groupby("fold"):
        write_text(fits[0].study.directory / f"fold-{fold}" / "history.csv", rows.to_csv(index=False))
    return whole

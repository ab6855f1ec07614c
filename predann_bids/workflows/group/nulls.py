"""Null distributions: accuracies under permuted labels, with decoders kept or trained again."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from predann_bids.data.controls import permuted, reassigned
from predann_bids.files import read_json, write_json
from predann_bids.learning.evaluation.predictions import WindowPredictions
from predann_bids.learning.models import MODELS, PREDANN, By
from predann_bids.learning.permutation import (
    BOTH,
    Exchange,
    Null,
    NullDistribution,
    count_hits,
    kept_null,
    permutation_scores,
)
from predann_bids.learning.statistics import holm
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.fits import ModelFit, list_fits, read_fit
from predann_bids.workflows.group.fitting.one_fit import do_fit
from predann_bids.workflows.group.fitting.tasks import run_tasks
from predann_bids.workflows.group.studies import Study
from predann_bids.workflows.processes import Worker

PERMUTING = 1003  # seed of what is drawn, beside those of the training
KEPT = 999  # permutations unless a number is asked for, where decoders are kept, so that they cost nothing


@dataclass(frozen=True)
class NullFit:
    """A fit on permuted labels of which only the hits are kept."""

    fit: ModelFit
    exchange: Exchange
    number: int
    path: Path

    def is_finished(self) -> bool:
        """Whether it is done, with the same data and configuration."""
        return self.path.is_file() and read_json(self.path).get("ScienceHash") == self.fit.fingerprint


def train_null(task: NullFit, worker: Worker) -> None:
    """Train and test one decoder on permuted labels, and keep its hits."""
    with tempfile.TemporaryDirectory() as name:
        fit = replace(task.fit, study=replace(task.fit.study, directory=Path(name)))
        do_fit(fit, worker)
        predictions = read_fit(fit)
    material, length = fit.study.material, fit.science.windows.length
    rows = task.exchange.comparable(predictions, material.trials, material.rate, material.rate.samples(length))
    counts: dict[str, Any] = {str(by): hits for by, hits in count_hits(predictions, rows).items()}
    write_json(task.path, {"ScienceHash": fit.fingerprint, **counts})


def permutation_tests(
    study: Study, predictions: Mapping[str, WindowPredictions], sources: Sequence[Any], execution: Execution
) -> dict[str, dict[str, Any]]:
    """Test accuracies against permuted labels: the value `permutation` of each model of metrics.json.

    Where decoders are kept, this is always done. Where they are trained again, it is done for the run itself, as often
    as asked for.

    Parameters
    ----------
    study : Study
        The run itself, or another split.
    predictions : mapping
        What its models say, by name.
    sources : sequence
        Fingerprints of the derivatives.
    execution : Execution
        How to run.
    """
    number = study.science.evaluation.permutations
    retrained = study.nature.within_recording
    if retrained and not (number and study.role == "main"):
        return {}
    nulls: dict[str, NullDistribution] = {}
    if retrained:
        nulls[PREDANN.name] = _retrained_null(study, number, predictions[PREDANN.name], sources, execution)
    else:
        rate, window = study.material.rate, study.material.rate.samples(study.science.windows.length)
        for model in (name for name in predictions if MODELS[name].scored):
            rng = np.random.default_rng([study.science.training.seed, PERMUTING])
            of_model, trials = predictions[model], study.material.trials
            nulls[model] = kept_null(of_model, trials, number or KEPT, rng, rate=rate, window=window)
    kind: Null = "retrained" if retrained else "kept"
    scores = {model: permutation_scores(null, kind) for model, null in nulls.items()}
    keys = [(model, prefix) for model in scores for prefix in ("", "match_")]
    corrected = holm([scores[model][f"{prefix}p_value"] for model, prefix in keys])
    for (model, prefix), p_value in zip(keys, corrected, strict=True):
        scores[model][f"{prefix}p_holm"] = p_value
    return scores


def _retrained_null(
    study: Study, number: int, real: WindowPredictions, sources: Sequence[Any], execution: Execution
) -> NullDistribution:
    """Train PredANN anew on permuted labels, on every fold, as often as asked; all with the first seed."""
    trials = study.material.trials
    exchange = Exchange.of(trials)
    tasks = _null_fits(study, number, exchange, sources, execution)
    to_do = [task for task in tasks if execution.overwrite or not task.is_finished()]
    once = _once(study)
    done = sum(task.fit.units for task in tasks) - sum(task.fit.units for task in to_do)
    run_tasks(
        train_null,
        to_do,
        execution,
        title="Permuting labels",
        training=once,
        units=lambda task: task.fit.units,
        done=done,
    )
    first = real.of_seed(study.science.training.seed)
    rate, window = study.material.rate, study.material.rate.samples(study.science.windows.length)
    observed = count_hits(first, exchange.comparable(first, trials, rate, window))
    counted: dict[By, Any] = {by: np.zeros((number, 2)) for by in BOTH}
    for task in tasks:
        kept = read_json(task.path)
        for by in BOTH:
            counted[by][task.number - 1] += kept[by] or (0, 0)
    return NullDistribution(
        {by: hits[0] / hits[1] if hits and hits[1] else None for by, hits in observed.items()},
        {by: sums[:, 0] / sums[:, 1] if observed[by] and sums[:, 1].all() else None for by, sums in counted.items()},
    )


def _once(study: Study) -> Any:
    return study.science.training.model_copy(update={"n_seeds": 1, "seeds": ()})


def _null_fits(
    study: Study, number: int, exchange: Exchange, sources: Sequence[Any], execution: Execution
) -> list[NullFit]:
    trials, tasks = study.material.trials, []
    science = study.science.model_copy(update={"training": _once(study)})
    for permutation in range(1, number + 1):
        rng = np.random.default_rng([study.science.training.seed, PERMUTING, permutation])
        material = replace(study.material, trials=tuple(reassigned(trials, permuted(trials, rng))))
        splits = tuple(material.splits(science))
        dealt = replace(study, science=science, material=material, splits=splits, models=(PREDANN,))
        for fit in list_fits(dealt, sources, execution):
            path = study.directory / "null" / f"{permutation:05d}_fold-{fit.split.fold}.json"
            tasks.append(NullFit(fit, exchange, permutation, path))
    return tasks

"""Do a group run: list its studies, do their fits, pool what they say, and report it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from predann_bids.bids.derivatives import prepare_output, write_citation
from predann_bids.config import Science, dump
from predann_bids.data.controls import permuted_evenly, reassigned, rotations
from predann_bids.data.splits import SPLITS, Split, splits_table
from predann_bids.data.trials import Stretch
from predann_bids.data.windows import grid
from predann_bids.errors import UnusableData, WrongUsage
from predann_bids.files import write_json, write_text
from predann_bids.learning.models import BAND_POWER, MODELS, Model, evaluated_models
from predann_bids.models.decoder import DECODERS
from predann_bids.models.network import network
from predann_bids.progress import Progress
from predann_bids.signals.brainvision import map_brainvision
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.fits import ModelFit, list_fits, read_history, read_outputs
from predann_bids.workflows.group.fitting import train_all
from predann_bids.workflows.group.given import Given, as_trained, given_notes, read_given
from predann_bids.workflows.group.inputs.material import Material, gather
from predann_bids.workflows.group.inputs.notes import preset_notes
from predann_bids.workflows.group.nulls import permutation_tests
from predann_bids.workflows.group.pooling import Predicted, control_scores, prediction_table, scored
from predann_bids.workflows.group.request import GroupOutcome, Request
from predann_bids.workflows.group.studies import Study
from predann_bids.workflows.group.uses import measured_uses
from predann_bids.workflows.processes import exclusive
from predann_bids.workflows.resources import check_accelerator, threads_for

POOLING_S = 600.0  # jobs for different folds may finish at the same moment; the second pools the same once more
REASSIGNING, ROTATING = 1001, 1002  # seeds of what is drawn at random beside the training


@dataclass(frozen=True)
class _Run:
    """All studies of a run, the run itself first, and how to do them."""

    request: Request
    studies: tuple[Study, ...]
    execution: Execution
    notes: tuple[str, ...]

    @property
    def directory(self) -> Path:
        return self.request.directory

    @property
    def main(self) -> Study:
        return self.studies[0]

    def fits(self) -> list[ModelFit]:
        return [fit for study in self.studies for fit in self.fits_of(study)]

    def fits_of(self, study: Study) -> list[ModelFit]:
        return list_fits(study, self.request.sources, self.execution)


def run_request(request: Request, folds: Sequence[int]) -> GroupOutcome:
    """Do what is asked for, but only these folds, if any are given; see `run_group`."""
    check_accelerator(request.execution)
    run = _planned(request)
    unknown = sorted(set(folds) - {split.fold for split in run.main.splits})
    if unknown:
        raise WrongUsage(f"--fold {unknown[0]}: there are folds 1 to {len(run.main.splits)}.")
    prepare_output(request.output_dir, request.bids_dir)
    _write_plan(run)
    fits = run.fits()
    _remove_outdated(run, fits)
    train_all([fit for fit in fits if not folds or fit.split.fold in folds], run.execution)
    missing = sorted({fit.split.fold for fit in fits if not fit.is_finished()})
    if missing:
        return GroupOutcome(run.directory, None, None, tuple(missing))
    with exclusive(run.directory / ".pooling.lock", wait_s=POOLING_S):
        outcome = _pool(run)
        request.finish()
    return outcome


def _planned(request: Request) -> _Run:
    given = read_given(request.from_model) if request.from_model else None
    science = as_trained(given, request.science) if given else request.science
    _refuse_unknown(science)
    models = [MODELS[name] for name in given.models] if given else evaluated_models(science)
    kinds = {DECODERS[model.decoder or science.training.encoders] for model in models}
    material, notes = gather(
        request.derivatives,
        request.audio,
        science,
        request.execution,
        features={kind.features_for(science.training) for kind in kinds},
        directory=request.output_dir / "group" / ".audio",
        target=given.target if given else None,
    )
    if given:
        studies: tuple[Study, ...] = (_transfer(given, science, material, request.directory),)
    else:
        studies = _studies(science, material, request.directory)
    number = sum(len(s.splits) * len(science.training.all_seeds) * len(s.models) for s in studies)
    execution = replace(request.execution, threads=threads_for(science.training, number, request.execution))
    of_given = given_notes(given, science) if given else ()
    return _Run(request, studies, execution, (*preset_notes(science, trained=not given), *of_given, *notes))


def _refuse_unknown(science: Science) -> None:
    """Refuse names of splits and networks that nothing is registered under, before any work is done."""
    network(science.training.encoders)
    for split in (science.splitting.split, *science.evaluation.also_splits):
        SPLITS[split]


def _studies(science: Science, material: Material, directory: Path) -> tuple[Study, ...]:
    """List what a run consists of: itself, other splits, and controls."""
    models = evaluated_models(science)
    controlled = science.evaluation.control == "fingerprint"
    signature = (BAND_POWER,) if controlled and not SPLITS[science.splitting.split].unseen_songs else ()
    main = Study(science, material, tuple(material.splits(science)), (*models, *signature), directory)
    also = [split for split in dict.fromkeys(science.evaluation.also_splits) if split != main.split]
    controls = _controls(main) if controlled else ()
    return (main, *(_other_split(main, split, models) for split in also), *controls)


def _other_split(main: Study, split: str, models: tuple[Model, ...]) -> Study:
    splitting = main.science.splitting.model_copy(update={"split": split, "n_folds": 0})
    science = main.science.model_copy(update={"splitting": splitting})
    splits = tuple(main.material.splits(science))
    return Study(science, main.material, splits, models, main.directory / "also" / split, "also", split)


def _controls(main: Study) -> tuple[Study, ...]:
    """Part music and EEG in two ways, while every recording keeps what marks it."""
    science, material, seed = main.science, main.material, main.science.training.seed
    source = permuted_evenly(material.trials, np.random.default_rng([seed, REASSIGNING]))
    dealt = replace(material, trials=tuple(reassigned(material.trials, source)))
    lengths = [len(map_brainvision(header).data) for header in material.headers]
    moved = rotations(lengths, np.random.default_rng([seed, ROTATING]))
    changed = {"reassigned": dealt, "shifted": material.rotated(moved, lengths, science)}
    models = tuple(model for model in main.models if model.controlled)
    return tuple(
        Study(science, some, tuple(some.splits(science)), models, main.directory / "control" / name, "control", name)
        for name, some in changed.items()
    )


def _transfer(given: Given, science: Science, material: Material, directory: Path) -> Study:
    """Test a decoder that was trained elsewhere on all recordings that it was not trained on.

    One of the public code does not say what that was. With the published split it is tested on what that holds out.
    """
    files = given.models
    models = tuple(MODELS[name] for name in files)
    if not given.recordings and science.splitting.split == "chunk":
        splits = tuple(Split(split.fold, (), (), split.test) for split in material.splits(science))
        return Study(science, material, splits, models, directory, given=files, given_split="chunk")
    trained = [bool(material.identities(index) & given.recordings) for index in range(len(material.headers))]
    whole = [
        Stretch.of(material.trials, index)
        for index, trial in enumerate(material.trials)
        if not trained[trial.recording]
    ]
    length, stride = (material.rate.samples(s) for s in (science.windows.length, science.windows.stride))
    test = [stretch for stretch in whole if len(grid([stretch], length, stride))]
    if not test:
        raise UnusableData(
            f"All {len(trained)} selected recordings were used to train {given.path}, or hold no window. Choose"
            " others with --participant-label, or another dataset."
        )
    known = set(material.labels) <= set(given.songs)
    split = Split(1, (), (), tuple(test))
    return Study(science, material, (split,), models, directory, given=files, all_songs_trained=known)


def _remove_outdated(run: _Run, fits: Sequence[ModelFit]) -> None:
    """Remove what an earlier run with another configuration has left: pooled results, and folds that are no more."""
    current = {study.directory for study in run.studies}
    for role in ("also", "control"):
        folder = run.directory / role
        for stale in folder.iterdir() if folder.is_dir() else ():
            if stale not in current:
                shutil.rmtree(stale)
    for study in run.studies:
        folds = {split.fold for split in study.splits}
        for fold in study.directory.glob("fold-*"):
            if int(fold.name.removeprefix("fold-")) not in folds:
                shutil.rmtree(fold)
    if not (run.main.science.evaluation.permutations and run.main.nature.within_recording):
        shutil.rmtree(run.directory / "null", ignore_errors=True)
    if not all(fit.is_finished() for fit in fits):
        for name in ("metrics.json", "predictions.tsv", "report.html", "history.csv"):
            (run.directory / name).unlink(missing_ok=True)
        for name in ("figures", "tables"):
            shutil.rmtree(run.directory / name, ignore_errors=True)


def _write_plan(run: _Run) -> None:
    for study in run.studies:
        study.directory.mkdir(parents=True, exist_ok=True)
        material = study.material
        window = material.rate.samples(study.science.windows.length)
        table = splits_table(study.splits, material.trials, material.labels, material.rate, window)
        write_text(study.directory / "splits.tsv", table.to_csv(sep="\t", index=False))
    selection = {
        f"{entity}s": sorted({getattr(derivative, entity) for derivative in run.request.derivatives} - {""})
        for entity in ("participant", "session", "task", "run")
    }
    dump(run.main.science, run.directory / "config.toml", selection=selection)


def _pool(run: _Run) -> GroupOutcome:
    main = run.main
    predictions = {study.directory: read_outputs(run.fits_of(study)) for study in run.studies}
    metrics = _metrics(run, predictions)
    tables = {study.directory: prediction_table(study, predictions[study.directory]) for study in run.studies}
    for directory, table in tables.items():
        write_text(directory / "predictions.tsv", table.to_csv(sep="\t", index=False, na_rep="n/a"))
    history = read_history(run.fits_of(main))
    write_text(run.directory / "history.csv", history.to_csv(index=False))
    write_json(run.directory / "metrics.json", metrics)
    _cite(run, metrics)
    page = _report(run, metrics, tables[main.directory], history) if run.execution.report else None
    return GroupOutcome(run.directory, metrics, page)


def _metrics(run: _Run, predictions: Mapping[Path, Predicted]) -> dict[str, Any]:
    """Put together the content of metrics.json."""
    main, evaluation = run.main, run.main.science.evaluation
    also = [study for study in run.studies if study.role == "also"]
    controls = {s.name: (s, predictions[s.directory]) for s in run.studies if s.role == "control"}
    scores = {}
    with Progress("Scoring", 1 + len(also)) as progress:
        for study in (main, *also):
            scores[study.name] = scored(study, predictions[study.directory])
            progress.advance()
    metrics = scores[main.name]
    real = predictions[main.directory]
    if evaluation.permutations:
        tests = permutation_tests(main, real, run.request.sources, run.execution)
        for model, test in tests.items():
            metrics["models"][model]["permutation"] = test
    metrics["control"] = control_scores(main, real, controls) if controls else None
    probed = evaluation.probe and DECODERS[main.science.training.encoders].can_be_probed
    metrics["uses"] = measured_uses(main, run.fits_of(main), run.execution) if probed else None
    metrics["also"] = {study.name: scores[study.name] for study in also}
    return metrics


def _cite(run: _Run, metrics: Mapping[str, Any]) -> None:
    from predann_bids.report.methods.group import group_methods, preprocessing_methods
    from predann_bids.report.methods.references import references

    science = run.main.science
    methods = group_methods(science, metrics["protocol"], metrics)
    whole = f"{preprocessing_methods(science.preprocessing)}\n\n{methods}"
    write_citation(run.request.output_dir, whole, references(whole))


def _report(run: _Run, metrics: Mapping[str, Any], predictions: pd.DataFrame, history: pd.DataFrame) -> Path:
    from predann_bids.report.group.page import GroupEvidence, write_group_report

    main = run.main
    evidence = GroupEvidence(
        run.request.label, main.science, metrics, predictions, history, main.material.labels, run.notes
    )
    with Progress("Writing the report", 1) as progress:
        page = write_group_report(evidence, run.directory, progress.beat)
        progress.advance()
    return page

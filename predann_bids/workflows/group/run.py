"""Do a group run: do the fits of its studies, pool what they say, and report it."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from predann_bids.bids.derivatives import prepare_output, write_citation
from predann_bids.config import dump
from predann_bids.console import say
from predann_bids.data.splits import splits_table
from predann_bids.errors import MissingInput, some
from predann_bids.files import write_json, write_text
from predann_bids.models.decoder import DECODERS
from predann_bids.progress import Progress
from predann_bids.workflows.group.checks import lags_of, order_of, state_scores, strength_of
from predann_bids.workflows.group.fits import ModelFit, read_history, read_outputs
from predann_bids.workflows.group.fitting.tasks import train_all
from predann_bids.workflows.group.inputs.folds import refuse_unknown_folds
from predann_bids.workflows.group.nulls import permutation_tests
from predann_bids.workflows.group.outstanding import Outstanding
from predann_bids.workflows.group.plan import Plan, make_plan
from predann_bids.workflows.group.pooling import (
    Predicted,
    control_scores,
    copies_limit,
    prediction_table,
    scored,
)
from predann_bids.workflows.group.request import GroupOutcome, Request
from predann_bids.workflows.group.uses import measured_predictions, measured_uses
from predann_bids.workflows.locks import exclusive
from predann_bids.workflows.record import recorded
from predann_bids.workflows.resources import advice_of, check_accelerator, refuse_precision

POOLING_S = 600.0  # jobs for different folds may finish at the same moment; the second pools the same once more


def run_request(request: Request, folds: Sequence[int]) -> GroupOutcome:
    """Do what is asked for, but only these folds, if any are given; see `run_group`."""
    check_accelerator(request.execution)
    refuse_precision(request.science.training, request.execution)
    if advice := advice_of(request.science.training, request.execution):
        say(advice, stderr=True)
    plan = make_plan(request, folds)
    refuse_unknown_folds(folds, max(split.fold for study in plan.studies for split in study.splits))
    fits = plan.fits()
    if not plan.execution.train:
        _refuse_missing(plan, fits)
    prepare_output(request.output_dir, request.bids_dir)
    with recorded(request.output_dir, "group", plan.main.science, request.execution, Label=request.label):
        return _do(plan, fits, folds)


def _do(plan: Plan, fits: Sequence[ModelFit], folds: Sequence[int]) -> GroupOutcome:
    _write_down(plan)
    _remove_outdated(plan, fits)
    plan = plan.measured()
    fits = plan.fits()  # which travel with what was measured
    train_all([fit for fit in fits if not folds or fit.split.fold in folds], plan.execution)
    left = Outstanding.of(fits, plan.request)
    if left.folds:
        return GroupOutcome(plan.directory, None, None, left.folds, tuple(left.others), left.in_words())
    with exclusive(plan.directory / ".pooling.lock", wait_s=POOLING_S):
        outcome = _pool(plan)
        plan.request.finish()
    return outcome


def _refuse_missing(plan: Plan, fits: Sequence[ModelFit]) -> None:
    """Refuse to pool what was not trained, or on other data or with another configuration."""
    missing: dict[int, list[str]] = {}
    for fit in fits:
        if not (fit.is_finished() or fit.study.given):
            missing.setdefault(fit.split.fold, []).append(fit.model.name)
    if missing:
        folds = "; ".join(f"fold {fold}: {some(dict.fromkeys(names))}" for fold, names in sorted(missing.items()))
        raise MissingInput(
            f"{plan.directory} lacks models, or has them from other data or options: {folds}. Run the group level with"
            f" the same options and --fold {' '.join(map(str, sorted(missing)))}."
        )


def _remove_outdated(plan: Plan, fits: Sequence[ModelFit]) -> None:
    """Remove what an earlier run with another configuration has left: pooled results, and folds that are no more."""
    current = {study.directory for study in plan.studies}
    for role in ("also", "control"):
        folder = plan.directory / role
        for stale in folder.iterdir() if folder.is_dir() else ():
            if stale not in current:
                shutil.rmtree(stale)
    for study in plan.studies:
        folds = {split.fold for split in study.splits}
        for fold in study.directory.glob("fold-*"):
            if int(fold.name.removeprefix("fold-")) not in folds:
                shutil.rmtree(fold)
    if not (plan.main.science.evaluation.permutations and plan.main.nature.within_recording):
        shutil.rmtree(plan.directory / "null", ignore_errors=True)
    if not all(fit.is_finished() for fit in fits):
        for name in ("metrics.json", "predictions.tsv", "report.html", "history.csv"):
            (plan.directory / name).unlink(missing_ok=True)
        for name in ("figures", "tables"):
            shutil.rmtree(plan.directory / name, ignore_errors=True)


def _write_down(plan: Plan) -> None:
    for study in plan.studies:
        study.directory.mkdir(parents=True, exist_ok=True)
        material = study.material
        window = material.rate.samples(study.science.windows.length)
        table = splits_table(study.splits, material.trials, material.labels, material.rate, window)
        write_text(study.directory / "splits.tsv", table.to_csv(sep="\t", index=False, quoting=csv.QUOTE_NONE))
    selection = {
        f"{entity}s": sorted({getattr(derivative, entity) for derivative in plan.request.derivatives} - {""})
        for entity in ("participant", "session", "task", "run")
    }
    dump(plan.main.science, plan.directory / "config.toml", selection=selection)


def _pool(plan: Plan) -> GroupOutcome:
    main = plan.main
    predictions = {study.directory: read_outputs(plan.fits_of(study)) for study in plan.studies}
    metrics = _metrics(plan, predictions)
    tables = {study.directory: prediction_table(study, predictions[study.directory]) for study in plan.studies}
    for directory, table in tables.items():
        write_text(
            directory / "predictions.tsv", table.to_csv(sep="\t", index=False, na_rep="n/a", quoting=csv.QUOTE_NONE)
        )
    history = read_history(plan.fits_of(main))
    write_text(plan.directory / "history.csv", history.to_csv(index=False))
    write_json(plan.directory / "metrics.json", metrics)
    _cite(plan, metrics)
    page = _report(plan, metrics, tables[main.directory], history) if plan.execution.report else None
    return GroupOutcome(plan.directory, metrics, page)


def _metrics(plan: Plan, predictions: Mapping[Path, Predicted]) -> dict[str, Any]:
    """Put together the content of metrics.json."""
    from predann_bids.report.group.caveats import caveats

    main, evaluation = plan.main, plan.main.science.evaluation
    also = [study for study in plan.studies if study.role == "also"]
    controls = {s.name: (s, predictions[s.directory]) for s in plan.studies if s.role == "control"}
    scores = {}
    with Progress("Scoring", 1 + len(also)) as progress:
        for study in (main, *also):
            scores[study.name] = scored(study, predictions[study.directory])
            tests = permutation_tests(study, predictions[study.directory], plan.request.sources, plan.execution)
            for model, test in tests.items():
                scores[study.name]["models"][model]["permutation"] = test
            progress.advance()
    metrics = scores[main.name]
    real = predictions[main.directory]
    metrics["order"] = order_of(main)
    metrics["recording_state"] = state_scores(main, real)
    metrics |= strength_of(main, real)
    metrics["response_lags"] = lags_of(main, plan.fits_of(main))
    metrics["control"] = control_scores(main, real, controls) if controls else None
    probed = evaluation.probe and DECODERS[main.science.training.encoders].can_be_probed
    metrics["uses"] = measured_uses(main, plan.fits_of(main), plan.execution) if probed else None
    metrics["predicts"] = measured_predictions(main, plan.fits_of(main), plan.execution)
    metrics["also"] = {study.name: scores[study.name] for study in also}
    metrics["copies"] = [dict(row) for row in main.material.copy_rows]
    metrics["copies_limit"] = copies_limit(main)
    metrics["unusable_stimuli"] = [one.row() for one in main.material.lost]
    metrics["warnings"] = [caveat.plain() for caveat in caveats(metrics)]
    return metrics


def _cite(plan: Plan, metrics: Mapping[str, Any]) -> None:
    from predann_bids.report.methods.group import group_methods, preprocessing_methods
    from predann_bids.report.methods.references import references

    science = plan.main.science
    methods = group_methods(science, metrics["protocol"], metrics)
    whole = f"{preprocessing_methods(science.preprocessing)}\n\n{methods}"
    write_citation(plan.request.output_dir, whole, references(whole))


def _report(plan: Plan, metrics: Mapping[str, Any], predictions: pd.DataFrame, history: pd.DataFrame) -> Path:
    from predann_bids.report.group.page import GroupEvidence, write_group_report

    main = plan.main
    evidence = GroupEvidence(
        plan.request.label, main.science, metrics, predictions, history, main.material.labels, plan.notes
    )
    with Progress("Writing the report", 1) as progress:
        page = write_group_report(evidence, plan.directory, progress.beat)
        progress.advance()
    return page

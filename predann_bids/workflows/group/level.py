"""The group level: derivatives become a trained, evaluated and reported decoder."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from predann_bids.bids.derivatives import Derivative, prepare_output, read_derivatives, write_citation
from predann_bids.bids.recordings import Selection
from predann_bids.config import Science, dump
from predann_bids.data.controls import permuted, permuted_evenly, reassigned, rotations
from predann_bids.data.splits import UNSEEN_SONGS, Split, splits_table
from predann_bids.data.trials import Stretch
from predann_bids.data.windows import grid
from predann_bids.errors import UnusableData, WrongUsage
from predann_bids.files import read_json, write_json, write_text
from predann_bids.learning.comparison import By, compare, compare_all, compare_with_control
from predann_bids.learning.evaluation import WindowPredictions, predictions_table, score
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
from predann_bids.progress import Progress
from predann_bids.signals.brainvision import map_brainvision
from predann_bids.workflows.execution import Execution, exclusive
from predann_bids.workflows.group.fitting import run_tasks, train_all
from predann_bids.workflows.group.material import Material, gather, preprocessing_of, select
from predann_bids.workflows.group.notes import preset_notes
from predann_bids.workflows.group.permuting import NullFit, train_null
from predann_bids.workflows.group.probing import STEPS, ProbeTask, measure_uses
from predann_bids.workflows.group.studies import (
    DECODERS,
    LINEAR,
    SIGNATURE,
    Fit,
    Study,
    list_fits,
    read_history,
    read_outputs,
)
from predann_bids.workflows.resources import devices_of, threads_for, uses_accelerator

POOLING_S = 600.0  # jobs for different folds may finish at the same moment; the second pools the same once more
MODELS = (*DECODERS, *LINEAR)
# seeds of what is drawn at random beside the training
REASSIGNING, ROTATING, PERMUTING = 1001, 1002, 1003


@dataclass(frozen=True)
class GroupOutcome:
    """What came of a group run: metrics and report, or the folds that are still to do."""

    directory: Path
    metrics: Mapping[str, Any] | None
    report: Path | None
    missing_folds: tuple[int, ...] = ()

    def lines(self) -> list[str]:
        """Say it in a few lines."""
        from predann_bids.report.group.page import results_sentence

        if self.metrics is None:
            missing = ", ".join(map(str, self.missing_folds))
            return [f"Folds still to do: {missing}. The run that finds all folds done pools them."]
        shown = self.report or self.directory / "metrics.json"
        return [results_sentence(self.metrics), f"Report: {shown}"]


@dataclass(frozen=True)
class _Plan:
    """All studies of a run, by name; the run itself is ''."""

    directory: Path
    studies: Mapping[str, Study]
    sources: tuple[Any, ...]
    execution: Execution
    notes: tuple[str, ...]

    @property
    def main(self) -> Study:
        return self.studies[""]

    def fits(self) -> list[Fit]:
        return [fit for study in self.studies.values() for fit in self.fits_of(study)]

    def fits_of(self, study: Study) -> list[Fit]:
        return list_fits(study, self.sources, self.execution)


def run_group(
    bids_dir: Path,
    output_dir: Path,
    science: Science,
    *,
    selection: Selection | None = None,
    stimuli_dir: Path | None = None,
    execution: Execution | None = None,
    label: str = "predann",
    folds: Sequence[int] = (),
    from_model: Path | None = None,
) -> GroupOutcome:
    """Train and evaluate decoders on the derivatives in an output directory.

    Finished folds whose data and configuration have not changed are kept. When all folds are done, they are pooled:
    `predictions.tsv`, `metrics.json` and `report.html` appear in `OUTPUT_DIR/group/LABEL`.

    Parameters
    ----------
    folds : sequence of int
        Train these folds only; all when empty.
    from_model : Path, optional
        A group run or a checkpoint, to be tested on these derivatives without training.

    Raises
    ------
    MissingInput
        The participant level has not been run, or audio is missing.
    """
    execution = execution or Execution()
    if not re.fullmatch(r"\w[\w.-]*", label):
        raise WrongUsage(f"--label '{label}' is no name: use letters, digits, '-', '_' and '.'.")
    _check_accelerator(execution)
    derivatives = select(read_derivatives(output_dir), selection or Selection(), output_dir)
    science = science.model_copy(update={"preprocessing": preprocessing_of(derivatives)})
    directory = output_dir / "group" / label
    if from_model:
        from predann_bids.workflows.group.transfer import as_trained, given_models, provenance

        if from_model.resolve() == directory.resolve():
            raise WrongUsage(
                f"--from-model {from_model} is what --label {label} would write to. Choose another --label."
            )
        science = as_trained(from_model, science)
    target = provenance(from_model).target if from_model else None
    # the participant level has put the audio it found, wherever that was, beside the derivatives
    audio_dirs = [stimuli_dir] if stimuli_dir else [bids_dir / "stimuli", output_dir / "stimuli"]
    with tempfile.TemporaryDirectory(prefix="predann-audio-") as scratch:
        material, notes = gather(derivatives, audio_dirs, science, execution, target, scratch=Path(scratch))
        if from_model:
            studies = {"": _transfer(from_model, science, material, directory, given_models(from_model))}
        else:
            studies = _studies(science, material, directory)
        sources = tuple(derivative.sidecar.get("ScienceHash") for derivative in derivatives)
        number = sum(
            len(study.splits) * len(science.training.all_seeds) * len(study.models) for study in studies.values()
        )
        execution = replace(execution, threads=threads_for(science.training, number, execution))
        plan = _Plan(directory, studies, sources, execution, (*preset_notes(science, trained=not from_model), *notes))
        unknown = sorted(set(folds) - {split.fold for split in plan.main.splits})
        if unknown:
            raise WrongUsage(f"--fold {unknown[0]}: there are folds 1 to {len(plan.main.splits)}.")
        prepare_output(output_dir, bids_dir)
        _write_plan(plan, derivatives)
        fits = plan.fits()
        _remove_outdated(plan, fits)
        train_all([fit for fit in fits if not folds or fit.split.fold in folds], execution)
        missing = sorted({fit.split.fold for fit in fits if not fit.is_finished()})
        if missing:
            return GroupOutcome(directory, None, None, tuple(missing))
        with exclusive(directory / ".pooling.lock", wait_s=POOLING_S):
            return _pool(plan, output_dir, label)


def _studies(science: Science, material: Material, directory: Path) -> dict[str, Study]:
    """List what a run consists of: itself, other splits, and controls."""
    wanted = [*DECODERS[: 1 + science.training.baseline], *(LINEAR if science.evaluation.linear else ())]
    controlled = science.evaluation.control == "fingerprint"
    signature = (SIGNATURE,) if controlled and science.splitting.split not in UNSEEN_SONGS else ()
    own = tuple(material.splits(science))
    studies = {"": Study(science, material, own, (*wanted, *signature), directory)}
    for split in dict.fromkeys(science.evaluation.also_splits):
        if split != science.splitting.split:
            splitting = science.splitting.model_copy(update={"split": split, "n_folds": 0})
            other = science.model_copy(update={"splitting": splitting})
            studies[f"also/{split}"] = Study(
                other, material, tuple(material.splits(other)), tuple(wanted), directory / "also" / split
            )
    if controlled:
        compared = tuple(model for model in (*wanted, *signature) if model not in ("baseline", "linear_whitened"))
        for name, changed in _controls(material, science).items():
            splits = tuple(changed.splits(science))
            studies[f"control/{name}"] = Study(science, changed, splits, compared, directory / "control" / name)
    return studies


def _controls(material: Material, science: Science) -> dict[str, Material]:
    """Part music and EEG in two ways, while every recording keeps what marks it."""
    seed = science.training.seed
    source = permuted_evenly(material.trials, np.random.default_rng([seed, REASSIGNING]))
    dealt = replace(material, trials=tuple(reassigned(material.trials, source)))
    lengths = [len(map_brainvision(header).data) for header in material.headers]
    moved = rotations(lengths, np.random.default_rng([seed, ROTATING]))
    return {"reassigned": dealt, "shifted": material.rotated(moved, lengths, science)}


def _transfer(
    from_model: Path, science: Science, material: Material, directory: Path, given: Mapping[str, Path]
) -> Study:
    """Test a decoder that was trained elsewhere on all recordings that it was not trained on.

    One of the public code does not say what that was. With the published split it is tested on what that holds out.
    """
    from predann_bids.workflows.group.transfer import provenance

    known = provenance(from_model)
    if not known.recordings and science.splitting.split == "chunk":
        splits = tuple(Split(split.fold, (), (), split.test) for split in material.splits(science))
        return Study(science, material, splits, tuple(given), directory, given, given_split="chunk")
    heard = [bool(material.identities(index) & known.recordings) for index in range(len(material.headers))]
    whole = [
        Stretch.of(material.trials, index) for index, trial in enumerate(material.trials) if not heard[trial.recording]
    ]
    length, stride = (material.rate.samples(s) for s in (science.windows.length, science.windows.stride))
    test = [stretch for stretch in whole if len(grid([stretch], length, stride))]
    if not test:
        raise UnusableData(
            f"All {len(heard)} recordings that are selected were used to train {from_model}, or hold no window. Choose"
            " others with --participant-label, or another dataset."
        )
    return Study(
        science,
        material,
        (Split(1, (), (), tuple(test)),),
        tuple(given),
        directory,
        given,
        all_songs_trained=set(material.labels) <= set(known.songs),
    )


def _remove_outdated(plan: _Plan, fits: Sequence[Fit]) -> None:
    """Remove what an earlier run with another configuration has left: pooled results, and folds that are no more."""
    for folder, prefix in ((plan.directory / "also", "also"), (plan.directory / "control", "control")):
        for stale in folder.iterdir() if folder.is_dir() else ():
            if f"{prefix}/{stale.name}" not in plan.studies:
                shutil.rmtree(stale)
    for study in plan.studies.values():
        folds = {split.fold for split in study.splits}
        for fold in study.directory.glob("fold-*"):
            if int(fold.name.removeprefix("fold-")) not in folds:
                shutil.rmtree(fold)
    if not (plan.main.science.evaluation.permutations and plan.main.is_within_recording):
        shutil.rmtree(plan.directory / "null", ignore_errors=True)
    if not all(fit.is_finished() for fit in fits):
        for name in ("metrics.json", "predictions.tsv", "report.html", "history.csv"):
            (plan.directory / name).unlink(missing_ok=True)
        for name in ("figures", "tables"):
            shutil.rmtree(plan.directory / name, ignore_errors=True)


def _write_plan(plan: _Plan, derivatives: Sequence[Derivative]) -> None:
    for study in plan.studies.values():
        study.directory.mkdir(parents=True, exist_ok=True)
        material = study.material
        window = material.rate.samples(study.science.windows.length)
        table = splits_table(study.splits, material.trials, material.labels, material.rate, window)
        write_text(study.directory / "splits.tsv", table.to_csv(sep="\t", index=False))
    selection = {
        f"{entity}s": sorted({getattr(derivative, entity) for derivative in derivatives} - {""})
        for entity in ("participant", "session", "task", "run")
    }
    dump(plan.main.science, plan.directory / "config.toml", selection=selection)


def _check_accelerator(execution: Execution) -> None:
    if execution.accelerator not in ("auto", "cpu") and not uses_accelerator(execution):
        raise WrongUsage(f"--accelerator {execution.accelerator}: there is no such device. Use 'auto' or 'cpu'.")
    if execution.num_nodes > 1:
        raise WrongUsage(
            f"--num-nodes {execution.num_nodes}: each training has one device. Several nodes share a run when each does"
            " some folds: --fold."
        )
    if uses_accelerator(execution):
        devices_of(execution)
    elif execution.devices not in ("1", "auto"):
        raise WrongUsage(
            f"--devices {execution.devices}: on processors each training has one device; folds and models run at once"
            " with --n-procs, and on several nodes with --fold."
        )


def _pool(plan: _Plan, output_dir: Path, label: str) -> GroupOutcome:
    from predann_bids.report.group.page import GroupEvidence, write_group_report
    from predann_bids.report.methods.group import group_methods, preprocessing_methods
    from predann_bids.report.methods.references import references

    main, directory, execution = plan.main, plan.directory, plan.execution
    science = main.science
    heard = {name: read_outputs(plan.fits_of(study)) for name, study in plan.studies.items()}
    scored = _score_all(plan, heard)
    metrics = scored[""]
    if science.evaluation.permutations:
        _add_permutations(metrics, plan, heard[""])
    metrics["control"] = _control_scores(plan, heard) if "control/shifted" in plan.studies else None
    probed = science.evaluation.probe and not science.training.is_published
    metrics["uses"] = _measured_uses(plan) if probed else None
    metrics["also"] = {name.removeprefix("also/"): scores for name, scores in scored.items() if name}
    predictions = _predictions(main, heard[""])
    for name, study in plan.studies.items():
        if name:
            table = _predictions(study, heard[name])
            write_text(study.directory / "predictions.tsv", table.to_csv(sep="\t", index=False, na_rep="n/a"))
    history = read_history(plan.fits_of(main))
    write_text(directory / "predictions.tsv", predictions.to_csv(sep="\t", index=False, na_rep="n/a"))
    write_text(directory / "history.csv", history.to_csv(index=False))
    write_json(directory / "metrics.json", metrics)
    protocol = metrics["protocol"]
    methods = f"{preprocessing_methods(science.preprocessing)}\n\n{group_methods(science, protocol, metrics)}"
    write_citation(output_dir, methods, references(methods))
    page = None
    if execution.report:
        labels = main.material.labels
        evidence = GroupEvidence(label, science, metrics, predictions, history, labels, plan.notes)
        with Progress("Writing the report", 1) as progress:
            page = write_group_report(evidence, directory, progress.beat)
            progress.advance()
    return GroupOutcome(directory, metrics, page)


def _score_all(plan: _Plan, heard: Mapping[str, Mapping[str, WindowPredictions]]) -> dict[str, dict[str, Any]]:
    """Score the run and its other splits."""
    names = [name for name in plan.studies if not name.startswith("control/")]
    scored = {}
    with Progress("Scoring", len(names)) as progress:
        for name in names:
            scored[name] = _scored(plan.studies[name], heard[name])
            progress.advance()
    return scored


def _scored(study: Study, heard: Mapping[str, WindowPredictions]) -> dict[str, Any]:
    """Score one study: what metrics.json holds of it."""
    if not all(len(windows.table) for windows in heard.values()):
        raise UnusableData("The test sets hold no window.")
    labels, grid = study.material.labels, study.grid
    models = {name: windows for name, windows in heard.items() if name in MODELS}
    scores = {name: score(windows, labels, grid) for name, windows in models.items()}
    first = next(iter(scores.values()))
    by_logits = first["accuracy"] is not None
    pair = [models[name] for name in DECODERS if name in models]
    return {
        "protocol": study.protocol(),
        "chance": 1 / len(labels) if by_logits else first["match_chance"],
        "models": {name: scores.get(name) for name in MODELS},
        "comparison": compare(pair[0], pair[1], grid) if len(pair) == 2 else None,
        "comparisons": compare_all(models, grid),
    }


def _predictions(study: Study, heard: Mapping[str, WindowPredictions]) -> pd.DataFrame:
    tables = [
        predictions_table(windows, study.material.labels, study.grid, model=name) for name, windows in heard.items()
    ]
    return pd.concat(tables, ignore_index=True)


def _control_scores(plan: _Plan, heard: Mapping[str, Mapping[str, WindowPredictions]]) -> dict[str, Any]:
    """Score the controls beside the real data: the value `control` of metrics.json."""
    labels, real = plan.main.material.labels, heard[""]
    keys = ("accuracy", "ci95", "balanced_ci95", "match_accuracy", "match_ci95", "match_chance")
    trials, rate = plan.main.material.trials, plan.main.material.rate
    window = rate.samples(plan.main.science.windows.length)
    exchange = Exchange.of(trials)
    found: dict[str, Any] = {}
    signature = {"real": real.get(SIGNATURE)}
    for name in ("reassigned", "shifted"):
        study, control = plan.studies[f"control/{name}"], heard[f"control/{name}"]
        signature[name] = control.get(SIGNATURE)
        models = [model for model in control if model in MODELS]
        scores = {model: score(control[model], labels, study.grid) for model in models}
        found[name] = {
            "models": {model: {key: scores[model][key] for key in keys} for model in models},
            "differences": {
                model: compare_with_control(
                    real[model],
                    control[model],
                    plan.main.grid,
                    [exchange.comparable(some, trials, rate, window) for some in (real[model], control[model])],
                )
                for model in models
            },
        }
    scored = {name: score(w, labels, plan.main.grid) if w else None for name, w in signature.items()}
    found[SIGNATURE] = {
        name: {key: scores[key] for key in ("accuracy", "ci95", "balanced_ci95")} if scores else None
        for name, scores in scored.items()
    }
    return {"fingerprint": found | {"chance": 1 / len(labels)}}


def _measured_uses(plan: _Plan) -> dict[str, Any]:
    """Measure what PredANN's decoders use, on every fold with the first seed: the value `uses` of metrics.json."""
    from predann_bids.learning.probing.pooling import pool_probes

    main = plan.main
    first = main.science.training.seed
    tasks = [ProbeTask(fit) for fit in plan.fits_of(main) if fit.model == "predann" and fit.seed == first]
    to_do = [task for task in tasks if plan.execution.overwrite or not task.is_finished()]
    run_tasks(
        measure_uses,
        to_do,
        plan.execution,
        title="Measuring what is used",
        training=main.science.training,
        units=lambda _: STEPS,
    )
    uses = pool_probes([task.read() for task in tasks], main.grid)
    if not main.known_songs:  # a decision by song logits is among classes
        _without_logits(uses)
    return uses


def _without_logits(uses: dict[str, Any]) -> None:
    uses["full"]["accuracy"] = None
    uses["delay"] |= {"accuracy": None, "ci95": None}
    for rows in (uses["bands"], uses["regions"], uses["channels"]):
        for row in rows:
            row |= {key: None for key in ("drop", "ci95", "p_holm") if key in row}


def _add_permutations(metrics: dict[str, Any], plan: _Plan, heard: Mapping[str, WindowPredictions]) -> None:
    """Add the value `permutation` to the scores of each model, p-values corrected for their number."""
    main = plan.main
    number = main.science.evaluation.permutations
    nulls: dict[str, NullDistribution] = {}
    retrained = main.is_within_recording
    if retrained:
        nulls["predann"] = _retrained_null(plan, number, heard["predann"])
    else:
        rate, window = main.material.rate, main.material.rate.samples(main.science.windows.length)
        for model in (name for name in heard if name in MODELS):
            rng = np.random.default_rng([main.science.training.seed, PERMUTING])
            nulls[model] = kept_null(heard[model], main.material.trials, number, rng, rate=rate, window=window)
    kind: Null = "retrained" if retrained else "kept"
    found = {model: permutation_scores(null, kind, main.grid) for model, null in nulls.items()}
    keys = [(model, prefix) for model in found for prefix in ("", "match_")]
    corrected = holm([found[model][f"{prefix}p_value"] for model, prefix in keys])
    for (model, prefix), p_value in zip(keys, corrected, strict=True):
        found[model][f"{prefix}p_holm"] = p_value
        metrics["models"][model]["permutation"] = found[model]


def _retrained_null(plan: _Plan, number: int, real: WindowPredictions) -> NullDistribution:
    """Train PredANN anew on permuted labels, on every fold, as often as asked; all with the first seed."""
    main, tasks = plan.main, []
    exchange = Exchange.of(main.material.trials)
    once = main.science.training.model_copy(update={"n_seeds": 1, "seeds": ()})
    for permutation in range(1, number + 1):
        rng = np.random.default_rng([main.science.training.seed, PERMUTING, permutation])
        dealt = reassigned(main.material.trials, permuted(main.material.trials, rng))
        material = replace(main.material, trials=tuple(dealt))
        science = main.science.model_copy(update={"training": once})
        study = replace(
            main, science=science, material=material, splits=tuple(material.splits(science)), models=("predann",)
        )
        for fit in list_fits(study, plan.sources, plan.execution):
            path = plan.directory / "null" / f"{permutation:05d}_fold-{fit.split.fold}.json"
            tasks.append(NullFit(fit, exchange, permutation, path))
    to_do = [task for task in tasks if plan.execution.overwrite or not task.is_finished()]
    units, title = (lambda task: task.fit.units), "Permuting labels"
    run_tasks(train_null, to_do, plan.execution, title=title, training=once, units=units)
    first = real.of_seed(main.science.training.seed)
    rate, window = main.material.rate, main.material.rate.samples(main.science.windows.length)
    observed = count_hits(first, exchange.comparable(first, main.material.trials, rate, window))
    counted: dict[By, Any] = {by: np.zeros((number, 2)) for by in BOTH}
    for task in tasks:
        kept = read_json(task.path)
        for by in BOTH:
            counted[by][task.number - 1] += kept[by] or (0, 0)
    return NullDistribution(
        {by: found[0] / found[1] if found and found[1] else None for by, found in observed.items()},
        {by: sums[:, 0] / sums[:, 1] if observed[by] and sums[:, 1].all() else None for by, sums in counted.items()},
    )

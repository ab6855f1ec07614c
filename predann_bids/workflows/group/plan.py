"""Plan a group run: from what was asked for to the studies that it consists of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from predann_bids.config import Science
from predann_bids.config.teachers import part_teachers
from predann_bids.data.controls import permuted_evenly, reassigned, rotations
from predann_bids.data.splits import SPLITS, Split
from predann_bids.data.trials import Stretch
from predann_bids.data.windows import grid
from predann_bids.errors import UnusableData, WrongUsage, people
from predann_bids.learning.models import BAND_POWER, MODELS, Model, evaluated_models
from predann_bids.models.audio.features import features_kind
from predann_bids.models.decoder import DECODERS
from predann_bids.models.foundation.files import weights_path
from predann_bids.models.network import network, refuse_pretraining
from predann_bids.progress import Progress
from predann_bids.signals.brainvision import map_brainvision
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.fits import ModelFit, list_fits
from predann_bids.workflows.group.given import Given, as_trained, given_notes, read_given
from predann_bids.workflows.group.inputs.audio import FoundAudio
from predann_bids.workflows.group.inputs.folds import refuse_impossible_folds
from predann_bids.workflows.group.inputs.material import Material, gather
from predann_bids.workflows.group.inputs.notes import preset_notes
from predann_bids.workflows.group.inputs.teachers import refuse_unfit_teacher
from predann_bids.workflows.group.request import Request
from predann_bids.workflows.group.studies import Study
from predann_bids.workflows.resources import threads_for

REASSIGNING, ROTATING = 1001, 1002  # seeds of what is drawn at random beside the training


@dataclass(frozen=True)
class Plan:
    """All studies of a run, the run itself first, and how to do them.

    Parameters
    ----------
    request : Request
        What was asked for.
    studies : tuple of Study
        What has to be done.
    execution : Execution
        How to run, with the number of threads for each training.
    notes : tuple of str
        Notes for the report.
    """

    request: Request
    studies: tuple[Study, ...]
    execution: Execution
    notes: tuple[str, ...]

    @property
    def directory(self) -> Path:
        """Where the run is kept."""
        return self.request.directory

    @property
    def main(self) -> Study:
        """The run itself."""
        return self.studies[0]

    def fits(self) -> list[ModelFit]:
        """List all fits."""
        return [fit for study in self.studies for fit in self.fits_of(study)]

    def measured(self) -> Plan:
        """Measure how recordings are scaled, once for all that opens them."""
        with Progress("Measuring recordings", len(self.main.material.headers)) as progress:
            scalings = self.main.material.measured(progress.advance).scalings
        studies = [replace(study, material=replace(study.material, scalings=scalings)) for study in self.studies]
        return replace(self, studies=tuple(studies))

    def fits_of(self, study: Study) -> list[ModelFit]:
        """List the fits of one study."""
        return list_fits(study, self.request.sources, self.execution)


def make_plan(request: Request, folds: Collection[int] = ()) -> Plan:
    """List what a run consists of, from what was asked for; `folds` are those to be done, and all unless given.

    Raises
    ------
    UnusableData
        The data do not suffice for the splits.
    WrongUsage
        A name is not registered, folds do not fit, or options contradict each other.
    """
    given = read_given(request.from_model) if request.from_model else None
    science = as_trained(given, request.science) if given else request.science
    _refuse_unknown(science)
    encoders = science.training.encoders
    if not given:
        DECODERS[encoders].check(encoders)
    models = [MODELS[name] for name in given.models] if given else evaluated_models(science)
    kinds = {DECODERS[model.decoder or science.training.encoders] for model in models}
    heard = {
        name for kind in kinds for name in (kind.features_for(science.training), kind.beside_for(science.training))
    }
    names = {teacher.name for name in heard for teacher in part_teachers(name)}
    features = sorted({*names, *science.evaluation.predict_features} - {""})
    directory = request.kept_audio
    refuse_unfit_teacher(science.training, features, request.audio, request.derivatives, directory)
    if not given:
        refuse_pretraining(science.training)
        _refuse_impossible_folds(request, science, folds)
    material, notes = gather(
        FoundAudio(request.audio, request.derivatives, request.lost),
        science,
        request.execution,
        features=features,
        directory=directory,
        target=given.target if given else None,
    )
    if given:
        studies: tuple[Study, ...] = (_transfer(given, science, material, request.directory),)
    else:
        studies = _studies(science, material, request.directory)
    weights = _weights_of(given, science)
    studies = tuple(replace(study, contents={file: request.content(file) for file in weights}) for study in studies)
    number = sum(len(s.splits) * len(science.training.all_seeds) * len(_trained(s.models)) for s in studies)
    execution = replace(request.execution, threads=threads_for(science.training, number, request.execution))
    of_given = given_notes(given, science) if given else _notes_on_channels(encoders, material)
    return Plan(request, studies, execution, (*preset_notes(science, trained=not given), *of_given, *notes))


def _weights_of(given: Given | None, science: Science) -> list[Path]:
    """List the files that models come from, if they were not made here from nothing."""
    if given:
        return list(given.models.values())
    started = weights_path(science.training.encoders)
    return [started] if started else []


def _trained(models: tuple[Model, ...]) -> list[Model]:
    """Leave out what takes no time, so that it takes no processor from a training."""
    return [model for model in models if model.fitted != "as a classifier"]


def _notes_on_channels(encoders: str, material: Material) -> tuple[str, ...]:
    """Note what the network does with channels, or refuse them before anything is trained."""
    return DECODERS[encoders].channel_notes(encoders, material.used_channels(), material.positions())


def _refuse_unknown(science: Science) -> None:
    """Refuse names of splits and networks that nothing is registered under, before any work is done."""
    network(science.training.encoders)
    for split in (science.splitting.split, *science.evaluation.also_splits):
        SPLITS[split]
    for name in science.evaluation.predict_features:
        if not features_kind(name).in_frames:
            raise WrongUsage(f"--predict-features {name}: these are not features but the sound itself. Leave it out.")


def _refuse_impossible_folds(request: Request, science: Science, folds: Collection[int]) -> None:
    labels = tuple(request.audio)
    others = [_of_other_split(science, split) for split in science.evaluation.also_splits]
    refuse_impossible_folds(request.derivatives, labels, science, folds, others)


def _studies(science: Science, material: Material, directory: Path) -> tuple[Study, ...]:
    """List what a run consists of: itself, other splits, and controls."""
    models = evaluated_models(science)
    controlled = science.evaluation.control == "fingerprint"
    signature = () if SPLITS[science.splitting.split].unseen_songs else (BAND_POWER,)
    main = Study(science, material, tuple(material.splits(science)), (*models, *signature), directory)
    also = [split for split in dict.fromkeys(science.evaluation.also_splits) if split != main.split]
    controls = _controls(main) if controlled else ()
    return (main, *(_other_split(main, split, models) for split in also), *controls)


def _other_split(main: Study, split: str, models: tuple[Model, ...]) -> Study:
    science = _of_other_split(main.science, split)
    splits = tuple(main.material.splits(science))
    return Study(science, main.material, splits, models, main.directory / "also" / split, "also", split)


def _of_other_split(science: Science, split: str) -> Science:
    return science.model_copy(update={"splitting": science.splitting.by_other(split)})


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
        used = [t.participant for t in material.trials if trained[t.recording]]
        empty = [t.participant for t in material.trials if not trained[t.recording]]
        reasons = [f"those of {people(used)} were used to train {given.path}"] if used else []
        reasons += [f"those of {people(empty)} hold no window"] if empty else []
        raise UnusableData(
            f"None of the {len(trained)} selected recordings can be tested: {', and '.join(reasons)}. Choose others"
            " with --participant-label, or another dataset."
        )
    known = set(material.labels) <= set(given.songs)
    split = Split(1, (), (), tuple(test))
    return Study(science, material, (split,), models, directory, given=files, all_songs_trained=known)

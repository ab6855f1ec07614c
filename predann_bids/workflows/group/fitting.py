"""Do fits: train or read a model, let it predict from the test windows, keep what it says."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from predann_bids.config import Training
from predann_bids.config.teachers import MOST_LEARNED
from predann_bids.data.splits import Split
from predann_bids.data.windows import Windows, grid
from predann_bids.errors import Busy, UnusableData
from predann_bids.files import write_json, write_text, written_whole
from predann_bids.learning.memory import keep_memory
from predann_bids.learning.retrieval import Candidates, Representations, rank
from predann_bids.models.decoder import DECODERS, Blueprint, Decoder
from predann_bids.models.network import can_be_started
from predann_bids.progress import Progress
from predann_bids.signals.frames import Reduction
from predann_bids.signals.scaling import SHRINKAGE
from predann_bids.surroundings.stopping import request_to_stop
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.fits import RANKS, ModelFit
from predann_bids.workflows.group.inputs.material import Material
from predann_bids.workflows.locks import exclusive
from predann_bids.workflows.processes import Finished, Work, Worker, do_all
from predann_bids.workflows.resources import (
    device_of,
    hardware_of,
    on_threads,
    processes_for,
    refuse_too_little_memory,
    uses_accelerator,
)

BUSY_S = 600.0  # for which a run waits for another process to finish what alone is left to do
STARTS = ("ridge", "cca")  # closed-form decoders that a network may contain
MOST_FEATURES = 64  # audio features from which closed-form decoders are solved for; a teacher may have thousands
Task = TypeVar("Task")
Value = TypeVar("Value")
PRELOAD = ("predann_bids.learning.fitting", "predann_bids.models.checkpoints", "sklearn.model_selection", __name__)


def train_all(fits: Sequence[ModelFit], execution: Execution) -> None:
    """Do the fits that are not done yet: first what is solved for, which networks contain, then the longest.

    What another process is working on is left to it, and waited for when all else is done.

    Raises
    ------
    Busy
        Another process is still working on something.
    """
    to_do = [fit for fit in fits if execution.overwrite or not fit.is_finished()]
    solved = [fit for fit in to_do if not fit.model.in_epochs]
    trained = sorted((fit for fit in to_do if fit.model.in_epochs), key=lambda fit: -fit.units)
    if trained and not trained[0].study.given:
        _refuse_too_little_memory(trained[0])  # before anything is solved for, which may take long
    busy: list[ModelFit] = []
    for title, some, work in (
        ("Solving", solved, train_one),
        ("Training", trained, train_one),
        ("Waiting for another process", busy, train_when_free),
    ):
        if not some:
            continue
        waits, in_epochs, training = some is busy, some[0].model.in_epochs, some[0].science.training
        finished = [fit for fit in fits if fit.model.in_epochs == in_epochs and fit not in some and not waits]
        run_tasks(
            work,
            tuple(some),
            execution,
            title=title,
            training=training,
            units=lambda fit: fit.units,
            done=sum(fit.units for fit in finished),
            busy=None if waits else busy,
        )


def run_tasks(
    work: Work[Task, Value],
    tasks: Sequence[Task],
    execution: Execution,
    *,
    title: str,
    training: Training,
    units: Callable[[Task], int] = lambda _: 1,
    done: int = 0,
    busy: list[Task] | None = None,
) -> None:
    """Do tasks in several processes, showing progress; the first failure ends it.

    Parameters
    ----------
    work : callable
        See `processes.do_all`.
    tasks : sequence
        What to do.
    execution : Execution
        How to run.
    title : str
        What it is called in messages.
    training : Training
        Says how much memory and how many processors each task needs.
    units : callable
        How much work a task is, for the progress bar.
    done : int
        How much work an earlier run has done, for the progress bar.
    busy : list, optional
        Takes the tasks that another process is working on, each of which is a failure otherwise.
    """
    if not tasks:
        return
    processes = processes_for(training, execution)
    with Progress(title, done + sum(map(units, tasks)), done) as progress:
        for finished in do_all(
            work, tasks, processes, preload=PRELOAD, on_beat=progress.beat, on_progress=progress.advance
        ):
            if busy is not None and finished.failure and finished.failure.kind is Busy:
                busy.append(finished.task)
            else:
                _refuse_failure(finished, title)


def _refuse_failure(finished: Finished[Task, Value], title: str) -> None:
    failure = finished.failure
    if failure and failure.kind is Busy:
        raise Busy(failure.message)
    if failure:
        raise (failure.kind or UnusableData)(
            f"{title} failed: {failure.message}\n{failure.trace if not failure.kind else ''}".strip()
        )


def train_when_free(fit: ModelFit, worker: Worker) -> None:
    """Do the same as `train_one`, but wait for some minutes when another process is doing it."""
    train_one(fit, worker, wait_s=BUSY_S)


def train_one(fit: ModelFit, worker: Worker, wait_s: float = 0) -> None:
    """Train (or read), test and save one model, unless another process has just done it."""
    lock, what = fit.directory / f".{fit.model.name}.lock", f"{fit.title} of {fit.study.directory}"
    with exclusive(lock, wait_s, what=what):
        if fit.execution.overwrite or not fit.is_finished():
            do_fit(fit, worker)
        else:
            worker.advance(fit.units, f"{fit.title}: done by another process")


def do_fit(fit: ModelFit, worker: Worker) -> None:
    """Train (or read), test and save one model; whoever calls holds the lock."""
    is_large = DECODERS[fit.science.training.encoders].is_large
    keep_memory()
    with on_threads(fit.execution.threads if is_large else 1):
        _do_fit(fit, worker)


def _do_fit(fit: ModelFit, worker: Worker) -> None:
    keep = fit.is_trained() and not fit.execution.overwrite
    if keep:
        write_json(fit.marker, {"TrainingHash": fit.training_fingerprint})  # no longer finished, but trained
    else:
        fit.marker.unlink(missing_ok=True)
    predict = _classify if fit.model.fitted == "as a classifier" else _decode
    _save_outputs(fit, predict(fit, worker, keep=keep))
    hashes = {"ScienceHash": fit.fingerprint, "TrainingHash": fit.training_fingerprint}
    recordings = fit.study.material.recordings()
    write_json(fit.marker, {**hashes, "Model": fit.model.name, "Fold": fit.split.fold, "Recordings": recordings})


@dataclass(frozen=True)
class _Tested:
    """What a model says of the test windows."""

    windows: Windows
    probabilities: Any = None
    representations: Representations | None = None


def _save_outputs(fit: ModelFit, tested: _Tested) -> None:
    study, material = fit.study, fit.study.material
    arrays: dict[str, Any] = {"trial": tested.windows.trial, "start": tested.windows.start}
    if tested.windows.place is not None:
        arrays["place"] = tested.windows.place
    if tested.probabilities is not None and study.known_songs:
        arrays["probabilities"] = tested.probabilities
    if tested.representations is not None:
        windows = study.science.windows
        candidates = Candidates.of(
            material.trials,
            fit.split.test,
            len(material.labels),
            length=material.rate.samples(windows.length),
            stride=material.rate.samples(windows.stride),
            only_tested=study.nature.unseen_music,
        )
        inside = {length: 1 + round((length - windows.length) / windows.stride) for length in study.science.lengths}
        similarities, ranks = rank(tested.representations, material.trials, tested.windows, candidates, inside)
        arrays["similarities"] = similarities.astype(np.float64)
        arrays |= {RANKS + str(name): column.to_numpy(dtype=np.float64) for name, column in ranks.items()}
    with written_whole(fit.outputs) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _decode(fit: ModelFit, worker: Worker, *, keep: bool) -> _Tested:
    from predann_bids.learning.inference import predict

    source = source_of(fit)
    if fit.study.given or keep:
        decoder = read_decoder(fit, source)
        worker.advance(0 if fit.study.given else fit.units, f"{fit.title}: as it was trained")
    else:
        decoder = _FITTERS[fit.model.fitted](fit, source, worker)
    test = fit.study.tested_windows(fit.split)
    device = device_of(fit.execution, worker.number) if fit.model.in_epochs else "cpu"
    predictions = predict(
        decoder,
        source,
        test,
        device,
        lambda units, note: worker.advance(units, f"{fit.title}: {note}"),
    )
    return _Tested(test, *predictions)


def decoder_class(fit: ModelFit) -> type[Decoder]:
    """Return the class of the decoder that a fit is about."""
    return DECODERS[fit.model.decoder or fit.science.training.encoders]


def source_features(fit: ModelFit) -> str:
    """Return the registered name of the audio features that a fit's decoder hears."""
    return decoder_class(fit).features_for(fit.science.training)


def source_of(fit: ModelFit) -> Any:
    """Open what a fit takes windows from, as its decoder wants it."""
    by_window = fit.model.in_epochs and fit.science.windows.scaling == "window"
    beside = decoder_class(fit).beside_for(fit.science.training)
    return fit.study.material.source(fit.science, source_features(fit), beside, by_window=by_window)


def blueprint_of(fit: ModelFit, source: Any) -> Blueprint:
    """Say what a fit's decoder is to be built for."""
    features, beside = source_features(fit), decoder_class(fit).beside_for(fit.science.training)
    return _blueprint(fit, source, features, beside)


def _blueprint(fit: ModelFit, source: Any, features: str, beside: str = "") -> Blueprint:
    material, windows = fit.study.material, fit.science.windows
    return Blueprint(
        kind=fit.model.decoder or fit.science.training.encoders,
        channels=source.eeg.channels,
        songs=material.labels,
        rate_hz=material.rate.hz,
        delay_s=windows.delay,
        window_s=windows.length,
        audio_s=max(windows.length, windows.audio_context),
        features=features,
        bands=material.audio.n_features(features),
        longest=max(material.audio.lengths()),
        beside=beside,
        positions=material.positions(),
        eeg_encoder=fit.science.training.eeg_encoder,
        of_teachers=material.audio.n_of_teachers(features),
    )


def read_decoder(fit: ModelFit, source: Any) -> Decoder:
    """Read the decoder of a fit; let one that was trained elsewhere name the songs of this study."""
    assert fit.trained
    songs = source.songs()
    decoder = decoder_class(fit).load(fit.trained, blueprint_of(fit, source), songs)
    return decoder.for_songs(fit.study.material.labels, songs) if fit.study.given else decoder


def _solve(fit: ModelFit, source: Any, worker: Worker) -> Decoder:
    assert fit.trained
    decoder: Decoder = _solved(fit, source, fit.model.decoder, blueprint_of(fit, source), fit.model.shrinkage)
    decoder.save(fit.trained, {})
    decoder.remember(source.songs())
    worker.advance(fit.units, fit.title)
    return decoder


def _solved(fit: ModelFit, source: Any, name: str, blueprint: Blueprint, shrinkage: float | None = SHRINKAGE) -> Any:
    """Solve for the closed-form decoder of a name, from the audio features that the source has."""
    from predann_bids.learning.closed_form.solving import solve

    kind: Any = DECODERS[name]
    settings = replace(kind.settings_for(blueprint), shrinkage=shrinkage)
    return solve(kind, source, fit.split, settings)


def _can_start(fit: ModelFit, blueprint: Blueprint) -> bool:
    """Whether a network can contain a closed-form decoder, which is solved for from EEG scaled by recordings."""
    by_recording = fit.science.windows.scaling == "recording"
    few = bool(blueprint.beside) or blueprint.bands <= MOST_FEATURES
    return can_be_started(decoder_class(fit)) and by_recording and few


def _start(fit: ModelFit, source: Any) -> Any:
    """Return the closed-form decoder that a network contains: the one that does best on validation data.

    An earlier one of `STARTS` goes before one that is not clearly better. It is read where it is one of the models of
    the run and done, and otherwise solved for here. Beside a teacher, it takes the features made by hand that `source`
    has.
    """
    from predann_bids.learning.closed_form.contrast import preferred
    from predann_bids.learning.closed_form.data import held_out
    from predann_bids.learning.closed_form.validation import ValidationWindows

    songs, features = source.songs(), _features_of_start(fit)
    blueprint = _blueprint(fit, source, features)
    candidates: list[Any] = []
    for name in STARTS:
        done = next((other for other in fit.starts if other.model.name == name and other.is_trained()), None)
        if done and decoder_class(done).features_for(fit.science.training) == features:
            assert done.trained
            candidates.append(decoder_class(done).load(done.trained, blueprint, songs))
        else:
            candidates.append(_solved(fit, source, name, blueprint))
    windows = ValidationWindows.of(source, held_out(fit.split))
    found = [windows.contrast(decoder) for decoder in candidates]
    best = candidates[preferred(found, range(len(candidates)))]
    best.remember(songs)
    return best


def _features_of_start(fit: ModelFit) -> str:
    """Return the name of the features that the closed-form decoder inside a network takes."""
    return decoder_class(fit).beside_for(fit.science.training) or source_features(fit)


def _source_of_start(fit: ModelFit, source: Any) -> Any:
    """Open what the closed-form decoder inside a network is solved from."""
    if not decoder_class(fit).beside_for(fit.science.training):
        return source
    return fit.study.material.source(fit.science, _features_of_start(fit))


def _learned_from(fit: ModelFit, source: Any) -> tuple[Any, Reduction | None]:
    """Open what a network is trained on; a teacher's features are reduced by what training songs say."""
    beside = decoder_class(fit).beside_for(fit.science.training)
    if not beside:
        return source, None
    material = fit.study.material
    songs = {material.trials[stretch.trial].stimulus for stretch in (*fit.split.train, *fit.split.validation)}
    store, reduction = material.audio.learned(source_features(fit), songs, MOST_LEARNED)
    return source.taking_from(source.eeg, store), reduction


def _train(fit: ModelFit, source: Any, worker: Worker) -> Decoder:
    with request_to_stop().held_back():  # what is trained to the end is kept
        return _train_and_keep(fit, source, worker)


def _train_and_keep(fit: ModelFit, source: Any, worker: Worker) -> Decoder:
    from predann_bids.learning.fitting import fit as train

    blueprint, execution, split = blueprint_of(fit, source), fit.execution, _to_train_on(fit)
    _refuse_too_little_memory(fit)
    solved_from = _source_of_start(fit, source)
    start = _start(fit, solved_from) if _can_start(fit, blueprint) else None
    learned_from, reduction = _learned_from(fit, source)
    settings = decoder_class(fit).settings_for(blueprint)
    if reduction:
        settings = replace(settings, n_bands=len(reduction.directions))
        if reduction.of_teachers:
            settings = replace(settings, teacher_bands=reduction.of_teachers)
    if start:
        worker.advance(0, f"{fit.title}: closed-form decoder solved for")
        settings = replace(settings, shrinkage=start.settings.shrinkage)
        source, learned_from = (some.whitened(settings.shrinkage) for some in (source, learned_from))
    unfinished = fit.directory / f"{fit.model.name}_unfinished"
    decoder, history = train(
        learned_from,
        split,
        blueprint.kind,
        settings,
        fit.science.training,
        directory=unfinished / fit.training_fingerprint,
        name=fit.title,
        hardware=hardware_of(execution, worker.number),
        on_progress=worker.advance,
        validation=fit.study.validation_windows(fit.split),
    )
    if reduction:
        decoder = decoder.reducing(reduction.mean, reduction.directions)
        decoder.remember(source.songs())
    if start and fit.model.started:
        decoder = _joined(fit, decoder, start, source, solved_from)
    assert fit.history
    assert fit.trained
    write_text(fit.history, pd.DataFrame(history).to_csv(index=False))
    decoder.save(fit.trained, _facts(fit))
    shutil.rmtree(unfinished, ignore_errors=True)
    return decoder


def _refuse_too_little_memory(fit: ModelFit) -> None:
    if not uses_accelerator(fit.execution):
        windows = fit.science.windows
        audio_s = max(windows.length, windows.audio_context)
        refuse_too_little_memory(fit.science.training, len(_to_train_on(fit).train), audio_s, fit.execution.mem_gb)


def _joined(fit: ModelFit, network: Any, start: Any, source: Any, solved_from: Any) -> Any:
    """Join a trained network with the closed-form decoder that it contains."""
    from predann_bids.learning.closed_form.joining import join
    from predann_bids.learning.closed_form.validation import ValidationWindows

    held_out = fit.split.validation
    windows, of_start = (ValidationWindows.of(some, held_out or fit.split.train) for some in (source, solved_from))
    decoder = join(network, start, windows, of_start, held_out=bool(held_out))
    decoder.remember(source.songs())
    return decoder


def _facts(fit: ModelFit) -> dict[str, Any]:
    """Say how a network came to be, in its checkpoint."""
    return {
        "model": fit.model.name,
        "fold": fit.split.fold,
        "training": fit.science.training.model_dump(),
        "preprocessing": fit.science.preprocessing.model_dump(),
        "trained_on": trained_on(fit.study.material, fit.split),
        "positions": fit.study.material.positions(),
    }


_FITTERS: Mapping[str, Callable[[ModelFit, Any, Worker], Decoder]] = {"in epochs": _train, "in closed form": _solve}


def _to_train_on(fit: ModelFit) -> Split:
    """Cut training data into chunks where one window is drawn from each."""
    if fit.science.training.drawing == "filled":
        return fit.split
    length = fit.study.material.rate.samples(fit.science.splitting.chunk)
    return replace(fit.split, train=tuple(chunk for stretch in fit.split.train for chunk in stretch.chunks(length)))


def trained_on(material: Material, split: Split) -> list[str]:
    """Fingerprints of the recordings that training and validation took windows from."""
    used = {material.trials[stretch.trial].recording for stretch in (*split.train, *split.validation)}
    return sorted(set().union(*(material.identities(index) for index in used)))


def _classify(fit: ModelFit, worker: Worker, *, keep: bool) -> _Tested:  # noqa: ARG001 - no model is kept
    from predann_bids.learning.signature import MOST_TRAINED, band_powers, classify, thinned
    from predann_bids.workflows.group.inputs.audio import SPECTRA

    material = fit.study.material
    source = material.source(fit.science, SPECTRA).whitened(fit.model.shrinkage)
    test = fit.study.tested_windows(fit.split)
    every = grid((*fit.split.train, *fit.split.validation), source.length, max(1, source.length // 2))
    train = thinned(every, MOST_TRAINED)
    powers = [
        band_powers(source.eeg, source.trials, windows, source.length, source.delay, material.rate)
        for windows in (train, test)
    ]
    worker.advance(1, f"fold {fit.split.fold}, the recordings' signature")
    return _Tested(test, classify(powers[0], train.stimuli(source.trials), powers[1], len(material.labels)))

"""Do one fit: train, solve for or read a model, let it predict from the test windows, keep what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from predann_bids.data.windows import Windows, grid
from predann_bids.files import write_json, written_whole
from predann_bids.learning.memory import keep_memory
from predann_bids.learning.retrieval import Candidates, Representations, rank
from predann_bids.models.decoder import DECODERS, Decoder
from predann_bids.workflows.group.fits import RANKS, ModelFit
from predann_bids.workflows.group.fitting.solving import solve_model
from predann_bids.workflows.group.fitting.sources import read_decoder, source_of
from predann_bids.workflows.group.fitting.training import train_network
from predann_bids.workflows.processes import Worker
from predann_bids.workflows.resources import device_of, on_threads


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


_FITTERS: Mapping[str, Callable[[ModelFit, Any, Worker], Decoder]] = {
    "in epochs": train_network,
    "in closed form": solve_model,
}


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

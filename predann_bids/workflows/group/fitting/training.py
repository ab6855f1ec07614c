"""Train a network, join it with the closed-form decoder that it contains, and save it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pandas as pd

from predann_bids.config.teachers import MOST_LEARNED
from predann_bids.data.trials import audio_spans
from predann_bids.files import write_text
from predann_bids.models.decoder import Decoder
from predann_bids.signals.frames import Reduction
from predann_bids.surroundings.stopping import request_to_stop
from predann_bids.workflows.group.fits import ModelFit
from predann_bids.workflows.group.fitting.solving import can_start, joined, source_of_start, start_of
from predann_bids.workflows.group.fitting.sources import (
    blueprint_of,
    decoder_class,
    source_features,
    trained_on,
    trained_split,
)
from predann_bids.workflows.processes import Worker
from predann_bids.workflows.resources import hardware_of, refuse_too_little_memory, uses_accelerator


def train_network(fit: ModelFit, source: Any, worker: Worker) -> Decoder:
    """Train the network of a fit, join it with the decoder that it contains, and save it with its history."""
    with request_to_stop().held_back():  # what is trained to the end is kept
        return _train_and_keep(fit, source, worker)


def _train_and_keep(fit: ModelFit, source: Any, worker: Worker) -> Decoder:
    from predann_bids.learning.fitting import fit as train

    blueprint, execution, split = blueprint_of(fit, source), fit.execution, trained_split(fit)
    refuse_too_large(fit)
    solved_from = source_of_start(fit, source)
    start = start_of(fit, solved_from) if can_start(fit, blueprint) else None
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
        decoder = joined(fit, decoder, start, source, solved_from)
    assert fit.history
    assert fit.trained
    write_text(fit.history, pd.DataFrame(history).to_csv(index=False))
    decoder.save(fit.trained, _facts(fit))
    shutil.rmtree(unfinished, ignore_errors=True)
    return decoder


def _learned_from(fit: ModelFit, source: Any) -> tuple[Any, Reduction | None]:
    """Open what a network is trained on; a teacher's features are reduced by what the training hears of the songs.

    Where other moments of the same recordings are tested, these are left out; else songs are heard as a whole.
    """
    beside = decoder_class(fit).beside_for(fit.science.training)
    if not beside:
        return source, None
    material = fit.study.material
    spans = audio_spans(material.trials, (*fit.split.train, *fit.split.validation))
    heard = spans if fit.study.nature.within_recording else dict.fromkeys(spans)
    store, reduction = material.audio.learned(source_features(fit), heard, MOST_LEARNED)
    return source.taking_from(source.eeg, store), reduction


def refuse_too_large(fit: ModelFit) -> None:
    """Refuse a training for which there is too little memory; see `resources.refuse_too_little_memory`."""
    if not uses_accelerator(fit.execution):
        windows = fit.science.windows
        audio_s = max(windows.length, windows.audio_context)
        refuse_too_little_memory(fit.science.training, len(trained_split(fit).train), audio_s, fit.execution.mem_gb)


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

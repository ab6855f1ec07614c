"""Do the fits of studies: train or read a model, let it hear the test windows, keep what it says."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from predann_bids.config import Training
from predann_bids.data.splits import UNSEEN_MUSIC, Split
from predann_bids.data.windows import Windows, grid
from predann_bids.errors import UnusableData
from predann_bids.files import write_json, write_text, written_whole
from predann_bids.learning.memory import keep_memory
from predann_bids.learning.retrieval import Candidates, Representations, rank
from predann_bids.progress import Progress
from predann_bids.workflows.execution import Execution, Failure, exclusive, report, run_all
from predann_bids.workflows.group.material import PRELOAD, Material
from predann_bids.workflows.group.studies import DECODERS, LINEAR, RANKS, SIGNATURE, Fit
from predann_bids.workflows.resources import (
    device_of,
    on_threads,
    own_device,
    processes_for,
    refuse_too_little_memory,
    uses_accelerator,
)

if TYPE_CHECKING:
    from predann_bids.learning.fitting import AnySource
    from predann_bids.models.published.networks import PublishedSettings
    from predann_bids.models.temporal.decoder import DecoderSettings

Task = TypeVar("Task")


def train_all(fits: Sequence[Fit], execution: Execution) -> None:
    """Do the fits that are not done yet, the longest first."""
    to_do = [fit for fit in fits if execution.overwrite or not fit.is_finished()]
    to_do.sort(key=lambda fit: -fit.units)
    if to_do:
        training = to_do[0].science.training
        run_tasks(train_one, to_do, execution, title="Training", training=training, units=lambda fit: fit.units)


def run_tasks(
    work: Callable[[Task], Failure | None],
    tasks: Sequence[Task],
    execution: Execution,
    *,
    title: str,
    training: Training,
    units: Callable[[Task], int] = lambda _: 1,
) -> None:
    """Do tasks in several processes, showing how far they are; the first failure ends it."""
    if not tasks:
        return
    processes = processes_for(training, execution)
    with Progress(title, sum(map(units, tasks))) as progress:
        for failure in run_all(
            work, tasks, processes, preload=PRELOAD, on_beat=progress.beat, on_report=progress.advance
        ):
            if failure:
                raise (failure.kind or UnusableData)(
                    f"{title} failed: {failure.message}\n{failure.trace if not failure.kind else ''}".strip()
                )


def train_one(fit: Fit) -> Failure | None:
    """Train (or read), test and save one model; return what went wrong."""
    try:
        with exclusive(fit.directory / f".{fit.model}.lock"):
            do_fit(fit)
    except Exception as error:  # travels to the parent, which raises it
        return Failure.of(error)
    return None


def do_fit(fit: Fit) -> None:
    """Train (or read), test and save one model; whoever calls holds the lock."""
    if fit.science.training.is_published:
        keep_memory()
    with on_threads(fit.execution.threads if fit.science.training.is_published else 1):
        _do_fit(fit)


def _do_fit(fit: Fit) -> None:
    keep = fit.is_trained() and not fit.execution.overwrite
    if keep:
        write_json(fit.marker, {"TrainingHash": fit.training_fingerprint})  # no longer finished, but trained
    else:
        fit.marker.unlink(missing_ok=True)
    heard = _KINDS[fit.model](fit, keep)
    _save_outputs(fit, heard)
    hashes = {"ScienceHash": fit.fingerprint, "TrainingHash": fit.training_fingerprint}
    write_json(fit.marker, {**hashes, "Model": fit.model, "Fold": fit.split.fold})


@dataclass(frozen=True)
class _Heard:
    """What a model makes of the test windows."""

    windows: Windows
    probabilities: Any = None
    representations: Representations | None = None


def _save_outputs(fit: Fit, heard: _Heard) -> None:
    study, material = fit.study, fit.study.material
    arrays: dict[str, Any] = {"trial": heard.windows.trial, "start": heard.windows.start}
    if heard.windows.place is not None:
        arrays["place"] = heard.windows.place
    if heard.probabilities is not None and study.known_songs:
        arrays["probabilities"] = heard.probabilities
    if heard.representations is not None:
        windows = study.science.windows
        candidates = Candidates.of(
            material.trials,
            fit.split.test,
            len(material.labels),
            length=material.rate.samples(windows.length),
            stride=material.rate.samples(windows.stride),
            only_tested=study.split in UNSEEN_MUSIC,
        )
        inside = {length: 1 + round((length - windows.length) / windows.stride) for length in study.science.lengths}
        similarities, ranks = rank(heard.representations, material.trials, heard.windows, candidates, inside)
        arrays["similarities"] = similarities.astype(np.float64)
        arrays |= {RANKS + str(name): column.to_numpy(dtype=np.float64) for name, column in ranks.items()}
    with written_whole(fit.outputs) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _decode(fit: Fit, keep: bool) -> _Heard:
    from predann_bids.learning.checkpoints import load_decoder
    from predann_bids.learning.fitting import represent

    source = fit.study.material.source(fit.science)
    assert fit.trained
    if fit.study.given:
        decoder = given_decoder(fit)
    elif keep:
        decoder = load_decoder(fit.trained)
        report(fit.units, f"fold {fit.split.fold}, {fit.model}: as it was trained")
    else:
        decoder = _train_decoder(fit, source)
    test = fit.study.tested_windows(fit.split)
    where = f"fold {fit.split.fold}, {fit.model}"
    heard = represent(
        decoder, source, test, device_of(fit.execution), lambda units, note: report(units, f"{where}: {note}")
    )
    return _Heard(test, *heard)


def given_decoder(fit: Fit) -> Any:
    """Read a decoder that was trained elsewhere, and let it remember the songs of this study."""
    from predann_bids.learning.checkpoints import for_songs, load_decoder

    material = fit.study.material
    return for_songs(load_decoder(fit.study.given[fit.model]), material.labels, material.spectra)


def _train_decoder(fit: Fit, source: AnySource) -> Any:
    from predann_bids.learning.checkpoints import save_decoder
    from predann_bids.learning.fitting import Hardware
    from predann_bids.learning.fitting import fit as train

    material, execution = fit.study.material, fit.execution
    on_device = uses_accelerator(execution)
    hardware = Hardware(
        execution.accelerator if on_device else "cpu",
        f"{own_device(execution)}," if on_device else "1",
        execution.precision,
    )
    unfinished = fit.directory / f"{fit.model}_unfinished" / fit.training_fingerprint
    split = _to_train_on(fit)
    if fit.science.training.is_published and not on_device:
        windows = fit.science.windows
        heard_s = max(windows.length, windows.audio_context)
        refuse_too_little_memory(fit.science.training.batch_size, len(split.train), heard_s, execution.mem_gb)
    decoder, history = train(
        source,
        split,
        _settings(fit, source.eeg.channels),
        fit.science.training,
        directory=unfinished,
        name=f"fold {fit.split.fold}, {fit.model}",
        hardware=hardware,
        report=report,
        validation=fit.study.validation_windows(fit.split),
    )
    assert fit.history
    assert fit.trained
    write_text(fit.history, pd.DataFrame(history).to_csv(index=False))
    save_decoder(
        decoder,
        fit.trained,
        model=fit.model,
        fold=fit.split.fold,
        training=fit.science.training.model_dump(),
        preprocessing=fit.science.preprocessing.model_dump(),
        trained_on=trained_on(material, fit.split),
        positions=material.positions(),
    )
    shutil.rmtree(unfinished.parent, ignore_errors=True)
    return decoder


def _to_train_on(fit: Fit) -> Split:
    """Cut training data into chunks where one window is drawn from each."""
    if fit.science.training.drawing == "filled":
        return fit.split
    length = fit.study.material.rate.samples(fit.science.splitting.chunk)
    return replace(fit.split, train=tuple(chunk for stretch in fit.split.train for chunk in stretch.chunks(length)))


def _settings(fit: Fit, channels: tuple[str, ...]) -> DecoderSettings | PublishedSettings:
    from predann_bids.models.published.networks import PublishedSettings
    from predann_bids.models.temporal.decoder import DecoderSettings
    from predann_bids.models.temporal.layers import HALVING

    material, windows = fit.study.material, fit.science.windows
    common: dict[str, Any] = {
        "channels": channels,
        "songs": material.labels,
        "rate_hz": material.rate.hz,
        "delay_s": windows.delay,
        "window_s": windows.length,
    }
    if fit.science.training.is_published:
        heard = max(windows.length, windows.audio_context)
        return PublishedSettings(**common, audio_s=heard, kind=fit.science.training.encoders)
    return DecoderSettings(**common, memory_frames=max(frames.shape[1] for frames in material.spectra) // HALVING)


def trained_on(material: Material, split: Split) -> list[str]:
    """Fingerprints of the recordings that training and validation took windows from."""
    used = {material.trials[stretch.trial].recording for stretch in (*split.train, *split.validation)}
    return sorted(set().union(*(material.identities(index) for index in used)))


def _decode_linearly(fit: Fit, keep: bool) -> _Heard:
    from predann_bids.learning.linear import HALVING, LinearDecoder, fit_linear, halved, onset_features, unwhitened

    material = fit.study.material
    source = material.mapped_source(fit.science)
    assert fit.trained
    if fit.study.given or keep:
        decoder = LinearDecoder.load(fit.trained)
    else:
        decoder = fit_linear(source, fit.split, material.rate, whitened=fit.model == "linear_whitened")
        decoder.save(fit.trained)
    test = fit.study.tested_windows(fit.split)
    store = source.eeg if decoder.whitened else unwhitened(source.eeg)
    parts = [
        decoder.reconstruct(store.windows(source.trials, test[first : first + 256], source.length, source.delay))
        for first in range(0, len(test), 256)
    ]
    songs = tuple(halved(onset_features(frames)) for frames in material.spectra)
    report(1, f"fold {fit.split.fold}, {fit.model}")
    return _Heard(test, representations=Representations(np.concatenate(parts), songs, HALVING, by_feature=True))


def _classify_signature(fit: Fit, keep: bool) -> _Heard:  # noqa: ARG001 - it keeps no model
    from predann_bids.learning.linear import unwhitened
    from predann_bids.learning.signature import band_powers, classify

    material = fit.study.material
    source = material.mapped_source(fit.science)
    store, test = unwhitened(source.eeg), fit.study.tested_windows(fit.split)
    train = grid((*fit.split.train, *fit.split.validation), source.length, max(1, source.length // 2))
    powers = [
        band_powers(store, source.trials, windows, source.length, source.delay, material.rate)
        for windows in (train, test)
    ]
    report(1, f"fold {fit.split.fold}, recordings' signature")
    return _Heard(test, classify(powers[0], train.stimuli(source.trials), powers[1], len(material.labels)))


_KINDS: Mapping[str, Callable[[Fit, bool], _Heard]] = {
    **dict.fromkeys(DECODERS, _decode),
    **dict.fromkeys(LINEAR, _decode_linearly),
    SIGNATURE: _classify_signature,
}

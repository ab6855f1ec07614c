"""Measure what trained decoders use, and what EEG predicts, fold by fold, and pool it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from predann_bids.files import read_json, write_json
from predann_bids.learning.models import PREDANN
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.fits import ModelFit
from predann_bids.workflows.group.fitting.sources import read_decoder, source_of
from predann_bids.workflows.group.fitting.tasks import run_tasks
from predann_bids.workflows.group.studies import Study
from predann_bids.workflows.processes import Worker
from predann_bids.workflows.resources import on_threads

STEPS = 4  # that a probe reports: delays, bands, channels, similarity
READOUT_STEPS = 2  # linear, network
READOUT_VERSION = "2"  # increase it when features are predicted in another way, so that it is done anew


@dataclass(frozen=True)
class ProbeTask:
    """Measure what the decoder of a fit uses."""

    fit: ModelFit

    @property
    def path(self) -> Path:
        """Where the counts are kept."""
        return self.fit.directory / f"{self.fit.model.name}_probe.json"

    def is_finished(self) -> bool:
        """Whether it is done, with the same decoder."""
        return self.path.is_file() and read_json(self.path).get("ScienceHash") == self.fit.fingerprint

    def read(self) -> Any:
        """Read back what was counted."""
        from predann_bids.learning.probing.counts import Probe

        return Probe.of(read_json(self.path)["Probe"])


@dataclass(frozen=True)
class ReadoutTask:
    """Measure how well the EEG of a fold predicts audio features, by way of the decoder of a fit and linearly."""

    fit: ModelFit
    features: str

    @property
    def path(self) -> Path:
        """Where the correlations are kept."""
        name = hashlib.blake2b(self.features.encode(), digest_size=4).hexdigest()
        return self.fit.directory / f"{self.fit.model.name}_readout-{name}.json"

    @property
    def fingerprint(self) -> str:
        """What the result depends on: the decoder, and the audio features."""
        versions = {file.parent.name for file in self.fit.study.material.audio.files[self.features]}
        return "+".join((self.fit.fingerprint, *sorted(versions), READOUT_VERSION))

    def is_finished(self) -> bool:
        """Whether it is done, with the same decoder and the same features."""
        return self.path.is_file() and read_json(self.path).get("ScienceHash") == self.fingerprint

    def read(self) -> Any:
        """Read back what was measured."""
        from predann_bids.learning.probing.readout import Readout

        return Readout(**read_json(self.path)["Readout"])


def measured_predictions(study: Study, fits: Sequence[ModelFit], execution: Execution) -> list[dict[str, Any]] | None:
    """Measure how well EEG predicts the audio features that were asked for: the value `predicts` of metrics.json."""
    from predann_bids.learning.probing.readout import pool_readouts

    names, first = study.science.evaluation.predict_features, study.science.training.seed
    fits = [fit for fit in fits if fit.model == PREDANN and fit.seed == first]
    tasks = {name: [ReadoutTask(fit, name) for fit in fits] for name in dict.fromkeys(names)}
    run_tasks(
        measure_prediction,
        [t for some in tasks.values() for t in some if execution.overwrite or not t.is_finished()],
        execution,
        title="Predicting features",
        training=study.science.training,
        units=lambda _: READOUT_STEPS,
    )
    rows = [{"name": n, **pool_readouts([t.read() for t in some], study.scoring)} for n, some in tasks.items()]
    return rows or None


def measure_prediction(task: ReadoutTask, worker: Worker) -> None:
    """Measure how well the EEG of one fold predicts audio features, and keep the correlations."""
    from predann_bids.learning.probing.readout import read_out

    fit, name = task.fit, task.features
    source = source_of(fit)
    with on_threads(1):
        found = read_out(
            read_decoder(fit, source),
            source,
            fit.study.material.source(fit.science, name),
            fit.split,
            lambda way: worker.advance(1, f"fold {fit.split.fold}, {name}: {way}"),
        )
    write_json(task.path, {"ScienceHash": task.fingerprint, "Readout": asdict(found)})


def measured_uses(study: Study, fits: Sequence[ModelFit], execution: Execution) -> dict[str, Any]:
    """Measure what PredANN's decoders use, on every fold with the first seed: the value `uses` of metrics.json."""
    from predann_bids.learning.probing.pooling import pool_probes

    first = study.science.training.seed
    tasks = [ProbeTask(fit) for fit in fits if fit.model == PREDANN and fit.seed == first]
    to_do = [task for task in tasks if execution.overwrite or not task.is_finished()]
    run_tasks(
        measure_uses,
        to_do,
        execution,
        title="Measuring what is used",
        training=study.science.training,
        units=lambda _: STEPS,
    )
    uses = pool_probes([task.read() for task in tasks], study.scoring, model=PREDANN.name)
    if not study.known_songs:  # a decision by song logits is among classes
        _leave_out_logits(uses)
    return uses


def _leave_out_logits(uses: dict[str, Any]) -> None:
    uses["full"]["accuracy"] = None
    uses["delay"] |= {"accuracy": None, "ci95": None}
    for rows in (uses["bands"], uses["regions"], uses["channels"]):
        for row in rows:
            row |= {key: None for key in ("drop", "ci95", "p_holm") if key in row}


def measure_uses(task: ProbeTask, worker: Worker) -> None:
    """Measure what a trained decoder uses, and keep the counts."""
    with on_threads(1):
        _measure_uses(task, worker)


def _measure_uses(task: ProbeTask, worker: Worker) -> None:
    from predann_bids.data.regions import as_positions
    from predann_bids.learning.probing.probe import probe
    from predann_bids.models.decoder import moment_matcher

    fit, study, material = task.fit, task.fit.study, task.fit.study.material
    source = source_of(fit)
    tested = {material.trials[stretch.trial].stimulus for stretch in fit.split.test}
    held_out = np.array([song in tested for song in range(len(material.labels))])
    preprocessing = study.science.preprocessing
    counts = probe(
        moment_matcher(read_decoder(fit, source)),
        source,
        fit.split.test,
        rate=material.rate,
        stride=material.rate.samples(study.science.windows.stride),
        rng=np.random.default_rng([fit.seed, fit.split.fold]),
        positions=as_positions(source.eeg.channels, material.positions()),
        candidates=held_out if study.nature.unseen_songs else None,
        band_hz=(preprocessing.l_freq, preprocessing.h_freq or np.inf),
        on_step=lambda what: worker.advance(1, f"fold {fit.split.fold}, {what}"),
    )
    write_json(task.path, {"ScienceHash": fit.fingerprint, "Probe": counts.plain()})

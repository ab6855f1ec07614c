"""Measure what trained decoders use, fold by fold, and pool it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from predann_bids.files import read_json, write_json
from predann_bids.learning.models import PREDANN
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.fits import ModelFit
from predann_bids.workflows.group.fitting import read_decoder, run_tasks, source_of
from predann_bids.workflows.group.studies import Study
from predann_bids.workflows.processes import Worker
from predann_bids.workflows.resources import on_threads

STEPS = 4  # that a probe reports: delays, bands, channels, similarity


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

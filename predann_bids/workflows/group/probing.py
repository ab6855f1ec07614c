"""Measure what trained decoders use, fold by fold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from predann_bids.data.splits import UNSEEN_SONGS
from predann_bids.files import read_json, write_json
from predann_bids.workflows.execution import Failure, report
from predann_bids.workflows.group.fitting import given_decoder
from predann_bids.workflows.group.studies import Fit
from predann_bids.workflows.resources import on_threads

STEPS = 4  # that a probe reports: delays, bands, channels, similarity


@dataclass(frozen=True)
class ProbeTask:
    """Measure what the decoder of a fit uses."""

    fit: Fit

    @property
    def path(self) -> Path:
        """Where the counts are kept."""
        return self.fit.directory / f"{self.fit.model}_probe.json"

    def is_finished(self) -> bool:
        """Tell whether it is done, with the same decoder."""
        return self.path.is_file() and read_json(self.path).get("ScienceHash") == self.fit.fingerprint

    def read(self) -> Any:
        """Read back what was counted."""
        from predann_bids.learning.probing.probe import Probe

        return Probe.of(read_json(self.path)["Probe"])


def measure_uses(task: ProbeTask) -> Failure | None:
    """Measure what a trained decoder uses; return what went wrong."""
    try:
        with on_threads(1):
            _measure_uses(task)
    except Exception as error:  # travels to the parent, which raises it
        return Failure.of(error)
    return None


def _measure_uses(task: ProbeTask) -> None:
    from predann_bids.data.regions import as_positions
    from predann_bids.learning.checkpoints import load_decoder
    from predann_bids.learning.probing.probe import probe

    fit, study, material = task.fit, task.fit.study, task.fit.study.material
    assert fit.trained
    decoder = given_decoder(fit) if study.given else load_decoder(fit.trained)
    source = material.mapped_source(fit.science)
    tested = {material.trials[stretch.trial].stimulus for stretch in fit.split.test}
    held_out = np.array([song in tested for song in range(len(material.labels))])
    preprocessing = study.science.preprocessing
    found = probe(
        decoder,
        source,
        fit.split.test,
        rate=material.rate,
        stride=material.rate.samples(study.science.windows.stride),
        rng=np.random.default_rng([fit.seed, fit.split.fold]),
        positions=as_positions(source.eeg.channels, material.positions()),
        candidates=held_out if study.split in UNSEEN_SONGS else None,
        band_hz=(preprocessing.l_freq, preprocessing.h_freq or np.inf),
        report=lambda what: report(1, f"fold {fit.split.fold}, {what}"),
    )
    write_json(task.path, {"ScienceHash": fit.fingerprint, "Probe": found.plain()})

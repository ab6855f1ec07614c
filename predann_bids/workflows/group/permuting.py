"""Fits on permuted labels, of which only the hits are kept."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from predann_bids.files import read_json, write_json
from predann_bids.learning.permutation import Exchange, count_hits
from predann_bids.workflows.execution import Failure
from predann_bids.workflows.group.fitting import do_fit
from predann_bids.workflows.group.studies import Fit, read_fit


@dataclass(frozen=True)
class NullFit:
    """A fit on permuted labels of which only the hits are kept."""

    fit: Fit
    exchange: Exchange
    number: int
    path: Path

    def is_finished(self) -> bool:
        """Tell whether it is done, with the same data and configuration."""
        return self.path.is_file() and read_json(self.path).get("ScienceHash") == self.fit.fingerprint


def train_null(task: NullFit) -> Failure | None:
    """Train and test one decoder on permuted labels; return what went wrong."""
    try:
        with tempfile.TemporaryDirectory() as name:
            fit = replace(task.fit, study=replace(task.fit.study, directory=Path(name)))
            do_fit(fit)
            found = read_fit(fit)
        material, length = fit.study.material, fit.science.windows.length
        rows = task.exchange.comparable(found, material.trials, material.rate, material.rate.samples(length))
        counts: dict[str, Any] = {str(by): hits for by, hits in count_hits(found, rows).items()}
        write_json(task.path, {"ScienceHash": fit.fingerprint, **counts})
    except Exception as error:  # travels to the parent, which raises it
        return Failure.of(error)
    return None

"""What a sweep hands to its tables and its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from predann_bids.report.scores import evaluated
from predann_bids.report.sweep.results import SEED, PointResult, VariedKey, point_text


@dataclass(frozen=True)
class SweepEvidence:
    """The results of a sweep.

    Parameters
    ----------
    label : str
        Name of the sweep.
    keys : tuple of VariedKey
        What was varied.
    results : tuple of PointResult
        Results of the finished points, in the order of the grid.
    missing : mapping
        Name of each point without results, as a reader knows it, to why it has none.
    """

    label: str
    keys: tuple[VariedKey, ...]
    results: tuple[PointResult, ...]
    missing: Mapping[str, str]

    @property
    def seed(self) -> VariedKey | None:
        """The seed, if it was varied."""
        return next((key for key in self.keys if key.dotted == SEED), None)

    @property
    def names(self) -> dict[str, str]:
        """Label of each point to its name for a reader."""
        return {result.label: point_text(self.keys, result.values) for result in self.results}

    @property
    def model(self) -> str:
        """The model that the page describes first."""
        return next(iter(evaluated(self.results[0].metrics)))

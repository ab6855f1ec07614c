"""What a group run hands to its report, and how each figure and each table is made from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from predann_bids.config import Science
from predann_bids.registry import Registry
from predann_bids.report.scores import Models, common_match_chance, evaluated

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class GroupEvidence:
    """The results of a group run.

    Parameters
    ----------
    label : str
        Name of the run.
    science : Science
        Resolved configuration.
    metrics : mapping
        Content of metrics.json.
    predictions : DataFrame
        Content of predictions.tsv.
    history : DataFrame
        Columns `fold model epoch` and the losses (or accuracies) of each epoch.
    labels : tuple of str
        Names of the stimuli, in the order of the confusion matrices.
    notes : tuple of str
        Sentences that a reader should know.
    """

    label: str
    science: Science
    metrics: Mapping[str, Any]
    predictions: pd.DataFrame
    history: pd.DataFrame
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def protocol(self) -> Mapping[str, Any]:
        """What the run was in the end."""
        protocol: Mapping[str, Any] = self.metrics["protocol"]
        return protocol

    @property
    def models(self) -> Models:
        """Scores of each model that was evaluated."""
        return evaluated(self.metrics)

    @property
    def chance(self) -> float | None:
        """Chance level of the song logits."""
        return self.metrics.get("chance")

    @property
    def match_chance(self) -> float | None:
        """Chance level of decisions by match."""
        return common_match_chance(self.models, self.chance)

    @property
    def uses(self) -> Mapping[str, Any]:
        """What the network uses; empty where that was not measured."""
        return self.metrics.get("uses") or {}


class Named(Protocol):
    """A figure or a table: something with a name of its own."""

    @property
    def name(self) -> str:
        """Stem of its files."""


Made = TypeVar("Made", bound=Named)


def make_all(registry: Registry[Callable[[GroupEvidence], Made | None]], evidence: GroupEvidence) -> dict[str, Made]:
    """Make every member of a registry that the evidence allows, by name.

    Parameters
    ----------
    registry : Registry
        Functions that make a figure or a table, or return None where there is nothing to show.
    evidence : GroupEvidence
        The results.

    Raises
    ------
    ValueError
        Something is registered under another name than its own.
    """
    made = {}
    for name in registry:
        one = registry[name](evidence)
        if one is None:
            continue
        if one.name != name:
            raise ValueError(f"the {registry.kind} registered as '{name}' is named '{one.name}'")
        made[name] = one
    return made

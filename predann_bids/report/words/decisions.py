"""How the report names the ways to decide which song was playing, and what is retrieved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Way:
    """A way to decide which song was playing.

    Parameters
    ----------
    title : str
        Its name at the beginning of a sentence or above a panel.
    prefix : str
        What its keys in the scores of metrics.json begin with.
    """

    title: str
    prefix: str

    @property
    def inside(self) -> str:
        """Its name inside a sentence."""
        return lower_first(self.title)

    @property
    def noun(self) -> str:
        """Its name in a column."""
        return self.inside.removeprefix("by ")

    @property
    def accuracy(self) -> str:
        """Key of its accuracy."""
        return f"{self.prefix}accuracy"

    @property
    def interval(self) -> str:
        """Key of the interval of its accuracy."""
        return f"{self.prefix}ci95"


def lower_first(text: str) -> str:
    """Begin a phrase with a small letter."""
    return f"{text[:1].lower()}{text[1:]}"


BY_LOGITS, BY_MATCH = Way("By song logits", ""), Way("By match", "match_")
WAYS = (BY_LOGITS, BY_MATCH)
# ways in which models are compared, by their name in `comparisons` of metrics.json
COMPARED: Mapping[str, str] = {"logits": BY_LOGITS.title, "match": BY_MATCH.title, "retrieval": "By retrieval"}
# ways to combine the windows inside a longer segment
AGGREGATIONS: Mapping[str, str] = {"mean": "Mean", "max": "Maximum", "majority": "Majority vote", "match": "Match"}
RETRIEVAL_KINDS: Mapping[str, str] = {
    "song": "Which song, at the same moment",
    "moment": "Which moment of the song",
    "window": "Which moment of which song",
}

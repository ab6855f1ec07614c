"""What the report says about the two halves of the fingerprint control."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ControlWords:
    """What the report says about data in which music and EEG do not belong together.

    Parameters
    ----------
    name : str
        Its name in figures.
    inside : str
        Its name inside a sentence.
    methods : str
        How it is made, as a clause.
    """

    name: str
    inside: str
    methods: str


CONTROL_WORDS: Mapping[str, ControlWords] = {
    "reassigned": ControlWords(
        "Music reassigned",
        "with music reassigned at random",
        "in every recording, the music with its labels was reassigned at random among its presentations",
    ),
    "shifted": ControlWords(
        "EEG shifted in time",
        "with the EEG shifted in time",
        "the EEG of every recording was rotated in time against its events, by a random part of its length",
    ),
}

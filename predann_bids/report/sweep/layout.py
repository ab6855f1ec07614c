"""Which of the varied keys a figure shows, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.report.sweep.results import SEED, VariedKey

MOST_DIMENSIONS = 3
UNEVEN = 8.0  # when one step of the values is so many times another, they are drawn at equal distances


@dataclass(frozen=True)
class Layout:
    """Which key goes along the axis, which makes lines, and which makes rows of panels.

    Parameters
    ----------
    along : VariedKey
        Its values stand along the horizontal axis.
    lines : VariedKey, optional
        It has a line for each value; without it, each model has one.
    rows : VariedKey, optional
        It has a row of panels for each value.
    """

    along: VariedKey
    lines: VariedKey | None = None
    rows: VariedKey | None = None

    @classmethod
    def of(cls, keys: Sequence[VariedKey]) -> Layout:
        """Put numbers before names, and the key with most values along the axis; names in rows where there are any."""
        ordered = sorted(keys, key=lambda key: (not key.is_numeric, -len(key.values)))
        return cls(*ordered)

    @property
    def positions(self) -> Doubles:
        """Positions of the values along the axis: the values, or equal distances for names and uneven numbers."""
        values = self.along.values
        if self.along.is_numeric:
            steps = np.diff(np.sort(np.array(values, dtype=np.float64)))
            if len(values) < 3 or (steps.min() > 0 and steps.max() / steps.min() <= UNEVEN):
                return np.array(values, dtype=np.float64)
        return np.arange(len(values), dtype=np.float64)

    @property
    def is_even(self) -> bool:
        """Whether numbers stand where their values are."""
        return not self.along.is_numeric or np.array_equal(
            self.positions, np.array(self.along.values, dtype=np.float64)
        )


def drawn_keys(keys: Sequence[VariedKey]) -> list[VariedKey]:
    """Return the keys that a figure can show: seeds are repetitions, unless nothing else was varied."""
    others = [key for key in keys if key.dotted != SEED]
    return others or list(keys)

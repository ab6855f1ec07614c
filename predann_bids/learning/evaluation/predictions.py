"""What the models of a run predict for single windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from predann_bids.arrays import Bools, Doubles, Ints
from predann_bids.timing import Rate

Aggregation = Literal["mean", "max", "majority", "match"]
BY_LOGITS: tuple[Aggregation, ...] = ("mean", "max", "majority")
AGGREGATIONS: tuple[Aggregation, ...] = (*BY_LOGITS, "match")
ENTITIES = ("participant", "session", "task", "run")


@dataclass(frozen=True)
class WindowPredictions:
    """The predictions of one model for all test windows of all folds.

    Parameters
    ----------
    table : DataFrame, n rows
        Columns `seed fold participant session task run trial stimulus onset`: seed and fold of the decoder, recording
        and trial of the window, index of its stimulus, and onset of the window in seconds from the start of the
        recording. Also `place`, if windows do not lie on a grid; see `data.windows.Windows`.
    probabilities : ndarray, shape (n, stimuli), or None
        Softmax of the song logits; None for a model without them, or if test songs were not trained on.
    similarities : ndarray, shape (n, stimuli), or None
        Similarity of the predicted representation with each stimulus's audio at the same moment; NaN where a stimulus
        ends too early or is not a candidate. None for a model that predicts no representation.
    ranks : DataFrame, or None
        The table that `retrieval.rank` returns; `window` is a row of `table`.
    """

    table: pd.DataFrame
    probabilities: Doubles | None
    similarities: Doubles | None
    ranks: pd.DataFrame | None = None

    @classmethod
    def concatenate(cls, parts: Sequence[WindowPredictions]) -> WindowPredictions:
        """Pool the predictions of several folds."""
        first = np.cumsum([0, *(len(part.table) for part in parts)])
        ranks = [
            part.ranks.assign(window=part.ranks["window"] + before)
            for part, before in zip(parts, first, strict=False)
            if part.ranks is not None
        ]
        return cls(
            pd.concat([part.table for part in parts], ignore_index=True),
            _joined([part.probabilities for part in parts]),
            _joined([part.similarities for part in parts]),
            pd.concat(ranks, ignore_index=True) if ranks else None,
        )

    @property
    def ways(self) -> tuple[Aggregation, ...]:
        """The aggregations that these predictions allow."""
        by_logits = BY_LOGITS if self.probabilities is not None else ()
        return (*by_logits, *(("match",) if self.similarities is not None else ()))

    @property
    def alone(self) -> Bools:
        """Whether each window is decided about by itself, and not only within a segment."""
        if "place" not in self.table:
            return np.ones(len(self.table), dtype=bool)
        placed: Bools = self.table["place"].to_numpy() == 0
        return placed

    def of_seed(self, seed: int) -> WindowPredictions:
        """Keep the predictions of one seed, without ranks."""
        return self.subset((self.table["seed"] == seed).to_numpy())

    def subset(self, rows: Bools) -> WindowPredictions:
        """Keep some windows, without ranks."""
        return WindowPredictions(
            self.table[rows].reset_index(drop=True),
            None if self.probabilities is None else self.probabilities[rows],
            None if self.similarities is None else self.similarities[rows],
        )


def _joined(parts: Sequence[Doubles | None]) -> Doubles | None:
    arrays = [part for part in parts if part is not None]
    return np.concatenate(arrays) if len(arrays) == len(parts) else None


def keys_of(table: pd.DataFrame) -> Ints:
    """Return what identifies each row of the table of `WindowPredictions`, for drawing among equals: (n, 4)."""
    onset_us = np.round(table["onset"].to_numpy(dtype=np.float64) * 1e6).astype(np.int64)
    return np.column_stack([table[["seed", "fold", "trial"]].to_numpy(dtype=np.int64), onset_us])


def window_table(columns: Mapping[str, Any], rate: Rate) -> pd.DataFrame:
    """Build the table of `WindowPredictions` from columns in which `onset` is in samples at `rate`."""
    table = pd.DataFrame(columns)
    table["onset"] = table["onset"].to_numpy(dtype=np.float64) / rate.hz
    return table

"""How strongly the EEG responds to the music, as the field measures it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from predann_bids.learning.evaluation.predictions import WindowPredictions
from predann_bids.learning.statistics import Scoring, mean_of


def response_strength(linear: WindowPredictions | None, scoring: Scoring) -> dict[str, Any]:
    """Measure the strength of the response: how well a linear decoder reconstructs the music from the EEG.

    It is the correlation of the reconstructed onset envelope and spectral flux with those of the music that was
    playing, averaged over both, over the test windows of a participant, and over participants.

    Parameters
    ----------
    linear : WindowPredictions, optional
        What the linear decoder on standardised EEG says of the test windows.
    scoring : Scoring
        How intervals are made.

    Returns
    -------
    dict
        `strength` and `strength_ci95`, the interval over participants; both None without a linear decoder.
    """
    result: dict[str, Any] = {"strength": None, "strength_ci95": None}
    if linear is None or linear.similarities is None:
        return result
    alone = linear.alone
    own = linear.similarities[np.flatnonzero(alone), linear.table["stimulus"].to_numpy()[alone]]
    by_person = pd.Series(own).groupby(linear.table["participant"].to_numpy()[alone]).mean()
    if not len(by_person):
        return result
    estimate = mean_of(by_person.to_numpy(dtype=np.float64), scoring)
    return {"strength": float(by_person.mean()), "strength_ci95": estimate.interval if estimate else None}

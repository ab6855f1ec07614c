"""Whether decoders look at the EEG of the sound's own moment, where only an electrical copy of it can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from predann_bids.arrays import Doubles, Singles

EARLY_S = 0.045  # nothing that the cortex does can be seen in the EEG so soon


def lag_scores(filters: Sequence[Singles], lags_s: Doubles) -> dict[str, Any]:
    """Measure how the energy of linear filters is spread over the lags of the EEG after the sound.

    The less data there is, the more energy filters have at all lags alike, which would draw the centre to the middle of
    the lags. What counts is the energy above this floor, the median over lags: neither a response nor a copy of the
    sound takes up half of them.

    Parameters
    ----------
    filters : sequence of ndarray, shape (D, C, L)
        Weights of channels and lags for each component, one array for each fold.
    lags_s : ndarray, shape (L,)
        Lags in seconds after the sound.

    Returns
    -------
    dict
        The value `response_lags` of metrics.json: `lags` in seconds, the `share` of the energy at each, averaged over
        folds, and, of the energy above the floor, the `centre` in seconds, with half of it before, and the
        `early_share` before 45 ms.
    """
    energies = [np.square(weights.astype(np.float64)).sum(axis=(0, 1)) for weights in filters]
    share = np.mean([energy / max(1e-30, energy.sum()) for energy in energies], axis=0)
    above = np.clip(share - np.median(share), 0, None)
    above = above / above.sum() if above.any() else share
    step = lags_s[1] - lags_s[0]
    centre = np.interp(0.5, np.cumsum(above), lags_s + step / 2)  # a lag stands for the time around it
    return {
        "lags": [round(float(lag), 4) for lag in lags_s],
        "share": share.tolist(),
        "centre": float(centre),
        "early_share": float(above[lags_s < EARLY_S].sum()),
    }

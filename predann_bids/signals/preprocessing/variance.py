"""How much of the variance of a recording each step removes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from predann_bids.arrays import Singles
from predann_bids.signals.preprocessing.chain import Chain, run
from predann_bids.signals.preprocessing.state import State, Step

MEASURED_S = 30.0  # stretch from the middle of the recording


class VarianceMeter:
    """Measure the variance of a recording on its way: the median over channels, on a stretch from its middle.

    Parameters
    ----------
    workers : int
        Threads to filter with.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._filtered: list[tuple[State, Singles]] = []  # states whose filters differ, and the stretch after them

    def __call__(self, state: State) -> float:
        """Apply the filters and the matrix that a recording has so far to the stretch, and measure the variance."""
        data, matrix = self._filter(state), state.chain.matrix
        return float(np.median(np.var(data if matrix is None else data @ matrix.T, axis=0)))

    def _filter(self, state: State) -> Singles:
        for earlier, data in self._filtered:
            if earlier.raw is state.raw and _filters(earlier.chain) == _filters(state.chain):
                return data
        half, middle = MEASURED_S / 2, state.raw.n_times / state.rate_hz / 2
        last = (state.raw.n_times - 1) / state.rate_hz
        stretch = state.raw.copy().crop(max(0.0, middle - half), min(last, middle + half))
        chain = replace(state.chain, matrix=None, rate_hz=state.rate_hz, resampling="polyphase")
        data = run(stretch, chain, workers=self._workers)
        self._filtered.append((state, data))
        return data


def _filters(chain: Chain) -> tuple[object, ...]:
    return list(chain.notches_hz), chain.low_hz, chain.high_hz


def changes_samples(before: State, after: State) -> bool:
    """Whether a step has done something to the samples, other than to change their rate."""
    same = before.raw is after.raw and before.chain.matrix is after.chain.matrix
    return not same or _filters(before.chain) != _filters(after.chain)


def with_share(state: State, before: float, after: float) -> State:
    """Add the share of the variance that was removed to the last step, unless the step has measured it itself."""
    *earlier, last = state.steps
    if before <= 0 or "variance_removed" in last.parameters:
        return state
    share = {"variance_removed": round(1 - after / before, 4)}
    return replace(state, steps=(*earlier, Step(last.name, last.parameters | share)))

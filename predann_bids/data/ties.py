"""Break ties between candidates that are equally good, without favouring those that come first.

Equal audio has equal similarities. A tie is broken by a draw that depends on nothing but the window, so that the right
one of k wins once in k, whatever the order of the candidates, and always the same one when the work is repeated.
"""

from __future__ import annotations

import numpy as np

from predann_bids.arrays import Floats, Ints


def best_of(scores: Floats, keys: Ints) -> Ints:
    """Return the candidate with the highest score in each row.

    Parameters
    ----------
    scores : ndarray, shape (n, candidates)
        NaN where there is no candidate; at least one in each row.
    keys : ndarray of int, shape (n, m)
        What the draw depends on: numbers that identify the row.
    """
    best: Ints = np.nanargmax(scores, axis=1)
    if not len(scores):
        return best
    tied = scores == np.take_along_axis(scores, best[:, None], axis=1)
    for row in np.flatnonzero(tied.sum(axis=1) > 1):
        best[row] = _drawing(keys[row]).choice(np.flatnonzero(tied[row]))
    return best


def rank_of(own: Floats, scores: Floats, keys: Ints) -> Ints:
    """Return the rank of one candidate in each row, 1 for the highest score; within a tie all ranks are as likely.

    Parameters
    ----------
    own : ndarray, shape (n,)
        The score of that candidate.
    scores : ndarray, shape (n, candidates)
        Scores of all candidates, with its own; NaN where there is no candidate.
    keys : ndarray of int, shape (n, m)
        As for `best_of`.
    """
    ranks: Ints = 1 + (scores > own[:, None]).sum(axis=1)
    equal = (scores == own[:, None]).sum(axis=1) - 1
    for row in np.flatnonzero(equal > 0):
        ranks[row] += _drawing(keys[row]).integers(equal[row], endpoint=True)
    return ranks


def _drawing(key: Ints) -> np.random.Generator:
    return np.random.default_rng(key.astype(np.int64).view(np.uint64))  # seeds must not be negative

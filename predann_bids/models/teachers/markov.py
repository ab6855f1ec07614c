"""A variable-order Markov model of a sequence that it learns while it hears it.

As in the short-term model of IDyOM (Pearce, 2005), the probability of a symbol follows from how often it has followed
the last symbols so far, in contexts of all orders up to a highest one. Orders are mixed by escape method C,
interpolated (Moffat, 1990; Pearce and Wiggins, 2004): with n symbols seen after a context, t of them different,

    p(s | context) = (count(s) + t p(s | shorter context)) / (n + t),

down to equal probabilities of all symbols. Nothing but the sequence's own past is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from predann_bids.arrays import Doubles, Ints


class Expectations(NamedTuple):
    """What a model says of each symbol before it comes, in nats: its surprisal, and the entropy; (n,) each."""

    surprisal: Doubles
    entropy: Doubles


def expect(symbols: Sequence[int] | Ints, n_symbols: int, order: int) -> Expectations:
    """Predict each symbol of a sequence from those before it.

    Parameters
    ----------
    symbols : sequence of int
        Symbols from 0 to n_symbols - 1.
    n_symbols : int
        Size of the alphabet.
    order : int
        Length of the longest context.

    Returns
    -------
    Expectations
    """
    counts: dict[tuple[int, ...], Doubles] = {}
    surprisal, entropy = np.empty(len(symbols)), np.empty(len(symbols))
    past: tuple[int, ...] = ()
    for place, symbol in enumerate(map(int, symbols)):
        contexts = [past[len(past) - length :] for length in range(min(order, len(past)) + 1)]
        probabilities = _mixed(counts, contexts, n_symbols)
        surprisal[place] = -np.log(probabilities[symbol])
        entropy[place] = -(probabilities * np.log(probabilities)).sum()
        for context in contexts:
            counts.setdefault(context, np.zeros(n_symbols))[symbol] += 1
        past = (*past, symbol)[-order:] if order else ()
    return Expectations(surprisal, entropy)


def _mixed(counts: dict[tuple[int, ...], Doubles], contexts: Sequence[tuple[int, ...]], n_symbols: int) -> Doubles:
    """Mix the distributions of contexts, the shortest first; of one never seen, longer ones are not either."""
    probabilities: Doubles = np.full(n_symbols, 1 / n_symbols)
    for context in contexts:
        seen = counts.get(context)
        if seen is None:
            break
        different = np.count_nonzero(seen)
        probabilities = (seen + different * probabilities) / (seen.sum() + different)
    return probabilities

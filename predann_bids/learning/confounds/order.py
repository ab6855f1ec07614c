"""How well the position of a presentation in the session names its song.

Whatever changes in everybody over a session marks a position. Where positions name songs, it marks songs, too. Each
presentation's song is therefore guessed from what others heard at the same position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from predann_bids.arrays import Doubles, Ints
from predann_bids.data.order import Order, list_orders
from predann_bids.data.trials import Trial

PERMUTATIONS = 1999
AT_ONCE = 500_000  # counts of songs that are held while permuting


def order_scores(
    trials: Sequence[Trial], *, within_people: bool, seed: Sequence[int], permutations: int = PERMUTATIONS
) -> dict[str, Any]:
    """Measure how well positions name songs: the value `order` of metrics.json.

    Positions are counted in every way that the design allows. The scores are those of the way with the lowest p-value,
    which is multiplied by their number (Bonferroni); all ways are in `ways`. Without any way they are None.

    Parameters
    ----------
    trials : sequence of Trial
        All presentations.
    within_people : bool
        Whether orders of the same participant are compared, too.
    seed : sequence of int
        Seed of the permutations.
    permutations : int
        Number of permutations.
    """
    songs = np.array([trial.stimulus for trial in trials], dtype=np.int64)
    rows: list[dict[str, Any]] = []
    for order in list_orders(trials, within_people=within_people):
        named = Named.of(order, songs)
        p_value = named.p_value(permutations, np.random.default_rng(seed))
        if p_value is not None:
            said = {"unit": order.unit, "across": order.across, "by_labels": order.by_labels}
            rows.append({**named.scores(), "p_value": p_value, **said})
    best = min(rows, key=lambda row: (row["p_value"], row["chance"] - row["accuracy"]), default={})
    return {
        **{key: best.get(key) for key in ("accuracy", "chance", "unit", "across", "by_labels")},
        "p_value": min(1.0, len(rows) * best["p_value"]) if best else None,
        "n": len(trials),
        "n_participants": len({trial.participant for trial in trials}),
        "n_permutations": permutations,
        "ways": rows,
    }


@dataclass(frozen=True)
class Named:
    """Songs guessed from positions.

    There are two ways to guess: the song that most others heard at this position (ties are shared), and the song of
    one of the others, drawn at random. The first is better where one order prevails. Where two orders are balanced,
    it is always wrong, because the others are fewer by the one who is left out; then the second is better. Where
    nobody else has this position, all songs are equally likely.

    Parameters
    ----------
    songs : ndarray of int, shape (trials,)
        The song of each presentation.
    place : ndarray of int, shape (trials,)
        Number of the position, in its pool.
    own : ndarray of int, shape (trials,)
        Number of the position, in its block.
    block : ndarray of int, shape (trials,)
        Number of the participant, session or recording whose order a presentation belongs to.
    """

    songs: Ints
    place: Ints
    own: Ints
    block: Ints

    @classmethod
    def of(cls, order: Order, songs: Ints) -> Named:
        """Number what an order compares."""
        pairs = (order.pool, order.position), (order.block, order.position), (order.block,)
        cells = [np.unique(np.stack(pair), axis=1, return_inverse=True)[1].ravel() for pair in pairs]
        return cls(np.unique(songs, return_inverse=True)[1].ravel(), *cells)

    @property
    def n_songs(self) -> int:
        """Number of songs."""
        return int(self.songs.max()) + 1

    def scores(self) -> dict[str, float]:
        """Score the better way to guess; `chance` is what it expects if each block has its songs in random order."""
        rows = np.arange(len(self.songs))
        heard = self._table(self.block, self.songs)
        shares = (heard / heard.sum(axis=1, keepdims=True))[self.block]
        scored = [
            {"accuracy": float(guess[rows, self.songs].mean()), "chance": float((guess * shares).sum(axis=1).mean())}
            for guess in self._guesses()
        ]
        return max(scored, key=lambda scores: scores["accuracy"])

    def _guesses(self) -> tuple[Doubles, Doubles]:
        """Compute the probability of each song, shape (trials, songs), in both ways to guess."""
        others = self._table(self.place, self.songs)[self.place] - self._table(self.own, self.songs)[self.own]
        number = others.sum(axis=1, keepdims=True)
        is_most = others == others.max(axis=1, keepdims=True)
        drawn = np.where(number > 0, others / np.maximum(number, 1), 1 / self.n_songs)
        return is_most / is_most.sum(axis=1, keepdims=True), drawn

    def _table(self, cells: Ints, songs: Ints) -> Doubles:
        """Count how often each song (columns) was heard in each cell (rows)."""
        flat = np.bincount(cells * self.n_songs + songs, minlength=(int(cells.max()) + 1) * self.n_songs)
        return flat.reshape(-1, self.n_songs).astype(np.float64)

    def p_value(self, number: int, rng: np.random.Generator) -> float | None:
        """Test how often others heard the same song at the same position, by permuting songs within blocks.

        This is the second way to guess, which sees any number of orders. The real order counts as one of the
        permutations (Phipson and Smyth 2010).

        Returns
        -------
        float, or None if no block has several songs
        """
        if (np.count_nonzero(self._table(self.block, self.songs), axis=1) < 2).all():
            return None
        by_block = np.argsort(self.block, kind="stable")
        observed, reached = self.agreements(self.songs[None])[0], 1
        each = max(1, AT_ONCE // ((int(self.own.max()) + 1) * self.n_songs))
        for first in range(0, number, each):
            draws = min(each, number - first)
            dealt = np.empty((draws, len(self.songs)), dtype=np.int64)
            dealt[:, by_block] = self.songs[np.argsort(self.block + rng.random(dealt.shape), axis=1)]
            reached += int((self.agreements(dealt) >= observed - 1e-9).sum())
        return reached / (1 + number)

    def agreements(self, songs: Ints) -> Doubles:
        """Compute how often others heard the same song at the same position, among all who have this position.

        Parameters
        ----------
        songs : ndarray of int, shape (draws, trials)

        Returns
        -------
        ndarray, shape (draws,)
        """
        number = np.bincount(self.place)[self.place] - np.bincount(self.own)[self.own]
        weights = np.where(number > 0, 1 / np.maximum(number, 1), 0.0)
        shares: Doubles = (self._same(self.place, songs) - self._same(self.own, songs)) @ weights / len(weights)
        return shares

    def _same(self, cells: Ints, songs: Ints) -> Doubles:
        """Count, for each presentation, how often its song was heard in its cell, itself included."""
        if len(self.songs) == int(cells.max()) + 1:  # each is alone
            return np.ones(songs.shape)
        draws = np.arange(len(songs))[:, None]
        flat = (draws * (int(cells.max()) + 1) + cells) * self.n_songs + songs
        counts: Doubles = np.bincount(flat.ravel()).astype(np.float64)[flat]
        return counts

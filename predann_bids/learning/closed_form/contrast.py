"""How well predictions tell the audio of their own moment from that of others: what decoders are chosen by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from predann_bids.arrays import Bools, Doubles, Floats, Ints
from predann_bids.learning.retrieval import unit
from predann_bids.models.parts import Parts

TEMPERATURES = (0.02, 0.03, 0.05, 0.1, 0.2, 0.4)
OVERLAP = 2  # windows that overlap by half count as half as many


class Contrast(NamedTuple):
    """The information in nats that predictions give about their moment, and the temperature at which it is highest.

    `each` holds the information that each of the windows gives, (n,); `information` is their mean.
    """

    information: float
    temperature: float
    each: Doubles


def informations(
    predicted: Floats, heard: Floats, same: Bools, *, by_feature: bool = False, parts: Parts = ()
) -> Doubles:
    """Measure how well the predicted representation of each window tells its own audio from that of all windows.

    The similarities with the audio of all windows, divided by a temperature, become probabilities (softmax). The
    information is the log probability of the right audio, compared with that of a guess. Its mean is the negative of
    the PredANN loss, up to a constant, and needs no class.

    Parameters
    ----------
    predicted, heard : ndarray, shape (n, D, T)
        Representations predicted from EEG, and those of the audio at the same moments.
    same : ndarray of bool, shape (n, n)
        Which windows hear the same audio, so that confusing them is no error.
    by_feature : bool
        Whether similarity is the mean correlation of the features; else it is one correlation over all features.
    parts : tuple of (int, float)
        Sizes and weights of parts of the representations whose similarities are averaged; empty for none.

    Returns
    -------
    ndarray, shape (temperatures, n)
        In nats, at each of `TEMPERATURES`.
    """
    sides = [unit(side, by_feature=by_feature, parts=parts) for side in (predicted, heard)]
    similarities = sides[0] @ sides[1].T
    return np.stack([_information(similarities / temperature, same) for temperature in TEMPERATURES])


def best_temperature(each: Doubles) -> Contrast:
    """Choose the temperature at which n windows give most information, (temperatures, n)."""
    means = [float(row.mean()) for row in each]
    best = max(range(len(TEMPERATURES)), key=means.__getitem__)
    return Contrast(means[best], TEMPERATURES[best], each[best])


def preferred(found: Sequence[Contrast], ranks: Sequence[int]) -> int:
    """Choose the decoder of the lowest rank whose best member is not clearly worse than the best of all.

    It is not clearly worse if the information that it gives less, window by window, has a mean of at most one standard
    error (the "one standard error rule", Breiman et al. 1984). With few validation windows, the best of many decoders
    is the best by chance, and fails with other music.

    Parameters
    ----------
    found : sequence of Contrast
        Of the decoders, measured on the same n windows.
    ranks : sequence of int
        The lower, the sooner a decoder is taken.

    Returns
    -------
    int
        Index of the decoder; of several of one rank, the one that gives most information.
    """
    indices = range(len(found))
    best = max(indices, key=lambda index: found[index].information)
    for rank in sorted(set(ranks)):
        leader = max((index for index in indices if ranks[index] == rank), key=lambda index: found[index].information)
        if leader == best or _is_as_good(found[leader], found[best]):
            return leader
    return best


def _is_as_good(one: Contrast, best: Contrast) -> bool:
    lost, n = best.each - one.each, len(best.each)
    if n < 2:
        return False
    return bool(lost.mean() <= lost.std(ddof=1) / np.sqrt(n / OVERLAP))


def _information(scores: Floats, same: Bools) -> Doubles:
    weights = np.exp(scores.astype(np.float64))  # similarities of at most 1 are no danger at these temperatures
    right = (weights * same).sum(axis=1) / same.sum(axis=1)
    information: Doubles = np.log(right / weights.mean(axis=1))
    return information


def same_audio(songs: Ints, moments: Ints) -> Bools:
    """Return which of n windows hear the same song at the same moment, (n, n)."""
    same: Bools = (songs[:, None] == songs) & (moments[:, None] == moments)
    return same


def cut(songs: Sequence[Floats], of: Ints, first: Ints, frames: int) -> Floats:
    """Cut the representations of windows from those of whole songs.

    Parameters
    ----------
    songs : sequence of ndarray, shape (D, frames of the song)
        Representations of whole songs.
    of, first : ndarray of int, shape (n,)
        Song and first frame of each window.
    frames : int
        Frames of a window.

    Returns
    -------
    ndarray, shape (n, D, frames)
    """
    return np.stack([songs[song][:, moment : moment + frames] for song, moment in zip(of, first, strict=True)])

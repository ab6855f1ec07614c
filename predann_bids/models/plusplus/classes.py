"""Classes of what a teacher says of music: k-means clusters of many numbers, or bins of one number.

The published clusters are those of all chunks, and the published bins those of all songs, the tested ones included.
Here both come from the training data alone, unless that is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from predann_bids.arrays import Doubles

N_CLASSES = 128
DIMENSIONS = 16  # of the representation; similarities of more cost time, and say little more
FEW_HZ, MANY_HZ = 25.0, 50.0  # music tokens: of 40 ms, and of 20 ms where they are single numbers
ENOUGH = 4096  # tokens that show whether there are as many different ones as classes


def token_rate(n_values: int) -> float:
    """Return the number of music tokens a second: 50 of a single number, as of surprisal, and 25 otherwise."""
    return MANY_HZ if n_values == 1 else FEW_HZ


def tokens_of(features: Tensor, n_tokens: int) -> Tensor:
    """Average features (B, F, frames) over equal parts of the time: (B, n_tokens, F)."""
    return F.adaptive_avg_pool1d(features, n_tokens).transpose(1, 2)


def tokens_within(features: Tensor, hop: float, spans: Sequence[tuple[int, int]] | None) -> Tensor:
    """Cut a whole song into tokens, and keep those that lie inside spans.

    Parameters
    ----------
    features : Tensor, shape (F, frames)
        Of a whole song.
    hop : float
        Frames of a token.
    spans : sequence of (int, int), or None
        First frame, and the one after the last; None keeps all.

    Returns
    -------
    Tensor, shape (tokens, F)
    """
    number = int(features.shape[1] / hop)
    if not number:
        return features.new_empty((0, len(features)))
    tokens = tokens_of(features[None, :, : round(number * hop)], number)[0]
    if spans is None:
        return tokens
    first = torch.arange(number) * hop
    inside = torch.zeros(number, dtype=torch.bool)
    for start, stop in spans:
        inside |= (first >= start) & (first + hop <= stop)
    return tokens[inside]


@dataclass(frozen=True)
class Classes:
    """The classes of music tokens.

    Parameters
    ----------
    centres : ndarray, shape (128, F)
        Mean of the tokens of each class; where there are fewer classes, the first stands for the others.
    boundaries : ndarray, shape (127,)
        Between the bins of one number; infinite between bins that do not exist, and everywhere for clusters.
    """

    centres: Doubles
    boundaries: Doubles

    @classmethod
    def of(cls, tokens: Doubles, seed: int) -> Classes:
        """Find 128 bins of equal frequency if tokens (n, F) are single numbers, and else 128 clusters."""
        return _bins(tokens[:, 0]) if tokens.shape[1] == 1 else _clusters(tokens, seed)

    def coordinates(self) -> Doubles:
        """Return the first principal components of the centres, (128, up to 16): what classes stand for."""
        centred = self.centres - self.centres.mean(axis=0)
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
        projected: Doubles = centred @ axes[: min(DIMENSIONS, self.centres.shape[1])].T
        return projected


def _bins(values: Doubles) -> Classes:
    edges = np.unique(np.quantile(values, np.arange(1, N_CLASSES) / N_CLASSES))
    boundaries = np.full(N_CLASSES - 1, np.inf)
    boundaries[: len(edges)] = edges
    bins = np.searchsorted(boundaries, values, side="right")
    sums, counts = (np.bincount(bins, weights, N_CLASSES) for weights in (values, None))
    centres = np.where(counts > 0, sums / np.maximum(counts, 1), sums[bins[0]] / counts[bins[0]])
    return Classes(centres[:, None], boundaries)


def _clusters(tokens: Doubles, seed: int) -> Classes:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    different = len(np.unique(tokens[:: max(1, len(tokens) // ENOUGH)], axis=0))
    with threadpool_limits(1):  # so that results do not depend on the number of processors
        kmeans: Any = KMeans(min(N_CLASSES, different), n_init=1, random_state=seed).fit(tokens)
    found: Doubles = kmeans.cluster_centers_
    missing = np.repeat(found[:1], N_CLASSES - len(found), axis=0)
    return Classes(np.concatenate([found, missing]), np.full(N_CLASSES - 1, np.inf))


def classify(tokens: Tensor, centres: Tensor, boundaries: Tensor) -> Tensor:
    """Return the class of each token.

    Parameters
    ----------
    tokens : Tensor, shape (B, N, F)
        What the teacher says.
    centres, boundaries : Tensor
        As in `Classes`.

    Returns
    -------
    Tensor of int, shape (B, N)
    """
    if tokens.shape[2] == 1:
        return torch.bucketize(tokens[..., 0].contiguous(), boundaries, right=True)
    return torch.cdist(tokens, centres).argmin(dim=2)

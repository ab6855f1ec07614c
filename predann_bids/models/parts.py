"""Representations that consist of parts: the similarity of two of them is the weighted mean of that of their parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

# number of features and weight of each part, in their order; empty for one correlation over all features
Parts: TypeAlias = tuple[tuple[int, float], ...]


def weighted(function: Callable[[Tensor, Tensor], Tensor], one: Tensor, other: Tensor, parts: Parts) -> Tensor:
    """Apply a function to each part of two representations, and add its values by the weights of the parts.

    Parameters
    ----------
    function : callable
        Takes a part of each.
    one, other : Tensor, shape (n, D, T)
        Representations of D features.
    parts : tuple of (int, float)
        Number of features and weight of each part.
    """
    sizes = [size for size, _ in parts]
    pairs = zip(torch.split(one, sizes, dim=1), torch.split(other, sizes, dim=1), parts, strict=True)
    return torch.stack([weight * function(a, b) for a, b, (_, weight) in pairs]).sum(dim=0)


def with_further(parts: Parts, share: float, size: int) -> Parts:
    """Add a further part of some size, beside which all others together have a share of the weight, from 0 to 1."""
    return (*((features, share * weight) for features, weight in parts), (size, 1 - share))

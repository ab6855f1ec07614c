"""The blocks of `blocks`, on whole maps: for accelerators, which are fastest with few large operations.

These are ordinary differentiable operations over `Columns`, with channels last in memory. `torch.compile` fuses what
stands between two convolutions into one pass over memory. It needs a C compiler; without one, the same operations run
one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from predann_bids.models.published.blocks import pool_and_measure
from predann_bids.models.published.layers import Block, Pooled, Statistics
from predann_bids.models.published.share import Share, summed

COMPILERS = ("clang", "gcc", "cc")  # that Triton looks for, after $CC
Measure = Callable[..., tuple[Pooled, list[Statistics]]]


def measuring(device: torch.device) -> Measure:
    """Return what passes a training batch through the blocks on a device: `blocks.pool_and_measure`, or the like."""
    if device.type == "cpu":
        return pool_and_measure
    return _compiled() if device.type == "cuda" and compiler() else pool_and_measure_maps


def compiler() -> str | None:
    """Return the path of a C compiler, if there is one."""
    import os
    import shutil

    named = os.environ.get("CC")
    return next((path for name in ([named] if named else COMPILERS) if (path := shutil.which(name))), None)


@cache
def _compiled() -> Measure:
    # What other processes do is not for torch.compile. To say so imports the compiler, which takes seconds and wants a
    # directory for temporary files, so it is not done with the other imports.
    apart: Any = torch.compiler.disable(summed)  # type: ignore[no-untyped-call]
    return partial(torch.compile(pool_and_measure_maps, dynamic=False), total=apart)


def pool_and_measure_maps(
    images: Tensor,
    counts: Tensor,
    blocks: Sequence[Block],
    eps: float,
    *,
    columns: int,
    share: Share | None = None,
    total: Callable[[Tensor], Tensor] = summed,
) -> tuple[Pooled, list[Statistics]]:
    """Do what `blocks.pool_and_measure` does, on the maps of the whole batch.

    Parameters
    ----------
    images : Tensor, shape (B * tiles, C, H, W)
        As returned by `Columns.images`.
    counts : Tensor, shape (tiles, W)
        How often each column counts.
    blocks : sequence of Block
        Parameters of the three blocks. The gradient of the biases of the convolutions is exactly zero.
    eps : float
        Added to the variances.
    columns : int
        Sum of the counts.
    share : Share, optional
        See `blocks.pool_and_measure`.
    total : callable, optional
        Adds a tensor over the processes that share the batch, with gradients.

    Returns
    -------
    Pooled
    list of Statistics
        Batch statistics of each convolution's output.
    """
    n_windows, per_window = images.shape[0] // counts.shape[0], columns * images.shape[2]
    weights = counts.repeat(n_windows, 1)[:, None, None]  # (n, 1, 1, W)
    in_all = (share.windows if share else n_windows) * per_window
    x, measured = images.contiguous(memory_format=torch.channels_last), []
    for block in blocks:
        x, statistics = _normalised(x, weights / in_all, block, eps, total if share else _alone)
        measured.append(statistics)
    weighted = x * (weights / per_window)
    sums = torch.stack([weighted.sum(dim=(2, 3)), (weighted * x).sum(dim=(2, 3)) / per_window])  # (2, n, O)
    mean, power = sums.view(2, n_windows, -1, sums.shape[2]).sum(dim=2)
    return Pooled(mean, power), measured


def _alone(own: Tensor) -> Tensor:
    return own


def _normalised(
    x: Tensor, shares: Tensor, block: Block, eps: float, total: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Statistics]:
    """Convolve, normalise by the statistics of the batch, to which each position adds its share, and rectify."""
    padding = (block.kernel.shape[2] // 2, block.kernel.shape[3] // 2)
    x = F.conv2d(x, block.kernel.contiguous(memory_format=torch.channels_last), padding=padding)
    mean = total((x * shares).sum(dim=(0, 2, 3), keepdim=True))
    x = x - mean
    variance = total((x.square() * shares).sum(dim=(0, 2, 3), keepdim=True))
    scale = torch.rsqrt(variance + eps) * block.factor[:, None, None]
    shift = block.shift + 0 * block.bias  # which normalisation removes
    statistics = Statistics((mean.flatten() + block.bias).detach(), variance.flatten().detach())
    return (x * scale + shift[:, None, None]).relu(), statistics

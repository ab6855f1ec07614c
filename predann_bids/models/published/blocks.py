"""Three blocks of convolution, batch normalisation and ReLU, followed by the mean over the map, in little memory.

The results are those of the usual layers applied to the padded image, but most of the work is avoided: `columns` leaves
out what is equal, `passes` takes a batch through the layers in stages, and `sums` says what the first convolution gives
before it is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from predann_bids.models.published.columns import counts_of, parts_of, positions, sums_of_windows, weighted_sum
from predann_bids.models.published.layers import Block, Pooled, Statistics, convolve, fold
from predann_bids.models.published.passes import Pass
from predann_bids.models.published.share import Share


def pool(
    images: Tensor,
    counts: Tensor,
    blocks: Sequence[Block],
    statistics: Sequence[Statistics],
    eps: float,
    *,
    columns: int | None = None,
) -> Pooled:
    """Pass images through the blocks, normalise with given statistics, and pool.

    Parameters
    ----------
    images : Tensor, shape (B * tiles, C, H, W)
        As returned by `Columns.images`.
    counts : Tensor, shape (tiles, W)
        How often each column counts.
    blocks, statistics : sequence
        Parameters of the three blocks, and the statistics to normalise with.
    eps : float
        Added to the variances.
    columns : int, optional
        Sum of the counts, if known. Computing it would have to wait for an accelerator.

    Returns
    -------
    Pooled
    """
    folded = fold(blocks, statistics, eps)
    sums = []
    for part in parts_of(images, blocks[-1].kernel.shape[0]):
        x = images[part]
        for kernel, bias in folded:
            x = convolve(x, kernel, bias).relu_()
        weights = counts_of(counts, part)
        sums.append(torch.stack([weighted_sum(x, weights), weighted_sum(x * x, weights)]))
    n = positions(images, counts, columns)
    total, squares = sums_of_windows(sums, counts)
    return Pooled(total / n, squares / n**2)


def pool_and_measure(
    images: Tensor,
    counts: Tensor,
    blocks: Sequence[Block],
    eps: float,
    *,
    columns: int | None = None,
    share: Share | None = None,
) -> tuple[Pooled, list[Statistics]]:
    """Pass images through the blocks, normalise with the statistics of the batch, and pool.

    The result can be differentiated once with respect to the parameters of the blocks. The gradient of the biases of
    the convolutions is exactly zero, because normalisation removes them.

    Parameters
    ----------
    images : Tensor, shape (B * tiles, C, H, W)
        As returned by `Columns.images`.
    counts : Tensor, shape (tiles, W)
        How often each column counts.
    blocks : sequence of Block
        Parameters of the three blocks.
    eps : float
        Added to the variances.
    columns : int, optional
        Sum of the counts, if known. Computing it would have to wait for an accelerator.
    share : Share, optional
        If the images are only this share of a batch. The statistics are those of the whole batch; the gradients of all
        processes add up to those of the batch.

    Returns
    -------
    Pooled
    list of Statistics
        Batch statistics of each convolution's output.

    Raises
    ------
    ValueError
        The images themselves require a gradient.
    """
    if images.requires_grad:
        raise ValueError("in training mode there is no gradient for the input; call eval() to get one")
    flat = [tensor for block in blocks for tensor in block]
    mean, power, *measured = _Stages.apply(images, counts, eps, columns, share, *flat)  # type: ignore[no-untyped-call]
    return Pooled(mean, power), [Statistics(*measured[i : i + 2]) for i in range(0, len(measured), 2)]


class _Stages(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        counts: Tensor,
        eps: float,
        columns: int | None,
        share: Share | None,
        *flat: Tensor,
    ) -> tuple[Tensor, ...]:
        run = Pass(images, counts, eps, columns, share)
        pooled = run.forward([Block(*flat[i : i + 4]) for i in range(0, len(flat), 4)])
        ctx.save_for_backward(*flat)
        ctx.run = run
        measured = [one for pair in run.measured for one in pair]
        ctx.mark_non_differentiable(*measured)
        return *pooled, *measured

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_mean: Tensor, d_power: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        flat, run = ctx.saved_tensors, ctx.run
        if not run.maps:
            raise RuntimeError("the maps of the blocks have been freed: backward can be called only once")
        gradients = run.backward([Block(*flat[i : i + 4]) for i in range(0, len(flat), 4)], d_mean, d_power)
        return None, None, None, None, None, *(one for block in gradients for one in block)

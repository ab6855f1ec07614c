"""The parameters of a block of convolution, batch normalisation and ReLU, and the operations on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Block(NamedTuple):
    """Kernel (O, I, 1 or 3, 3) and bias (O,) of a block's convolution, and factor and shift (O,) of its norm."""

    kernel: Tensor
    bias: Tensor
    factor: Tensor
    shift: Tensor


class Statistics(NamedTuple):
    """Mean and variance (O,) of a convolution's output."""

    mean: Tensor
    variance: Tensor


class Pooled(NamedTuple):
    """The mean of each window's last map over N positions (B, O), and the sum of its squares divided by N squared."""

    mean: Tensor
    power: Tensor


def fold(blocks: Sequence[Block], statistics: Sequence[Statistics], eps: float) -> list[tuple[Tensor, Tensor]]:
    """Fold normalisation with given statistics into the kernels and biases of the convolutions."""
    folded = []
    for block, measured in zip(blocks, statistics, strict=True):
        scale = block.factor * torch.rsqrt(measured.variance + eps)
        folded.append((block.kernel * per_channel(scale, 0), (block.bias - measured.mean) * scale + block.shift))
    return folded


def convolve(x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Convolve a map (n, I, H, W) to one of the same height and width (n, O, H, W)."""
    return F.conv2d(x, kernel, bias, padding=padding_of(kernel))


def convolve_back(g: Tensor, x: Tensor, kernel: Tensor, wanted: tuple[bool, bool]) -> tuple[Tensor, Tensor]:
    """Return the gradients of a convolution's input and kernel.

    Parameters
    ----------
    g : Tensor, shape (n, O, H, W)
        Gradient of its output.
    x : Tensor, shape (n, I, H, W)
        Its input.
    kernel : Tensor, shape (O, I, 1 or 3, 3)
        Its kernel.
    wanted : tuple of bool
        Which of the two gradients are computed.
    """
    gradients: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        g, x, kernel, None, [1, 1], padding_of(kernel), [1, 1], False, [0, 0], 1, [*wanted, False]
    )
    return gradients[:2]


def padding_of(kernel: Tensor) -> tuple[int, int]:
    """Return the rows and columns of zeros around a map with which a kernel keeps its height and width."""
    return (kernel.shape[2] // 2, kernel.shape[3] // 2)


def gate_(g: Tensor, h: Tensor) -> Tensor:
    """Turn the gradient after a ReLU with output h into the gradient before it, in place."""
    gated: Tensor = torch.ops.aten.threshold_backward.grad_input(g, h, 0, grad_input=g)
    return gated


def per_channel(values: Tensor, dim: int = 1) -> Tensor:
    """Reshape values (O,) so that they broadcast along dimension `dim` of a 4-D tensor."""
    return values.view([-1 if axis == dim else 1 for axis in range(4)])

"""Sums over all positions of a batch, from which batch statistics and the gradients through them follow.

The first convolution sees only a few numbers per position, its patches. Its batch statistics, and the terms of its
gradient that pass through them, follow from the mean and covariance of these numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from predann_bids.models.published.columns import counts_of, weighted_sum
from predann_bids.models.published.layers import Block, Statistics, padding_of


class Measure:
    """Sums over a map that is processed in parts, combined in double precision."""

    def __init__(self) -> None:
        self.means: list[Tensor] = []
        self.squares: list[Tensor] = []
        self.numbers: list[Tensor] = []

    def add(self, x: Tensor, weights: Tensor) -> None:
        """Add a part (n, O, H, W), whose columns count by weights (n, W)."""
        # stays on the device: reading it would have to wait for an accelerator
        number = weights.sum(dtype=torch.float64) * x.shape[2]
        mean = weighted_sum(x, weights).sum(0) / number
        self.squares.append(weighted_sum(x * x, weights).sum(0))
        self.means.append(mean)
        self.numbers.append(number)

    def sums(self) -> tuple[Tensor, Tensor]:
        """Return the sums of the map (O,) and of its squares."""
        means = torch.stack(self.means).double()
        numbers = torch.stack(self.numbers)[:, None]
        return (numbers * means).sum(0), torch.stack(self.squares).double().sum(0)


def statistics_of(sums: Sequence[Tensor], n: int, like: Tensor) -> Statistics:
    """Return the statistics of a map of n positions, whose sums `Measure` has found, in the type of another tensor."""
    total, squares = sums
    mean = total / n
    return Statistics(mean.to(like), (squares / n - mean**2).to(like))


class SumsOfGradient:
    """Sums of the gradient of a map, and of its product with the map."""

    def __init__(self, block: Block) -> None:
        self.dtype = block.bias.dtype
        self.shift = torch.zeros_like(block.bias, dtype=torch.float64)
        self.factor = torch.zeros_like(self.shift)

    def add(self, g: Tensor, x: Tensor) -> Tensor:
        """Add the gradient g of a part x, both (n, O, H, W), and return it."""
        self.shift += g.sum(dim=(0, 2, 3))
        self.factor += torch.linalg.vecdot(g.flatten(2), x.flatten(2)).sum(0)
        return g

    def parameters(self, mean: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of factor and shift, for a map that has not yet been standardised."""
        return (spread * (self.factor - mean * self.shift)).to(self.dtype), self.shift.to(self.dtype)


class Patches:
    """Sums over all positions of the input patches (K,) of the first convolution, and of their products (K, K).

    They are in double precision, because a kernel that takes differences of neighbouring samples cancels most of their
    variance.

    Parameters
    ----------
    images : Tensor, shape (B * tiles, C, H, W)
        As returned by `Columns.images`.
    counts : Tensor, shape (tiles, W)
        How often each column counts.
    kernel : Tensor, shape (O, C, 1 or 3, 3)
        Its size is that of a patch.
    parts : sequence of slice
        Images to take at a time.
    """

    def __init__(self, images: Tensor, counts: Tensor, kernel: Tensor, parts: Sequence[slice]) -> None:
        length = kernel[0].numel()
        self.sums = torch.zeros(length, dtype=torch.float64, device=images.device)
        self.products = torch.zeros(length, length, dtype=torch.float64, device=images.device)
        for part in parts:
            size = (kernel.shape[2], kernel.shape[3])
            patches = F.unfold(images[part].double(), size, padding=padding_of(kernel))  # (n, K, H * W)
            weights = counts_of(counts, part).repeat(1, images.shape[2])[:, None].double()  # (n, 1, H * W)
            weighted = patches * weights
            self.sums += weighted.sum(dim=(0, 2))
            self.products += torch.einsum("nkp,nlp->kl", weighted, patches)

    def statistics(self, block: Block, n: int) -> Statistics:
        """Return the statistics of the convolution's output."""
        kernel, means = block.kernel.flatten(1).double(), self.sums / n
        covariance = self.products / n - torch.outer(means, means)
        variance = torch.einsum("ok,kl,ol->o", kernel, covariance, kernel).clamp(min=0)
        return Statistics((kernel @ means).to(block.bias) + block.bias, variance.to(block.bias))

    def kernel_gradient(
        self, direct: Tensor, sums: SumsOfGradient, block: Block, measured: Statistics, eps: float, n: int
    ) -> Tensor:
        """Add to the kernel's gradient the terms that pass through the batch statistics.

        With x the normalised map, g the gradient after factor and shift, and p the patches, the kernel's gradient is
        the sum of scale (g - sum(g) / n - x sum(g x) / n) p.

        Parameters
        ----------
        direct : Tensor, shape (O, C, 1 or 3, 3)
            The sum of g p.
        sums : SumsOfGradient
            The sums of g and of g x.
        block : Block
            Parameters of the first block.
        measured : Statistics
            Those of its convolution.
        eps : float
            Added to the variance.
        n : int
            Number of positions of the batch.
        """
        kernel = block.kernel.flatten(1).double()
        spread = torch.rsqrt(measured.variance.double() + eps)[:, None]
        offset = (block.bias - measured.mean).double()[:, None]
        x_with_patches = spread * (kernel @ self.products + offset * self.sums)
        through = sums.shift[:, None] * self.sums + sums.factor[:, None] * x_with_patches
        scale = block.factor.double()[:, None] * spread
        return (scale * (direct.flatten(1) - through / n)).view_as(block.kernel)

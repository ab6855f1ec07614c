"""The forward and the backward pass of a training batch through the blocks, in stages.

Batch statistics need the whole batch before the next layer can begin. The batch therefore passes through one layer
after the other, a few images at a time, which stay in the processor's cache from one operation to the next. Only the
convolved maps of the second and the third layer are kept for the backward pass; the rest is computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from predann_bids.models.published.columns import counts_of, parts_of, positions, sums_of_windows, weighted_sum
from predann_bids.models.published.layers import (
    Block,
    Pooled,
    Statistics,
    convolve,
    convolve_back,
    gate_,
    per_channel,
)
from predann_bids.models.published.share import Share
from predann_bids.models.published.sums import Measure, Patches, SumsOfGradient, statistics_of


class Pass:
    """The forward and backward pass of a batch through the blocks.

    Parameters
    ----------
    images : Tensor, shape (B * tiles, C, H, W)
        As returned by `Columns.images`.
    counts : Tensor, shape (tiles, W)
        How often each column counts.
    eps : float
        Added to the variances.
    columns : int, optional
        Sum of the counts, if known.
    share : Share, optional
        If the images are only this share of a batch.
    """

    def __init__(
        self, images: Tensor, counts: Tensor, eps: float, columns: int | None = None, share: Share | None = None
    ) -> None:
        self.images, self.counts, self.eps, self.share = images, counts, eps, share
        self.per_window = positions(images, counts, columns)
        self.n = (share.windows if share else len(images) // len(counts)) * self.per_window
        self.measured: list[Statistics] = []
        self.kept_statistics: list[Statistics] = []  # of the maps as they are kept, which are roughly centred
        self.maps: list[list[Tensor]] = []  # the maps that are kept of each part

    def forward(self, blocks: Sequence[Block]) -> Pooled:
        """Pass the batch through the blocks, and pool it; `measured` then has the statistics of each convolution."""
        first, second, third = blocks
        self.parts = parts_of(self.images, len(third.bias))
        self.patches = Patches(self.images, self.counts, first.kernel, self.parts)
        for name in ("sums", "products"):
            setattr(self.patches, name, self._total(getattr(self.patches, name))[0])
        self.measured.append(self.patches.statistics(first, self.n))
        # the first map is already normalised by its kernel; eps will be added to the variance
        self.kept_statistics.append(Statistics(torch.zeros_like(first.bias), torch.full_like(first.bias, 1 - self.eps)))
        self.maps = [[] for _ in self.parts]
        self._convolve_all(second, lambda part, _: self._activate(self._first(part, first), 0, first))
        self._convolve_all(third, lambda _, kept: self._activate(kept[0], 1, second))
        return self._pool(third)

    def _convolve_all(self, block: Block, entering: Callable[[slice, list[Tensor]], Tensor]) -> None:
        """Convolve and keep all maps, minus the mean of the first part, so that sums of squares stay precise."""
        measure = Measure()
        bias = block.bias
        for part, kept in zip(self.parts, self.maps, strict=True):
            x = convolve(entering(part, kept), block.kernel, bias)
            if bias is block.bias:
                centre = x.mean(dim=(0, 2, 3))
                centre = self.share.mean(centre) if self.share else centre
                x, bias = x.sub_(per_channel(centre)), bias - centre
            measure.add(x, self._weights(part))
            kept.append(x)
        self.kept_statistics.append(statistics_of(self._total(*measure.sums()), self.n, block.bias))
        mean, variance = self.kept_statistics[-1]
        self.measured.append(Statistics(mean + centre, variance))

    def _pool(self, block: Block) -> Pooled:
        """Pool z = max(0, factor x + shift), using the number of positive z and the sums of x and x^2 over them."""
        sums = []
        for part, kept in zip(self.parts, self.maps, strict=True):
            x = kept[1]
            positive, weights = self._activate(x, 2, block).sign_(), self._weights(part)
            powers = (
                weighted_sum(positive, weights),
                weighted_sum(positive.mul_(x), weights),
                weighted_sum(positive.mul_(x), weights),
            )
            sums.append(torch.stack(powers))
        c, s, t = sums_of_windows(sums, self.counts)  # each (B, O)
        mean, spread = self._standard(2)
        t = spread**2 * (t - 2 * mean * s + mean**2 * c)
        s = spread * (s - mean * c)
        self.sums = (c, s, t)  # sums over the normalised x
        total = block.factor * s + block.shift * c
        squares = block.factor**2 * t + 2 * block.factor * block.shift * s + block.shift**2 * c
        return Pooled(total / self.per_window, squares / self.per_window**2)

    def backward(self, blocks: Sequence[Block], d_mean: Tensor, d_power: Tensor) -> list[Block]:
        """Return the gradient of each parameter."""
        first, second, third = blocks
        d_factor3, d_shift3, rule3 = self._unpool(third, d_mean, d_power)
        d_kernel3, d_second = torch.zeros_like(third.kernel), SumsOfGradient(second)
        for part, kept in zip(self.parts, self.maps, strict=True):
            dx = rule3(kept.pop(), part)
            h = self._activate(kept[0], 1, second)
            dh, dk = convolve_back(dx, h, third.kernel, (True, True))
            d_kernel3 += dk
            kept.append(d_second.add(gate_(dh, h), kept[0]))
        d_kernel2, d_first = torch.zeros_like(second.kernel), SumsOfGradient(first)
        d_kernel1 = torch.zeros_like(first.kernel, dtype=torch.float64)
        scale, level, slope = self._through(1, second, *self._total(*d_second.parameters(*self._standard(1))))
        for part, kept in zip(self.parts, self.maps, strict=True):
            g, x = kept.pop(), kept.pop()
            dx = g.mul_(scale).sub_(x.mul_(slope).add_(level).mul_(self._columns(part)))
            x = self._first(part, first)
            h = self._activate(x, 0, first)
            dh, dk = convolve_back(dx, h, second.kernel, (True, True))
            d_kernel2 += dk
            g = d_first.add(gate_(dh, h), x)
            d_kernel1 += convolve_back(g, self.images[part], first.kernel, (False, True))[1]
        self.maps = []
        d_kernel1 = self.patches.kernel_gradient(d_kernel1, d_first, first, self.measured[0], self.eps, self.n)
        return [
            Block(d_kernel1.to(first.kernel), torch.zeros_like(first.bias), *d_first.parameters(*self._standard(0))),
            Block(d_kernel2, torch.zeros_like(second.bias), *d_second.parameters(*self._standard(1))),
            Block(d_kernel3, torch.zeros_like(third.bias), d_factor3, d_shift3),
        ]

    def _unpool(
        self, block: Block, d_mean: Tensor, d_power: Tensor
    ) -> tuple[Tensor, Tensor, Callable[[Tensor, slice], Tensor]]:
        """Return the gradients of factor and shift, and a function that turns x into the gradient of its convolution.

        The gradient of z is alpha + delta z at all positions of a window, so its sums follow from those in `_pool`.
        """
        c, s, t = self.sums
        alpha, delta = d_mean / self.per_window, 2 * d_power / self.per_window**2  # (B, O)
        d_shift = (alpha * c + delta * (block.factor * s + block.shift * c)).sum(0)
        d_factor = (alpha * s + delta * (block.factor * t + block.shift * s)).sum(0)
        scale, level, slope = self._through(2, block, *self._total(d_factor, d_shift))
        alpha, delta = (
            scale * one.repeat_interleave(len(self.counts), dim=0)[:, :, None, None] for one in (alpha, delta)
        )

        def rule(x: Tensor, part: slice) -> Tensor:
            z = self._activate(x, 2, block)
            g = gate_((z * delta[part]).add_(alpha[part]), z)
            return g.sub_(x.mul_(slope).add_(level)).mul_(self._columns(part))

        return d_factor, d_shift, rule

    def _first(self, part: slice, block: Block) -> Tensor:
        """Compute the map of the first convolution, with normalisation folded into the kernel."""
        mean, variance = self.measured[0]
        scale = torch.rsqrt(variance + self.eps)
        return convolve(self.images[part], block.kernel * per_channel(scale, 0), (block.bias - mean) * scale)

    def _activate(self, x: Tensor, layer: int, block: Block) -> Tensor:
        mean, variance = self.kept_statistics[layer]
        return F.batch_norm(x, mean, variance, block.factor, block.shift, False, 0.0, self.eps).relu_()

    def _standard(self, layer: int) -> tuple[Tensor, Tensor]:
        """Return the mean and the inverse of the standard deviation."""
        mean, variance = self.kept_statistics[layer]
        return mean, torch.rsqrt(variance + self.eps)

    def _through(self, layer: int, block: Block, d_factor: Tensor, d_shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return scale, level, slope; a convolution's output x has the gradient scale g - count (level + slope x)."""
        mean, spread = self._standard(layer)
        scale = block.factor * spread
        slope = scale * d_factor / self.n * spread
        return per_channel(scale), per_channel(scale * d_shift / self.n - slope * mean), per_channel(slope)

    def _total(self, *own: Tensor) -> Sequence[Tensor]:
        """Add sums over the images of this process to those of the others."""
        return self.share.total(*own) if self.share else own

    def _weights(self, part: slice) -> Tensor:
        return counts_of(self.counts, part)

    def _columns(self, part: slice) -> Tensor:
        return self._weights(part)[:, None, None]

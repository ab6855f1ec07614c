"""Three blocks of convolution, batch normalisation and ReLU, followed by the mean over the map, in little memory.

The results are those of the usual layers applied to the padded image, but most of the work is avoided:

Columns with multiplicities. Three 3x3 convolutions reach three columns, so deep inside the padding all columns of a
feature map are equal. An image therefore keeps only `2 x 3` columns of zeros on either side. One of them stands for all
columns that were left out, and every sum over positions (batch statistics, pooling) counts it that many times. In the
same way, a long image is cut into tiles that overlap by the reach of the convolutions, and columns in the overlap are
counted only once. The result is the same function of the parameters, so its gradients are the same.

Stages. Batch statistics need the whole batch before the next layer can begin. The batch therefore passes through one
layer after the other, a few images at a time, which stay in the processor's cache from one operation to the next. Only
the convolved maps of the second and the third layer are kept for the backward pass; the rest is computed again.

Patches. The first convolution sees only a few numbers per position. Its batch statistics, and the terms of its gradient
that pass through them, follow from the mean and covariance of these numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from predann_bids.models.published.share import Share

REACH = 3  # columns to either side that three convolutions with kernels of three columns reach
KEPT = (
    2 * REACH
)  # columns of zeros kept: influenced by the border (2), standing for many (1), influenced by the window (3)
STANDING_FOR_MANY = REACH - 1  # index of the column that stands for many, from the outside
PART_BYTES = {"cpu": 2**21, "cuda": 2**30}  # size of the widest map of a part: fits a core's cache; keeps a GPU busy


@dataclass(frozen=True)
class Columns:
    """The columns that are kept of padded windows, and how often each of them counts.

    Parameters
    ----------
    length : int
        Samples of a window.
    left, right : int
        Zeros of padding on either side.
    tiles : int
        Number of images into which each window is cut.
    """

    length: int
    left: int
    right: int
    tiles: int = 1

    @property
    def total(self) -> int:
        """The number of columns of the padded image."""
        return self.left + self.length + self.right

    @property
    def _kept(self) -> int:
        return min(self.left, KEPT) + self.length + min(self.right, KEPT)

    @property
    def _starts(self) -> list[int]:
        """The first column of each tile."""
        last = self._kept - self.width
        return [min(max(0, tile * self._core - REACH), last) for tile in range(self.tiles)]

    @property
    def _core(self) -> int:
        return -(-self._kept // self.tiles)

    @property
    def width(self) -> int:
        """The number of columns of an image."""
        return min(self._kept, self._core + 2 * REACH)

    def images(self, windows: Tensor) -> Tensor:
        """Pad and cut windows (B, C, H, length) to images (B * tiles, C, H, width)."""
        row = F.pad(windows, (min(self.left, KEPT), min(self.right, KEPT)))
        cut = torch.stack([row[..., start : start + self.width] for start in self._starts], dim=1)
        return cut.flatten(0, 1)

    def counts(self) -> Tensor:
        """Return how often each column of each image counts, (tiles, width); the sum is `total`."""
        row = torch.ones(self._kept)
        if self.left > KEPT:
            row[STANDING_FOR_MANY] += self.left - KEPT
        if self.right > KEPT:
            row[-1 - STANDING_FOR_MANY] += self.right - KEPT
        counts = torch.zeros(self.tiles, self.width)
        for tile, start in enumerate(self._starts):
            own = slice(tile * self._core, min((tile + 1) * self._core, self._kept))
            counts[tile, own.start - start : own.stop - start] = row[own]
        return counts


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
        folded.append((block.kernel * _per_channel(scale, 0), (block.bias - measured.mean) * scale + block.shift))
    return folded


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
    for part in _parts(images, blocks[-1].kernel.shape[0]):
        x = images[part]
        for kernel, bias in folded:
            x = _convolve(x, kernel, bias).relu_()
        weights = _of_part(counts, part)
        sums.append(torch.stack([_sum(x, weights), _sum(x * x, weights)]))
    n = _positions(images, counts, columns)
    total, squares = _of_windows(sums, counts)
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
        run = _Run(images, counts, eps, columns, share)
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


class _Run:
    """The forward and backward pass of a batch through the blocks."""

    def __init__(
        self, images: Tensor, counts: Tensor, eps: float, columns: int | None = None, share: Share | None = None
    ) -> None:
        self.images, self.counts, self.eps, self.share = images, counts, eps, share
        self.per_window = _positions(images, counts, columns)
        self.n = (share.windows if share else len(images) // len(counts)) * self.per_window
        self.measured: list[Statistics] = []
        self.kept_statistics: list[Statistics] = []  # of the maps as they are kept, which are roughly centred
        self.maps: list[list[Tensor]] = []  # the maps that are kept of each part

    def forward(self, blocks: Sequence[Block]) -> Pooled:
        first, second, third = blocks
        self.parts = _parts(self.images, len(third.bias))
        self.patches = _Patches(self.images, self.counts, first.kernel, self.parts)
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
        measure = _Measure()
        bias = block.bias
        for part, kept in zip(self.parts, self.maps, strict=True):
            x = _convolve(entering(part, kept), block.kernel, bias)
            if bias is block.bias:
                centre = x.mean(dim=(0, 2, 3))
                centre = self.share.mean(centre) if self.share else centre
                x, bias = x.sub_(_per_channel(centre)), bias - centre
            measure.add(x, self._weights(part))
            kept.append(x)
        self.kept_statistics.append(_statistics(self._total(*measure.sums()), self.n, block.bias))
        mean, variance = self.kept_statistics[-1]
        self.measured.append(Statistics(mean + centre, variance))

    def _pool(self, block: Block) -> Pooled:
        """Pool z = max(0, factor x + shift), using the number of positive z and the sums of x and x^2 over them."""
        sums = []
        for part, kept in zip(self.parts, self.maps, strict=True):
            x = kept[1]
            positive, weights = self._activate(x, 2, block).sign_(), self._weights(part)
            powers = (_sum(positive, weights), _sum(positive.mul_(x), weights), _sum(positive.mul_(x), weights))
            sums.append(torch.stack(powers))
        c, s, t = _of_windows(sums, self.counts)  # each (B, O)
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
        d_kernel3, d_second = torch.zeros_like(third.kernel), _SumsOfGradient(second)
        for part, kept in zip(self.parts, self.maps, strict=True):
            dx = rule3(kept.pop(), part)
            h = self._activate(kept[0], 1, second)
            dh, dk = _convolve_back(dx, h, third.kernel, (True, True))
            d_kernel3 += dk
            kept.append(d_second.add(_gate_(dh, h), kept[0]))
        d_kernel2, d_first = torch.zeros_like(second.kernel), _SumsOfGradient(first)
        d_kernel1 = torch.zeros_like(first.kernel, dtype=torch.float64)
        scale, level, slope = self._through(1, second, *self._total(*d_second.parameters(*self._standard(1))))
        for part, kept in zip(self.parts, self.maps, strict=True):
            g, x = kept.pop(), kept.pop()
            dx = g.mul_(scale).sub_(x.mul_(slope).add_(level).mul_(self._columns(part)))
            x = self._first(part, first)
            h = self._activate(x, 0, first)
            dh, dk = _convolve_back(dx, h, second.kernel, (True, True))
            d_kernel2 += dk
            g = d_first.add(_gate_(dh, h), x)
            d_kernel1 += _convolve_back(g, self.images[part], first.kernel, (False, True))[1]
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
            g = _gate_((z * delta[part]).add_(alpha[part]), z)
            return g.sub_(x.mul_(slope).add_(level)).mul_(self._columns(part))

        return d_factor, d_shift, rule

    def _first(self, part: slice, block: Block) -> Tensor:
        """Compute the map of the first convolution, with normalisation folded into the kernel."""
        mean, variance = self.measured[0]
        scale = torch.rsqrt(variance + self.eps)
        return _convolve(self.images[part], block.kernel * _per_channel(scale, 0), (block.bias - mean) * scale)

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
        return _per_channel(scale), _per_channel(scale * d_shift / self.n - slope * mean), _per_channel(slope)

    def _total(self, *own: Tensor) -> Sequence[Tensor]:
        """Add sums over the images of this process to those of the others."""
        return self.share.total(*own) if self.share else own

    def _weights(self, part: slice) -> Tensor:
        return _of_part(self.counts, part)

    def _columns(self, part: slice) -> Tensor:
        return self._weights(part)[:, None, None]


class _Measure:
    """Sums over a map that is processed in parts, combined in double precision."""

    def __init__(self) -> None:
        self.means: list[Tensor] = []
        self.squares: list[Tensor] = []
        self.numbers: list[Tensor] = []

    def add(self, x: Tensor, weights: Tensor) -> None:
        # stays on the device: reading it would have to wait for an accelerator
        number = weights.sum(dtype=torch.float64) * x.shape[2]
        mean = _sum(x, weights).sum(0) / number
        self.squares.append(_sum(x * x, weights).sum(0))
        self.means.append(mean)
        self.numbers.append(number)

    def sums(self) -> tuple[Tensor, Tensor]:
        """Return the sums of the map (O,) and of its squares."""
        means = torch.stack(self.means).double()
        numbers = torch.stack(self.numbers)[:, None]
        return (numbers * means).sum(0), torch.stack(self.squares).double().sum(0)


def _statistics(sums: Sequence[Tensor], n: int, like: Tensor) -> Statistics:
    total, squares = sums
    mean = total / n
    return Statistics(mean.to(like), (squares / n - mean**2).to(like))


class _SumsOfGradient:
    """Sums of the gradient of a map, and of its product with the map."""

    def __init__(self, block: Block) -> None:
        self.dtype = block.bias.dtype
        self.shift = torch.zeros_like(block.bias, dtype=torch.float64)
        self.factor = torch.zeros_like(self.shift)

    def add(self, g: Tensor, x: Tensor) -> Tensor:
        self.shift += g.sum(dim=(0, 2, 3))
        self.factor += torch.linalg.vecdot(g.flatten(2), x.flatten(2)).sum(0)
        return g

    def parameters(self, mean: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of factor and shift, for a map that has not yet been standardised."""
        return (spread * (self.factor - mean * self.shift)).to(self.dtype), self.shift.to(self.dtype)


class _Patches:
    """Sums over all positions of the input patches (K,) of the first convolution, and of their products (K, K).

    They are in double precision, because a kernel that takes differences of neighbouring samples cancels most of their
    variance.
    """

    def __init__(self, images: Tensor, counts: Tensor, kernel: Tensor, parts: Sequence[slice]) -> None:
        length = kernel[0].numel()
        self.sums = torch.zeros(length, dtype=torch.float64, device=images.device)
        self.products = torch.zeros(length, length, dtype=torch.float64, device=images.device)
        for part in parts:
            size = (kernel.shape[2], kernel.shape[3])
            patches = F.unfold(images[part].double(), size, padding=_padding(kernel))  # (n, K, H * W)
            weights = _of_part(counts, part).repeat(1, images.shape[2])[:, None].double()  # (n, 1, H * W)
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
        self, direct: Tensor, sums: _SumsOfGradient, block: Block, measured: Statistics, eps: float, n: int
    ) -> Tensor:
        """Add to the kernel's gradient the terms that pass through the batch statistics.

        With x the normalised map, g the gradient after factor and shift, and p the patches, the kernel's gradient is
        the sum of scale (g - sum(g) / n - x sum(g x) / n) p. The sum of g p is given as `direct`.
        """
        kernel = block.kernel.flatten(1).double()
        spread = torch.rsqrt(measured.variance.double() + eps)[:, None]
        offset = (block.bias - measured.mean).double()[:, None]
        x_with_patches = spread * (kernel @ self.products + offset * self.sums)
        through = sums.shift[:, None] * self.sums + sums.factor[:, None] * x_with_patches
        scale = block.factor.double()[:, None] * spread
        return (scale * (direct.flatten(1) - through / n)).view_as(block.kernel)


def _parts(images: Tensor, width: int) -> list[slice]:
    """Cut the batch into parts whose widest map is small enough."""
    bytes_per_image = width * images.shape[2] * images.shape[3] * images.element_size()
    size = max(1, PART_BYTES.get(images.device.type, PART_BYTES["cuda"]) // bytes_per_image)
    return [slice(first, min(first + size, len(images))) for first in range(0, len(images), size)]


def _of_part(counts: Tensor, part: slice) -> Tensor:
    """Return the counts of the columns of a part of the images, (n, W)."""
    return counts[torch.arange(part.start, part.stop, device=counts.device) % len(counts)]


def _of_windows(sums: list[Tensor], counts: Tensor) -> Tensor:
    """Concatenate the sums of parts (K, n, O), and add those of the tiles of each window: (K, B, O)."""
    together = torch.cat(sums, dim=1)
    return together.view(len(together), -1, len(counts), together.shape[2]).sum(dim=2)


def _positions(images: Tensor, counts: Tensor, columns: int | None) -> int:
    """Return the number of positions of a window's padded image."""
    return (round(float(counts.sum(dtype=torch.float64))) if columns is None else columns) * images.shape[2]


def _per_channel(values: Tensor, dim: int = 1) -> Tensor:
    """Reshape values (O,) so that they broadcast along dimension `dim` of a 4-D tensor."""
    return values.view([-1 if axis == dim else 1 for axis in range(4)])


def _padding(kernel: Tensor) -> tuple[int, int]:
    return (kernel.shape[2] // 2, kernel.shape[3] // 2)


def _convolve(x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(x, kernel, bias, padding=_padding(kernel))


def _convolve_back(g: Tensor, x: Tensor, kernel: Tensor, wanted: tuple[bool, bool]) -> tuple[Tensor, Tensor]:
    """Return the gradients of a convolution's input and kernel."""
    gradients: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        g, x, kernel, None, [1, 1], _padding(kernel), [1, 1], False, [0, 0], 1, [*wanted, False]
    )
    return gradients[:2]


def _gate_(g: Tensor, h: Tensor) -> Tensor:
    """Turn the gradient after a ReLU with output h into the gradient before it, in place."""
    gated: Tensor = torch.ops.aten.threshold_backward.grad_input(g, h, 0, grad_input=g)
    return gated


def _sum(x: Tensor, weights: Tensor) -> Tensor:
    """Sum a map (n, O, H, W) over positions, weighting columns by their counts (n, W): (n, O)."""
    rows = x.flatten(1, 2)  # (n, O * H, W)
    return torch.bmm(rows, weights[:, :, None]).view(x.shape[:3]).sum(dim=2)

"""Columns with multiplicities: what is kept of padded windows, and how often each of it counts.

Three 3x3 convolutions reach three columns, so deep inside the padding all columns of a feature map are equal. An image
therefore keeps only `2 x 3` columns of zeros on either side. One of them stands for all columns that were left out, and
every sum over positions (batch statistics, pooling) counts it that many times. In the same way, a long image is cut
into tiles that overlap by the reach of the convolutions, and columns in the overlap are counted only once. The result
is the same function of the parameters, so its gradients are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

REACH = 3  # columns to either side that three convolutions with kernels of three columns reach
KEPT = 2 * REACH  # columns of zeros: influenced by the border (2), standing for many (1), influenced by the window (3)
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


def parts_of(images: Tensor, width: int) -> list[slice]:
    """Cut the batch into parts whose widest map is small enough."""
    bytes_per_image = width * images.shape[2] * images.shape[3] * images.element_size()
    size = max(1, PART_BYTES.get(images.device.type, PART_BYTES["cuda"]) // bytes_per_image)
    return [slice(first, min(first + size, len(images))) for first in range(0, len(images), size)]


def counts_of(counts: Tensor, part: slice) -> Tensor:
    """Return the counts of the columns of a part of the images, (n, W)."""
    return counts[torch.arange(part.start, part.stop, device=counts.device) % len(counts)]


def positions(images: Tensor, counts: Tensor, columns: int | None) -> int:
    """Return the number of positions of a window's padded image."""
    return (round(float(counts.sum(dtype=torch.float64))) if columns is None else columns) * images.shape[2]


def weighted_sum(x: Tensor, weights: Tensor) -> Tensor:
    """Sum a map (n, O, H, W) over positions, weighting columns by their counts (n, W): (n, O)."""
    rows = x.flatten(1, 2)  # (n, O * H, W)
    return torch.bmm(rows, weights[:, :, None]).view(x.shape[:3]).sum(dim=2)


def sums_of_windows(sums: list[Tensor], counts: Tensor) -> Tensor:
    """Concatenate the sums of parts (K, n, O), and add those of the tiles of each window: (K, B, O)."""
    together = torch.cat(sums, dim=1)
    return together.view(len(together), -1, len(counts), together.shape[2]).sum(dim=2)

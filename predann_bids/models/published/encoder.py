"""The networks of Akama et al. 2025 (doi 10.1038/s41598-025-02790-6), used by preset `published`.

Parameters are named as in the authors' public code, and the results are those of their layers; `blocks` explains how
most of the work is avoided, and `maps` does the same on accelerators.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from predann_bids.models.published.blocks import pool
from predann_bids.models.published.columns import Columns
from predann_bids.models.published.layers import Block, Pooled, Statistics
from predann_bids.models.published.maps import measuring
from predann_bids.models.published.team import Team

WIDTHS = (32, 64, 128)
EMBEDDING = 100
POSITIONS_OF_A_TILE = 4096  # the widest map then has 2 MB, and stays in a core's cache


def padding(length: int) -> tuple[int, int]:
    """Return the zeros to the left and right of a window that pad it to the next power of three.

    If their number is odd, there is one more on the right. The paper pads EEG from 375 to 729 and audio from 132,300 to
    177,147 samples; for other lengths this is our reading of it.
    """
    total = 1
    while total < length:
        total *= 3
    left = (total - length) // 2
    return left, total - length - left


class PublishedEncoder(nn.Module):
    """Encode windows (B, C, T) as song logits (B, n_songs) and an embedding (B, 100).

    Parameters
    ----------
    n_songs : int
        Number of classes.
    kind : {"2d", "1d"}
        Whether to convolve over channels and time, or over time only.
    n_channels : int
        Number of channels, for kind "1d"; an encoder of kind "2d" takes any number.
    dropout : float
        Share of the last feature map that is dropped before averaging.

    Attributes
    ----------
    team : Team, optional
        Processes that share batches, during a training.
    """

    team: Team | None = None

    def __init__(self, n_songs: int, *, kind: str = "2d", n_channels: int = 1, dropout: float = 0.5) -> None:
        super().__init__()
        self.kind, self.dropout = kind, dropout
        self.sequential = nn.Sequential(*_layers(kind, n_channels))
        self.projector1 = _head(n_songs)
        self.projector2 = _head(EMBEDDING)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Encode unpadded windows (B, C, T). In training mode there is no gradient for the windows.

        Everything is computed in the precision of the weights, as in the published method.
        """
        with torch.autocast(windows.device.type, enabled=False):
            pooled = self._noisy_mean(self._pool(windows))
            return self.projector1(pooled), self.projector2(pooled)

    def _pool(self, windows: Tensor) -> Pooled:
        planes = windows[:, None] if self.kind == "2d" else windows[:, :, None]  # (B, 1, C, T) or (B, C, 1, T)
        columns = _columns(windows.shape[-1], planes.shape[2], windows.device)
        convolutions, norms = self._layers(0), self._layers(1)
        pairs = zip(convolutions, norms, strict=True)
        blocks = [self._block(convolution, norm, planes.shape[2]) for convolution, norm in pairs]
        if not self.training:
            running = [Statistics(norm.running_mean, norm.running_var) for norm in norms]
            return self._pool_with(planes, columns, blocks, running, norms[0].eps)
        pooled, measured = self._measure(planes, columns, blocks, norms[0].eps)
        positions = len(windows) * planes.shape[2] * columns.total
        for norm, statistics in zip(norms, measured, strict=True):
            _follow(norm, statistics, positions)
        return pooled

    def _pool_with(
        self, planes: Tensor, columns: Columns, blocks: list[Block], running: list[Statistics], eps: float
    ) -> Pooled:
        if self.team and self.team.can_share(planes) and not torch.is_grad_enabled():
            return self.team.pool(planes, columns, blocks, running, eps)
        images, counts = columns.images(planes), columns.counts().to(planes)
        return pool(images, counts, blocks, running, eps, columns=columns.total)

    def _measure(
        self, planes: Tensor, columns: Columns, blocks: list[Block], eps: float
    ) -> tuple[Pooled, list[Statistics]]:
        if self.team and self.team.can_share(planes):
            return self.team.measure(id(self), planes, columns, blocks, eps)
        images, counts = columns.images(planes), columns.counts().to(planes)
        return measuring(planes.device)(images, counts, blocks, eps, columns=columns.total)

    def _noisy_mean(self, pooled: Pooled) -> Tensor:
        """Draw the mean of the map under dropout, as if each of its N positions x were dropped with probability p.

        A position that is kept with probability 1 - p, and then divided by 1 - p, has mean x and variance
        x^2 p / (1 - p). As N is large, the mean over positions is normal, with variance p / (1 - p) sum(x^2) / N^2.
        Its derivative with respect to x is 1 / N + noise x / sum(x^2). This is the derivative of dropout, averaged over
        all draws that give the same mean, so nothing but noise is lost.
        """
        if not self.training or self.dropout == 0:
            return pooled.mean
        odds = self.dropout / (1 - self.dropout)
        # a feature that is zero everywhere has no noise, and the root has no derivative at 0
        spread = (odds * pooled.power).clamp(min=torch.finfo(pooled.power.dtype).tiny).sqrt()
        return pooled.mean + spread * torch.randn_like(spread)

    def _layers(self, first: int) -> list[Any]:
        """Return every third layer: the convolutions if `first` is 0, the norms if it is 1."""
        return list(self.sequential)[first::3]

    def _block(self, convolution: Any, norm: Any, rows: int) -> Block:
        kernel = convolution.weight
        if kernel.dim() == 3:
            kernel = kernel[:, :, None]
        elif rows == 1:
            kernel = kernel[:, :, 1:2]  # the outer rows of the kernel only meet padding
        return Block(kernel, convolution.bias, norm.weight, norm.bias)


def _layers(kind: str, n_channels: int) -> Iterator[nn.Module]:
    narrow = 1 if kind == "2d" else n_channels
    for width in WIDTHS:
        if kind == "2d":
            yield from (nn.Conv2d(narrow, width, 3, padding=1), nn.BatchNorm2d(width))
        else:
            yield from (nn.Conv1d(narrow, width, 3, padding=1), nn.BatchNorm1d(width))
        yield nn.ReLU()
        narrow = width


def _head(n_outputs: int) -> nn.Sequential:
    hidden = nn.Linear(WIDTHS[-1], EMBEDDING, bias=False)
    return nn.Sequential(hidden, nn.BatchNorm1d(EMBEDDING), nn.ReLU(), nn.Linear(EMBEDDING, n_outputs, bias=False))


def _columns(length: int, rows: int, device: torch.device | None = None) -> Columns:
    in_cache = rows == 1 and (device is None or device.type == "cpu")
    tiles = length * rows // POSITIONS_OF_A_TILE if in_cache else 1
    return Columns(length, *padding(length), tiles=max(1, tiles))


@torch.no_grad()
def _follow(norm: Any, statistics: Statistics, positions: int) -> None:
    """Update a norm's running statistics with those of a batch, as PyTorch does."""
    norm.num_batches_tracked += 1
    norm.running_mean.lerp_(statistics.mean, norm.momentum)
    norm.running_var.lerp_(statistics.variance * (positions / (positions - 1)), norm.momentum)

"""Pass batches through the blocks in this process, or in several that take a share each.

One process trains: it has the weights, the optimiser, the running statistics, the heads and the loss, as if it were
alone. It sends the windows of each batch and the parameters of the blocks to its helpers. All of them pass their share
through the blocks, and exchange sums, so that the statistics are those of the whole batch; the pooled maps (B, 128)
come back to the first. On the way back it sends their gradients, and gets those of the parameters. Nothing but rounding
differs from one process that does it all; noise, too, is drawn after pooling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch import distributed as processes

from predann_bids.models.published.blocks import pool
from predann_bids.models.published.columns import Columns
from predann_bids.models.published.layers import Block, Pooled, Statistics
from predann_bids.models.published.maps import Measure, measuring
from predann_bids.models.published.share import Share

OF_A_BLOCK, OF_A_MAP = 4, 2  # tensors in a `Block`, and in `Statistics`
LAYERS = 3


@dataclass(frozen=True)
class _Job:
    """What a process has to know of a pass through the blocks before the numbers come."""

    encoder: int
    columns: Columns
    eps: float
    planes: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtype: torch.dtype
    is_training: bool


@dataclass(frozen=True)
class _Return:
    """That the gradient of the last pass of an encoder comes."""

    encoder: int


class Team:
    """The process that trains, and its helpers; the default group of `torch.distributed` joins them.

    Parameters
    ----------
    send : callable
        Sends a plain object to all helpers, each of which is in `help_with`.
    helpers : int
        Their number.
    measure : callable, optional
        What passes a training batch through the blocks; by default what the device is best at.
    """

    def __init__(self, send: Callable[[Any], None], helpers: int, measure: Measure | None = None) -> None:
        self.send, self.among, self.own_measure = send, helpers + 1, measure

    def can_share(self, planes: Tensor) -> bool:
        """Whether there is a window for each process."""
        return len(planes) >= self.among

    def measure(
        self, encoder: int, planes: Tensor, columns: Columns, blocks: Sequence[Block], eps: float
    ) -> tuple[Pooled, list[Statistics]]:
        """Pass a training batch through the blocks of an encoder; see `blocks.pool_and_measure`.

        Parameters
        ----------
        encoder : int
            Tells the encoders of a network apart.
        planes : Tensor, shape (B, C, H, length)
            The whole batch.
        columns : Columns
            How it is padded and cut.
        blocks : sequence of Block
            Parameters of the blocks.
        eps : float
            Added to the variances.
        """
        flat = [tensor for block in blocks for tensor in block]
        job = _job(encoder, planes, columns, flat, eps, is_training=True)
        mean, power, *measured = _Shared.apply(self, job, planes, *flat)  # type: ignore[no-untyped-call]
        return Pooled(mean, power), _in_pairs(measured)

    @torch.no_grad()
    def pool(
        self, planes: Tensor, columns: Columns, blocks: Sequence[Block], statistics: Sequence[Statistics], eps: float
    ) -> Pooled:
        """Pass a batch through the blocks without gradients, normalised by given statistics; see `blocks.pool`.

        Parameters
        ----------
        planes : Tensor, shape (B, C, H, length)
            The whole batch.
        columns : Columns
            How it is padded and cut.
        blocks, statistics : sequence
            Parameters of the blocks, and the statistics to normalise with.
        eps : float
            Added to the variances.
        """
        flat = [tensor for some in (*blocks, *statistics) for tensor in some]
        job = _job(0, planes, columns, flat, eps, is_training=False)
        return self.begin(job, planes, flat).gathered()

    def begin(self, job: _Job, planes: Tensor, flat: Sequence[Tensor]) -> _Pass:
        """Let all processes pass their shares through the blocks."""
        self.send(job)
        for tensor in (planes.contiguous(), _joined(flat)):
            processes.broadcast(tensor.detach(), 0)
        share = Share(len(planes), 0, self.among)
        return _Pass(job, share, planes, [tensor.detach() for tensor in flat], self.own_measure)


def help_with(
    receive: Callable[[], Any], number: int, among: int, device: torch.device, measure: Measure | None = None
) -> None:
    """Pass shares of batches through the blocks for a process that trains, until it closes the connection.

    Parameters
    ----------
    receive : callable
        Returns what the `Team` sends, or raises EOFError.
    number, among : int
        Which of how many processes this is; the one that trains is number 0.
    device : torch.device
        Where to compute.
    measure : callable, optional
        As given to the `Team`.
    """
    passes: dict[int, _Pass] = {}
    while True:
        try:
            job = receive()
        except EOFError:
            return
        if isinstance(job, _Return):
            passes.pop(job.encoder).backward(None)
            continue
        passes.pop(job.encoder, None)  # of a step that did not come to its end
        share = Share(job.planes[0], number, among)
        planes, flat = _received(job, device)
        passing = _Pass(job, share, planes, flat, measure)
        passing.gathered()
        if job.is_training:
            passes[job.encoder] = passing
        del passing, planes, flat


class _Pass:
    """A share of a batch in one process, on its way through the blocks and back."""

    def __init__(
        self, job: _Job, share: Share, planes: Tensor, flat: Sequence[Tensor], measure: Measure | None
    ) -> None:
        self.share = share
        own = planes[share.rows].detach()
        images, counts = job.columns.images(own), job.columns.counts().to(own)
        split = LAYERS * OF_A_BLOCK
        self.leaves = [tensor.requires_grad_(job.is_training) for tensor in flat[:split]]
        blocks = [Block(*self.leaves[i : i + OF_A_BLOCK]) for i in range(0, split, OF_A_BLOCK)]
        if job.is_training:
            with torch.enable_grad():
                self.pooled, self.measured = (measure or measuring(own.device))(
                    images, counts, blocks, job.eps, columns=job.columns.total, share=share
                )
        else:
            statistics = _in_pairs(flat[split:])
            self.pooled = pool(images, counts, blocks, statistics, job.eps, columns=job.columns.total)

    def gathered(self) -> Pooled:
        """Return the pooled maps of the whole batch."""
        return Pooled(*self.share.gathered(torch.stack(list(self.pooled))))

    def backward(self, gradient: Tensor | None) -> list[Tensor]:
        """Return the gradients of the parameters; process 0 has that of the pooled maps of the batch, (2, B, O)."""
        own = self.pooled.mean
        whole = own.new_empty(2, self.share.windows, own.shape[1]) if gradient is None else gradient
        processes.broadcast(whole, 0)
        found = torch.autograd.grad(list(self.pooled), self.leaves, list(whole[:, self.share.rows]))
        total = _joined(found)
        processes.all_reduce(total)
        return _parted(total, [tensor.shape for tensor in self.leaves])


class _Shared(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, team: Team, job: _Job, planes: Tensor, *flat: Tensor) -> tuple[Tensor, ...]:
        ctx.team, ctx.job = team, job
        ctx.passing = team.begin(job, planes, flat)
        measured = [one for pair in ctx.passing.measured for one in pair]
        ctx.mark_non_differentiable(*measured)
        return *ctx.passing.gathered(), *measured

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_mean: Tensor, d_power: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        passing, ctx.passing = ctx.passing, None
        ctx.team.send(_Return(ctx.job.encoder))
        return None, None, None, *passing.backward(torch.stack([d_mean, d_power]))


def _job(
    encoder: int, planes: Tensor, columns: Columns, flat: Sequence[Tensor], eps: float, *, is_training: bool
) -> _Job:
    shapes = tuple(tuple(tensor.shape) for tensor in flat)
    return _Job(encoder, columns, eps, tuple(planes.shape), shapes, planes.dtype, is_training)


def _received(job: _Job, device: torch.device) -> tuple[Tensor, list[Tensor]]:
    """Take what `Team.begin` sends."""
    planes = torch.empty(job.planes, dtype=job.dtype, device=device)
    flat = planes.new_empty(sum(map(_size, job.shapes)))
    for tensor in (planes, flat):
        processes.broadcast(tensor, 0)
    return planes, _parted(flat, job.shapes)


def _size(shape: Sequence[int]) -> int:
    return torch.Size(shape).numel()


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def _parted(joined: Tensor, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
    parts = torch.split(joined, [_size(shape) for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def _in_pairs(tensors: Sequence[Tensor]) -> list[Statistics]:
    return [Statistics(*tensors[i : i + OF_A_MAP]) for i in range(0, len(tensors), OF_A_MAP)]

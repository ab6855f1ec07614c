"""What processes add up when each of them passes a share of a batch through the blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch import distributed as processes


@dataclass(frozen=True)
class Share:
    """The share of a batch that one of several processes holds; they are the default group of `torch.distributed`.

    Parameters
    ----------
    windows : int
        Windows of the whole batch, at least one for each process.
    number, among : int
        Which of how many processes this is.
    """

    windows: int
    number: int
    among: int

    @property
    def rows(self) -> slice:
        """The windows of this process; shares differ by one at most."""
        return slice(self.number * self.windows // self.among, (self.number + 1) * self.windows // self.among)

    def total(self, *own: Tensor) -> list[Tensor]:
        """Add tensors of equal shape over all processes, without gradients."""
        stacked = torch.stack([tensor.detach() for tensor in own])
        processes.all_reduce(stacked)
        return list(stacked)

    def mean(self, own: Tensor) -> Tensor:
        """Average a tensor over all processes, without gradients."""
        return self.total(own)[0] / self.among

    def gathered(self, own: Tensor) -> Tensor:
        """Put the rows of all processes together, (K, B, O) of (K, b, O), without gradients."""
        whole = own.new_zeros(own.shape[0], self.windows, *own.shape[2:])
        whole[:, self.rows] = own.detach()
        processes.all_reduce(whole)
        return whole


def summed(own: Tensor) -> Tensor:
    """Add a tensor over all processes, with gradients."""
    total: Tensor = _Summed.apply(own)  # type: ignore[no-untyped-call]
    return total


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, own: Tensor) -> Tensor:
        return _added(own)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return _added(gradient)  # what each process adds has an effect in all of them


def _added(own: Tensor) -> Tensor:
    total = own.detach().clone(memory_format=torch.contiguous_format)
    processes.all_reduce(total)
    return total

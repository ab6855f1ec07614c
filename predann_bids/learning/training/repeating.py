"""Repeat the steps of a small network as CUDA graphs, which a processor starts with one call instead of hundreds.

A graph holds the operations of one step, forward or backward, and the places of their tensors. Before it runs, a batch
is copied to the place of the one that it was made of. Noise is drawn from the same generator as without graphs, so that
seeds keep their meaning.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from predann_bids.config import Training
from predann_bids.data.source import Batch
from predann_bids.models.network import Network

MOST_GRAPHS = 4  # one for training, two for validation, whose batches differ by a window, and one to spare
Losses: TypeAlias = dict[str, Tensor]
Making: TypeAlias = Callable[[nn.Module, tuple[Tensor, ...]], Any]


class Leaf(NamedTuple):
    """A tensor in the form of a batch."""

    shape: torch.Size
    dtype: torch.dtype


# what makes each part of a batch, and of what: leaves, and plain values
Form: TypeAlias = tuple[tuple[Any, tuple[Any, ...]], ...]


@contextmanager
def computing(
    network: Network, training: Training, device: torch.device, say: Callable[[str], None]
) -> Iterator[Callable[[Batch], Losses]]:
    """Provide what computes the losses of a network's batches, during a block: by graphs where they can be had.

    Parameters
    ----------
    network : Network
        What is trained; its parameters and buffers stay in their places during the block.
    training : Training
        What its objective takes.
    device : torch.device
        Where it is trained.
    say : callable
        Takes a sentence if steps could not be made graphs of.
    """
    if device.type != "cuda" or not network.has_fixed_steps:
        yield lambda batch: network.objective(*batch, training)
        return
    repeated = RepeatedSteps(network, training, say)
    try:
        yield repeated.losses
    finally:
        repeated.end()


class RepeatedSteps:
    """Steps of a network as graphs: one for each form of a batch, in training and in validation.

    Parameters
    ----------
    network, training, say
        As in `computing`.
    make : callable
        Makes a graph of a module and a sample of what it takes, as `torch.cuda.make_graphed_callables` does.
    """

    def __init__(
        self, network: Network, training: Training, say: Callable[[str], None], make: Making | None = None
    ) -> None:
        self._network, self._training, self._say = network, training, say
        self._make: Making = make or make_graph
        self._steps: dict[tuple[bool, Form], Step] = {}
        self._most = MOST_GRAPHS

    def losses(self, batch: Batch) -> Losses:
        """Compute the `loss` of a batch, and, in validation, its terms."""
        form, tensors = take_apart(batch)
        key = (self._network.training, form)
        if key not in self._steps and len(self._steps) < self._most:
            self._capture(key, tensors)
        step = self._steps.get(key)
        if step is None:
            return self._network.objective(*batch, self._training)
        values = step(*tensors)
        return dict(zip(step.names, values, strict=True))

    def end(self) -> None:
        """Give back the memory of all graphs."""
        for step in self._steps.values():
            vars(step).pop("forward", None)
        self._steps.clear()
        gc.collect()  # graphs are held by circles of functions

    def _capture(self, key: tuple[bool, Form], tensors: tuple[Tensor, ...]) -> None:
        try:
            with _as_before(self._network), _gradients(wanted=self._network.training):
                step = Step(self._network, self._training, key[1])
                self._make(step, tuple(tensor.clone() for tensor in tensors))
        except RuntimeError as error:
            self.end()  # those that there are draw their noise where nobody sets seeds any more
            self._most = 0
            self._say(
                "its steps cannot be repeated as CUDA graphs here, so it trains without them, more slowly"
                f" ({(str(error).strip() or type(error).__name__).splitlines()[0]})"
            )
        else:
            self._steps[key] = step


class Step(nn.Module):
    """The losses of a batch as a module that takes and returns nothing but tensors.

    Parameters
    ----------
    network, training
        As in `computing`.
    form : Form
        How batches are put together of tensors.
    """

    def __init__(self, network: Network, training: Training, form: Form) -> None:
        super().__init__()
        self.network, self._training, self._form = network, training, form
        self.training = network.training
        self.names: tuple[str, ...] = ()

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Compute the loss, and, in validation, its terms, whose `names` are known afterwards."""
        self.network.forget()  # a graph must compute what it needs each time
        losses = self.network.objective(*put_together(self._form, tensors), self._training)
        self.network.forget()  # and what it has computed changes without notice
        self.names = ("loss",) if self.training else tuple(losses)
        return tuple(losses[name] for name in self.names)


def make_graph(step: nn.Module, sample: tuple[Tensor, ...]) -> None:
    """Let a module repeat what it does with a sample, from now on, as CUDA graphs, forward and backward.

    Raises
    ------
    RuntimeError
        CUDA cannot. The device can be used as before.
    """
    device = sample[0].device
    stream, generator = torch.cuda.current_stream(device), torch.cuda.default_generators[device.index]
    before = generator.clone_state()
    try:
        # of some weights the loss has no gradient
        torch.cuda.make_graphed_callables(step, sample, allow_unused_input=True)
    except RuntimeError:
        # a capture that breaks off leaves its stream the current one, and the generator waiting for its end
        torch.cuda.set_stream(stream)
        generator.graphsafe_set_state(before)
        raise


@contextmanager
def _as_before(network: Network) -> Iterator[None]:
    """Leave buffers and generators as they were before a block: graphs are made by running steps a few times."""
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    devices = {buffer.device for buffer, _ in buffers if buffer.device.type == "cuda"}
    try:
        with torch.random.fork_rng(sorted(device.index for device in devices)):
            yield
    finally:
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)


@contextmanager
def _gradients(*, wanted: bool) -> Iterator[None]:
    """Compute gradients or not, but never in inference mode, whose tensors nothing else may write to."""
    with torch.inference_mode(mode=False), torch.set_grad_enabled(wanted):
        yield


def take_apart(batch: Batch) -> tuple[Form, tuple[Tensor, ...]]:
    """Divide a batch into its tensors, and the form in which they are put together."""
    form, tensors = [], []
    for part in batch:
        leaves = (part,) if isinstance(part, Tensor) else tuple(part)
        make = _itself if isinstance(part, Tensor) else type(part)
        form.append((make, tuple(Leaf(x.shape, x.dtype) if isinstance(x, Tensor) else x for x in leaves)))
        tensors += [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    return tuple(form), tuple(tensors)


def put_together(form: Form, tensors: tuple[Tensor, ...]) -> Batch:
    """Make a batch of tensors, in the form of another one."""
    left = iter(tensors)
    return Batch(*(make(*(next(left) if isinstance(x, Leaf) else x for x in leaves)) for make, leaves in form))


def _itself(tensor: Tensor) -> Tensor:
    return tensor

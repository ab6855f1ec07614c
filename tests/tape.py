"""CUDA graphs without CUDA: record the operations of a step, and repeat them on the same tensors.

As with a graph, nothing but the recorded operations is done again, with the numbers that Python had then, and results
stand where they stood then. Only noise is drawn anew.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tape(TorchDispatchMode):
    """Record operations."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, tree_leaves(result)))
        return result

    @torch.no_grad()
    def replay(self):
        for func, args, kwargs, results in self.operations:
            for place, value in zip(results, tree_leaves(func(*args, **kwargs)), strict=True):
                if isinstance(place, torch.Tensor) and place.data_ptr() != value.data_ptr():  # no view of another
                    place.copy_(value)


def make_tape(step, sample):
    """Do with a module what `torch.cuda.make_graphed_callables` does: run it some times, record, and replace it."""
    weights, mode, original = tuple(step.parameters()), step.training, step.forward
    for _ in range(3):
        outputs = step(*sample)
        _backward(outputs, weights, _like(outputs))
    with Tape() as forward:
        outputs = step(*sample)
    incoming = _like(outputs)
    with Tape() as backward:
        gradients = _backward(outputs, weights, incoming)

    class Repeated(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            for place, value in zip(sample, inputs[: len(sample)], strict=True):
                place.copy_(value)
            forward.replay()
            return tuple(output.detach() for output in outputs)

        @staticmethod
        def backward(ctx, *given):
            for place, value in zip(incoming, given, strict=True):
                place.copy_(value)
            backward.replay()
            found = (None if gradient is None else gradient.detach() for gradient in gradients)
            return (*(None for _ in sample), *found)

    step.forward = lambda *tensors: Repeated.apply(*tensors, *weights) if step.training == mode else original(*tensors)


def _like(outputs):
    return tuple(torch.empty_like(output) for output in outputs if output.requires_grad)


def _backward(outputs, weights, incoming):
    return torch.autograd.grad(outputs, weights, incoming, allow_unused=True) if incoming else ()

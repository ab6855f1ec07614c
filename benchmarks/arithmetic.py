"""Count multiply-adds, and measure how many a machine does in a second.

A published network convolves an image of H rows three times, from 1 to 32, 64 and 128 channels. With kernels of 3 x 3
a position takes 9 (1 x 32 + 32 x 64 + 64 x 128) = 92,448 multiply-adds; the rest of the network is nothing beside them.
In the backward pass each layer takes as many again for the gradient of its kernel, and all but the first as many for
that of its input.

Where a layer sees only padding, its output is the same for every window. It differs in the `length + 2 l` columns of
layer l that can see the window. Of the three rows of a kernel, the outer two see nothing above the first row and below
the last: with a single row, as in audio, only the middle one counts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

WIDTHS = (1, 32, 64, 128)
SHAPES = {"eeg": (128, 375, 729), "audio": (1, 132_300, 177_147)}  # rows, length, columns of the padded image
MATRIX = {"cpu": 2048, "cuda": 8192}


def published(what: str) -> dict[str, float]:
    """Count the multiply-adds of a published network for one sample, with and without those on padding alone.

    Returns
    -------
    dict
        Those of the forward pass and of a training step, and the share of the step that is spent on constant padding.
    """
    rows, length, total = SHAPES[what]
    written, needed = [], []
    for layer, (narrow, wide) in enumerate(pairwise(WIDTHS), start=1):
        written.append(rows * 3 * total * 3 * narrow * wide)
        needed.append((3 * rows - 2) * min(total, length + 2 * layer) * 3 * narrow * wide)
    step, needed_step = (3 * sum(layers) - layers[0] for layers in (written, needed))
    return {
        "forward": sum(written),
        "step": step,
        "needed_forward": sum(needed),
        "needed_step": needed_step,
        "padding_share": 1 - needed_step / step,
    }


def counted(action: Callable[[], Any]) -> float:
    """Return the multiply-adds of the convolutions and matrix products of an action, as PyTorch counts them."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        action()
    return counter.get_total_flops() / 2


def machine_rate(device: str, repeat: int) -> dict[str, float]:
    """Multiply-adds per second of a large product of float32 matrices: median, lowest, highest.

    On a GPU also with TensorFloat-32, which PyTorch allows convolutions by default, but not matrix products.
    """
    import torch

    size = MATRIX["cuda" if device.startswith("cuda") else "cpu"]
    a, b = (torch.randn(size, size, device=device) for _ in range(2))
    rates = _rate(a, b, repeat)
    if device.startswith("cuda"):
        torch.backends.cuda.matmul.allow_tf32 = True
        rates |= {f"{name}_tf32": value for name, value in _rate(a, b, repeat).items()}
    return rates


def _rate(a: Any, b: Any, repeat: int) -> dict[str, float]:
    import torch

    rates = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        a @ b
        if a.is_cuda:
            torch.cuda.synchronize()
        rates.append(len(a) ** 3 / (time.perf_counter() - start))
    rates = sorted(rates[1:])  # without the first, which warms up
    return {"rate": statistics.median(rates), "rate_low": rates[0], "rate_high": rates[-1]}

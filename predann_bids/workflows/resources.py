"""What a training needs of a machine, and how trainings share it: memory, processors, accelerators."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from predann_bids.config import Training
from predann_bids.errors import TryAgain, WrongUsage
from predann_bids.report.text import count
from predann_bids.workflows.execution import Execution, available_gb, total_gb, worker_number

FIT_GB = 0.7  # a training of preset `default`
PUBLISHED_GB, PUBLISHED_SAMPLE_GB = 0.9, 0.19  # a training, and each 3 s of its batch: measured 8.9 to 10.1 for 48
FITS_PER_DEVICE = 4  # small networks leave an accelerator waiting; the published ones do not


def processes_for(training: Training, execution: Execution) -> int:
    """Number of trainings at once: on processors what fits the memory, else some on each device."""
    if uses_accelerator(execution):
        each = 1 if training.is_published else FITS_PER_DEVICE
        return execution.n_procs or each * len(devices_of(execution))
    return min(execution.processes_for(fit_gb(training)), max(1, execution.processes // execution.threads))


def threads_for(training: Training, number: int, execution: Execution) -> int:
    """Processors that each of a number of trainings should use: more than one where memory is for few at once.

    It depends on the machine and on the configuration, and not on what else runs or is done already, so that equal
    commands have equal results.
    """
    limit = execution.mem_gb or total_gb()
    at_once = min(number, execution.processes, int(limit / fit_gb(training)) if limit else number)
    return max(1, execution.processes // max(1, at_once)) if training.is_published else 1


def fit_gb(training: Training) -> float:
    """Memory that a training needs on processors."""
    return PUBLISHED_GB + PUBLISHED_SAMPLE_GB * training.batch_size if training.is_published else FIT_GB


def refuse_too_little_memory(batch_size: int, windows: int, heard_s: float, limit_gb: float | None) -> None:
    """Refuse a training of the published networks for which there is no memory, instead of being killed.

    Parameters
    ----------
    batch_size, windows : int
        Windows of a batch, and of an epoch.
    heard_s : float
        Seconds of audio in a window.
    limit_gb : float, optional
        Memory to stay within; what is free, unless given.

    Raises
    ------
    TryAgain
        It says which batch would fit.
    """
    there = available_gb() if limit_gb is None else limit_gb
    each = PUBLISHED_SAMPLE_GB * heard_s / 3
    batch_size = min(batch_size, windows)
    needed = PUBLISHED_GB + each * batch_size
    if there is None or needed <= there:
        return
    fitting = int((there - PUBLISHED_GB) / each)
    smaller = f", or train with --batch-size {fitting}, which is not as published" if fitting > 1 else ""
    raise TryAgain(
        f"A training of the published networks with {batch_size} windows in a batch needs {needed:.1f} GB of memory,"
        f" and there are {there:.1f} GB. Give it more{smaller}."
    )


def devices_of(execution: Execution) -> list[int]:
    """Numbers of the accelerators to use, of a text as Lightning understands it: how many, which, or 'auto'."""
    import torch

    there = torch.cuda.device_count() if torch.cuda.is_available() else 1
    text = execution.devices.strip()
    try:
        chosen = [int(part) for part in text.split(",") if part.strip()] if text != "auto" else [-1]
    except ValueError as error:
        raise WrongUsage(f"--devices '{text}' is neither a number, nor a list such as 0,1, nor 'auto'.") from error
    if "," not in text and len(chosen) == 1:
        chosen = list(range(there if chosen[0] == -1 else chosen[0]))
    if not chosen or not all(0 <= number < there for number in chosen):
        raise WrongUsage(f"--devices {text}: there {'are' if there > 1 else 'is'} {count(there, 'accelerator')} here.")
    return chosen


def own_device(execution: Execution) -> int:
    """Number of the accelerator that this process is to use."""
    devices = devices_of(execution)
    return devices[worker_number() % len(devices)]


def uses_accelerator(execution: Execution) -> bool:
    """Tell whether trainings run on something else than processors."""
    # PyTorch takes seconds to import, so look first whether there can be a device at all.
    devices = ("nvidiactl", "dxg", "kfd")
    if execution.accelerator == "cpu" or (
        sys.platform == "linux" and not any(Path("/dev", name).exists() for name in devices)
    ):
        return False
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def device_of(execution: Execution) -> str:
    """Name the device that a fit runs on, as PyTorch does."""
    if not uses_accelerator(execution):
        return "cpu"
    import torch

    return f"cuda:{own_device(execution)}" if torch.cuda.is_available() else "mps"


@contextmanager
def on_threads(number: int) -> Iterator[None]:
    """Compute on so many threads; with one, results do not depend on the number of processes.

    NumPy's matrix products would otherwise take all processors for products that are too small to share, in each of
    several processes at once: measured, 20 ms instead of 0.1 ms.
    """
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(number)
    with threadpool_limits(1, user_api="blas"):
        yield

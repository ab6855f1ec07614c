"""What a training needs of a machine, and how trainings share it: memory, processors, accelerators."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from predann_bids.config import Training
from predann_bids.errors import TooLittleMemory, TryAgain, WrongUsage
from predann_bids.models.decoder import DECODERS
from predann_bids.report.text import count
from predann_bids.workflows.execution import Execution, available_gb, processors, total_gb

if TYPE_CHECKING:
    from predann_bids.learning.fitting import Hardware

LARGEST_SHARE = 0.5  # of the memory for recordings that are kept scaled
FITS_PER_DEVICE = 4  # small networks leave an accelerator waiting; large ones do not


def processes_for(training: Training, execution: Execution) -> int:
    """Number of trainings at once: on processors what fits the memory, else some on each device."""
    kind = DECODERS[training.encoders]
    if uses_accelerator(execution):
        each = 1 if kind.is_large else FITS_PER_DEVICE
        return execution.n_procs or max(1, each * len(devices_of(execution)) // execution.devices_each)
    fitting = execution.processes_for(kind.memory_gb(training.batch_size))
    return min(fitting, max(1, execution.processes // (execution.threads * execution.devices_each)))


def devices_each(training: Training, number: int, execution: Execution) -> int:
    """Devices that each of a number of trainings can share; 1 where networks are too small to gain from it."""
    if not DECODERS[training.encoders].can_share:
        return 1
    return max(1, len(_names(execution)) // max(1, min(number, execution.n_procs or number)))


def left_over(training: Training, number: int, execution: Execution) -> int:
    """How many of a number of trainings are left when all devices have done as many; 0 if they cannot be shared."""
    left = number % len(_names(execution)) if not execution.n_procs else 0
    return left if left and devices_each(training, left, execution) > 1 else 0


def threads_for(training: Training, number: int, execution: Execution) -> int:
    """Processors that each of a number of trainings should use: more than one where memory is for few at once.

    It depends on the machine and on the configuration, and not on what else runs or is done already, so that equal
    commands have equal results.
    """
    kind = DECODERS[training.encoders]
    if not kind.is_large:
        return 1
    limit = execution.mem_gb or total_gb()
    fitting = int(limit / kind.memory_gb(training.batch_size)) if limit else number
    return max(1, execution.processes // max(1, min(number, execution.processes, fitting)))


def refuse_too_little_memory(training: Training, windows: int, audio_s: float, limit_gb: float | None) -> None:
    """Refuse a training of a large network for which there is no memory, instead of being killed.

    Parameters
    ----------
    training : Training
        Says which network, and how many windows are in a batch.
    windows : int
        Windows of an epoch.
    audio_s : float
        Seconds of audio in a window.
    limit_gb : float, optional
        Memory to stay within; what is free, unless given.

    Raises
    ------
    TooLittleMemory
        There never will be; the message says which batch would fit.
    TryAgain
        Others use it at the moment.
    """
    kind = DECODERS[training.encoders]
    available = available_gb() if limit_gb is None else limit_gb
    batch_size = min(training.batch_size, windows)
    needed = kind.memory_gb(batch_size, audio_s)
    if not kind.is_large or available is None or needed <= available:
        return
    process = kind.memory_gb(0, audio_s)
    fitting = int((available - process) / (kind.memory_gb(1, audio_s) - process))
    departing = "" if kind.title else ", which is not as published"
    smaller = f", or train with --batch-size {fitting}{departing}" if fitting > 1 else ""
    network = kind.title or "the published networks"
    found = f"A training of {network} with {batch_size} windows in a batch needs {needed:.1f} GB of memory"
    if limit_gb is not None:
        raise TooLittleMemory(f"{found}, but --mem-gb allows only {available:.1f} GB. Allow it more{smaller}.")
    total = total_gb() or available
    if total < needed:
        raise TooLittleMemory(
            f"{found}, but this job or machine has only {total:.1f} GB. Use one with more memory{smaller}."
        )
    raise TryAgain(
        f"{found}, but of {total:.1f} GB only {available:.1f} GB are free. Repeat the command when other programs have"
        f" ended{smaller}."
    )


def check_accelerator(execution: Execution) -> None:
    """Refuse devices that are not there or are asked for in a way that has no effect.

    Raises
    ------
    WrongUsage
        It says what to ask for instead.
    """
    if execution.accelerator not in ("auto", "cpu") and not uses_accelerator(execution):
        raise WrongUsage(f"--accelerator {execution.accelerator}: there is no such device. Use 'auto' or 'cpu'.")
    if execution.num_nodes > 1:
        raise WrongUsage(
            f"--num-nodes {execution.num_nodes}: a training stays on one node. Several nodes share a run when each does"
            " some folds: --fold."
        )
    if uses_accelerator(execution):
        devices_of(execution)
    elif execution.devices not in ("1", "auto"):
        raise WrongUsage(
            f"--devices {execution.devices}: on processors each training has one device; folds and models run at once"
            " with --n-procs, and on several nodes with --fold."
        )


def refuse_precision(training: Training, execution: Execution) -> None:
    """Refuse a precision with which the results of a network suffer.

    Raises
    ------
    WrongUsage
        It says which precisions there are.
    """
    allowed = DECODERS[training.encoders].precisions
    if allowed and execution.precision not in allowed:
        raise WrongUsage(
            f"--precision {execution.precision}: the networks '{training.encoders}' are trained in single precision, or"
            f" with --precision 64-true in double precision. With numbers of 16 bits, gradients of some weights are"
            " wrong by almost half, and it has not been shown that training does not suffer."
        )


def advice_of(training: Training, execution: Execution) -> str:
    """Say what would make training faster on the devices of this machine; empty if nothing would."""
    device = "cpu" if not uses_accelerator(execution) else device_of(execution, 0)
    return DECODERS[training.encoders].advice(device.split(":")[0])


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


def hardware_of(execution: Execution, worker: int) -> Hardware:
    """Say what Lightning is to run on in one of several processes, and what shares the training with it."""
    from predann_bids.learning.fitting import Hardware

    first, *beside = _own(execution, worker)
    if not uses_accelerator(execution):
        return Hardware("cpu", "1", execution.precision, room_for_recordings(execution), tuple(beside))
    number = int(first.partition(":")[2] or 0)
    return Hardware(execution.accelerator, f"{number},", execution.precision, beside=tuple(beside))


def _own(execution: Execution, worker: int) -> list[str]:
    """Name the devices that one of several processes is to use."""
    names, each = _names(execution), execution.devices_each
    first = each * (worker % max(1, len(names) // each))
    return names[first : first + each]


def _names(execution: Execution) -> list[str]:
    """Name all devices, as PyTorch does; on processors, each stands for a process."""
    if not uses_accelerator(execution):
        return ["cpu"] * (int(execution.devices) if execution.devices.isdigit() else 1)
    import torch

    return [f"cuda:{number}" if torch.cuda.is_available() else "mps" for number in devices_of(execution)]


def room_for_recordings(execution: Execution) -> float:
    """Memory in GB in which a training may keep recordings scaled: half of what there is for each processor.

    What is free does not matter, nor how many trainings there are: whether recordings are kept makes no difference but
    in rounding, and equal commands have equal results.
    """
    return LARGEST_SHARE * (execution.mem_gb or total_gb() or 0) / processors()


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


def device_of(execution: Execution, worker: int) -> str:
    """Name the device that a fit runs on in one of several processes, as PyTorch does."""
    return _own(execution, worker)[0]


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

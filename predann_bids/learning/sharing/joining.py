"""Where processes meet that share a training, and how each of them is to compute."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed


@dataclass(frozen=True)
class Meeting:
    """What a process needs to know to join.

    Parameters
    ----------
    file : Path
        Where they find each other; it does not exist before.
    number, among : int
        Which of how many processes this is.
    device : str
        As PyTorch names it.
    backend : str
        As `torch.distributed` names it.
    longest : timedelta
        How long one may wait for another.
    threads : int
        Processors to use.
    deterministic : int
        Mode of `torch.set_deterministic_debug_mode`.
    fills_memory : bool
        Whether new tensors are filled then.
    """

    file: Path
    number: int
    among: int
    device: str
    backend: str
    longest: timedelta
    threads: int
    deterministic: int
    fills_memory: bool

    def compute_alike(self) -> None:
        """Compute as the process that trains."""
        torch.set_num_threads(self.threads)
        torch.set_deterministic_debug_mode(self.deterministic)
        torch.utils.deterministic.fill_uninitialized_memory = self.fills_memory  # type: ignore[attr-defined]


def join(meeting: Meeting) -> None:
    """Meet the other processes: they become the default group of `torch.distributed`."""
    if meeting.device.startswith("cuda"):
        torch.cuda.set_device(meeting.device)
    else:
        # the name of a machine in a container often has no address
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group(
        meeting.backend,
        store=distributed.FileStore(str(meeting.file), meeting.among),  # type: ignore[attr-defined]
        rank=meeting.number,
        world_size=meeting.among,
        timeout=meeting.longest,
    )


def leave() -> None:
    """Leave the group, if this process is in one."""
    if distributed.is_initialized():
        distributed.destroy_process_group()

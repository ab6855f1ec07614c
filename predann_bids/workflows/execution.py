"""How work is done, which changes no result: processes, memory, devices, directories."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from predann_bids.workflows.control_groups import ControlGroups
from predann_bids.workflows.granted import Granted

Task = TypeVar("Task")
Result = TypeVar("Result")

BEAT_S = 0.5


@dataclass(frozen=True)
class Execution:
    """How a workflow runs; nothing here changes a result by more than rounding.

    Parameters
    ----------
    n_procs : int
        Processes at once; 0 means as many as there are processors to use.
    mem_gb : float, optional
        Memory to stay within, in GB; what the machine or the job has to spare, unless given.
    overwrite : bool
        Do finished work again.
    train : bool
        Train what is missing; it is an error otherwise.
    report : bool
        Write HTML reports.
    audio_copies : bool
        Put the audio that is used beside the derivatives.
    stop_on_first_crash : bool
        Do not go on with other participants after one has failed.
    missing_audio : {"skip", "fail"}
        Whether presentations whose audio cannot be used are left out and told, or fail their recording.
    work_dir : Path, optional
        Directory for temporary files.
    accelerator, devices, num_nodes, precision : str, str, int, str
        Handed to Lightning. Several devices do several trainings at once, or share some.
    devices_each : int
        Devices that one training shares. Which is not for users to say: it follows from how many are left to do.
    threads : int
        Processors that one training of the published networks uses. Unlike those of other networks, its results depend
        on their number, by as much as sums depend on their order.
    command : tuple of str
        What was typed, without places on this machine, for the record of the run.
    """

    n_procs: int = 0
    mem_gb: float | None = None
    overwrite: bool = False
    train: bool = True
    report: bool = True
    audio_copies: bool = True
    stop_on_first_crash: bool = False
    missing_audio: Literal["skip", "fail"] = "skip"
    work_dir: Path | None = None
    accelerator: str = "auto"
    devices: str = "1"
    devices_each: int = 1
    num_nodes: int = 1
    precision: str = "32-true"
    threads: int = 1
    command: tuple[str, ...] = ()

    @property
    def processes(self) -> int:
        """Number of processes to use."""
        return self.n_procs or processors()

    def processes_for(self, peak_gb: float) -> int:
        """Number of processes that fit the memory when each needs `peak_gb` at its peak; at least one."""
        limit = self.mem_gb or available_gb()
        fit = int(limit / peak_gb) if limit and peak_gb > 0 else self.processes
        return max(1, min(self.processes, fit))


def processors(groups: ControlGroups | None = None, job: Granted | None = None) -> int:
    """Processors that this process may use, of the machine, of its control groups and of its job."""
    limits = ((groups or ControlGroups()).processors(), (job or Granted()).processors())
    return min([len(os.sched_getaffinity(0)), *(limit for limit in limits if limit)])


def available_gb(groups: ControlGroups | None = None, job: Granted | None = None) -> float | None:
    """Memory that is left to this process, in GB, of the machine, of its control groups and of its job."""
    return _least_gb("MemAvailable", (groups or ControlGroups()).memory_left(), (job or Granted()).memory())


def total_gb(groups: ControlGroups | None = None, job: Granted | None = None) -> float | None:
    """Memory of the machine, or of this process's control groups or job, in GB, whoever uses it now."""
    return _least_gb("MemTotal", (groups or ControlGroups()).memory_limit(), (job or Granted()).memory())


def _least_gb(line: str, *limits: int | None) -> float | None:
    meminfo = Path("/proc/meminfo")
    if not meminfo.is_file():
        return None
    lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    of_machine = int(lines[line].split()[0]) * 1024
    return min([of_machine, *(limit for limit in limits if limit is not None)]) / 1e9

"""How work is done, which changes no result: processes, memory, devices, directories."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

BEAT_S = 0.5

CPU_QUOTA_FILE = Path("/sys/fs/cgroup/cpu.max")
# of memory, version 2 and version 1, as containers and SLURM see them
CGROUP_FILES = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)


@dataclass(frozen=True)
class Execution:
    """How a workflow runs; nothing here changes a result, but for `threads`.

    Parameters
    ----------
    n_procs : int
        Processes at once; 0 means as many as there are processors to use.
    mem_gb : float, optional
        Memory to stay within, in GB; what the machine or the job has to spare, unless given.
    overwrite : bool
        Do finished work again.
    report : bool
        Write HTML reports.
    stop_on_first_crash : bool
        Do not go on with other participants after one has failed.
    missing_audio : {"skip", "fail"}
        Whether presentations whose audio cannot be used are left out and told, or fail their recording.
    work_dir : Path, optional
        Directory for temporary files.
    accelerator, devices, num_nodes, precision : str, str, int, str
        Handed to Lightning. Each training has one device; several devices do several trainings at once.
    threads : int
        Processors that one training of the published networks uses. Unlike those of other networks, its results depend
        on their number, by as much as sums depend on their order.
    """

    n_procs: int = 0
    mem_gb: float | None = None
    overwrite: bool = False
    report: bool = True
    stop_on_first_crash: bool = False
    missing_audio: Literal["skip", "fail"] = "skip"
    work_dir: Path | None = None
    accelerator: str = "auto"
    devices: str = "1"
    num_nodes: int = 1
    precision: str = "32-true"
    threads: int = 1

    @property
    def processes(self) -> int:
        """Number of processes to use."""
        return self.n_procs or processors()

    def processes_for(self, peak_gb: float) -> int:
        """Number of processes that fit the memory when each needs `peak_gb` at its peak; at least one."""
        limit = self.mem_gb or available_gb()
        fit = int(limit / peak_gb) if limit and peak_gb > 0 else self.processes
        return max(1, min(self.processes, fit))


def processors() -> int:
    """Processors that this process may use, of the machine or of the control group that a container or job runs in."""
    allowed = len(os.sched_getaffinity(0))
    if CPU_QUOTA_FILE.is_file():
        quota, period = CPU_QUOTA_FILE.read_text().split()
        if quota.isdigit():
            allowed = min(allowed, max(1, int(quota) // int(period)))
    return allowed


def available_gb() -> float | None:
    """Memory that is left to this process, in GB: of the machine, or of the control group that a job runs in."""
    return _memory_gb("MemAvailable", lambda most, used: most - used)


def total_gb() -> float | None:
    """Memory of the machine, or of the control group that a job runs in, in GB, whoever uses it now."""
    return _memory_gb("MemTotal", lambda most, _: most)


def _memory_gb(line: str, of_group: Callable[[int, int], int]) -> float | None:
    meminfo = Path("/proc/meminfo")
    if not meminfo.is_file():
        return None
    lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    found = [int(lines[line].split()[0]) * 1024]
    for most, used in CGROUP_FILES:
        if most.is_file() and used.is_file() and (text := most.read_text().strip()).isdigit():
            found.append(of_group(int(text), int(used.read_text())))
    return max(0, min(found)) / 1e9

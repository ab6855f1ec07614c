"""What only changes how work is done, and the pool that does it."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from predann_bids.errors import PredannError, TryAgain, in_words

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


@dataclass(frozen=True)
class Failure:
    """An error that one task ended with, in a form that travels between processes."""

    message: str
    kind: type[PredannError] | None
    trace: str

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Keep what matters of an error."""
        told = in_words(error)
        return cls(str(told), type(told) if type(told) is not PredannError else None, traceback.format_exc())


class _Reporter:
    """Where `report` goes in this process: to the caller of `run_all`, or through a queue to the parent process."""

    to: Callable[[int, str], None] | None = None


class _Worker:
    """Which of the processes of `run_all` this is."""

    number = 0


def worker_number() -> int:
    """Tell which of several processes at once this is, from 0."""
    return _Worker.number


def report(units: int, note: str) -> None:
    """Tell, from inside of work done by `run_all`, that some units of it are done."""
    if _Reporter.to:
        _Reporter.to(units, note)


def _begin_worker(queue: Any, parent: int, begun: Any) -> None:
    with begun.get_lock():
        _Worker.number = begun.value
        begun.value += 1
    _Reporter.to = lambda units, note: queue.put((units, note))
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    # A worker's own parent is the fork server, which outlives a parent that is killed.
    while True:
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(1)


def run_all(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    processes: int,
    *,
    preload: Sequence[str] = (),
    on_beat: Callable[[], None] = lambda: None,
    on_report: Callable[[int, str], None] | None = None,
) -> Iterator[Result]:
    """Yield the results of tasks as they are done, in this process or in several.

    Parameters
    ----------
    work : callable
        A function of a module; it must not raise but return what went wrong.
    tasks : sequence
        Arguments of `work`, one each.
    processes : int
        Processes at once.
    preload : sequence of str
        Modules that are imported once, before the workers are forked off, which saves their time and memory.
    on_beat : callable
        Called at least twice a second while there is nothing to yield.
    on_report : callable
        Called with what the work reports.
    """
    if processes == 1 or len(tasks) <= 1:
        _Reporter.to = on_report
        yield from map(work, tasks)
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    reports = context.Queue()
    count = min(processes, len(tasks))
    with ProcessPoolExecutor(
        count, mp_context=context, initializer=_begin_worker, initargs=(reports, os.getpid(), context.Value("i", 0))
    ) as pool:
        pending = {pool.submit(work, task) for task in tasks}
        try:
            while pending:
                done, pending = wait(pending, timeout=BEAT_S, return_when=FIRST_COMPLETED)
                while not reports.empty():
                    progressed = reports.get()
                    if on_report:
                        on_report(*progressed)
                on_beat()
                for future in done:
                    yield _result(future)
        finally:
            for future in pending:
                future.cancel()


def _result(future: Future[Result]) -> Result:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise TryAgain(
            "A process of this run was killed, most likely because the memory did not suffice. What is finished is"
            " kept: repeat the command with fewer processes (--n-procs) or with less memory (--mem-gb)."
        ) from error


@contextmanager
def exclusive(path: Path, wait_s: float = 0) -> Iterator[None]:
    """Hold a lock on something in the output directory, and wait for it for some seconds when another has it.

    Raises
    ------
    TryAgain
        Another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock: Any = FileLock(path, timeout=wait_s)
    try:
        with lock:
            yield
    except Timeout as error:
        raise TryAgain(
            f"Another process is working on {path.stem}; repeat the command when it has finished."
        ) from error

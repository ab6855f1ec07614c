"""Do work in this process or in several, and keep two processes from doing the same."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar

from filelock import FileLock, Timeout

from predann_bids.errors import PredannError, TryAgain, in_words
from predann_bids.registry import plugin_modules

Task = TypeVar("Task")
Value = TypeVar("Value")

BEAT_S = 0.5
OnProgress = Callable[[int, str], None]


def _silent(units: int, note: str) -> None:
    """Report nothing."""


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


@dataclass(frozen=True)
class Finished(Generic[Task, Value]):
    """A task that has ended, with its value or with what went wrong."""

    task: Task
    value: Value | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class Worker:
    """Who does a task.

    Parameters
    ----------
    number : int
        Which of several processes at once this is, from 0.
    advance : callable
        Takes a number of finished units of work, and a note, to whoever waits.
    """

    number: int = 0
    advance: OnProgress = _silent


Work = Callable[[Task, Worker], Value]


def do_all(
    work: Work[Task, Value],
    tasks: Sequence[Task],
    processes: int,
    *,
    preload: Sequence[str] = (),
    on_beat: Callable[[], None] = lambda: None,
    on_progress: OnProgress = _silent,
) -> Iterator[Finished[Task, Value]]:
    """Do tasks in this process or in several, and yield them as they end.

    Parameters
    ----------
    work : callable
        A function of a module, called with a task and with the worker that does it. What it raises is a `Failure`.
    tasks : sequence
        Arguments of `work`, one each.
    processes : int
        Processes at once.
    preload : sequence of str
        Modules that are imported once, before the workers are forked off, which saves their time and memory.
    on_beat : callable
        Called at least twice a second while there is nothing to yield.
    on_progress : callable
        Called with finished units of work and a note, as workers advance.

    Raises
    ------
    TryAgain
        A process was killed.
    """
    if processes == 1 or len(tasks) <= 1:
        yield from (_attempt(work, task, Worker(advance=on_progress)) for task in tasks)
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    progress, begun = context.Queue(), context.Value("i", 0)
    with ProcessPoolExecutor(
        min(processes, len(tasks)),
        mp_context=context,
        initializer=_begin,
        initargs=(progress, os.getpid(), begun, tempfile.gettempdir(), plugin_modules()),
    ) as pool:
        pending = {pool.submit(_attempt_here, work, task) for task in tasks}
        try:
            while pending:
                done, pending = wait(pending, timeout=BEAT_S, return_when=FIRST_COMPLETED)
                while not progress.empty():
                    on_progress(*progress.get())
                on_beat()
                yield from map(_result, done)
        finally:
            for future in pending:
                future.cancel()


def _attempt(work: Work[Task, Value], task: Task, worker: Worker) -> Finished[Task, Value]:
    try:
        return Finished(task, work(task, worker))
    # not all exceptions can be pickled; the caller decides what becomes of it
    except Exception as error:
        return Finished(task, failure=Failure.of(error))


_worker = Worker()  # of a process that `do_all` has started, set once when it begins


def _attempt_here(work: Work[Task, Value], task: Task) -> Finished[Task, Value]:
    return _attempt(work, task, _worker)


def _begin(queue: Any, parent: int, begun: Any, scratch: str, plugins: Sequence[str]) -> None:
    global _worker
    os.environ["TMPDIR"] = scratch  # the fork server may have begun when another directory was asked for
    with begun.get_lock():
        _worker = Worker(begun.value, lambda units, note: queue.put((units, note)))
        begun.value += 1
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    for module in plugins:
        import_module(module)


def _end_with(parent: int) -> None:
    # A worker's own parent is the fork server, which outlives a parent that is killed.
    while True:
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(1)


def _result(future: Future[Finished[Task, Value]]) -> Finished[Task, Value]:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise TryAgain(
            "A process of this run was killed, most likely because there was not enough memory. What is finished is"
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

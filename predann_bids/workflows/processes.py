"""Do work in this process or in several.

They talk through pipes alone. Queues and locks of `multiprocessing`, and so the pools of the standard library, are made
of semaphores, which need a writable `/dev/shm`; containers may have none.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from predann_bids.console import say
from predann_bids.errors import PredannError, TryAgain, in_words
from predann_bids.registry import plugin_modules
from predann_bids.surroundings.stopping import PATIENCE_S, Stopped, stop_when_asked
from predann_bids.workflows.scratch import variables

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

    @property
    def may_pass(self) -> bool:
        """Whether the same command may succeed later."""
        return self.kind is not None and issubclass(self.kind, TryAgain)

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
    team = _Team.start(min(processes, len(tasks)), preload) if processes > 1 and len(tasks) > 1 else None
    if team:
        yield from team.do(work, tasks, on_beat, on_progress)
    else:
        yield from (_attempt(work, task, Worker(advance=on_progress)) for task in tasks)


def _attempt(work: Work[Task, Value], task: Task, worker: Worker) -> Finished[Task, Value]:
    try:
        return Finished(task, work(task, worker))
    # not all exceptions can be pickled; the caller decides what becomes of it
    except Exception as error:
        return Finished(task, failure=Failure.of(error))


@dataclass(frozen=True)
class _Team:
    """Processes that wait for tasks, and the ends of the pipes to them."""

    processes: Sequence[BaseProcess]
    pipes: Sequence[Connection]

    @classmethod
    def start(cls, number: int, preload: Sequence[str]) -> _Team | None:
        """Start processes; None if the machine allows none."""
        problem: Exception | None = None
        # a fork server needs a socket: not all file systems have them, and their paths must be short
        for method in ("forkserver", "spawn"):
            context: Any = multiprocessing.get_context(method)
            if method == "forkserver":
                context.set_forkserver_preload(list(preload))
            team = cls([], [])
            try:
                for each in range(number):
                    team = team.with_one_more(context, each)
            except (OSError, EOFError) as error:
                team.dismiss(at_once=True)
                problem = error
            else:
                return team
        say(f"No further processes can be started here ({problem}): one process does all the work.", stderr=True)
        return None

    def with_one_more(self, context: Any, number: int) -> _Team:
        """Start one process."""
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, number, os.getpid(), variables(), plugin_modules()), daemon=True
        )
        try:
            process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()  # so that the pipe ends when the process does
        return _Team([*self.processes, process], [*self.pipes, ours])

    def do(
        self,
        work: Work[Task, Value],
        tasks: Sequence[Task],
        on_beat: Callable[[], None],
        on_progress: OnProgress,
    ) -> Iterator[Finished[Task, Value]]:
        """Hand out tasks, and yield them as they end."""
        waiting, idle, busy = deque(tasks), list(self.pipes), set[Connection]()
        try:
            while waiting or busy:
                while waiting and idle:
                    pipe = idle.pop()
                    _send(pipe, (work, waiting.popleft()))
                    busy.add(pipe)
                done: list[Finished[Task, Value]] = []
                for pipe in [pipe for pipe in wait(busy, timeout=BEAT_S) if isinstance(pipe, Connection)]:
                    message = _received(pipe)
                    if isinstance(message, Finished):
                        done.append(message)
                        busy.remove(pipe)
                        idle.append(pipe)
                    else:
                        on_progress(*message)
                on_beat()
                yield from done
        except TryAgain:  # one was killed: what the others do is of no use
            self.dismiss(at_once=True)
            raise
        except Stopped:
            self.stop()
            raise
        finally:
            self.dismiss(at_once=False)

    def dismiss(self, *, at_once: bool) -> None:
        """End the processes, those at work when they have finished what they do unless it is to be at once."""
        for pipe in self.pipes:
            pipe.close()
        for process in self.processes:
            if at_once:
                process.kill()
        for process in self.processes:
            process.join()

    def stop(self) -> None:
        """Ask all processes to stop, and give them time to save what they do."""
        for process in self.processes:
            if process.pid and process.is_alive():
                os.kill(process.pid, signal.SIGTERM)
        last = time.monotonic() + PATIENCE_S[signal.SIGTERM]
        for process in self.processes:
            process.join(max(0.0, last - time.monotonic()))
        self.dismiss(at_once=True)


def _send(pipe: Connection, message: Any) -> None:
    with suppress(OSError):  # it was killed; `_received` says so
        pipe.send(message)


def _received(pipe: Any) -> Any:
    try:
        return pipe.recv()
    except (EOFError, OSError) as error:
        raise TryAgain(
            "A process of this run was killed, most likely because there was not enough memory. What is finished is"
            " kept: repeat the command with fewer processes (--n-procs) or with less memory (--mem-gb)."
        ) from error


def _serve(pipe: Connection, number: int, parent: int, environment: Mapping[str, str], plugins: Sequence[str]) -> None:
    """Do tasks as they come, in a process of a team."""
    os.environ.update(environment)  # the fork server may have begun when others were asked for
    tempfile.tempdir = None
    stop_when_asked()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    for module in plugins:
        import_module(module)
    sending = threading.Lock()

    def send(message: Any) -> None:
        with sending:
            pipe.send(message)

    def advance(units: int, note: str) -> None:
        with suppress(OSError):  # nobody listens any more, but what is begun is finished
            send((units, note))

    with suppress(EOFError, OSError, KeyboardInterrupt, Stopped):
        while True:
            work, task = pipe.recv()
            finished = _attempt(work, task, Worker(number, advance))
            try:
                send(finished)
            except OSError:
                raise
            except Exception as error:  # a value that cannot be sent
                send(Finished(task, failure=Failure.of(error)))


def _end_with(parent: int) -> None:
    # A worker's own parent is the fork server, which outlives a parent that is killed.
    while True:
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(1)

"""Signals that ask a process to stop, as schedulers send them before they kill: SIGTERM and SIGUSR1.

A process that is asked ends with `Stopped` wherever it is, as with Ctrl-C. A block that has something to save first
holds the request back, and looks for it where it can save.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# seconds to save in: SLURM kills 30 s after SIGTERM unless told otherwise; SIGUSR1 is an early warning
PATIENCE_S = {signal.SIGTERM: 20.0, signal.SIGUSR1: 90.0}


class Stopped(BaseException):
    """A signal asked this process to stop; not an `Exception`, so that nothing goes on with what comes next."""

    exit_code = 75


class Request:
    """What to do about signals that ask to stop, and whether one has come; it is the handler of these signals."""

    def __init__(self) -> None:
        self._name, self._deadline, self._held = "", float("inf"), 0

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Take the first signal: raise `Stopped`, or remember it if a block holds it back.

        SLURM and the shell may both send it: the second must not disturb the end that the first has brought about.
        """
        if self._name:
            return
        self._name = signal.Signals(number).name
        self._deadline = time.monotonic() + PATIENCE_S[signal.Signals(number)]
        if not self._held:
            raise self.as_error()

    @property
    def has_come(self) -> bool:
        """Whether this process was asked to stop."""
        return bool(self._name)

    @property
    def is_overdue(self) -> bool:
        """Whether it may be killed any moment."""
        return time.monotonic() > self._deadline

    def as_error(self) -> Stopped:
        """Return what to end with."""
        return Stopped(f"Stopped by {self._name}. Run the same command again to continue where it stopped.")

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Hold signals back during a block, and raise `Stopped` after the outermost if one has come."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        if self.has_come and not self._held:
            raise self.as_error()


def stop_when_asked() -> None:
    """Let signals that ask to stop end this process as `Request` says; for the start of a program."""
    if threading.current_thread() is threading.main_thread():
        request = Request()
        for number in PATIENCE_S:
            signal.signal(number, request)


def request_to_stop() -> Request:
    """Return what handles the signals in this process; one that never comes if nothing does, as in a notebook."""
    handler = signal.getsignal(signal.SIGUSR1)
    return handler if isinstance(handler, Request) else Request()


def keep_handling(request: Request) -> None:
    """Put the handler back where a library has put its own."""
    if signal.getsignal(signal.SIGUSR1) is request and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, request)

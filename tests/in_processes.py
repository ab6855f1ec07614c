"""Tasks for processes, in a file of which the import takes a process no time."""

import os
import tempfile
import threading

from predann_bids.errors import UnusableData


def squared(number, worker):
    worker.advance(1, f"{number}")
    if number == 3:
        raise UnusableData("three.")
    return number**2


def process(_, worker):
    return os.getpid(), worker.number, tempfile.gettempdir()


def unsendable(_, __):
    return threading.Lock()

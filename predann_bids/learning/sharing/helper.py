"""A process that takes a share of another's training: `python -m predann_bids.learning.sharing.helper NUMBER`."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
import warnings
from contextlib import suppress
from multiprocessing.connection import Connection

import torch

from predann_bids.learning.memory import keep_memory
from predann_bids.learning.sharing.joining import join, leave
from predann_bids.models.published.team import help_with
from predann_bids.surroundings.stopping import PATIENCE_S


def main(descriptor: int) -> int:
    """Help whoever holds the other end of a pipe, until it is closed; return the exit code."""
    # schedulers and Ctrl-C ask all processes at once: the one that trains decides
    for number in (signal.SIGINT, *PATIENCE_S):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    warnings.filterwarnings("ignore", module=r"torch\.")
    pipe = Connection(descriptor)
    try:
        keep_memory()
        pipe.send("ready")
        meeting = pipe.recv()
        meeting.compute_alike()
        join(meeting)
        help_with(pipe.recv, meeting.number, meeting.among, torch.device(meeting.device))
        leave()
    except (EOFError, ConnectionError):  # nobody is there any more
        return 0
    except Exception:
        with suppress(OSError):
            pipe.send(traceback.format_exc())
        return 1
    return 0


def _end_with(parent: int) -> None:
    """End with the process that trains, even in the middle of an exchange with it."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))

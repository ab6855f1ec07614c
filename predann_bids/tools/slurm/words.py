"""What ended a task, in words."""

from __future__ import annotations

from enum import Enum

EXIT_CODES = {
    0: "done",
    1: "some participants failed, the rest is complete",
    16: "the dataset is not valid",
    17: "unknown analysis level",
    18: "nothing is selected",
    64: "wrong usage or configuration, or too little memory for it",
    65: "the data cannot be used",
    66: "an input is missing",
    70: "unexpected error: please report it",
    73: "the output cannot be created",
    74: "a file could not be read or written",
    75: "stopped, or something else was in the way: it may succeed when it is repeated",
    126: "the program cannot be started: check IMAGE, VENV and prepare() in settings.sh",
    127: "the program was not found: check IMAGE, VENV and prepare() in settings.sh",
    130: "interrupted",
    137: "killed, most likely because it needed more memory",
    143: "stopped before it had begun to work",
    255: "the container could not be started: check IMAGE and the paths in settings.sh",
}


class Cause(Enum):
    """Why a task did not end by itself; the value is what to call it."""

    MEMORY = "it needed more memory"
    TIME = "its time was up"
    CANCELLED = "it was cancelled"
    NODE = "its node failed"
    PREEMPTED = "another job took its place"


# what SLURM writes into the log of a job, the most telling first
IN_LOG = (
    ("oom_kill event", Cause.MEMORY),
    ("oom-kill event", Cause.MEMORY),
    ("OUT_OF_MEMORY", Cause.MEMORY),
    ("exceeded memory limit", Cause.MEMORY),
    ("Exceeded job memory limit", Cause.MEMORY),
    ("DUE TO TIME LIMIT", Cause.TIME),
    ("DUE TO NODE FAILURE", Cause.NODE),
    ("DUE TO PREEMPTION", Cause.PREEMPTED),
    ("CANCELLED AT", Cause.CANCELLED),
)
IN_ACCOUNTS = {
    "OUT_OF_MEMORY": Cause.MEMORY,
    "TIMEOUT": Cause.TIME,
    "NODE_FAIL": Cause.NODE,
    "PREEMPTED": Cause.PREEMPTED,
    "CANCELLED": Cause.CANCELLED,
}


def exit_words(code: int) -> str:
    """Say what an exit code means."""
    return f"exit code {code}: {EXIT_CODES.get(code, 'unknown')}"


def cause_in(log: str) -> Cause | None:
    """Find what SLURM says in the log of a try about its end."""
    return next((cause for phrase, cause in IN_LOG if phrase in log), None)

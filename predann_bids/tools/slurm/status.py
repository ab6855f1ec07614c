"""Say of each task whether it is done, runs, waits or failed, and why: from its notes, its log and the queue."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from predann_bids.tools.slurm.words import Cause, cause_in, exit_words

DONE, RUNNING, WAITING, FAILED, TO_DO = "done", "running", "waiting", "failed", "to do"
STATES = (DONE, RUNNING, WAITING, FAILED, TO_DO)
LOG_END = 20_000  # characters of a log that are looked at
HEAD = "== job "


@dataclass(frozen=True)
class Notes:
    """What a task has written down.

    Parameters
    ----------
    begun : str
        Number of the job; empty if it never began.
    ended : mapping
        Exit code, seconds, signal and settings; empty if it never ended by itself.
    log : str
        What its last try has printed.
    """

    begun: str = ""
    ended: Mapping[str, str] | None = None
    log: str = ""


@dataclass(frozen=True)
class TaskStatus:
    """How a task stands.

    Parameters
    ----------
    stage, number
        Which it is.
    state : str
        One of `STATES`.
    reason : str
        Why it failed.
    cause : Cause, optional
        The same, if SLURM ended it.
    job : str
        Number of its last job.
    seconds : float, optional
        How long it took, if it is done.
    """

    stage: str
    number: int
    state: str
    reason: str = ""
    cause: Cause | None = None
    job: str = ""
    seconds: float | None = None


def judge(
    stage: str, number: int, notes: Notes, *, queued: str = "", settings: str, accounts: Cause | None = None
) -> TaskStatus:
    """Say how a task stands.

    Parameters
    ----------
    stage, number
        Which it is.
    notes : Notes
        What it has written down.
    queued : str
        Its state in the queue, as SLURM names it; empty if it is not there.
    settings : str
        Sum of the present settings; what was done with others does not count.
    accounts : Cause, optional
        What the accounts say about its end.
    """
    if queued:
        return TaskStatus(stage, number, WAITING if queued == "PENDING" else RUNNING, job=notes.begun)
    ended = notes.ended
    if ended and ended.get("settings") != settings:
        return TaskStatus(stage, number, TO_DO)
    if ended and ended.get("exit") == "0":
        return TaskStatus(stage, number, DONE, job=notes.begun, seconds=float(ended.get("seconds", 0)))
    if not notes.begun:
        return TaskStatus(stage, number, TO_DO)
    cause = cause_in(notes.log) or accounts or _cause_of(ended or {})
    reason = cause.value if cause else "it ended without a word: look at its log, and at its node"
    if ended:
        reason = exit_words(int(ended.get("exit", "70"))) + (f"; {cause.value}" if cause else _sentence(notes.log))
    return TaskStatus(stage, number, FAILED, reason, cause, notes.begun)


def _cause_of(ended: Mapping[str, str]) -> Cause | None:
    if ended.get("signal") == "USR1":
        return Cause.TIME
    return {"TERM": Cause.CANCELLED}.get(ended.get("signal", "")) or (
        Cause.MEMORY if ended.get("exit") == "137" else None
    )


def _sentence(log: str) -> str:
    """Return what the program says of its end."""
    found = re.findall(r"^Error: (.*)$", log, re.MULTILINE)
    return f". {found[-1]}" if found else ""


# -- what is on the disk -----------------------------------------------------------------------------------------------


def read_notes(directory: Path, stage: str, number: int) -> Notes:
    """Read what a task has written down."""
    state = directory / "state" / stage
    begun = _pairs(state / f"{number}.begun")
    log = directory / "logs" / (f"{stage}.log" if stage == "pool" else f"{stage}_{number}.log")
    text = log.read_text("utf-8", errors="replace")[-LOG_END:] if log.is_file() else ""
    last = text.rpartition(HEAD)[2]
    return Notes(begun.get("job", ""), _pairs(state / str(number)) or None, last)


def _pairs(file: Path) -> dict[str, str]:
    text = file.read_text("utf-8") if file.is_file() else ""
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


def counted(tasks: Sequence[TaskStatus]) -> dict[str, int]:
    """Count tasks by their state."""
    counts = Counter(task.state for task in tasks)
    return {state: counts[state] for state in STATES if counts[state]}


# -- more of what was too little ---------------------------------------------------------------------------------------


def more_of(script: str, causes: Sequence[Cause]) -> str:
    """Double the memory or the time that a script asks for, where that was too little."""
    if Cause.MEMORY in causes:
        script = re.sub(r"^(#SBATCH --mem=)(\d+)", lambda m: f"{m[1]}{2 * int(m[2])}", script, flags=re.MULTILINE)
    if Cause.TIME in causes:
        script = re.sub(
            r"^(#SBATCH --time=)(\d+):(\d\d):(\d\d)$",
            lambda m: f"{m[1]}{_doubled(int(m[2]), int(m[3]))}:{m[4]}",
            script,
            flags=re.MULTILINE,
        )
    return script


def _doubled(hours: int, minutes: int) -> str:
    total = 2 * (60 * hours + minutes)
    return f"{total // 60}:{total % 60:02d}"


def explained(tasks: Sequence[TaskStatus], labels: Sequence[str], per_job: int) -> Iterator[str]:
    """Say of each failed task what it was about, why it failed, and where its log is."""
    for task in tasks:
        if task.state == FAILED:
            yield f"{title(task, labels, per_job)} failed: {task.reason.rstrip('.')}. Log: {log_name(task)}"


def title(task: TaskStatus, labels: Sequence[str], per_job: int) -> str:
    """Name a task for a reader."""
    if task.stage == "participants":
        some = labels[(task.number - 1) * per_job : task.number * per_job]
        return "sub-" + ", sub-".join(some)
    return {"folds": f"Fold {task.number}", "points": f"Point {task.number}"}.get(task.stage, "Pooling")


def log_name(task: TaskStatus) -> str:
    """Name the log of a task, relative to the directory of the jobs."""
    return "logs/pool.log" if task.stage == "pool" else f"logs/{task.stage}_{task.number}.log"

"""Follow jobs: print how they stand, and submit again what failed."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from predann_bids.console import plain_console, say
from predann_bids.errors import SomeParticipantsFailed, TryAgain
from predann_bids.files import write_text
from predann_bids.tools.slurm import cluster
from predann_bids.tools.slurm.status import (
    DONE,
    FAILED,
    STATES,
    TaskStatus,
    counted,
    explained,
    judge,
    more_of,
    read_notes,
)
from predann_bids.tools.slurm.write import LABELS, PLAN, SETTINGS, read_plan


def follow(directory: Path, *, resubmit: bool) -> None:
    """Print how the jobs of a directory stand; submit what failed or is missing, if asked to.

    What failed for too little memory or time is given twice as much.

    Raises
    ------
    SomeParticipantsFailed
        Some tasks failed; their reasons were printed.
    TryAgain
        None failed, but not all are done yet.
    """
    stages = read_plan(directory)
    tasks = tasks_of(directory, stages)
    _show(tasks, stages)
    labels = (directory / LABELS).read_text("utf-8").split("\n")[:-1]
    for line in explained(tasks, labels, _per_job(directory)):
        say(line)
    if resubmit:
        _give_more(directory, tasks)
        say(cluster.submit(directory).rstrip())
        return
    if any(task.state == FAILED for task in tasks):
        raise SomeParticipantsFailed("Some tasks failed; see above. --status --submit submits them again.")
    if any(task.state != DONE for task in tasks):
        raise TryAgain("Not all tasks are done yet.")


def tasks_of(directory: Path, stages: dict[str, int]) -> list[TaskStatus]:
    """Say of each task how it stands."""
    queued, settings = cluster.queue(directory), _settings_sum(directory)
    notes = {
        (stage, number): read_notes(directory, stage, number)
        for stage, tasks in stages.items()
        for number in range(1, tasks + 1)
    }
    unexplained = [n.begun for key, n in notes.items() if n.begun and not n.ended and key not in queued]
    accounts = cluster.accounts(unexplained)
    return [
        judge(
            stage,
            number,
            some,
            queued=queued.get((stage, number), ""),
            settings=settings,
            accounts=accounts.get(some.begun),
        )
        for (stage, number), some in notes.items()
    ]


def finished_tasks(directory: Path) -> list[TaskStatus]:
    """Return the tasks of earlier jobs that are done; none if there are no jobs yet."""
    if not (directory / PLAN).is_file() or not (directory / SETTINGS).is_file():
        return []
    return [task for task in tasks_of(directory, read_plan(directory)) if task.state == DONE]


def _show(tasks: Sequence[TaskStatus], stages: dict[str, int]) -> None:
    table = Table("job", "tasks", *STATES)
    for stage, number in stages.items():
        counts = counted([task for task in tasks if task.stage == stage])
        table.add_row(stage, str(number), *(str(counts.get(state, "")) for state in STATES))
    plain_console().print(table)


def _give_more(directory: Path, tasks: Sequence[TaskStatus]) -> None:
    for stage in {task.stage for task in tasks if task.state == FAILED and task.cause}:
        script = directory / f"{stage}.sbatch"
        before = script.read_text("utf-8")
        after = more_of(before, [task.cause for task in tasks if task.stage == stage and task.cause])
        if after != before:
            write_text(script, after)
            changed = [line for line in after.splitlines() if line not in before.splitlines()]
            say(f"{script.name} now asks for {', '.join(line.removeprefix('#SBATCH ') for line in changed)}.")


def _settings_sum(directory: Path) -> str:
    return _bash(directory, "settings_sum")


def _per_job(directory: Path) -> int:
    """Read from the settings how many participants a task takes: people may have edited it."""
    number = _bash(directory, 'echo "$PARTICIPANTS_PER_JOB"')
    return int(number) if number.isdigit() and int(number) else 1


def _bash(directory: Path, command: str) -> str:
    script = f"cd {shlex.quote(str(directory))} && . ./settings.sh && . ./functions.sh && {command}"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False).stdout.strip()

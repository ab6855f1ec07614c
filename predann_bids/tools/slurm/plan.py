"""What is to be submitted: stages, which are arrays of like tasks, and what each task needs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from predann_bids.errors import WrongUsage

MOST_TASKS = 200  # of an array of participants; clusters allow 1000 or so
STAGES = ("participants", "folds", "points", "pool")
PURPOSES = {
    "participants": "Preprocesses participants: a task takes some of the lines of labels.txt.",
    "folds": "Trains and evaluates: a task takes a fold.",
    "points": "Trains and evaluates: a task takes a point of the sweep.",
    "pool": "Trains nothing: pools what the other jobs have done, and writes the report.",
}


@dataclass(frozen=True)
class Needs:
    """What a task needs.

    Parameters
    ----------
    cpus : int
        Processors.
    mem_gb : int
        Memory, in SLURM's G.
    minutes : int
        Time.
    gpus : int
        GPUs.
    """

    cpus: int = 1
    mem_gb: int = 2
    minutes: int = 30
    gpus: int = 0


@dataclass(frozen=True)
class Stage:
    """Like tasks, which are submitted together.

    Parameters
    ----------
    name : str
        One of `STAGES`.
    tasks : int
        How many.
    needs : Needs
        What each needs.
    after : tuple of str
        Stages that must have ended well before.
    ended : tuple of str
        Stages that must have ended before, well or not.
    lines : tuple of str
        Further options of sbatch.
    """

    name: str
    tasks: int
    needs: Needs
    after: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    @property
    def is_array(self) -> bool:
        """Whether its tasks have numbers."""
        return self.name != "pool"

    @property
    def before(self) -> tuple[str, ...]:
        """Stages that must have ended before it begins."""
        return (*self.after, *self.ended)

    @property
    def purpose(self) -> str:
        """What it does, for whoever reads the script."""
        return PURPOSES[self.name]


@dataclass(frozen=True)
class Size:
    """How much there is to do.

    Parameters
    ----------
    participants : int
        Participants with music.
    parts : int
        Folds, or points of a sweep.
    per_job : int
        Participants of a task.
    is_sweep : bool
        Whether parts are points.
    """

    participants: int
    parts: int
    per_job: int
    is_sweep: bool = False


def participants_per_job(participants: int, wanted: int | None) -> int:
    """Return how many participants a task takes: one, or as many as keep the array small."""
    return wanted or max(1, math.ceil(participants / MOST_TASKS))


def make_stages(size: Size, needs: Mapping[str, Needs], lines: Mapping[str, Sequence[str]]) -> tuple[Stage, ...]:
    """List the stages.

    Parameters
    ----------
    size : Size
        How much there is to do.
    needs : mapping of str to Needs
        By the name of the stage.
    lines : mapping of str to sequence of str
        Further options of sbatch, likewise; those of "" are for all.
    """
    parts = "points" if size.is_sweep else "folds"
    tasks = {"participants": math.ceil(size.participants / size.per_job)}
    tasks |= {parts: size.parts} if size.parts else {}
    tasks["pool"] = 1
    return tuple(
        Stage(
            name,
            tasks[name],
            needs[name],
            after=() if name == "participants" else ("participants",),
            # it looks itself at what is there, and names what is missing
            ended=(parts,) if name == "pool" and size.parts else (),
            lines=(*lines.get("", ()), *lines.get(name, ())),
        )
        for name in tasks
    )


def refuse_multiline(lines: Sequence[str], flag: str) -> None:
    """Refuse options of sbatch that would not be one line of a script."""
    bad = next((line for line in lines if "\n" in line or not line.startswith("-")), None)
    if bad is not None:
        raise WrongUsage(f"{flag} '{bad}' is not an option of sbatch. Give one such as --partition=gpu.")

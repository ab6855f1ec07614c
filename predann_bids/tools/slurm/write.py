"""Write the scripts of a plan: templates filled in, and the participants that all tasks are about."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predann_bids.errors import WrongUsage, some
from predann_bids.files import read_json, write_json, write_text
from predann_bids.tools.slurm.plan import Stage

PLAN, LABELS, SETTINGS = "plan.json", "labels.txt", "settings.sh"
EXECUTABLE = 0o755


@dataclass(frozen=True)
class Site:
    """Where and as what the jobs run.

    Parameters
    ----------
    image, venv : Path, optional
        The container image, or the virtual environment.
    preamble : tuple of str
        Commands that every job runs first.
    at_once : int
        Tasks of an array that may run at once.
    tries : int
        How often a job goes back to the queue by itself.
    warning_s : int
        How long before its time is up a job is told.
    """

    image: Path | None = None
    venv: Path | None = None
    preamble: tuple[str, ...] = ()
    at_once: int = 50
    tries: int = 3
    warning_s: int = 120


@dataclass(frozen=True)
class Study:
    """What the jobs are about.

    Parameters
    ----------
    dataset, derivatives : Path
        Dataset and derivatives, absolute.
    label : str
        Name of the group run or sweep.
    labels : tuple of str
        The participants.
    participant_options, group_options : tuple of str
        Options of the levels, as they are typed.
    vary : tuple of str
        Grid of a sweep; empty for a group run.
    read_only, writable : tuple of Path
        What a container must see beside dataset and derivatives.
    per_job : int
        Participants of a task.
    """

    dataset: Path
    derivatives: Path
    label: str
    labels: tuple[str, ...]
    participant_options: tuple[str, ...] = ()
    group_options: tuple[str, ...] = ()
    vary: tuple[str, ...] = ()
    read_only: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    per_job: int = 1


def render(study: Study, site: Site, stages: Sequence[Stage]) -> dict[str, str]:
    """Fill in the templates: the text of each file by its name."""
    common: dict[str, Any] = {
        **vars(study),
        **vars(site),
        "image": site.image or "",
        "venv": site.venv or "",
        "stages": stages,
    }
    names = {SETTINGS: SETTINGS, "functions.sh": "functions.sh", "submit.sh": "submit.sh"}
    texts = {name: _filled(template, common) for name, template in names.items()}
    texts |= {f"{stage.name}.sbatch": _filled("job.sbatch", common | {"stage": stage}) for stage in stages}
    return texts | {LABELS: "".join(f"{label}\n" for label in study.labels)}


def write(directory: Path, texts: Mapping[str, str], stages: Sequence[Stage], *, rewrite: bool) -> None:
    """Write the scripts; those that are there already stay as they are, unless they would be the same.

    Parameters
    ----------
    directory : Path
        Where to.
    texts : Mapping of str to str
        What each script holds, by its name.
    stages : sequence of Stage
        What the jobs do, for the note beside the scripts.
    rewrite : bool
        Whether scripts that differ may be replaced.

    Raises
    ------
    WrongUsage
        Scripts are there that differ, as somebody edited them, or other options were given.
    """
    there = {name: directory / name for name in texts if (directory / name).is_file()}
    differ = sorted(name for name, file in there.items() if file.read_text("utf-8") != texts[name])
    if differ and not rewrite:
        raise WrongUsage(
            f"{directory} holds jobs that differ from what was asked for ({some(differ)}): they were edited, or the"
            " options or the participants are others. Submit them as they are with its submit.sh, write them again with"
            " --rewrite, or give a new run another --label."
        )
    for name, text in texts.items():
        write_text(directory / name, text)
    (directory / "submit.sh").chmod(EXECUTABLE)
    for name in ("logs", "state"):
        (directory / name).mkdir(exist_ok=True)
    write_json(directory / PLAN, {"Stages": {stage.name: stage.tasks for stage in stages}})


def read_plan(directory: Path) -> dict[str, int]:
    """Return how many tasks each stage has.

    Raises
    ------
    WrongUsage
        There are no jobs.
    """
    if not (directory / PLAN).is_file():
        raise WrongUsage(f"{directory} holds no jobs. Write them first: the same command without --status.")
    return {str(name): int(tasks) for name, tasks in read_json(directory / PLAN)["Stages"].items()}


def clock(minutes: int) -> str:
    """Write a time as SLURM reads it: hours, minutes, seconds."""
    return f"{minutes // 60}:{minutes % 60:02d}:00"


def _filled(template: str, values: Mapping[str, Any]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("predann_bids.tools.slurm"),
        autoescape=False,  # the text is a shell script: `q` quotes
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"q": lambda value: shlex.quote(str(value)), "clock": clock}
    return environment.get_template(f"{template}.j2").render(values)

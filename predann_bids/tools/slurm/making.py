"""Make jobs: look at the dataset, plan, write, and submit if asked to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from predann_bids.cli import science_of, selection_of
from predann_bids.console import plain_console, say
from predann_bids.errors import WrongUsage, people
from predann_bids.tools.slurm import cluster
from predann_bids.tools.slurm.estimate import estimate, learned, overridden
from predann_bids.tools.slurm.following import finished_tasks
from predann_bids.tools.slurm.options import typed_paths, typed_words
from predann_bids.tools.slurm.plan import Needs, Size, Stage, make_stages, participants_per_job
from predann_bids.tools.slurm.site import require_program, site_lines, wanted_needs
from predann_bids.tools.slurm.survey import Survey, outermost, survey
from predann_bids.tools.slurm.write import Site, Study, clock, render, write

if TYPE_CHECKING:
    from predann_bids.bids.music.stimulus_map import StimulusMap
    from predann_bids.config import Science


def make_jobs(context: click.Context, given: Mapping[str, Any], directory: Path) -> None:
    """Make the jobs that were asked for, and print what they ask the cluster for.

    Raises
    ------
    PredannError
        As the levels would end, if they would; `WrongUsage` if other jobs are there.
    """
    image, venv = require_program(given["image"], given["venv"])
    sciences, lines = _sciences(given), site_lines(given)
    wanted = wanted_needs(given)
    found = _look(given, sciences)
    per_job = participants_per_job(len(found.labels), given["participants_per_job"])
    points = len(sciences) if given["vary"] else 0
    parts = points or (0 if given["from_model"] else found.folds)
    needs = estimate(found.load, per_job=per_job, gpus=given["fold_gpus"])
    needs = overridden(_learned(needs, directory), wanted)
    size = Size(len(found.labels), parts, per_job, is_sweep=bool(given["vary"]))
    stages = make_stages(size, needs, lines)
    site = Site(image, venv, tuple(given["preamble"]), given["at_once"])
    study = _study(context, given, found, per_job)
    write(directory, render(study, site, stages), stages, rewrite=given["rewrite"])
    _show(stages, directory)
    if found.left_out:
        say(f"Left out, as they have no music that can be used: {people(found.left_out)}.", stderr=True)
    if given["submit"]:
        say(cluster.submit(directory).rstrip())
    else:
        say(f"Nothing was submitted. Look at {directory}, and run its submit.sh; or repeat the command with --submit.")


def _sciences(given: Mapping[str, Any]) -> list[Science]:
    if not given["vary"]:
        return [science_of(given)]
    if given["from_model"]:
        raise WrongUsage("--vary trains at each point, and --from-model trains nothing: give one of them.")
    from predann_bids.options import typed_science
    from predann_bids.tools.sweep import make_sweep

    flags = typed_science(given)
    sweep = make_sweep(given["vary"], label=given["label"], flags=flags, preset=given["preset"], file=given["config"])
    return [point.science for point in sweep.points]


def _look(given: Mapping[str, Any], sciences: Sequence[Science]) -> Survey:
    from predann_bids.workflows.application import check_places
    from predann_bids.workflows.validation import validate_dataset

    selection = selection_of(given)
    check_places(given["bids_dir"], given["output_dir"])
    if not given["skip_bids_validation"]:
        say(f"Validating {given['bids_dir']} ...", stderr=True)
        for note in validate_dataset(given["bids_dir"], selection):
            say(note, stderr=True)
    return survey(
        given["bids_dir"],
        sciences,
        selection=selection,
        stimuli_dir=given["stimuli_dir"],
        stimulus_map=_map_of(given["stimulus_map"]),
    )


def _map_of(name: str | None) -> StimulusMap | None:
    from predann_bids.bids.music.stimulus_map import find_map, read_map

    return read_map(find_map(name)) if name else None


def _learned(needs: Mapping[str, Needs], directory: Path) -> dict[str, Needs]:
    tasks = finished_tasks(directory)
    return {
        name: learned(
            some,
            [task.seconds for task in tasks if task.stage == name and task.seconds is not None],
            cluster.peaks_gb([task.job for task in tasks if task.stage == name and task.job]),
        )
        for name, some in needs.items()
    }


def _study(context: click.Context, given: Mapping[str, Any], found: Survey, per_job: int) -> Study:
    dataset, derivatives, paths = given["bids_dir"].absolute(), given["output_dir"].absolute(), typed_paths(context)
    for path in paths["written"]:
        path.mkdir(parents=True, exist_ok=True)
    return Study(
        dataset=dataset,
        derivatives=derivatives,
        label=given["label"],
        labels=found.labels,
        participant_options=typed_words(context, "participant"),
        group_options=typed_words(context, "group"),
        vary=tuple(given["vary"]),
        read_only=tuple(
            outermost(path for path in (*found.outside, *paths["read"]) if not path.is_relative_to(dataset))
        ),
        writable=tuple(outermost(path for path in paths["written"] if not path.is_relative_to(derivatives))),
        per_job=per_job,
    )


def _show(stages: Sequence[Stage], directory: Path) -> None:
    table = Table("job", "tasks", "processors", "memory", "time", "GPUs", "after", "script")
    for stage in stages:
        needs = stage.needs
        table.add_row(
            stage.name,
            str(stage.tasks),
            str(needs.cpus),
            f"{needs.mem_gb} GB",
            clock(needs.minutes),
            str(needs.gpus or ""),
            " ".join(stage.before),
            f"{stage.name}.sbatch",
        )
    plain_console().print(table)
    say(f"Jobs: {directory}")

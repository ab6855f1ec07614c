"""`predann-tools slurm`: parse, look at the dataset, write the jobs, and submit them or say how they stand."""

from __future__ import annotations

from typing import Any

import click

from predann_bids.cli import science_of
from predann_bids.command import BidsAppCommand, ListOption
from predann_bids.options import PATH
from predann_bids.tools.slurm.options import level_options

EPILOG = """\b
Examples:
  predann-tools slurm /data/ds /data/out --image predann-bids.sif
  predann-tools slurm /data/ds /data/out --image predann-bids.sif --account lab \\
      --fold-sbatch --partition=gpu --fold-gpus 1 --preamble 'module load apptainer' --submit
  predann-tools slurm /data/ds /data/out --status
  predann-tools slurm /data/ds /data/out --status --submit
  predann-tools slurm /data/ds /data/out --venv ~/predann --label seeds --vary seed=0,1,2

\b
Exit codes: as predann-bids; with --status 0 if all is done, 1 if tasks failed, 75
if some are still to do.
"""
HELP = """\
Write jobs for a cluster with SLURM: participants, then folds, then the report.

The dataset is validated, its music looked up and its folds counted once. Then scripts are written that can be read and
edited, to OUTPUT_DIR/code/slurm/LABEL, and a table says what they ask for. --submit submits them. The options of both
levels of predann-bids are handed on to the jobs.
"""


def make_command() -> click.Command:
    """Build the command; the options of the levels are those of `predann-bids`."""
    return BidsAppCommand(
        "slurm",
        usage="BIDS_DIR OUTPUT_DIR",
        arguments=[click.Argument(["bids_dir"], type=PATH), click.Argument(["output_dir"], type=PATH)],
        groups={"Jobs": _job_options(), "What jobs ask for": _needs_options(), **level_options()},
        callback=_slurm,
        help=HELP,
        short_help="Write, submit and follow jobs for a cluster with SLURM.",
        epilog=EPILOG,
    )


def _job_options() -> list[click.Option]:
    return [
        click.Option(["--image"], type=PATH, help="Container image (SIF) to run in."),
        click.Option(["--venv"], type=PATH, help="Virtual environment to run in, instead of an image."),
        click.Option(["--submit"], is_flag=True, help="Submit the jobs; with --status, what failed or is missing."),
        click.Option(["--status"], is_flag=True, help="Say what is done, runs, waits or failed, and why."),
        click.Option(["--jobs"], type=PATH, help="Directory of the scripts. [default: OUTPUT_DIR/code/slurm/LABEL]"),
        click.Option(["--rewrite"], is_flag=True, help="Write scripts again that were edited or differ."),
        ListOption(
            ["--vary"],
            metavar="KEY=V1,V2,...",
            help="Make a sweep, as predann-tools sweep does: a task for each point instead of each fold.",
        ),
    ]


def _needs_options() -> list[click.Option]:
    does_what = {"participant": "that preprocesses", "fold": "that trains", "pool": "that pools"}
    options = [
        click.Option(
            ["--at-once"],
            type=click.IntRange(1),
            default=50,
            show_default=True,
            help="Jobs of an array that run at once.",
        ),
        click.Option(
            ["--participants-per-job"],
            type=click.IntRange(1),
            help="Participants of a job. [default: 1, more for hundreds]",
        ),
    ]
    for kind, does in does_what.items():
        options += [
            click.Option(
                [f"--{kind}-cpus"], type=click.IntRange(1), help=f"Processors of a job {does}. [default: estimated]"
            ),
            click.Option(
                [f"--{kind}-mem"],
                type=click.IntRange(1),
                metavar="GB",
                help=f"Memory of a job {does}, in GB. [default: estimated]",
            ),
            click.Option([f"--{kind}-time"], metavar="H:MM", help=f"Time of a job {does}. [default: estimated]"),
        ]
    options.append(
        click.Option(
            ["--fold-gpus"], type=click.IntRange(0), default=0, show_default=True, help="GPUs of a job that trains."
        )
    )
    options += [
        click.Option([f"--{name}"], help=f"{name.capitalize()} of all jobs.")
        for name in ("partition", "account", "qos")
    ]
    options.append(
        click.Option(
            ["--sbatch"],
            multiple=True,
            metavar="OPTION",
            help="Further option of sbatch for all jobs, such as --constraint=avx2; can be repeated.",
        )
    )
    options += [
        click.Option([f"--{kind}-sbatch"], multiple=True, metavar="OPTION", help=f"The same for jobs {does}.")
        for kind, does in does_what.items()
    ]
    options.append(
        click.Option(
            ["--preamble"],
            multiple=True,
            metavar="COMMAND",
            help="Command that every job runs first, such as 'module load apptainer'; can be repeated.",
        )
    )
    return options


def _slurm(**given: Any) -> None:
    directory = (given["jobs"] or given["output_dir"] / "code" / "slurm" / given["label"]).absolute()
    if given["status"]:
        from predann_bids.tools.slurm.following import follow

        follow(directory, resubmit=given["submit"])
        return
    from predann_bids.tools.slurm.making import make_jobs

    science_of(given)  # refuses what does not fit before anything is read
    make_jobs(click.get_current_context(), given, directory)

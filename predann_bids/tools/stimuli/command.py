"""`predann-tools stimuli`: parse, and show which music a dataset contains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from predann_bids.cli import selection_of
from predann_bids.command import BidsAppCommand
from predann_bids.config import resolve
from predann_bids.errors import WrongUsage
from predann_bids.options import PATH, RECORDINGS, selection_options

EPILOG = """\b
Examples:
  predann-tools stimuli /data/ds
  predann-tools stimuli /data/ds003774 --stimulus-map ds003774 --stimuli-dir /data/songs
  predann-tools stimuli /data/ds --draft map.tsv
  predann-tools stimuli /data/ds --stimulus-map map.tsv --participant-label 01 02
  predann-tools stimuli /data/ds --stimulus-map map.tsv --write-bep044 events-with-stim-id

\b
Exit codes: 0 all music can be resolved, or a draft was written; 1 some participants have problems (if all
have, the code of the first problem); 65 no music; 73 a file cannot be created; others as predann-bids.
"""
HELP = """\
Show which music each recording in BIDS_DIR contains, and when.

Shows, before anything is processed, what predann-bids would use with the same options: recordings, presentations and
their durations, audio files found and missing, event rows ignored and why, and parts of the stimulus map that have no
effect. Nothing is written to BIDS_DIR unless you name it as DIR.
"""
STANDARD_OUTPUT = "-"


class StimuliCommand(BidsAppCommand):
    """A command whose option `--draft` may stand without a file right before BIDS_DIR."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Return a directory that `--draft` has taken as its file."""
        rest = super().parse_args(ctx, args)
        draft = ctx.params.get("draft")
        if ctx.params.get("bids_dir") is None and draft and Path(draft).is_dir():
            ctx.params |= {"bids_dir": Path(draft), "draft": STANDARD_OUTPUT}
        return rest


def make_command() -> click.Command:
    """Build the command."""
    writing = [
        click.Option(
            ["--draft"],
            is_flag=False,
            flag_value=STANDARD_OUTPUT,
            metavar="[FILE]",
            help="Draft a stimulus map from the events, file names and audio files, and write it to FILE or to"
            " standard output (tables then go to standard error). It is valid as it stands, and its comments say what"
            " to fill in.",
        ),
        click.Option(
            ["--write-bep044"],
            type=PATH,
            metavar="DIR",
            help="Write what is found as BIDS will have it (BEP044): stimuli/stimuli.tsv, and for each recording an"
            " events.tsv with stim_id, stim_file and the resolved onsets and durations. Copied into the dataset, they"
            " make the stimulus map superfluous. DIR may be BIDS_DIR itself only with --overwrite.",
        ),
        click.Option(["--overwrite"], is_flag=True, help="Replace files that exist in FILE's or DIR's place."),
    ]
    running = [
        click.Option(
            ["--config"],
            type=PATH,
            help="TOML configuration of predann-bids; its selection and preprocessing.shortest are used.",
        ),
        click.Option(
            ["-v", "--verbose"], count=True, help="Show all rows of the tables; after an error, also the traceback."
        ),
    ]
    return StimuliCommand(
        "stimuli",
        usage="BIDS_DIR",
        arguments=[click.Argument(["bids_dir"], type=PATH, required=False)],
        groups={
            RECORDINGS: list(selection_options(without={"skip_bids_validation"})),
            "Writing": writing,
            "Other options": running,
        },
        callback=_show,
        help=HELP,
        short_help="Show which music a dataset contains, or draft a stimulus map.",
        epilog=EPILOG,
    )


def _show(**given: Any) -> None:
    if given["bids_dir"] is None:
        raise WrongUsage("BIDS_DIR is missing. Usage: predann-tools stimuli BIDS_DIR [OPTIONS].")
    if given["draft"] and given["write_bep044"]:
        raise WrongUsage("--draft drafts a stimulus map, --write-bep044 writes what one has found: give one of them.")
    science = resolve(file=given["config"])
    selection = selection_of(given)
    from predann_bids.tools.stimuli.show import show_stimuli

    show_stimuli(
        given["bids_dir"],
        selection=selection,
        stimulus_map=given["stimulus_map"],
        stimuli_dir=given["stimuli_dir"],
        draft=str(PATH.convert(given["draft"], None, None)) if given["draft"] else None,
        bep044=given["write_bep044"],
        overwrite=given["overwrite"],
        shortest=science.preprocessing.shortest,
        verbose=bool(given["verbose"]),
    )

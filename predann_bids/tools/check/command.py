"""`predann-tools check`: parse, check a dataset, and print what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from predann_bids.cli import selection_of
from predann_bids.command import BidsAppCommand
from predann_bids.config import resolve
from predann_bids.errors import SomeParticipantsFailed, WrongUsage
from predann_bids.options import PATH, RECORDINGS, selection_options

EPILOG = """\b
Examples:
  predann-tools check /data/ds
  predann-tools check /data/ds --deep --json > check.json
  predann-tools check /data/ds --fix-map fixed.tsv
  predann-tools check /data/ds --stimulus-map fixed.tsv

\b
Exit codes: 0 nothing would be lost; 1 some recordings or presentations would be; if all
would be, the code that the participant level would end with; others as predann-bids.
"""
HELP = """\
Check a whole dataset before anything is processed.

Names of files, tables, sidecars, headers and audio are looked at as predann-bids does it with the same options. One
table says what is wrong, where, how to mend it and what becomes of it; a sentence says what would be used. Nothing is
written to BIDS_DIR.
"""


def make_command() -> click.Command:
    """Build the command."""
    checking = [
        click.Option(["--deep"], is_flag=True, help="Also read all EEG and decode all audio, which takes minutes."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON instead of a table."),
        click.Option(
            ["--fix-map"],
            type=PATH,
            metavar="FILE",
            help="Draft a stimulus map that corrects rows of events.tsv that cannot be used, where that is certain, and"
            " excludes the others. It begins with the rules of --stimulus-map mended, and says in comments what each"
            " rule is for.",
        ),
        click.Option(["--overwrite"], is_flag=True, help="Replace FILE if it exists."),
    ]
    running = [
        click.Option(
            ["--config"],
            type=PATH,
            help="TOML configuration of predann-bids; its selection and preprocessing.shortest are used.",
        ),
        click.Option(["--n-procs"], type=click.IntRange(1), help="Parallel processes. [default: one per processor]"),
        click.Option(
            ["-v", "--verbose"], count=True, help="Show all findings and places; after an error, also the traceback."
        ),
    ]
    return BidsAppCommand(
        "check",
        usage="BIDS_DIR",
        arguments=[click.Argument(["bids_dir"], type=PATH, required=False)],
        groups={
            RECORDINGS: list(selection_options(without={"skip_bids_validation"})),
            "Checking": checking,
            "Other options": running,
        },
        callback=_check,
        help=HELP,
        short_help="Check a dataset for what would be lost, and how to mend it.",
        epilog=EPILOG,
    )


def _check(**given: Any) -> None:
    if given["bids_dir"] is None:
        raise WrongUsage("BIDS_DIR is missing. Usage: predann-tools check BIDS_DIR [OPTIONS].")
    science, selection = resolve(file=given["config"]), selection_of(given)
    from predann_bids.bids.music.stimulus_map import find_map, read_map
    from predann_bids.console import plain_console
    from predann_bids.tools.check.checking import check_dataset
    from predann_bids.tools.check.listing import as_json, show
    from predann_bids.tools.stimuli.show import refuse_target
    from predann_bids.workflows.execution import Execution

    target = given["fix_map"]
    if target:
        refuse_target(target, given["bids_dir"], overwrite=given["overwrite"], what="stimulus map")
    check = check_dataset(
        given["bids_dir"],
        selection=selection,
        stimuli_dir=given["stimuli_dir"],
        stimulus_map=read_map(find_map(given["stimulus_map"])) if given["stimulus_map"] else None,
        shortest=science.preprocessing.shortest,
        deep=given["deep"],
        execution=Execution(n_procs=given["n_procs"] or 0),
    )
    error = check.error or (SomeParticipantsFailed("Some would be lost; see above.") if check.loses else None)
    if given["as_json"]:
        click.echo(as_json(check, error.exit_code if error else 0))
    else:
        show(check, plain_console(), whole=bool(given["verbose"]))
    if target:
        _write_map(check, target)
    if error:
        raise error


def _write_map(check: Any, target: Path) -> None:
    from predann_bids.console import say
    from predann_bids.files import write_text
    from predann_bids.tools.check.fixing import fix_map

    text = fix_map(check)
    if text is None:
        say("There is nothing that a rule of a stimulus map can mend: none is written.", stderr=True)
        return
    write_text(target, text)
    say(f"Stimulus map: {target}", stderr=True)

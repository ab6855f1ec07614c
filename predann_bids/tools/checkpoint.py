"""`predann-tools import-checkpoint`: turn a decoder of the authors' public code into one of this project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from predann_bids.command import BidsAppCommand, ListOption
from predann_bids.options import PATH

EPILOG = """\b
Examples:
  predann-tools import-checkpoint last.ckpt published.ckpt
  predann-tools import-checkpoint last.ckpt published.ckpt --songs Aria Blues Canon

\b
In Python:
  decoder = predann_bids.load_decoder("published.ckpt")
  logits, embedding = decoder.encode_eeg(eeg)   # (B, 128, 375), scaled

\b
Exit codes: 64 the songs need names; 65 FILE does not fit; 66 FILE does not exist;
73 OUT cannot be written; others as predann-bids.
"""
HELP = """\
Convert FILE, a checkpoint of the authors' public code, and write the decoder to OUT.

Only the weights are taken. A checkpoint can contain code; none of it is executed.
"""


def make_command() -> click.Command:
    """Build the command."""
    songs = ListOption(
        ["--songs"],
        metavar="NAME...",
        help="Names of the songs, in the order of the classes. [default: those of NMED-T, if there are ten classes]",
    )
    overwrite = click.Option(["--overwrite"], is_flag=True, help="Replace OUT if it exists.")
    return BidsAppCommand(
        "import-checkpoint",
        usage="FILE OUT",
        arguments=[click.Argument(["file"], type=PATH), click.Argument(["out"], type=PATH)],
        groups={"Options": [songs, overwrite]},
        callback=_import,
        help=HELP,
        short_help="Import a checkpoint of the authors' public code.",
        epilog=EPILOG,
    )


def _import(file: Path, out: Path, songs: Sequence[str], overwrite: bool) -> None:
    from predann_bids.workflows.importing import import_checkpoint

    description = import_checkpoint(file, out, songs=songs, overwrite=overwrite)
    click.echo(f"Decoder: {out}\n{description}")

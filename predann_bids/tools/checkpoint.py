"""`predann-tools import-checkpoint`: a decoder of the authors' public code becomes one of this project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from predann_bids.cli import BidsAppCommand
from predann_bids.options import ListOption

EPILOG = """\b
Examples:
  predann-tools import-checkpoint last.ckpt published.ckpt
  predann-tools import-checkpoint last.ckpt published.ckpt --songs Aria Blues Canon

\b
In Python:
  decoder = predann_bids.load_decoder("published.ckpt")
  logits, embedding = decoder.encode_eeg(eeg)   # (B, 128, 375), scaled

\b
Exit codes: 64 the songs need names; 65 the file does not fit; 66 there is no such
file; 73 OUT cannot be written; others as predann-bids.
"""


class ImportCommand(BidsAppCommand):
    """A command that takes lists as BIDS Apps do."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Show the arguments."""
        return ["FILE", "OUT", "[OPTIONS]"]


def make_command() -> click.Command:
    """Build the command."""
    path = click.Path(path_type=Path)
    return ImportCommand(
        "import-checkpoint",
        callback=run_command,
        params=[
            click.Argument(["file"], type=path),
            click.Argument(["out"], type=path),
            ListOption(
                ["--songs"],
                metavar="NAME...",
                help="Names of the songs, in the order of the classes. Default: the ten of NMED-T, if there are ten.",
            ),
            click.Option(["--overwrite"], is_flag=True, help="Replace OUT if it is there."),
        ],
        help=(
            "Make a decoder of FILE, a checkpoint of the authors' public code, and write it to OUT.\n\nOnly the weights"
            " are taken. A checkpoint can hold code; nothing in it is executed."
        ),
        epilog=EPILOG,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def run_command(file: Path, out: Path, songs: tuple[str, ...], overwrite: bool, **_: Any) -> None:
    """Import with what was typed."""
    from predann_bids.workflows.importing import import_checkpoint

    found = import_checkpoint(file, out, songs=songs, overwrite=overwrite)
    click.echo(f"Decoder: {out}\n{found}")

"""`predann-tools nmedt`: parse, and convert the distribution of NMED-T."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from predann_bids.bids.finding.labels import read_labels
from predann_bids.command import BidsAppCommand, ListOption
from predann_bids.errors import CannotCreateOutput
from predann_bids.files import check_place
from predann_bids.options import PATH

EPILOG = """\b
Examples:
  predann-tools nmedt /data/nmedt/raw /data/nmedt/audio /data/nmedt/bids
  predann-tools nmedt /data/nmedt/raw /data/nmedt/audio /data/nmedt/bids --participant-label 02 03
"""
HELP = """\
Convert NMED-T, as distributed by Stanford, to EEG-BIDS.

RAW_DIR contains the raw files (02_1_raw.mat, ...), AUDIO_DIR the ten songs, named by trigger or title (21.wav or
FirstFires.flac). Files that were converted before are kept.
"""


def make_command() -> click.Command:
    """Build the command."""
    labels = ListOption(["--participant-label"], metavar="LABEL...", help="Participants to convert. [default: all]")
    overwrite = click.Option(["--overwrite"], is_flag=True, help="Convert files again that were converted before.")
    return BidsAppCommand(
        "nmedt",
        usage="RAW_DIR AUDIO_DIR BIDS_DIR",
        arguments=[click.Argument([name], type=PATH) for name in ("raw_dir", "audio_dir", "bids_dir")],
        groups={"Options": [labels, overwrite]},
        callback=_convert,
        help=HELP,
        short_help="Convert NMED-T to EEG-BIDS.",
        epilog=EPILOG,
    )


def _convert(raw_dir: Path, audio_dir: Path, bids_dir: Path, participant_label: Sequence[str], overwrite: bool) -> None:
    if bids_dir.is_file():
        raise CannotCreateOutput(f"The dataset {bids_dir} cannot be created: it is a file. Choose another directory.")
    check_place(bids_dir, "The dataset")
    from predann_bids.progress import Progress
    from predann_bids.tools.nmedt.convert import convert

    with Progress("Converting", len(list(raw_dir.glob("*_raw.mat")))) as progress:
        headers = convert(
            raw_dir,
            audio_dir,
            bids_dir,
            participants=read_labels(participant_label, "sub-"),
            overwrite=overwrite,
            on_done=lambda note: progress.advance(note=note),
        )
    click.echo(f"Dataset: {bids_dir} ({len(headers)} recordings)")

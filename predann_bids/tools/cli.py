"""The command line of `predann-tools`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from predann_bids import __version__
from predann_bids.cli import run
from predann_bids.errors import CannotCreateOutput, WrongUsage
from predann_bids.tools.simulation import Simulation

SIMULATE_EPILOG = """\b
Examples:
  predann-tools simulate /data/demo
  predann-tools simulate /data/silent --snr 0 --participants 6 --seed 1
"""

SIMULATE_OPTIONS = {
    "participants": "Number of participants.",
    "songs": "Number of songs; every participant hears all of them, in an order of her own.",
    "seconds": "Length of each song in seconds.",
    "repetitions": "How often each song is heard.",
    "channels": "Number of EEG channels.",
    "sampling_rate": "Sampling rate of the EEG in Hz.",
    "snr": "Power of the response to the music relative to everything else, 1 to 30 Hz; 0 for no music in the EEG.",
    "seed": "Seed of everything random.",
}


@click.group("predann-tools", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="predann-tools")
def tools() -> None:
    """Make datasets for PredANN-BIDS."""


def _simulate_options(command: Any) -> Any:
    for name, text in reversed(SIMULATE_OPTIONS.items()):
        default = getattr(Simulation, name)
        option = click.option(
            f"--{name.replace('_', '-')}", type=type(default), default=default, show_default=True, help=text
        )
        command = option(command)
    return command


@tools.command(epilog=SIMULATE_EPILOG)
@click.argument("out_dir", type=click.Path(path_type=Path))
@_simulate_options
def simulate(out_dir: Path, **options: Any) -> None:
    """Simulate a small EEG-BIDS dataset in OUT_DIR.

    Simulated people listen to synthetic songs, which are physically present in their EEG. Nothing is downloaded.
    """
    try:
        simulation = Simulation(**options)
    except ValueError as error:
        raise WrongUsage(f"{error}.") from error
    from predann_bids.progress import Progress
    from predann_bids.tools.simulate import simulate as write

    with Progress("Simulating", simulation.songs + simulation.participants) as progress:
        try:
            write(out_dir, simulation, on_progress=lambda note, _done, _total: progress.advance(note=note))
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise CannotCreateOutput(str(error)) from error
    click.echo(f"Dataset: {out_dir}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `predann-tools`."""
    sys.exit(run(tools, sys.argv[1:] if arguments is None else list(arguments)))

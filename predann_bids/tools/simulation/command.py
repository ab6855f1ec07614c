"""`predann-tools simulate`: parse, and write a simulated dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from predann_bids.command import BidsAppCommand
from predann_bids.errors import CannotCreateOutput, WrongUsage
from predann_bids.options import PATH
from predann_bids.tools.simulation.settings import BACKGROUNDS, Simulation

EPILOG = """\b
Examples:
  predann-tools simulate /data/demo
  predann-tools simulate /data/silent --snr 0 --participants 6 --seed 1
  predann-tools simulate /data/likely --snr 0.001 --background realistic
"""
HELP = """\
Simulate a small EEG-BIDS dataset in OUT_DIR.

Simulated participants listen to synthetic songs, and their EEG contains a response to this music. Nothing is
downloaded.
"""
DESCRIPTIONS = {
    "participants": "Number of participants.",
    "songs": "Number of songs. Every participant hears all of them, in random order.",
    "seconds": "Length of each song in seconds.",
    "repetitions": "How often each participant hears each song.",
    "channels": "Number of EEG channels.",
    "sampling_rate": "Sampling rate of the EEG in Hz.",
    "snr": "Power of the response to the music relative to everything else, from 1 to 30 Hz; 0 for no response.",
    "background": "EEG without the response: 'stationary' noise, or 'realistic', with activity that swells and"
    " subsides, alpha bursts, muscles, motion, electrodes that pop, and nearly collinear channels.",
    "seed": "Seed of everything random.",
}
KINDS = {"background": click.Choice(BACKGROUNDS)}


def make_command() -> click.Command:
    """Build the command; its defaults are those of `Simulation`."""
    return BidsAppCommand(
        "simulate",
        usage="OUT_DIR",
        arguments=[click.Argument(["out_dir"], type=PATH)],
        groups={"Options": [_option(name, text) for name, text in DESCRIPTIONS.items()]},
        callback=_simulate,
        help=HELP,
        short_help="Simulate a small EEG-BIDS dataset.",
        epilog=EPILOG,
    )


def _option(name: str, text: str) -> click.Option:
    default = getattr(Simulation, name)
    flag = f"--{name.replace('_', '-')}"
    return click.Option([flag], type=KINDS.get(name, type(default)), default=default, show_default=True, help=text)


def _simulate(out_dir: Path, **settings: Any) -> None:
    try:
        simulation = Simulation(**settings)
    except ValueError as error:
        raise WrongUsage(f"{error}.") from error
    from predann_bids.progress import Progress
    from predann_bids.tools.simulation.dataset import simulate

    with Progress("Simulating", simulation.songs + simulation.participants) as progress:
        try:
            simulate(out_dir, simulation, on_progress=lambda name: progress.advance(note=name))
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise CannotCreateOutput(str(error)) from error
    click.echo(f"Dataset: {out_dir}")

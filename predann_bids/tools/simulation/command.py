"""`predann-tools simulate`: parse, and write a simulated dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from predann_bids.command import BidsAppCommand
from predann_bids.errors import CannotCreateOutput, WrongUsage
from predann_bids.files import check_place
from predann_bids.options import PATH
from predann_bids.tools.simulation.settings import BACKGROUNDS, DEFAULT_SNR, Simulation

EPILOG = """\b
Examples:
  predann-tools simulate /data/demo
  predann-tools simulate /data/silent --snr 0 --participants 6 --seed 1
  predann-tools simulate /data/likely --response-r 0.08 --background realistic
"""
HELP = """\
Simulate a small EEG-BIDS dataset in OUT_DIR.

Simulated participants listen to synthetic songs, and their EEG contains a response to this music. Nothing is
downloaded.

How strong it is, --snr says in power, and --response-r in what people measure: 0.02 to 0.15 in real EEG, 0.55 with the
default --snr.
"""
DESCRIPTIONS = {
    "participants": "Number of participants.",
    "songs": "Number of songs. Every participant hears all of them, in random order.",
    "seconds": "Length of each song in seconds.",
    "repetitions": "How often each participant hears each song.",
    "channels": "Number of EEG channels.",
    "sampling_rate": "Sampling rate of the EEG in Hz.",
    "snr": "Power of the response to the music relative to everything else, from 1 to 30 Hz; 0 for no response.",
    "response_r": "Strength of the response, instead of --snr: mean correlation, in 3-s windows of participants held"
    " out, of the music's onset envelope with a linear reconstruction from EEG (1 to 8 Hz, 0 to 0.4 s later). The"
    " signal-to-noise ratio that gives it is found on the dataset; at least 3 participants.",
    "background": "EEG without the response: 'stationary' noise, or 'realistic', with activity that swells and"
    " subsides, alpha bursts, muscles, motion, electrodes that pop, and nearly collinear channels.",
    "seed": "Seed of everything random.",
}
KINDS = {"snr": float, "response_r": float, "background": click.Choice(BACKGROUNDS)}


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
    shown = str(DEFAULT_SNR) if name == "snr" else default is not None
    flag = f"--{name.replace('_', '-')}"
    return click.Option([flag], type=KINDS.get(name, type(default)), default=default, show_default=shown, help=text)


def _simulate(out_dir: Path, **settings: Any) -> None:
    try:
        simulation = Simulation(**settings)
    except ValueError as error:
        raise WrongUsage(f"{error}.") from error
    check_place(out_dir, "The dataset")
    from predann_bids.progress import Progress
    from predann_bids.tools.simulation.dataset import simulate, steps

    said: list[str] = []
    with Progress("Simulating", steps(simulation)) as progress:
        try:
            simulate(out_dir, simulation, on_progress=lambda name: progress.advance(note=name), on_strength=said.append)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise CannotCreateOutput(str(error)) from error
    for line in said:
        click.echo(line)
    click.echo(f"Dataset: {out_dir}")

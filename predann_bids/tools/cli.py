"""The command line of `predann-tools`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from predann_bids import __version__
from predann_bids.cli import BidsAppCommand, run, selection_of
from predann_bids.config import resolve
from predann_bids.errors import CannotCreateOutput, WrongUsage
from predann_bids.options import selection_options
from predann_bids.tools.checkpoint import make_command as import_checkpoint_command
from predann_bids.tools.simulation.settings import Simulation
from predann_bids.tools.sweep import make_command as sweep_command

SIMULATE_EPILOG = """\b
Examples:
  predann-tools simulate /data/demo
  predann-tools simulate /data/silent --snr 0 --participants 6 --seed 1
"""

NMEDT_EPILOG = """\b
Examples:
  predann-tools nmedt /data/nmedt/raw /data/nmedt/audio /data/nmedt/bids
  predann-tools nmedt /data/nmedt/raw /data/nmedt/audio /data/nmedt/bids --participant-label 02 --participant-label 03
"""

STIMULI_EPILOG = """\b
Examples:
  predann-tools stimuli /data/ds
  predann-tools stimuli /data/ds003774 --stimulus-map ds003774 --stimuli-dir /data/songs
  predann-tools stimuli /data/ds --draft map.tsv
  predann-tools stimuli /data/ds --stimulus-map map.tsv --participant-label 01 02

\b
Exit codes: 0 all music can be resolved, or a draft was made; 1 some participants have problems, or the code
of the first problem if all have; 65 nothing is music; 73 the draft cannot be created; others as predann-bids.
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
    """See which music a dataset plays when, vary what is decoded and how, make datasets to try it on."""


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
    from predann_bids.tools.simulation.dataset import simulate as write

    with Progress("Simulating", simulation.songs + simulation.participants) as progress:
        try:
            write(out_dir, simulation, on_progress=lambda note, _done, _total: progress.advance(note=note))
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise CannotCreateOutput(str(error)) from error
    click.echo(f"Dataset: {out_dir}")


@tools.command(epilog=NMEDT_EPILOG)
@click.argument("raw_dir", type=click.Path(path_type=Path))
@click.argument("audio_dir", type=click.Path(path_type=Path))
@click.argument("bids_dir", type=click.Path(path_type=Path))
@click.option("--participant-label", "participants", multiple=True, help="Participants to convert. [default: all]")
@click.option("--overwrite", is_flag=True, help="Convert again what is there.")
def nmedt(raw_dir: Path, audio_dir: Path, bids_dir: Path, participants: tuple[str, ...], overwrite: bool) -> None:
    """Convert NMED-T, as distributed by Stanford, to EEG-BIDS.

    RAW_DIR holds its raw files (02_1_raw.mat, ...), AUDIO_DIR the ten songs, named by trigger or title (21.wav, or
    FirstFires.flac). What is converted already is kept.
    """
    from predann_bids.progress import Progress
    from predann_bids.tools.nmedt.convert import convert

    total = len(list(raw_dir.glob("*_raw.mat")))
    labels = [label.removeprefix("sub-") for label in participants]
    with Progress("Converting", total) as progress:
        headers = convert(
            raw_dir,
            audio_dir,
            bids_dir,
            participants=labels,
            overwrite=overwrite,
            on_done=lambda note: progress.advance(note=note),
        )
    click.echo(f"Dataset: {bids_dir} ({len(headers)} recordings)")


class ToolCommand(BidsAppCommand):
    """A command with lists typed as in BIDS Apps, but arguments of its own."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Show the argument as required, although `--draft` may have taken it."""
        return ["BIDS_DIR", "[OPTIONS]"]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Let `--draft` without a file stand before BIDS_DIR."""
        rest = super().parse_args(ctx, args)
        draft = ctx.params.get("draft")
        if ctx.params.get("bids_dir") is None and draft and Path(draft).is_dir():
            ctx.params |= {"bids_dir": Path(draft), "draft": "-"}
        return rest


def _stimuli(**given: Any) -> None:
    if given["bids_dir"] is None:
        raise WrongUsage("BIDS_DIR is missing. Usage: predann-tools stimuli BIDS_DIR [OPTIONS].")
    science = resolve(preset=None, file=given["config"], flags={})
    selection = selection_of(given)
    from predann_bids.tools.stimuli.show import show_stimuli

    show_stimuli(
        given["bids_dir"],
        selection=selection,
        stimulus_map=given["stimulus_map"],
        stimuli_dir=given["stimuli_dir"],
        draft=given["draft"],
        overwrite=given["overwrite"],
        shortest=science.preprocessing.shortest,
        verbose=bool(given["verbose"]),
    )


def _stimuli_options() -> Iterator[click.Option]:
    yield from (option for option in selection_options() if option.name != "skip_bids_validation")
    yield click.Option(
        ["--draft"],
        is_flag=False,
        flag_value="-",
        metavar="[FILE]",
        help="Write a first stimulus map from what is seen, to FILE or to standard output (tables then go to standard"
        " error). It is valid, and says in comments what to fill in.",
    )
    yield click.Option(["--overwrite"], is_flag=True, help="Replace FILE if it is there.")
    yield click.Option(
        ["--config"],
        type=click.Path(path_type=Path),
        help="TOML configuration of predann-bids, for preprocessing.shortest and its selection of recordings.",
    )
    yield click.Option(["-v", "--verbose"], count=True, help="Show all rows; with an error, show where it happened.")


tools.add_command(
    ToolCommand(
        "stimuli",
        callback=_stimuli,
        params=[click.Argument(["bids_dir"], type=click.Path(path_type=Path), required=False), *_stimuli_options()],
        help=(
            "Show which music BIDS_DIR plays when.\n\nPrints, before anything is processed, what predann-bids would use"
            " with the same options: recordings, presentations and their durations, audio found and missing, rows"
            " ignored and why, and what in the stimulus map has no effect. Nothing is written to BIDS_DIR."
        ),
        epilog=STIMULI_EPILOG,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
)


tools.add_command(sweep_command())
tools.add_command(import_checkpoint_command())


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `predann-tools`."""
    sys.exit(run(tools, sys.argv[1:] if arguments is None else list(arguments)))

"""The command line of `predann-tools`: the commands themselves are in the rooms of their tools."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from predann_bids import __version__
from predann_bids.cli import run
from predann_bids.console import steady_streams, use_utf8
from predann_bids.surroundings.container import version_text
from predann_bids.surroundings.stopping import stop_when_asked
from predann_bids.tools.check.command import make_command as check_command
from predann_bids.tools.checkpoint import make_command as import_checkpoint_command
from predann_bids.tools.ensemble import make_command as ensemble_command
from predann_bids.tools.nmedt.command import make_command as nmedt_command
from predann_bids.tools.simulation.command import make_command as simulate_command
from predann_bids.tools.slurm.command import make_command as slurm_command
from predann_bids.tools.stimuli.command import make_command as stimuli_command
from predann_bids.tools.sweep import make_command as sweep_command


@click.group(
    "predann-tools",
    commands=[
        check_command(),
        stimuli_command(),
        sweep_command(),
        ensemble_command(),
        slurm_command(),
        simulate_command(),
        nmedt_command(),
        import_checkpoint_command(),
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="predann-tools", message=version_text("%(prog)s", "%(version)s"))
def tools() -> None:
    """Check datasets, show their music, compare and average decoders, use clusters, make datasets, import decoders."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `predann-tools`."""
    use_utf8()
    steady_streams()
    stop_when_asked()
    sys.exit(run(tools, sys.argv[1:] if arguments is None else list(arguments)))

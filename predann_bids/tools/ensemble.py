"""`predann-tools ensemble`: parse, and average finished group runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from predann_bids.command import BidsAppCommand
from predann_bids.options import PATH

EPILOG = """\b
Examples:
  predann-tools ensemble OUT/group/mel OUT/group/onsets -o OUT/group/mel+onsets
  predann-tools ensemble OUT/group/mel OUT/group/onsets --model ridge
  predann-tools ensemble OUT_1 OUT_2 -o both

\b
Runs that fit have the same recordings, songs, --split, --window and --seed:
  predann-bids BIDS_DIR OUT group --label mel --n-seeds 2
  predann-bids BIDS_DIR OUT group --label onsets --teacher onsets --n-seeds 2

\b
Exit codes: 64 the runs do not fit together; 65 a run has no song probabilities;
66 a run is not finished; 73 DIR cannot be written; others as predann-bids.
"""
HELP = """\
Average the song probabilities of finished group runs, and say what that gains.

RUN is a directory OUTPUT_DIR/group/NAME, or an OUTPUT_DIR with a single run. The probabilities are the softmax of the
song logits, as each run tested them: window by window, fold by fold, they are averaged over the runs. The average is
compared with each run, and, where a run has several seeds, with an average over as many of its seeds, since most of
what an ensemble gains, any ensemble gains.
"""


def make_command() -> click.Command:
    """Build the command."""
    output = click.Option(
        ["-o", "--output-dir"],
        type=PATH,
        metavar="DIR",
        help="Where to write metrics.json, predictions.tsv and report.html. [default: 'ensemble' beside the first run]",
    )
    model = click.Option(
        ["--model"], default="predann", show_default=True, metavar="NAME", help="The model of each run to average."
    )
    no_report = click.Option(["--no-report"], is_flag=True, help="Do not write the page.")
    return BidsAppCommand(
        "ensemble",
        usage="RUN RUN...",
        arguments=[click.Argument(["runs"], type=PATH, nargs=-1, required=True)],
        groups={"Options": [output, model, no_report]},
        callback=_average,
        help=HELP,
        short_help="Average the decoders of several group runs.",
        epilog=EPILOG,
    )


def _average(runs: Sequence[Path], output_dir: Path | None, model: str, no_report: bool) -> None:
    from predann_bids.workflows.ensemble.level import run_ensemble

    outcome = run_ensemble(runs, output_dir, model=model, report=not no_report)
    for line in outcome.lines():
        click.echo(line)

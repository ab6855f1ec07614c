"""The command line: parse, call a workflow, turn errors into exit codes."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predann_bids import __version__
from predann_bids.config import Science, read_selection, resolve
from predann_bids.errors import MissingInput, PredannError, UnknownAnalysisLevel, WrongUsage, in_words
from predann_bids.options import (
    OFF_SWITCHES,
    SCIENCE_FLAGS,
    ListOption,
    configuration_options,
    execution_options,
    expand_arguments,
    group_options,
    science_options,
    selection_options,
)

if TYPE_CHECKING:
    from predann_bids.bids.recordings import Selection
    from predann_bids.workflows.execution import Execution

LEVELS = ("participant", "group")
EPILOG = """\b
Examples:
  predann-bids /data/ds /data/out participant --participant-label 01 02
  predann-bids /data/ds /data/out participant --n-procs 4 --bad-channels auto --ica auto
  predann-bids /data/ds003774 /data/out participant --stimulus-map ds003774 --stimuli-dir /data/songs
  predann-bids /data/ds /data/out group --split participant --seed 1
  predann-bids /data/ds /data/out group --label chunks --split chunk --control fingerprint
  predann-bids /data/ds /data/out group --also-split stimulus time --permutations 200
  predann-bids /data/new /data/out2 group --from-model /data/out/group/predann

\b
Exit codes: 0 done; 1 some participants failed; 16 invalid dataset; 17 unknown
analysis level; 18 nothing selected; 64 wrong usage; 65 unusable data; 66 input
missing; 73 output cannot be created; 74 read or write failed; 75 try again.
"""


class BidsAppCommand(click.Command):
    """A command that is typed like every BIDS App."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Rewrite lists and underscores before click parses."""
        lists = frozenset(name for option in self.params if isinstance(option, ListOption) for name in option.opts)
        return super().parse_args(ctx, expand_arguments(args, lists))

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Show the three arguments as required, although the execution specification's options may stand for them."""
        return ["BIDS_DIR", "OUTPUT_DIR", "{participant,group}", "[OPTIONS]"]


def make_command() -> click.Command:
    """Build the command; everything in it comes from the tables in `options`."""
    path = click.Path(path_type=Path)
    arguments: list[click.Parameter] = [
        click.Argument(["bids_dir"], type=path, required=False),
        click.Argument(["output_dir"], type=path, required=False),
        click.Argument(["analysis_level"], required=False),
        click.Option(["--input-dataset"], type=path, help="The same as BIDS_DIR."),
        click.Option(["--output-location"], type=path, help="The same as OUTPUT_DIR."),
        click.Option(["--analysis-level", "level_option"], help="The same as the third argument."),
    ]
    version = click.Option(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
    )
    options = [
        *selection_options(),
        *configuration_options(),
        *science_options(),
        *group_options(),
        *execution_options(),
    ]
    return BidsAppCommand(
        "predann-bids",
        callback=run_app,
        params=[*arguments, *options, version],
        help=(
            "Tell which music was playing from EEG.\n\nThe level 'participant' preprocesses the EEG of BIDS_DIR into"
            " BIDS derivatives in OUTPUT_DIR; the level 'group' trains a PredANN decoder on them and evaluates it."
        ),
        epilog=EPILOG,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def run_app(**given: Any) -> None:
    """Run one analysis level with what was typed."""
    bids_dir = _one(given, "bids_dir", "input_dataset", "BIDS_DIR")
    output_dir = _one(given, "output_dir", "output_location", "OUTPUT_DIR")
    level = _one(given, "analysis_level", "level_option", "the analysis level")
    if level not in LEVELS:
        raise UnknownAnalysisLevel(f"Unknown analysis level '{level}': expected {' or '.join(LEVELS)}.")
    science = science_of(given)
    selection = selection_of(given)
    from predann_bids.workflows.application import run_level

    run_level(
        level,
        bids_dir,
        output_dir,
        science,
        selection=selection,
        stimuli_dir=given["stimuli_dir"],
        stimulus_map=given["stimulus_map"],
        execution=execution_of(given),
        validate=not given["skip_bids_validation"],
        label=given["label"],
        folds=given["fold"],
        from_model=given["from_model"],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `predann-bids`."""
    sys.exit(run(make_command(), sys.argv[1:] if arguments is None else list(arguments)))


def run(command: click.Command, arguments: list[str]) -> int:
    """Run a click command and turn what it raises into an exit code and one plain sentence."""
    verbose = bool({"-v", "-vv", "--verbose"} & set(arguments))
    try:
        command.main(arguments, prog_name=command.name, standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.UsageError as error:
        return _fail(f"{error.format_message()} See {command.name} --help.", WrongUsage.exit_code, verbose)
    except (click.Abort, KeyboardInterrupt):
        return _fail("Interrupted; the same command goes on where it stopped.", 130, verbose=False)
    except Exception as error:
        told = in_words(error)
        # else it is a defect of this program; a traceback is of no use to most users
        foreseen = isinstance(error, PredannError) or type(told) is not PredannError
        return _fail(f"{told}" if foreseen else f"{told} -v shows where; please report it.", told.exit_code, verbose)
    return 0


def _fail(sentence: str, code: int, verbose: bool) -> int:
    if verbose:
        traceback.print_exc()
    click.echo(f"Error: {sentence}", err=True)
    return code


def _one(given: dict[str, Any], argument: str, option: str, name: str) -> Any:
    values = [value for value in (given[argument], given[option]) if value is not None]
    if not values:
        raise WrongUsage(f"{name} is missing. Usage: predann-bids BIDS_DIR OUTPUT_DIR {{participant,group}} [OPTIONS].")
    if len(values) == 2 and values[0] != values[1]:
        raise WrongUsage(f"{name} is given twice, as '{values[0]}' and as '{values[1]}'.")
    return values[0]


def science_of(given: Mapping[str, Any]) -> Science:
    """Resolve the configuration that was asked for."""
    return resolve(preset=given["preset"], file=given["config"], flags=flags_of(given))


def flags_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Gather what was typed of the configuration: dotted names to values; a command may lack some of the options."""
    flags = {dotted: given.get(dotted.replace(".", "__")) for dotted in SCIENCE_FLAGS.values()}
    chosen = {dotted: value for dotted, value in flags.items() if value is not None}
    if given["evaluation__also_splits"]:
        chosen["evaluation.also_splits"] = tuple(given["evaluation__also_splits"])
    for flag, (dotted, _) in OFF_SWITCHES.items():
        if given[flag.removeprefix("--").replace("-", "_")]:
            chosen[dotted] = False
    return chosen


def selection_of(given: Mapping[str, Any]) -> Selection:
    """Gather which recordings were asked for."""
    from predann_bids.bids.recordings import Selection, read_filter_file

    written = read_selection(given["config"]) if given["config"] else {}

    def labels(entity: str, prefix: str) -> tuple[str, ...]:
        typed = _labels(given[f"{entity}_label"], prefix)
        return typed or tuple(written.get(f"{entity}s", ()))

    return Selection(
        participants=labels("participant", "sub-"),
        sessions=labels("session", "ses-"),
        tasks=labels("task", "task-"),
        runs=labels("run", "run-"),
        filters=read_filter_file(given["bids_filter_file"]) if given["bids_filter_file"] else {},
        database_dir=given["bids_database_dir"],
    )


def _labels(values: Sequence[str], prefix: str) -> tuple[str, ...]:
    words: list[str] = []
    for value in values:
        if Path(value).is_file():
            words += _read_labels(Path(value))
        elif "/" in value:
            raise MissingInput(f"The file {value} with labels does not exist.")
        else:
            words.append(value)
    return tuple(dict.fromkeys(word.removeprefix(prefix) for word in words))


def _read_labels(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except UnicodeDecodeError as error:
        raise WrongUsage(f"{file} is no text file with one label per line.") from error


def execution_of(given: Mapping[str, Any]) -> Execution:
    """Gather how the work was asked to be done."""
    from predann_bids.workflows.execution import Execution

    return Execution(
        n_procs=given["n_procs"] or 0,
        mem_gb=given["mem_gb"],
        work_dir=given["work_dir"],
        overwrite=given["overwrite"],
        report=not given["no_report"],
        stop_on_first_crash=given["stop_on_first_crash"],
        accelerator=given["accelerator"],
        devices=given["devices"],
        num_nodes=given["num_nodes"],
        precision=given["precision"],
    )


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"predann-bids {__version__}")
        ctx.exit()

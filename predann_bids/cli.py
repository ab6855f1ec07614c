"""The command line: parse, call a workflow, turn errors into exit codes."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predann_bids import __version__
from predann_bids.command import BidsAppCommand, typed_command
from predann_bids.config import Science, read_selection, resolve
from predann_bids.console import steady_streams, use_utf8
from predann_bids.errors import NothingSelected, PredannError, UnknownAnalysisLevel, WrongUsage, in_words
from predann_bids.options import PATH, option_groups, typed_science
from predann_bids.surroundings.container import version_text
from predann_bids.surroundings.stopping import Stopped, stop_when_asked

if TYPE_CHECKING:
    from predann_bids.bids.recordings import Selection
    from predann_bids.workflows.execution import Execution

LEVELS = ("participant", "group")
USAGE = "BIDS_DIR OUTPUT_DIR {participant,group}"
HELP = """\
Identify, from EEG, which music a person was hearing.

The level 'participant' preprocesses the EEG in BIDS_DIR and writes BIDS derivatives to OUTPUT_DIR. The level 'group'
trains a PredANN decoder on them and evaluates it.
"""
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
missing; 70 a defect of the program; 73 output cannot be created; 74 read or
write failed; 75 try again.
"""


def make_command() -> BidsAppCommand:
    """Build the command; its options come from `options.option_groups`."""
    command = BidsAppCommand(
        "predann-bids",
        usage=USAGE,
        # not required, as the execution specification's options may stand for them
        arguments=[
            click.Argument(["bids_dir"], type=PATH, required=False),
            click.Argument(["output_dir"], type=PATH, required=False),
            click.Argument(["analysis_level"], required=False),
        ],
        groups=option_groups(),
        callback=run_app,
        help=HELP,
        epilog=EPILOG,
    )
    version = click.version_option(__version__, message=version_text("%(prog)s", "%(version)s"), prog_name=command.name)
    return version(command)


def run_app(**given: Any) -> None:
    """Run one analysis level with what was typed."""
    bids_dir = _one(given, "bids_dir", "input_dataset", "BIDS_DIR")
    output_dir = _one(given, "output_dir", "output_location", "OUTPUT_DIR")
    level = _one(given, "analysis_level", "level_option", "the analysis level")
    if given["pool_only"] and (given["fold"] or given["overwrite"]):
        raise WrongUsage("--pool-only pools all folds as they are: give it without --fold and --overwrite.")
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
    use_utf8()
    steady_streams()
    stop_when_asked()
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
        return _fail("Interrupted. Run the same command again to continue where it stopped.", 130, verbose=False)
    except Stopped as stopped:
        return _fail(str(stopped), stopped.exit_code, verbose=False)
    except Exception as error:
        explained = in_words(error)
        is_defect = not isinstance(error, PredannError) and type(explained) is PredannError
        advice = " Please report it, with what -v prints." if is_defect else ""
        return _fail(f"{explained}{advice}", explained.exit_code, verbose)
    return 0


def _fail(sentence: str, code: int, verbose: bool) -> int:
    if verbose:
        traceback.print_exc()
    click.echo(f"Error: {sentence}", err=True)
    return code


def _one(given: dict[str, Any], argument: str, option: str, name: str) -> Any:
    values = [value for value in (given[argument], given[option]) if value is not None]
    if not values:
        raise WrongUsage(f"{name} is missing. Usage: predann-bids {USAGE} [OPTIONS].{_swallowed(given)}")
    if len(values) == 2 and values[0] != values[1]:
        raise WrongUsage(f"{name} is given twice, as '{values[0]}' and as '{values[1]}'.")
    return values[0]


def _swallowed(given: Mapping[str, Any]) -> str:
    """Say that an option which takes a list has taken an argument, if it has taken a directory."""
    lists = {name: words for name, words in given.items() if isinstance(words, tuple)}
    taken = next((name for name, words in lists.items() if any(Path(str(word)).is_dir() for word in words)), None)
    return f" --{taken.replace('_', '-')} takes all that follows it: give it after the arguments." if taken else ""


def science_of(given: Mapping[str, Any]) -> Science:
    """Resolve the configuration from what was typed."""
    return resolve(preset=given["preset"], file=given["config"], flags=typed_science(given))


def selection_of(given: Mapping[str, Any]) -> Selection:
    """Gather which recordings were typed, or else written in the configuration file; options may be missing."""
    from predann_bids.bids.finding.labels import read_labels
    from predann_bids.bids.recordings import Selection, read_filter_file

    written = read_selection(given["config"]) if given.get("config") else {}
    if written.get("participants") == []:
        raise NothingSelected(f"{given['config']}: [selection] has an empty list of participants: nobody is selected.")
    root = given.get("bids_dir") or given.get("input_dataset")

    def labels(entity: str, prefix: str) -> tuple[str, ...]:
        typed = read_labels(given[f"{entity}_label"], prefix, root)
        return typed or tuple(written.get(f"{entity}s", ()))

    return Selection(
        participants=labels("participant", "sub-"),
        sessions=labels("session", "ses-"),
        tasks=labels("task", "task-"),
        runs=labels("run", "run-"),
        filters=read_filter_file(given["bids_filter_file"]) if given["bids_filter_file"] else {},
        database_dir=given["bids_database_dir"],
    )


def execution_of(given: Mapping[str, Any]) -> Execution:
    """Gather how the work is to be done."""
    from predann_bids.workflows.execution import Execution

    return Execution(
        n_procs=given["n_procs"] or 0,
        mem_gb=given["mem_gb"],
        work_dir=given["work_dir"],
        overwrite=given["overwrite"],
        train=not given.get("pool_only"),
        report=not given["no_report"],
        audio_copies=not given.get("no_audio_copies"),
        stop_on_first_crash=given["stop_on_first_crash"],
        missing_audio=given.get("missing_audio") or "skip",
        accelerator=given["accelerator"],
        devices=given["devices"],
        num_nodes=given["num_nodes"],
        precision=given["precision"],
        command=typed_command(click.get_current_context(silent=True)),
    )

"""The command line's options as data: `--help`, `boutiques.json` and `docs/options.md` are made from this table.

Options that change results take their help and their default from the configuration's fields; the others are described
here.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import click

from predann_bids.config import PRESETS, Evaluation, Science, Section, SplitName

# flag on the command line -> dotted name in the configuration
SCIENCE_FLAGS = {
    "--l-freq": "preprocessing.l_freq",
    "--h-freq": "preprocessing.h_freq",
    "--notch": "preprocessing.notch",
    "--line-noise": "preprocessing.line_noise",
    "--resample": "preprocessing.resample",
    "--reference": "preprocessing.reference",
    "--bad-channels": "preprocessing.bad_channels",
    "--ica": "preprocessing.ica",
    "--channels": "windows.channels",
    "--encoders": "training.encoders",
    "--split": "splitting.split",
    "--n-folds": "splitting.n_folds",
    "--predann-weight": "training.predann_weight",
    "--delay": "windows.delay",
    "--window": "windows.length",
    "--audio-context": "windows.audio_context",
    "--epochs": "training.epochs",
    "--batch-size": "training.batch_size",
    "--learning-rate": "training.learning_rate",
    "--seed": "training.seed",
    "--n-seeds": "training.n_seeds",
    "--permutations": "evaluation.permutations",
    "--control": "evaluation.control",
}

# flag that turns something off -> dotted name in the configuration, help
OFF_SWITCHES = {
    "--no-baseline": ("training.baseline", "Do not train the matched model with PredANN weight 0."),
    "--no-linear": ("evaluation.linear", "Do not evaluate the linear reference."),
    "--no-probe": ("evaluation.probe", "Do not measure what the network uses."),
}


class ListOption(click.Option):
    """An option that takes all the values up to the next option, as users of BIDS Apps type them."""

    def __init__(self, names: Sequence[str], **settings: Any) -> None:
        super().__init__(names, multiple=True, **settings)


def expand_arguments(arguments: Sequence[str], list_flags: frozenset[str]) -> list[str]:
    """Rewrite a command line to what click can parse.

    Underscores in option names become hyphens (`--participant_label`), and a list option is repeated for each of its
    values (``--participant-label 01 02`` becomes ``--participant-label 01 --participant-label 02``).
    """
    expanded: list[str] = []
    current, wanted = "", 0
    for position, argument in enumerate(arguments):
        if argument == "--":
            return [*expanded, *arguments[position:]]
        if argument.startswith("--"):
            name, equals, value = argument.partition("=")
            argument = name.replace("_", "-") + equals + value
        if argument.startswith("-") and not _is_number(argument):
            if wanted:
                expanded.append(current)  # without a value: click says so
            current, wanted = (argument, 1) if argument in list_flags else ("", 0)
            if not current:
                expanded.append(argument)
        elif current:
            expanded += [current, argument]
            wanted = 0
        else:
            expanded.append(argument)
    return [*expanded, current] if wanted else expanded


def science_options() -> Iterator[click.Option]:
    """Make an option for each flag that changes results; unset means that file or preset decide."""
    for flag, dotted in SCIENCE_FLAGS.items():
        section, key = dotted.split(".")
        model = Science.model_fields[section].annotation
        assert isinstance(model, type)
        assert issubclass(model, Section)
        field = model.model_fields[key]
        help_text = f"{field.description} [default: {field.default}]"
        yield click.Option([flag, dotted.replace(".", "__")], type=_click_type(field.annotation), help=help_text)
    yield ListOption(
        ["--also-split", "evaluation__also_splits"],
        type=click.Choice(typing.get_args(SplitName)),
        metavar="SPLIT...",
        help=f"{Evaluation.model_fields['also_splits'].description} [default: none]",
    )
    for flag, (_, help_text) in OFF_SWITCHES.items():
        yield click.Option([flag], is_flag=True, help=help_text)


def selection_options() -> Iterator[click.Option]:
    """Options that choose recordings."""
    yield ListOption(
        ["--participant-label", "--subject-label"],
        metavar="LABEL...",
        help="Participants to use, with or without 'sub-'; or a file with one label per line. [default: all]",
    )
    yield ListOption(["--session-label"], metavar="LABEL...", help="Sessions to use. [default: all]")
    yield ListOption(["--task-label"], metavar="LABEL...", help="Tasks to use. [default: all]")
    yield ListOption(["--run-label"], metavar="LABEL...", help="Runs to use. [default: all]")
    path = click.Path(path_type=Path)
    yield click.Option(
        ["--bids-filter-file"], type=path, help='pybids filters as JSON, e.g. {"eeg": {"task": "music"}}.'
    )
    yield click.Option(["--bids-database-dir"], type=path, help="Directory of a pybids index to make or reuse.")
    yield click.Option(["--skip-bids-validation"], is_flag=True, help="Do not run the BIDS validator first.")
    yield click.Option(["--stimuli-dir"], type=path, help="Where the audio is. [default: BIDS_DIR/stimuli]")
    yield click.Option(
        ["--stimulus-map"],
        metavar="FILE",
        help="TSV that says which events or recordings mean which audio, or the name of a map that comes with the"
        " program, such as ds003774.",
    )


def execution_options() -> Iterator[click.Option]:
    """Options that change how work is done, but no result."""
    path = click.Path(path_type=Path)
    yield click.Option(["-w", "--work-dir"], type=path, help="Directory for temporary files. [default: the system's]")
    yield click.Option(["--n-procs"], type=click.IntRange(1), help="Processes at once. [default: one per processor]")
    yield click.Option(
        ["--mem-gb"], type=click.FloatRange(0.5), help="Memory to stay within, in GB. [default: what is free]"
    )
    yield click.Option(["--overwrite"], is_flag=True, help="Do finished work again.")
    yield click.Option(["--no-report"], is_flag=True, help="Do not write HTML reports.")
    yield click.Option(["--stop-on-first-crash"], is_flag=True, help="Do not go on after a participant has failed.")
    yield click.Option(["-v", "--verbose"], count=True, help="Say more; with an error, show where it happened.")


def configuration_options() -> Iterator[click.Option]:
    """Options that name whole configurations."""
    path = click.Path(path_type=Path)
    yield click.Option(["--config"], type=path, help="TOML configuration; flags win over it, it wins over the preset.")
    yield click.Option(["--preset"], type=click.Choice(list(PRESETS)), help="Starting point. [default: default]")


def group_options() -> Iterator[click.Option]:
    """Options of the group level that change no result."""
    yield click.Option(["--label"], default="predann", show_default=True, help="Name of this group run.")
    yield click.Option(
        ["--from-model"],
        type=click.Path(path_type=Path),
        help="Evaluate the decoder of another group run (its directory, or a checkpoint) on these derivatives, without"
        " training. Recordings that it was trained on are left out.",
    )
    yield ListOption(
        ["--fold"],
        type=click.IntRange(1),
        metavar="K...",
        help="Do these folds only; the run that finds all folds done pools them. [default: all]",
    )
    accelerators = click.Choice(["auto", "cpu", "gpu", "cuda", "mps", "tpu"])
    yield click.Option(
        ["--accelerator"], type=accelerators, default="auto", show_default=True, help="Passed to Lightning."
    )
    yield click.Option(["--devices"], default="1", show_default=True, help="Passed to Lightning.")
    yield click.Option(
        ["--num-nodes"], type=click.IntRange(1), default=1, show_default=True, help="Passed to Lightning."
    )
    yield click.Option(["--precision"], default="32-true", show_default=True, help="Passed to Lightning.")


def _click_type(annotation: Any) -> click.ParamType[Any]:
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return click.Choice(members)
    if origin in (typing.Union, types.UnionType):
        return click.STRING  # the configuration knows which words and numbers fit
    known: dict[Any, click.ParamType[Any]] = {float: click.FLOAT, int: click.INT}
    return known.get(annotation, click.STRING)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

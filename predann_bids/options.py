"""The options of `predann-bids` as data; `--help`, `boutiques.json` and `docs/options.md` are made from them.

Options that change results are fields of the configuration, and described there; the others are described here.
"""

from __future__ import annotations

import os
import types
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import click
from pydantic.fields import FieldInfo

from predann_bids.command import Groups, ListOption
from predann_bids.config import PRESETS, keys, option_of
from predann_bids.registry import NamedPath, load_plugins
from predann_bids.report.words.decoders import DECODER_WORDS
from predann_bids.report.words.splits import SPLIT_WORDS, TRANSFER

RECORDINGS = "Which recordings"
CONFIGURATION = "Configuration"
PREPROCESSING = "Preprocessing (participant level)"
DECODING = "Training and evaluation (group level)"
RUNNING = "Running"
OTHERS = "Other names of the arguments, and information"


# as Lightning names them, which takes seconds to ask
PRECISIONS = tuple("64-true 32-true 16-mixed bf16-mixed 16-true bf16-true 64 32 16 bf16".split())


class _PathType(click.Path):
    """A path, in which `~` is the home directory also where no shell has seen to it, as in ``--config=~/x.toml``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Take a path as it was typed."""
        path = Path(str(super().convert(value, param, ctx)))
        at_home = (str(value) == "~" or str(value).startswith("~/")) and not os.path.lexists(path)
        return Path(os.path.expanduser(path)) if at_home else path  # noqa: PTH111 - that never raises an error


PATH = _PathType(path_type=Path)


def option_groups() -> Groups:
    """Return all options under their headings, in the order in which help and documents show them."""
    return {
        RECORDINGS: list(selection_options()),
        CONFIGURATION: list(configuration_options()),
        PREPROCESSING: science_options("preprocessing"),
        DECODING: list(group_options()),
        RUNNING: list(running_options()),
        OTHERS: list(argument_options()),
    }


# names that can be typed for each kind of thing
NAMES: Mapping[str, Mapping[str, Any]] = {"split": SPLIT_WORDS, "decoder": DECODER_WORDS}


class NameIn(click.Choice[str]):
    """One of the names in a table of words; those that plugins add are looked for only when a name is not there."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        super().__init__([name for name in table if name != TRANSFER])
        self._table = table

    @property
    def takes_paths(self) -> bool:
        """Whether the path of weights may follow some of the names."""
        return any(getattr(row, "takes_weights", False) for row in self._table.values())

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take a name that is known, or one that a plugin has registered."""
        if value not in self.choices:
            load_plugins()
        name, path = NamedPath.of(str(value))
        if path is not None and getattr(self._table.get(name), "takes_weights", False):
            return str(value)
        return value if value in self._table and value != TRANSFER else super().convert(value, param, ctx)


# -- options that change results ---------------------------------------------------------------------------------------


def science_options(section: str) -> list[click.Option]:
    """Make an option for each field of a section that has a flag, switches last; unset, file or preset decide."""
    fields = {dotted: field for dotted, field in keys().items() if dotted.startswith(f"{section}.")}
    options = [science_option(dotted, field) for dotted, field in fields.items() if option_of(field)]
    return sorted(options, key=lambda option: option.is_flag)


def science_option(dotted: str, field: FieldInfo) -> click.Option:
    """Make the option of a field: a switch for a bool, a list for a tuple, else one value."""
    described: dict[str, Any] = option_of(field)
    names = [described["flag"], parameter_name(dotted)]
    text, metavar = described.get("help") or field.description, described.get("metavar")
    if field.annotation is bool:
        return click.Option(names, is_flag=True, flag_value=not field.default, default=None, type=bool, help=text)
    kind, default = click_type(field), field.default
    if typing.get_origin(field.annotation) is tuple:
        words = " ".join(map(str, default)) or "none"
        return ListOption(names, type=kind, metavar=metavar, help=f"{text} [default: {words}]")
    return click.Option(names, type=kind, metavar=metavar, help=f"{text} [default: {default}]")


def click_type(field: FieldInfo) -> click.ParamType[Any]:
    """Return how the command line reads a value of a field, or an item of it if it is a tuple."""
    kind = field.annotation
    if typing.get_origin(kind) is tuple:
        kind = typing.get_args(kind)[0]
    table = option_of(field).get("table")
    if table:
        return NameIn(NAMES[str(table)])
    if typing.get_origin(kind) is Literal:
        return click.Choice(typing.cast(Sequence[str], typing.get_args(kind)))
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return click.STRING  # the configuration knows which words and numbers fit
    numbers: dict[Any, click.ParamType[Any]] = {float: click.FLOAT, int: click.INT}
    return numbers.get(kind, click.STRING)


def science_flags() -> dict[str, str]:
    """Return the dotted name of the configuration key that each flag sets."""
    return {str(option_of(field)["flag"]): dotted for dotted, field in keys().items() if option_of(field)}


def parameter_name(dotted: str) -> str:
    """Return the name under which click hands on what was typed for a key."""
    return dotted.replace(".", "__")


def typed_science(given: Mapping[str, Any]) -> dict[str, Any]:
    """Gather what was typed of the configuration, by dotted names; a command need not have all of the options."""
    typed = {dotted: given.get(parameter_name(dotted)) for dotted in science_flags().values()}
    return {dotted: value for dotted, value in typed.items() if value is not None and value != ()}


# -- options that do not -----------------------------------------------------------------------------------------------


def selection_options(*, without: Collection[str] = ()) -> Iterator[click.Option]:
    """Options that choose recordings, and say where their music is; `without` leaves some out by their names."""
    options = (
        ListOption(
            ["--participant-label", "--subject-label"],
            metavar="LABEL...",
            may_be_empty=True,
            help="Participants to use, with or without 'sub-'; or a file with one label per line or a column"
            " participant_id. [default: all]",
        ),
        *(
            ListOption(
                [f"--{entity}-label"],
                metavar="LABEL...",
                may_be_empty=True,
                help=f"{entity.capitalize()}s to use. [default: all]",
            )
            for entity in ("session", "task", "run")
        ),
        click.Option(["--stimuli-dir"], type=PATH, help="Directory of the audio files. [default: BIDS_DIR/stimuli]"),
        click.Option(
            ["--stimulus-map"],
            metavar="FILE",
            help="TSV file that says which audio the events or recordings stand for; or the name of a map that comes"
            " with the program, such as ds003774.",
        ),
        click.Option(
            ["--bids-filter-file"], type=PATH, help='JSON file of pybids filters, such as {"eeg": {"task": "music"}}.'
        ),
        click.Option(["--bids-database-dir"], type=PATH, help="Directory of a pybids index to create or reuse."),
        click.Option(["--skip-bids-validation"], is_flag=True, help="Do not run the BIDS validator first."),
    )
    yield from (option for option in options if option.name not in without)


def configuration_options() -> Iterator[click.Option]:
    """Options that name whole configurations."""
    yield click.Option(
        ["--preset"], type=click.Choice(list(PRESETS)), help="Configuration to start from. [default: default]"
    )
    yield click.Option(
        ["--config"], type=PATH, help="TOML configuration file. It overrides the preset, and options override it."
    )


def group_options() -> Iterator[click.Option]:
    """Options of the group level, the name of the run first."""
    yield label_option()
    yield from decoding_options()
    yield ListOption(
        ["--fold"],
        type=click.IntRange(1),
        metavar="K...",
        help="Run only these folds; the run that finds all folds finished pools them. [default: all]",
    )
    yield pool_only_option("folds")
    yield click.Option(
        ["--from-model"],
        type=PATH,
        help="Evaluate the decoder of another group run (its directory, or a checkpoint) on these derivatives, without"
        " training. Recordings that it was trained on are left out.",
    )


def label_option(default: str = "predann", what: str = "group run") -> click.Option:
    """Make the option that names a run."""
    return click.Option(["--label"], default=default, show_default=True, help=f"Name of this {what}.")


def pool_only_option(parts: str) -> click.Option:
    """Make the option to put together what other runs have done."""
    return click.Option(
        ["--pool-only"],
        is_flag=True,
        help=f"Train nothing: pool the {parts} that are there, and fail if any is missing.",
    )


def decoding_options() -> Iterator[click.Option]:
    """Options of the group level that change results."""
    for section in ("splitting", "evaluation", "training", "windows"):
        yield from science_options(section)


def running_options() -> Iterator[click.Option]:
    """Options that change how the work is done, but no result."""
    yield click.Option(["--n-procs"], type=click.IntRange(1), help="Parallel processes. [default: one per processor]")
    yield click.Option(
        ["--mem-gb"], type=click.FloatRange(0.5), help="Memory limit in GB. [default: the memory that is free]"
    )
    yield click.Option(["-w", "--work-dir"], type=PATH, help="Directory for temporary files. [default: the system's]")
    yield click.Option(["--overwrite"], is_flag=True, help="Redo finished work.")
    yield click.Option(["--no-report"], is_flag=True, help="Do not write HTML reports.")
    yield click.Option(
        ["--no-audio-copies"],
        is_flag=True,
        help="Do not put the audio beside the derivatives (participant level). The BIDS validator then misses it, and"
        " the group level takes it from BIDS_DIR/stimuli or --stimuli-dir and compares it with what was used.",
    )
    yield click.Option(["--stop-on-first-crash"], is_flag=True, help="Stop as soon as one participant fails.")
    yield click.Option(
        ["--missing-audio"],
        type=click.Choice(["skip", "fail"]),
        default="skip",
        show_default=True,
        help="What to do with presentations whose audio is missing or cannot be used: leave them out, and list them at"
        " the end, or fail the recording.",
    )
    yield click.Option(["-v", "--verbose"], count=True, help="After an error, also print the traceback.")
    yield click.Option(
        ["--accelerator"],
        type=click.Choice(["auto", "cpu", "gpu", "cuda", "mps", "tpu"]),
        default="auto",
        show_default=True,
        help="Hardware for training, as Lightning names it.",
    )
    yield click.Option(
        ["--devices"],
        default="1",
        show_default=True,
        help="Devices, as Lightning takes them. Several train several decoders at once. When fewer are left than there"
        " are devices, those of preset 'published' divide each batch over several; other networks are too small to gain"
        " from that.",
    )
    yield click.Option(
        ["--num-nodes"], type=click.IntRange(1), default=1, show_default=True, help="Number of nodes, for Lightning."
    )
    yield click.Option(
        ["--precision"],
        type=click.Choice(PRECISIONS),
        default="32-true",
        show_default=True,
        help="Precision of training, as Lightning names it.",
    )


def argument_options() -> Iterator[click.Option]:
    """Options that stand for the arguments, as the BIDS execution specification names them."""
    yield click.Option(["--input-dataset"], type=PATH, help="Same as BIDS_DIR.")
    yield click.Option(["--output-location"], type=PATH, help="Same as OUTPUT_DIR.")
    yield click.Option(["--analysis-level", "level_option"], help="Same as the third argument.")
    yield click.Option(
        ["--bids-exec-spec"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_descriptor,
        help="Print the Boutiques descriptor of this program, as JSON, and exit.",
    )


def _print_descriptor(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        package = Path(__file__).parent
        # in the wheel beside the modules, in a checkout beside the package
        inside, beside = package / "boutiques.json", package.parent / "boutiques.json"
        click.echo((inside if inside.is_file() else beside).read_text("utf-8"), nl=False)
        context.exit()

"""Commands that are typed like those of every BIDS App: lists without repeated flags, options in groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

Groups = Mapping[str, Sequence[click.Option]]  # heading to options, in the order in which they are shown
Records = Sequence[tuple[str, str]]  # of each option what is typed, and what it does
# the options that stand for an argument are those of the BIDS execution specification
PLACES = {"BIDS_DIR": ("bids_dir", "input_dataset"), "OUTPUT_DIR": ("output_dir", "output_location")}
SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class ListOption(click.Option):
    """An option that takes all the values up to the next option, as users of BIDS Apps type them.

    Parameters
    ----------
    names : sequence of str
        As `click.Option` takes them.
    may_be_empty : bool
        Hand on one empty value if there is none, as a script with an empty list types it.
    **settings
        As `click.Option` takes them.
    """

    def __init__(self, names: Sequence[str], *, may_be_empty: bool = False, **settings: Any) -> None:
        super().__init__(names, multiple=True, **settings)
        self.may_be_empty = may_be_empty


class WrittenHelp(click.Command):
    """The help text of a command, without the modules that its options come from.

    Parameters
    ----------
    name : str
        What is typed first.
    written : mapping
        As `BidsAppCommand.write_help` returns it.
    """

    def __init__(self, name: str, written: Mapping[str, Any]) -> None:
        super().__init__(name, help=written["help"], epilog=written["epilog"], context_settings=SETTINGS)
        self.usage = written["usage"]
        self.groups = {
            heading: [(typed, does) for typed, does in group] for heading, group in written["groups"].items()
        }

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Show the arguments as they were written."""
        return [self.usage, "[OPTIONS]"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write each group under its heading."""
        write_groups(self.groups, formatter)


class BidsAppCommand(click.Command):
    """A command that is typed like a BIDS App.

    Parameters
    ----------
    name : str
        What is typed first.
    usage : str
        Arguments as the usage line shows them.
    arguments : sequence of click.Argument
        Positional arguments.
    groups : mapping of str to sequence of click.Option
        Options under their headings, in the order of the help text; `--help` joins the last.
    **settings
        As `click.Command` takes them.
    """

    def __init__(
        self, name: str, *, usage: str, arguments: Sequence[click.Argument], groups: Groups, **settings: Any
    ) -> None:
        self.usage, self.groups = usage, groups
        params = [*arguments, *chain.from_iterable(groups.values())]
        super().__init__(name, params=params, context_settings=SETTINGS, **settings)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Rewrite lists and underscores before click parses."""
        lists = [option for option in self.params if isinstance(option, ListOption)]
        flags = frozenset(name for option in lists for name in option.opts)
        emptiable = frozenset(name for option in lists if option.may_be_empty for name in option.opts)
        return super().parse_args(ctx, expand_arguments(args, flags, emptiable))

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Show arguments as required even if options may stand for them."""
        return [self.usage, "[OPTIONS]"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group under its heading."""
        write_groups(self.records(ctx), formatter)

    def records(self, ctx: click.Context) -> dict[str, Records]:
        """Return what is shown of each option, under the headings."""
        shown = {
            heading: [option.get_help_record(ctx) for option in options]
            for heading, options in self.grouped(ctx).items()
        }
        return {heading: [record for record in records if record] for heading, records in shown.items()}

    def write_help(self) -> dict[str, Any]:
        """Return the help text as plain values, for `WrittenHelp`."""
        context = click.Context(self, info_name=self.name, **SETTINGS)
        return {"usage": self.usage, "help": self.help, "groups": self.records(context), "epilog": self.epilog}

    def grouped(self, ctx: click.Context) -> Groups:
        """Return the groups; options in none of them, such as `--help`, which click adds by itself, join the last."""
        *others, (last, options) = self.groups.items()
        known = set(chain.from_iterable(self.groups.values()))
        rest = [one for one in self.get_params(ctx) if isinstance(one, click.Option) and one not in known]
        return {**dict(others), last: [*options, *rest]}


def write_groups(groups: Mapping[str, Records], formatter: click.HelpFormatter) -> None:
    """Write what is shown of options, each group under its heading."""
    for heading, records in groups.items():
        with formatter.section(heading):
            formatter.write_dl(records)


def expand_arguments(
    arguments: Sequence[str], list_flags: frozenset[str], emptiable: frozenset[str] = frozenset()
) -> list[str]:
    """Rewrite a command line so that click can parse it.

    Underscores in option names become hyphens (`--participant_label`), and a list option is repeated for each of its
    values (``--participant-label 01 02`` becomes ``--participant-label 01 --participant-label 02``). One without any
    is given an empty value if it may be empty; click says of all others that they lack one.
    """
    expanded: list[str] = []
    current, is_empty = "", False  # the list option whose values are being read, and whether it has none yet
    for position, argument in enumerate(arguments):
        if argument == "--":
            return [*expanded, *arguments[position:]]
        if argument.startswith("--"):
            name, equals, value = argument.partition("=")
            argument = name.replace("_", "-") + equals + value
        if argument.startswith("-") and not _is_number(argument):
            if is_empty:
                expanded += _without_values(current, emptiable)
            current, is_empty = (argument, True) if argument in list_flags else ("", False)
            if not current:
                expanded.append(argument)
        elif current:
            expanded += [current, argument]
            is_empty = False
        else:
            expanded.append(argument)
    return [*expanded, *_without_values(current, emptiable)] if is_empty else expanded


def _without_values(flag: str, emptiable: frozenset[str]) -> list[str]:
    return [flag, ""] if flag in emptiable else [flag]


def typed_command(context: click.Context | None) -> tuple[str, ...]:
    """Return the command line without places on this machine, for the record of a run.

    Arguments keep their names. A path in BIDS_DIR or OUTPUT_DIR is written relative to it, and of another only the last
    part remains.

    Parameters
    ----------
    context : click.Context, optional
        Of the command that is running; without one, nothing was typed.

    Returns
    -------
    tuple of str
        Words that a shell would take.
    """
    if context is None:
        return ()
    places = {
        name: Path(context.params[key]).absolute()
        for name, keys in PLACES.items()
        for key in keys
        if context.params.get(key)
    }
    words = [*context.command_path.split(), *(name for name in PLACES if name in places)]
    level = context.params.get("analysis_level") or context.params.get("level_option")
    words += [level] if level else []
    for option in context.command.params:
        if isinstance(option, click.Option) and _was_typed(option, context):
            words += _as_typed(option, context.params[str(option.name)], places)
    return tuple(words)


def _was_typed(option: click.Option, context: click.Context) -> bool:
    stands_for_argument = option.name in (*chain.from_iterable(PLACES.values()), "level_option")
    is_typed = context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE
    return is_typed and option.name in context.params and not stands_for_argument


def _as_typed(option: click.Option, value: Any, places: Mapping[str, Path]) -> list[str]:
    name = max(option.opts, key=len)
    if option.is_flag:
        return [name]
    if option.count:
        return [name] * int(value)
    values = value if isinstance(value, (list, tuple)) else [value]
    return [name, *(_without_place(one, places) for one in values)]


def _without_place(value: Any, places: Mapping[str, Path]) -> str:
    text = str(value)
    if not isinstance(value, Path) and "/" not in text:
        return text
    path = Path(text).absolute()
    inside = next((name for name, place in places.items() if path.is_relative_to(place)), None)
    return f"{inside}/{path.relative_to(places[inside]).as_posix()}" if inside else path.name


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

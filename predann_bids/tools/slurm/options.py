"""Hand options of the levels on to the jobs, as they were typed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from predann_bids.options import (
    CONFIGURATION,
    DECODING,
    PATH,
    PREPROCESSING,
    RECORDINGS,
    RUNNING,
    configuration_options,
    group_options,
    running_options,
    science_options,
    selection_options,
)

# what the jobs say by themselves
OWN = frozenset({"participant_label", "skip_bids_validation", "label", "fold", "pool_only", "n_procs", "mem_gb"})
UNUSED = frozenset({"num_nodes", "devices", "overwrite", "verbose", "fold", "pool_only", "n_procs", "mem_gb"})
WRITTEN_TO = frozenset({"work_dir", "bids_database_dir"})
LEVELS = {
    "participant": (RECORDINGS, CONFIGURATION, PREPROCESSING, RUNNING),
    "group": (RECORDINGS, CONFIGURATION, DECODING, RUNNING),
}
NOT_OF_GROUP = frozenset({"stimulus_map", "bids_database_dir"})  # what a run would not look at, and a sweep not know


def level_options() -> dict[str, list[click.Option]]:
    """Return the options of the levels under their headings, but for those that make no sense for jobs."""
    groups = {
        RECORDINGS: selection_options(),
        CONFIGURATION: configuration_options(),
        PREPROCESSING: science_options("preprocessing"),
        DECODING: group_options(),
        RUNNING: running_options(),
    }
    return {heading: [one for one in options if one.name not in UNUSED] for heading, options in groups.items()}


def typed_words(context: click.Context, level: str) -> tuple[str, ...]:
    """Return the options of a level that were typed, a word for each value, with absolute paths."""
    without = OWN | (NOT_OF_GROUP if level == "group" else frozenset())
    words = ["--skip-bids-validation"]  # it is done once, before
    for heading in LEVELS[level]:
        for option in _typed(context, heading, without):
            words += _words(option, context.params[str(option.name)])
    return tuple(words)


def typed_paths(context: click.Context) -> dict[str, list[Path]]:
    """Return the paths that were typed, those that are `read` and those that are `written` to."""
    found: dict[str, list[Path]] = {"read": [], "written": []}
    for heading in level_options():
        for option in _typed(context, heading, frozenset({"participant_label"})):
            path = as_path(option, context.params[str(option.name)])
            if path:
                found["written" if option.name in WRITTEN_TO else "read"].append(path)
    return found


def as_path(option: click.Option, value: Any) -> Path | None:
    """Return the path that an option means; None if it means none."""
    if option.type is PATH:
        return Path(value).absolute()
    is_map = option.name == "stimulus_map" and Path(str(value)).is_file()  # else it is a map of the program
    return Path(str(value)).absolute() if is_map else None


def _typed(context: click.Context, heading: str, without: Collection[str]) -> Iterator[click.Option]:
    names = {option.name for option in level_options()[heading]} - set(without)
    for option in context.command.params:
        name = str(option.name)
        was_typed = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if isinstance(option, click.Option) and name in names and was_typed:
            yield option


def _words(option: click.Option, value: Any) -> list[str]:
    flag = max(option.opts, key=len)
    if option.is_flag:
        return [flag]
    values = value if isinstance(value, tuple) else (value,)
    return [f"{flag}={as_path(option, one) or one}" for one in values]

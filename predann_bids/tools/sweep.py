"""`predann-tools sweep`: parse what to vary, refuse what does not fit before anything is trained, and run it."""

from __future__ import annotations

import difflib
import itertools
import math
import typing
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predann_bids.cli import execution_of, selection_of
from predann_bids.command import BidsAppCommand, ListOption
from predann_bids.config import Preset, Science, keys, resolve
from predann_bids.errors import WrongUsage
from predann_bids.options import (
    CONFIGURATION,
    DECODING,
    PATH,
    RECORDINGS,
    RUNNING,
    configuration_options,
    decoding_options,
    label_option,
    pool_only_option,
    running_options,
    science_flags,
    selection_options,
    typed_science,
)

if TYPE_CHECKING:
    from predann_bids.workflows.sweep.points import Sweep

MOST_POINTS = 1000
EPILOG = """\b
Examples:
  predann-tools sweep BIDS_DIR OUT --vary predann-weight=0,0.05,1,3
  predann-tools sweep BIDS_DIR OUT --label delays --vary delay=0,0.1,0.2,0.3 seed=0,1,2,42
  predann-tools sweep BIDS_DIR OUT --label splits --vary split=participant,stimulus,chunk
  predann-tools sweep BIDS_DIR OUT --label context --vary audio-context=0,5,8 --split chunk --n-procs 4

\b
KEY is a key of the configuration (windows.delay), its last part (delay) or its
option (--delay). Join the items of a list with '+' (3+5).

\b
Exit codes: 0 done; 1 some points failed; 64 wrong usage; 75 other processes are
still working on some points; others as predann-bids.
"""
HELP = """\
Run the group level at each point of a grid of configurations, and tabulate the results.

Each point is a group run of its own, OUTPUT_DIR/group/LABEL_POINT. The results of all points are in
OUTPUT_DIR/group/LABEL: sweep.tsv and sweep.html. Run the same command again to continue where it stopped. The other
options are those of predann-bids and hold for all points.
"""


class SweepCommand(BidsAppCommand):
    """A command in which a key may follow `--vary` with its hyphens: `--vary --delay=0,0.2`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remove the hyphens of a key right after `--vary`."""
        pairs = zip(["", *args], args, strict=False)
        plain = [word.lstrip("-") if before == "--vary" and "=" in word else word for before, word in pairs]
        return super().parse_args(ctx, plain)


def make_command() -> click.Command:
    """Build the command; apart from the grid, its options are those of `predann-bids`."""
    vary = ListOption(
        ["--vary"],
        required=True,
        metavar="KEY=V1,V2,...",
        help="A key to vary, and its values; several keys make a grid of all combinations.",
    )
    return SweepCommand(
        "sweep",
        usage="BIDS_DIR OUTPUT_DIR --vary KEY=V1,V2,...",
        arguments=[click.Argument(["bids_dir"], type=PATH), click.Argument(["output_dir"], type=PATH)],
        groups={
            "Grid": [vary, label_option("sweep", "sweep"), point_option(), pool_only_option("points")],
            RECORDINGS: list(selection_options(without={"stimulus_map"})),
            CONFIGURATION: list(configuration_options()),
            DECODING: list(decoding_options()),
            RUNNING: list(running_options()),
        },
        callback=run_command,
        help=HELP,
        short_help="Run the group level over a grid of configurations.",
        epilog=EPILOG,
    )


def point_option() -> click.Option:
    """Make the option that chooses points by their numbers."""
    return ListOption(
        ["--point"],
        type=click.IntRange(1),
        metavar="K...",
        help="Run only these points, by their numbers. [default: all]",
    )


def run_command(**given: Any) -> None:
    """Run a sweep as it was typed."""
    sweep = make_sweep(
        given["vary"], label=given["label"], flags=typed_science(given), preset=given["preset"], file=given["config"]
    )
    selection = selection_of(given)
    from predann_bids.workflows.scratch import temporary_files_in
    from predann_bids.workflows.sweep.level import raise_failures, run_sweep, summarise

    execution = execution_of(given)
    with temporary_files_in(execution.work_dir, given["output_dir"]):
        outcome = run_sweep(
            sweep,
            given["bids_dir"],
            given["output_dir"],
            selection=selection,
            stimuli_dir=given["stimuli_dir"],
            execution=execution,
            validate=not given["skip_bids_validation"],
            only=given["point"],
        )
    if outcome.results:
        summarise(sweep, outcome)
    raise_failures(sweep, outcome)


# -- the grid ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Key:
    """A key of the configuration, by its dotted name and by the name that tables and directories show."""

    dotted: str
    short: str
    is_list: bool

    @property
    def is_participant_level(self) -> bool:
        return self.dotted.startswith("preprocessing.")


def make_sweep(
    vary: Sequence[str],
    *,
    label: str = "sweep",
    flags: Mapping[str, Any] | None = None,
    preset: Preset | None = None,
    file: Path | None = None,
) -> Sweep:
    """Make the grid, and resolve the configuration of each point.

    Parameters
    ----------
    vary : sequence of str
        ``KEY=VALUE,VALUE,...``
    label : str
        Name of the sweep.
    flags, preset, file
        As in `config.resolve`; the same for all points.

    Raises
    ------
    WrongUsage
        A key is unknown or belongs to the participant level, a value does not fit, or two points are identical.
    """
    from predann_bids.workflows.sweep.points import Sweep

    typed, flags = _typed(vary), flags or {}
    twice = next((key.dotted for key in typed if key.dotted in flags or (preset and key.dotted == "preset")), None)
    if twice:
        raise WrongUsage(f"{twice} is both varied and set by an option. Leave out one of them.")
    sciences = []
    for words in itertools.product(*typed.values()):
        chosen = {k.dotted: tuple(w.split("+")) if k.is_list else w for k, w in zip(typed, words, strict=True)}
        own: Any = chosen.pop("preset", preset)
        sciences.append(resolve(preset=own, file=file, flags={**flags, **chosen}))
    return Sweep.of(label, {key.dotted: key.short for key in typed}, sciences)


def _typed(vary: Sequence[str]) -> dict[_Key, list[str]]:
    typed: dict[_Key, list[str]] = {}
    for text in vary:
        name, equals, values = text.partition("=")
        words = [word.strip() for word in values.split(",")]
        if not equals or not all(words):
            raise WrongUsage(f"--vary '{text}' is not KEY=VALUE,VALUE,..., such as delay=0,0.1,0.2.")
        key = _find(name)
        if key in typed:
            raise WrongUsage(f"--vary: {key.dotted} is given twice. Give all its values at once.")
        typed[key] = words
    number = math.prod(map(len, typed.values()))
    if number > MOST_POINTS:
        raise WrongUsage(f"--vary makes a grid of {number} points, more than {MOST_POINTS}. Make several sweeps of it.")
    return typed


def _find(typed: str) -> _Key:
    spellings = _spellings()
    plain = typed.lstrip("-").replace("-", "_")
    if plain not in spellings:
        raise WrongUsage(f"--vary: unknown key '{typed}'. {_nearest(plain, spellings)}")
    key = spellings[plain]
    if key.is_participant_level:
        flag = next((flag for flag, dotted in science_flags().items() if dotted == key.dotted), "--config")
        raise WrongUsage(
            f"--vary: {key.dotted} belongs to the participant level and cannot be varied here. Run predann-bids with"
            f" {flag} at the participant level once for each value, each time with an OUTPUT_DIR of its own, and then a"
            " group run or a sweep in each."
        )
    return key


def _nearest(plain: str, spellings: Mapping[str, _Key]) -> str:
    close = difflib.get_close_matches(plain, spellings, n=1)
    if close:
        return f"Did you mean '{spellings[close[0]].dotted}'?"
    return f"Known: {', '.join(dict.fromkeys(k.dotted for k in spellings.values() if not k.is_participant_level))}."


def _spellings() -> dict[str, _Key]:
    """Return every key by its last part if that is unique, by its option if that takes a value, and by its name."""
    kinds = {"preset": Science.model_fields["preset"].annotation}
    kinds |= {dotted: field.annotation for dotted, field in keys().items()}
    last = {dotted: dotted.rpartition(".")[2] for dotted in kinds}
    options = {
        dotted: flag.removeprefix("--").replace("-", "_")
        for flag, dotted in science_flags().items()
        if kinds[dotted] is not bool
    }
    # names of points and of their directories are made of these; that of a list is the key's own
    short = last | {dotted: name for dotted, name in options.items() if not _is_list(kinds[dotted])}
    unique, unique_last = _unique(short), _unique(last)
    every = {dotted: _Key(dotted, unique.get(dotted, dotted), _is_list(kind)) for dotted, kind in kinds.items()}
    by_last = {name: every[dotted] for dotted, name in unique_last.items()}
    by_option = {name: every[dotted] for dotted, name in options.items()}
    return by_last | by_option | every


def _is_list(kind: Any) -> bool:
    return typing.get_origin(kind) is tuple


def _unique(names: Mapping[str, str]) -> dict[str, str]:
    times = Counter(names.values())
    return {dotted: name for dotted, name in names.items() if times[name] == 1}

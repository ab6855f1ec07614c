"""`predann-tools sweep`: read what to vary, refuse what does not fit before anything is trained, run, tell."""

from __future__ import annotations

import difflib
import itertools
import math
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predann_bids.cli import BidsAppCommand, execution_of, flags_of, selection_of
from predann_bids.config import Preset, Science, Section, resolve
from predann_bids.errors import WrongUsage
from predann_bids.options import (
    SCIENCE_FLAGS,
    ListOption,
    configuration_options,
    execution_options,
    group_options,
    science_options,
    selection_options,
)

if TYPE_CHECKING:
    from predann_bids.workflows.sweep.grid import Sweep

NOT_HERE = frozenset(("label", "from_model", "fold", "stimulus_map"))
MOST_POINTS = 1000
EPILOG = """\b
Examples:
  predann-tools sweep BIDS_DIR OUT --vary predann-weight=0,0.05,1,3
  predann-tools sweep BIDS_DIR OUT --label delays --vary delay=0,0.1,0.2,0.3 seed=0,1,2,42
  predann-tools sweep BIDS_DIR OUT --label splits --vary split=participant,stimulus,chunk
  predann-tools sweep BIDS_DIR OUT --label context --vary audio-context=0,5,8 --split chunk --n-procs 4

\b
KEY is a name of the configuration (windows.delay), its last part (delay) or an
option (--delay); a value that is a list is joined by '+' (3+5).

\b
Exit codes: 0 done; 1 some points failed; 64 wrong usage; 75 other processes are
still busy with some points; others as predann-bids.
"""


class SweepCommand(BidsAppCommand):
    """A command that also takes `--vary --delay=0,0.2`, spelt as on the command line of the program."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Show the arguments."""
        return ["BIDS_DIR", "OUTPUT_DIR", "--vary KEY=V1,V2,...", "[OPTIONS]"]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Let a key stand with its hyphens right after `--vary`."""
        first = zip(["", *args], [*args, ""], strict=True)
        plain = [word.lstrip("-") if before == "--vary" and "=" in word else word for before, word in first]
        return super().parse_args(ctx, plain[:-1])


def make_command() -> click.Command:
    """Build the command from the table of options of the program."""
    path = click.Path(path_type=Path)
    shared = (*selection_options(), *configuration_options(), *science_options(), *group_options())
    options = [
        option
        for option in (*shared, *execution_options())
        if option.name not in NOT_HERE and not str(option.name).startswith("preprocessing__")
    ]
    return SweepCommand(
        "sweep",
        callback=run_command,
        params=[
            click.Argument(["bids_dir"], type=path),
            click.Argument(["output_dir"], type=path),
            ListOption(
                ["--vary"],
                required=True,
                metavar="KEY=V1,V2,...",
                help="What to vary, and its values; several make a grid of all combinations.",
            ),
            click.Option(["--label"], default="sweep", show_default=True, help="Name of this sweep."),
            *options,
        ],
        help=(
            "Run the group level for each point of a grid of configurations, and tabulate what comes of it.\n\nEach"
            " point is a group run of its own, OUTPUT_DIR/group/LABEL_POINT; all together are in"
            " OUTPUT_DIR/group/LABEL: sweep.tsv and sweep.html. The same command goes on where it was stopped; all"
            " other options are those of predann-bids and hold for all points."
        ),
        epilog=EPILOG,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def run_command(**given: Any) -> None:
    """Run a sweep with what was typed."""
    sweep = make_sweep(
        given["vary"], label=given["label"], flags=flags_of(given), preset=given["preset"], file=given["config"]
    )
    selection = selection_of(given)
    from predann_bids.workflows.sweep.level import raise_failures, run_sweep, summarise

    outcome = run_sweep(
        sweep,
        given["bids_dir"],
        given["output_dir"],
        selection=selection,
        stimuli_dir=given["stimuli_dir"],
        execution=execution_of(given),
        validate=not given["skip_bids_validation"],
    )
    if outcome.results:
        summarise(sweep, outcome)
    raise_failures(sweep, outcome)


# -- the grid ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Key:
    """A key of the configuration, as it is typed and shown."""

    dotted: str
    short: str
    is_list: bool


def make_sweep(
    vary: Sequence[str],
    *,
    label: str = "sweep",
    flags: Mapping[str, Any] | None = None,
    preset: Preset | None = None,
    file: Path | None = None,
) -> Sweep:
    """Make the grid, and resolve the configuration of each of its points.

    Parameters
    ----------
    vary : sequence of str
        ``KEY=VALUE,VALUE,...``
    label : str
        Name of the sweep.
    flags, preset, file
        As in `config.resolve`; they hold for all points.

    Raises
    ------
    WrongUsage
        A key is unknown or belongs to the participant level, a value does not fit, or two points are the same.
    """
    from predann_bids.workflows.sweep.grid import Sweep

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
    keys = _keys()
    last = [key.dotted.rpartition(".")[2] for key in keys]
    spellings = {end: key for end, key in zip(last, keys, strict=True) if last.count(end) == 1}
    spellings |= {key.short: key for key in keys} | {key.dotted: key for key in keys}
    spellings["also_split"] = spellings["evaluation.also_splits"]
    plain = typed.lstrip("-").replace("-", "_")
    if plain not in spellings:
        close = difflib.get_close_matches(plain, spellings, n=1)
        known = ", ".join(key.dotted for key in keys if not _is_participant_level(key))
        nearest = f"Did you mean '{spellings[close[0]].dotted}'?" if close else f"Known: {known}."
        raise WrongUsage(f"--vary: unknown key '{typed}'. {nearest}")
    key = spellings[plain]
    if _is_participant_level(key):
        flag = next((flag for flag, dotted in SCIENCE_FLAGS.items() if dotted == key.dotted), "--config")
        raise WrongUsage(
            f"--vary: {key.dotted} belongs to the participant level and cannot be varied here. Run predann-bids with"
            f" {flag} at the participant level once for each value, each time into an OUTPUT_DIR of its own, and then a"
            " group run or a sweep on each."
        )
    return key


def _keys() -> list[_Key]:
    """List all keys of the configuration, the short name being that of the option where there is one."""
    annotations: dict[str, Any] = {}
    for section, field in Science.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            annotations |= {f"{section}.{key}": inner.annotation for key, inner in kind.model_fields.items()}
        else:
            annotations[section] = kind
    short = {dotted: dotted.rpartition(".")[2] for dotted in annotations}
    short |= {dotted: flag.removeprefix("--").replace("-", "_") for flag, dotted in SCIENCE_FLAGS.items()}
    used = list(short.values())
    return [
        _Key(dotted, short[dotted] if used.count(short[dotted]) == 1 else dotted, typing.get_origin(kind) is tuple)
        for dotted, kind in annotations.items()
    ]


def _is_participant_level(key: _Key) -> bool:
    return key.dotted.startswith("preprocessing.")

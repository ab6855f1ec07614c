"""Describe the command line for machines and for readers.

Run `python -m predann_bids.tools.descriptor` in the root of the repository after any change of an option: it writes
`boutiques.json`, the Boutiques descriptor (schema 0.5) by which platforms such as CBRAIN offer a tool, and
`docs/options.md`, the table of all options. Nothing is said here about an option that its own help does not say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from predann_bids import __version__
from predann_bids.cli import LEVELS, make_command
from predann_bids.config import Science, Section
from predann_bids.errors import PredannError
from predann_bids.options import (
    OFF_SWITCHES,
    SCIENCE_FLAGS,
    ListOption,
    configuration_options,
    execution_options,
    group_options,
    science_options,
    selection_options,
)

NAME = "PredANN-BIDS"
# keys in the configuration, including those of flags that switch one off
TOML_KEYS = (
    SCIENCE_FLAGS
    | {flag: dotted for flag, (dotted, _) in OFF_SWITCHES.items()}
    | {"--also-split": "evaluation.also_splits"}
)
# these stand for the three arguments, which the descriptor has already
STAND_INS = frozenset({"--input-dataset", "--output-location", "--analysis-level"})
# directories that are made if they are not there; the descriptor's `File` means something that is
MAY_BE_MADE = frozenset({"--bids-database-dir", "--work-dir"})
DEFAULT_IN_HELP = re.compile(r"\s*\[default: (?P<default>.*)\]$", re.DOTALL)

SECTIONS: dict[str, Callable[[], Iterator[click.Option]]] = {
    "Which recordings": selection_options,
    "Whole configurations": configuration_options,
    "What changes results": science_options,
    "The group level": group_options,
    "How work is done": execution_options,
}
OTHERS = "Other names of the arguments, and information"


def boutiques_descriptor() -> dict[str, Any]:
    """Build the Boutiques descriptor of `predann-bids`.

    Options have no `default-value`: Boutiques would put it on every command line, where it would win over the
    configuration file. Their descriptions name the defaults.
    """
    command = make_command()
    inputs = [*_arguments(), *(_option_input(option) for option in _offered(command))]
    return {
        "name": NAME,
        "tool-version": __version__,
        "description": " ".join((command.help or "").split()),
        "author": "The PredANN-BIDS developers",
        "schema-version": "0.5",
        "command-line": " ".join(["predann-bids", *(given["value-key"] for given in inputs)]),
        "container-image": {"type": "docker", "image": f"predann-bids:{__version__}"},
        "inputs": inputs,
        "output-files": [
            {
                "id": "derivatives",
                "name": "Derivatives",
                "description": "A BIDS derivative dataset; the group level writes to group/NAME in it.",
                "path-template": "[OUTPUT_DIR]",
            }
        ],
        "error-codes": _error_codes(),
        "tags": {"application-type": "bids", "domain": ["neuroinformatics", "eeg", "music", "decoding"]},
    }


def options_markdown() -> str:
    """Write the tables of all options, in the sections of `--help`'s order."""
    command = make_command()
    context = command.make_context(command.name, [], resilient_parsing=True)
    named = {name: {option.name for option in options()} for name, options in SECTIONS.items()}
    parts = [
        "# Options",
        "`predann-bids BIDS_DIR OUTPUT_DIR {participant,group} [OPTIONS]`",
        "Underscores and hyphens are the same in the names of options. An option whose value ends in `...` takes all"
        " words up to the next option. What changes results can also stand in a TOML file (`--config`): the key"
        " `windows.delay` is `delay` in the table `[windows]`. The command line wins over the file, the file over the"
        " preset.",
    ]
    for section in [*SECTIONS, OTHERS]:
        options = [
            option
            for option in command.get_params(context)
            if isinstance(option, click.Option) and _section_of(option, named) == section
        ]
        parts += [f"## {section}", _options_table(options, context)]
    parts += ["## Only in the configuration file", _table(("TOML key", "meaning", "default"), _keys_without_option())]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Write both files into the current directory."""
    descriptor = json.dumps(boutiques_descriptor(), indent=2, ensure_ascii=False)
    Path("boutiques.json").write_text(descriptor + "\n", encoding="utf-8")
    Path("docs").mkdir(exist_ok=True)
    Path("docs/options.md").write_text(options_markdown(), encoding="utf-8")


def _arguments() -> list[dict[str, Any]]:
    levels = "'participant' preprocesses recordings; 'group' trains and evaluates a decoder on the result."
    described: dict[str, dict[str, Any]] = {
        "bids_dir": {"type": "File", "description": "The BIDS dataset with EEG."},
        "output_dir": {"type": "String", "description": "Directory of the derivatives; made if it is not there."},
        "analysis_level": {"type": "String", "description": levels, "value-choices": list(LEVELS)},
    }
    return [
        {"id": name, "name": name.upper(), **more, "value-key": f"[{name.upper()}]", "optional": False}
        for name, more in described.items()
    ]


def _offered(command: click.Command) -> Iterator[click.Option]:
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.is_eager and _flag(parameter) not in STAND_INS:
            yield parameter


def _option_input(option: click.Option) -> dict[str, Any]:
    flag = _flag(option)
    text, default = _help_and_default(option)
    identifier = flag.removeprefix("--").replace("-", "_")
    described = {
        "id": identifier,
        "name": flag,
        "description": f"{text} [default: {default}]" if default else text,
        "value-key": f"[{identifier.upper()}]",
        "command-line-flag": flag,
        "optional": True,
    }
    if isinstance(option, ListOption):
        described |= {"list": True, "list-separator": " ", "min-list-entries": 1}
    return described | _kind(option)


def _kind(option: click.Option) -> dict[str, Any]:
    kind = option.type
    if option.is_flag or option.count:
        return {"type": "Flag"}
    if isinstance(kind, click.Choice):
        return {"type": "String", "value-choices": list(kind.choices)}
    if isinstance(kind, click.Path):
        return {"type": "String" if _flag(option) in MAY_BE_MADE else "File"}
    if isinstance(kind, click.types.IntParamType | click.types.FloatParamType):
        whole = {"integer": True} if isinstance(kind, click.types.IntParamType) else {}
        lowest = getattr(kind, "min", None)
        return {"type": "Number", **whole, **({} if lowest is None else {"minimum": lowest})}
    return {"type": "String"}


def _error_codes() -> list[dict[str, Any]]:
    """Codes of the exception tree, each with the first sentence of the error's description."""
    kinds = sorted(PredannError.__subclasses__(), key=lambda kind: kind.exit_code)
    return [{"code": kind.exit_code, "description": (kind.__doc__ or "").split("\n\n")[0].strip()} for kind in kinds]


def _section_of(option: click.Option, named: dict[str, set[str]]) -> str:
    return next((section for section, names in named.items() if option.name in names), OTHERS)


def _options_table(options: Iterable[click.Option], context: click.Context) -> str:
    rows = [_row(option, context) for option in options]
    titles = ("option", "meaning", "default", "TOML key")
    used = [column for column in range(len(titles)) if any(row[column] for row in rows)]
    return _table([titles[column] for column in used], ([row[column] for column in used] for row in rows))


def _row(option: click.Option, context: click.Context) -> tuple[str, str, str, str]:
    value = "" if option.is_flag or option.count else f" {option.make_metavar(context).removesuffix(' RANGE')}"
    text, default = _help_and_default(option)
    key = TOML_KEYS.get(_flag(option), "")
    return ", ".join(f"`{name}{value}`" for name in option.opts), text, default, f"`{key}`" if key else ""


def _keys_without_option() -> Iterator[tuple[str, str, str]]:
    for name, section in Science.model_fields.items():
        kind = section.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            for key, field in kind.model_fields.items():
                if f"{name}.{key}" not in TOML_KEYS.values():
                    yield f"`{name}.{key}`", field.description or "", json.dumps(field.default)


def _help_and_default(option: click.Option) -> tuple[str, str]:
    text = option.help or ""
    stated = DEFAULT_IN_HELP.search(text)
    if stated:
        return text[: stated.start()], stated["default"]
    return text, str(option.default) if option.show_default else ""


def _flag(option: click.Option) -> str:
    return next(name for name in option.opts if name.startswith("--"))


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(titles)
    lines = [titles, ["---"] * len(titles), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()

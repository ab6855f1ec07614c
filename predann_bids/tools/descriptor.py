"""Describe the command line for machines and for readers.

Run `python -m predann_bids.tools.descriptor` in the root of the repository after any change to an option. It writes
`boutiques.json`, the Boutiques descriptor (schema 0.5) by which platforms such as CBRAIN offer a tool, a copy of it in
`runners/nipoppy/`, as nipoppy follows no links, `docs/options.md`, the tables of all options, and
`predann_bids/help.json`, the help text. They take what they say from the options' own help texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from predann_bids import __version__
from predann_bids.bids.derivatives import BIDS_VERSION
from predann_bids.cli import LEVELS, USAGE, make_command
from predann_bids.command import ListOption
from predann_bids.config import keys
from predann_bids.errors import PredannError
from predann_bids.options import OTHERS, NameIn, option_groups, science_flags

NAME = "PredANN-BIDS"
NO_INVOCATIONS = 19  # of the BIDS execution specification
# directories that are created if they do not exist; the descriptor's `File` means something that exists
CREATED = frozenset({"--bids-database-dir", "--work-dir"})
DEFAULT_IN_HELP = re.compile(r"\s*\[default: (?P<default>.*)\]$", re.DOTALL)


def boutiques_descriptor() -> dict[str, Any]:
    """Build the Boutiques descriptor of `predann-bids`.

    Options have no `default-value`: Boutiques would put it on every command line, where it would win over the
    configuration file. Their descriptions name the defaults.
    """
    command = make_command()
    groups = {heading: options for heading, options in option_groups().items() if heading != OTHERS}
    members = {heading: [_option_input(option) for option in options] for heading, options in groups.items()}
    inputs = [*_arguments(), *(given for group in members.values() for given in group)]
    return {
        "name": NAME,
        "tool-version": __version__,
        "description": " ".join((command.help or "").split()),
        "author": "The PredANN-BIDS developers",
        "schema-version": "0.5",
        "shell": "/bin/bash",  # a login shell of /bin/sh would reset PATH in the container
        "command-line": " ".join(["predann-bids", *(given["value-key"] for given in inputs)]),
        "container-image": {"type": "docker", "image": f"predann-bids:{__version__}"},
        "inputs": inputs,
        "groups": [_group(heading, group) for heading, group in members.items()],
        "output-files": _output_files(),
        "error-codes": _error_codes(),
        "suggested-resources": {"cpu-cores": 4, "ram": 8, "walltime-estimate": 7200},
        "custom": {"BIDSAppSpecVersion": "0.1.0.dev", "OutputDataSpecification": [f"BIDS-{BIDS_VERSION}"]},
        "tags": {"application-type": "bids", "domain": ["neuroinformatics", "eeg", "music", "decoding"]},
    }


def options_markdown() -> str:
    """Write the tables of all options, with the headings and in the order of `--help`."""
    command = make_command()
    context = command.make_context(command.name, [], resilient_parsing=True)
    parts = [
        "# Options",
        f"`predann-bids {USAGE} [OPTIONS]`",
        "Option names may be typed with underscores or hyphens. An option whose value ends in `...` takes all words up"
        " to the next option. Everything that changes results can also be set in a TOML file (`--config`): the key"
        " `windows.delay` is `delay` in the table `[windows]`. Options override the file, and the file overrides the"
        " preset.",
    ]
    for heading, options in command.grouped(context).items():
        parts += [f"## {heading}", _options_table(options, context)]
    parts += ["## Only in the configuration file", _table(("TOML key", "meaning", "default"), _keys_without_option())]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Write the files, in the current directory and its folders."""
    descriptor = json.dumps(boutiques_descriptor(), indent=2, ensure_ascii=False) + "\n"
    files = {
        "boutiques.json": descriptor,
        "runners/nipoppy/descriptor.json": descriptor,
        "docs/options.md": options_markdown(),
        "predann_bids/help.json": json.dumps(make_command().write_help(), indent=1, ensure_ascii=False) + "\n",
    }
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")


def _arguments() -> list[dict[str, Any]]:
    levels = "'participant' preprocesses the recordings; 'group' trains and evaluates a decoder on the result."
    described: dict[str, dict[str, Any]] = {
        "bids_dir": {"type": "File", "description": "The BIDS dataset, with EEG."},
        "output_dir": {"type": "String", "description": "Directory of the derivatives; created if necessary."},
        "analysis_level": {"type": "String", "description": levels, "value-choices": list(LEVELS)},
    }
    return [
        {"id": name, "name": name.upper(), **more, "value-key": f"[{name.upper()}]", "optional": False}
        for name, more in described.items()
    ]


def _group(heading: str, members: list[dict[str, Any]]) -> dict[str, Any]:
    identifier = re.sub(r"\W+", "_", heading).strip("_").lower()
    return {"id": identifier, "name": heading, "members": [given["id"] for given in members]}


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
    if isinstance(kind, NameIn) and kind.takes_paths:
        return {"type": "String"}  # a path may follow the name
    if isinstance(kind, click.Choice):
        return {"type": "String", "value-choices": list(kind.choices)}
    if isinstance(kind, click.Path):
        return {"type": "String" if _flag(option) in CREATED else "File"}
    if isinstance(kind, click.types.IntParamType | click.types.FloatParamType):
        whole = {"integer": True} if isinstance(kind, click.types.IntParamType) else {}
        lowest = getattr(kind, "min", None)
        return {"type": "Number", **whole, **({} if lowest is None else {"minimum": lowest})}
    return {"type": "String"}


def _output_files() -> list[dict[str, Any]]:
    """Describe what either level writes; what only one level makes is optional."""
    label, eeg = "[OUTPUT_DIR]/group/*", "[OUTPUT_DIR]/sub-*/**/eeg"
    described = (
        ("derivatives", "Derivatives", "A BIDS derivative dataset.", "[OUTPUT_DIR]"),
        ("dataset_description", "Description of the derivatives", "", "[OUTPUT_DIR]/dataset_description.json"),
        (
            "eeg",
            "Preprocessed EEG (participant level)",
            "BrainVision headers.",
            f"{eeg}/*_desc-preproc_eeg.vhdr",
        ),
        ("participant_reports", "Participant reports (participant level)", "", "[OUTPUT_DIR]/sub-*.html"),
        ("quality", "Quality of all recordings", "One row for each participant.", "[OUTPUT_DIR]/participants.tsv"),
        ("methods", "Methods (participant level)", "Text for a paper, with references.", "[OUTPUT_DIR]/CITATION.md"),
        ("metrics", "Scores (group level)", "Everything that the decoders were found to do.", f"{label}/metrics.json"),
        ("predictions", "Predictions (group level)", "One row for each decision.", f"{label}/predictions.tsv"),
        ("report", "Report (group level)", "The page to begin with.", f"{label}/report.html"),
    )
    return [
        {
            "id": identifier,
            "name": name,
            **({"description": text} if text else {}),
            "path-template": place,
            "optional": identifier not in ("derivatives", "dataset_description"),
        }
        for identifier, name, text, place in described
    ]


def _error_codes() -> list[dict[str, Any]]:
    """Codes of the exception tree, each with the first sentence of the error's description, and the two beside it."""
    kinds = {kind.exit_code: (kind.__doc__ or "").split("\n\n")[0].strip() for kind in PredannError.__subclasses__()}
    codes = kinds | {NO_INVOCATIONS: "Reserved for an invocation file beside arguments; this program takes none."}
    codes |= {PredannError.exit_code: "An unexpected error, which is a defect of the program; please report it."}
    return [{"code": code, "description": codes[code]} for code in sorted(codes)]


def _options_table(options: Iterable[click.Option], context: click.Context) -> str:
    rows = [_row(option, context) for option in options]
    titles = ("option", "meaning", "default", "TOML key")
    used = [column for column in range(len(titles)) if any(row[column] for row in rows)]
    return _table([titles[column] for column in used], ([row[column] for column in used] for row in rows))


def _row(option: click.Option, context: click.Context) -> tuple[str, str, str, str]:
    value = "" if option.is_flag or option.count else f" {option.make_metavar(context).removesuffix(' RANGE')}"
    text, default = _help_and_default(option)
    key = science_flags().get(_flag(option), "")
    return ", ".join(f"`{name}{value}`" for name in option.opts), text, default, f"`{key}`" if key else ""


def _keys_without_option() -> Iterator[tuple[str, str, str]]:
    for dotted, field in keys().items():
        if dotted not in science_flags().values():
            yield f"`{dotted}`", field.description or "", json.dumps(field.default)


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

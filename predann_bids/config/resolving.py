"""Merge preset, file and options to a configuration, and write it down."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from predann_bids.config.fields import Section
from predann_bids.config.presets import PRESETS
from predann_bids.config.science import Preset, Science
from predann_bids.errors import MissingInput, WrongUsage
from predann_bids.files import write_text
from predann_bids.registry import nearest


def resolve(
    *, preset: Preset | None = None, file: Path | None = None, flags: Mapping[str, Any] | None = None
) -> Science:
    """Merge preset, TOML file and command-line flags, the later over the earlier.

    Parameters
    ----------
    preset : str, optional
        Overrides the file's own `preset`.
    file : Path, optional
        TOML with the sections of `Science`.
    flags : mapping, optional
        Dotted names to values, such as ``{"windows.delay": 0.2}``.

    Raises
    ------
    WrongUsage
        A key is unknown, and the message names the nearest known one; or a value does not fit.
    MissingInput
        The file does not exist.

    Examples
    --------
    >>> from predann_bids import resolve
    >>> resolve(flags={"windows.delay": 0.1}).windows.delay
    0.1
    >>> resolve(preset="published").training.epochs
    6000
    """
    values = _read(file) if file else {}
    values.pop("selection", None)  # not science; see `read_selection`
    _refuse_unknown(values, Science, file)
    chosen = preset or values.get("preset", "default")
    if chosen not in PRESETS:
        raise WrongUsage(f"Unknown preset '{chosen}': expected one of {', '.join(PRESETS)}.")
    layers = [PRESETS[chosen], values, _nested(flags or {})]
    merged = _merge(*_without_seeds_below(layers), {"preset": chosen})
    try:
        return Science.model_validate(merged)
    except ValidationError as error:
        raise WrongUsage(_sentence(error, file, values)) from error


def dump(science: Science, path: Path, **more: Mapping[str, Any]) -> None:
    """Write a configuration as TOML, sufficient to repeat the run; `more` adds tables such as the selection."""
    import tomli_w

    write_text(path, tomli_w.dumps(science.model_dump(mode="json") | more))


def read_selection(file: Path) -> dict[str, list[str]]:
    """Read which participants, sessions, tasks and runs a written configuration selects."""
    selection = _read(file).get("selection", {})
    if not isinstance(selection, dict) or not all(isinstance(value, list) for value in selection.values()):
        raise WrongUsage(f"{file}: [selection] must hold lists of labels.")
    return selection


def _read(file: Path) -> dict[str, Any]:

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise MissingInput(f"The configuration file {file} does not exist.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongUsage(f"{file} is not valid TOML: {error}.") from error


def _merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = merged.get(key)
            merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return merged


def _without_seeds_below(layers: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Drop a list of seeds if a later layer gives a first seed or a number of seeds, which would contradict it."""
    named = [index for index, layer in enumerate(layers) if {"seed", "n_seeds"} & set(layer.get("training", {}))]
    last = max(named, default=0)
    return [
        layer | {"training": {key: value for key, value in layer["training"].items() if key != "seeds"}}
        if index < last and "training" in layer
        else layer
        for index, layer in enumerate(map(dict, layers))
    ]


def _nested(flags: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in flags.items():
        *sections, key = name.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[key] = value
    return tree


def _refuse_unknown(
    values: Mapping[str, Any], section: type[Section], file: Path | None, above: Sequence[str] = ()
) -> None:
    known = section.model_fields
    for key, value in values.items():
        name = ".".join([*above, key])
        if key not in known:
            names = [".".join([*above, one]) for one in known]
            raise WrongUsage(f"{file}: unknown key '{name}'. {nearest(name, names)}")
        kind = known[key].annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            if not isinstance(value, Mapping):
                raise WrongUsage(f"{file}: '{name}' must be a section, [{name}], and not a value.")
            _refuse_unknown(value, kind, file, [*above, key])


def _sentence(error: ValidationError, file: Path | None, written: Mapping[str, Any]) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][:2])
    section, _, key = name.partition(".")
    if key and key not in written.get(section, {}):
        file = None  # the value comes from the command line
    reason = first["msg"].removeprefix("Value error, ")
    value = first["input"]
    typed = " ".join(map(str, value)) if isinstance(value, tuple | list) else value
    found = "" if isinstance(value, dict) else f" (found {typed!r})"
    return f"Configuration{f' in {file}' if file else ''}: {name + ': ' if name else ''}{reason}{found}."

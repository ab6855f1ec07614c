"""Keep one of several versions of a recording: copies in whose names only `desc`, `proc`, `acq` and the like differ."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from predann_bids.bids.names import IDENTITY, LONG, VERSIONS, parse

SHOWN = 3
Rivals = dict[Path, tuple[Path, ...]]


def one_version_each(paths: Sequence[Path], filters: Mapping[str, Any]) -> tuple[Rivals, list[str]]:
    """Choose among files that are the same participant, session, task and run.

    A file whose name has nothing else is the recording, and those that add something are versions of it. Where there is
    none such, names that differ in an acquisition are different recordings; those that differ in what processing adds
    to names are versions, of which the user must choose one. What the user filters by is chosen already.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        EEG files with BIDS names.
    filters : mapping
        The content of a filter file.

    Returns
    -------
    dict of pathlib.Path to tuple of pathlib.Path
        The files to use, each with its rivals, of which nothing says that they are not meant.
    list of str
        Sentences about what is not used, or used although it may be a copy.
    """
    asked = {entity for entity in (*LONG, *VERSIONS) if LONG.get(entity, entity) in filters}
    same: dict[tuple[Path, tuple[str, ...]], list[Path]] = {}
    for path in paths:
        same.setdefault((path.parent, _labels(path, IDENTITY)), []).append(path)
    chosen: Rivals = {}
    notes = []
    for group in same.values():
        kept, note = _choose(group, asked)
        chosen |= kept
        notes += [note] if note else []
    return chosen, _shortened(notes)


def how_to_choose(path: Path) -> str:
    """Write the content of a filter file that selects a version of a recording."""
    return json.dumps({"eeg": {LONG.get(entity, entity): label for entity, label in _extras(path).items()}})


def _choose(group: Sequence[Path], asked: Collection[str]) -> tuple[Rivals, str]:
    if len(group) == 1:
        return {group[0]: ()}, ""
    plain = [path for path in group if not set(_extras(path)) - set(asked)]
    others = [path for path in group if path not in plain]
    if plain:
        note = (
            f"{_named(others)} in {group[0].parent} {_are(others)} taken for {_versions(others)} of {plain[0].name} and"
            f" not used; --bids-filter-file with {how_to_choose(others[0])} chooses it instead."
        )
        return dict.fromkeys(plain, ()), note if others else ""
    return _choose_processed(group, asked)


def _choose_processed(group: Sequence[Path], asked: Collection[str]) -> tuple[Rivals, str]:
    parts: dict[tuple[str, ...], list[Path]] = {}
    for path in group:
        acquired = [e for e in _extras(path) if e in asked or e not in VERSIONS]
        parts.setdefault(tuple(f"{entity}-{_extras(path)[entity]}" for entity in acquired), []).append(path)
    chosen = {first: tuple(rivals) for first, *rivals in parts.values()}
    note = (
        f"{_named(list(chosen))} in {group[0].parent} are used as different recordings; if they are copies of one,"
        f" choose it with --bids-filter-file, which then holds {how_to_choose(group[0])}."
    )
    return chosen, note if len(chosen) > 1 else ""


def _extras(path: Path) -> dict[str, str]:
    name = parse(path.name)
    return name.extras if name else {}


def _labels(path: Path, entities: Sequence[str]) -> tuple[str, ...]:
    name = parse(path.name)
    return tuple(name.entities.get(entity, "") for entity in entities) if name else ()


def _named(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths)


def _are(paths: Sequence[Path]) -> str:
    return "is" if len(paths) == 1 else "are"


def _versions(paths: Sequence[Path]) -> str:
    return "a version" if len(paths) == 1 else "versions"


def _shortened(notes: Sequence[str]) -> list[str]:
    more = len(notes) - SHOWN
    return [*notes[:SHOWN], *([f"The same holds for the versions of {more} more recordings."] if more > 0 else [])]

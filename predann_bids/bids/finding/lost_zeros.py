"""Understand labels of a stimulus map that lost their leading zeros: a spreadsheet makes 1 of 01."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from predann_bids.bids.finding.index import SESSION, participants_on_disk
from predann_bids.bids.music.stimulus_map import PREFIXES, MapRule, StimulusMap
from predann_bids.errors import WrongUsage

NUMBER = re.compile(r"(\d+)(?:\.0*)?")


def restore_zeros(stimulus_map: StimulusMap, root: Path) -> StimulusMap:
    """Take a participant or session 1 for 01, if only 01 can be meant.

    That is so if the dataset has no label 1 and just one other of that number, and the map does not name that one.

    Parameters
    ----------
    stimulus_map : StimulusMap
        As it was read.
    root : Path
        The dataset.

    Returns
    -------
    StimulusMap
        Rules that were changed say so in their `note`.

    Raises
    ------
    WrongUsage
        Several labels have that number; the message names the line.
    """
    for entity in ("participant", "session"):
        named = {_plain(entity, value) for rule in stimulus_map.rules for value in rule.entities.get(entity, ())}
        if any(map(NUMBER.fullmatch, named)):
            present = set(_labels(entity, root))
            rules = tuple(_restored(rule, entity, named, present, stimulus_map.path) for rule in stimulus_map.rules)
            stimulus_map = replace(stimulus_map, rules=rules)
    return stimulus_map


def _labels(entity: str, root: Path) -> Iterator[str]:
    if entity == "participant":
        yield from participants_on_disk(root)
        return
    for path in root.glob("sub-*/ses-*"):
        if match := SESSION.fullmatch(path.name):
            yield match[1]


def _restored(rule: MapRule, entity: str, named: Collection[str], present: Collection[str], path: Path) -> MapRule:
    changed: dict[str, str] = {}
    for value in rule.entities.get(entity, ()):
        label = _plain(entity, value)
        number = NUMBER.fullmatch(label)
        if not number or label in present:
            continue
        others = sorted(other for other in present if other.isdecimal() and int(other) == int(number[1]))
        if len(others) > 1:
            raise WrongUsage(
                f"{path}, line {rule.line}: {entity} {label} could be {' or '.join(others)}. Write the label as the"
                " dataset has it; in a spreadsheet, give its cells the format Text."
            )
        if others and others[0] not in named:
            changed[value] = others[0]
    if not changed:
        return rule
    labels = tuple(changed.get(value, value) for value in rule.entities[entity])
    told = ", ".join(f"{_plain(entity, value)} is taken for {label}" for value, label in changed.items())
    note = f"{path}, line {rule.line}: {entity} {told}, the only one of that number."
    return replace(rule, entities={**rule.entities, entity: labels}, note=f"{rule.note} {note}".strip())


def _plain(entity: str, value: str) -> str:
    return value.removeprefix(PREFIXES[entity])

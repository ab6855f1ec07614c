"""Draft a stimulus map that mends what a check found in rows of events: corrected where certain, excluded elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from predann_bids.bids.music.cues import read_rows
from predann_bids.bids.music.stimulus_map import EFFECTS, ENTITIES, NO_MUSIC, is_among, read_map_cells
from predann_bids.bids.music.unusable import Unusable
from predann_bids.bids.numbers import DECIMAL_COMMA, MISSING, as_seconds
from predann_bids.bids.tables import table_text
from predann_bids.errors import MissingInput
from predann_bids.tools.check.checking import Check
from predann_bids.tools.stimuli.inspection import RecordingInspection, audio_in, entities_of

ALTERNATIVES = "|"  # separates them in a map, and so cannot stand in a condition
SIMILAR = 0.85  # names of audio files that differ in a letter or two
Rule = dict[str, str]


def fix_map(check: Check) -> str | None:
    """Write a stimulus map whose rules come before those of the map in use; None if no rule can mend anything.

    Audio that is missing, while one file of nearly the same name is there and played by no other row, is taken to be
    that file; a duration with a decimal comma is written with a point. All other rows that cannot be used are declared
    to be no music, so that nothing is told of them any more. Every rule says in a comment what it is for.
    """
    rules = list(_rules(check))
    if not any(rule for rule, _ in rules):
        return None
    before = check.dataset.stimulus_map
    old = read_map_cells(before.path) if before else [["audio"]]
    columns = list(dict.fromkeys([*(key for rule, _ in rules for key in rule), *old[0]]))
    rows = [[rule.get(column, "") for column in columns] for rule, _ in rules if rule]
    kept = [[dict(zip(old[0], row, strict=False)).get(column, "") for column in columns] for row in old[1:]]
    comments = [
        "Made by predann-tools check from what it found. Check every rule, and give the file with --stimulus-map.",
        f"A rule with the audio '{NO_MUSIC}' says that its rows are no music.",
        *dict.fromkeys(comment for _, comment in rules),
    ]
    head = "".join(f"# {' '.join(comment.split())}\n" for comment in comments)
    return head + table_text(columns, [*rows, *kept])


def _rules(check: Check) -> Iterator[tuple[Rule, str]]:
    told: set[tuple[tuple[str, str], ...]] = set()
    played = {cue.stim_file for one in check.dataset.recordings for cue in one.music}
    free = [name for name in audio_in(check.dataset.stimuli_dir) if name not in played]
    for one in check.dataset.recordings:
        for lost in one.unusable:
            rule = _rule(one, lost, free) if lost.line else None
            where = f"{lost.where.replace(f'{one.recording.root}/', '')}: {lost.reason}"
            if not rule or _is_about_others(rule, one):
                yield {}, f"{where} (no rule can tell this row from others that are used)"
            elif tuple(rule.items()) not in told:
                told.add(tuple(rule.items()))
                yield rule, where


def _rule(one: RecordingInspection, lost: Unusable, free: Sequence[str]) -> Rule | None:
    events = one.recording.sidecar("events", ".tsv")
    row = read_rows(events)[lost.line - 2] if events else {}
    named = row.get("stim_file", "")
    if isinstance(lost.error, MissingInput) and named not in MISSING:
        return {"stim_file": named, "audio": _similar(named, free) or NO_MUSIC} if ALTERNATIVES not in named else None
    conditions = {name: label for name, label in entities_of(one.recording).items() if label}
    cells = {name: row[name] for name in ("onset", "duration", "trial_type", "value", "stim_file") if name in row}
    conditions |= {name: cell for name, cell in cells.items() if cell not in MISSING and ALTERNATIVES not in cell}
    stated = conditions.pop("duration", "")  # a column of effect in a map, and so no condition
    corrected = stated.replace(",", ".") if DECIMAL_COMMA.fullmatch(stated) else ""
    if corrected and as_seconds(row["onset"]) is not None and named not in MISSING:
        return {**conditions, "audio": "{stim_file}", "duration": corrected}
    if not set(conditions) - set(ENTITIES):
        return None  # nothing tells the row from others
    return {**conditions, "audio": NO_MUSIC}


def _is_about_others(rule: Rule, one: RecordingInspection) -> bool:
    """Whether a rule would also change rows of this recording that can be used."""
    events = one.recording.sidecar("events", ".tsv")
    lost = {unusable.line for unusable in one.unusable}
    cells = {name: cell for name, cell in rule.items() if name not in (*EFFECTS, *ENTITIES)}
    rows = enumerate(read_rows(events) if events else [], 2)
    alike = {line for line, row in rows if all(is_among(row.get(name), (cell,)) for name, cell in cells.items())}
    return not alike <= lost


def _similar(name: str, free: Sequence[str]) -> str:
    near = get_close_matches(_plain(name), {_plain(other): other for other in free}, 2, SIMILAR)
    by_plain = {_plain(other): other for other in free}
    return by_plain[near[0]] if len(near) == 1 else ""


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", Path(name).with_suffix("").as_posix().lower())

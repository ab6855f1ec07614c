"""Match the rows of channels.tsv with the channels of a recording: by name, and by place only where that is certain."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from predann_bids.bids.formats.opened import numbered
from predann_bids.bids.numbers import MISSING
from predann_bids.bids.tables import Table, read_columns, row_of
from predann_bids.errors import some

if TYPE_CHECKING:
    from mne.io import BaseRaw

MOST_SHOWN = 8
NOTHING = ("", "n/a")
KNOWN = ("name", "type", "units", "status", "sampling_frequency")


def read_channel_table(path: Path) -> Table:
    """Read channels.tsv; what other programs write for a missing type, unit or status is `n/a`.

    Raises
    ------
    UnusableData
        See `read_columns`.
    """
    table = read_columns(path, known=KNOWN)
    return {
        name: cells if name == "name" else ["n/a" if cell in MISSING else cell for cell in cells]
        for name, cells in table.items()
    }


def plain_name(name: str) -> str:
    """Reduce a channel's name to what identifies it: `EEG Fp1-REF` and `FP1.` are both `fp1`."""
    text = re.sub(r"^(EEG|CH(?=[ _]))[ _]*(?=\S)", "", name.strip(), flags=re.IGNORECASE)
    text = re.sub(r"[ _-](REF|LE|AVG?|AR|CAR|A1|A2|M1|M2|A1A2|LINKED)$", "", text, flags=re.IGNORECASE)
    return re.sub(r"[ .]", "", text).lower() or name.strip().lower()


def match_rows(raw: BaseRaw, table: Table, path: Path) -> tuple[dict[str, int], list[str]]:
    """Find the row of each channel: by its name, by its plain name, or, where both ways fail, by its place.

    A channel whose name differs gets that of its row. Its place decides only if all other rows are at the places of
    their channels, and if none has the name of another.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        The recording; channels are renamed in place.
    table : mapping of str to list of str
        channels.tsv.
    path : Path
        Where it is.

    Returns
    -------
    dict of str to int
        Row of each channel that has one, by its new name.
    list of str
        What a reader should know.
    """
    matching = _Matching(path, table, tuple(raw.ch_names))
    matching.by_name()
    matching.by_plain_name()
    stim = {name for name, kind in zip(raw.ch_names, raw.get_channel_types(), strict=True) if kind == "stim"}
    matching.by_place(stim)
    matching.tell_order()
    matching.tell_unmatched(stim)
    rename = {name: table["name"][row] for name, row in matching.rows.items() if name not in matching.kept}
    raw.rename_channels({old: new for old, new in rename.items() if old != new}, verbose="error")
    return {rename.get(name, name): row for name, row in matching.rows.items()}, matching.notes


@dataclass
class _Matching:
    """The rows found so far, by the recording's own names, and what there is to tell."""

    path: Path
    table: Table
    channels: tuple[str, ...]
    rows: dict[str, int] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)  # channels that keep their name, whatever the row's
    repeated: set[int] = field(default_factory=set)  # rows that repeat the name of another, and are not used
    notes: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return self.table["name"]

    @property
    def free(self) -> list[int]:
        """Rows without a channel."""
        return [row for row in range(len(self.names)) if row not in self.rows.values()]

    @property
    def unknown(self) -> list[str]:
        """Channels without a row."""
        return [name for name in self.channels if name not in self.rows]

    def by_name(self) -> None:
        own, theirs = list(self.channels), numbered(self.names)
        for name in own:  # names that the recording has twice are numbered there as here
            if name in theirs and name not in self.names:
                self._take(name, theirs.index(name), keep=True)
        for name in own:
            rows = [row for row, other in enumerate(self.names) if other == name and name not in NOTHING]
            if len(rows) == 1:
                self._take(name, rows[0])
            elif rows:
                self._choose(name, rows)

    def _choose(self, name: str, rows: Sequence[int]) -> None:
        """Choose among rows of one name: the one at the channel's place, or any if they all say the same."""
        place = self.channels.index(name)
        lines = " and ".join(str(row + 2) for row in rows)
        same = len({tuple(row_of(self.table, row).items()) for row in rows}) == 1
        self.repeated.update(rows)
        if place in rows or same:
            chosen = place if place in rows else rows[0]
            self.repeated.discard(chosen)
            self._take(name, chosen)
            others = " and ".join(str(row + 2) for row in rows if row != chosen)
            self.notes.append(
                f"{self.path} has {name} in lines {lines}, the recording has it once: line {chosen + 2} is used, line"
                f" {others} is not. Correct the name there."
            )
        else:
            self.notes.append(
                f"{self.path} has {name} in lines {lines}, the recording has it once, at another place: none of the"
                " lines is used. Correct the names there."
            )

    def by_plain_name(self) -> None:
        unknown = self.unknown
        wanted = [plain_name(name) for name in unknown]
        free = [row for row in self.free if row not in self.repeated]
        for name, plain in zip(unknown, wanted, strict=True):
            same = [row for row in free if plain_name(self.names[row]) == plain and self.names[row] not in NOTHING]
            if len(same) == 1 and wanted.count(plain) == 1:
                self._take(name, same[0])

    def by_place(self, stim: set[str]) -> None:
        unknown = self.unknown
        places = {name: self.channels.index(name) for name in unknown}
        certain = (
            len(self.names) == len(self.channels)
            and self.free == list(places.values())
            and not self.repeated
            and all(self.channels[row] == name for name, row in self.rows.items())
            and not {self.names[row] for row in self.free} & {*NOTHING, *self.channels}
            and len(set(self.names)) == len(self.names)
            and all(self._could_be_triggers(places[name]) for name in stim & set(unknown))
        )
        if not unknown or not certain:
            return
        for name, row in places.items():
            self._take(name, row)
        pairs = some([f"{old} ({self.names[row]})" for old, row in places.items()], MOST_SHOWN)
        self.notes.append(
            f"{self.path} calls channels otherwise than the recording does; their places are trusted: {pairs}."
        )

    def _could_be_triggers(self, row: int) -> bool:
        kind: Mapping[str, str] = row_of(self.table, row)
        return kind.get("type", "n/a").upper() in ("TRIG", "MISC", "OTHER", "N/A")

    def _take(self, name: str, row: int, *, keep: bool = False) -> None:
        self.rows[name] = row
        if keep:
            self.kept.add(name)

    def tell_order(self) -> None:
        """Tell if rows are in another order: whoever wrote them may have meant places, not names."""
        in_file = [name for name in self.channels if name in self.rows]
        in_table = sorted(in_file, key=lambda name: self.rows[name])
        moved = [name for name, other in zip(in_file, in_table, strict=True) if name != other]
        if moved:
            self.notes.append(
                f"{self.path} lists {some(moved, MOST_SHOWN)} in another order than the recording: rows are matched by"
                " name. If the table is right about the places, correct the names in the recording's header."
            )

    def tell_unmatched(self, stim: set[str]) -> None:
        missing = [name for name in self.unknown if name not in stim]
        if missing:
            listed = some(missing, MOST_SHOWN)
            self.notes.append(f"{self.path} has no row for channel {listed} of the recording.")
        others = [self.names[row] for row in self.free if row not in self.repeated]
        if others:
            listed = some(others, MOST_SHOWN)
            self.notes.append(f"{self.path} names {listed}, which the recording does not have.")

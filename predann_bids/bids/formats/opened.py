"""What the readers of all formats share: their result, and sentences about files of the wrong size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from predann_bids.bids.gaps import TimeLine
from predann_bids.errors import UnusableData

if TYPE_CHECKING:
    from mne.io import BaseRaw


@dataclass(frozen=True)
class Opened:
    """A raw file with its data not loaded where the format allows, and what a reader should know.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        The recording.
    warnings : tuple of str
        What a reader should know.
    rates_hz : tuple of float
        All sampling rates in the file, if there are several: slower channels are interpolated.
    timeline : TimeLine
        Where the recording was interrupted.
    """

    raw: BaseRaw
    warnings: tuple[str, ...] = ()
    rates_hz: tuple[float, ...] = ()
    timeline: TimeLine = field(default_factory=TimeLine)


def numbered(names: Sequence[str]) -> list[str]:
    """Number names that occur more than once, as MNE does: `Cz-0`, `Cz-1`."""
    twice = {name for name in names if names.count(name) > 1}
    return [f"{name}-{names[:place].count(name)}" if name in twice else name for place, name in enumerate(names)]


def ends_early(data: Path, found: int, expected: int, header: str = "its header") -> UnusableData:
    """Say that a file is shorter than announced.

    Parameters
    ----------
    data : Path
        The file.
    found, expected : int
        Its bytes, and those announced.
    header : str
        What announces them.
    """
    return UnusableData(
        f"{data} ends too early: it has {found} bytes, where {header} announces {expected}. Fetch or copy it again."
    )


def ends_late(data: Path, found: int, expected: int, header: Path) -> UnusableData:
    """Say that a file is longer than the header that describes it announces.

    Parameters
    ----------
    data : Path
        The file.
    found, expected : int
        Its bytes, and those announced.
    header : Path
        What announces them.
    """
    return UnusableData(
        f"{data} does not fit its header: it has {found} bytes, where {header.name} announces {expected}. One of them"
        " belongs to another recording, or was changed; fetch or copy both again."
    )

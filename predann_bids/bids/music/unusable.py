"""Music that a recording's tables tell of and that cannot be used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from predann_bids.errors import PredannError


@dataclass(frozen=True)
class Unusable:
    """A presentation that cannot be used, and why.

    Parameters
    ----------
    where : str
        File and row that tell of it.
    line : int
        The row of events.tsv; 0 when a rule of the stimulus map stands for the recording itself.
    onset, duration : float, optional
        Seconds, as far as they are known.
    label, stim_file : str
        Its class and its audio, as the tables name them.
    error : PredannError
        What is wrong: a sentence without file and row.
    """

    where: str
    line: int
    onset: float | None
    duration: float | None
    label: str
    stim_file: str
    error: PredannError

    @property
    def reason(self) -> str:
        """What is wrong, in words."""
        return str(self.error).rstrip(".")


def sentences(unusable: Iterable[Unusable]) -> list[str]:
    """Tell what is wrong with presentations, once for all rows that have the same fault."""
    return [f"{_of(alike)}: {alike[0].reason}." for alike in _alike(unusable)]


def as_error(unusable: Sequence[Unusable]) -> PredannError:
    """Return the error with which a recording fails that has no other presentations."""
    first, *others = _alike(unusable)
    more = f" There {'is' if len(others) == 1 else 'are'} {len(others)} more such problem{'s' * (len(others) > 1)}."
    return type(first[0].error)(f"{_of(first)}: {first[0].reason}.{more if others else ''}")


def _alike(unusable: Iterable[Unusable]) -> list[list[Unusable]]:
    alike: dict[tuple[type[PredannError], str], list[Unusable]] = defaultdict(list)
    for one in unusable:
        alike[type(one.error), one.reason].append(one)
    return list(alike.values())


def _of(alike: Sequence[Unusable]) -> str:
    return places([one.where for one in alike])


def places(where: Sequence[str]) -> str:
    """Name the first of several rows of one file, and how many more there are."""
    more = f" (and {len(where) - 1} more rows)" if len(where) > 1 else ""
    return f"{where[0]}{more}"

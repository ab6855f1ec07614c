"""Numbers and lists in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

FREQUENT = 6


def number(count: int, noun: str) -> str:
    """Write a number of things: ``1 row``, ``2 rows``."""
    return f"{count} {noun}{'s' * (count != 1)}"


def some(names: Sequence[str], shown: int = FREQUENT) -> str:
    """List the first names, and how many more there are."""
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def most_frequent(counts: Counter[str], shown: int | None = FREQUENT) -> str:
    """List the most frequent values with their numbers: ``fixation x 16, ... (9 values)``."""
    listed = [f"{value} x {count}" for value, count in counts.most_common(shown)]
    return ", ".join([*listed, *([f"... ({len(counts)} values)"] if len(counts) > len(listed) else [])])


def seconds_range(seconds: Sequence[float]) -> str:
    """Write the shortest and the longest of some durations."""
    if not seconds:
        return ""
    shortest, longest = f"{min(seconds):.2f}", f"{max(seconds):.2f}"
    return shortest if shortest == longest else f"{shortest} - {longest}"

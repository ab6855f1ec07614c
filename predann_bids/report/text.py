"""Numbers as text, the same in sentences and tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

NOTHING = "–"  # shown for what was not computed
NO_INTERVAL = "no interval"


def share(value: float | None) -> str:
    """Write a share for a sentence, as precisely as a reader needs."""
    if value is None:
        return NOTHING
    return f"{100 * value:.{1 if value < 0.0995 else 0}f} %"


def cell(value: float | None) -> str:
    """Write a share in percent for a table, without its unit."""
    return NOTHING if value is None or math.isnan(value) else f"{100 * value:.1f}"


def interval(limits: Sequence[float] | None) -> str:
    """Write an interval of a share for a sentence."""
    if limits is None:
        return NOTHING
    low, high = (f"{100 * limit:.{1 if limits[1] < 0.0995 else 0}f}" for limit in limits)
    return f"{low} to {high} %"


def interval_of(limits: Sequence[float] | None, write: Callable[[Sequence[float] | None], str] = interval) -> str:
    """Write an interval with its name, or say that there is none."""
    return NO_INTERVAL if limits is None else f"95 % interval {write(limits)}"


def interval_cell(limits: Sequence[float] | None) -> str:
    """Write an interval of a share for a table."""
    return NOTHING if limits is None else " to ".join(f"{100 * limit:.1f}" for limit in limits)


def points(difference: float | None) -> str:
    """Write a difference of shares in percentage points, with its sign."""
    if difference is None:
        return NOTHING
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def interval_points(limits: Sequence[float] | None) -> str:
    """Write the interval of a difference in percentage points."""
    return NOTHING if limits is None else " to ".join(points(limit) for limit in limits)


def p(value: float) -> str:
    """Write a p-value with its relation."""
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def p_cell(value: float | None) -> str:
    """Write a p-value for a table."""
    if value is None:
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def count(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def candidates(number: float | None) -> str:
    """Write a mean number of candidates, without decimals where it is whole."""
    if number is None:
        return NOTHING
    return f"{number:.0f}" if number >= 100 or abs(number - round(number)) < 0.005 else f"{number:.1f}"


def listed(words: Sequence[str]) -> str:
    """List words as a sentence does."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def keep_units(text: str) -> str:
    """Keep a number and its unit on one line."""
    return (
        text.replace(" %", "\u00a0%")
        .replace(" s ", "\u00a0s ")
        .replace("p < ", "p\u00a0<\u00a0")
        .replace("p = ", "p\u00a0=\u00a0")
    )

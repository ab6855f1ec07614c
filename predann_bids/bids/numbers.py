"""Read seconds as people write them into tables."""

from __future__ import annotations

import math
import re

from predann_bids.errors import UnusableData

# ways to say that a value is not known; BIDS has n/a, and pandas, R, Excel and databases write the others
MISSING = frozenset(
    {"", "n/a", "N/A", "NA", "na", "n.a.", "nan", "NaN", "NAN", "-nan", "<NA>", "#N/A", "null", "NULL", "None", "none"}
)
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def as_seconds(text: str) -> float | None:
    """Return a number of seconds, or None if the text is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def not_seconds(column: str, text: str) -> UnusableData:
    """Say that a cell holds no number of seconds, and how to write it."""
    if text in MISSING:
        return UnusableData(f"the {column} is not known ('{text}'); give it in seconds to use this presentation")
    remedy = f"write {text.replace(',', '.')}" if DECIMAL_COMMA.fullmatch(text) else "give it in seconds, such as 12.5"
    return UnusableData(f"the {column} '{text}' is not a number of seconds; {remedy}")

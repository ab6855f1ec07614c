"""Labels of BIDS entities as people write them."""

from __future__ import annotations


def comparable(label: str | int) -> str | int:
    """Return a label as it is to be compared: a number if it consists of digits, as run 1 is the same as run 01."""
    text = str(label)
    return int(text) if text.isdecimal() else text

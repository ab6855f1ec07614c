"""Units of voltage, as files and tables spell them."""

from __future__ import annotations

import re

VOLTS = {"v": 1.0, "mv": 1e-3, "uv": 1e-6, "microv": 1e-6, "nv": 1e-9, "volt": 1.0, "microvolt": 1e-6}
NAMES = {1.0: "V", 1e-3: "mV", 1e-6: "µV", 1e-9: "nV"}
# micro has two code points, and some programs lose it on the way from one encoding to another
MICRO = re.compile("\u00c2?\u00b5|\u00ce?\u03bc|\u00ce\u00bc|[?\ufffd](?=V$)")


def volts(unit: str) -> float | None:
    """Return how many volts a unit is, or None if it is no unit of voltage."""
    return VOLTS.get(MICRO.sub("u", unit.strip()).lower().rstrip("s"))


def unit_name(value: float) -> str:
    """Return the usual spelling of a unit of so many volts."""
    return NAMES[value]

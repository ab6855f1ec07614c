"""The points of a sweep, each with its name and its whole configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from predann_bids.config import Science
from predann_bids.errors import WrongUsage
from predann_bids.report.sweep.results import RESERVED, VariedKey, point_text, value_text


@dataclass(frozen=True)
class Point:
    """One configuration of a sweep.

    Parameters
    ----------
    label : str
        Name of its group run.
    values : mapping
        Name of each varied key to its value.
    science : Science
        The whole configuration.
    """

    label: str
    values: Mapping[str, Any]
    science: Science


@dataclass(frozen=True)
class Sweep:
    """Group runs that differ in their configuration.

    Parameters
    ----------
    label : str
        Name of the sweep.
    keys : tuple of VariedKey
        What is varied.
    points : tuple of Point
        All combinations of the keys' values.
    """

    label: str
    keys: tuple[VariedKey, ...]
    points: tuple[Point, ...]

    @classmethod
    def of(cls, label: str, varied: Mapping[str, str], sciences: Sequence[Science]) -> Sweep:
        """Name the points of a sweep.

        Parameters
        ----------
        label : str
            Name of the sweep.
        varied : mapping of str to str
            Dotted name of each varied key, such as `windows.delay`, to the short name that stands for it.
        sciences : sequence of Science
            The configuration of each point.

        Raises
        ------
        WrongUsage
            The label is not a name, or two points are the same or would have the same name.
        """
        if not re.fullmatch(r"\w[\w.-]*", label):
            raise WrongUsage(f"--label '{label}' is not a name: use letters, digits, '-', '_' and '.'.")
        names = {dotted: dotted if short in RESERVED else short for dotted, short in varied.items()}
        points: list[Point] = []
        for science in sciences:
            values = {name: _read(science, dotted) for dotted, name in names.items()}
            point = Point(_label(label, values), values, science)
            _refuse_same(point, points)
            points.append(point)
        values_of = {name: tuple(dict.fromkeys(point.values[name] for point in points)) for name in names.values()}
        keys = tuple(VariedKey(dotted, name, values_of[name]) for dotted, name in names.items())
        return cls(label, keys, tuple(points))

    def name_of(self, point: Point) -> str:
        """Name a point for a reader."""
        return point_text(self.keys, point.values)


def _read(science: Science, dotted: str) -> Any:
    value: Any = science
    for part in dotted.split("."):
        value = getattr(value, part)
    return value


def _label(label: str, values: Mapping[str, Any]) -> str:
    """Join names and values so that an underscore separates the keys, in characters that are safe for files."""
    parts = (f"{name}-{value_text(value)}".replace("_", "-") for name, value in values.items())
    return "_".join([label, *(re.sub(r"[^\w.-]+", "-", part) for part in parts)])


def _refuse_same(point: Point, others: Sequence[Point]) -> None:
    for other in others:
        if _content(point.science) == _content(other.science):
            raise WrongUsage(
                f"--vary: {point.label} and {other.label} are the same configuration. A value is given twice, or"
                " --config or an option sets what it would change."
            )
        if point.label == other.label:
            raise WrongUsage(f"--vary: two points would be called {point.label}. Vary their values in two sweeps.")


def _content(science: Science) -> dict[str, Any]:
    return science.model_dump(exclude={"preset", "preprocessing"})

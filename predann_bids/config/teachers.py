"""How teachers are named: `musicnn`, `musicnn#cnn3`, `file:DIR` or `hubert:DIR#6`; with a weight, `musicnn=0.5`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from predann_bids.registry import NamedPath

ENDINGS = (".npy", ".npz", ".json", ".safetensors")  # of files in the directory of a teacher that results depend on
NONE = "none"  # in place of further teachers
MOST_LEARNED = 32  # features of a teacher; more are reduced, so that a network is as large on each teacher


@dataclass(frozen=True)
class TeacherName:
    """The name of a teacher, taken apart.

    Parameters
    ----------
    kind : str
        Registered name of the audio features.
    path : Path, optional
        Where its weights or its features are.
    layer : str
        Which of its layers is taken; empty for the one that it takes by itself.
    """

    kind: str
    path: Path | None = None
    layer: str = ""

    @classmethod
    def of(cls, text: str) -> Self:
        """Take apart `KIND`, `KIND#LAYER`, `KIND:PATH` or `KIND:PATH#LAYER`."""
        kind, path = NamedPath.of(text)
        if path is None:
            kind, _, layer = kind.partition("#")
            return cls(kind, None, layer)
        before, _, layer = path.partition("#")
        if "/" in layer or (layer and Path(path).expanduser().exists()):  # the sign is part of the path
            before, layer = path, ""
        return cls(kind, Path(before).expanduser() if before else None, layer)

    def files(self) -> list[Path]:
        """List the files at its path that results depend on, sorted; none if there is no path."""
        if self.path is None or not self.path.exists():
            return []
        if self.path.is_file():
            return [self.path]
        return sorted(file for file in self.path.iterdir() if file.suffix in ENDINGS and file.is_file())


@dataclass(frozen=True)
class WeightedTeacher:
    """A teacher and its weight among several.

    Parameters
    ----------
    name : str
        As `TeacherName` takes it apart.
    weight : float
        How much it counts, compared with the others.
    """

    name: str
    weight: float = 1.0

    @classmethod
    def of(cls, text: str) -> Self:
        """Take apart `NAME` or `NAME=WEIGHT`.

        Raises
        ------
        ValueError
            The weight is no number above 0, or there is no name.
        """
        name, sign, weight = text.rpartition("=")
        if not sign or _is_in_path(TeacherName.of(text)):
            name, weight = text, "1"
        if not name or "\n" in name:
            raise ValueError(f"'{text}' names no teacher: expected NAME or NAME=WEIGHT")
        try:
            number = float(weight)
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            raise ValueError(f"the weight '{weight}' of the teacher '{name}' is no number above 0")
        return cls(name, number)

    def __str__(self) -> str:
        """Write it as it is typed, so that what is the same reads the same."""
        return self.name if self.weight == 1 and "=" not in self.name else f"{self.name}={self.written}"

    @property
    def written(self) -> str:
        """The weight, no longer than necessary."""
        return f"{self.weight:g}" if float(f"{self.weight:g}") == self.weight else repr(self.weight)

    @property
    def same(self) -> tuple[str, Path | None, str]:
        """What is the same for teachers of which one is superfluous."""
        parts = TeacherName.of(self.name)
        kind = "log-mel" if parts.kind == "joint" else parts.kind  # which the audio network takes
        return kind, parts.path and parts.path.resolve(), parts.layer


def _is_in_path(parts: TeacherName) -> bool:
    """Whether the last equals sign of a name belongs to its path, and no weight follows it."""
    return parts.path is not None and "=" in str(parts.path) and "=" not in parts.layer and parts.path.exists()


def join_teachers(teachers: Sequence[WeightedTeacher]) -> str:
    """Name the features of several teachers together: one teacher and its weight in each line."""
    return "\n".join(f"{teacher.name}={teacher.written}" for teacher in teachers)


def part_teachers(features: str) -> tuple[WeightedTeacher, ...]:
    """Take the name of features apart that `join_teachers` has made; any other is that of one teacher."""
    if "\n" not in features:
        return (WeightedTeacher(features),)
    pairs = (line.rpartition("=") for line in features.split("\n"))
    return tuple(WeightedTeacher(name, float(weight)) for name, _, weight in pairs)


def files_of_teachers(teachers: Sequence[WeightedTeacher]) -> list[Path]:
    """List the files of all teachers that results depend on."""
    return [file for teacher in teachers for file in TeacherName.of(teacher.name).files()]

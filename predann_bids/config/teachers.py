"""How a teacher is named: `musicnn`, `musicnn#cnn3`, `file:DIR` or `hubert:DIR#6`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

ENDINGS = (".npy", ".npz", ".json", ".safetensors")  # of files in the directory of a teacher that results depend on
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
        kind, has_path, rest = text.partition(":")
        before, _, layer = (rest if has_path else kind).partition("#")
        if not has_path:
            return cls(before, None, layer)
        if "/" in layer or (layer and Path(rest).expanduser().exists()):  # the sign is part of the path
            before, layer = rest, ""
        return cls(kind, Path(before).expanduser() if before else None, layer)

    def files(self) -> list[Path]:
        """List the files at its path that results depend on, sorted; none if there is no path."""
        if self.path is None or not self.path.exists():
            return []
        if self.path.is_file():
            return [self.path]
        return sorted(file for file in self.path.iterdir() if file.suffix in ENDINGS and file.is_file())

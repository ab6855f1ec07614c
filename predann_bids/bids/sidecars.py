"""Find the sidecars of a recording by the inheritance principle, and read them as people write them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from predann_bids.bids.names import parse
from predann_bids.errors import MissingInput
from predann_bids.files import dangling_in_words, read_json

# an entity that sidecars may have though the recording lacks it
OPTIONAL_ENTITIES = {"electrodes": {"space"}, "coordsystem": {"space"}}


def applicable(recording: Path, root: Path, suffix: str, extension: str) -> Iterator[Path]:
    """List the sidecars that apply to a recording, the nearest first.

    These are the files in its directory and in those above, up to the dataset's root, whose name has the suffix and
    no entity that the recording lacks; within a directory, the more entities, the nearer.

    Parameters
    ----------
    recording : Path
        The EEG file.
    root : Path
        Root of the dataset.
    suffix, extension : str
        Suffix and extension of the sidecars, such as 'channels' and '.tsv'.
    """
    name = parse(recording.name)
    own = name.entities.items() if name else {}.items()
    free = OPTIONAL_ENTITIES.get(suffix, set())
    for directory in (parent for parent in recording.parents if parent == root or root in parent.parents):
        matching = []
        for path in directory.iterdir():
            other = parse(path.name)
            if other is None or (other.suffix, other.extension.lower()) != (suffix, extension):
                continue
            bound = {entity: label for entity, label in other.entities.items() if entity not in free}
            if bound.items() <= own:
                matching.append((-len(bound), len(other.entities), path.name, path))
        yield from (path for *_, path in sorted(matching))


def nearest(recording: Path, root: Path, suffix: str, extension: str) -> Path | None:
    """Find the sidecar that applies to a recording, if there is one.

    Parameters
    ----------
    recording : Path
        The EEG file.
    root : Path
        Root of the dataset.
    suffix, extension : str
        Suffix and extension of the sidecar.

    Raises
    ------
    MissingInput
        It is a link to content that was not fetched.
    """
    sidecar = next(applicable(recording, root, suffix, extension), None)
    if sidecar and is_dangling(sidecar):
        raise not_fetched(sidecar)
    return sidecar


def merged_json(recording: Path, root: Path, suffix: str) -> dict[str, Any]:
    """Merge all JSON sidecars that apply to a recording; the nearer wins, key by key."""
    merged: dict[str, Any] = {}
    for path in applicable(recording, root, suffix, ".json"):
        if is_dangling(path):
            raise not_fetched(path)
        merged = read_json(path) | merged
    return merged


def is_dangling(path: Path) -> bool:
    """Whether `path` is a symbolic link to nothing, as DataLad leaves for content that was not fetched."""
    return path.is_symlink() and not path.exists()


def not_fetched(*paths: Path) -> MissingInput:
    """Say that links lead to content that was not fetched or cannot be seen from here, and what to do."""
    others = ", ".join(str(path) for path in paths[1:])
    also = f"; the same is true of {others}" if others else ""
    return MissingInput(f"{paths[0]} {dangling_in_words(paths[0])}{also}.")

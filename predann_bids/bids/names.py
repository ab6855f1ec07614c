"""Names of files as BIDS has them: entities, a suffix and an extension, `sub-01_task-music_eeg.vhdr`.

All that looks for files of a dataset asks here what a name says. What is no such name is no file of the dataset: what
macOS leaves beside files (`._sub-01_eeg.vhdr`), copies that were put aside (`old_sub-01_eeg.vhdr`, `copy of ...`), and
the like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# https://bids-specification.readthedocs.io, "Entities"; labels are letters and digits, and + since version 1.10
ENTITY = re.compile(r"([a-z]+)-([0-9a-zA-Z+]+)")
SUFFIX = re.compile(r"[0-9a-zA-Z]+")
# what processing adds to a name: raw data with one of these are a version of the recording without it
VERSIONS = frozenset({"desc", "proc", "rec", "space"})
IDENTITY = ("sub", "ses", "task", "run")
# of pybids, for filter files
LONG = {
    "sub": "subject",
    "ses": "session",
    "acq": "acquisition",
    "ce": "ceagent",
    "rec": "reconstruction",
    "dir": "direction",
    "mod": "modality",
    "desc": "description",
    "trc": "tracer",
    "stain": "staining",
}


@dataclass(frozen=True)
class Name:
    """What the name of a file of a dataset says.

    Parameters
    ----------
    entities : mapping
        Short names of entities and their labels, in the order of the name: ``{"sub": "01", "task": "music"}``.
    suffix : str
        What kind of file it is, such as `eeg` or `channels`.
    extension : str
        With its dot, as it is written.
    """

    entities: Mapping[str, str]
    suffix: str
    extension: str

    @property
    def extras(self) -> dict[str, str]:
        """Entities besides those that identify a recording here: participant, session, task and run."""
        return {entity: label for entity, label in self.entities.items() if entity not in IDENTITY}


def parse(name: str) -> Name | None:
    """Take a file name apart, or return None if it is no BIDS name.

    Examples
    --------
    >>> parse("sub-01_task-music_eeg.vhdr").entities
    {'sub': '01', 'task': 'music'}
    >>> parse("._sub-01_task-music_eeg.vhdr") is None
    True
    """
    stem, dot, extension = name.partition(".")
    *parts, suffix = stem.split("_")
    matches = (ENTITY.fullmatch(part) for part in parts)
    entities = {match[1]: match[2] for match in matches if match}
    is_one = dot and SUFFIX.fullmatch(suffix) and len(entities) == len(parts)
    return Name(entities, suffix, dot + extension) if is_one else None

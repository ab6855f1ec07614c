"""Find the raw recordings of a BIDS dataset."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predann_bids.errors import InvalidDataset, MissingInput, NothingSelected, WrongUsage
from predann_bids.files import read_json

if TYPE_CHECKING:
    from mne.io import BaseRaw
    from mne_bids import BIDSPath

EXTENSIONS = (".vhdr", ".edf", ".bdf", ".set")


@dataclass(frozen=True)
class Selection:
    """Which recordings of a dataset to use; an empty tuple keeps all.

    Parameters
    ----------
    participants, sessions, tasks, runs : tuple of str
        Labels without their `sub-`, `ses-`, `task-`, `run-`.
    filters : mapping
        Further pybids filters for EEG files, the value of `"eeg"` in a filter file.
    database_dir : Path, optional
        pybids index to make or reuse.
    """

    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    filters: Mapping[str, Any] = field(default_factory=dict)
    database_dir: Path | None = None

    @property
    def is_restricted(self) -> bool:
        """Tell whether anything but participants is filtered."""
        return bool(self.sessions or self.tasks or self.runs or self.filters)


@dataclass(frozen=True, order=True)
class Recording:
    """One raw EEG file and the entities in its name."""

    participant: str
    session: str
    task: str
    run: str
    path: Path
    root: Path

    @property
    def name(self) -> str:
        """File name up to the suffix, such as `sub-01_task-music`."""
        return self.path.name.removesuffix(self.path.suffix).removesuffix("_eeg")

    @property
    def directory(self) -> Path:
        """Where its derivatives lie, relative to the derivative dataset."""
        return self.path.parent.relative_to(self.root)

    def bids_path(self) -> BIDSPath:
        """Return the path as mne-bids knows it."""
        from mne_bids import get_bids_path_from_fname

        return get_bids_path_from_fname(self.path).update(root=self.root)

    def read(self) -> BaseRaw:
        """Open the recording with its sidecars, data not loaded; what MNE would warn of is of no concern here."""
        from mne_bids import read_raw_bids

        with warnings.catch_warnings(), _without_locks():
            warnings.simplefilter("ignore")
            raw = read_raw_bids(self.bids_path(), verbose="error")
        raw.info["line_freq"] = _frequency(self.metadata().get("PowerLineFrequency"))
        return raw

    def metadata(self) -> dict[str, Any]:
        """Merge all JSON sidecars that apply to the recording; the nearer wins (inheritance principle)."""
        mine = set(self.path.stem.split("_"))
        directories = [self.root, *reversed(self.path.relative_to(self.root).parents[:-1])]
        merged: dict[str, Any] = {}
        for directory in (self.root / part for part in directories):
            for sidecar in sorted(directory.glob("*eeg.json"), key=lambda file: len(file.name)):
                if set(sidecar.stem.split("_")) <= mine:
                    merged |= read_json(sidecar)
        return merged

    def sidecar(self, suffix: str, extension: str) -> Path | None:
        """Find the sidecar that applies to this recording by the inheritance principle, if there is one."""
        with _without_locks():
            found = self.bids_path().find_matching_sidecar(suffix=suffix, extension=extension, on_error="ignore")
        return Path(found) if found else None


@contextmanager
def _without_locks() -> Iterator[None]:
    """Keep mne-bids from putting lock files beside the sidecars it reads: the dataset is never written to."""
    from mne_bids import _fileio

    original = _fileio._soft_import
    _fileio._soft_import = lambda *_, **__: False  # as if the package `filelock` were not there
    try:
        yield
    finally:
        _fileio._soft_import = original


def _frequency(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0 else None


def read_filter_file(path: Path) -> dict[str, Any]:
    """Read pybids filters as JSON in fMRIPrep's convention, ``{"eeg": {"task": "music"}}``."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingInput(f"The filter file {path} does not exist.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise WrongUsage(f"The filter file {path} is not valid JSON: {error}.") from error
    filters = content.get("eeg") if isinstance(content, dict) else None
    if not isinstance(filters, dict):
        raise WrongUsage(
            f'The filter file {path} must hold an object with the key "eeg", e.g. {{"eeg": {{"task": "music"}}}}.'
        )
    return filters


def check_dataset(root: Path) -> None:
    """Raise `InvalidDataset` when a directory cannot be a BIDS dataset at all."""
    if not root.is_dir():
        raise InvalidDataset(f"There is no directory {root}: expected the root of a BIDS dataset.")
    if not (root / "dataset_description.json").is_file():
        raise InvalidDataset(
            f"{root} is no BIDS dataset: it has no dataset_description.json. Give the dataset's root directory."
        )


def find_recordings(root: Path, selection: Selection = Selection()) -> list[Recording]:
    """List the EEG recordings of a dataset in the order of their names.

    Only the directories of the selected participants are indexed: pybids takes minutes for hundreds of participants.

    Raises
    ------
    InvalidDataset
        There is no dataset.
    NothingSelected
        A participant does not exist, or the filters leave nothing.
    MissingInput
        The dataset has no EEG.
    """
    check_dataset(root)
    root = root.absolute()
    present = sorted(path.name.removeprefix("sub-") for path in root.glob("sub-*") if path.is_dir())
    _check_participants(selection.participants, present, root)
    wanted = selection.participants or tuple(present)
    query: dict[str, Any] = {
        "subject": list(wanted),
        "session": list(selection.sessions),
        "task": list(selection.tasks),
        "run": [int(run) if run.isdigit() else run for run in selection.runs],
    }
    query = {entity: values for entity, values in query.items() if values} | dict(selection.filters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pybids and pandas warn of each other's deprecations
        files = _index(root, wanted, present, selection.database_dir).get(
            suffix="eeg", extension=list(EXTENSIONS), datatype="eeg", scope="raw", **query
        )
    recordings = sorted(_recording(Path(file.path), file.entities, root) for file in files)
    if not recordings and selection.is_restricted:
        raise NothingSelected(f"The filters {query} select no EEG recording of {root}. Loosen them.")
    if not recordings:
        raise MissingInput(
            f"{root} holds no EEG recording ({', '.join(EXTENSIONS)}) of participants {', '.join(wanted) or '(none)'}."
        )
    return recordings


def _check_participants(wanted: tuple[str, ...], present: list[str], root: Path) -> None:
    missing = [label for label in wanted if label not in present]
    if missing:
        shown = ", ".join(present[:12]) + (", ..." if len(present) > 12 else "")
        raise NothingSelected(
            f"{root} has no participant {', '.join(missing)}; it has {shown or 'none'}. Check --participant-label."
        )


def _index(root: Path, wanted: tuple[str, ...], present: list[str], database_dir: Path | None) -> Any:
    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    ignore: list[Any] = ["code", "stimuli", "sourcedata", "derivatives", "phenotype", re.compile(r"/\.")]
    if database_dir is None and set(wanted) != set(present):
        alternatives = "|".join(re.escape(label) for label in wanted)
        ignore.append(re.compile(rf"/sub-(?!(?:{alternatives})(?:/|_|$))"))
    indexer = BIDSLayoutIndexer(validate=False, index_metadata=False, ignore=ignore)
    return BIDSLayout(root, validate=False, indexer=indexer, database_path=database_dir)


def _recording(path: Path, entities: Mapping[str, Any], root: Path) -> Recording:
    labels = {key: str(entities.get(key, "")) for key in ("subject", "session", "task", "run")}
    return Recording(labels["subject"], labels["session"], labels["task"], labels["run"], path, root)

"""Find the raw recordings of a BIDS dataset, and read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predann_bids.bids import formats
from predann_bids.bids.channels import apply_channels
from predann_bids.bids.finding.filters import read_filter_file as read_filter_file
from predann_bids.bids.finding.index import LastIndex, find_eeg, participants_on_disk
from predann_bids.bids.finding.labels import comparable
from predann_bids.bids.finding.strays import strays
from predann_bids.bids.finding.versions import how_to_choose, one_version_each
from predann_bids.bids.formats import EXTENSIONS
from predann_bids.bids.gaps import TimeLine
from predann_bids.bids.names import IDENTITY, parse
from predann_bids.bids.positions import apply_positions
from predann_bids.bids.sidecars import applicable, is_dangling, merged_json, nearest, not_fetched
from predann_bids.bids.stated import compare_with_sidecars
from predann_bids.errors import InvalidDataset, MissingInput, NothingSelected, UnusableData
from predann_bids.files import read_json

if TYPE_CHECKING:
    from mne.io import BaseRaw


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
        """Whether anything but participants is filtered."""
        return bool(self.sessions or self.tasks or self.runs or self.filters)


@dataclass(frozen=True)
class Reading:
    """An opened recording, what a reader of the results should know about its files, and where it was interrupted."""

    raw: BaseRaw
    warnings: tuple[str, ...] = ()
    timeline: TimeLine = field(default_factory=TimeLine)


@dataclass(frozen=True, order=True)
class Recording:
    """One raw EEG file and the entities in its name.

    Parameters
    ----------
    participant, session, task, run : str
        Labels; empty where the name has none.
    path, root : pathlib.Path
        The file and the dataset.
    duplicates : tuple of pathlib.Path
        The same recording in other formats, which are not read.
    rivals : tuple of pathlib.Path
        Other versions of it, of which nothing says which to read.
    """

    participant: str
    session: str
    task: str
    run: str
    path: Path
    root: Path
    duplicates: tuple[Path, ...] = ()
    rivals: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """File name up to the suffix, such as `sub-01_task-music`."""
        return self.path.name.removesuffix(self.path.suffix).removesuffix("_eeg")

    @property
    def directory(self) -> Path:
        """Where its derivatives lie, relative to the derivative dataset."""
        return self.path.parent.relative_to(self.root)

    def missing_files(self) -> list[Path]:
        """List missing files that are needed to read it; a link to content that was not fetched counts as missing."""
        return formats.missing_files(self.path)

    def read(self) -> BaseRaw:
        """Open the recording with its sidecars; see `open`."""
        return self.open().raw

    def open(self, *, look_at_samples: bool = True) -> Reading:
        """Open the recording with its sidecars, data not loaded where the format allows.

        EEG is in volts; `info["bads"]`, channel types and positions are those of the sidecars; `info["line_freq"]` is
        their PowerLineFrequency. The annotations are the file's own: events.tsv is read when presentations are
        resolved. A sidecar that cannot be used is named in the warnings.

        Parameters
        ----------
        look_at_samples : bool
            Make sure that values are plausible in their unit. If not, units are those of the file, right or wrong.

        Raises
        ------
        MissingInput
            The recording, its data, or a sidecar is not there, or a link to content that was not fetched.
        UnusableData
            It cannot be read, was cut off, has rivals, or contradicts its sidecars about its sampling rate.
        """
        self.require_choice()
        opened = formats.open_raw(self.path)
        raw, notes = opened.raw, list(opened.warnings)
        metadata, channels = self.metadata(), self.sidecar("channels", ".tsv")
        notes += apply_channels(raw, channels, look_at_samples=look_at_samples)
        electrodes = self.sidecar("electrodes", ".tsv")
        notes += apply_positions(raw, electrodes, self._coordsystem_of(electrodes))
        notes += compare_with_sidecars(self.path, opened, metadata, channels, self._stating)
        if self.duplicates:
            others = ", ".join(path.name for path in self.duplicates)
            notes.append(f"{self.path} is read; {others} beside it holds the same recording and is not.")
        raw.info["line_freq"] = _positive(metadata.get("PowerLineFrequency"))
        return Reading(raw, tuple(notes), opened.timeline)

    def require_choice(self) -> None:
        """Raise `UnusableData` if there are several versions of the recording and nothing says which to read."""
        if self.rivals:
            names = ", ".join(path.name for path in (self.path, *self.rivals))
            raise UnusableData(
                f"{self.path.parent} holds {len(self.rivals) + 1} versions of one recording ({names}); choose one with"
                f" --bids-filter-file, which holds for example {how_to_choose(self.path)}."
            )

    def metadata(self) -> dict[str, Any]:
        """Merge all JSON sidecars that apply to the recording; the nearer wins (inheritance principle)."""
        return merged_json(self.path, self.root, "eeg")

    def sidecar(self, suffix: str, extension: str) -> Path | None:
        """Find the sidecar that applies to this recording by the inheritance principle, if there is one."""
        return nearest(self.path, self.root, suffix, extension)

    def _coordsystem_of(self, electrodes: Path | None) -> Path | None:
        """Find the coordsystem.json of the same space as electrodes.tsv, where there are several."""
        first = self.sidecar("coordsystem", ".json")
        space = _space(electrodes) if electrodes else None
        if space is None:
            return first
        systems = applicable(self.path, self.root, "coordsystem", ".json")
        return next((path for path in systems if _space(path) == space), first)

    def _stating(self, key: str) -> Path:
        """Find the JSON sidecar that decides about a key."""
        sidecars = list(applicable(self.path, self.root, "eeg", ".json"))
        return next((path for path in sidecars if key in read_json(path)), self.path.with_suffix(".json"))


def _space(sidecar: Path) -> str | None:
    name = parse(sidecar.name)
    return name.entities.get("space") if name else None


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 < number < float("inf") else None


def check_dataset(root: Path) -> None:
    """Raise `InvalidDataset` if a directory cannot be a BIDS dataset, `MissingInput` if that is not known yet."""
    if not root.is_dir():
        raise InvalidDataset(f"There is no directory {root}: expected the root of a BIDS dataset.")
    if is_dangling(root / "dataset_description.json"):
        raise not_fetched(root / "dataset_description.json")
    if not (root / "dataset_description.json").is_file():
        raise InvalidDataset(
            f"{root} is not a BIDS dataset: it has no dataset_description.json. Give the dataset's root directory."
        )


@dataclass(frozen=True)
class Listing:
    """The recordings of a dataset, and sentences about files that look like EEG and are not used."""

    recordings: tuple[Recording, ...]
    notes: tuple[str, ...] = ()


def find_recordings(
    root: Path, selection: Selection = Selection(), last_index: LastIndex | None = None
) -> list[Recording]:
    """List the EEG recordings of a dataset in the order of their names; see `list_recordings`."""
    return list(list_recordings(root, selection, last_index).recordings)


def list_recordings(root: Path, selection: Selection = Selection(), last_index: LastIndex | None = None) -> Listing:
    """List the EEG recordings of a dataset in the order of their names, each in one format and one version.

    Only the EEG files of the selected participants are indexed: pybids takes minutes for all of hundreds of them. With
    `last_index`, pybids is not asked again while the names of these files stay the same.

    Raises
    ------
    InvalidDataset
        There is no dataset.
    NothingSelected
        A participant does not exist, or the filters leave nothing.
    MissingInput
        The dataset has no EEG.
    WrongUsage
        pybids cannot use the filters.
    """
    check_dataset(root)
    root = root.absolute()
    present = participants_on_disk(root)
    _check_participants(selection.participants, present, root)
    wanted = selection.participants or tuple(present)
    query = _query(selection)
    _refuse_empty(selection)
    found = find_eeg(root, wanted, query, selection.filters, selection.database_dir, last_index) if wanted else []
    others = strays(root, wanted)
    recordings = _in_one_format(sorted(_recording(path, root) for path in found))
    if not recordings and selection.is_restricted:
        filters = query | dict(selection.filters)
        raise NothingSelected(
            f"The filters {filters} select no EEG recording of {root}. {_present(root, wanted)}Loosen them."
        )
    if not recordings:
        told = "".join(f" {note}" for note in others)
        raise MissingInput(
            f"{root} holds no EEG recording ({', '.join(EXTENSIONS)}) of participants {', '.join(wanted) or '(none)'}."
            f"{told}"
        )
    chosen, notes = one_version_each([recording.path for recording in recordings], selection.filters)
    by_path = {recording.path: recording for recording in recordings}
    kept = tuple(replace(by_path[path], rivals=rivals) for path, rivals in chosen.items())
    return Listing(kept, (*others, *notes))


def _refuse_empty(selection: Selection) -> None:
    empty = [entity for entity, value in selection.filters.items() if value == []]
    if empty:
        raise NothingSelected(f"The filter file asks for {empty[0]} = [], which selects nothing. Name a label.")


def _query(selection: Selection) -> dict[str, Any]:
    query: dict[str, Any] = {
        "session": list(selection.sessions),
        "task": list(selection.tasks),
        "run": [comparable(run) for run in selection.runs],
    }
    return {entity: values for entity, values in query.items() if values}


def _present(root: Path, wanted: tuple[str, ...]) -> str:
    """Say which tasks, sessions and runs there are to choose from."""
    files = [path for label in wanted[:20] for path in (root / f"sub-{label}").rglob("*_eeg.*")]
    names = [name for path in files if (name := parse(path.name))]
    there = []
    for entity in ("task", "ses", "run"):
        labels = sorted({name.entities[entity] for name in names if entity in name.entities})
        if labels:
            there.append(f"{entity} {', '.join(labels[:12])}{', ...' if len(labels) > 12 else ''}")
    return f"There is {'; '.join(there)}. " if there else ""


def _check_participants(wanted: tuple[str, ...], present: list[str], root: Path) -> None:
    missing = [label for label in wanted if label not in present]
    if missing:
        shown = ", ".join(present[:12]) + (", ..." if len(present) > 12 else "")
        raise NothingSelected(
            f"{root} has no participant {', '.join(missing)}; it has {shown or 'none'}. Check --participant-label."
        )


def _recording(path: Path, root: Path) -> Recording:
    name = parse(path.name)
    assert name is not None  # `find_eeg` finds no others
    participant, session, task, run = (name.entities.get(entity, "") for entity in IDENTITY)
    return Recording(participant, session, task, run, path, root)


def _in_one_format(recordings: list[Recording]) -> list[Recording]:
    """Keep one of several files that hold the same recording: one that can be read, in the best format."""
    together: dict[Path, list[Recording]] = {}
    for recording in recordings:
        together.setdefault(recording.path.with_suffix(""), []).append(recording)
    return [same[0] if len(same) == 1 else _best(same) for same in together.values()]


def _best(same: list[Recording]) -> Recording:
    def worth(recording: Recording) -> tuple[bool, int]:
        return bool(recording.missing_files()), EXTENSIONS.index(recording.path.suffix.lower())

    first, *others = sorted(same, key=worth)
    labels = (first.participant, first.session, first.task, first.run)
    return Recording(*labels, first.path, first.root, tuple(other.path for other in others))

"""Name files that look like EEG of a dataset and are not read: others take them for recordings that are there."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from predann_bids.bids.finding.index import PARTICIPANT, is_eeg_of
from predann_bids.bids.formats import EXTENSIONS
from predann_bids.bids.names import parse

SHOWN = 5
# raw EEG that BIDS has no place for
OTHER_FORMATS = (".cnt", ".fif", ".gdf", ".mff", ".xdf", ".nxe", ".bdf.gz", ".edf.gz", ".vhdr.gz")


def strays(root: Path, participants: Collection[str]) -> list[str]:
    """Return a sentence for each kind of file that looks like EEG of some participants and is not read.

    Parameters
    ----------
    root : pathlib.Path
        The dataset.
    participants : collection of str
        Labels.
    """
    kinds: dict[str, list[Path]] = {}
    for path, reason in (*_folders(root), *(one for label in participants for one in _files(root, label))):
        kinds.setdefault(reason, []).append(path)
    return [_sentence(reason, paths, root) for reason, paths in kinds.items()]


def _folders(root: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(root.glob("sub-*")):
        if path.is_dir() and not PARTICIPANT.fullmatch(path.name):
            yield path, "no participant's folder has such a name"


def _files(root: Path, participant: str) -> Iterator[tuple[Path, str]]:
    for pattern in ("*", "ses-*/*", "eeg/*", "ses-*/eeg/*"):
        for path in sorted((root / f"sub-{participant}").glob(pattern)):
            hidden = path.name.startswith(".")  # what systems leave there, and nobody misses
            reason = "" if hidden or is_eeg_of(path, participant) else _reason(path)
            if reason:
                yield path, reason


def _reason(path: Path) -> str:
    extension = path.suffix.lower()
    name = parse(path.name)
    if path.name.lower().endswith(OTHER_FORMATS) and name and name.suffix == "eeg":
        return f"EEG in BIDS is {', '.join(EXTENSIONS)}; convert it with mne-bids"
    if extension == ".eeg" and not _header_beside(path):
        return "its header (.vhdr) is missing"
    if extension not in EXTENSIONS:
        return ""
    if name is None or name.suffix != "eeg":
        return "that is no BIDS name of EEG, as in sub-01_task-music_eeg.vhdr"
    if path.parent.name != "eeg":
        return "EEG lies in the folder eeg of its participant or session"
    return "its name is of another participant or session than its folder"


def _header_beside(path: Path) -> bool:
    return any(path.with_suffix(extension).is_file() for extension in (".vhdr", ".VHDR"))


def _sentence(reason: str, paths: list[Path], root: Path) -> str:
    named = ", ".join(path.relative_to(root).as_posix() for path in paths[:SHOWN])
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    verb = "is" if len(paths) == 1 else "are"
    return f"{named}{more} in {root} {verb} not used: {reason}."

"""Ask pybids for the EEG files of a dataset, and let it index no more than it must."""

from __future__ import annotations

import json
import re
import sqlite3
import tempfile
import warnings
from collections.abc import Collection, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from predann_bids.bids.finding.filters import to_query
from predann_bids.bids.formats import EXTENSIONS
from predann_bids.bids.names import parse
from predann_bids.errors import ReadOrWriteFailed, UnusableData, WrongUsage
from predann_bids.files import read_json, refused, write_json

DATABASE = "layout_index.sqlite"
OTHER_DIRECTORIES = ("code", "stimuli", "sourcedata", "derivatives", "phenotype")
PARTICIPANT = re.compile(r"sub-([0-9a-zA-Z+]+)")
# what names of raw EEG may hold and pybids does not know there
FURTHER = {
    "name": "versions",
    "entities": [
        {"name": name, "pattern": rf"[_/\\]+{short}-([a-zA-Z0-9+]+)"}
        for name, short in (("description", "desc"), ("split", "split"))
    ],
}
SESSION = re.compile(r"ses-([0-9a-zA-Z+]+)")


def participants_on_disk(root: Path) -> list[str]:
    """List the labels of all participants of a dataset, sorted; `sub-01 copy` and `sub-01.bak` are none."""
    matches = (PARTICIPANT.fullmatch(path.name) for path in root.glob("sub-*") if path.is_dir())
    return sorted(match[1] for match in matches if match)


def is_eeg_of(path: Path, participant: str) -> bool:
    """Whether a file lies where BIDS has EEG of a participant, and is named so."""
    name = parse(path.name)
    if name is None or name.suffix != "eeg" or name.extension.lower() not in EXTENSIONS:
        return False
    session = SESSION.fullmatch(path.parent.parent.name)
    place = {"sub": participant} | ({"ses": session[1]} if session else {})
    return {entity: label for entity, label in name.entities.items() if entity in ("sub", "ses")} == place


class LastIndex:
    """What pybids answered last, in a file: importing it takes a second, and its answer follows from names of files.

    Parameters
    ----------
    file : pathlib.Path
        JSON to read, and to write with `save`.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._content: dict[str, Any] = {}
        self._changed = False

    def answer(self, question: object, root: Path) -> list[Path] | None:
        """Return the EEG files if the last question was the same."""
        try:
            self._content = read_json(self._file)
            if self._content["question"] == question:
                return [root / path for path in self._content["answer"]]
        except (OSError, UnusableData, KeyError, TypeError, ValueError):
            pass  # there is none, or somebody has changed it
        return None

    def keep(self, question: object, answer: Collection[Path], root: Path) -> None:
        """Keep an answer, to be saved."""
        files = [path.relative_to(root).as_posix() for path in answer]
        self._content, self._changed = {"question": question, "answer": files}, True

    def save(self) -> None:
        """Write the answer if it is a new one."""
        if self._changed:
            write_json(self._file, self._content)


def find_eeg(
    root: Path,
    participants: Collection[str],
    query: Mapping[str, Any],
    filters: Mapping[str, Any],
    database_dir: Path | None = None,
    last: LastIndex | None = None,
) -> list[Path]:
    """Find the EEG files of some participants that match a query and the filters of a filter file.

    Parameters
    ----------
    root : pathlib.Path
        The dataset.
    participants : collection of str
        Labels.
    query : mapping
        pybids entities and lists of exact labels.
    filters : mapping
        The content of a filter file; see `read_filter_file`.
    database_dir : pathlib.Path, optional
        pybids index to reuse, or to make of the whole dataset.
    last : LastIndex, optional
        The answer to take if the question and the files are the same as last time; not used with `database_dir`.

    Returns
    -------
    list of pathlib.Path
        Files that BIDS would name so, sorted.

    Raises
    ------
    WrongUsage
        pybids cannot use the filters.
    ReadOrWriteFailed
        The index cannot be written to `database_dir`.
    """
    if last is None or database_dir:
        return _ask_pybids(root, participants, query, filters, database_dir)
    names = sorted(str(Path(file).relative_to(root)) for file in _on_disk(root, participants))
    # as JSON gives it back
    question = json.loads(json.dumps([version("pybids"), str(root), names, query, filters], default=str))
    answer = last.answer(question, root)
    if answer is None:
        answer = _ask_pybids(root, participants, query, filters, None)
        last.keep(question, answer, root)
    return answer


def _ask_pybids(
    root: Path,
    participants: Collection[str],
    query: Mapping[str, Any],
    filters: Mapping[str, Any],
    database_dir: Path | None,
) -> list[Path]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pybids and pandas warn of each other's deprecations
        layout = _reused(root, participants, database_dir) if database_dir else _index_eeg(root, participants)
        fixed: dict[str, Any] = {
            "suffix": "eeg",
            "datatype": "eeg",
            "scope": "raw",
            "subject": list(participants),
        }
        paths = {file.path for file in layout.get(**fixed, **query)} & _on_disk(root, participants)
        if filters:
            # apart, so that neither loosens the other, and a regular expression is not one for `query`
            paths &= set(_filtered(layout, filters))
        return [Path(path) for path in sorted(paths)]


def _filtered(layout: Any, filters: Mapping[str, Any]) -> list[str]:
    try:
        found: list[str] = layout.get(return_type="file", **to_query(dict(filters)))
    except (ValueError, TypeError) as error:
        raise WrongUsage(f"pybids cannot use the filters {dict(filters)}: {error}") from error
    return found


def _index_eeg(root: Path, participants: Collection[str]) -> Any:
    """Index nothing but the EEG files of some participants: pybids' time grows with all that it must look at."""
    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    labels = "|".join(map(re.escape, participants))
    endings = "|".join(extension.lstrip(".") for extension in EXTENSIONS)
    wanted = rf"/sub-(?:{labels})(?:/ses-[^/]+)?(?:/eeg(?:/[^/]+_eeg\.(?:{endings}))?)?$"
    ignore = re.compile(rf"^(?!{wanted})", re.IGNORECASE)
    indexer = BIDSLayoutIndexer(validate=False, index_metadata=False, ignore=[ignore])
    return BIDSLayout(root, validate=False, indexer=indexer, config=["bids", FURTHER])


# -- kept indexes ------------------------------------------------------------------------------------------------------


def _reused(root: Path, participants: Collection[str], database_dir: Path) -> Any:
    """Open a kept index if it agrees with the dataset about these participants, or make it anew of all of them."""
    if "?" in str(database_dir.absolute()):  # to SQLAlchemy, what follows are options
        raise WrongUsage(f"--bids-database-dir {database_dir}: its path must not contain '?'. Choose another.")
    if (database_dir / DATABASE).is_file():
        layout = _load(root, database_dir)
        if layout is not None and _indexed(layout, participants) == _on_disk(root, participants):
            return layout
    _make(root, database_dir)
    layout = _load(root, database_dir)
    if layout is None:
        raise ReadOrWriteFailed(f"The pybids index in {database_dir} cannot be read. Choose another directory.")
    return layout


def _load(root: Path, database_dir: Path) -> Any:
    from bids.layout import BIDSLayout
    from sqlalchemy.exc import SQLAlchemyError

    try:
        layout = BIDSLayout(root, validate=False, database_path=database_dir)
    except (SQLAlchemyError, sqlite3.Error, AttributeError, ValueError, OSError):
        return None  # no pybids index, of another version of it, or of a dataset that has gone
    return layout if Path(str(layout.root)).resolve() == root.resolve() else None


def _indexed(layout: Any, participants: Collection[str]) -> set[str]:
    files = layout.get(suffix="eeg", datatype="eeg", return_type="file")
    return {file for file in files if any(is_eeg_of(Path(file), label) for label in participants)}


def _on_disk(root: Path, participants: Collection[str]) -> set[str]:
    return {
        str(file)
        for label in participants
        for pattern in ("eeg/*", "ses-*/eeg/*")
        for file in (root / f"sub-{label}").glob(pattern)
        if is_eeg_of(file, label)
    }


def _make(root: Path, database_dir: Path) -> None:
    """Index a whole dataset, and put the index into its place in one move: several jobs may want it at once."""
    from bids.layout import BIDSLayout, BIDSLayoutIndexer
    from sqlalchemy.exc import SQLAlchemyError

    ignore = [*OTHER_DIRECTORIES, re.compile(r"/\.")]
    try:
        database_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=database_dir, prefix=".writing-") as beside:
            indexer = BIDSLayoutIndexer(validate=False, index_metadata=False, ignore=ignore)
            layout = BIDSLayout(root, validate=False, indexer=indexer, config=["bids", FURTHER], database_path=beside)
            layout.session.close()
            (Path(beside) / DATABASE).replace(database_dir / DATABASE)
    except OSError as error:
        raise refused(database_dir / DATABASE, error) from error
    except (SQLAlchemyError, sqlite3.Error) as error:  # it needs locks, which not every file system has
        raise ReadOrWriteFailed(
            f"The pybids index in {database_dir} cannot be written: {getattr(error, 'orig', error)}. Choose a directory"
            " on a local disk, or leave out --bids-database-dir."
        ) from error

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

from predann_bids.bids.filters import to_query
from predann_bids.bids.formats import EXTENSIONS
from predann_bids.errors import ReadOrWriteFailed, UnusableData, WrongUsage
from predann_bids.files import read_json, write_json

DATABASE = "layout_index.sqlite"
OTHER_DIRECTORIES = ("code", "stimuli", "sourcedata", "derivatives", "phenotype")
EEG_FILE = re.compile(rf"sub-.*_eeg({'|'.join(map(re.escape, EXTENSIONS))})$", re.IGNORECASE)

EegFile = tuple[Path, dict[str, str]]  # with the entities in its name


def participants_on_disk(root: Path) -> list[str]:
    """List the labels of all participants of a dataset, sorted."""
    return sorted(path.name.removeprefix("sub-") for path in root.glob("sub-*") if path.is_dir())


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

    def answer(self, question: object, root: Path) -> list[EegFile] | None:
        """Return the EEG files if the last question was the same."""
        try:
            self._content = read_json(self._file)
            if self._content["question"] == question:
                return [(root / path, entities) for path, entities in self._content["answer"]]
        except (OSError, UnusableData, KeyError, TypeError, ValueError):
            pass  # there is none, or somebody has changed it
        return None

    def keep(self, question: object, answer: Collection[EegFile], root: Path) -> None:
        """Keep an answer, to be saved."""
        files = [[path.relative_to(root).as_posix(), entities] for path, entities in answer]
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
) -> list[EegFile]:
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
    list of (pathlib.Path, dict)
        Files with the entities that pybids sees in their names.

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
) -> list[EegFile]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pybids and pandas warn of each other's deprecations
        layout = _reused(root, participants, database_dir) if database_dir else _index_eeg(root, participants)
        fixed: dict[str, Any] = {
            "suffix": "eeg",
            "datatype": "eeg",
            "scope": "raw",
            "extension": [*EXTENSIONS, *map(str.upper, EXTENSIONS)],
            "subject": list(participants),
        }
        files = layout.get(**fixed, **query)
        if filters:
            # apart, so that neither loosens the other, and a regular expression is not one for `query`
            kept = set(_filtered(layout, filters))
            files = [file for file in files if file.path in kept]
        return [(Path(file.path), {key: str(value) for key, value in file.entities.items()}) for file in files]


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
    return BIDSLayout(
        root, validate=False, indexer=BIDSLayoutIndexer(validate=False, index_metadata=False, ignore=[ignore])
    )


# -- kept indexes ------------------------------------------------------------------------------------------------------


def _reused(root: Path, participants: Collection[str], database_dir: Path) -> Any:
    """Open a kept index if it agrees with the dataset about these participants, or make it anew of all of them."""
    if (database_dir / DATABASE).is_file():
        layout = _load(root, database_dir)
        if layout is not None and _indexed(layout, participants) == _on_disk(root, participants):
            return layout
    _make(root, database_dir)
    return _load(root, database_dir)


def _load(root: Path, database_dir: Path) -> Any:
    from bids.layout import BIDSLayout
    from sqlalchemy.exc import SQLAlchemyError

    try:
        layout = BIDSLayout(root, validate=False, database_path=database_dir)
    except (SQLAlchemyError, sqlite3.Error, AttributeError, ValueError, OSError):
        return None  # no pybids index, of another version of it, or of a dataset that has gone
    return layout if Path(str(layout.root)).resolve() == root.resolve() else None


def _indexed(layout: Any, participants: Collection[str]) -> set[str]:
    files = layout.get(suffix="eeg", datatype="eeg", subject=list(participants), return_type="file")
    return {file for file in files if EEG_FILE.match(Path(file).name)}


def _on_disk(root: Path, participants: Collection[str]) -> set[str]:
    directories = (root / f"sub-{label}" for label in participants)
    files = (file for d in directories for pattern in ("eeg/*", "ses-*/eeg/*") for file in d.glob(pattern))
    return {str(file) for file in files if EEG_FILE.match(file.name)}


def _make(root: Path, database_dir: Path) -> None:
    """Index a whole dataset, and put the index into its place in one move: several jobs may want it at once."""
    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    ignore = [*OTHER_DIRECTORIES, re.compile(r"/\.")]
    try:
        database_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=database_dir, prefix=".writing-") as beside:
            indexer = BIDSLayoutIndexer(validate=False, index_metadata=False, ignore=ignore)
            layout = BIDSLayout(root, validate=False, indexer=indexer, database_path=beside)
            layout.session.close()
            (Path(beside) / DATABASE).replace(database_dir / DATABASE)
    except OSError as error:
        raise ReadOrWriteFailed(f"The pybids index in {database_dir} cannot be written: {error.strerror}.") from error

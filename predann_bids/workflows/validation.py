"""Run the BIDS validator before any work is done, and stop only for errors that make the EEG unreadable."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sysconfig
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from predann_bids.bids.finding.index import participants_on_disk
from predann_bids.bids.finding.labels import comparable
from predann_bids.bids.music.cues import read_events
from predann_bids.bids.names import parse
from predann_bids.bids.recordings import Selection, check_dataset
from predann_bids.errors import InvalidDataset, MissingInput, PredannError
from predann_bids.files import read_json

SHOWN, EXAMPLES = 5, 3
DESCRIPTION = "dataset_description.json"
# the files without which a recording cannot be understood, by the end of their names
READERS: dict[str, Callable[[Path], Any]] = {
    DESCRIPTION: read_json,
    "_eeg.json": read_json,
    "_coordsystem.json": read_json,
    "_events.tsv": read_events,
}
# findings that mean nothing when the validator sees only some of the participants
ABOUT_ALL = ("PARTICIPANT_ID_MISMATCH", "PHENOTYPE_SUBJECTS_MISSING", "SIDECAR_WITHOUT_DATAFILE")

Issue = Mapping[str, Any]


class _ValidatorFailed(Exception):
    """The validator gave no result; the message is what it printed last."""


def validate_dataset(bids_dir: Path, selection: Selection | None = None) -> list[str]:
    """Run bids-validator-deno with the project's configuration on the selected part of a dataset.

    Parameters
    ----------
    bids_dir : Path
        The dataset. It is not written to.
    selection : Selection, optional
        Errors in other participants, sessions, tasks and runs do not stop a run.

    Returns
    -------
    list of str
        Sentences about findings that do not stop a run.

    Raises
    ------
    InvalidDataset
        There is no dataset, or a file that describes the EEG cannot be read.
    MissingInput
        The validator is not installed.
    """
    check_dataset(bids_dir)
    selection = selection or Selection()
    with _selected(bids_dir, selection.participants) as (root, is_whole):
        try:
            issues = _issues(root)
        except _ValidatorFailed as failure:
            suspects, notes = _needed_files(bids_dir, selection), [_failed(failure)]
        else:
            issues = [issue for issue in issues if is_whole or issue["code"] not in ABOUT_ALL]
            suspects = {_file(bids_dir, issue) for issue in issues if issue["severity"] == "error"}
            notes = _listing(issues)
    _refuse(bids_dir, (path for path in sorted(suspects) if _is_about(path, bids_dir, selection)))
    return notes


def _refuse(bids_dir: Path, suspects: Iterable[Path]) -> None:
    problems = [problem for path in suspects if (problem := _problem(path))]
    if problems:
        more = f" There are {len(problems) - SHOWN} more such files." if len(problems) > SHOWN else ""
        raise InvalidDataset(
            f"The dataset {bids_dir} is not valid: {' '.join(problems[:SHOWN])}{more}"
            " Fix these files, or run with --skip-bids-validation to use what can be read."
        )


def _failed(failure: _ValidatorFailed) -> str:
    return (
        f"The BIDS validator gave no result ({failure}), so only the files that describe the EEG were checked."
        " --skip-bids-validation turns the check off."
    )


# -- the validator -----------------------------------------------------------------------------------------------------


def _issues(root: Path) -> list[Issue]:
    command = [_validator(), str(root), "--config", str(_config()), "--format", "json"]
    # names of files are bytes, and not always UTF-8
    finished = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    try:
        # there may be hundreds of thousands of recommendations: they are dropped while the report is read
        report = json.loads(finished.stdout, object_hook=lambda o: None if o.get("severity") == "ignore" else o)
        return [issue for issue in report["issues"]["issues"] if issue]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        printed = re.sub(r"\x1b\[[0-9;]*m", "", finished.stderr or finished.stdout).strip().split("\n")[0]
        raise _ValidatorFailed(printed[-200:] or f"it ended with exit code {finished.returncode}") from error


def _validator() -> str:
    # beside the interpreter when the environment is not activated
    name = "bids-validator-deno"
    program = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if not program:
        raise MissingInput(f"{name} is not installed. Install it, or run with --skip-bids-validation.")
    return program


def _config() -> Path:
    package = Path(__file__).parents[1]
    # in the wheel beside the package's modules, in a checkout beside the package
    inside, beside = package / "bids_validator_config", package.parent / "bids_validator_config"
    return (inside if inside.is_dir() else beside) / "eeg.json"


@contextmanager
def _selected(bids_dir: Path, participants: tuple[str, ...]) -> Iterator[tuple[Path, bool]]:
    """Give a directory with links to the chosen participants, or the dataset itself and True.

    It is the dataset itself if all are chosen, or where there can be no links. The validator has no option to choose
    participants, and takes half a minute for 500 with 8 recordings each.
    """
    chosen = set(participants_on_disk(bids_dir)) & set(participants)
    if not chosen or len(chosen) == len(participants_on_disk(bids_dir)):
        yield bids_dir, True
        return
    with tempfile.TemporaryDirectory(prefix="predann-bids-") as scratch:
        parts = [
            path
            for path in bids_dir.absolute().iterdir()
            # annexed files are links into .git
            if path.is_file() or path.name in ("stimuli", ".git") or path.name.removeprefix("sub-") in chosen
        ]
        is_whole = not _link(parts, Path(scratch))
        yield (bids_dir if is_whole else Path(scratch)), is_whole


def _link(paths: Iterable[Path], directory: Path) -> bool:
    """Make links in a directory; return whether that is possible there, which on some file systems it is not."""
    try:
        for path in paths:
            (directory / path.name).symlink_to(path)
    except OSError:
        return False
    return True


# -- what it finds -----------------------------------------------------------------------------------------------------


def _file(bids_dir: Path, issue: Issue) -> Path:
    return bids_dir / (issue.get("location") or DESCRIPTION).lstrip("/")


def _listing(issues: Iterable[Issue]) -> list[str]:
    """Name each kind of finding once, with their number and some examples."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for issue in issues:
        kinds[issue["code"]].append(issue.get("subCode") or Path(issue.get("location") or "").name)
    words = []
    for code, subjects in sorted(kinds.items()):
        named = sorted({subject for subject in subjects if subject})
        more = ", ..." if len(named) > EXAMPLES else ""
        words.append(f"{code} ({len(subjects)}{': ' * bool(named)}{', '.join(named[:EXAMPLES])}{more})")
    return [f"The BIDS validator warns: {'; '.join(words)}."] if words else []


def _is_about(path: Path, bids_dir: Path, selection: Selection) -> bool:
    """Return whether a file applies to selected EEG, by the directories it lies in and the entities in its name."""
    *directories, name = path.relative_to(bids_dir).parts
    if any(not directory.startswith(("sub-", "ses-")) and directory != "eeg" for directory in directories):
        return False
    if name == DESCRIPTION:
        return True
    parsed = parse(name)
    if parsed is None:  # no file of the dataset
        return False
    places = dict(directory.split("-", 1) for directory in directories if "-" in directory)
    theirs = places | dict(parsed.entities)
    wanted = {
        "sub": selection.participants,
        "ses": selection.sessions,
        "task": selection.tasks,
        "run": selection.runs,
    }
    asked = {key: labels for key, labels in wanted.items() if labels and key in theirs}
    return all(comparable(theirs[key]) in map(comparable, labels) for key, labels in asked.items())


def _problem(path: Path) -> str | None:
    """Say why an existing file cannot be read; missing and empty ones are reported with their recordings."""
    reader = next((reader for end, reader in READERS.items() if path.name.endswith(end)), None)
    try:
        if reader and path.is_file() and (path.stat().st_size or path.name == DESCRIPTION):
            reader(path)
    except PredannError as error:
        return str(error)
    except OSError:  # no permission
        return None
    return None


def _needed_files(bids_dir: Path, selection: Selection) -> set[Path]:
    labels = selection.participants or participants_on_disk(bids_dir)
    directories = [bids_dir, *(bids_dir / f"sub-{label}" for label in labels)]
    patterns = [f"{where}*{end}" for where in ("", "eeg/", "ses-*/", "ses-*/eeg/") for end in READERS]
    return {path for directory in directories for pattern in patterns for path in directory.glob(pattern)}

"""Ask the BIDS validator before any work is done, and stop for nothing but what keeps EEG from being understood."""

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

from predann_bids.bids.index import participants_on_disk
from predann_bids.bids.music.cues import read_events
from predann_bids.bids.recordings import Selection, check_dataset
from predann_bids.bids.sidecars import entities_of
from predann_bids.errors import InvalidDataset, MissingInput, PredannError
from predann_bids.files import read_json

SHOWN, EXAMPLES = 5, 3
DESCRIPTION = "dataset_description.json"
# what PredANN-BIDS has to read to know what a recording is, by the end of the name
READERS: dict[str, Callable[[Path], Any]] = {
    DESCRIPTION: read_json,
    "_eeg.json": read_json,
    "_coordsystem.json": read_json,
    "_events.tsv": read_events,
}
# what the validator cannot know when it sees some of the participants only
ABOUT_ALL = ("PARTICIPANT_ID_MISMATCH", "PHENOTYPE_SUBJECTS_MISSING", "SIDECAR_WITHOUT_DATAFILE")

Issue = Mapping[str, Any]


class _ValidatorFailed(Exception):
    """The validator came to no result; the message says what it said last."""


def validate_dataset(bids_dir: Path, selection: Selection | None = None) -> list[str]:
    """Run bids-validator-deno with the project's configuration on what is selected of a dataset.

    Parameters
    ----------
    bids_dir : Path
        The dataset. It is not written to.
    selection : Selection, optional
        Findings about other participants, sessions, tasks and runs do not stop a run.

    Returns
    -------
    list of str
        Sentences about what the validator finds that does not stop a run.

    Raises
    ------
    InvalidDataset
        There is no dataset, or a file that says what the EEG is cannot be read.
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
            " Mend this, or go on with what can be used with --skip-bids-validation."
        )


def _failed(failure: _ValidatorFailed) -> str:
    return (
        f"The BIDS validator came to no result ({failure}), so only the files that say what the EEG is were checked."
        " --skip-bids-validation does without it."
    )


# -- the validator -----------------------------------------------------------------------------------------------------


def _issues(root: Path) -> list[Issue]:
    command = [_validator(), str(root), "--config", str(_config()), "--format", "json"]
    # not UTF-8 only: names of files are bytes
    finished = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    try:
        # hundreds of thousands of recommendations are dropped while they are read
        report = json.loads(finished.stdout, object_hook=lambda o: None if o.get("severity") == "ignore" else o)
        return [issue for issue in report["issues"]["issues"] if issue]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        said = re.sub(r"\x1b\[[0-9;]*m", "", finished.stderr or finished.stdout).strip().split("\n")[0]
        raise _ValidatorFailed(said[-200:] or f"it ended with exit code {finished.returncode}") from error


def _validator() -> str:
    # beside the interpreter when the environment is not activated
    found = shutil.which("bids-validator-deno", path=sysconfig.get_path("scripts")) or shutil.which(
        "bids-validator-deno"
    )
    if not found:
        raise MissingInput("bids-validator-deno is not installed; install it or use --skip-bids-validation.")
    return found


def _config() -> Path:
    package = Path(__file__).parents[1]
    # in the wheel beside the package's modules, in a checkout beside the package
    inside, beside = package / "bids_validator_config", package.parent / "bids_validator_config"
    return (inside if inside.is_dir() else beside) / "eeg.json"


@contextmanager
def _selected(bids_dir: Path, participants: tuple[str, ...]) -> Iterator[tuple[Path, bool]]:
    """Give a directory with links to some participants, and whether it is the whole dataset after all.

    The validator has no option for this, and takes half a minute for 500 participants with 8 recordings each.
    """
    chosen = set(participants_on_disk(bids_dir)) & set(participants)
    if not chosen or len(chosen) == len(participants_on_disk(bids_dir)):
        yield bids_dir, True
        return
    with tempfile.TemporaryDirectory(prefix="predann-bids-") as scratch:
        for path in bids_dir.absolute().iterdir():
            if path.is_file() or path.name == "stimuli" or path.name.removeprefix("sub-") in chosen:
                (Path(scratch) / path.name).symlink_to(path)
        yield Path(scratch), False


# -- what it finds -----------------------------------------------------------------------------------------------------


def _file(bids_dir: Path, issue: Issue) -> Path:
    return bids_dir / (issue.get("location") or DESCRIPTION).lstrip("/")


def _listing(issues: Iterable[Issue]) -> list[str]:
    """Name each kind of finding once, with how many there are and what some are about."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for issue in issues:
        about = issue.get("subCode") or Path(issue.get("location") or "").name
        kinds[issue["code"]].append(about)
    words = []
    for code, subjects in sorted(kinds.items()):
        named = sorted({about for about in subjects if about})
        more = ", ..." if len(named) > EXAMPLES else ""
        words.append(f"{code} ({len(subjects)}{': ' * bool(named)}{', '.join(named[:EXAMPLES])}{more})")
    return [f"The BIDS validator warns of: {'; '.join(words)}."] if words else []


def _is_about(path: Path, bids_dir: Path, selection: Selection) -> bool:
    """Tell whether a file applies to EEG that is selected: the entities in its name, and the directories it is in."""
    *directories, name = path.relative_to(bids_dir).parts
    if any(not directory.startswith(("sub-", "ses-")) and directory != "eeg" for directory in directories):
        return False
    theirs = {key: label for part in (*directories, name) for key, label in entities_of(part.partition(".")[0]).items()}
    wanted = {
        "sub": selection.participants,
        "ses": selection.sessions,
        "task": selection.tasks,
        "run": selection.runs,
    }
    return all(_plain(theirs[key]) in map(_plain, labels) for key, labels in wanted.items() if labels and key in theirs)


def _plain(label: str) -> str:
    return label.lstrip("0") if label.isdigit() else label


def _problem(path: Path) -> str | None:
    """Say why a file that is there cannot be read; one that is not, or is empty, is told with its recording."""
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

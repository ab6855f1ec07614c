"""Labels of BIDS entities as people write them, on the command line and in files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from predann_bids.bids.tables import LINE_END, read_text
from predann_bids.errors import MissingInput, NothingSelected, UnusableData, WrongUsage

HEADINGS = {"sub-": "participant_id", "ses-": "session_id", "task-": "task_id", "run-": "run_id"}
FLAGS = {"sub-": "--participant-label", "ses-": "--session-label", "task-": "--task-label", "run-": "--run-label"}
BETWEEN = re.compile(r"[\s,;]+")


def comparable(label: str | int) -> str | int:
    """Return a label as it is to be compared: a number if it consists of digits, as run 1 is the same as run 01."""
    text = str(label)
    return int(text) if text.isdecimal() else text


def read_labels(words: Sequence[str], prefix: str, root: Path | None = None) -> tuple[str, ...]:
    """Return labels as they were typed, or read from files that were typed, without prefix and each once.

    Several labels in one word are separated by blanks, commas or semicolons. A file holds labels likewise; of a table
    with a column such as `participant_id`, that column is read.

    Parameters
    ----------
    words : sequence of str
        What was typed; nothing means that nothing was asked for.
    prefix : str
        Such as `sub-`, which labels may have.
    root : pathlib.Path, optional
        The dataset: what is a label in it is none of a file, although a file of that name may lie here.

    Raises
    ------
    MissingInput
        A file of labels does not exist.
    WrongUsage
        It is not a text file.
    NothingSelected
        Something was typed, but no label.
    """
    labels: list[str] = []
    for word in words:
        if _is_label(word, prefix, root) or not Path(word).is_file():
            if "/" in word:
                raise MissingInput(f"The label file {word} does not exist.")
            labels += _split(word)
        else:
            labels += _read_file(Path(word), prefix)
    found = tuple(dict.fromkeys(label.removeprefix(prefix) for label in labels))
    if words and not found:
        raise NothingSelected(
            f"{FLAGS[prefix]} names nothing ({_typed(words)}), so nothing is selected. Give labels, or omit the option"
            " to use all."
        )
    return found


def _typed(words: Sequence[str]) -> str:
    named = [f"{word} holds no label" for word in words if word and Path(word).is_file()]
    return "; ".join(named) or "it is empty"


def _is_label(word: str, prefix: str, root: Path | None) -> bool:
    if root is None or not word or "/" in word:
        return False
    name = prefix + word.removeprefix(prefix)
    places = {"sub-": (name,), "ses-": (f"sub-*/{name}",)}.get(prefix, ())
    return any(path.is_dir() for place in places for path in root.glob(place)) or (
        prefix == "run-" and word.removeprefix(prefix).isdecimal()
    )


def _split(text: str) -> list[str]:
    return [label for label in BETWEEN.split(text) if label]


def _read_file(file: Path, prefix: str) -> list[str]:
    try:
        text = read_text(file)
    except UnusableData as error:
        raise WrongUsage(f"{file} is not a text file with one label per line.") from error
    lines = [[cell.strip().strip('"') for cell in re.split("[\t,;]", line)] for line in LINE_END.split(text)]
    lines = [cells for cells in lines if any(cells) and not cells[0].startswith("#")]
    heading = HEADINGS[prefix]
    if lines and heading in lines[0]:
        place = lines[0].index(heading)
        return [cells[place] for cells in lines[1:] if place < len(cells) and cells[place] not in ("", "n/a")]
    return [label for cells in lines for cell in cells for label in _split(cell)]

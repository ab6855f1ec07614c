"""Read what finished group runs say of their test windows, from the files that they leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from predann_bids.arrays import Doubles
from predann_bids.config import Science, resolve
from predann_bids.errors import MissingInput, UnusableData, WrongUsage, some
from predann_bids.files import read_json
from predann_bids.learning.evaluation.predictions import ENTITIES, WindowPredictions
from predann_bids.learning.models import MODELS

FILES = ("metrics.json", "predictions.tsv", "splits.tsv", "config.toml")
RESERVED = ("ensemble", "everything")  # names of averages
COLUMNS = ("model", "seed", "fold", *ENTITIES, "stimulus", "onset", "length", "aggregation")
AT_ONCE = 200_000  # rows of predictions.tsv


@dataclass(frozen=True)
class FinishedRun:
    """A finished group run, and what one of its models says.

    Parameters
    ----------
    name : str
        What it is called among the members.
    directory : Path
        OUTPUT_DIR/group/NAME.
    science : Science
        Its configuration.
    protocol : mapping
        `protocol` of its metrics.json.
    labels : tuple of str
        Names of the stimuli.
    splits : DataFrame
        Its splits.tsv.
    windows : WindowPredictions
        What the model says of the test windows, with all seeds.
    """

    name: str
    directory: Path
    science: Science
    protocol: Mapping[str, Any]
    labels: tuple[str, ...]
    splits: pd.DataFrame
    windows: WindowPredictions


def find_run(path: Path) -> Path:
    """Return the directory of a finished group run: the path itself, or the only one in an output directory.

    Raises
    ------
    MissingInput
        There is none, or it is not finished.
    WrongUsage
        There are several.
    """
    if (path / "metrics.json").is_file() or not (path / "group").is_dir():
        missing = [name for name in FILES if not (path / name).is_file()]
        if missing:
            raise MissingInput(
                f"{path} is no finished group run: it has no {some(missing)}. Give OUTPUT_DIR/group/NAME of a run that"
                " has pooled all its folds."
            )
        return path
    runs = sorted(file.parent for file in path.glob("group/*/metrics.json") if (file.parent / "config.toml").is_file())
    if not runs:
        raise MissingInput(f"{path} has no finished group run. Run predann-bids BIDS_DIR {path} group first.")
    if len(runs) > 1:
        raise WrongUsage(
            f"{path} has several group runs ({some([run.name for run in runs])}). Name one, such as {runs[0]}."
        )
    return runs[0]


def name_runs(directories: Sequence[Path]) -> list[str]:
    """Name each run by its directory; where that is not enough, with the output directory in front, or a number.

    Raises
    ------
    WrongUsage
        A run is given twice.
    """
    resolved = [directory.resolve() for directory in directories]
    twice = next((one for index, one in enumerate(resolved) if one in resolved[:index]), None)
    if twice:
        raise WrongUsage(f"{twice} is given twice. Averaged with itself, a run stays what it is: name each run once.")
    names = [one.name for one in resolved]
    if len(set(names)) < len(names) or set(names) & set(RESERVED):
        names = [f"{one.parent.parent.name}/{one.name}" for one in resolved]
    if len(set(names)) < len(names):
        names = [f"{name} ({number})" for number, name in enumerate(names, 1)]
    return names


def read_run(directory: Path, name: str, model: str) -> FinishedRun:
    """Read a finished group run.

    Parameters
    ----------
    directory : Path
        OUTPUT_DIR/group/NAME.
    name : str
        What it is called among the members.
    model : str
        The model to take.

    Raises
    ------
    WrongUsage
        It does not have the model.
    MissingInput, UnusableData
        Files are missing, or do not belong together, or the model has no song probabilities.
    """
    metrics = read_json(directory / "metrics.json")
    science = resolve(file=directory / "config.toml")
    evaluated = [one for one, scores in (metrics.get("models") or {}).items() if scores]
    if model not in evaluated:
        raise WrongUsage(f"{directory} has no model '{model}': it has {some(evaluated)}. Choose one with --model.")
    labels, decisions = _read_decisions(directory / "predictions.tsv", model)
    splits = pd.read_csv(directory / "splits.tsv", sep="\t", dtype=str, keep_default_na=False)
    if decisions.empty:
        raise UnusableData(
            f"{directory}: '{model}' has no song probabilities to average, as where test songs were not trained on."
        )
    several = MODELS[model].in_epochs if model in MODELS else False
    first = science.training.seed
    groups: Any = decisions.groupby(["fold", "seed"], sort=False)
    parts = [
        _read_fit(directory, model, int(fold), None if int(seed) == first or not several else int(seed), rows)
        for (fold, seed), rows in groups
    ]
    windows = WindowPredictions.concatenate(parts)
    return FinishedRun(name, directory, science, metrics["protocol"], labels, splits, windows)


def _read_decisions(file: Path, model: str) -> tuple[tuple[str, ...], pd.DataFrame]:
    """Read the rows of predictions.tsv that decide by the mean of song probabilities, and the names of the songs."""
    text = dict.fromkeys(("model", *ENTITIES, "stimulus", "aggregation"), str)
    header = pd.read_csv(file, sep="\t", nrows=0).columns
    labels = tuple(name.removeprefix("p_") for name in header if name.startswith("p_"))
    read = pd.read_csv(
        file, sep="\t", usecols=list(COLUMNS), dtype=text, keep_default_na=False, quoting=3, chunksize=AT_ONCE
    )
    with read:
        parts = [part[(part["model"] == model) & (part["aggregation"] == "mean")] for part in read]
    rows = pd.concat(parts, ignore_index=True)
    return labels, rows.assign(stimulus=rows["stimulus"].map({label: index for index, label in enumerate(labels)}))


def _read_fit(directory: Path, model: str, fold: int, seed: int | None, rows: pd.DataFrame) -> WindowPredictions:
    """Read what one decoder says; `rows` are its decisions, which say where and when each window was."""
    place = directory / f"fold-{fold}" / (f"seed-{seed}" if seed is not None else "")
    file = place / f"{model}_windows.npz"
    if not file.is_file():
        raise MissingInput(f"There is no {file}, where the run keeps its song probabilities. Run it again.")
    with np.load(file) as saved:
        arrays = {name: saved[name] for name in saved.files}
    if "probabilities" not in arrays:
        raise UnusableData(f"{file} has no song probabilities, as where test songs were not trained on.")
    table = _table_of(rows, arrays, file)
    probabilities: Doubles = arrays["probabilities"].astype(np.float64)
    return WindowPredictions(table, probabilities, None)


def _table_of(rows: pd.DataFrame, arrays: Mapping[str, Any], file: Path) -> pd.DataFrame:
    """Say of each window whose it is and when it began, from the decisions about single windows and about segments."""
    lengths = sorted(rows["length"].unique())
    shortest, longest = (rows[rows["length"] == length] for length in (lengths[0], lengths[-1]))
    place = arrays.get("place")
    if place is None:
        source, later = shortest, np.zeros(len(shortest))
    else:  # segments are placed by themselves, and their windows follow one another
        alone, segments = np.flatnonzero(place == 0), np.flatnonzero(place == 1)
        _refuse_other_number(len(alone), len(shortest), file)
        _refuse_other_number(len(segments), len(longest) if len(lengths) > 1 else 0, file)
        order = np.empty(len(place), dtype=np.int64)
        order[alone] = np.arange(len(alone))
        inside = np.flatnonzero(place > 0)
        order[inside] = len(alone) + np.searchsorted(segments, inside, side="right") - 1
        source, later = pd.concat([shortest, longest]).iloc[order], np.maximum(place - 1, 0).astype(np.float64)
    _refuse_other_number(len(arrays["trial"]), len(source), file)
    table = source[["seed", "fold", *ENTITIES]].reset_index(drop=True)
    table["trial"] = arrays["trial"]
    table["stimulus"] = source["stimulus"].to_numpy(dtype=np.int64)
    table["onset"] = source["onset"].to_numpy(dtype=np.float64)
    if place is not None:
        table["onset"] = table["onset"].to_numpy() + later * _stride(lengths, place)
        table["place"] = place
    return pd.DataFrame(table)


def _stride(lengths: Sequence[float], place: Any) -> float:
    """Return the time from one window of a segment to the next, in seconds."""
    steps = int(place.max(initial=0)) - 1
    return (lengths[-1] - lengths[0]) / steps if steps > 0 else 0.0


def _refuse_other_number(there: int, expected: int, file: Path) -> None:
    if there != expected:
        raise UnusableData(
            f"{file} has {there} windows, where predictions.tsv has {expected}: they are not of the same run. Run the"
            " group level again."
        )

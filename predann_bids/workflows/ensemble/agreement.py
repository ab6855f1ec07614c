"""Refuse runs that cannot be averaged: other songs, windows or splits."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from predann_bids.errors import WrongUsage, some
from predann_bids.learning.ensemble.averaging import SAME
from predann_bids.workflows.ensemble.reading import FinishedRun


def refuse_different(runs: Sequence[FinishedRun]) -> None:
    """Refuse runs that were not tested on the same windows of the same splits.

    Raises
    ------
    WrongUsage
        It names two runs, says in what they differ, and how to make runs that fit.
    """
    first = runs[0]
    for other in runs[1:]:
        pair = f"{first.directory} and {other.directory}"
        _refuse_other_songs(first, other, pair)
        _refuse_other_lengths(first, other, pair)
        _refuse_other_splits(first, other, pair)
        _refuse_other_windows(first, other, pair)


def _refuse_other_songs(first: FinishedRun, other: FinishedRun, pair: str) -> None:
    if first.labels == other.labels:
        return
    differing = sorted(set(first.labels) ^ set(other.labels)) or first.labels
    raise WrongUsage(
        f"{pair} have different songs ({some(differing)}), so their probabilities cannot be averaged. Run both on the"
        " same recordings and songs."
    )


def _refuse_other_lengths(first: FinishedRun, other: FinishedRun, pair: str) -> None:
    keys = ("length", "stride", "placing")
    for key in keys:
        mine, theirs = (getattr(run.science.windows, key) for run in (first, other))
        if mine != theirs:
            raise WrongUsage(
                f"{pair} have different windows: windows.{key} is {mine} in the first and {theirs} in the second. Run"
                " both with the same."
            )
    if first.science.lengths != other.science.lengths:
        raise WrongUsage(f"{pair} have segments of different lengths: give both the same evaluation.lengths.")


def _refuse_other_splits(first: FinishedRun, other: FinishedRun, pair: str) -> None:
    row = _first_difference(first.splits, other.splits)
    if row is None:
        return
    seeds = [run.science.splitting.split_seed for run in (first, other)]
    remedy = "Run both on the same recordings, with the same --split, --n-folds and folds."
    if "auto" in seeds and first.science.training.seed != other.science.training.seed:
        remedy = (
            "Their splits follow from their --seed: run both with the same, and --n-seeds for more, or set"
            " splitting.split_seed in a --config file."
        )
    raise WrongUsage(f"{pair} have different splits: splits.tsv differs, first in row {row}. {remedy}")


def _first_difference(one: pd.DataFrame, other: pd.DataFrame) -> int | None:
    """Return the first row, as an editor counts lines, in which two tables differ."""
    if one.equals(other):
        return None
    pairs = zip(one.itertuples(index=False), other.itertuples(index=False), strict=False)
    same = next((number for number, (mine, theirs) in enumerate(pairs) if mine != theirs), min(len(one), len(other)))
    return same + 2


def _refuse_other_windows(first: FinishedRun, other: FinishedRun, pair: str) -> None:
    mine, theirs = (_windows_of(run) for run in (first, other))
    row = _first_difference(mine, theirs)
    if row is None:
        return
    table = mine if row - 2 < len(mine) else theirs
    found = table.iloc[row - 2]
    raise WrongUsage(
        f"{pair} were tested on different windows: in the test set of fold {found['fold']}, only one has the window of"
        f" sub-{found['participant']} at {found['onset']:g} s. Run both on the same derivatives, with the same"
        " --window and windows.first, and the same treatment of bad spans."
    )


def _windows_of(run: FinishedRun) -> pd.DataFrame:
    """Return the windows of one seed, the same for all."""
    table = run.windows.table
    columns = [*SAME, *(["place"] if "place" in table else [])]
    first = table.loc[table["seed"] == table["seed"].iloc[0], columns]
    return pd.DataFrame(first.round({"onset": 3}).reset_index(drop=True))

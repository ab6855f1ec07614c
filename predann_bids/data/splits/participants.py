"""Hold out whole participants."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from predann_bids.data.splits.division import DEFAULT_FOLDS, SPLITS, Division, Split, SplitKind, share_of
from predann_bids.errors import UnusableData, WrongUsage
from predann_bids.errors import people as named


@SPLITS.add("participant")
class ParticipantSplit(SplitKind):
    """Hold out whole participants: each for testing in one fold, and some of the others for validation."""

    def divide(self, division: Division) -> list[Split]:  # noqa: D102
        people = sorted({division.trials[index].participant for index in division.usable})
        _refuse_few(division, people)
        n_folds = _number_of_folds(division.config.n_folds, len(people))
        order = division.rng.permutation(people)
        splits = []
        for fold, test in enumerate(np.array_split(order, n_folds), 1):
            others = division.rng.permutation([person for person in order if person not in test])
            n_validation = share_of(division.config.validation, len(others))
            sets = [set(chosen) for chosen in (others[n_validation:], others[:n_validation], test)]
            splits.append(Split(fold, *(division.whole(_of(division, chosen)) for chosen in sets)))
        return splits


def _of(division: Division, people: set[str]) -> list[int]:
    return [index for index in division.usable if division.trials[index].participant in people]


def _refuse_few(division: Division, people: Sequence[str]) -> None:
    if len(people) >= 3:
        return
    without = {trial.participant for trial in division.trials} - set(people)
    lost = f" ({named(without)} have no presentation that holds a window)" if without else ""
    raise UnusableData(
        "The split 'participant' needs at least 3 participants, one each for training, validation and testing; there"
        f" {'are' if len(people) > 1 else 'is'} {len(people)}: {division.people()}{lost}. Preprocess more, or use"
        " --split chunk."
    )


def _number_of_folds(wanted: int, n_people: int) -> int:
    n_folds = wanted or min(DEFAULT_FOLDS, n_people)
    # each fold must leave at least one participant for training and one for validation
    fewest = math.ceil(n_people / (n_people - 2))
    if not fewest <= n_folds <= n_people:
        possible = f"{fewest} to {n_people}" if fewest < n_people else f"{fewest}"
        raise WrongUsage(f"--n-folds {n_folds} does not fit {n_people} participants: use {possible}.")
    return n_folds

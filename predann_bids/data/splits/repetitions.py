"""Hold out whole sessions or runs in which songs are repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from predann_bids.data.splits.division import SPLITS, Division, Split, SplitKind
from predann_bids.errors import UnusableData, WrongUsage


class RepetitionSplit(SplitKind):
    """Hold out whole sessions (or runs) of all participants in turn, and some other recordings for validation.

    Only songs that also occur in training recordings are tested: this split is about repetitions.
    """

    entity: ClassVar[Literal["session", "run"]]

    def divide(self, division: Division) -> list[Split]:  # noqa: D102
        trials, usable = division.trials, division.usable
        label = {index: getattr(trials[index], self.entity) for index in usable}
        labels = sorted(set(label.values()))
        n_folds = self._number_of_folds(division, labels)
        splits = []
        for fold, held_out in enumerate(np.array_split(np.array(labels), n_folds), 1):
            test = set(held_out.tolist())
            others = [index for index in usable if label[index] not in test]
            validating = division.for_validation(sorted({trials[index].recording for index in others}))
            train = [index for index in others if trials[index].recording not in validating]
            trained = {trials[index].stimulus for index in train}
            tested = [index for index in usable if label[index] in test and trials[index].stimulus in trained]
            if not tested:
                raise UnusableData(
                    f"No song of {self.entity} {', '.join(sorted(test))} (of"
                    f" {division.people([index for index in usable if label[index] in test])}) is played in another"
                    f" {self.entity}: holding it out would hold out songs. Use --split stimulus, or participant."
                )
            validation = [index for index in others if trials[index].recording in validating]
            splits.append(Split(fold, *map(division.whole, (train, validation, tested))))
        return splits

    def _number_of_folds(self, division: Division, labels: Sequence[str]) -> int:
        wanted, n_labels = division.config.n_folds, len(labels)
        if n_labels < 2:
            raise UnusableData(
                f"The split '{self.entity}' needs at least 2 {self.entity}s; there is only"
                f" {f'{self.entity} {labels[0]}' if labels[0] else f'no name of a {self.entity}'} in the recordings of"
                f" {division.people()}. Select more recordings, or use --split participant."
            )
        n_folds = wanted or n_labels
        if not 2 <= n_folds <= n_labels:
            raise WrongUsage(f"--n-folds {n_folds} does not fit {n_labels} {self.entity}s: use 2 to {n_labels}.")
        return n_folds


@SPLITS.add("session")
class SessionSplit(RepetitionSplit):
    """Hold out whole sessions."""

    entity = "session"


@SPLITS.add("run")
class RunSplit(RepetitionSplit):
    """Hold out whole runs."""

    entity = "run"

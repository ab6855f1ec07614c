"""Hold out whole songs."""

from __future__ import annotations

import numpy as np

from predann_bids.data.splits.division import DEFAULT_FOLDS, SPLITS, Division, Split, SplitKind
from predann_bids.errors import UnusableData, WrongUsage


@SPLITS.add("stimulus")
class StimulusSplit(SplitKind):
    """Hold out whole songs for all participants; the other songs of some participants are used for validation.

    Neither the audio of a test song nor anybody's EEG to it is used in training.
    """

    unseen_songs = True
    unseen_music = True

    def divide(self, division: Division) -> list[Split]:  # noqa: D102
        trials, usable = division.trials, division.usable
        songs = sorted({trials[index].stimulus for index in usable})
        if len(songs) < 2:
            raise UnusableData(
                "The split 'stimulus' needs at least 2 songs, one for training and one for testing; in the recordings"
                f" of {division.people()} there is 1. Select more recordings, or use --split participant."
            )
        n_folds = division.config.n_folds or max(2, min(DEFAULT_FOLDS, len(songs) // 2))
        if not 2 <= n_folds <= len(songs):
            raise WrongUsage(f"--n-folds {n_folds} does not fit {len(songs)} songs: use 2 to {len(songs)}.")
        splits = []
        for fold, held_out in enumerate(np.array_split(division.rng.permutation(songs), n_folds), 1):
            test = {int(song) for song in held_out}
            others = [index for index in usable if trials[index].stimulus not in test]
            listeners = _listeners(division, others)
            validating = division.for_validation(sorted(set(listeners.values())))
            sets = (
                [index for index in others if listeners[index] not in validating],
                [index for index in others if listeners[index] in validating],
                [index for index in usable if trials[index].stimulus in test],
            )
            splits.append(Split(fold, *map(division.whole, sets)))
        return splits


def _listeners(division: Division, indices: list[int]) -> dict[int, str]:
    """Return the participant of each trial; if there is only one, treat each trial as a listener of its own."""
    listeners = {index: division.trials[index].participant for index in indices}
    return listeners if len(set(listeners.values())) > 1 else {index: str(index) for index in indices}

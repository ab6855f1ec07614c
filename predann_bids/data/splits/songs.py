"""Hold out whole songs."""

from __future__ import annotations

import numpy as np

from predann_bids.data.splits.division import DEFAULT_FOLDS, SPLITS, Division, Split, SplitKind
from predann_bids.errors import UnusableData, WrongUsage


@SPLITS.add("stimulus")
class StimulusSplit(SplitKind):
    """Hold out whole songs, whoever hears them; some participants' other songs are for validation.

    Nobody's EEG of a tested song is trained on, nor is its audio.
    """

    unseen_songs = True
    unseen_music = True

    def divide(self, division: Division) -> list[Split]:  # noqa: D102
        trials, usable = division.trials, division.usable
        songs = sorted({trials[index].stimulus for index in usable})
        if len(songs) < 2:
            raise UnusableData("The split 'stimulus' needs at least 2 songs, one to train with and one to test.")
        n_folds = division.config.n_folds or max(2, min(DEFAULT_FOLDS, len(songs) // 2))
        if not 2 <= n_folds <= len(songs):
            raise WrongUsage(f"--n-folds {n_folds} does not fit {len(songs)} songs: use 2 to {len(songs)}.")
        splits = []
        for fold, held_out in enumerate(np.array_split(division.rng.permutation(songs), n_folds), 1):
            test = {int(song) for song in held_out}
            others = [index for index in usable if trials[index].stimulus not in test]
            listeners = _listeners(division, others)
            apart = division.some(sorted(set(listeners.values())))
            sets = (
                [index for index in others if listeners[index] not in apart],
                [index for index in others if listeners[index] in apart],
                [index for index in usable if trials[index].stimulus in test],
            )
            splits.append(Split(fold, *map(division.whole, sets)))
        return splits


def _listeners(division: Division, indices: list[int]) -> dict[int, str]:
    """Name who listens in each trial; where it is one person always, each trial stands for itself."""
    listeners = {index: division.trials[index].participant for index in indices}
    return listeners if len(set(listeners.values())) > 1 else {index: str(index) for index in indices}

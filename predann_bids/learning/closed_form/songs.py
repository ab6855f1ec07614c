"""Leave songs out in turn where new songs are tested and validation data have none to offer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from predann_bids.data.splits import Split
from predann_bids.data.trials import Stretch, Trial

MOST_GROUPS = 4  # of songs, each of which costs as much as another decoder


def groups_of_songs(split: Split, trials: Sequence[Trial]) -> tuple[frozenset[int], ...]:
    """Divide the songs that are trained on into groups that are left out in turn.

    Parameters
    ----------
    split : Split
        The fold.
    trials : sequence of Trial
        All trials.

    Returns
    -------
    tuple of frozenset of int
        Two to four groups. Empty if tested songs are trained on, if those of the validation data are not, so that they
        show as well how new songs do, or if there are too few to leave one out.
    """
    trained = _songs(split.train, trials)
    if not validates_on_known_songs(split, trials) or len(trained) < 2:
        return ()
    groups = np.array_split(np.random.default_rng(0).permutation(sorted(trained)), min(MOST_GROUPS, len(trained)))
    return tuple(frozenset(group.tolist()) for group in groups)


def validates_on_known_songs(split: Split, trials: Sequence[Trial]) -> bool:
    """Whether new songs are tested, while validation data are of songs that are trained on, or there are none."""
    trained, validated, tested = (_songs(stretches, trials) for stretches in split.sets().values())
    tests_new_songs = bool(tested) and not tested & (trained | validated)
    return tests_new_songs and (not validated or bool(validated & trained))


def _songs(stretches: Sequence[Stretch], trials: Sequence[Trial]) -> set[int]:
    return {trials[stretch.trial].stimulus for stretch in stretches}

"""Leave songs out in turn where new songs are tested, so that nothing is chosen by songs that were learned from."""

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
        Two to four groups; empty if tested songs are trained on, or if there are too few to leave one out.
    """
    trained, validated, tested = (_songs(stretches, trials) for stretches in split.sets().values())
    if not tested or tested & (trained | validated) or len(trained) < 2:
        return ()
    groups = np.array_split(np.random.default_rng(0).permutation(sorted(trained)), min(MOST_GROUPS, len(trained)))
    return tuple(frozenset(group.tolist()) for group in groups)


def _songs(stretches: Sequence[Stretch], trials: Sequence[Trial]) -> set[int]:
    return {trials[stretch.trial].stimulus for stretch in stretches}

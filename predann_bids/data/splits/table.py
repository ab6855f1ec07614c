"""The table splits.tsv."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from predann_bids.data.splits.division import Split
from predann_bids.data.trials import Trial
from predann_bids.timing import Rate

COLUMNS = ("fold", "set", "participant", "session", "task", "run", "stimulus", "start", "stop")


def splits_table(
    splits: Sequence[Split], trials: Sequence[Trial], labels: Sequence[str], rate: Rate, window: int = 1
) -> pd.DataFrame:
    """Lay out splits as a table that is sufficient to audit them.

    Times are in seconds from the start of the recording, before the neural delay is added. Bad spans are cut out;
    stretches between them that are too short for a window are left out.

    Parameters
    ----------
    splits : sequence of Split
        The folds.
    trials : sequence of Trial
        All trials.
    labels : sequence of str
        Names of the stimuli.
    rate : Rate
        Sampling rate of the EEG.
    window : int
        Length of a window in samples.

    Returns
    -------
    DataFrame
        Columns `fold set participant session task run stimulus start stop`.
    """
    rows = []
    for split in splits:
        for name, stretches in split.sets().items():
            for stretch in (clean for whole in stretches for clean in whole.clean_stretches(window)):
                trial = trials[stretch.trial]
                start, stop = (rate.seconds(trial.onset + edge) for edge in (stretch.span.start, stretch.span.stop))
                entities = (trial.participant, trial.session, trial.task, trial.run)
                rows.append((split.fold, name, *(e or "n/a" for e in entities), labels[trial.stimulus], start, stop))
    return pd.DataFrame(rows, columns=list(COLUMNS))

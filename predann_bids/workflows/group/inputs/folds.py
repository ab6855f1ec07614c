"""Refuse folds that the recordings cannot have, before their audio is read."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from predann_bids.bids.derivatives import Derivative
from predann_bids.config import Science
from predann_bids.data.splits import make_splits
from predann_bids.data.trials import list_trials
from predann_bids.errors import UnusableData, WrongUsage
from predann_bids.signals.brainvision import map_brainvision
from predann_bids.timing import Rate

ANY_LENGTH = 2**62  # of audio, in samples: its presentations end before


def refuse_impossible_folds(
    derivatives: Sequence[Derivative],
    labels: Sequence[str],
    science: Science,
    folds: Collection[int],
    others: Sequence[Science] = (),
) -> None:
    """Divide the presentations as if all of their audio could be used, which gives as many folds as there can be.

    Parameters
    ----------
    derivatives : sequence of Derivative
        Recordings that are selected.
    labels : sequence of str
        Names of their stimuli.
    science : Science
        How to cut windows and to keep data apart.
    folds : collection of int
        Folds that are asked for.
    others : sequence of Science
        The same with the other splits of the run, which may have more folds.

    Raises
    ------
    WrongUsage
        The number of folds does not fit, or one that is asked for is not among them.
    UnusableData
        No presentation is as long as a window.
    """
    numbers = [_most_folds(derivatives, labels, one) for one in (science, *others)]
    if all(numbers):
        refuse_unknown_folds(folds, max(numbers))


def _most_folds(derivatives: Sequence[Derivative], labels: Sequence[str], science: Science) -> int:
    """Return how many folds there can be; 0 if only their audio can tell."""
    recordings = [map_brainvision(derivative.paths.header) for derivative in derivatives]
    rate = Rate(recordings[0].rate_hz)
    window = rate.samples(science.windows.length)
    try:
        trials = list_trials(
            derivatives,
            labels,
            rate=rate,
            delay_s=science.windows.delay,
            recording_samples=[len(recording.data) for recording in recordings],
            audio_samples=dict.fromkeys(labels, ANY_LENGTH),
            first_s=science.windows.first,
        )
    except UnusableData:  # perhaps of a stimulus that will be left out: whoever has read the audio knows
        return 0
    try:
        splits = make_splits(trials, science.splitting, window=window, rate=rate, seed=science.training.seed)
    except UnusableData:
        if all(trial.length < window for trial in trials):
            raise
        return 0
    return len(splits)


def refuse_unknown_folds(folds: Collection[int], number: int) -> None:
    """Refuse folds that a run does not have.

    Raises
    ------
    WrongUsage
        It says which there are.
    """
    unknown = sorted(fold for fold in folds if not 1 <= fold <= number)
    if unknown:
        raise WrongUsage(f"--fold {unknown[0]}: there are folds 1 to {number}.")

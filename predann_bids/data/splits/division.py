"""Keep training, validation and test data apart.

Splits are made of stretches of trials, before any window is cut, so that no window can lie in two sets. All stretches
of a recording are moved by the same neural delay, which keeps them apart in the EEG as in the audio.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np

from predann_bids.config import Splitting
from predann_bids.data.trials import Stretch, Trial
from predann_bids.errors import UnusableData
from predann_bids.registry import Registry
from predann_bids.timing import Rate

Group = TypeVar("Group", str, int)

DEFAULT_FOLDS = 4


@dataclass(frozen=True)
class Split:
    """One fold: three sets of stretches that share no sample."""

    fold: int
    train: tuple[Stretch, ...]
    validation: tuple[Stretch, ...]
    test: tuple[Stretch, ...]

    def sets(self) -> dict[str, tuple[Stretch, ...]]:
        """Return the sets by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


@dataclass(frozen=True)
class Division:
    """What has to be divided, and how.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    usable : sequence of int
        Indices of the trials that hold a window.
    config : Splitting
        Number of folds, length of chunks, share of validation.
    window : int
        Length of a window in samples.
    rate : Rate
        Sampling rate of the EEG.
    rng : numpy.random.Generator
        Where chance comes from.
    guard : int
        Samples to leave between two sets that are cut from one presentation.
    """

    trials: Sequence[Trial]
    usable: Sequence[int]
    config: Splitting
    window: int
    rate: Rate
    rng: np.random.Generator
    guard: int

    def whole(self, indices: Sequence[int]) -> tuple[Stretch, ...]:
        """Take trials as they are."""
        return tuple(Stretch.of(self.trials, index) for index in indices)

    def some(self, groups: Sequence[Group]) -> set[Group]:
        """Choose the validation share of some groups at random: at least one and not all, or none."""
        share = self.config.validation
        if share and len(groups) < 2:
            raise UnusableData(
                "Too few recordings are left to train with when some are tested and some validate. Preprocess more, or"
                " use another --split."
            )
        return {groups[index] for index in self.rng.permutation(len(groups))[: number_of(share, len(groups))]}


class SplitKind(ABC):
    """A way to divide trials. Its registered name is the value of `--split`.

    Attributes
    ----------
    within_recording : bool
        Parts of one recording are trained on and tested, so that whatever marks the recording can pass for music.
    unseen_songs : bool
        Songs that are tested have no class in training.
    unseen_music : bool
        Moments of songs that are tested are not trained on.
    """

    registry: ClassVar[Registry[type[SplitKind]]]
    within_recording: ClassVar[bool] = False
    unseen_songs: ClassVar[bool] = False
    unseen_music: ClassVar[bool] = False

    @abstractmethod
    def divide(self, division: Division) -> list[Split]:
        """Divide the usable trials into folds.

        Raises
        ------
        UnusableData
            There are too few participants, songs or sessions, or the trials are too short.
        WrongUsage
            The number of folds does not fit.
        """


SPLITS: Registry[type[SplitKind]] = Registry("split", "predann_bids.data.splits")
SplitKind.registry = SPLITS


class _Transfer(SplitKind):
    def divide(self, division: Division) -> list[Split]:
        return [Split(1, (), (), division.whole(division.usable))]


TRANSFER = "transfer"  # in place of a split: a decoder that was trained elsewhere, on other recordings


def nature_of(split: str) -> type[SplitKind]:
    """Return the class that says what kind of split a name in metrics.json stands for.

    Raises
    ------
    WrongUsage
        No split has this name.
    """
    return _Transfer if split == TRANSFER else SPLITS[split]


def make_splits(
    trials: Sequence[Trial], config: Splitting, *, window: int, rate: Rate, seed: int, guard: int = 0
) -> list[Split]:
    """Divide trials as configured.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    config : Splitting
        Kind, number of folds, length of chunks, share of validation.
    window : int
        Length of a window in samples; shorter trials are left out.
    rate : Rate
        Sampling rate of the EEG.
    seed : int
        Seed of the division, unless the configuration gives one.
    guard : int
        Samples between two sets of the split 'time'; at least a window.

    Raises
    ------
    UnusableData
        There are too few participants, songs or sessions, the trials are too short, or two of them overlap.
    WrongUsage
        The number of folds does not fit, or no split has this name.
    """
    usable = [index for index in range(len(trials)) if Stretch.of(trials, index).pieces(window)]
    if not usable:
        between = " between what annotations call bad" if any(trial.bad for trial in trials) else ""
        raise UnusableData(f"No presentation is as long as a window{between}. Shorten it with --window.")
    rng = np.random.default_rng(seed if config.split_seed == "auto" else config.split_seed)
    division = Division(trials, usable, config, window, rate, rng, max(guard, window))
    splits = SPLITS[config.split]().divide(division)
    _refuse_shared_samples(splits, trials)
    return splits


def number_of(share: float, total: int) -> int:
    """Give a share of a number: at least one of it, not all, and none only when the share is 0."""
    return min(max(1, round(share * total)), total - 1) if share else 0


def _refuse_shared_samples(splits: Sequence[Split], trials: Sequence[Trial]) -> None:
    for split in splits:
        parts = sorted(
            (trials[s.trial].recording, trials[s.trial].onset + s.span.start, trials[s.trial].onset + s.span.stop, name)
            for name, stretches in split.sets().items()
            for s in stretches
        )
        reached: dict[tuple[int, str], int] = {}  # last sample of each set so far
        for recording, start, stop, name in parts:
            for other in split.sets():
                if other != name and start < reached.get((recording, other), 0):
                    raise UnusableData(
                        f"Two presentations in one recording of sub-{_participant_of(trials, recording)} overlap, so"
                        f" {name} and {other} data would share EEG. Correct onsets and durations in its events.tsv."
                    )
            reached[recording, name] = max(stop, reached.get((recording, name), 0))


def _participant_of(trials: Sequence[Trial], recording: int) -> str:
    return next(trial.participant for trial in trials if trial.recording == recording)

"""Keep training, validation and test data apart: the interface of splits and their registry.

Splits consist of stretches of trials and are made before any window is cut, so no window can lie in two sets. The
neural delay shifts all stretches of a recording alike, so stretches that share no audio share no EEG either.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np

from predann_bids.config import Splitting
from predann_bids.data.trials import Stretch, Trial
from predann_bids.errors import UnusableData, people
from predann_bids.registry import Registry
from predann_bids.timing import Rate

Group = TypeVar("Group", str, int)

DEFAULT_FOLDS = 4


@dataclass(frozen=True)
class Split:
    """One fold: training, validation and test stretches that share no sample."""

    fold: int
    train: tuple[Stretch, ...]
    validation: tuple[Stretch, ...]
    test: tuple[Stretch, ...]

    def sets(self) -> dict[str, tuple[Stretch, ...]]:
        """Return the sets by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


@dataclass(frozen=True)
class Division:
    """The trials to divide, and how to divide them.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    usable : sequence of int
        Indices of the trials that can hold a window.
    config : Splitting
        Number of folds, length of chunks, validation share.
    window : int
        Length of a window in samples.
    rate : Rate
        Sampling rate of the EEG.
    rng : numpy.random.Generator
        Source of randomness.
    guard : int
        Samples to leave out between two sets that are cut from one presentation.
    """

    trials: Sequence[Trial]
    usable: Sequence[int]
    config: Splitting
    window: int
    rate: Rate
    rng: np.random.Generator
    guard: int

    def whole(self, indices: Sequence[int]) -> tuple[Stretch, ...]:
        """Return trials as uncut stretches."""
        return tuple(Stretch.of(self.trials, index) for index in indices)

    def people(self, indices: Sequence[int] | None = None) -> str:
        """Name the participants of some trials, by default of all that can hold a window."""
        return people(self.trials[index].participant for index in (self.usable if indices is None else indices))

    def for_validation(self, groups: Sequence[Group]) -> set[Group]:
        """Choose the validation share of groups at random: at least one, not all, and none if the share is 0."""
        share = self.config.validation
        if share and len(groups) < 2:
            raise UnusableData(
                "Too few recordings remain for training once some are set aside for testing and validation: there are"
                f" those of {self.people()}. Preprocess more, or use another --split."
            )
        return {groups[index] for index in self.rng.permutation(len(groups))[: share_of(share, len(groups))]}


class SplitKind(ABC):
    """A kind of split. Its registered name is the value of `--split`.

    Attributes
    ----------
    within_recording : bool
        Whether one recording gives both training and test data. If so, a decoder may recognise the recording instead of
        the music.
    unseen_songs : bool
        Whether test songs are absent from training, so that no class exists for them.
    unseen_music : bool
        Whether the moments of songs that are tested are absent from training.
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
            The number of folds is not possible.
        """


SPLITS: Registry[type[SplitKind]] = Registry("split", "predann_bids.data.splits")
SplitKind.registry = SPLITS


class _Transfer(SplitKind):
    def divide(self, division: Division) -> list[Split]:
        return [Split(1, (), (), division.whole(division.usable))]


TRANSFER = "transfer"  # in place of a split, for a decoder that was trained on other recordings


def nature_of(split: str) -> type[SplitKind]:
    """Return the class of a split named in metrics.json.

    Raises
    ------
    WrongUsage
        No split has this name.
    """
    return _Transfer if split == TRANSFER else SPLITS[split]


def make_splits(
    trials: Sequence[Trial], config: Splitting, *, window: int, rate: Rate, seed: int, guard: int = 0
) -> list[Split]:
    """Split trials as configured.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    config : Splitting
        Kind, number of folds, length of chunks, validation share.
    window : int
        Length of a window in samples; shorter trials are left out.
    rate : Rate
        Sampling rate of the EEG.
    seed : int
        Seed of the split, unless the configuration gives one.
    guard : int
        Samples between two sets of the split 'time'; at least a window.

    Returns
    -------
    list of Split
        One for each fold.

    Raises
    ------
    UnusableData
        There are too few participants, songs or sessions, the trials are too short, or two of them overlap.
    WrongUsage
        The number of folds is not possible, or no split has this name.
    """
    usable = [index for index in range(len(trials)) if Stretch.of(trials, index).clean_stretches(window)]
    if not usable:
        raise UnusableData(_no_window(trials, window, rate))
    rng = np.random.default_rng(seed if config.split_seed == "auto" else config.split_seed)
    division = Division(trials, usable, config, window, rate, rng, max(guard, window))
    splits = SPLITS[config.split]().divide(division)
    _refuse_shared_samples(splits, trials)
    return splits


def _no_window(trials: Sequence[Trial], window: int, rate: Rate) -> str:
    between = " between bad spans" if any(trial.bad for trial in trials) else ""
    clean = [
        (stretch.span.length, trial.participant)
        for index, trial in enumerate(trials)
        for stretch in Stretch.of(trials, index).clean_stretches(1)
    ]
    longest, participant = max(clean, default=(0, ""))
    found = f", the longest, of sub-{participant}, has {rate.seconds(longest):.2f} s" if longest else ""
    return (
        f"No presentation is as long as a window{between}: a window has {rate.seconds(window):g} s{found}. Shorten it"
        " with --window."
    )


def share_of(share: float, total: int) -> int:
    """Return a share of a number, rounded: at least one, not all, and none only if the share is 0."""
    return min(max(1, round(share * total)), total - 1) if share else 0


def _refuse_shared_samples(splits: Sequence[Split], trials: Sequence[Trial]) -> None:
    for split in splits:
        edges = sorted(
            (trials[s.trial].recording, trials[s.trial].onset + s.span.start, trials[s.trial].onset + s.span.stop, name)
            for name, stretches in split.sets().items()
            for s in stretches
        )
        reached: dict[tuple[int, str], int] = {}  # where the data of each set end, so far
        for recording, start, stop, name in edges:
            for other in split.sets():
                if other != name and start < reached.get((recording, other), 0):
                    raise UnusableData(
                        f"Two presentations in one recording of sub-{_participant_of(trials, recording)} overlap, so"
                        f" {name} and {other} data would share EEG. Correct onsets and durations in its events.tsv."
                    )
            reached[recording, name] = max(stop, reached.get((recording, name), 0))


def _participant_of(trials: Sequence[Trial], recording: int) -> str:
    return next(trial.participant for trial in trials if trial.recording == recording)

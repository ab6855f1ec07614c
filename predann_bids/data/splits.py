"""Keep training, validation and test data apart.

Splits are made of stretches of trials, before any window is cut, so that no window can lie in two sets. All stretches
of a recording are moved by the same neural delay, which keeps them apart in the EEG as in the audio.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predann_bids.config import Splitting
from predann_bids.data.trials import Stretch, Trial
from predann_bids.errors import UnusableData, WrongUsage
from predann_bids.timing import Rate, Span

DEFAULT_FOLDS = 4
CHUNK_TEST_SHARE = 0.25  # as published
WITHIN_RECORDING = frozenset({"chunk"})


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


def make_splits(trials: Sequence[Trial], config: Splitting, *, window: int, rate: Rate, seed: int) -> list[Split]:
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
        Seed of the division.

    Raises
    ------
    UnusableData
        There are too few participants, or the trials are too short for chunks.
    WrongUsage
        More folds than participants are asked for.
    """
    kinds: Mapping[str, Callable[..., list[Split]]] = {"participant": participant_splits, "chunk": chunk_splits}
    usable = [index for index, trial in enumerate(trials) if trial.length >= window]
    if not usable:
        raise UnusableData("No presentation is as long as a window. Shorten it with --window.")
    return kinds[config.split](trials, usable, config, window=window, rate=rate, rng=np.random.default_rng(seed))


def participant_splits(
    trials: Sequence[Trial],
    usable: Sequence[int],
    config: Splitting,
    *,
    rng: np.random.Generator,
    **_: object,
) -> list[Split]:
    """Hold out whole participants: for testing in turn, and of the others some for validation."""
    participants = sorted({trials[index].participant for index in usable})
    n_folds = config.n_folds or min(DEFAULT_FOLDS, len(participants))
    if len(participants) < 3:
        raise UnusableData(
            f"The split 'participant' needs at least 3 participants, one each to train, validate and test; there are"
            f" {len(participants)}. Preprocess more, or use --split chunk."
        )
    # each fold must leave one to train on and one to validate with
    fewest = math.ceil(len(participants) / (len(participants) - 2))
    if not fewest <= n_folds <= len(participants):
        raise WrongUsage(
            f"--n-folds {n_folds} does not fit {len(participants)} participants: use {fewest} to {len(participants)}."
        )
    order = rng.permutation(participants)
    splits = []
    for fold, test in enumerate(np.array_split(order, n_folds), 1):
        others = rng.permutation([p for p in order if p not in test])
        n_validation = min(max(1, round(config.validation * len(others))), len(others) - 1)
        validation, train = others[:n_validation], others[n_validation:]
        splits.append(Split(fold, *(_whole(trials, usable, chosen) for chosen in (train, validation, test))))
    return splits


def chunk_splits(
    trials: Sequence[Trial],
    usable: Sequence[int],
    config: Splitting,
    *,
    window: int,
    rate: Rate,
    rng: np.random.Generator,
) -> list[Split]:
    """Cut trials into chunks and divide these at random, stratified by stimulus (the published protocol).

    Chunks of one recording fall into all sets: whatever marks the recording marks the stimulus.
    """
    length = rate.samples(config.chunk)
    if length < window:
        raise WrongUsage(
            f"A chunk of {config.chunk:g} s holds no window; set splitting.chunk to a window's length or more."
        )
    chunks = [
        Stretch(index, Span(start, start + length))
        for index in usable
        for start in range(0, trials[index].length - length + 1, length)
    ]
    stimuli = np.array([trials[chunk.trial].stimulus for chunk in chunks])
    splits = []
    for fold, (others, test) in enumerate(_divisions(stimuli, config.n_folds, rng), 1):
        train, validation = _stratified(stimuli, others, config.validation, rng)
        splits.append(Split(fold, *(tuple(chunks[i] for i in np.sort(part)) for part in (train, validation, test))))
    return splits


def splits_table(splits: Sequence[Split], trials: Sequence[Trial], labels: Sequence[str], rate: Rate) -> pd.DataFrame:
    """Lay out splits as a table, enough to audit them.

    Times are seconds from the start of the recording, in the audio's time: the EEG is taken the delay later.
    """
    rows = []
    for split in splits:
        for name, stretches in split.sets().items():
            for stretch in stretches:
                trial = trials[stretch.trial]
                start, stop = (rate.seconds(trial.onset + edge) for edge in (stretch.span.start, stretch.span.stop))
                entities = (trial.participant, trial.session, trial.task, trial.run)
                rows.append((split.fold, name, *(e or "n/a" for e in entities), labels[trial.stimulus], start, stop))
    columns = ["fold", "set", "participant", "session", "task", "run", "stimulus", "start", "stop"]
    return pd.DataFrame(rows, columns=columns)


def _whole(trials: Sequence[Trial], usable: Sequence[int], participants: NDArray[np.str_]) -> tuple[Stretch, ...]:
    chosen = set(participants)
    return tuple(Stretch(i, Span(0, trials[i].length)) for i in usable if trials[i].participant in chosen)


def _divisions(
    stimuli: NDArray[np.int64], n_folds: int, rng: np.random.Generator
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    from sklearn.model_selection import StratifiedKFold

    everything = np.arange(len(stimuli))
    if n_folds <= 1:
        return [_stratified(stimuli, everything, CHUNK_TEST_SHARE, rng)]
    try:
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=_seed(rng))
        return list(folds.split(everything, stimuli))
    except ValueError as error:
        raise UnusableData(f"{_too_few_chunks(stimuli)} ({error})") from error


def _stratified(
    stimuli: NDArray[np.int64], among: NDArray[np.int64], share: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    from sklearn.model_selection import train_test_split

    try:
        most, rest = train_test_split(among, test_size=share, random_state=_seed(rng), stratify=stimuli[among])
    except ValueError as error:
        raise UnusableData(f"{_too_few_chunks(stimuli)} ({error})") from error
    return most, rest


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _too_few_chunks(stimuli: NDArray[np.int64]) -> str:
    return (
        f"{len(stimuli)} chunks are too few to divide by stimulus: shorten splitting.chunk, or use --split participant."
    )

"""Assign chunks of recordings to sets at random: the published protocol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from predann_bids.arrays import Ints
from predann_bids.data.splits.division import SPLITS, Division, Split, SplitKind
from predann_bids.data.trials import Stretch, Trial
from predann_bids.errors import UnusableData, WrongUsage

TEST_SHARE = 0.25  # as published


@SPLITS.add("chunk")
class ChunkSplit(SplitKind):
    """Cut trials into chunks and assign these to sets at random, stratified by stimulus (the published protocol).

    A trial shorter than a chunk is one chunk, so that no song is left out. The order of the chunks decides what a seed
    gives, so it is the published one: see `published_order`.

    Every set has chunks of the same recordings, so anything peculiar to a recording also identifies its stimulus.
    """

    within_recording = True

    def divide(self, division: Division) -> list[Split]:  # noqa: D102
        config, chunks = division.config, _chunks(division)
        stimuli = np.array([division.trials[chunk.trial].stimulus for chunk in chunks])
        first = _seed(division.rng) if config.split_seed == "auto" else config.split_seed
        splits = []
        rare = stimuli == min(set(stimuli.tolist()), key=stimuli.tolist().count)
        whose = division.people([chunks[index].trial for index in np.flatnonzero(rare)])
        rarest = f"one stimulus has {rare.sum()}, in the recordings of {whose}"
        for fold, (others, test) in enumerate(_divisions(stimuli, config.n_folds, first, rarest), 1):
            train, validation = others, others[:0]
            if config.validation:
                train, validation = _stratified(stimuli, others, config.validation, _seed(division.rng), rarest)
            splits.append(
                Split(fold, *(tuple(chunks[i] for i in np.sort(members)) for members in (train, validation, test)))
            )
        return splits


def _chunks(division: Division) -> list[Stretch]:
    length = division.rate.samples(division.config.chunk)
    if length < division.window:
        raise WrongUsage(
            f"A chunk of {division.config.chunk:g} s holds no window; set splitting.chunk to a window's length or more."
        )
    order = published_order(division.trials, division.usable)
    chunks = [chunk for index in order for chunk in Stretch.of(division.trials, index).chunks(length)]
    return [chunk for chunk in chunks if chunk.clean_stretches(division.window)]


def published_order(trials: Sequence[Trial], indices: Sequence[int]) -> list[int]:
    """Sort trials as in the published table of chunks: by the text "participant_song_repetition".

    The text is sorted as text, with no padding of participant numbers, so 10 comes before 2, and also before 1 ("_"
    sorts after digits). Songs are numbered in the order of their names, repetitions by session, run and onset.
    """
    keys: dict[int, str] = {}
    repetitions: dict[tuple[str, int], int] = {}
    for index in sorted(
        indices, key=lambda i: (trials[i].session, trials[i].run, trials[i].recording, trials[i].onset)
    ):
        trial = trials[index]
        number = repetitions.get((trial.participant, trial.stimulus), 0) + 1
        repetitions[trial.participant, trial.stimulus] = number
        keys[index] = f"{trial.participant.lstrip('0')}_{trial.stimulus:05d}_{number}"
    return sorted(indices, key=lambda index: keys[index])


def _divisions(stimuli: Ints, n_folds: int, seed: int, rarest: str) -> list[tuple[Ints, Ints]]:
    from sklearn.model_selection import StratifiedKFold

    everything = np.arange(len(stimuli))
    if n_folds <= 1:
        return [_stratified(stimuli, everything, TEST_SHARE, seed, rarest)]
    try:
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
        return list(folds.split(everything, stimuli))
    except ValueError as error:
        raise UnusableData(f"{_too_few_chunks(stimuli, rarest)} ({error})") from error


def _stratified(stimuli: Ints, among: Ints, share: float, seed: int, rarest: str) -> tuple[Ints, Ints]:
    from sklearn.model_selection import train_test_split

    try:
        most, rest = train_test_split(among, test_size=share, random_state=seed, stratify=stimuli[among])
    except ValueError as error:
        raise UnusableData(f"{_too_few_chunks(stimuli, rarest)} ({error})") from error
    return most, rest


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _too_few_chunks(stimuli: Ints, rarest: str) -> str:
    return (
        f"{len(stimuli)} chunks are too few to divide by stimulus ({rarest}): shorten splitting.chunk, or use --split"
        " participant."
    )

"""Data in which music and EEG do not belong together, while every recording keeps what marks it.

A label permutation that respects the design moves whole presentations, within a recording: what is common to
neighbouring windows, and to all presentations of one recording, stays as it is, so that under the null hypothesis the
permuted data are as likely as the real ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from predann_bids.arrays import Ints
from predann_bids.data.trials import Trial

MOST_DRAWS = 1000
NEAREST_ROTATION = 0.1  # share of a recording by which its EEG is moved at least


def exchange_blocks(trials: Sequence[Trial]) -> list[list[int]]:
    """Group trials that may exchange their music: within a recording, as far as several songs are heard in it.

    Where recordings hold one song each, presentations are exchanged within a participant; participants who heard only
    one song exchange theirs with each other.

    Returns
    -------
    list of list of int
        Indices of trials; each in one block.
    """
    blocks, left = _blocks(list(range(len(trials))), [t.recording for t in trials], trials)
    more, left = _blocks(left, [t.participant for t in trials], trials)
    return [*blocks, *more, *([left] if left else [])]


def _blocks(
    indices: Sequence[int], keys: Sequence[str] | Sequence[int], trials: Sequence[Trial]
) -> tuple[list[list[int]], list[int]]:
    groups: dict[str | int, list[int]] = defaultdict(list)
    for index in indices:
        groups[keys[index]].append(index)
    several = [group for group in groups.values() if len({trials[i].stimulus for i in group}) > 1]
    alone = [i for group in groups.values() if len({trials[i].stimulus for i in group}) == 1 for i in group]
    return several, alone


def permuted(trials: Sequence[Trial], rng: np.random.Generator) -> Ints:
    """Deal out the music anew within each block, all ways equally likely, the real one included.

    Returns
    -------
    ndarray of int, shape (trials,)
        Trial i gets the music of trial ``permuted[i]``.
    """
    source = np.arange(len(trials), dtype=np.int64)
    for block in exchange_blocks(trials):
        source[block] = rng.permutation(block)
    return source


def permuted_evenly(trials: Sequence[Trial], rng: np.random.Generator) -> Ints:
    """Deal out the music anew such that about as many presentations keep their song as guessing would get right.

    One draw for each recording is few: by chance, more or fewer would keep theirs, and a decoder that hears the music
    well would seem to read the rest. Here every presentation is still as likely to get one song of its block as any
    other, but their number is the expected one wherever the block allows.
    """
    stimuli = np.array([trial.stimulus for trial in trials])
    source = np.arange(len(trials), dtype=np.int64)
    for block in exchange_blocks(trials):
        counts = np.unique(stimuli[block], return_counts=True)[1]
        expected = np.square(counts).sum() / len(block)
        wanted = int(expected) + (rng.random() < expected % 1)
        for _ in range(MOST_DRAWS):
            source[block] = rng.permutation(block)
            if (stimuli[source[block]] == stimuli[block]).sum() == wanted:
                break
    return source


def reassigned(trials: Sequence[Trial], source: Ints) -> list[Trial]:
    """Give trials the label and the audio of others; each lasts as long as its EEG and its new audio both do."""
    return [
        replace(
            trial,
            stimulus=trials[other].stimulus,
            audio_start=trials[other].audio_start,
            length=min(trial.length, trials[other].length),
        )
        for trial, other in zip(trials, source, strict=True)
    ]


def rotations(recording_samples: Sequence[int], rng: np.random.Generator) -> tuple[int, ...]:
    """Draw by how many samples each recording's EEG is moved against its events, in a circle: 10 to 90 % of it."""
    return tuple(
        int(rng.integers(round(NEAREST_ROTATION * n), round((1 - NEAREST_ROTATION) * n), endpoint=True))
        for n in recording_samples
    )

"""Control data: music and EEG no longer belong together, but every recording keeps its own characteristics.

Labels are permuted in a way that respects the design: whole presentations are exchanged within a recording. Whatever
neighbouring windows share, and whatever all presentations of a recording share, stays intact. Under the null hypothesis
the permuted data are therefore as likely as the real data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from predann_bids.arrays import Ints
from predann_bids.data.trials import Trial

MOST_DRAWS = 1000
NEAREST_ROTATION = 0.1  # smallest share of a recording by which its EEG is rotated


def exchange_blocks(trials: Sequence[Trial]) -> list[list[int]]:
    """Group trials that may exchange their music: those of one recording, if several songs were played in it.

    Where every recording holds one song, presentations are exchanged within a participant. Participants who heard only
    one song exchange theirs with each other.

    Returns
    -------
    list of list of int
        Indices of trials. Every trial is in exactly one block.
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
    """Permute the music within each block. All permutations are equally likely, including the identity.

    Returns
    -------
    ndarray of int, shape (trials,)
        Trial i gets the music of trial ``permuted[i]``.
    """
    source: Ints = permutations(trials, 1, rng)[0]
    return source


def permutations(trials: Sequence[Trial], number: int, rng: np.random.Generator) -> Ints:
    """Draw several permutations as `permuted` does.

    Returns
    -------
    ndarray of int, shape (number, trials)
        Rows are as `permuted` returns them.
    """
    source = np.tile(np.arange(len(trials), dtype=np.int64), (number, 1))
    for block in exchange_blocks(trials):
        source[:, block] = rng.permuted(source[:, block], axis=1)
    return source


def permuted_evenly(trials: Sequence[Trial], rng: np.random.Generator) -> Ints:
    """Permute the music so that the number of presentations that keep their song is close to its expected value.

    A single plain permutation may by chance leave more or fewer songs in place, and a decoder that recognises the music
    would score above or below chance for that reason alone. Here every presentation is still equally likely to get the
    music of any presentation of its block, but the number that keep their song is the expected one where possible.

    Returns
    -------
    ndarray of int, shape (trials,)
        As `permuted` returns it.
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
    """Give trials the label and audio of others; each ends where its own EEG or its new audio does."""
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
    """Draw by how many samples each recording's EEG is rotated against its events: 10 to 90 % of its length."""
    return tuple(
        int(rng.integers(round(NEAREST_ROTATION * n), round((1 - NEAREST_ROTATION) * n), endpoint=True))
        for n in recording_samples
    )

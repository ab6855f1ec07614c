"""Which stimuli hold the same audio, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from predann_bids.arrays import Ints
from predann_bids.data.copies import Copy, find_copies
from predann_bids.data.trials import Trial
from predann_bids.errors import UnusableData
from predann_bids.progress import Progress
from predann_bids.timing import Span
from predann_bids.workflows.group.inputs.audio import SPECTRA, StimulusAudio


@dataclass(frozen=True)
class Classes:
    """The stimuli that are to be told apart, and what they have in common.

    Parameters
    ----------
    labels : tuple of str
        Their names.
    audio : StimulusAudio
        Their features.
    trials : tuple of Trial
        All presentations, with the index of their stimulus among these.
    copies : tuple of Copy
        Which of these stimuli hold the same audio.
    rows : tuple of mapping
        The value `copies` of metrics.json, which also names the stimuli that were merged.
    """

    labels: tuple[str, ...]
    audio: StimulusAudio
    trials: tuple[Trial, ...]
    copies: tuple[Copy, ...]
    rows: tuple[Mapping[str, Any], ...]


def find_classes(
    labels: Sequence[str], audio: StimulusAudio, trials: Sequence[Trial], how: Literal["report", "merge"]
) -> Classes:
    """Find the stimuli that hold the same audio, and merge equal ones if asked for.

    Parameters
    ----------
    labels : sequence of str
        Names of all stimuli.
    audio : StimulusAudio
        Their features.
    trials : sequence of Trial
        All presentations. Only what is played of a stimulus is compared.
    how : {"report", "merge"}
        Whether stimuli that are equal, from beginning to end and at the same moment, become one, named after the first.

    Raises
    ------
    UnusableData
        Only one stimulus is left.
    """
    with Progress("Comparing stimuli", 1) as progress:
        copies = find_copies(audio.arrays(SPECTRA), audio.rate, heard_parts(trials, len(labels)))
        progress.advance()
    roots = equal_songs(copies, len(labels)) if how == "merge" else np.arange(len(labels))
    rows = tuple(_row(copy, labels, merged=roots[copy.first] == roots[copy.second]) for copy in copies)
    classes = np.unique(roots)
    if len(classes) < 2:
        raise UnusableData(
            f"All stimuli are the same audio ({', '.join(labels)}), so merged there is nothing to tell apart. Use other"
            " stimuli, or --copies report."
        )
    if len(classes) == len(labels):
        return Classes(tuple(labels), audio, tuple(trials), copies, rows)
    index = np.searchsorted(classes, roots)
    left = tuple(
        replace(copy, first=int(index[copy.first]), second=int(index[copy.second]))
        for copy in copies
        if {copy.first, copy.second} <= set(classes.tolist())
    )
    merged = _relabelled(trials, roots, index, audio.lengths())
    return Classes(tuple(labels[song] for song in classes), audio.of(classes.tolist()), merged, left, rows)


def _relabelled(trials: Sequence[Trial], roots: Ints, index: Ints, lengths: Sequence[int]) -> tuple[Trial, ...]:
    """Let trials play the first of equal songs, which may be a little shorter."""
    return tuple(
        replace(
            trial,
            stimulus=int(index[trial.stimulus]),
            length=max(0, min(trial.length, lengths[roots[trial.stimulus]] - trial.audio_start)),
        )
        for trial in trials
    )


def heard_parts(trials: Sequence[Trial], n_songs: int) -> list[Span]:
    """Return the part of each stimulus from the first to the last moment that anybody hears."""
    parts = []
    for song in range(n_songs):
        edges = [(t.audio_start, t.audio_start + t.length) for t in trials if t.stimulus == song and t.length]
        parts.append(Span(min((e[0] for e in edges), default=0), max((e[1] for e in edges), default=0)))
    return parts


def equal_songs(copies: Sequence[Copy], n_songs: int) -> Ints:
    """Return for each song the first song that it is equal to, itself if there is none before it."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = np.array([(c.first, c.second) for c in copies if c.is_whole], dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n_songs, n_songs))
    group = connected_components(graph, directed=False)[1]
    first = {int(number): int(np.flatnonzero(group == number)[0]) for number in np.unique(group)}
    return np.array([first[int(number)] for number in group], dtype=np.int64)


def _row(copy: Copy, labels: Sequence[str], *, merged: bool) -> dict[str, Any]:
    return {
        "first": labels[copy.first],
        "second": labels[copy.second],
        "shift_s": round(copy.rate.seconds(copy.shift), 3),
        "shared_s": round(copy.shared_s, 3),
        "share": round(copy.share, 4),
        "equal": copy.is_whole,
        "merged": bool(merged),
    }

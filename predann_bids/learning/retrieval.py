"""Rank candidate audio windows by their similarity to the representation that a window of EEG predicts.

Three questions are asked of every segment of EEG, each with its own candidates:

- song: which song is it, among all songs at the same moment?
- moment: which moment of the song that was heard is it, among all its windows, one every stride?
- window: which window is it, among all windows of all songs?

Candidates are moments that the fold tests, so that right and wrong ones differ in nothing but the EEG: neither network
has been trained on one and not the other. (Which song: all that last that long, unless songs or moments are held out.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from predann_bids.arrays import Bools, Floats, Ints
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import Windows
from predann_bids.timing import Span

KINDS = ("song", "moment", "window")
TOPS = (1, 5, 10)
KEPT_PHASES = 4


@dataclass(frozen=True)
class Representations:
    """What a model predicts from windows of EEG, and what it makes of the songs.

    Parameters
    ----------
    windows : ndarray, shape (n, D, T)
        Predicted from EEG.
    songs : tuple of ndarray, shape (D, frames)
        Of whole songs, in the order of the stimuli.
    samples_per_frame : int
        EEG samples for each frame.
    by_feature : bool
        Whether similarity is the mean of the correlations of the D features, else one correlation of all together.
    centred : bool
        Whether the mean over time is taken off first; not of embeddings, which have no time, as published. Their
        similarities may differ in the seventh digit only, and are computed in double precision.
    """

    windows: Floats
    songs: tuple[Floats, ...]
    samples_per_frame: int
    by_feature: bool
    centred: bool = True

    def unit(self, windows: Floats) -> Floats:
        """Scale windows (n, D, T) to vectors (n, D * T) whose products are similarities."""
        values = windows if self.centred else windows.astype(np.float64)
        return unit(values, by_feature=self.by_feature, centred=self.centred)


@dataclass(frozen=True)
class Candidates:
    """Which audio windows may be named, in EEG samples.

    Parameters
    ----------
    spans : tuple of tuple of Span
        For each song, the parts of it that are tested.
    only_tested : bool
        Whether a song may be named at the same moment only where it is tested; else wherever it lasts that long.
    length, stride : int
        Length of a window, and distance of candidates.
    """

    spans: tuple[tuple[Span, ...], ...]
    only_tested: bool
    length: int
    stride: int

    @classmethod
    def of(
        cls,
        trials: Sequence[Trial],
        test: Sequence[Stretch],
        n_songs: int,
        *,
        length: int,
        stride: int,
        only_tested: bool = False,
    ) -> Candidates:
        """Collect the tested parts of each song."""
        spans: list[set[tuple[int, int]]] = [set() for _ in range(n_songs)]
        for stretch in test:
            trial = trials[stretch.trial]
            begin = trial.audio_start
            spans[trial.stimulus].add((begin + stretch.span.start, begin + stretch.span.stop))
        parts = tuple(tuple(Span(*edges) for edges in sorted(some)) for some in spans)
        return cls(parts, only_tested, length, stride)

    def are_tested(self, song: int, moments: Ints) -> Bools:
        """Tell which windows that begin at these moments lie in a tested part of a song."""
        tested = np.zeros(len(moments), dtype=bool)
        for span in self.spans[song]:
            tested |= (span.start <= moments) & (moments + self.length <= span.stop)
        return tested


@dataclass
class _Atlas:
    """Unit vectors of all moments of all songs that lie a whole number of strides from a phase; the last are kept."""

    representations: Representations
    candidates: Candidates
    made: dict[int, list[Floats]] = field(default_factory=dict)

    def songs(self, phase: int) -> list[Floats]:
        """For each song its windows at phase, phase + stride, ...: arrays (moments, D * T)."""
        if phase not in self.made:
            while len(self.made) >= KEPT_PHASES:  # one is as large as the representations of all songs many times over
                self.made.pop(next(iter(self.made)))
            self.made[phase] = [self._unit_windows(song, phase) for song in self.representations.songs]
        return self.made[phase]

    def _unit_windows(self, song: Floats, phase: int) -> Floats:
        r = self.representations
        frames = r.windows.shape[2]
        first = np.arange(phase, song.shape[1] * r.samples_per_frame, self.candidates.stride) // r.samples_per_frame
        first = first[first + frames <= song.shape[1]]
        cut = np.lib.stride_tricks.sliding_window_view(song, frames, axis=1)[:, first] if len(first) else None
        if cut is None:
            return np.empty((0, song.shape[0] * frames), dtype=np.float32)
        return r.unit(cut.transpose(1, 0, 2))


def unit(windows: Floats, *, by_feature: bool, centred: bool = True) -> Floats:
    """Scale windows (n, D, T) to vectors (n, D * T) whose products are similarities.

    Each feature's mean is taken off, unless they are not to be `centred`. With `by_feature` each feature has the same
    length, so that products are means of correlations.
    """
    values = windows - windows.mean(axis=2, keepdims=True) if centred else windows
    axis = 2 if by_feature else (1, 2)
    norm = np.sqrt(np.square(values).sum(axis=axis, keepdims=True))
    share = math.sqrt(windows.shape[1]) if by_feature else 1.0
    scaled: Floats = (values / np.maximum(norm * share, 1e-12)).reshape(len(windows), -1)
    return scaled.astype(np.float32) if centred else scaled


def rank(
    representations: Representations,
    trials: Sequence[Trial],
    windows: Windows,
    candidates: Candidates,
    inside: Mapping[float, int],
) -> tuple[Floats, pd.DataFrame]:
    """Compare each window with every candidate, and rank the one that was heard.

    Parameters
    ----------
    representations : Representations
        Row i of its windows belongs to window i.
    trials : sequence of Trial
        All trials.
    windows : Windows
        A grid of test windows: those of a stretch follow each other a stride apart.
    candidates : Candidates
        What may be named.
    inside : mapping of float to int
        Length of each kind of segment in seconds, and how many windows a stride apart lie in it. The similarity of a
        segment is the mean of theirs.

    Returns
    -------
    ndarray, shape (n, songs)
        Similarity of each window with each song at the same moment; NaN where a song does not last that long, or is
        no candidate.
    DataFrame
        A row for each segment: `window` (its first), `length`, and for each kind `rank_<kind>` of the right candidate
        (1 is best; among equals it comes in their middle) and the number `n_<kind>` of candidates.
    """
    atlas = _Atlas(representations, candidates)
    at_moment: Floats = np.full((len(windows), len(representations.songs)), np.nan, dtype=_precision(representations))
    ranks = []
    for rows in runs(windows, candidates.stride):
        trial = trials[windows.trial[rows[0]]]
        segments = _segments(windows, rows, inside)
        moment = trial.audio_start + int(windows.start[rows[0]])
        phase, place = moment % candidates.stride, moment // candidates.stride
        similarities = _similarities(representations.windows[rows], atlas, phase)
        allowed = _among_tested(similarities, candidates, phase)
        at_once = allowed if candidates.only_tested else similarities
        at_moment[rows] = _own_moment(at_once, place)
        for length, (number, most) in segments.items():
            ranks.append(_rank_segments(at_once, allowed, trial.stimulus, place, rows, number)[:most])
            ranks[-1].insert(1, "length", length)
    columns = ["window", "length", *(f"{what}_{kind}" for kind in KINDS for what in ("rank", "n"))]
    return at_moment, pd.concat(ranks, ignore_index=True) if ranks else pd.DataFrame(columns=columns)


def _segments(windows: Windows, rows: Ints, inside: Mapping[float, int]) -> dict[float, tuple[int, int]]:
    """Tell for each length that occurs how many windows a segment has, and how many segments a run of windows holds."""
    fitting = {length: number for length, number in inside.items() if number <= len(rows)}
    if windows.place is None:
        return {length: (number, len(rows) - number + 1) for length, number in fitting.items()}
    alone = windows.place[rows[0]] == 0
    return {length: (number, 1) for length, number in fitting.items() if (number == 1) == alone}


def runs(windows: Windows, stride: int) -> Iterator[Ints]:
    """Yield the rows of windows that follow each other in one trial, a stride apart."""
    if not len(windows):
        return
    broken = (np.diff(windows.trial) != 0) | (np.diff(windows.start) != stride)
    if windows.place is not None:
        broken |= windows.place[1:] <= 1
    yield from np.split(np.arange(len(windows)), np.flatnonzero(broken) + 1)


def _similarities(eeg: Floats, atlas: _Atlas, phase: int) -> Floats:
    """Similarities (windows, songs, moments); NaN beyond the end of a song."""
    songs = atlas.songs(phase)
    rows = atlas.representations.unit(eeg)
    shape = (len(eeg), len(songs), max(len(song) for song in songs))
    found: Floats = np.full(shape, np.nan, dtype=_precision(atlas.representations))
    for index, song in enumerate(songs):
        found[:, index, : len(song)] = rows @ song.T
    return found


def _precision(representations: Representations) -> type[np.floating[Any]]:
    return np.float32 if representations.centred else np.float64


def _own_moment(similarities: Floats, place: int) -> Floats:
    n = len(similarities)
    own: Floats = similarities[np.arange(n), :, place + np.arange(n)].copy()
    return own


def _among_tested(similarities: Floats, candidates: Candidates, phase: int) -> Floats:
    moments = phase + candidates.stride * np.arange(similarities.shape[2])
    tested = np.stack([candidates.are_tested(song, moments) for song in range(similarities.shape[1])])
    allowed: Floats = np.where(tested, similarities, similarities.dtype.type(np.nan))
    return allowed


def _along(similarities: Floats, number: int) -> Floats:
    """Mean similarity of segments of `number` windows: those of the audio move on as those of the EEG do."""
    n, _, moments = similarities.shape
    parts = [similarities[j : n - number + 1 + j, :, j : moments - number + 1 + j] for j in range(number)]
    mean: Floats = np.mean(parts, axis=0)
    return mean


def _rank_segments(at_once: Floats, allowed: Floats, heard: int, place: int, rows: Ints, number: int) -> pd.DataFrame:
    mine = _along(allowed, number)  # (segments, songs, moments)
    index = np.arange(len(mine))
    right = mine[index, heard, place + index]
    songs = _own_moment(_along(at_once, number), place)
    among = {"song": songs, "moment": mine[:, heard], "window": mine.reshape(len(mine), -1)}
    columns: dict[str, Any] = {"window": rows[: len(mine)]}
    for kind, scores in among.items():
        better = (scores > right[:, None]).sum(axis=1)
        equal = (scores == right[:, None]).sum(axis=1) - 1
        columns[f"rank_{kind}"] = 1 + better + equal / 2
        columns[f"n_{kind}"] = np.isfinite(scores).sum(axis=1)
    return pd.DataFrame(columns)

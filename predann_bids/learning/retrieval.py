"""Rank candidate audio windows by their similarity to the representation predicted from a window of EEG.

There are three kinds of ranking, each with its own candidates, for every window or segment of EEG:

- song: all songs at the moment that was playing;
- moment: all moments of the song that was playing, one stride apart;
- window: all moments of all songs.

Candidate moments are those that the fold tests. Otherwise the networks would have been trained on some candidates and
not on others, which would tell them apart. For kind "song" candidates are all songs that last that long, unless the
split holds out songs or moments.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from predann_bids.arrays import Bools, Floats, Ints
from predann_bids.data.ties import rank_of
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import Windows
from predann_bids.models.parts import Parts
from predann_bids.timing import Span

KINDS = ("song", "moment", "window")
TOPS = (1, 5, 10)
KEPT_PHASES = 4


@dataclass(frozen=True)
class Representations:
    """Representations that a model predicts from windows of EEG, and those of the songs.

    Parameters
    ----------
    windows : ndarray, shape (n, D, T)
        Predicted from EEG.
    songs : tuple of ndarray, shape (D, frames)
        Representations of whole songs, in the order of the stimuli.
    samples_per_frame : int
        EEG samples per frame.
    by_feature : bool
        Whether similarity is the mean correlation of the D features; else it is one correlation over all features.
    centred : bool
        Whether the mean over time is subtracted first. The published embeddings have no time axis and are not centred;
        their similarities, which may differ only in the seventh digit, are computed in double precision.
    parts : tuple of (int, float)
        Sizes and weights of parts whose similarities are averaged; empty for none.
    """

    windows: Floats
    songs: tuple[Floats, ...]
    samples_per_frame: int
    by_feature: bool
    centred: bool = True
    parts: Parts = ()

    def unit(self, windows: Floats) -> Floats:
        """Scale windows (n, D, T) to vectors (n, D * T) whose products are similarities."""
        values = windows if self.centred else windows.astype(np.float64)
        return unit(values, by_feature=self.by_feature, centred=self.centred, parts=self.parts)


@dataclass(frozen=True)
class Candidates:
    """The audio windows that may be ranked, in EEG samples.

    Parameters
    ----------
    spans : tuple of tuple of Span
        The tested parts of each song.
    only_tested : bool
        Whether, at the same moment, a song is a candidate only where it is tested; else wherever it lasts that long.
    length, stride : int
        Length of a window, and distance from one candidate to the next.
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
        """Collect the tested parts of each song.

        Parameters
        ----------
        trials : sequence of Trial
            All trials.
        test : sequence of Stretch
            The test set of a fold.
        n_songs : int
            Number of songs.
        length, stride : int
            Length of a window, and distance from one candidate to the next, in EEG samples.
        only_tested : bool
            Whether, at the same moment, a song is a candidate only where it is tested.
        """
        spans: list[set[tuple[int, int]]] = [set() for _ in range(n_songs)]
        for stretch in test:
            trial = trials[stretch.trial]
            begin = trial.audio_start
            spans[trial.stimulus].add((begin + stretch.span.start, begin + stretch.span.stop))
        parts = tuple(tuple(Span(*edges) for edges in sorted(edges_of_song)) for edges_of_song in spans)
        return cls(parts, only_tested, length, stride)

    def are_tested(self, song: int, moments: Ints) -> Bools:
        """Return whether the windows of a song that begin at these moments lie in one of its tested parts."""
        tested = np.zeros(len(moments), dtype=bool)
        for span in self.spans[song]:
            tested |= (span.start <= moments) & (moments + self.length <= span.stop)
        return tested


@dataclass
class _MomentVectors:
    """Unit vectors of the moments of all songs, one stride apart; those of the last few phases are cached."""

    representations: Representations
    candidates: Candidates
    cache: dict[int, list[Floats]] = field(default_factory=dict)

    def songs(self, phase: int) -> list[Floats]:
        """Return the vectors (moments, D * T) of each song at the moments phase, phase + stride, ..."""
        if phase not in self.cache:
            while (
                len(self.cache) >= KEPT_PHASES
            ):  # one phase is many times larger than the representations of all songs
                self.cache.pop(next(iter(self.cache)))
            self.cache[phase] = [self._unit_windows(song, phase) for song in self.representations.songs]
        return self.cache[phase]

    def _unit_windows(self, song: Floats, phase: int) -> Floats:
        r = self.representations
        frames = r.windows.shape[2]
        first = np.arange(phase, song.shape[1] * r.samples_per_frame, self.candidates.stride) // r.samples_per_frame
        first = first[first + frames <= song.shape[1]]
        cut = np.lib.stride_tricks.sliding_window_view(song, frames, axis=1)[:, first] if len(first) else None
        if cut is None:
            return np.empty((0, song.shape[0] * frames), dtype=np.float32)
        return r.unit(cut.transpose(1, 0, 2))


def unit(windows: Floats, *, by_feature: bool, centred: bool = True, parts: Parts = ()) -> Floats:
    """Scale windows (n, D, T) to vectors (n, D * T) whose products are similarities.

    Parameters
    ----------
    windows : ndarray, shape (n, D, T)
        Representations.
    by_feature : bool
        Whether all features get the same norm, so that products are mean correlations.
    centred : bool
        Whether the mean of each feature over time is subtracted.
    parts : tuple of (int, float)
        Sizes and weights of parts that are scaled by themselves, to the root of their weight, so that products are
        weighted sums of the similarities of parts; empty for none.
    """
    if parts:
        cuts = np.split(windows, np.cumsum([size for size, _ in parts])[:-1], axis=1)
        scaled_parts = [
            np.sqrt(weight).astype(np.float32) * unit(cut, by_feature=False, centred=centred)
            for cut, (_, weight) in zip(cuts, parts, strict=True)
        ]
        return np.concatenate(scaled_parts, axis=1)
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
    """Compare each window with every candidate, and rank the right one.

    Parameters
    ----------
    representations : Representations
        Predicted representations, one for each window, and those of the songs.
    trials : sequence of Trial
        All trials.
    windows : Windows
        Test windows; within a stretch they are one stride apart.
    candidates : Candidates
        The audio windows that may be ranked.
    inside : mapping of float to int
        Lengths of segments in seconds, and the number of windows in a segment of that length. The similarity of a
        segment is the mean similarity of its windows.

    Returns
    -------
    ndarray, shape (n, songs)
        Similarity of each window with each song at the same moment; NaN where a song ends too early or is not a
        candidate.
    DataFrame
        A row for each segment: `window` (row of its first window), `length`, and for each kind of ranking the rank of
        the right candidate, `rank_<kind>` (1 is best; within a tie it is drawn), and the number of candidates,
        `n_<kind>`.
    """
    vectors = _MomentVectors(representations, candidates)
    at_moment: Floats = np.full((len(windows), len(representations.songs)), np.nan, dtype=_precision(representations))
    ranks = []
    for rows in runs(windows, candidates.stride):
        trial = trials[windows.trial[rows[0]]]
        segments = _segments(windows, rows, inside)
        moment = trial.audio_start + int(windows.start[rows[0]])
        phase, first = moment % candidates.stride, moment // candidates.stride
        similarities = _similarities(representations.windows[rows], vectors, phase)
        allowed = _among_tested(similarities, candidates, phase)
        same_moment = allowed if candidates.only_tested else similarities
        at_moment[rows] = _own_moment(same_moment, first)
        for length, (number, most) in segments.items():
            keys = np.column_stack([windows.trial[rows], windows.start[rows]])
            ranks.append(_rank_segments(same_moment, allowed, trial.stimulus, first, rows, number, keys)[:most])
            ranks[-1].insert(1, "length", length)
    columns = ["window", "length", *(f"{what}_{kind}" for kind in KINDS for what in ("rank", "n"))]
    return at_moment, pd.concat(ranks, ignore_index=True) if ranks else pd.DataFrame(columns=columns)


def _segments(windows: Windows, rows: Ints, inside: Mapping[float, int]) -> dict[float, tuple[int, int]]:
    """Return, for each length of segment that fits, the windows per segment and the segments in a run of windows."""
    fitting = {length: number for length, number in inside.items() if number <= len(rows)}
    if windows.place is None:
        return {length: (number, len(rows) - number + 1) for length, number in fitting.items()}
    alone = windows.place[rows[0]] == 0
    return {length: (number, 1) for length, number in fitting.items() if (number == 1) == alone}


def runs(windows: Windows, stride: int) -> Iterator[Ints]:
    """Yield the rows of each run of windows in one trial that are one stride apart."""
    if not len(windows):
        return
    broken = (np.diff(windows.trial) != 0) | (np.diff(windows.start) != stride)
    if windows.place is not None:
        broken |= windows.place[1:] <= 1
    yield from np.split(np.arange(len(windows)), np.flatnonzero(broken) + 1)


def _similarities(eeg: Floats, vectors: _MomentVectors, phase: int) -> Floats:
    """Compute similarities (windows, songs, moments); NaN beyond the end of a song."""
    songs = vectors.songs(phase)
    rows = vectors.representations.unit(eeg)
    shape = (len(eeg), len(songs), max(len(song) for song in songs))
    similarities: Floats = np.full(shape, np.nan, dtype=_precision(vectors.representations))
    for index, song in enumerate(songs):
        similarities[:, index, : len(song)] = rows @ song.T
    return similarities


def _precision(representations: Representations) -> type[np.floating[Any]]:
    return np.float32 if representations.centred else np.float64


def _own_moment(similarities: Floats, first: int) -> Floats:
    n = len(similarities)
    own: Floats = similarities[np.arange(n), :, first + np.arange(n)].copy()
    return own


def _among_tested(similarities: Floats, candidates: Candidates, phase: int) -> Floats:
    moments = phase + candidates.stride * np.arange(similarities.shape[2])
    tested = np.stack([candidates.are_tested(song, moments) for song in range(similarities.shape[1])])
    allowed: Floats = np.where(tested, similarities, similarities.dtype.type(np.nan))
    return allowed


def _along(similarities: Floats, number: int) -> Floats:
    """Average the similarities of segments of `number` windows, advancing EEG and audio together."""
    n, _, moments = similarities.shape
    parts = [similarities[j : n - number + 1 + j, :, j : moments - number + 1 + j] for j in range(number)]
    mean: Floats = np.mean(parts, axis=0)
    return mean


def _rank_segments(
    same_moment: Floats, allowed: Floats, stimulus: int, first: int, rows: Ints, number: int, keys: Ints
) -> pd.DataFrame:
    similarities = _along(allowed, number)  # (segments, songs, moments)
    segment = np.arange(len(similarities))
    right = similarities[segment, stimulus, first + segment]
    songs = _own_moment(_along(same_moment, number), first)
    candidates = {
        "song": songs,
        "moment": similarities[:, stimulus],
        "window": similarities.reshape(len(similarities), -1),
    }
    columns: dict[str, Any] = {"window": rows[: len(similarities)]}
    for kind, scores in candidates.items():
        columns[f"rank_{kind}"] = rank_of(right, scores, keys).astype(np.float64)
        columns[f"n_{kind}"] = np.isfinite(scores).sum(axis=1)
    return pd.DataFrame(columns)

"""Compare the geometry of representations: whether moments that are similar in audio are also similar in EEG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from predann_bids.arrays import Doubles, Singles
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import grid
from predann_bids.learning.probing.probed import ProbedDecoder
from predann_bids.timing import Span


def compare_geometry(probed: ProbedDecoder, test: Sequence[Stretch]) -> tuple[Doubles, Doubles]:
    """Correlate the dissimilarities of moments in EEG and audio (Kriegeskorte et al. 2008).

    Parameters
    ----------
    probed : ProbedDecoder
        The decoder and its data.
    test : sequence of Stretch
        The test set of the fold.

    Returns
    -------
    ndarray, shape (participants,)
        Rank correlation; NaN with fewer than three moments.
    ndarray, shape (participants,)
        Number of moments of songs.
    """
    source = probed.source
    windows = grid([_aligned(s, source.trials[s.trial], source.length) for s in test], source.length, source.length)
    results = np.full((2, len(probed.participants)), np.nan)
    results[1] = 0
    if not len(windows):
        return results[0], results[1]
    vectors = probed.unit(probed.represent(windows).numpy())
    participants = windows.participants(source.trials)
    moments = np.stack([windows.stimuli(source.trials), source.audio.moments(source.trials, windows)], axis=1)
    for number, name in enumerate(probed.participants):
        rows = np.flatnonzero(participants == name)
        if not len(rows):
            continue
        conditions, inverse = np.unique(moments[rows], axis=0, return_inverse=True)
        # repetitions of a moment are averaged
        eeg = np.stack([vectors[rows[inverse == i]].mean(axis=0) for i in range(len(conditions))])
        audio = np.concatenate([probed.moments_of(int(song), moment[None]) for song, moment in conditions])
        results[:, number] = rank_correlation(_dissimilarities(eeg), _dissimilarities(audio)), len(conditions)
    return results[0], results[1]


def _aligned(stretch: Stretch, trial: Trial, length: int) -> Stretch:
    """Start a stretch a whole number of windows into its song, so that repetitions have the same moments."""
    start = stretch.span.start + (-(trial.audio_start + stretch.span.start)) % length
    return replace(stretch, span=Span(start, max(start, stretch.span.stop)))


def _dissimilarities(vectors: Singles) -> Doubles:
    """Compute 1 - cosine for all pairs."""
    from scipy.spatial.distance import pdist

    dissimilarities: Doubles = pdist(vectors.astype(np.float64), "cosine")
    return dissimilarities


def rank_correlation(a: Doubles, b: Doubles) -> float:
    """Compute the Spearman correlation; NaN where it is not defined."""
    from scipy.stats import spearmanr

    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0 or not np.isfinite([*a, *b]).all():
        return float("nan")
    return float(spearmanr(a, b).statistic)

"""Compare the geometry of representations: which moments of the music are alike in EEG and audio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from predann_bids.arrays import Doubles, Singles
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import grid
from predann_bids.learning.probing.judge import Judge
from predann_bids.timing import Span


def compare_geometry(judge: Judge, test: Sequence[Stretch]) -> tuple[Doubles, Doubles]:
    """Correlate dissimilarities of moments in EEG and audio (Kriegeskorte et al. 2008), for each participant."""
    source = judge.source
    windows = grid([_on_the_beat(s, source.trials[s.trial], source.length) for s in test], source.length, source.length)
    found = np.full((2, len(judge.participants)), np.nan)
    found[1] = 0
    if not len(windows):
        return found[0], found[1]
    vectors = judge.unit(judge.represent(windows).numpy())
    whose = windows.participants(source.trials)
    moments = np.stack([windows.stimuli(source.trials), source.audio.moments(source.trials, windows)], axis=1)
    for number, name in enumerate(judge.participants):
        mine = np.flatnonzero(whose == name)
        if not len(mine):
            continue
        conditions, inverse = np.unique(moments[mine], axis=0, return_inverse=True)
        eeg = np.stack([vectors[mine[inverse == i]].mean(axis=0) for i in range(len(conditions))])  # repetitions
        audio = np.concatenate([judge.moments_of(int(song), moment[None]) for song, moment in conditions])
        found[:, number] = rank_correlation(_dissimilarities(eeg), _dissimilarities(audio)), len(conditions)
    return found[0], found[1]


def _on_the_beat(stretch: Stretch, trial: Trial, length: int) -> Stretch:
    """Let a stretch begin a whole number of windows after its song does, so that moments of repetitions are equal."""
    start = stretch.span.start + (-(trial.audio_start + stretch.span.start)) % length
    return replace(stretch, span=Span(start, max(start, stretch.span.stop)))


def _dissimilarities(vectors: Singles) -> Doubles:
    """1 - cosine of all pairs."""
    from scipy.spatial.distance import pdist

    found: Doubles = pdist(vectors.astype(np.float64), "cosine")
    return found


def rank_correlation(a: Doubles, b: Doubles) -> float:
    """Spearman correlation; NaN where it is not defined."""
    from scipy.stats import spearmanr

    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0 or not np.isfinite([*a, *b]).all():
        return float("nan")
    return float(spearmanr(a, b).statistic)

"""Change one thing about the test EEG at a time: its delay, a frequency band, groups of channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from predann_bids.arrays import Doubles, Ints, Singles, Strings
from predann_bids.data.trials import Stretch
from predann_bids.data.windows import Windows, grid
from predann_bids.learning.probing.counts import WAYS, Band, Tally
from predann_bids.learning.probing.judge import Judge, thinned
from predann_bids.learning.retrieval import Candidates
from predann_bids.timing import Rate, Span

FILTER_ORDER = 4
FEWEST_WINDOWS = 100  # that a group of channels is shuffled among, however many groups there are


def erode(stretch: Stretch, trained: int, delays: Sequence[int]) -> Stretch | None:
    """Cut a stretch to where audio, and EEG at any of the delays, belong to it; in samples.

    The stretch's EEG is that which is heard in it, `trained` samples later. None if nothing is left. What is bad in it
    grows, as no window may reach it at any of the delays.
    """
    earlier, later = max(0, trained - min(delays)), max(0, max(delays) - trained)
    start, stop = stretch.span.start + earlier, stretch.span.stop - later
    bad = tuple(Span(some.start - later, some.stop + earlier) for some in stretch.bad)
    return Stretch(stretch.trial, Span(start, stop), bad) if start < stop else None


def try_delays(
    judge: Judge, test: Sequence[Stretch], delays: Sequence[int], stride: int, decisions: int
) -> tuple[Tally, Doubles, Doubles]:
    """Decide about the same moments with EEG from each delay; and rank the moments."""
    source = judge.source
    inner = [erode(stretch, source.delay, delays) for stretch in test]
    windows = grid([stretch for stretch in inner if stretch], source.length, source.length)
    windows = thinned(windows, decisions // len(delays))
    if not len(windows):
        nothing = np.zeros((len(delays), len(judge.participants)))
        return Tally(nothing[0], np.zeros((*nothing.shape, len(WAYS)))), nothing, nothing[0]
    contests = _contests(judge, windows, [stretch for stretch in inner if stretch], stride)
    hits, ranks = [], []
    for delay in delays:
        z = judge.represent(windows, delay)
        hits.append(judge.hits(z, windows))
        ranks.append(judge.per_participant(_reciprocal_ranks(judge, z, contests), windows))
    guessed = np.empty(len(windows))
    for contest in contests:
        guessed[contest.rows] = (1 / np.arange(1, 1 + len(contest.vectors))).mean()
    return Tally(judge.count(windows), np.stack(hits)), np.stack(ranks), judge.per_participant(guessed, windows)


@dataclass(frozen=True)
class _Contest:
    """Windows of one song, and its moments that they are compared with: unit vectors (moments, D * T)."""

    rows: Ints
    own: Ints
    vectors: Singles


def _contests(judge: Judge, windows: Windows, tried: Sequence[Stretch], stride: int) -> list[_Contest]:
    """Group windows by song and by where they lie between strides, so that each one's own moment is a candidate.

    Candidates are the moments in what is tried: all of them are right for some window.
    """
    source = judge.source
    heard, moments = windows.stimuli(source.trials), source.audio.moments(source.trials, windows)
    kinds = np.stack([heard, moments % stride], axis=1)
    tested = Candidates.of(source.trials, tried, len(source.audio.features), length=source.length, stride=stride)
    contests = []
    for song, phase in np.unique(kinds, axis=0):
        rows = np.flatnonzero((kinds == (song, phase)).all(axis=1))
        places = np.arange(phase, len(source.audio.features[song][0]), stride)
        places = places[tested.are_tested(int(song), places)]
        vectors = judge.moments_of(int(song), places)
        contests.append(_Contest(rows, np.searchsorted(places, moments[rows]), vectors))
    return contests


def _reciprocal_ranks(judge: Judge, z: Tensor, contests: Sequence[_Contest]) -> Doubles:
    """1 / rank of each window's own moment; among equals it comes in their middle."""
    found = np.empty(len(z))
    for contest in contests:
        similarities = judge.unit(z[torch.from_numpy(contest.rows)].numpy()) @ contest.vectors.T
        own = similarities[np.arange(len(contest.rows)), contest.own][:, None]
        better, equal = (similarities > own).sum(axis=1), (similarities == own).sum(axis=1) - 1
        found[contest.rows] = 1 / (1 + better + equal / 2)
    return found


def remove_bands(judge: Judge, windows: Windows, bands: Sequence[Band], rate: Rate) -> Tally:
    """Decide about windows as they are, and without each of the bands."""
    hits = [judge.hits(judge.represent(windows), windows)]
    for band in bands:
        hits.append(judge.hits(_without_band(judge, windows, band, rate), windows))
    return Tally(judge.count(windows), np.stack(hits))


def _without_band(judge: Judge, windows: Windows, band: Band, rate: Rate) -> Tensor:
    """Predict from EEG without a band; scaled as it was with it, so that nothing is made up for."""
    source = judge.source
    of = np.array([source.trials[trial].recording for trial in windows.trial])
    order, parts = [], []
    for index in np.unique(of):  # one recording at a time, as they are large
        rows = np.flatnonzero(of == index)
        cut = replace(source.eeg.recordings[index], data=band_stop(source.eeg.recordings[index].data, band, rate))
        recordings = tuple(cut if i == index else kept for i, kept in enumerate(source.eeg.recordings))
        order.append(rows)
        parts.append(judge.represent(windows[rows], store=replace(source.eeg, recordings=recordings)))
    return torch.cat(parts)[torch.from_numpy(np.argsort(np.concatenate(order)))]


def band_stop(samples: Singles, band: Band, rate: Rate) -> Singles:
    """Take a band out of a recording (samples, channels) without moving anything in time (Butterworth, both ways)."""
    from scipy.signal import butter, sosfiltfilt

    sections = butter(FILTER_ORDER, (band.low_hz, band.high_hz), "bandstop", fs=rate.hz, output="sos")
    filtered = np.empty(samples.shape, dtype=np.float32)
    for channel in range(samples.shape[1]):
        filtered[:, channel] = sosfiltfilt(sections, samples[:, channel].astype(np.float64))
    return filtered


def shuffle_channels(
    judge: Judge, windows: Windows, groups: Sequence[Ints], repeats: int, decisions: int, rng: np.random.Generator
) -> Tally:
    """Give groups of channels the signals of other windows of the same participant (Breiman 2001, Random forests).

    Singles are shuffled as the network receives them, after whitening: whitening mixes channels, and would blow up
    directions that have power only because channels no longer belong together.
    """
    windows = thinned(windows, max(FEWEST_WINDOWS, decisions // max(1, len(groups) * repeats)))
    eeg = judge.read(windows)
    hits = np.zeros((1 + len(groups), len(judge.participants), len(WAYS)))
    hits[0] = judge.hits(judge.encode(eeg), windows)
    for _ in range(repeats):
        other = other_windows(windows.participants(judge.source.trials), rng)
        for number, group in enumerate(groups, 1):
            mixed = eeg.copy()
            mixed[:, group] = eeg[np.ix_(other, group)]
            hits[number] += judge.hits(judge.encode(mixed), windows) / repeats
    return Tally(judge.count(windows), hits)


def other_windows(participants: Strings, rng: np.random.Generator) -> Ints:
    """Draw for each window another of the same participant, each once; itself only if there is no other."""
    others = np.arange(len(participants))
    for name in np.unique(participants):
        order = rng.permutation(np.flatnonzero(participants == name))
        others[order] = np.roll(order, 1)
    return others

"""Perturb the test EEG in one way at a time: another delay, without a frequency band, or with channels shuffled."""

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
from predann_bids.learning.probing.probed import ProbedDecoder, thinned
from predann_bids.learning.retrieval import Candidates
from predann_bids.timing import Rate, Span

FILTER_ORDER = 4
FEWEST_WINDOWS = 100  # for each group of channels, however many groups there are


def erode(stretch: Stretch, trained: int, delays: Sequence[int]) -> Stretch | None:
    """Shorten a stretch so that, at all delays, its EEG stays within the EEG that belongs to it at the trained delay.

    Bad spans grow accordingly, because no window may touch them at any delay.

    Parameters
    ----------
    stretch : Stretch
        The stretch to shorten.
    trained : int
        The trained delay in samples.
    delays : sequence of int
        All delays in samples.

    Returns
    -------
    Stretch, or None if nothing remains
    """
    earlier, later = max(0, trained - min(delays)), max(0, max(delays) - trained)
    start, stop = stretch.span.start + earlier, stretch.span.stop - later
    bad = tuple(Span(span.start - later, span.stop + earlier) for span in stretch.bad)
    return Stretch(stretch.trial, Span(start, stop), bad) if start < stop else None


def try_delays(
    probed: ProbedDecoder, test: Sequence[Stretch], delays: Sequence[int], stride: int, decisions: int
) -> tuple[Tally, Doubles, Doubles]:
    """Decide about the same moments with the EEG at each delay, and rank the moments.

    Parameters
    ----------
    probed : ProbedDecoder
        The decoder and its data.
    test : sequence of Stretch
        The test set of the fold.
    delays : sequence of int
        Delays in samples.
    stride : int
        Distance in samples from one candidate moment of a song to the next.
    decisions : int
        Approximate upper limit of the number of windows, over all delays.

    Returns
    -------
    Tally
        One condition for each delay.
    ndarray, shape (delays, participants)
        Sum of the reciprocal ranks of the right moments.
    ndarray, shape (participants,)
        Expected value of that sum when guessing.
    """
    source = probed.source
    eroded = [erode(stretch, source.delay, delays) for stretch in test]
    windows = grid([stretch for stretch in eroded if stretch], source.length, source.length)
    windows = thinned(windows, decisions // len(delays))
    if not len(windows):
        nothing = np.zeros((len(delays), len(probed.participants)))
        return Tally(nothing[0], np.zeros((*nothing.shape, len(WAYS)))), nothing, nothing[0]
    contests = _contests(probed, windows, [stretch for stretch in eroded if stretch], stride)
    hits, ranks = [], []
    for delay in delays:
        z = probed.represent(windows, delay)
        hits.append(probed.hits(z, windows))
        ranks.append(probed.per_participant(_reciprocal_ranks(probed, z, contests), windows))
    guessed = np.empty(len(windows))
    for contest in contests:
        guessed[contest.rows] = (1 / np.arange(1, 1 + len(contest.vectors))).mean()
    return Tally(probed.count(windows), np.stack(hits)), np.stack(ranks), probed.per_participant(guessed, windows)


@dataclass(frozen=True)
class _Contest:
    """Rows of windows of one song, the right candidate of each, and unit vectors (moments, D * T) of candidates."""

    rows: Ints
    own: Ints
    vectors: Singles


def _contests(probed: ProbedDecoder, windows: Windows, stretches: Sequence[Stretch], stride: int) -> list[_Contest]:
    """Group windows by song and by phase, the remainder of their moment by the stride.

    Candidates have the same phase, so each window's own moment is one of them. They all lie in the given stretches, so
    each could be the right one for some window.
    """
    source = probed.source
    stimuli, moments = windows.stimuli(source.trials), source.audio.moments(source.trials, windows)
    kinds = np.stack([stimuli, moments % stride], axis=1)
    tested = Candidates.of(source.trials, stretches, len(source.audio.features), length=source.length, stride=stride)
    lengths = {int(song): source.audio.features[song].shape[1] for song in np.unique(stimuli)}
    contests = []
    for song, phase in np.unique(kinds, axis=0):
        rows = np.flatnonzero((kinds == (song, phase)).all(axis=1))
        candidates = np.arange(phase, lengths[int(song)], stride)
        candidates = candidates[tested.are_tested(int(song), candidates)]
        vectors = probed.moments_of(int(song), candidates)
        contests.append(_Contest(rows, np.searchsorted(candidates, moments[rows]), vectors))
    return contests


def _reciprocal_ranks(probed: ProbedDecoder, z: Tensor, contests: Sequence[_Contest]) -> Doubles:
    """Compute 1 / rank of each window's own moment; ties get the mean rank."""
    reciprocal_ranks = np.empty(len(z))
    for contest in contests:
        similarities = probed.unit(z[torch.from_numpy(contest.rows)].numpy()) @ contest.vectors.T
        own = similarities[np.arange(len(contest.rows)), contest.own][:, None]
        better, equal = (similarities > own).sum(axis=1), (similarities == own).sum(axis=1) - 1
        reciprocal_ranks[contest.rows] = 1 / (1 + better + equal / 2)
    return reciprocal_ranks


def remove_bands(probed: ProbedDecoder, windows: Windows, bands: Sequence[Band], rate: Rate) -> Tally:
    """Decide about the unchanged windows, and about windows without each of the bands.

    Parameters
    ----------
    probed : ProbedDecoder
        The decoder and its data.
    windows : Windows
        Which windows to decide about.
    bands : sequence of Band
        Bands to remove, one at a time.
    rate : Rate
        Sampling rate of the EEG.

    Returns
    -------
    Tally
        The first condition is the unchanged EEG, then one for each band.
    """
    hits = [probed.hits(probed.represent(windows), windows)]
    for band in bands:
        hits.append(probed.hits(_without_band(probed, windows, band, rate), windows))
    return Tally(probed.count(windows), np.stack(hits))


def _without_band(probed: ProbedDecoder, windows: Windows, band: Band, rate: Rate) -> Tensor:
    """Predict from EEG without a band. Its scaling is that of the original EEG, so it does not compensate the loss."""
    source = probed.source
    recording_of = np.array([source.trials[trial].recording for trial in windows.trial])
    order, parts = [], []
    for index in np.unique(recording_of):  # one recording at a time, because they are large
        rows = np.flatnonzero(recording_of == index)
        filtered = replace(source.eeg.recordings[index], data=band_stop(source.eeg.recordings[index].data, band, rate))
        recordings = tuple(filtered if i == index else original for i, original in enumerate(source.eeg.recordings))
        order.append(rows)
        parts.append(probed.represent(windows[rows], store=replace(source.eeg, recordings=recordings)))
    return torch.cat(parts)[torch.from_numpy(np.argsort(np.concatenate(order)))]


def band_stop(samples: Singles, band: Band, rate: Rate) -> Singles:
    """Remove a band from a recording (samples, channels), with a zero-phase Butterworth filter."""
    from scipy.signal import butter, sosfiltfilt

    sections = butter(FILTER_ORDER, (band.low_hz, band.high_hz), "bandstop", fs=rate.hz, output="sos")
    filtered = np.empty(samples.shape, dtype=np.float32)
    for channel in range(samples.shape[1]):
        filtered[:, channel] = sosfiltfilt(sections, samples[:, channel].astype(np.float64))
    return filtered


def shuffle_channels(
    probed: ProbedDecoder,
    windows: Windows,
    groups: Sequence[Ints],
    repeats: int,
    decisions: int,
    rng: np.random.Generator,
) -> Tally:
    """Replace groups of channels by those of other windows of the same participant (Breiman 2001, Random forests).

    Channels are shuffled after whitening, as the network receives them. Whitening mixes channels, and would amplify
    directions that have power only because the shuffled channels do not match the others.

    Parameters
    ----------
    probed : ProbedDecoder
        The decoder and its data.
    windows : Windows
        Which windows to decide about.
    groups : sequence of ndarray of int
        Indices of the channels of each group.
    repeats : int
        Number of shuffles of each group, over which hits are averaged.
    decisions : int
        Approximate upper limit of the number of windows, over all groups and repeats.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Tally
        The first condition is the unchanged EEG, then one for each group.
    """
    windows = thinned(windows, max(FEWEST_WINDOWS, decisions // max(1, len(groups) * repeats)))
    eeg = probed.read(windows)
    hits = np.zeros((1 + len(groups), len(probed.participants), len(WAYS)))
    hits[0] = probed.hits(probed.encode(eeg), windows)
    for _ in range(repeats):
        donors = other_windows(windows.participants(probed.source.trials), rng)
        for number, group in enumerate(groups, 1):
            shuffled = eeg.copy()
            shuffled[:, group] = eeg[np.ix_(donors, group)]
            hits[number] += probed.hits(probed.encode(shuffled), windows) / repeats
    return Tally(probed.count(windows), hits)


def other_windows(participants: Strings, rng: np.random.Generator) -> Ints:
    """Draw another window of the same participant for each window, each once; itself if it is the only one."""
    others = np.arange(len(participants))
    for name in np.unique(participants):
        order = rng.permutation(np.flatnonzero(participants == name))
        others[order] = np.roll(order, 1)
    return others

"""Parts of a recording that stand for the whole when something is estimated from it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mne.io import BaseRaw

STRETCH_S, SHORTEST_S = 10.0, 4.0  # of a stretch
ENOUGH_S = 60.0  # of music to judge a recording by it alone

Seconds = tuple[float, float]


def worth_judging(recording_s: float, music: Sequence[Seconds], bad_spans: Sequence[Seconds]) -> list[Seconds]:
    """List the stretches that a recording is judged by: its music, where nothing is marked as bad.

    What is recorded while the cap is put on or taken off says nothing about the channels during the music.

    Parameters
    ----------
    recording_s : float
        Length of the recording.
    music, bad_spans : sequence of (onset, duration)
        In seconds from the start of the recording.

    Returns
    -------
    list of (start, stop)
        In order. If less than a minute of music is left, all that is not bad; if that is too little, everything.
    """
    everything = [(0.0, recording_s)]
    for candidates in ([(onset, onset + duration) for onset, duration in music], everything):
        clean = [span for candidate in sorted(candidates) for span in _without(candidate, bad_spans)]
        if sum(stop - start for start, stop in clean) >= ENOUGH_S:
            return clean
    return everything


def _without(span: Seconds, bad_spans: Sequence[Seconds]) -> Iterator[Seconds]:
    start, stop = span
    for onset, duration in sorted(bad for bad in bad_spans if bad[1] > 0):
        if start < onset:
            yield start, min(onset, stop)
        start = max(start, onset + duration)
        if start >= stop:
            return
    yield start, stop


def evenly_spaced(raw: BaseRaw, seconds: float, names: Sequence[str]) -> BaseRaw:
    """Join stretches of up to 10 s from all over a recording, so that work and memory do not grow with its length.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        It is not changed. Stretches annotated as BAD are left out, unless hardly anything would remain.
    seconds : float
        Longest total length.
    names : sequence of str
        Channels to take.

    Returns
    -------
    mne.io.BaseRaw
        Always a copy; a short and clean recording in full.
    """
    from mne import pick_channels, pick_info
    from mne.io import RawArray

    runs = _clean_runs(raw)
    rate, most = raw.info["sfreq"], max(1, int(seconds // STRETCH_S))
    if 2 * sum(stop - start for start, stop in runs) < min(raw.n_times, ENOUGH_S * rate):
        runs = [(0, raw.n_times)]
    if sum(stop - start for start, stop in runs) > most * STRETCH_S * rate:
        runs = _some(_cut(runs, rate), most)
    picks = pick_channels(raw.ch_names, list(names), ordered=True)
    data = np.concatenate([raw.get_data(picks, start, stop) for start, stop in runs], axis=1)
    return RawArray(data, pick_info(raw.info, picks), verbose="error")


def _clean_runs(raw: BaseRaw) -> list[tuple[int, int]]:
    """List the runs of samples, long enough to be judged, that are not annotated as BAD."""
    marked = np.isnan(raw.get_data(picks=[0], reject_by_annotation="NaN", verbose="error")[0])
    edges = np.flatnonzero(np.diff(np.concatenate([[True], marked, [True]]).astype(int)))
    shortest = SHORTEST_S * raw.info["sfreq"]
    pairs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [(start, stop) for start, stop in pairs if stop - start >= shortest]


def _cut(runs: Sequence[tuple[int, int]], rate_hz: float) -> list[tuple[int, int]]:
    length, shortest = round(STRETCH_S * rate_hz), round(SHORTEST_S * rate_hz)
    pieces = [(at, min(at + length, stop)) for start, stop in runs for at in range(start, stop, length)]
    return [(start, stop) for start, stop in pieces if stop - start >= shortest]


def _some(pieces: Sequence[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    chosen = np.linspace(0, len(pieces) - 1, min(most, len(pieces))).round().astype(int)
    return [pieces[index] for index in chosen]


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Catch what libraries would print; yield a list to which their warnings are added at the end."""
    from mne.utils import use_log_level

    caught_texts: list[str] = []
    with use_log_level("error"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught_texts
    caught_texts.extend(dict.fromkeys(str(warning.message) for warning in caught))

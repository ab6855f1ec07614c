"""Compare the two clocks of an events.tsv: `onset`, in seconds, and `sample`, in samples of the recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.bids.music.cues import Cue, Cues
from predann_bids.bids.numbers import as_seconds
from predann_bids.errors import UnusableData

COUNTING_SAMPLES = 1.5  # samples are counted from 0 or from 1, and rounded
ROUNDED_S = 0.01  # what onsets may be off before anybody notices: 10 ms is the next coarser way to write them


@dataclass(frozen=True)
class _Clocks:
    """What rows say that give both: onsets in seconds, how exactly they are written, and samples."""

    lines: tuple[int, ...]
    onsets: Doubles
    samples: Doubles
    rounding_s: float

    def agree(self, offset: float, rate: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return for each row whether its sample is `offset` seconds and `rate` samples a second from its onset."""
        off = np.abs(self.onsets + offset - self.samples / rate)
        return off <= self.rounding_s + COUNTING_SAMPLES / rate


def settle_onsets(
    cues: Cues, rows: Sequence[Mapping[str, str]], rate_hz: float, events: object
) -> tuple[Cues, tuple[str, ...]]:
    """Compare the onsets of a recording's events with their samples, and take the more exact.

    Parameters
    ----------
    cues : Cues
        What the events say about music.
    rows : sequence of mapping
        All rows of its events.tsv, as `read_rows` gives them.
    rate_hz : float
        Sampling rate of the recording.
    events : object
        Name of the file, for messages.

    Returns
    -------
    Cues
        With onsets from the samples where those are written too coarsely to say when the music began.
    tuple of str
        What a user should know.

    Raises
    ------
    UnusableData
        They contradict each other, so that nobody knows when the music began.
    """
    clocks = _clocks(rows)
    if clocks is None or not cues.times_are_of_the_recording or not (cues.music or cues.unusable):
        return cues, ()
    if clocks.agree(0.0, rate_hz).all():
        return _refined(cues, clocks, rate_hz, events)
    steady = _another_clock(clocks, rate_hz)
    if steady:
        return cues, (f"{events}: the column sample {steady}; the onsets are used.",)
    first = int(np.argmin(clocks.agree(0.0, rate_hz)))
    wrong = int((~clocks.agree(0.0, rate_hz)).sum())
    more = f" (and {wrong - 1} more rows)" if wrong > 1 else ""
    onset, sample = clocks.onsets[first], clocks.samples[first]
    raise UnusableData(
        f"{events}, line {clocks.lines[first]}{more}: the onset is {onset:g} s, but sample {sample:g} is"
        f" {sample / rate_hz:g} s at {rate_hz:g} Hz. Correct the one that is wrong, or remove the column sample."
    )


def _clocks(rows: Sequence[Mapping[str, str]]) -> _Clocks | None:
    both = [
        (line, onset, sample, row["onset"])
        for line, row in enumerate(rows, 2)
        if (onset := as_seconds(row["onset"])) is not None and (sample := as_seconds(row.get("sample", ""))) is not None
    ]
    if not both:
        return None
    lines, onsets, samples, texts = zip(*both, strict=True)
    return _Clocks(lines, np.array(onsets), np.array(samples), 0.5 * 10.0 ** -max(map(_decimals, texts)))


def _decimals(text: str) -> int:
    mantissa, _, exponent = text.lower().partition("e")
    return max(0, len(mantissa.partition(".")[2]) - int(exponent or 0))


def _refined(cues: Cues, clocks: _Clocks, rate_hz: float, events: object) -> tuple[Cues, tuple[str, ...]]:
    exact = dict(zip(clocks.onsets.tolist(), (clocks.samples / rate_hz).tolist(), strict=True))
    off = np.abs(clocks.onsets - clocks.samples / rate_hz).max()
    if off <= max(ROUNDED_S, COUNTING_SAMPLES / rate_hz) or len(exact) < len(clocks.onsets):
        return cues, ()

    def moved(cue: Cue) -> Cue:
        shift = exact.get(cue.marker, cue.marker) - cue.marker
        end = None if cue.end is None else exact.get(cue.end, cue.end)
        return replace(cue, marker=cue.marker + shift, onset=cue.onset + shift, end=end)

    note = f"{events}: onsets are rounded, by up to {off:.3g} s; the more exact column sample is used."
    return replace(cues, music=tuple(moved(cue) for cue in cues.music)), (note,)


def _another_clock(clocks: _Clocks, rate_hz: float) -> str:
    """Say by what a column of samples differs from the onsets if it differs in the same way in all rows."""
    apart = clocks.onsets[~clocks.agree(0.0, rate_hz)]
    if len(set(apart.tolist())) < 2:  # one row that differs is an error in that row
        return ""
    if np.ptp(clocks.samples) == 0:
        return f"is {clocks.samples[0]:g} in all rows"
    offset = float(np.median(clocks.samples / rate_hz - clocks.onsets))
    if clocks.agree(offset, rate_hz).all():
        return f"counts from {offset:.6g} s before the recording, or at another time"
    rate = float(clocks.samples @ clocks.onsets / (clocks.onsets @ clocks.onsets))
    if rate > 0 and clocks.agree(0.0, rate).all():
        return f"is that of {rate:.6g} Hz, not of {rate_hz:g} Hz"
    return ""

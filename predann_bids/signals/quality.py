"""How good a recording is, in numbers that a reviewer of methods asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from predann_bids.arrays import Doubles, Floats, Ints
from predann_bids.signals.onsets import respond_to_onsets
from predann_bids.timing import Rate

Seconds = tuple[float, float]

LARGE_UV = 100.0  # cortical activity in the scalp EEG of waking adults stays below
SPECTRUM_S = 40.0  # of EEG show a line well
CHANNELS = 16
SEGMENT_S = 4.0
LINE_HALF_WIDTH_HZ = 0.5
NEIGHBOURS_HZ = (1.0, 4.0)  # distance from the line of the frequencies that it is compared with
STOPPED_DB = 30.0  # so far below the rest of the spectrum is what a filter has removed
BLOCK = 8192  # samples looked at together


def usable_spans(presentation: Seconds, bad_spans: Sequence[Seconds]) -> list[Seconds]:
    """List the stretches of a presentation that lie outside of bad spans.

    Parameters
    ----------
    presentation : (onset, duration)
        Seconds from the start of the recording.
    bad_spans : sequence of (onset, duration)
        In any order; they may overlap. Points, with a duration of 0, take nothing away.

    Returns
    -------
    list of (start, stop)
        In seconds from the start of the recording, in order.
    """
    start, stop = presentation[0], presentation[0] + presentation[1]
    spans = []
    for onset, duration in sorted(span for span in bad_spans if span[1] > 0):
        if onset > start:
            spans.append((start, min(onset, stop)))
        start = max(start, onset + duration)
        if start >= stop:
            break
    return [*spans, (start, stop)] if start < stop else spans


def usable_seconds(presentations: Sequence[Seconds], bad_spans: Sequence[Seconds]) -> float:
    """Add up how much of the presentations (onset, duration) lies outside of bad spans (onset, duration)."""
    return float(sum(stop - start for p in presentations for start, stop in usable_spans(p, bad_spans)))


def measure(
    before: Floats,
    before_rate: float,
    after: Floats,
    after_rate: float,
    *,
    bad: Sequence[int] = (),
    line_hz: float | None = None,
    presentations: Sequence[Seconds] = (),
    bad_spans: Sequence[Seconds] = (),
    music_onsets: Sequence[float] | None = None,
) -> dict[str, float | None]:
    """Measure the quality of a recording.

    Amplitudes and spectra are those of good channels; amplitudes are taken within usable music (all of the recording
    when there is no music).

    Parameters
    ----------
    before : ndarray, shape (C, T0)
        A stretch of the raw EEG in µV; the first 40 s are looked at.
    before_rate : float
        Its sampling rate in Hz.
    after : ndarray, shape (T, C)
        All of the preprocessed EEG in µV, in memory or mapped.
    after_rate : float
        Its sampling rate in Hz.
    bad : sequence of int
        Places of bad channels, repaired or not.
    line_hz : float, optional
        Line frequency.
    presentations, bad_spans : sequence of (onset, duration)
        Seconds from the start of the recording.
    music_onsets : sequence of float, optional
        When notes begin, in seconds from the start of the recording; see `predann_bids.signals.onsets`.

    Returns
    -------
    dict
        `channels_count`, `bad_channels_count`, `bad_channels_share`: all channels, and those found bad.
        `music_s`, `usable_s`, `usable_share`: the music, and what of it lies outside of bad spans.
        `amplitude_uv`: median over channels of the standard deviation.
        `amplitude_spread_ratio`: 90th over 10th percentile of the channels' standard deviations.
        `beyond_100uv_share`: of samples, further than that from their channel's mean.
        `line_before_db`, `line_after_db`: median over channels of the power at the line frequency, relative to its
        neighbours; None where filters have removed those too.
        `line_after_share`: of the variance, at the line frequency beyond what its neighbours have.
        `onsets_count`, `onset_response_z`: see `OnsetResponse`.
        None stands for what cannot be known.
    """
    channels = after.shape[1]
    good = np.setdiff1d(np.arange(channels), np.asarray(bad, dtype=int))
    music_s = float(sum(duration for _, duration in presentations))
    usable_s = usable_seconds(presentations, bad_spans)
    numbers: dict[str, float | None] = {
        "channels_count": channels,
        "bad_channels_count": channels - good.size,
        "bad_channels_share": _ratio(channels - good.size, channels),
        "music_s": music_s,
        "usable_s": usable_s,
        "usable_share": _ratio(usable_s, music_s),
    }
    spans = [span for p in presentations for span in usable_spans(p, bad_spans)]
    spans = spans if presentations else [(0.0, after.shape[0] / after_rate)]
    numbers |= _amplitudes(after, after_rate, good, spans)
    numbers |= _line(before, before_rate, after, after_rate, good, line_hz, spans)
    if music_onsets is not None and good.size:
        response = respond_to_onsets(after, after_rate, music_onsets, presentations, bad_spans=bad_spans, picks=good)
        numbers |= {
            "onsets_count": response.count if response else 0,
            "onset_response_z": response.z if response else None,
        }
    return {name: _plain(value) for name, value in numbers.items()}


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _plain(value: float | None) -> float | None:
    if value is None or not np.isfinite(value):
        return None
    return value if isinstance(value, int) else float(f"{value:.6g}")


def _blocks(after: Floats, rate_hz: float, spans: Sequence[Seconds], good: Ints) -> Iterator[Floats]:
    rate, whole = Rate(rate_hz), good.size == after.shape[1]
    for begin, end in spans:
        first, last = max(0, rate.samples(begin)), min(len(after), rate.samples(end))
        for start in range(first, last, BLOCK):
            block: Floats = np.asarray(after[start : min(start + BLOCK, last)])
            yield block if whole else block[:, good]


def _amplitudes(after: Floats, rate_hz: float, good: Ints, spans: Sequence[Seconds]) -> dict[str, float | None]:
    names = ("amplitude_uv", "amplitude_spread_ratio", "beyond_100uv_share")
    count, total = 0, np.zeros(good.size)
    for block in _blocks(after, rate_hz, spans, good):
        count, total = count + len(block), total + block.sum(axis=0, dtype=np.float64)
    if not count or not good.size:
        return dict.fromkeys(names)
    mean = (total / count).astype(np.float32)
    squares, large = np.zeros(good.size), 0
    for block in _blocks(after, rate_hz, spans, good):
        centred = block - mean
        squares += np.einsum("tc,tc->c", centred, centred)
        large += int(np.count_nonzero(np.abs(centred) > LARGE_UV))
    spread = np.sqrt(squares / count)
    low, median, high = np.percentile(spread, [10, 50, 90])
    return dict(zip(names, (median, _ratio(high, low), large / (count * good.size)), strict=True))


def _line(
    before: Floats,
    before_rate: float,
    after: Floats,
    after_rate: float,
    good: Ints,
    line_hz: float | None,
    spans: Sequence[Seconds],
) -> dict[str, float | None]:
    found: dict[str, float | None] = dict.fromkeys(("line_before_db", "line_after_db", "line_after_share"))
    if not line_hz or not good.size or not spans:
        return found
    first = Rate(after_rate).samples(spans[0][0])
    stretch = np.asarray(after[first : first + Rate(after_rate).samples(SPECTRUM_S)])[:, good].T
    raw = before[good, : Rate(before_rate).samples(SPECTRUM_S)]
    found["line_before_db"], _ = line_noise(raw, before_rate, line_hz)
    found["line_after_db"], found["line_after_share"] = line_noise(stretch, after_rate, line_hz)
    return found


def line_noise(eeg: Floats, rate_hz: float, line_hz: float) -> tuple[float | None, float | None]:
    """Measure line noise.

    Parameters
    ----------
    eeg : ndarray, shape (C, T)
        In µV.
    rate_hz, line_hz : float
        Sampling rate and line frequency.

    Returns
    -------
    decibels : float or None
        Median over channels of the power density at the line frequency relative to the geometric mean of that of its
        neighbours, 1 to 4 Hz away on either side; None when a filter has removed them, or the line lies too high.
    share : float or None
        Median over channels of the share of the variance that the line has beyond what its neighbours have.
    """
    frequencies, power = _power(eeg, rate_hz)
    distance = np.abs(frequencies - line_hz)
    near = (distance >= NEIGHBOURS_HZ[0]) & (distance <= NEIGHBOURS_HZ[1])
    line = distance <= LINE_HALF_WIDTH_HZ
    if line_hz + NEIGHBOURS_HZ[1] > rate_hz / 2 or not line.any() or not near.any():
        return None, None
    level = np.exp(np.log(power[:, near]).mean(axis=1))
    excess = np.maximum(power[:, line] - level[:, None], 0).sum(axis=1)
    share = float(np.median(excess / power[:, frequencies > 0].sum(axis=1)))
    below = power[:, (frequencies >= 1) & (frequencies <= line_hz - NEIGHBOURS_HZ[1])]
    lowest = np.minimum(
        *(power[:, near & side].mean(axis=1) for side in (frequencies < line_hz, frequencies > line_hz))
    )
    if 10 * np.log10(np.median(np.median(below, axis=1) / lowest)) > STOPPED_DB:
        return None, share
    return float(np.median(10 * np.log10(power[:, line].max(axis=1) / level))), share


def _power(eeg: Floats, rate_hz: float) -> tuple[Doubles, Doubles]:
    from scipy.signal import welch

    segment = min(eeg.shape[1], round(SEGMENT_S * rate_hz))
    # some channels at a time, as the windows of all together take several times the memory of the EEG
    parts = [eeg[first : first + CHANNELS] for first in range(0, len(eeg), CHANNELS)]
    power = np.concatenate([welch(part, rate_hz, nperseg=segment)[1] for part in parts]).astype(np.float64)
    return np.arange(power.shape[1]) * rate_hz / segment, np.maximum(power, np.finfo(np.float64).tiny)

"""Everything linear that is done to a recording, applied at once, in blocks of time.

Notches, band-pass and the anti-alias filter of the resampling are zero-phase filters, so that one after the other they
are a single filter whose response is the product of theirs. References, interpolation and the removal of components
mix channels, sample by sample, so that they are a single matrix and can wait until the samples have become few. What is
left to do for a block of time is one Fourier transform, one multiplication, and one shorter transform back
(overlap-save). MNE designs the filters; the result is that of its own methods, one after the other.

Only resampling by the Fourier method takes whole channels: they are filtered at the recording's own rate and held as
float32, and resampled some at a time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from predann_bids.signals.preprocessing.fourier import resample_by_fourier
from predann_bids.signals.preprocessing.response import Response, design_kernel, make_response

if TYPE_CHECKING:
    from mne.io import BaseRaw

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Each = Callable[..., Iterator[None]]  # map, or that of a pool of threads
Tell = Callable[[int, int], None]

READ_SAMPLES = 5_000  # what MNE reads at once, as float64, stays in the cache
GROUP_CHANNELS, GROUP_SAMPLES = 8, 1 << 19  # and so do the spectra of these
LARGEST_BLOCK = 1 << 24  # values, over all channels that are filtered together
MICROVOLTS = 1e6
CLOCK_ERROR = 1e-6  # 4 ms in an hour


@dataclass(frozen=True, eq=False)
class Chain:
    """What is done to a recording: filters, then a matrix over channels, then another sampling rate.

    Parameters
    ----------
    picks : sequence of int
        Channels of the recording that go in.
    rate_hz : float
        Sampling rate of what comes out.
    notches_hz : sequence of float
        Frequencies to remove, as `mne.io.Raw.notch_filter` does.
    low_hz, high_hz : float, optional
        Edges of the band to keep, as `mne.io.Raw.filter` does; None leaves an edge open.
    matrix : ndarray, shape (channels out, channels in), optional
        Makes the channels that come out of those that went in; None leaves them as they are.
    resampling : str
        'polyphase', or 'fourier', as the method of `mne.io.Raw.resample` that is meant.
    """

    picks: Sequence[int]
    rate_hz: float
    notches_hz: Sequence[float] = ()
    low_hz: float | None = None
    high_hz: float | None = None
    matrix: Floats | None = None
    resampling: Literal["polyphase", "fourier"] = "polyphase"

    def __post_init__(self) -> None:
        if self.matrix is not None and (self.matrix.ndim != 2 or self.matrix.shape[1] != len(self.picks)):
            raise ValueError(f"a matrix of shape {self.matrix.shape} does not fit {len(self.picks)} channels")


@dataclass(frozen=True)
class Survey:
    """What there is to know of channels before anything is done to them.

    Parameters
    ----------
    minimum, maximum : ndarray, shape (channels,)
        Extreme values in volts; NaN where a value is NaN.
    """

    minimum: Floats
    maximum: Floats

    @property
    def finite(self) -> NDArray[np.bool_]:
        """Which channels hold finite numbers only."""
        return np.isfinite(self.minimum) & np.isfinite(self.maximum)

    @property
    def flat(self) -> NDArray[np.bool_]:
        """Which channels hold one value only."""
        flat: NDArray[np.bool_] = self.minimum == self.maximum
        return flat


def survey(raw: BaseRaw, picks: Sequence[int]) -> Survey:
    """Look once through a recording, in blocks."""
    raw = readable_in_blocks(raw, picks)
    extremes = [
        (block.min(axis=1), block.max(axis=1))
        for block in (raw.get_data(picks, *span) for span in _spans(0, raw.n_times))
    ]
    minima, maxima = zip(*extremes, strict=True)
    return Survey(np.min(minima, axis=0), np.max(maxima, axis=0))


def readable_in_blocks(raw: BaseRaw, picks: Sequence[int]) -> BaseRaw:
    """Return the recording, or a copy in memory if blocks of it were other samples than the whole.

    EDF and BDF files may hold channels of several rates. MNE brings the slower ones to the highest rate, each block for
    itself with artefacts at its ends, and warns of that.
    """
    from mne.utils import use_log_level

    if raw.preload:
        return raw
    with warnings.catch_warnings(), use_log_level("warning"):
        warnings.filterwarnings("error", ".*mixed sampling frequencies", RuntimeWarning)
        try:
            raw.get_data(picks, 0, min(raw.n_times, READ_SAMPLES))
        except RuntimeWarning:
            return raw.copy().load_data(verbose="error")
    return raw


def run(raw: BaseRaw, chain: Chain, *, workers: int = 1, on_block: Tell | None = None) -> Singles:
    """Apply a chain to a recording, which need not be in memory.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        A recording in volts, of finite numbers. It is not changed.
    chain : Chain
        What to do.
    workers : int
        Threads to filter with, beside the one that reads.
    on_block : callable, optional
        Called after each block with how many are done and how many there will be.

    Returns
    -------
    ndarray, shape (samples, channels), float32
        Microvolts. Sample k lies at the time k / `chain.rate_hz` from the recording's start.
    """
    raw, rate = readable_in_blocks(raw, chain.picks), float(raw.info["sfreq"])
    tell = on_block or (lambda *_: None)
    with ThreadPoolExecutor(workers) if workers > 1 else nullcontext() as pool:
        each = pool.map if pool else map
        if chain.resampling == "fourier" and rate_ratio(rate, chain.rate_hz) != 1:
            filtered, offsets = _resample_whole(raw, chain, each, tell)
        else:
            filtered = np.empty((output_samples(raw.n_times, rate, chain.rate_hz), len(chain.picks)), np.float32)
            offsets, _ = _fill(filtered, raw, chain, chain.matrix is not None, each, tell)
        return _mix(filtered, chain.matrix, offsets, each)


def _resample_whole(raw: BaseRaw, chain: Chain, each: Each, tell: Tell) -> tuple[Singles, Floats]:
    """Filter at the recording's own rate, then resample whole channels; give also the offsets that are taken off."""
    rate, channels = float(raw.info["sfreq"]), len(chain.picks)
    whole = np.empty((channels, raw.n_times), dtype=np.float32)
    groups = [slice(first, first + GROUP_CHANNELS) for first in range(0, channels, GROUP_CHANNELS)]
    filters = replace(chain, rate_hz=rate)
    offsets, blocks = _fill(whole.T, raw, filters, True, each, lambda done, total: tell(done, total + len(groups)))
    ratio = rate_ratio(rate, chain.rate_hz)
    resampled = np.empty((output_samples(raw.n_times, rate, chain.rate_hz), channels), dtype=np.float32)

    def work(group: slice) -> None:
        for channel in range(*group.indices(channels)):
            resampled[:, channel] = resample_by_fourier(whole[channel].astype(float), ratio, len(resampled))

    for done, _ in enumerate(each(work, groups), 1):
        tell(blocks + done, blocks + len(groups))
    return resampled, offsets


def _fill(out: Singles, raw: BaseRaw, chain: Chain, centred: bool, each: Each, tell: Tell) -> tuple[Floats, int]:
    """Filter and resample into `out`, (samples, channels), in µV; give the offsets that are left out, and the blocks.

    Where there is nothing to do, offsets are only left out if `centred`.
    """
    rate = float(raw.info["sfreq"])
    kernel = design_kernel(rate, chain.notches_hz, chain.low_hz, chain.high_hz)
    ratio = rate_ratio(rate, chain.rate_hz)
    if len(kernel) == ratio == 1:
        return _copy(out, raw, chain.picks, centred, tell)
    response = make_response(kernel, ratio, raw.n_times)
    channels, offsets = len(chain.picks), np.empty(len(chain.picks))
    starts, passes = range(0, len(out), response.new_step), _passes(channels, response.length)
    for number, part in enumerate(passes):
        source = _Source.of(raw, chain.picks[part], response.margin)
        offsets[part] = MICROVOLTS * response.offset_gain * source.offset
        for done, volts in enumerate(_filter(source, response, len(starts), each)):
            piece = out[starts[done] : starts[done] + response.new_step, part]
            np.multiply(volts[:, : len(piece)].T, np.float32(MICROVOLTS), out=piece)
            tell(number * len(starts) + done + 1, len(passes) * len(starts))
    return offsets, len(passes) * len(starts)


def _copy(out: Singles, raw: BaseRaw, picks: Sequence[int], centred: bool, tell: Tell) -> tuple[Floats, int]:
    channels = np.asarray(picks, dtype=np.intp)
    offset = raw.get_data(channels, 0, READ_SAMPLES).mean(axis=1) if centred else np.zeros(len(channels))
    spans = list(_spans(0, raw.n_times))
    for done, span in enumerate(spans, 1):
        np.multiply(
            (raw.get_data(channels, *span) - offset[:, None]).T, MICROVOLTS, out=out[slice(*span)], casting="same_kind"
        )
        tell(done, len(spans))
    return MICROVOLTS * offset, len(spans)


def output_samples(samples: int, rate_hz: float, new_rate_hz: float) -> int:
    """Count the samples that a recording has at another rate; the last one lies within the recording."""
    return int(samples * rate_ratio(rate_hz, new_rate_hz))


def rate_ratio(rate_hz: float, new_rate_hz: float) -> Fraction:
    """Give the new rate over the old one, in numbers as small as keep the clock: blocks are multiples of these.

    A rate such as 512.0328 Hz stands for a sampling interval in whole microseconds; 499.9823 Hz may be measured.
    """
    exact = Fraction(new_rate_hz) / Fraction(rate_hz)
    candidates = (exact.limit_denominator(10**digits) for digits in (4, 5, 6))
    return next((ratio for ratio in candidates if abs(ratio / exact - 1) < CLOCK_ERROR), exact.limit_denominator(10**6))


@dataclass(frozen=True, eq=False)
class _Source:
    """A recording less a constant, continued at both ends by its odd reflection.

    Offsets of electrodes are large, and float32 must have its digits for the signal.
    """

    raw: BaseRaw
    picks: NDArray[np.intp]
    offset: Floats
    before: Singles
    after: Singles

    @classmethod
    def of(cls, raw: BaseRaw, picks: Sequence[int], margin: int) -> _Source:
        channels, known = np.asarray(picks, dtype=np.intp), min(raw.n_times, margin + 1)
        first = raw.get_data(channels, 0, min(raw.n_times, max(known, READ_SAMPLES)))
        offset = first[:, :READ_SAMPLES].mean(axis=1)
        ends = first[:, :known], raw.get_data(channels, raw.n_times - known)
        pads = ((margin, 0), (0, margin))
        before, after = (
            np.pad(end - offset[:, None], ((0, 0), pad), "reflect", reflect_type="odd").astype(np.float32)
            for end, pad in zip(ends, pads, strict=True)
        )
        return cls(raw, channels, offset, before[:, :margin], after[:, known:])

    def read(self, start: int, block: Singles) -> None:
        """Fill a block, (channels, samples), from a sample on; what comes after the margin is zero."""
        samples, margin, stop = self.raw.n_times, self.before.shape[1], start + block.shape[1]
        block[:, max(0, samples + margin - start) :] = 0
        for first, part in ((-margin, self.before), (samples, self.after)):
            low, high = max(start, first), min(stop, first + margin)
            if low < high:
                block[:, low - start : high - start] = part[:, low - first : high - first]
        for low, high in _spans(max(start, 0), min(stop, samples)):
            values = self.raw.get_data(self.picks, low, high)
            np.subtract(values, self.offset[:, None], out=block[:, low - start : high - start], casting="same_kind")


def _mix(filtered: Singles, matrix: Floats | None, offsets: Floats, each: Each) -> Singles:
    """Apply the matrix over channels, if there is one, and add what filters and matrix leave of the offsets."""
    if matrix is None:
        filtered += offsets.astype(np.float32)
        return filtered
    weights, left = matrix.T.astype(np.float32), (matrix @ offsets).astype(np.float32)
    fits = weights.shape[0] == weights.shape[1]
    out = filtered if fits else np.empty((len(filtered), weights.shape[1]), dtype=np.float32)

    def work(span: tuple[int, int]) -> None:
        rows = slice(*span)
        out[rows] = filtered[rows] @ weights + left

    for _ in each(work, _spans(0, len(out))):
        pass
    return out


def _passes(channels: int, length: int) -> list[slice]:
    """Share out channels such that their blocks stay small: filters for slow drifts need blocks of many minutes."""
    together = max(1, LARGEST_BLOCK // length)
    return [slice(first, min(first + together, channels)) for first in range(0, channels, together)]


def _filter(source: _Source, response: Response, blocks: int, each: Each) -> Iterator[Singles]:
    """Yield blocks, (channels, new step), valid until the next one is asked for.

    While some threads filter a block, this one reads the next.
    """
    buffers = [np.empty((len(source.picks), response.length), dtype=np.float32) for _ in range(2)]
    filtered = np.empty((len(source.picks), response.new_step), dtype=np.float32)
    count = max(1, min(GROUP_CHANNELS, GROUP_SAMPLES // response.length))
    groups = [slice(first, first + count) for first in range(0, len(source.picks), count)]

    def work(block: Singles, group: slice) -> None:
        filtered[group] = response.apply(block[group])

    shared = 2 * response.margin
    source.read(-response.margin, buffers[0])
    for number in range(blocks):
        block, following = buffers[number % 2], buffers[(number + 1) % 2]
        under_way = each(partial(work, block), groups)
        if number + 1 < blocks:
            following[:, :shared] = block[:, response.step :]
            source.read((number + 1) * response.step + response.margin, following[:, shared:])
        for _ in under_way:  # waits, and raises what a thread has raised
            pass
        yield filtered


def _spans(start: int, stop: int) -> Iterator[tuple[int, int]]:
    for at in range(start, stop, READ_SAMPLES):
        yield at, min(at + READ_SAMPLES, stop)

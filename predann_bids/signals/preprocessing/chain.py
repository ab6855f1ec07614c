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

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from predann_bids.arrays import Doubles, Singles
from predann_bids.signals.preprocessing.fourier import resample_by_fourier
from predann_bids.signals.preprocessing.reading import READ_SAMPLES, Source, in_blocks, readable_in_blocks
from predann_bids.signals.preprocessing.response import Response, design_kernel, make_response

if TYPE_CHECKING:
    from mne.io import BaseRaw

Each = Callable[..., Iterator[None]]  # map, or that of a pool of threads
OnBlock = Callable[[int, int], None]

GROUP_CHANNELS, GROUP_SAMPLES = 8, 1 << 19  # whose spectra stay in the cache
LARGEST_BLOCK = 1 << 24  # values, over all channels that are filtered together
MICROVOLTS = 1e6
CLOCK_ERROR = 1e-6  # 4 ms in an hour


@dataclass(frozen=True, eq=False)
class Chain:
    """What is done to a recording: filters, then a matrix over channels, then a change of the sampling rate.

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
        'polyphase' or 'fourier': the method of `mne.io.Raw.resample`.
    """

    picks: Sequence[int]
    rate_hz: float
    notches_hz: Sequence[float] = ()
    low_hz: float | None = None
    high_hz: float | None = None
    matrix: Doubles | None = None
    resampling: Literal["polyphase", "fourier"] = "polyphase"

    def __post_init__(self) -> None:
        if self.matrix is not None and (self.matrix.ndim != 2 or self.matrix.shape[1] != len(self.picks)):
            raise ValueError(f"a matrix of shape {self.matrix.shape} does not fit {len(self.picks)} channels")


def run(raw: BaseRaw, chain: Chain, *, workers: int = 1, on_block: OnBlock | None = None) -> Singles:
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


def _resample_whole(raw: BaseRaw, chain: Chain, each: Each, tell: OnBlock) -> tuple[Singles, Doubles]:
    """Filter at the recording's own rate, then resample whole channels; return also the offsets taken off."""
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


def _fill(out: Singles, raw: BaseRaw, chain: Chain, centred: bool, each: Each, tell: OnBlock) -> tuple[Doubles, int]:
    """Filter and resample into `out`, (samples, channels), in µV; return the offsets left out, and how many blocks.

    Where there is nothing to filter, offsets are left out only if `centred`.
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
        source = Source.of(raw, chain.picks[part], response.margin)
        offsets[part] = MICROVOLTS * response.offset_gain * source.offset
        for done, volts in enumerate(_filter(source, response, len(starts), each)):
            piece = out[starts[done] : starts[done] + response.new_step, part]
            np.multiply(volts[:, : len(piece)].T, np.float32(MICROVOLTS), out=piece)
            tell(number * len(starts) + done + 1, len(passes) * len(starts))
    return offsets, len(passes) * len(starts)


def _copy(out: Singles, raw: BaseRaw, picks: Sequence[int], centred: bool, tell: OnBlock) -> tuple[Doubles, int]:
    channels = np.asarray(picks, dtype=np.intp)
    offset = raw.get_data(channels, 0, READ_SAMPLES).mean(axis=1) if centred else np.zeros(len(channels))
    parts = list(in_blocks(0, raw.n_times))
    for done, span in enumerate(parts, 1):
        np.multiply(
            (raw.get_data(channels, *span) - offset[:, None]).T, MICROVOLTS, out=out[slice(*span)], casting="same_kind"
        )
        tell(done, len(parts))
    return MICROVOLTS * offset, len(parts)


def output_samples(samples: int, rate_hz: float, new_rate_hz: float) -> int:
    """Count the samples that a recording has at another rate; the last one lies within the recording."""
    return int(samples * rate_ratio(rate_hz, new_rate_hz))


def rate_ratio(rate_hz: float, new_rate_hz: float) -> Fraction:
    """The new rate over the old one, in the smallest numbers that keep the clock: blocks are multiples of these.

    A rate such as 512.0328 Hz stands for a sampling interval in whole microseconds; 499.9823 Hz may be measured.
    """
    exact = Fraction(new_rate_hz) / Fraction(rate_hz)
    candidates = (exact.limit_denominator(10**digits) for digits in (4, 5, 6))
    return next((ratio for ratio in candidates if abs(ratio / exact - 1) < CLOCK_ERROR), exact.limit_denominator(10**6))


def _mix(filtered: Singles, matrix: Doubles | None, offsets: Doubles, each: Each) -> Singles:
    """Apply the matrix over channels, if there is one, and add back what filters and matrix leave of the offsets."""
    if matrix is None:
        filtered += offsets.astype(np.float32)
        return filtered
    weights, left = matrix.T.astype(np.float32), (matrix @ offsets).astype(np.float32)
    fits = weights.shape[0] == weights.shape[1]
    out = filtered if fits else np.empty((len(filtered), weights.shape[1]), dtype=np.float32)

    def work(span: tuple[int, int]) -> None:
        rows = slice(*span)
        out[rows] = filtered[rows] @ weights + left

    for _ in each(work, in_blocks(0, len(out))):
        pass
    return out


def _passes(channels: int, length: int) -> list[slice]:
    """Divide channels into groups whose blocks stay small: filters for slow drifts need blocks of many minutes."""
    together = max(1, LARGEST_BLOCK // length)
    return [slice(first, min(first + together, channels)) for first in range(0, channels, together)]


def _filter(source: Source, response: Response, blocks: int, each: Each) -> Iterator[Singles]:
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

"""A chain of zero-phase filters and a change of the sampling rate, as one operation on the spectrum of a block.

In principle: `up - 1` zeros are put between the samples of a block, which repeats its spectrum `up` times. The spectrum
is multiplied by the response of the filters, and every `down`-th sample of the result is kept, which folds the spectrum
`down` times upon itself. Only the stretches of the spectrum that the filters let through are computed: mostly one, from
0 Hz to the upper edge of the band.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from predann_bids.arrays import Doubles, Singles

# Long blocks waste less on their margins; beyond what the caches hold, their transforms take longer.
SHORTEST_BLOCK, LONGEST_BLOCK = 16_000, 120_000
MARGINS_PER_BLOCK, FEWEST_MARGINS = 10, 4
NEGLIGIBLE = 1e-6  # gain below which a stretch of the spectrum is left out
FARTHEST_IMAGE = 16  # in cutoff frequencies of the anti-alias filter; all further images are left out
LONGEST_FFT = 1 << 22


@dataclass(frozen=True, eq=False)
class Stretch:
    """A stretch of the spectrum, its gain, and the bins that it is added to.

    Parameters
    ----------
    source, target : slice
        Frequency bins before and after; steps of -1 where the spectrum is mirrored.
    mirrored : bool
        Whether one of them stands for negative frequencies, so that the conjugate is meant.
    gain : ndarray, shape (bins,), float32
        Response of the filters.
    """

    source: slice
    target: slice
    mirrored: bool
    gain: Singles


@dataclass(frozen=True, eq=False)
class Response:
    """The effect of filters and resampling on a block of samples.

    Parameters
    ----------
    length, new_length : int
        Samples of a block before and after.
    margin, new_margin : int
        Samples at both ends of a block, before and after, that belong to its neighbours.
    stretches : tuple of Stretch
        Which parts of the spectrum go where.
    offset_gain : float
        Gain at 0 Hz.
    """

    length: int
    new_length: int
    margin: int
    new_margin: int
    stretches: tuple[Stretch, ...]
    offset_gain: float

    @property
    def step(self) -> int:
        """Samples from one block to the next."""
        return self.length - 2 * self.margin

    @property
    def new_step(self) -> int:
        """Samples that come out of a block."""
        return self.new_length - 2 * self.new_margin

    def apply(self, blocks: Singles) -> Singles:
        """Filter and resample blocks, (..., length) -> (..., new step)."""
        from scipy.fft import irfft, rfft

        before = rfft(blocks)
        after = np.zeros((*before.shape[:-1], self.new_length // 2 + 1), dtype=before.dtype)
        for stretch in self.stretches:
            part = before[..., stretch.source] * stretch.gain
            after[..., stretch.target] += part.conj() if stretch.mirrored else part
        samples: Singles = irfft(after, self.new_length, overwrite_x=True)
        return samples[..., self.new_margin : self.new_margin + self.new_step]


def make_response(kernel: Doubles, ratio: Fraction, samples: int) -> Response:
    """Combine a zero-phase filter and a change of the sampling rate.

    Parameters
    ----------
    kernel : ndarray, shape (taps,)
        Symmetric impulse response, of odd length.
    ratio : Fraction
        New sampling rate over the old one.
    samples : int
        Length of the longest signal, to make blocks no longer than needed.
    """
    from scipy.fft import next_fast_len

    up, down = ratio.numerator, ratio.denominator
    smoothing = anti_alias_kernel(ratio)
    reach = len(kernel) // 2 + math.ceil(len(smoothing) // 2 / up)
    # Whole multiples of `down` begin a block at an output sample.
    margin = down * math.ceil(reach / down)
    wanted = max(SHORTEST_BLOCK, min(MARGINS_PER_BLOCK * margin, LONGEST_BLOCK), FEWEST_MARGINS * margin)
    wanted = min(wanted, samples + 2 * margin)
    length = down * next_fast_len(math.ceil(max(wanted, 2 * margin + down) / down), real=True)
    gain = float(ratio) * _response(kernel, length, length // 2)
    return Response(
        length,
        length // down * up,
        margin,
        margin // down * up,
        tuple(_stretches(gain, smoothing, ratio, length)),
        float(kernel.sum()),
    )


def design_kernel(rate_hz: float, notches_hz: Sequence[float], low_hz: float | None, high_hz: float | None) -> Doubles:
    """Let MNE design the filters of `Raw.notch_filter(notches_hz)` and `Raw.filter(low_hz, high_hz)`, and join them.

    Parameters
    ----------
    rate_hz : float
        Sampling rate of the recording.
    notches_hz : sequence of float
        Frequencies to remove.
    low_hz, high_hz : float, optional
        Edges of the band to keep; None leaves an edge open.

    Returns
    -------
    ndarray, shape (taps,)
        Symmetric kernel; [1] if there is nothing to filter.
    """
    from mne.filter import create_filter
    from scipy.signal import fftconvolve

    kernel: Doubles = np.ones(1)
    if len(notches_hz):
        # The defaults of `Raw.notch_filter`: a width of 1/200 of the frequency, and half of 1 Hz to either side of it.
        centres = np.asarray(notches_hz, dtype=float)
        reach = centres / 400 + 0.5
        kernel = create_filter(
            None,
            rate_hz,
            centres + reach,
            centres - reach,
            l_trans_bandwidth=0.5,
            h_trans_bandwidth=0.5,
            verbose="error",
        )
    if low_hz or high_hz:
        band = create_filter(None, rate_hz, low_hz, high_hz, verbose="error")
        kernel = fftconvolve(kernel, band)
    return kernel


def anti_alias_kernel(ratio: Fraction) -> Doubles:
    """Design the low-pass of `Raw.resample(method="polyphase")`, at `ratio.numerator` times the old rate."""
    from scipy.signal import firwin

    fastest = max(ratio.numerator, ratio.denominator)
    if fastest == 1:
        return np.ones(1)
    kernel: Doubles = firwin(20 * fastest + 1, 1 / fastest, window=("kaiser", 5.0))
    return kernel


def _response(kernel: Doubles, length: int, last: int) -> Doubles:
    """Response of a symmetric kernel at the frequency bins 0..last of a transform of some length."""
    from scipy.fft import rfft
    from scipy.signal import zoom_fft

    centre = len(kernel) // 2
    if length <= LONGEST_FFT:
        centred = np.zeros(length)
        centred[: centre + 1], centred[length - centre :] = kernel[centre:], kernel[:centre]
        response: Doubles = rfft(centred).real[: last + 1]
        return response
    delayed = zoom_fft(kernel, last / length, m=last + 1, fs=1, endpoint=True)
    return np.real(delayed * np.exp(2j * np.pi * centre / length * np.arange(last + 1)))


def _stretches(gain: Doubles, smoothing: Doubles, ratio: Fraction, length: int) -> Iterator[Stretch]:
    """Follow the spectrum through upsampling, filters and downsampling, at positive frequencies.

    What lies at negative ones is its mirror image, and is met where the outcome is folded.
    """
    new_length, fine_length = length // ratio.denominator * ratio.numerator, length * ratio.numerator
    last = min(fine_length // 2, FARTHEST_IMAGE * max(length, new_length) // 2)
    smooth = _response(smoothing, fine_length, last)
    sources = list(_legs(length, last, (length - 1) // 2, 1))
    targets = list(_legs(new_length, last, new_length // 2, 0, (fine_length - 1) // 2))
    for source in sources:
        for target in targets:
            bins = np.arange(max(source.first, target.first), min(source.last, target.last) + 1)
            through = gain[source.sign * (bins - source.origin)] * smooth[bins]
            audible = np.flatnonzero(abs(through) > NEGLIGIBLE * ratio)
            if audible.size:
                kept = slice(audible[0], audible[-1] + 1)
                first, stop = int(bins[audible[0]]), int(bins[audible[-1]]) + 1
                yield Stretch(
                    source.bins(first, stop),
                    target.bins(first, stop),
                    source.sign != target.sign,
                    through[kept].astype(np.float32),
                )


@dataclass(frozen=True)
class _Leg:
    """Bins of the upsampled spectrum along which another spectrum repeats itself, forwards or mirrored."""

    first: int
    last: int
    origin: int
    sign: int

    def bins(self, first: int, stop: int) -> slice:
        """Bins of the other spectrum."""
        if self.sign > 0:
            return slice(first - self.origin, stop - self.origin)
        end = self.origin - stop
        return slice(self.origin - first, end if end >= 0 else None, -1)


def _legs(length: int, last: int, mirrored: int, before: int, end: int | None = None) -> Iterator[_Leg]:
    """Yield the legs; a mirrored one reaches from `mirrored` to `before` bins before a multiple of `length`."""
    for origin in range(0, last + length + 1, length):
        yield _Leg(origin, min(origin + length // 2, last), origin, 1)
        if origin:
            yield _Leg(origin - mirrored, min(origin - before, last if end is None else min(last, end)), origin, -1)

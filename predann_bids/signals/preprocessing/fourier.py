"""Another sampling rate by the Fourier method: the spectrum of a whole recording is cut, or continued with zeros.

What comes out is what `mne.io.Raw.resample` gives, with its padding, wherever that padding is a whole number of output
samples. Elsewhere MNE rounds it, which moves the recording by up to half an output sample (4 ms at 125 Hz) against its
events; here the rest that rounding leaves is made up for, and sample k lies at the time k / rate.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from predann_bids.arrays import Doubles

LONGEST_SHORTEST_PAD = 100  # samples of padding, at either end, that MNE asks for at least
PADS_PER_SIGNAL = 8  # in short signals, the part of their length that is enough


def resample_by_fourier(signal: Doubles, ratio: Fraction, samples: int) -> Doubles:
    """Resample a signal as a whole, in float64.

    Parameters
    ----------
    signal : ndarray, shape (T,)
        In any unit.
    ratio : Fraction
        New sampling rate over the old one.
    samples : int
        How many samples to return, at most `len(signal) * ratio`, rounded up.

    Returns
    -------
    ndarray, shape (samples,)
        The first one lies at the time of the signal's first one.
    """
    from scipy.fft import irfft, rfft

    length = padded_length(len(signal), ratio)
    new_length = length // ratio.denominator * ratio.numerator
    before = (length - len(signal)) // 2
    pads = (before, length - len(signal) - before)
    spectrum = rfft(np.pad(signal, pads, "reflect", reflect_type="odd"))[: new_length // 2 + 1]
    shorter = min(length, new_length)
    if shorter % 2 == 0 and length != new_length:
        # the bin that stands for both signs of half the lower rate
        spectrum[shorter // 2] *= 2 if new_length < length else 0.5
    first = round(before * ratio)
    if rest := float(before * ratio - first):
        spectrum *= np.exp(2j * np.pi * rest / new_length * np.arange(len(spectrum)))
    resampled: Doubles = irfft(spectrum, new_length, overwrite_x=True)[first : first + samples]
    resampled *= float(ratio)
    return resampled


def padded_length(samples: int, ratio: Fraction) -> int:
    """Choose the length of the transform: MNE's power of two, if it is a whole number of samples at both rates."""
    from scipy.fft import next_fast_len

    shortest = samples + 2 * min(samples // PADS_PER_SIGNAL, LONGEST_SHORTEST_PAD)
    power = 1 << (shortest - 1).bit_length()
    if power % ratio.denominator == 0:
        return power
    return ratio.denominator * int(next_fast_len(-(-shortest // ratio.denominator), real=True))

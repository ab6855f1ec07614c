"""Resample audio from any rate to any other, at a cost that does not depend on their common factors."""

from __future__ import annotations

import math

import numpy as np

from predann_bids.arrays import Doubles, Singles

USUAL_HZ = (4000, 11025)  # nearly all audio has a multiple of one of these
# Weights of torchaudio's kernel, which holds a filter for each phase between the two rates, almost all of it zeros:
# 44,101 Hz to 16 kHz takes 705 million. Usual rates keep the digits that they have always had.
MOST_WEIGHTS, MOST_WEIGHTS_OF_USUAL = 5_000_000, 50_000_000

ZERO_CROSSINGS, ROLLOFF = 6, 0.99  # of torchaudio's filter
OUTPUTS_AT_ONCE = 1 << 14


def resample(sound: Singles, found_hz: int, rate_hz: int) -> Singles:
    """Resample with a band-limiting filter: a sinc of six zero crossings in a Hann window, as in torchaudio.

    Parameters
    ----------
    sound : ndarray, shape (samples,), float32
        Mono.
    found_hz, rate_hz : int
        Its rate, and the rate wanted.

    Returns
    -------
    ndarray, shape (ceil(samples * rate_hz / found_hz),), float32
        Sample n is at n / rate_hz seconds: there is no delay and no drift.
    """
    common = math.gcd(found_hz, rate_hz)
    old, new = found_hz // common, rate_hz // common
    weights = new * (old + 2 * _reach(old, new))
    if weights <= (MOST_WEIGHTS_OF_USUAL if _usual(found_hz) else MOST_WEIGHTS):
        return _by_torchaudio(sound, found_hz, rate_hz)
    return _phase_by_phase(sound, old, new)


def _usual(rate_hz: int) -> bool:
    return any(rate_hz % base == 0 for base in USUAL_HZ)


def _reach(old: int, new: int) -> int:
    """Samples on either side that the filter sees."""
    return math.ceil(ZERO_CROSSINGS * old / (ROLLOFF * min(old, new)))


def _by_torchaudio(sound: Singles, found_hz: int, rate_hz: int) -> Singles:
    import torch
    from torchaudio.functional import resample as convolve

    waveform: Singles = convolve(torch.from_numpy(sound), found_hz, rate_hz).numpy()
    return waveform


def _phase_by_phase(sound: Singles, old: int, new: int) -> Singles:
    """Evaluate the same filter, but only where it is not zero.

    Output n lies at n * old / new samples of the input. Its whole part and its fraction are found with integers, so
    that they are exact however long the sound is.
    """
    reach = _reach(old, new)
    outputs = np.arange(math.ceil(len(sound) * new / old), dtype=np.int64)
    padded = np.pad(sound, (reach, reach + 1))
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    resampled = np.empty(len(outputs), dtype=np.float32)
    for first in range(0, len(outputs), OUTPUTS_AT_ONCE):
        some = slice(first, first + OUTPUTS_AT_ONCE)
        whole, part = np.divmod(outputs[some] * old, new)
        filters = _filters(part / new, reach, min(old, new) / old)
        resampled[some] = np.einsum("ij,ij->i", frames[whole], filters)
    return resampled


def _filters(fractions: Doubles, reach: int, cutoff: float) -> Singles:
    """Weights of the samples around each output: (outputs, 2 * reach + 1)."""
    band = ROLLOFF * cutoff
    away = (np.arange(-reach, reach + 1) - fractions[:, None]) * band
    away = away.clip(-ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = np.cos(away * np.pi / ZERO_CROSSINGS / 2) ** 2
    filters: Singles = (np.sinc(away) * window * band).astype(np.float32)
    return filters

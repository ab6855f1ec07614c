"""Magnitude spectra of sound, in blocks of frames, so that long pieces need little memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from predann_bids.arrays import Doubles, Singles

AUDIO_RATE = 16_000
HOP = 320  # samples: 50 frames per second
FRAMES_PER_S = AUDIO_RATE / HOP
BLOCK = 500  # frames


def magnitudes(waveform: Singles, n_fft: int) -> Iterator[Doubles]:
    """Compute magnitude spectra of overlapping frames, in which a sine of amplitude 1 has the magnitude 1.

    The first frame is centred half a hop after the beginning. Before the beginning and after the end there is silence.

    Parameters
    ----------
    waveform : ndarray, shape (samples,)
        Mono, at `AUDIO_RATE`.
    n_fft : int
        Samples of a frame, which is tapered by a Hann window.

    Yields
    ------
    ndarray, shape (n_fft // 2 + 1, frames)
        At most `BLOCK` frames at a time.
    """
    number = max(1, len(waveform) // HOP)
    padded = np.pad(waveform.astype(np.float64), (n_fft // 2, n_fft // 2 + HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[HOP // 2 :: HOP][:number]
    taper = np.hanning(n_fft)
    for first in range(0, number, BLOCK):
        spectra = np.fft.rfft(frames[first : first + BLOCK] * taper, axis=1)
        yield np.abs(spectra).T * (2 / taper.sum())


def frequencies(n_fft: int) -> Doubles:
    """Return the frequencies in Hz of the rows that `magnitudes` yields, (n_fft // 2 + 1,)."""
    hz: Doubles = np.fft.rfftfreq(n_fft, 1 / AUDIO_RATE).astype(np.float64)
    return hz

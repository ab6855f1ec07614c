"""A linear classifier that knows nothing of music, only how strong each channel is in each frequency band.

It stands for every decoder that could tell songs by the state of the recording (drift, impedance, alpha, line noise)
in which they happened to be heard. Where it is better than chance on data whose music was dealt out at random, the way
training and test data were kept apart lets the recording's signature pass for music.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from predann_bids.arrays import Doubles, Ints
from predann_bids.data.batches import EegStore
from predann_bids.data.trials import Trial
from predann_bids.data.windows import Windows
from predann_bids.timing import Rate

BANDS_HZ = ((0.5, 4.0), (4.0, 8.0), (8.0, 13.0), (13.0, 30.0), (30.0, 45.0))
PART = 64  # windows at a time


def band_powers(
    store: EegStore, trials: Sequence[Trial], windows: Windows, length: int, delay: int, rate: Rate
) -> Doubles:
    """Log power of every channel in every band, shape (windows, channels * bands)."""
    frequencies = np.fft.rfftfreq(length, 1 / rate.hz)
    inside = [(low <= frequencies) & (frequencies < high) for low, high in BANDS_HZ]
    parts = [np.empty((0, len(store.channels) * sum(band.any() for band in inside)))]
    for first in range(0, len(windows), PART):
        eeg = store.windows(trials, windows[first : first + PART], length, delay).astype(np.float64)
        eeg -= eeg.mean(axis=2, keepdims=True)
        power = np.square(np.abs(np.fft.rfft(eeg * np.hanning(length), axis=2)))
        bands = [power[..., band].mean(axis=2) for band in inside if band.any()]
        parts.append(np.log(np.stack(bands, axis=2) + 1e-12).reshape(len(eeg), -1))
    return np.concatenate(parts)


def classify(train: Doubles, stimuli: Ints, test: Doubles, n_songs: int) -> Doubles:
    """Name the song of test windows by shrunken linear discriminant analysis; probabilities (n, songs)."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    n_classes = len(np.unique(stimuli))
    equal = np.full(n_classes, 1 / n_classes)  # long songs must not be named for being long
    model = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=equal))
    model.fit(train, stimuli)
    probabilities = np.zeros((len(test), n_songs))
    probabilities[:, model.classes_] = model.predict_proba(test)
    return probabilities

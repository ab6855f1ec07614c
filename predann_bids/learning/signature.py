"""A linear classifier of band power, which sees only how strong each channel is in each frequency band.

It represents any decoder that could recognise songs by the state of the recording at that time (drift, impedance,
alpha, line noise) instead of by the music. If it exceeds chance on data whose music was reassigned at random, the split
lets the state of the recording pass for music.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from predann_bids.arrays import Doubles, Ints
from predann_bids.data.stores.mapped import EegStore
from predann_bids.data.trials import Trial
from predann_bids.data.windows import Windows
from predann_bids.timing import Rate

BANDS_HZ = ((0.5, 4.0), (4.0, 8.0), (8.0, 13.0), (13.0, 30.0), (30.0, 45.0))
PART = 64  # number of windows read at a time
MOST_TRAINED = 20_000  # windows: a few hundred features need no more, and time and memory are bounded


def thinned(windows: Windows, most: int) -> Windows:
    """Keep every n-th window, so that at most so many are left, evenly over all trials."""
    return windows[:: max(1, -(-len(windows) // most))]


def band_powers(
    store: EegStore, trials: Sequence[Trial], windows: Windows, length: int, delay: int, rate: Rate
) -> Doubles:
    """Compute the log power of every channel in every band.

    Parameters
    ----------
    store : EegStore
        Store of the EEG.
    trials : sequence of Trial
        All trials.
    windows : Windows
        Which windows to read.
    length : int
        Samples of a window.
    delay : int
        Samples by which the EEG is taken later than the audio.
    rate : Rate
        Sampling rate of the EEG.

    Returns
    -------
    ndarray, shape (windows, channels * bands)
    """
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
    """Classify test windows by linear discriminant analysis with shrinkage.

    Parameters
    ----------
    train : ndarray, shape (n_train, features)
        Features of training windows.
    stimuli : ndarray of int, shape (n_train,)
        Index of the song of each training window.
    test : ndarray, shape (n_test, features)
        Features of test windows.
    n_songs : int
        Number of songs.

    Returns
    -------
    ndarray, shape (n_test, n_songs)
        Probability of each song.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probabilities, classes = np.zeros((len(test), n_songs)), np.unique(stimuli)
    if len(classes) == 1:  # as where each session holds one of two songs
        probabilities[:, classes] = 1
        return probabilities
    equal = np.full(len(classes), 1 / len(classes))  # long songs must not be preferred for their length
    model = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=equal))
    model.fit(train, stimuli)
    probabilities[:, model.classes_] = model.predict_proba(test)
    return probabilities

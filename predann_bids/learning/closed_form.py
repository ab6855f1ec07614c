"""Fit a closed-form decoder: join the EEG and audio of all training stretches, solve, and choose the regularisation."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch

from predann_bids.arrays import Doubles, Singles
from predann_bids.data.batches import EegStore
from predann_bids.data.source import MappedSource
from predann_bids.data.splits import Split
from predann_bids.data.trials import Stretch
from predann_bids.data.windows import Windows, grid
from predann_bids.learning.retrieval import unit
from predann_bids.models.closed_form import ClosedForm
from predann_bids.models.linear.backward import halved
from predann_bids.models.settings import Settings
from predann_bids.timing import Rate

HELD_OUT_OF = 7
MOST_HOURS = 4.0
TINY = 1e-12
BATCH = 64  # windows at a time


def unwhitened(store: EegStore) -> EegStore:
    """Return a store without whitening: each channel is only scaled and clamped, as is usual in the field."""
    identity = np.eye(len(store.channels), dtype=np.float32)
    scalings = tuple(dataclasses.replace(scaling, mixing=identity) for scaling in store.scalings)
    return dataclasses.replace(store, scalings=scalings)


def solve(kind: type[ClosedForm], source: MappedSource, split: Split, settings: Settings) -> ClosedForm:
    """Fit a closed-form decoder to the training stretches of a fold.

    Lags range from the sound to `latest_s` after it. The regularisation is the one that predicts the windows of the
    validation stretches best, by the mean correlation with all features. If there are more than `MOST_HOURS` of
    training data, that much is drawn at random, as more would not improve the weights. Without a validation set, every
    seventh training stretch is held out instead.

    Parameters
    ----------
    kind : type of ClosedForm
        Class of the decoder.
    source : MappedSource
        EEG, scaled as the decoder expects it, and audio features.
    split : Split
        The fold.
    settings : Settings
        What the decoder is built from.

    Returns
    -------
    ClosedForm
    """
    rate = Rate(settings.rate_hz)
    frames = Rate(rate.hz / kind.samples_per_frame)
    n_lags, delay = frames.samples(kind.latest_s) + 1, frames.samples(rate.seconds(source.delay))
    validation = split.validation or split.train[::HELD_OUT_OF]
    kept = split.train if split.validation else [s for i, s in enumerate(split.train) if i % HELD_OUT_OF]
    train = [clean for stretch in kept for clean in stretch.clean_stretches(source.length)]
    eeg, audio = _joined(source, _at_most(train, rate.samples(3600 * MOST_HOURS)), n_lags)
    decoders = kind.solve(eeg, audio, settings, -delay, n_lags)
    correlations = _correlations(decoders, source, validation)
    best = int(np.argmax(correlations))
    return decoders[best].chosen(float(correlations[best]))


def _at_most(stretches: Sequence[Stretch], samples: int) -> Sequence[Stretch]:
    total = sum(stretch.span.length for stretch in stretches)
    number = max(1, math.floor(len(stretches) * min(1.0, samples / max(1, total))))
    chosen = np.random.default_rng(0).permutation(len(stretches))[:number]
    return [stretches[index] for index in sorted(chosen)]


def _joined(source: MappedSource, stretches: Sequence[Stretch], gap: int) -> tuple[Doubles, Doubles]:
    """Join the EEG (frames, C) and features (frames, F) of all stretches, with zeros between them."""
    pairs = [_standardised(source, stretch) for stretch in stretches]
    eeg, audio = (
        np.concatenate([np.pad(part, ((0, 0), (gap, gap))).T for part in parts]) for parts in zip(*pairs, strict=True)
    )
    return eeg, audio


def _standardised(source: MappedSource, stretch: Stretch) -> tuple[Doubles, Doubles]:
    """Return the EEG (C, frames) of a stretch without its mean, and its standardised audio features (F, frames)."""
    length = stretch.span.length
    window = Windows(np.array([stretch.trial]), np.array([stretch.span.start]))
    eeg = halved(source.eeg.windows(source.trials, window, length, source.delay)[0]).astype(np.float64)
    audio = _features(source, window, length)[0].astype(np.float64)
    audio -= audio.mean(axis=1, keepdims=True)
    return eeg - eeg.mean(axis=1, keepdims=True), audio / np.maximum(audio.std(axis=1, keepdims=True), TINY)


def _features(source: MappedSource, windows: Windows, length: int) -> Singles:
    """Return the audio features (n, F, length // 2) of windows."""
    songs = windows.stimuli(source.trials)
    moments = source.audio.moments(source.trials, windows)
    pairs = zip(songs, moments, strict=True)
    return np.stack([halved(source.audio.features[song][:, moment : moment + length]) for song, moment in pairs])


def _correlations(decoders: Sequence[ClosedForm], source: MappedSource, stretches: Sequence[Stretch]) -> Doubles:
    """Return the mean correlation of each decoder's predictions with the audio features."""
    windows = grid(stretches, source.length, max(1, source.length // 2))
    sums = np.zeros(len(decoders))
    for first in range(0, len(windows), BATCH):
        batch = windows[slice(first, first + BATCH)]
        eeg = torch.from_numpy(source.eeg.windows(source.trials, batch, source.length, source.delay))
        audio = unit(_features(source, batch, source.length), by_feature=True)
        for index, decoder in enumerate(decoders):
            sums[index] += np.sum(unit(decoder.predict(eeg).numpy(), by_feature=True) * audio)
    return sums / max(1, len(windows))

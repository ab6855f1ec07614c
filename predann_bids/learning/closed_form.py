"""Fit a closed-form decoder: gather continuous EEG and audio, solve, and choose the regularisation."""

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
BATCH = 64  # windows at once


def unwhitened(store: EegStore) -> EegStore:
    """Leave out the mixing of channels: each is only brought to one scale and limited, as is usual in the field."""
    identity = np.eye(len(store.channels), dtype=np.float32)
    scalings = tuple(dataclasses.replace(scaling, mixing=identity) for scaling in store.scalings)
    return dataclasses.replace(store, scalings=scalings)


def solve(kind: type[ClosedForm], source: MappedSource, split: Split, settings: Settings) -> ClosedForm:
    """Fit a closed-form decoder to the training stretches of a fold.

    It spans lags from the sound to `latest_s` after it. The regularisation is the one with which windows of the
    validation stretches are predicted best, by the mean correlation with all features; nothing else is read. Of more
    than `MOST_HOURS` of training data, stretches drawn at random are used: weights no longer gain by more. Without a
    validation set, every seventh stretch of the training set serves as one.

    Parameters
    ----------
    kind : type of ClosedForm
        What to fit.
    source : MappedSource
        Where EEG, scaled as the decoder wants it, and audio features are taken from.
    split : Split
        The fold.
    settings : Settings
        What the decoder is built from.
    """
    rate = Rate(settings.rate_hz)
    frames = Rate(rate.hz / kind.samples_per_frame)
    n_lags, delay = frames.samples(kind.latest_s) + 1, frames.samples(rate.seconds(source.delay))
    validation = split.validation or split.train[::HELD_OUT_OF]
    kept = split.train if split.validation else [s for i, s in enumerate(split.train) if i % HELD_OUT_OF]
    train = [piece for stretch in kept for piece in stretch.pieces(source.length)]
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
    """EEG (frames, C) and features (frames, F) of all stretches, with gaps of zeros that no lag bridges."""
    pairs = [_standardised(source, stretch) for stretch in stretches]
    eeg, audio = (
        np.concatenate([np.pad(part, ((0, 0), (gap, gap))).T for part in parts]) for parts in zip(*pairs, strict=True)
    )
    return eeg, audio


def _standardised(source: MappedSource, stretch: Stretch) -> tuple[Doubles, Doubles]:
    """EEG (C, frames) without its mean, so that no intercept is needed, and features (F, frames) on one scale."""
    length = stretch.span.length
    window = Windows(np.array([stretch.trial]), np.array([stretch.span.start]))
    eeg = halved(source.eeg.windows(source.trials, window, length, source.delay)[0]).astype(np.float64)
    audio = _features(source, window, length)[0].astype(np.float64)
    audio -= audio.mean(axis=1, keepdims=True)
    return eeg - eeg.mean(axis=1, keepdims=True), audio / np.maximum(audio.std(axis=1, keepdims=True), TINY)


def _features(source: MappedSource, windows: Windows, length: int) -> Singles:
    """Features (n, F, length // 2) of the audio of each window."""
    songs = windows.stimuli(source.trials)
    moments = source.audio.moments(source.trials, windows)
    pairs = zip(songs, moments, strict=True)
    return np.stack([halved(source.audio.features[song][:, moment : moment + length]) for song, moment in pairs])


def _correlations(decoders: Sequence[ClosedForm], source: MappedSource, stretches: Sequence[Stretch]) -> Doubles:
    """Mean similarity of predictions and audio, for each decoder."""
    windows = grid(stretches, source.length, max(1, source.length // 2))
    sums = np.zeros(len(decoders))
    for first in range(0, len(windows), BATCH):
        some = windows[slice(first, first + BATCH)]
        eeg = torch.from_numpy(source.eeg.windows(source.trials, some, source.length, source.delay))
        audio = unit(_features(source, some, source.length), by_feature=True)
        for index, decoder in enumerate(decoders):
            sums[index] += np.sum(unit(decoder.predict(eeg).numpy(), by_feature=True) * audio)
    return sums / max(1, len(windows))

"""Fit closed-form decoders: gather what they are solved from, solve, and choose among the solutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from predann_bids.arrays import Bools, Doubles, Ints, Singles
from predann_bids.data.source import MappedSource
from predann_bids.data.splits import Split
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import Windows, grid
from predann_bids.learning.contrast import Contrast, contrast, cut, same_audio
from predann_bids.learning.retrieval import unit
from predann_bids.models.closed_form import ClosedForm
from predann_bids.models.decoder import Decoder
from predann_bids.models.linear.backward import halved
from predann_bids.models.linear.covariances import Covariances, LagWindow, total
from predann_bids.models.settings import Settings
from predann_bids.timing import Rate, Span

HELD_OUT_OF = 7
FRAME = 2  # samples of the EEG
MOST_HOURS = 4.0
MOST_WINDOWS = 300  # that solutions are compared on
TINY = 1e-12
BATCH = 64  # windows at a time


@dataclass(frozen=True)
class ClosedFormData:
    """What closed-form decoders are solved from; see `models.closed_form.TrainingData`.

    Parameters
    ----------
    source : MappedSource
        EEG, standardised or whitened, and audio features.
    stretches : tuple of Stretch
        Training data.
    frames : Rate
        Rate of representations.
    latest_s : float
        The last lag of the EEG after the sound, in seconds.
    delay_s : float
        How much later than the audio the EEG of a window begins, in seconds.
    """

    source: MappedSource
    stretches: tuple[Stretch, ...]
    frames: Rate
    latest_s: float
    delay_s: float

    def lags(self, reach_s: float = 0.0) -> LagWindow:
        """Return the lags of the EEG, from the sound to `latest_s` after it, and the reach of the audio's."""
        first, number = -self.frames.samples(self.delay_s), self.frames.samples(self.latest_s) + 1
        return LagWindow(first, number, self.frames.samples(reach_s))

    def joined(self) -> tuple[Doubles, Doubles]:
        """Join the EEG (frames, C) and features (frames, F) of all stretches, with zeros between them."""
        gap = self.lags().number
        pairs = [_standardised(self.source, stretch) for stretch in self.stretches]
        eeg, audio = (
            np.concatenate([np.pad(part, ((0, 0), (gap, gap))).T for part in parts])
            for parts in zip(*pairs, strict=True)
        )
        return eeg, audio

    def covariances(self, lags: LagWindow, shrinkage: float | None) -> Covariances:
        """Sum the covariances of all stretches, with each recording whitened as asked."""
        scalings = self.source.eeg.scalings
        parts = self._by_recording(lags)
        return total(part.whitened(scalings[index].whitened(shrinkage).mixing) for index, part in parts.items())

    def _by_recording(self, lags: LagWindow) -> dict[int, Covariances]:
        if lags not in self._kept:
            plain, parts = self.source.whitened(None), dict[int, list[Covariances]]()
            for stretch in self.stretches:
                eeg, audio = _centred(plain, stretch)
                recording = self.source.trials[stretch.trial].recording
                parts.setdefault(recording, []).append(Covariances.of(eeg, audio, lags))
            self._kept[lags] = {recording: total(some) for recording, some in parts.items()}
        return self._kept[lags]

    @cached_property
    def _kept(self) -> dict[LagWindow, dict[int, Covariances]]:
        return {}


def solve(kind: type[ClosedForm], source: MappedSource, split: Split, settings: Settings) -> ClosedForm:
    """Fit a closed-form decoder to the training stretches of a fold.

    Lags range from the sound to `latest_s` after it. Among the candidates, that one is kept that does best on the
    windows of the validation stretches; there, the temperature of its song logits is chosen as well. If there are more
    than `MOST_HOURS` of training data, that much is drawn at random, as more would not improve the weights. Without a
    validation set, every seventh training stretch is held out instead.

    Parameters
    ----------
    kind : type of ClosedForm
        Class of the decoder.
    source : MappedSource
        EEG and audio features.
    split : Split
        The fold.
    settings : Settings
        What the decoder is built from.

    Returns
    -------
    ClosedForm
    """
    source = source.whitened(settings.shrinkage)
    data, held_out = training_data(kind, source, split, settings)
    validation = ValidationWindows.of(source, held_out)
    best, agreement, temperature = None, -math.inf, 0.0
    for candidate in kind.candidates(data, settings):
        found = validation.contrast(candidate)
        score = found.information if kind.by_contrast else validation.correlation(candidate)
        if score > agreement or best is None:
            best, agreement, temperature = candidate, score, found.temperature
    assert best is not None
    return best.chosen(agreement, temperature)


def training_data(
    kind: type[ClosedForm], source: MappedSource, split: Split, settings: Settings
) -> tuple[ClosedFormData, Sequence[Stretch]]:
    """Gather what a decoder is solved from, and the stretches that solutions are compared on."""
    rate = Rate(settings.rate_hz)
    held_out = split.validation or split.train[::HELD_OUT_OF]
    kept = split.train if split.validation else [s for i, s in enumerate(split.train) if i % HELD_OUT_OF]
    train = [clean for stretch in kept for clean in stretch.clean_stretches(source.length)]
    chosen = tuple(_at_most(train, rate.samples(3600 * MOST_HOURS)))
    frames = Rate(rate.hz / kind.samples_per_frame)
    return ClosedFormData(source, chosen, frames, kind.latest_s, rate.seconds(source.delay)), held_out


def _at_most(stretches: Sequence[Stretch], samples: int) -> Sequence[Stretch]:
    total_length = sum(stretch.span.length for stretch in stretches)
    number = max(1, math.floor(len(stretches) * min(1.0, samples / max(1, total_length))))
    chosen = np.random.default_rng(0).permutation(len(stretches))[:number]
    return [stretches[index] for index in sorted(chosen)]


def _standardised(source: MappedSource, stretch: Stretch) -> tuple[Doubles, Doubles]:
    """Return the EEG (C, frames) of a stretch without its mean, and its standardised audio features (F, frames)."""
    eeg, audio = _centred(source, stretch)
    return eeg, audio / np.maximum(audio.std(axis=1, keepdims=True), TINY)


def _centred(source: MappedSource, stretch: Stretch) -> tuple[Doubles, Doubles]:
    """Return the EEG (C, frames) and the audio features (F, frames) of a stretch without their means."""
    length = stretch.span.length
    window = Windows(np.array([stretch.trial]), np.array([stretch.span.start]))
    eeg = halved(source.eeg.windows(source.trials, window, length, source.delay)[0]).astype(np.float64)
    song, moment = window.stimuli(source.trials)[0], source.audio.moments(source.trials, window)[0]
    audio = halved(source.audio.features[song][:, moment : moment + length]).astype(np.float64)
    return eeg - eeg.mean(axis=1, keepdims=True), audio - audio.mean(axis=1, keepdims=True)


def _from_frame(trials: Sequence[Trial], stretch: Stretch) -> Stretch:
    """Let a stretch begin where a frame of its audio begins."""
    late = (trials[stretch.trial].audio_start + stretch.span.start) % FRAME
    return replace(stretch, span=Span(stretch.span.start + late, stretch.span.stop)) if late else stretch


@dataclass(frozen=True)
class ValidationWindows:
    """Windows that decoders are compared on.

    Parameters
    ----------
    source : MappedSource
        Where they are cut from.
    windows : Windows
        The n windows.
    """

    source: MappedSource
    windows: Windows

    @classmethod
    def of(cls, source: MappedSource, stretches: Sequence[Stretch]) -> ValidationWindows:
        """Take windows from stretches, overlapping by half if they are few, at regular intervals if they are many.

        They begin where a frame of a representation of the audio begins.
        """
        on_frames = [_from_frame(source.trials, stretch) for stretch in stretches]
        windows = grid(on_frames, source.length, max(FRAME, source.length // 2 // FRAME * FRAME))
        step = max(1, math.ceil(len(windows) / MOST_WINDOWS))
        return cls(source, windows[np.arange(0, len(windows), step)])

    def contrast(self, decoder: Decoder) -> Contrast:
        """Measure how well a decoder tells the windows' audio apart."""
        return contrast(self.predicted(decoder), self.heard(decoder), self.same(), by_feature=decoder.by_feature)

    def same(self) -> Bools:
        """Return which windows hear the same audio, (n, n)."""
        return same_audio(self.windows.stimuli(self.source.trials), self._moments)

    def correlation(self, decoder: Decoder) -> float:
        """Return the mean correlation of a decoder's predictions with the audio, over windows and features."""
        predicted, heard = (unit(part, by_feature=True) for part in (self.predicted(decoder), self.heard(decoder)))
        return float(np.sum(predicted * heard) / max(1, len(self.windows)))

    @torch.no_grad()
    def predicted(self, decoder: Decoder) -> Singles:
        """Predict the windows' representations (n, D, T) from their EEG."""
        eeg = self._eeg(decoder.settings.shrinkage)
        parts = [decoder.predict(eeg[first : first + BATCH]) for first in range(0, len(eeg), BATCH)]
        predicted: Singles = torch.cat(parts).numpy()
        return predicted

    @torch.no_grad()
    def heard(self, decoder: Decoder) -> Singles:
        """Represent the windows' audio, (n, D, T)."""
        songs = [song.numpy() for song in decoder.represent_songs(self.source.songs())]
        of, per_frame = self.windows.stimuli(self.source.trials), decoder.samples_per_frame
        return cut(songs, of, self._moments // per_frame, self.source.length // per_frame)

    @property
    def _moments(self) -> Ints:
        return self.source.audio.moments(self.source.trials, self.windows)

    def _eeg(self, shrinkage: float | None) -> torch.Tensor:
        if shrinkage not in self._kept:
            self._kept.clear()  # candidates come sorted by the way in which they are whitened
            store: Any = self.source.whitened(shrinkage).eeg
            windows = store.windows(self.source.trials, self.windows, self.source.length, self.source.delay)
            self._kept[shrinkage] = torch.from_numpy(windows)
        return self._kept[shrinkage]

    @cached_property
    def _kept(self) -> dict[float | None, torch.Tensor]:
        return {}

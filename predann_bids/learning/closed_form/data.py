"""What closed-form decoders are solved from: the EEG and audio of all training stretches, or their covariances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.data.source import MappedSource
from predann_bids.data.splits import Split
from predann_bids.data.trials import Stretch
from predann_bids.data.windows import Windows
from predann_bids.models.closed_form import ClosedForm
from predann_bids.models.linear.backward import halved
from predann_bids.models.linear.covariances import Covariances, LagWindow, total
from predann_bids.models.settings import Settings
from predann_bids.timing import Rate

HELD_OUT_OF = 7
MOST_HOURS = 4.0
TINY = 1e-12


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


def training_data(
    kind: type[ClosedForm], source: MappedSource, split: Split, settings: Settings
) -> tuple[ClosedFormData, Sequence[Stretch]]:
    """Gather what a decoder is solved from, and the stretches that solutions are compared on.

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
    ClosedFormData
    sequence of Stretch
    """
    rate = Rate(settings.rate_hz)
    kept = split.train if split.validation else [s for i, s in enumerate(split.train) if i % HELD_OUT_OF]
    train = [clean for stretch in kept for clean in stretch.clean_stretches(source.length)]
    chosen = tuple(_at_most(train, rate.samples(3600 * MOST_HOURS)))
    frames = Rate(rate.hz / kind.samples_per_frame)
    return ClosedFormData(source, chosen, frames, kind.latest_s, rate.seconds(source.delay)), held_out(split)


def held_out(split: Split) -> Sequence[Stretch]:
    """Return the stretches that solutions are compared on: the validation set, or every seventh of the training set."""
    return split.validation or split.train[::HELD_OUT_OF]


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

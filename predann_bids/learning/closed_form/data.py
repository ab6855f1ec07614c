"""What closed-form decoders are solved from: the EEG and audio of all training stretches, or their covariances."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.data.source import MappedSource
from predann_bids.data.splits import Split
from predann_bids.data.trials import Stretch
from predann_bids.data.windows import Windows
from predann_bids.models.closed_form import ClosedForm
from predann_bids.models.linear.backward import halved
from predann_bids.models.linear.covariances import Covariances, LagWindow, Shrinkage, total
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
    groups : tuple of frozenset of int
        Groups of songs, one of which can be left out at a time; empty if none is to be.
    left_out : int, optional
        The group that is left out.
    """

    source: MappedSource
    stretches: tuple[Stretch, ...]
    frames: Rate
    latest_s: float
    delay_s: float
    groups: tuple[frozenset[int], ...] = ()
    left_out: int | None = None
    _kept: dict[LagWindow, Mapping[Shrinkage, Mapping[int, Covariances]]] = field(default_factory=dict, repr=False)

    def leaving_out(self, group: int) -> ClosedFormData:
        """Return the same data without the songs of a group; what is computed for one is there for the others."""
        return replace(self, left_out=group)

    @property
    def remaining(self) -> tuple[Stretch, ...]:
        """The stretches that are not left out."""
        return tuple(s for s in self.stretches if self.left_out is None or self._group(s) != self.left_out)

    def lags(self, reach_s: float = 0.0) -> LagWindow:
        """Return the lags of the EEG, from the sound to `latest_s` after it, and the reach of the audio's."""
        first, number = -self.frames.samples(self.delay_s), self.frames.samples(self.latest_s) + 1
        return LagWindow(first, number, self.frames.samples(reach_s))

    def joined(self) -> tuple[Doubles, Doubles]:
        """Join the EEG (frames, C) and features (frames, F) of all stretches, with zeros between them."""
        gap = self.lags().number
        pairs = [_standardised(self.source, stretch) for stretch in self.remaining]
        eeg, audio = (
            np.concatenate([np.pad(part, ((0, 0), (gap, gap))).T for part in parts])
            for parts in zip(*pairs, strict=True)
        )
        return eeg, audio

    def covariances(self, lags: LagWindow, shrinkages: Collection[Shrinkage]) -> dict[Shrinkage, Covariances]:
        """Sum the covariances of all stretches, with each recording whitened in each of the ways that are asked for."""
        if lags not in self._kept or not set(shrinkages) <= set(self._kept[lags]):
            self._kept[lags] = self._summed(lags, shrinkages)
        kept = self._kept[lags]
        return {
            shrinkage: total(part for group, part in kept[shrinkage].items() if group != self.left_out)
            for shrinkage in shrinkages
        }

    def _summed(self, lags: LagWindow, shrinkages: Collection[Shrinkage]) -> dict[Shrinkage, dict[int, Covariances]]:
        """Sum the covariances of each group of songs; those of one recording are held at a time."""
        plain, scalings = self.source.whitened(None), self.source.eeg.scalings
        summed: dict[Shrinkage, dict[int, Covariances]] = {shrinkage: {} for shrinkage in shrinkages}
        for (recording, group), stretches in self._by_recording().items():
            part = total(Covariances.of(*_centred(plain, stretch), lags) for stretch in stretches)
            for shrinkage, of_groups in summed.items():
                whitened = part.whitened(scalings[recording].whitened(shrinkage).mixing)
                of_groups[group] = total([of_groups[group], whitened]) if group in of_groups else whitened
        return summed

    def _by_recording(self) -> dict[tuple[int, int], list[Stretch]]:
        found: dict[tuple[int, int], list[Stretch]] = {}
        for stretch in self.stretches:
            found.setdefault((self.source.trials[stretch.trial].recording, self._group(stretch)), []).append(stretch)
        return found

    def _group(self, stretch: Stretch) -> int:
        """Return the group that the song of a stretch belongs to; -1 if it belongs to none."""
        song = self.source.trials[stretch.trial].stimulus
        return next((index for index, songs in enumerate(self.groups) if song in songs), -1)


def training_data(
    kind: type[ClosedForm],
    source: MappedSource,
    split: Split,
    settings: Settings,
    groups: tuple[frozenset[int], ...] = (),
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
    groups : tuple of frozenset of int
        Groups of songs that solutions are compared on, each solved for without it; empty if they are compared on other
        stretches.

    Returns
    -------
    ClosedFormData
    sequence of Stretch
        Those of the songs of all groups, if there are groups.
    """
    rate = Rate(settings.rate_hz)
    kept = split.train if split.validation or groups else [s for i, s in enumerate(split.train) if i % HELD_OUT_OF]
    train = [clean for stretch in kept for clean in stretch.clean_stretches(source.length)]
    chosen = tuple(_at_most(train, rate.samples(3600 * MOST_HOURS)))
    frames = Rate(rate.hz / kind.samples_per_frame)
    compared = (*split.train, *split.validation) if groups else held_out(split)
    return ClosedFormData(source, chosen, frames, kind.latest_s, rate.seconds(source.delay), groups), compared


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

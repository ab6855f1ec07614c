"""Windows that decoders are compared on, to choose among them."""

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
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import Windows, grid
from predann_bids.learning.closed_form.contrast import Contrast, best_temperature, cut, informations, same_audio
from predann_bids.learning.retrieval import unit
from predann_bids.models.closed_form import ClosedForm
from predann_bids.models.decoder import Decoder, Songs
from predann_bids.timing import Span

FRAME = 2  # samples of the EEG
MOST_WINDOWS = 300
BATCH = 64  # windows at a time


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
    def of(cls, source: MappedSource, stretches: Sequence[Stretch], most: int = MOST_WINDOWS) -> ValidationWindows:
        """Take windows from stretches, overlapping by half if they are few, at regular intervals if they are many.

        They begin where a frame of a representation of the audio begins, if stretches have room for that.
        """
        stride = max(FRAME, source.length // 2 // FRAME * FRAME)
        windows = grid([_from_frame(source.trials, stretch) for stretch in stretches], source.length, stride)
        windows = windows if len(windows) else grid(stretches, source.length, stride)
        step = max(1, math.ceil(len(windows) / most))
        return cls(source, windows[np.arange(0, len(windows), step)])

    def contrast(self, decoder: Decoder) -> Contrast:
        """Measure how well a decoder tells the windows' audio apart."""
        return best_temperature(self.informations(decoder))

    def informations(self, decoder: Decoder) -> Doubles:
        """Measure what each window tells of its audio at each temperature; see `contrast.informations`."""
        return informations(
            self.predicted(decoder),
            self.heard(decoder),
            self.same(),
            by_feature=decoder.by_feature,
            parts=decoder.parts,
        )

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
        songs: Songs = self.source.songs()
        of = self.windows.stimuli(self.source.trials)
        if isinstance(decoder, ClosedForm):  # many are compared, and need represent no others; a network remembers all
            used, of = np.unique(of, return_inverse=True)
            songs = _SomeSongs(songs, used.tolist())
        represented, per_frame = [song.numpy() for song in decoder.represent_songs(songs)], decoder.samples_per_frame
        return cut(represented, of, self._moments // per_frame, self.source.length // per_frame)

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


@dataclass(frozen=True)
class _SomeSongs:
    """Those of all songs that windows hear."""

    songs: Songs
    used: Sequence[int]

    def __len__(self) -> int:
        return len(self.used)

    def audio(self, song: int) -> torch.Tensor:
        return self.songs.audio(self.used[song])

    def windows(self, song: int) -> tuple[torch.Tensor, int]:
        return self.songs.windows(self.used[song])


def _from_frame(trials: Sequence[Trial], stretch: Stretch) -> Stretch:
    """Let a stretch begin where a frame of its audio begins."""
    late = (trials[stretch.trial].audio_start + stretch.span.start) % FRAME
    return replace(stretch, span=Span(stretch.span.start + late, stretch.span.stop)) if late else stretch

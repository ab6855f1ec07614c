"""Decide about windows of EEG, as they are or changed, and count right decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from predann_bids.arrays import Bools, Doubles, Ints, Singles
from predann_bids.data.batches import EegStore
from predann_bids.data.source import MappedSource
from predann_bids.data.trials import Stretch
from predann_bids.data.windows import Windows
from predann_bids.learning.probing.counts import WAYS
from predann_bids.learning.retrieval import unit
from predann_bids.models.decoder import Decoder

BATCH = 128


@dataclass(frozen=True)
class Judge:
    """Decides about windows, and counts right decisions of each participant."""

    decoder: Decoder
    source: MappedSource
    test: Sequence[Stretch]
    allowed: Bools
    participants: tuple[str, ...]
    songs: tuple[Singles, ...]

    @classmethod
    def of(cls, decoder: Decoder, source: MappedSource, test: Sequence[Stretch], allowed: Bools | None) -> Judge:
        """Prepare to decide about what a fold tests, among all songs or those that are allowed."""
        people = tuple(sorted({source.trials[stretch.trial].participant for stretch in test}))
        songs = tuple(song.numpy() for song in decoder.represent_songs(source.songs()))
        candidates = np.ones(len(songs), dtype=bool) if allowed is None else allowed
        return cls(decoder, source, test, candidates, people, songs)

    def encode(self, eeg: Singles) -> Tensor:
        """Predict representations (n, D, T) from scaled EEG (n, C, samples)."""
        parts = [self.decoder.predict(torch.from_numpy(eeg[i : i + BATCH])) for i in range(0, len(eeg), BATCH)]
        return torch.cat(parts)

    def read(self, windows: Windows, delay: int | None = None, store: EegStore | None = None) -> Singles:
        """Read scaled EEG, at the trained delay if no other is given."""
        source = self.source
        later = source.delay if delay is None else delay
        return (store or source.eeg).windows(source.trials, windows, source.length, later)

    def represent(self, windows: Windows, delay: int | None = None, store: EegStore | None = None) -> Tensor:
        """Predict representations of windows, reading no more EEG at a time than a batch."""
        parts = [windows[slice(i, i + BATCH)] for i in range(0, len(windows), BATCH)]
        return torch.cat([self.encode(self.read(part, delay, store)) for part in parts])

    def hits(self, z: Tensor, windows: Windows) -> Doubles:
        """Decide by song logits and by match: (participants, 2) numbers of right decisions."""
        heard = windows.stimuli(self.source.trials)
        moments = torch.from_numpy(self.source.audio.moments(self.source.trials, windows))
        right = np.empty((len(windows), len(WAYS)))
        for first in range(0, len(windows), BATCH):
            part = slice(first, first + BATCH)
            for way, scores in enumerate(
                (self.decoder.song_logits(z[part]), self.decoder.match(z[part], moments[part]))
            ):
                right[part, way] = self._is_right(scores.double().numpy(), heard[part])
        return self.per_participant(right, windows)

    def _is_right(self, scores: Doubles, heard: Ints) -> Bools:
        scores = np.where(np.isnan(scores) | ~self.allowed, -np.inf, scores)
        own = scores[np.arange(len(heard)), heard]
        right: Bools = (scores.argmax(axis=1) == heard) & np.isfinite(own)
        return right

    def per_participant(self, values: Doubles, windows: Windows) -> Doubles:
        """Sum values (n, ...) of windows over those of each participant: (participants, ...)."""
        whose = windows.participants(self.source.trials)
        return np.stack([values[whose == name].sum(axis=0) for name in self.participants])

    def count(self, windows: Windows) -> Doubles:
        """Count each participant's windows."""
        return self.per_participant(np.ones(len(windows)), windows)

    def unit(self, representations: Singles) -> Singles:
        """Scale representations (n, D, T) to vectors whose products are similarities, as the decoder compares them."""
        vectors: Singles = unit(representations, by_feature=self.decoder.by_feature)
        return vectors

    def moments_of(self, song: int, moments: Ints) -> Singles:
        """Unit vectors (moments, D * T) of windows of a song; beyond its end its last frame is repeated.

        Parameters
        ----------
        song : int
            Which song.
        moments : ndarray of int
            First EEG samples of the windows.
        """
        whole, step = self.songs[song], self.decoder.samples_per_frame
        frames = moments[:, None] // step + np.arange(self.source.length // step)
        return self.unit(whole[:, np.minimum(frames, whole.shape[1] - 1)].transpose(1, 0, 2))


def thinned(windows: Windows, most: int) -> Windows:
    """Leave out windows evenly where there are more than `most`."""
    if len(windows) <= most:
        return windows
    return windows[np.linspace(0, len(windows) - 1, max(most, 1)).round().astype(np.int64)]

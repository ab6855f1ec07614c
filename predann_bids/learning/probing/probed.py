"""A decoder that is probed: apply it to windows of EEG, unchanged or perturbed, and count its correct decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from predann_bids.arrays import Bools, Doubles, Ints, Singles
from predann_bids.data.source import MappedSource
from predann_bids.data.stores.mapped import EegStore
from predann_bids.data.trials import Stretch
from predann_bids.data.windows import Windows
from predann_bids.learning.probing.counts import WAYS
from predann_bids.learning.retrieval import unit
from predann_bids.models.decoder import MomentMatcher

BATCH = 128


@dataclass(frozen=True)
class ProbedDecoder:
    """A decoder and the test data that it is probed on.

    Parameters
    ----------
    decoder : MomentMatcher
        In eval mode, with all songs remembered.
    source : MappedSource
        Where windows are cut from.
    test : sequence of Stretch
        The test set of the fold.
    allowed : ndarray of bool, shape (songs,)
        Which songs are candidates.
    participants : tuple of str
        The participants that are tested.
    songs : tuple of ndarray, shape (D, frames)
        Representations of whole songs.
    """

    decoder: MomentMatcher
    source: MappedSource
    test: Sequence[Stretch]
    allowed: Bools
    participants: tuple[str, ...]
    songs: tuple[Singles, ...]

    @classmethod
    def of(
        cls, decoder: MomentMatcher, source: MappedSource, test: Sequence[Stretch], allowed: Bools | None
    ) -> ProbedDecoder:
        """Collect the participants of a test set, and represent the songs.

        Parameters
        ----------
        decoder : MomentMatcher
            In eval mode, with all songs remembered.
        source : MappedSource
            Where windows are cut from.
        test : sequence of Stretch
            The test set of the fold.
        allowed : ndarray of bool, shape (songs,), optional
            Which songs are candidates; all if None.
        """
        people = tuple(sorted({source.trials[stretch.trial].participant for stretch in test}))
        songs = tuple(song.numpy() for song in decoder.represent_songs(source.songs()))
        candidates = np.ones(len(songs), dtype=bool) if allowed is None else allowed
        return cls(decoder, source, test, candidates, people, songs)

    def encode(self, eeg: Singles) -> Tensor:
        """Predict representations (n, D, T) from scaled EEG (n, C, samples)."""
        batches = [self.decoder.predict(torch.from_numpy(eeg[i : i + BATCH])) for i in range(0, len(eeg), BATCH)]
        return torch.cat(batches)

    def read(self, windows: Windows, delay: int | None = None, store: EegStore | None = None) -> Singles:
        """Read windows of scaled EEG (n, C, samples), by default the original recordings at the trained delay."""
        source = self.source
        samples_later = source.delay if delay is None else delay
        return (store or source.eeg).windows(source.trials, windows, source.length, samples_later)

    def represent(self, windows: Windows, delay: int | None = None, store: EegStore | None = None) -> Tensor:
        """Predict representations of windows, reading one batch of EEG at a time."""
        batches = [windows[slice(i, i + BATCH)] for i in range(0, len(windows), BATCH)]
        return torch.cat([self.encode(self.read(batch, delay, store)) for batch in batches])

    def hits(self, z: Tensor, windows: Windows) -> Doubles:
        """Count correct decisions by song logits and by match, (participants, 2)."""
        stimuli = windows.stimuli(self.source.trials)
        moments = torch.from_numpy(self.source.audio.moments(self.source.trials, windows))
        right = np.empty((len(windows), len(WAYS)))
        for first in range(0, len(windows), BATCH):
            rows = slice(first, first + BATCH)
            for way, scores in enumerate(
                (self.decoder.song_logits(z[rows]), self.decoder.match(z[rows], moments[rows]))
            ):
                right[rows, way] = self._is_right(scores.double().numpy(), stimuli[rows])
        return self.per_participant(right, windows)

    def _is_right(self, scores: Doubles, stimuli: Ints) -> Doubles:
        """Return how likely each decision is right: one, or the share of it in a tie with other songs."""
        scores = np.where(np.isnan(scores) | ~self.allowed, -np.inf, scores)
        own = scores[np.arange(len(stimuli)), stimuli]
        best = (scores == scores.max(axis=1, keepdims=True)).sum(axis=1)
        right: Doubles = ((own == scores.max(axis=1)) & np.isfinite(own)) / best
        return right

    def per_participant(self, values: Doubles, windows: Windows) -> Doubles:
        """Sum values of windows (n, ...) over each participant's windows: (participants, ...)."""
        participants = windows.participants(self.source.trials)
        return np.stack([values[participants == name].sum(axis=0) for name in self.participants])

    def count(self, windows: Windows) -> Doubles:
        """Count the windows of each participant."""
        return self.per_participant(np.ones(len(windows)), windows)

    def unit(self, representations: Singles) -> Singles:
        """Scale representations (n, D, T) to vectors whose products are the similarities that the decoder uses."""
        vectors: Singles = unit(representations, by_feature=self.decoder.by_feature, parts=self.decoder.parts)
        return vectors

    def moments_of(self, song: int, moments: Ints) -> Singles:
        """Return unit vectors (moments, D * T) of windows of a song; beyond its end, the last frame is repeated.

        Parameters
        ----------
        song : int
            Index of the song.
        moments : ndarray of int
            First EEG sample of each window, counted from the start of the song.
        """
        representation, step = self.songs[song], self.decoder.samples_per_frame
        frames = moments[:, None] // step + np.arange(self.source.length // step)
        return self.unit(representation[:, np.minimum(frames, representation.shape[1] - 1)].transpose(1, 0, 2))


def thinned(windows: Windows, most: int) -> Windows:
    """Drop windows at regular intervals, so that at most `most` remain."""
    if len(windows) <= most:
        return windows
    return windows[np.linspace(0, len(windows) - 1, max(most, 1)).round().astype(np.int64)]

"""Find songs that have audio in common: the same recording, whatever its level, file format or place in the file.

Two songs are laid over each other at every shift, by the cross-correlation of the changes in their log-mel spectra. At
the best shifts they are compared window by window. What is common are stretches in which most bands change alike.

The numbers here and in `likeness` were chosen on seven pieces of music; docs/evidence.md says what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from predann_bids.arrays import Singles
from predann_bids.data.copies.likeness import Comparison
from predann_bids.data.copies.overlays import Overlays, Song
from predann_bids.timing import Rate, Span

FRAME_S = 0.032  # spectra are averaged over this long
SHORTEST_S = 10.0  # of a common stretch, or half of the shorter song
AT_ONCE_S = 0.05  # shift that a decoder takes for none; MP3 alone may shift audio so
WHOLE = 0.95  # share of a song that counts as all of it


@dataclass(frozen=True)
class Copy:
    """What two songs have in common.

    Parameters
    ----------
    first, second : int
        Indices of the songs.
    shift : int
        What the first has at one frame, the second has so many frames later.
    spans : tuple of Span
        The common stretches, in frames of the first.
    heard : tuple of Span, Span
        Which part of each song was played to anybody, in its own frames.
    rate : Rate
        Frames per second.
    """

    first: int
    second: int
    shift: int
    spans: tuple[Span, ...]
    heard: tuple[Span, Span]
    rate: Rate

    @property
    def shared_s(self) -> float:
        """How much is common, in seconds."""
        return self.rate.seconds(sum(span.length for span in self.spans))

    @property
    def share(self) -> float:
        """How much of the shorter song that is."""
        return self.shared_s / self.rate.seconds(min(part.length for part in self.heard))

    @property
    def at_once(self) -> bool:
        """Whether both songs have it at the same moment, so that knowing the moment does not tell them apart."""
        return abs(self.rate.seconds(self.shift)) <= AT_ONCE_S

    @property
    def is_whole(self) -> bool:
        """Whether the songs are equal from beginning to end."""
        longest = self.rate.seconds(max(part.length for part in self.heard))
        return self.at_once and self.shared_s >= WHOLE * longest

    def of(self, song: int) -> tuple[int, int, tuple[Span, ...]]:
        """Return the other song, the shift to it, and the common stretches in frames of this song."""
        if song == self.first:
            return self.second, self.shift, self.spans
        return self.first, -self.shift, tuple(span.shift(self.shift) for span in self.spans)


def find_copies(spectra: Sequence[Singles], rate: Rate, heard: Sequence[Span] = ()) -> tuple[Copy, ...]:
    """Find all pairs of songs with common audio, each at the shift at which most of it is common.

    Parameters
    ----------
    spectra : sequence of ndarray, shape (bands, frames)
        Log-mel spectra of each song (natural logarithm).
    rate : Rate
        Frames per second.
    heard : sequence of Span
        Which part of each song is played to anybody, in frames; empty for all of it.

    Returns
    -------
    tuple of Copy
        A loop within one song is no copy; nor is a piece that is played again, or at another speed.
    """
    parts = list(heard) or [Span(0, values.shape[1]) for values in spectra]
    step = max(1, round(rate.hz * FRAME_S))
    songs = [Song(v[:, part.start : part.stop], step) for v, part in zip(spectra, parts, strict=True)]
    overlays = Overlays.of([song.changes() for song in songs])
    found = []
    for first, second in combinations(range(len(songs)), 2):
        pair = (parts[first], parts[second])
        shortest = min(SHORTEST_S, rate.seconds(min(part.length for part in pair)) / 2)
        lags = overlays.likely_lags(first, second, max(1, int(shortest * rate.hz / step)))
        lag, spans = Comparison(songs[first], songs[second], rate, shortest).best([lag * step for lag in lags])
        if spans:
            shift = pair[1].start - pair[0].start - lag
            common = tuple(span.shift(pair[0].start) for span in spans)
            found.append(Copy(first, second, shift, common, pair, rate))
    return tuple(found)

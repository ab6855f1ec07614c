"""What a trained decoder uses: delays, frequency bands, channels, and the geometry of its representations.

Nothing is trained anew. One thing about the test windows is changed at a time, and what accuracy remains is counted,
participant by participant, so that folds can be pooled and participants resampled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from predann_bids.arrays import Bools, Doubles
from predann_bids.data.regions import head_regions, neighbourhoods
from predann_bids.data.source import MappedSource
from predann_bids.data.trials import Stretch
from predann_bids.data.windows import grid
from predann_bids.errors import UnusableData
from predann_bids.learning.probing.counts import Probe, bands_inside
from predann_bids.learning.probing.geometry import compare_geometry
from predann_bids.learning.probing.judge import Judge, thinned
from predann_bids.learning.probing.perturbations import remove_bands, shuffle_channels, try_delays
from predann_bids.models.decoder import Decoder
from predann_bids.timing import Rate

DELAYS_S = tuple(step / 20 for step in range(-10, 21))


@dataclass(frozen=True)
class Effort:
    """How much is done.

    Parameters
    ----------
    decisions : int
        About how many windows are decided about, at most, for each of delays, bands, regions and channels. Windows lie
        side by side; where they are more, some are left out evenly.
    repeats : int
        Shuffles of regions. Channels are shuffled once: neighbourhoods overlap, which averages as well.
    """

    decisions: int = 5_000
    repeats: int = 2


@torch.no_grad()
def probe(
    decoder: Decoder,
    source: MappedSource,
    test: Sequence[Stretch],
    *,
    rate: Rate,
    stride: int,
    rng: np.random.Generator,
    positions: Doubles | None = None,
    candidates: Bools | None = None,
    band_hz: tuple[float, float] = (0.0, np.inf),
    delays_s: Sequence[float] = DELAYS_S,
    effort: Effort | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Probe:
    """Measure what a decoder uses, on the test set of its fold.

    Parameters
    ----------
    decoder : Decoder
        In eval mode, remembering all songs.
    source : MappedSource
        Where windows are taken from, as in training.
    test : sequence of Stretch
        The fold's test set; no EEG outside of it, moved by the trained delay, is looked at. Only the filters that take
        out a band run over whole recordings.
    rate : Rate
        Sampling rate of the EEG.
    stride : int
        Distance in samples of the moments of a song among which the one that was heard is ranked.
    rng : Generator
        For shuffling.
    positions : ndarray, shape (channels, 3), optional
        Of the electrodes, in head coordinates in metres; NaN where unknown.
    candidates : ndarray of bool, shape (songs,), optional
        Songs that may be named; all when not given.
    band_hz : (float, float)
        The EEG's band; bands that are not mostly inside are not probed.
    delays_s : sequence of float
        Delays to try, in seconds; the trained one is added.
    effort : Effort, optional
        How many windows, how many repeats.
    report : callable
        Told what is being measured.

    Returns
    -------
    Probe

    Raises
    ------
    UnusableData
        No stretch is as long as a window.
    """
    effort = effort or Effort()
    test = [stretch for stretch in test if stretch.pieces(source.length)]
    if not test:
        raise UnusableData("The test set holds no stretch as long as a window. Shorten it with --window.")
    judge = Judge.of(decoder, source, test, candidates)
    pieces = [piece for stretch in test for piece in stretch.pieces(source.length)]
    windows = grid(pieces, source.length, source.length)
    delays = sorted({rate.samples(d) for d in delays_s} | {source.delay})
    bands = bands_inside(band_hz, rate)
    report("delays")
    by_delay, ranks, guessed = try_delays(judge, test, delays, stride, effort.decisions)
    report("frequency bands")
    by_band = remove_bands(judge, thinned(windows, effort.decisions // (1 + len(bands))), bands, rate)
    report("channels and regions")
    regions = head_regions(source.eeg.channels, positions)
    around = neighbourhoods(positions, len(source.eeg.channels))
    by_region = shuffle_channels(judge, windows, list(regions.values()), effort.repeats, effort.decisions, rng)
    by_channel = shuffle_channels(judge, windows, around, 1, effort.decisions, rng)
    report("similarity of representations")
    similarity, n_conditions = compare_geometry(judge, test)
    known = {rate.samples(d): float(d) for d in delays_s}
    return Probe(
        participants=judge.participants,
        channels=source.eeg.channels,
        positions=np.full((len(source.eeg.channels), 3), np.nan) if positions is None else positions,
        trained_delay_s=known.get(source.delay, rate.seconds(source.delay)),
        delays_s=tuple(known.get(delay, rate.seconds(delay)) for delay in delays),
        bands=bands,
        regions={name: tuple(source.eeg.channels[i] for i in members) for name, members in regions.items()},
        by_delay=by_delay,
        reciprocal_ranks=ranks,
        guessed_ranks=guessed,
        by_band=by_band,
        by_region=by_region,
        by_channel=by_channel,
        similarity=similarity,
        n_conditions=n_conditions,
    )

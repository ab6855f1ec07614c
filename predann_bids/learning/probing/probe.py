"""Measure what a trained decoder uses: delays, frequency bands, channels, and the geometry of its representations.

Nothing is trained. The test windows are perturbed in one way at a time, and the correct decisions that remain are
counted for each participant, so that folds can be pooled and participants resampled.
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
from predann_bids.errors import UnusableData, people
from predann_bids.learning.probing.counts import Probe, bands_inside
from predann_bids.learning.probing.geometry import compare_geometry
from predann_bids.learning.probing.perturbations import remove_bands, shuffle_channels, try_delays
from predann_bids.learning.probing.probed import ProbedDecoder, thinned
from predann_bids.models.decoder import MomentMatcher
from predann_bids.timing import Rate

DELAYS_S = tuple(step / 20 for step in range(-10, 21))


@dataclass(frozen=True)
class Effort:
    """How much computation a probe may take.

    Parameters
    ----------
    decisions : int
        Approximate upper limit of the number of windows to decide about, for each of delays, bands, regions and
        channels. Windows lie side by side; surplus windows are dropped at regular intervals.
    repeats : int
        Number of shuffles of each region. Channels are shuffled once, as their neighbourhoods overlap.
    """

    decisions: int = 5_000
    repeats: int = 2


@torch.no_grad()
def probe(
    decoder: MomentMatcher,
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
    on_step: Callable[[str], None] = lambda _: None,
) -> Probe:
    """Measure what a decoder uses, on the test set of its fold.

    Parameters
    ----------
    decoder : MomentMatcher
        In eval mode, with all songs remembered.
    source : MappedSource
        Where windows are cut from, as in training; their EEG is whitened as the decoder asks.
    test : sequence of Stretch
        The test set of the fold. At all delays, only its own EEG is used, except that the filters that remove bands run
        over whole recordings.
    rate : Rate
        Sampling rate of the EEG.
    stride : int
        Distance in samples from one candidate moment of a song to the next.
    rng : numpy.random.Generator
        Source of randomness for shuffling.
    positions : ndarray, shape (channels, 3), optional
        Positions of the electrodes in head coordinates, in metres; NaN where unknown.
    candidates : ndarray of bool, shape (songs,), optional
        Which songs are candidates; by default all.
    band_hz : (float, float)
        Pass band of the EEG; frequency bands that lie mostly outside are not probed.
    delays_s : sequence of float
        Delays to try, in seconds; the trained one is added.
    effort : Effort, optional
        Limits of computation.
    on_step : callable
        Called with a description of each measurement as it begins.

    Returns
    -------
    Probe

    Raises
    ------
    UnusableData
        No stretch is as long as a window.
    """
    effort, source = effort or Effort(), source.whitened(decoder.settings.shrinkage)
    whose = people(source.trials[stretch.trial].participant for stretch in test)
    test = [stretch for stretch in test if stretch.clean_stretches(source.length)]
    if not test:
        raise UnusableData(
            f"The test set ({whose or 'nobody'}) has no stretch as long as a window. Shorten the window with --window."
        )
    probed = ProbedDecoder.of(decoder, source, test, candidates)
    clean = [part for stretch in test for part in stretch.clean_stretches(source.length)]
    windows = grid(clean, source.length, source.length)
    delays = sorted({rate.samples(d) for d in delays_s} | {source.delay})
    bands = bands_inside(band_hz, rate)
    on_step("delays")
    by_delay, ranks, guessed = try_delays(probed, test, delays, stride, effort.decisions)
    on_step("frequency bands")
    by_band = remove_bands(probed, thinned(windows, effort.decisions // (1 + len(bands))), bands, rate)
    on_step("channels and regions")
    regions = head_regions(source.eeg.channels, positions)
    around = neighbourhoods(positions, len(source.eeg.channels))
    by_region = shuffle_channels(probed, windows, list(regions.values()), effort.repeats, effort.decisions, rng)
    by_channel = shuffle_channels(probed, windows, around, 1, effort.decisions, rng)
    on_step("similarity of representations")
    similarity, n_conditions = compare_geometry(probed, test)
    requested = {rate.samples(d): float(d) for d in delays_s}
    return Probe(
        participants=probed.participants,
        channels=source.eeg.channels,
        positions=np.full((len(source.eeg.channels), 3), np.nan) if positions is None else positions,
        trained_delay_s=requested.get(source.delay, rate.seconds(source.delay)),
        delays_s=tuple(requested.get(delay, rate.seconds(delay)) for delay in delays),
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

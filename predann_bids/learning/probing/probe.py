"""What a trained decoder uses: delays, frequency bands, channels, and the geometry of its representations.

Nothing is trained anew. One thing about the test windows is changed at a time, and what accuracy remains is counted,
participant by participant, so that folds can be pooled and participants resampled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from predann_bids.data.batches import EegStore
from predann_bids.data.regions import head_regions, neighbourhoods
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import Windows, grid
from predann_bids.errors import UnusableData
from predann_bids.learning.fitting import MappedSource
from predann_bids.learning.retrieval import Candidates, unit
from predann_bids.models.temporal.decoder import Decoder
from predann_bids.models.temporal.layers import HALVING
from predann_bids.timing import Rate, Span

Floats = NDArray[np.float64]
Signals = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DELAYS_S = tuple(step / 20 for step in range(-10, 21))
WAYS = ("", "match_")  # by song logits, by match: how keys of results begin
BATCH = 128
FILTER_ORDER = 4
FEWEST_WINDOWS = 100  # that a group of channels is shuffled among, however many groups there are


@dataclass(frozen=True)
class Band:
    """A frequency band, in Hz."""

    name: str
    low_hz: float
    high_hz: float


BANDS = (
    Band("delta", 1.0, 4.0),
    Band("theta", 4.0, 8.0),
    Band("alpha", 8.0, 13.0),
    Band("beta", 13.0, 30.0),
    Band("gamma", 30.0, 40.0),
)


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


@dataclass(frozen=True)
class Tally:
    """Right decisions of each participant under several conditions.

    Parameters
    ----------
    windows : ndarray, shape (participants,)
        Number of windows, the same under all conditions.
    hits : ndarray, shape (conditions, participants, 2)
        Number of right decisions by song logits and by match.
    """

    windows: Floats
    hits: Floats


@dataclass(frozen=True)
class Probe:
    """What was counted in one fold, or in several that were added up.

    Parameters
    ----------
    participants : tuple of str
        Those tested; all arrays follow their order.
    channels : tuple of str
        The decoder's channels.
    positions : ndarray, shape (channels, 3)
        Head coordinates in metres; NaN where unknown.
    trained_delay_s : float
        The delay between audio and EEG that the decoder was trained with.
    delays_s : tuple of float
        Delays that were tried.
    bands : tuple of Band
        Bands that were taken out.
    regions : mapping of str to tuple of str
        Channels of each region.
    by_delay : Tally
        One condition for each delay.
    reciprocal_ranks : ndarray, shape (delays, participants)
        Sum over windows of 1 / rank of the moment that was heard among those of its song that are tested.
    guessed_ranks : ndarray, shape (participants,)
        The same, expected of guessing.
    by_band, by_region, by_channel : Tally
        First the EEG as it is, then without each band, or with each group of channels shuffled.
    similarity, n_conditions : ndarray, shape (participants,)
        Correlation of dissimilarities (NaN with fewer than three conditions), and among how many moments of songs.
    """

    participants: tuple[str, ...]
    channels: tuple[str, ...]
    positions: Floats
    trained_delay_s: float
    delays_s: tuple[float, ...]
    bands: tuple[Band, ...]
    regions: Mapping[str, tuple[str, ...]]
    by_delay: Tally
    reciprocal_ranks: Floats
    guessed_ranks: Floats
    by_band: Tally
    by_region: Tally
    by_channel: Tally
    similarity: Floats
    n_conditions: Floats

    def plain(self) -> dict[str, Any]:
        """Return it as what JSON may hold; NaN becomes null."""
        found: dict[str, Any] = plain_values(asdict(self))
        return found

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Probe:
        """Read back what `plain` gave."""
        tallies = {
            name: Tally(*(_array(plain[name][key]) for key in ("windows", "hits")))
            for name in ("by_delay", "by_band", "by_region", "by_channel")
        }
        return cls(
            participants=tuple(plain["participants"]),
            channels=tuple(plain["channels"]),
            positions=_array(plain["positions"]).reshape(-1, 3),
            trained_delay_s=plain["trained_delay_s"],
            delays_s=tuple(plain["delays_s"]),
            bands=tuple(Band(**band) for band in plain["bands"]),
            regions={name: tuple(members) for name, members in plain["regions"].items()},
            by_delay=tallies["by_delay"],
            reciprocal_ranks=_array(plain["reciprocal_ranks"]),
            guessed_ranks=_array(plain["guessed_ranks"]),
            by_band=tallies["by_band"],
            by_region=tallies["by_region"],
            by_channel=tallies["by_channel"],
            similarity=_array(plain["similarity"]),
            n_conditions=_array(plain["n_conditions"]),
        )


@torch.no_grad()
def probe(
    decoder: Decoder,
    source: MappedSource,
    test: Sequence[Stretch],
    *,
    rate: Rate,
    stride: int,
    rng: np.random.Generator,
    positions: Floats | None = None,
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
    judge = _Judge.of(decoder, source, test, candidates)
    pieces = [piece for stretch in test for piece in stretch.pieces(source.length)]
    windows = grid(pieces, source.length, source.length)
    delays = sorted({rate.samples(d) for d in delays_s} | {source.delay})
    bands = bands_inside(band_hz, rate)
    report("delays")
    by_delay, ranks, guessed = _try_delays(judge, test, delays, stride, effort)
    report("frequency bands")
    by_band = _remove_bands(judge, _thin(windows, effort.decisions // (1 + len(bands))), bands, rate)
    report("channels and regions")
    regions = head_regions(source.eeg.channels, positions)
    around = neighbourhoods(positions, len(source.eeg.channels))
    by_region = _shuffle(judge, windows, list(regions.values()), effort.repeats, effort.decisions, rng)
    by_channel = _shuffle(judge, windows, around, 1, effort.decisions, rng)
    report("similarity of representations")
    similarity, n_conditions = _compare_geometry(judge, test)
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


def bands_inside(band_hz: tuple[float, float], rate: Rate) -> tuple[Band, ...]:
    """Cut the bands to the EEG's; those of which less than half is left are left out."""
    low, high = band_hz[0], min(band_hz[1], 0.49 * rate.hz)
    cut = [Band(band.name, max(band.low_hz, low), min(band.high_hz, high)) for band in BANDS]
    pairs = zip(cut, BANDS, strict=True)
    return tuple(c for c, b in pairs if c.high_hz - c.low_hz >= (b.high_hz - b.low_hz) / 2)


def erode(stretch: Stretch, trained: int, delays: Sequence[int]) -> Stretch | None:
    """Cut a stretch to where audio, and EEG at any of the delays, belong to it; in samples.

    The stretch's EEG is that which is heard in it, `trained` samples later. None if nothing is left. What is bad in it
    grows, as no window may reach it at any of the delays.
    """
    earlier, later = max(0, trained - min(delays)), max(0, max(delays) - trained)
    start, stop = stretch.span.start + earlier, stretch.span.stop - later
    bad = tuple(Span(some.start - later, some.stop + earlier) for some in stretch.bad)
    return Stretch(stretch.trial, Span(start, stop), bad) if start < stop else None


@dataclass(frozen=True)
class _Judge:
    """Decides about windows, and counts for each participant."""

    decoder: Decoder
    source: MappedSource
    test: Sequence[Stretch]
    allowed: Bools
    participants: tuple[str, ...]

    @classmethod
    def of(cls, decoder: Decoder, source: MappedSource, test: Sequence[Stretch], allowed: Bools | None) -> _Judge:
        people = tuple(sorted({source.trials[stretch.trial].participant for stretch in test}))
        songs = len(source.audio.features)
        return cls(decoder, source, test, np.ones(songs, dtype=bool) if allowed is None else allowed, people)

    def encode(self, eeg: Signals) -> Tensor:
        """Predict representations (n, D, T) from scaled EEG (n, C, samples)."""
        parts = [self.decoder.eeg_encoder(torch.from_numpy(eeg[i : i + BATCH])) for i in range(0, len(eeg), BATCH)]
        return torch.cat(parts)

    def read(self, windows: Windows, delay: int | None = None, store: EegStore | None = None) -> Signals:
        """Read scaled EEG, at the trained delay if no other is given."""
        source = self.source
        later = source.delay if delay is None else delay
        return (store or source.eeg).windows(source.trials, windows, source.length, later)

    def represent(self, windows: Windows, delay: int | None = None, store: EegStore | None = None) -> Tensor:
        """Predict representations of windows, reading no more EEG at a time than a batch."""
        parts = [windows[slice(i, i + BATCH)] for i in range(0, len(windows), BATCH)]
        return torch.cat([self.encode(self.read(part, delay, store)) for part in parts])

    def hits(self, z: Tensor, windows: Windows) -> Floats:
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

    def _is_right(self, scores: Floats, heard: Ints) -> Bools:
        scores = np.where(np.isnan(scores) | ~self.allowed, -np.inf, scores)
        own = scores[np.arange(len(heard)), heard]
        right: Bools = (scores.argmax(axis=1) == heard) & np.isfinite(own)
        return right

    def per_participant(self, values: Floats, windows: Windows) -> Floats:
        """Sum values (n, ...) of windows over those of each participant: (participants, ...)."""
        whose = windows.participants(self.source.trials)
        return np.stack([values[whose == name].sum(axis=0) for name in self.participants])

    def count(self, windows: Windows) -> Floats:
        """Count each participant's windows."""
        return self.per_participant(np.ones(len(windows)), windows)

    def song(self, index: int) -> Signals:
        """Return the remembered representation (D, frames) of a song."""
        kept: Signals = self.decoder.memory[index, :, : int(self.decoder.memory_lengths[index])].numpy()
        return kept


def _thin(windows: Windows, most: int) -> Windows:
    if len(windows) <= most:
        return windows
    return windows[np.linspace(0, len(windows) - 1, max(most, 1)).round().astype(np.int64)]


def _try_delays(
    judge: _Judge, test: Sequence[Stretch], delays: Sequence[int], stride: int, effort: Effort
) -> tuple[Tally, Floats, Floats]:
    """Decide about the same moments with EEG from each delay; and rank the moments."""
    source = judge.source
    inner = [erode(stretch, source.delay, delays) for stretch in test]
    windows = grid([stretch for stretch in inner if stretch], source.length, source.length)
    windows = _thin(windows, effort.decisions // len(delays))
    if not len(windows):
        nothing = np.zeros((len(delays), len(judge.participants)))
        return Tally(nothing[0], np.zeros((*nothing.shape, len(WAYS)))), nothing, nothing[0]
    contests = _contests(judge, windows, [stretch for stretch in inner if stretch], stride)
    hits, ranks = [], []
    for delay in delays:
        z = judge.represent(windows, delay)
        hits.append(judge.hits(z, windows))
        ranks.append(judge.per_participant(_reciprocal_ranks(z, contests), windows))
    guessed = np.empty(len(windows))
    for contest in contests:
        guessed[contest.rows] = (1 / np.arange(1, 1 + len(contest.vectors))).mean()
    return Tally(judge.count(windows), np.stack(hits)), np.stack(ranks), judge.per_participant(guessed, windows)


@dataclass(frozen=True)
class _Contest:
    """Windows of one song, and its moments that they are compared with: unit vectors (moments, D * T)."""

    rows: Ints
    own: Ints
    vectors: Signals


def _contests(judge: _Judge, windows: Windows, tried: Sequence[Stretch], stride: int) -> list[_Contest]:
    """Group windows by song and by where they lie between strides, so that each one's own moment is a candidate.

    Candidates are the moments in what is tried: all of them are right for some window.
    """
    source = judge.source
    heard, moments = windows.stimuli(source.trials), source.audio.moments(source.trials, windows)
    kinds = np.stack([heard, moments % stride], axis=1)
    tested = Candidates.of(source.trials, tried, len(source.audio.features), length=source.length, stride=stride)
    contests = []
    for song, phase in np.unique(kinds, axis=0):
        rows = np.flatnonzero((kinds == (song, phase)).all(axis=1))
        places = np.arange(phase, len(source.audio.features[song][0]), stride)
        places = places[tested.are_tested(int(song), places)]
        vectors = _song_vectors(judge.song(song), places, source.length)
        contests.append(_Contest(rows, np.searchsorted(places, moments[rows]), vectors))
    return contests


def _song_vectors(song: Signals, moments: Ints, length: int) -> Signals:
    """Unit vectors of a song's windows of `length` samples; beyond its end its last frame is repeated."""
    frames = moments[:, None] // HALVING + np.arange(length // HALVING)
    cut = song[:, np.minimum(frames, song.shape[1] - 1)].transpose(1, 0, 2)
    return unit(cut, by_feature=False)


def _reciprocal_ranks(z: Tensor, contests: Sequence[_Contest]) -> Floats:
    """1 / rank of each window's own moment; among equals it comes in their middle."""
    found = np.empty(len(z))
    for contest in contests:
        similarities = unit(z[torch.from_numpy(contest.rows)].numpy(), by_feature=False) @ contest.vectors.T
        own = similarities[np.arange(len(contest.rows)), contest.own][:, None]
        better, equal = (similarities > own).sum(axis=1), (similarities == own).sum(axis=1) - 1
        found[contest.rows] = 1 / (1 + better + equal / 2)
    return found


def _remove_bands(judge: _Judge, windows: Windows, bands: Sequence[Band], rate: Rate) -> Tally:
    hits = [judge.hits(judge.represent(windows), windows)]
    for band in bands:
        hits.append(judge.hits(_without_band(judge, windows, band, rate), windows))
    return Tally(judge.count(windows), np.stack(hits))


def _without_band(judge: _Judge, windows: Windows, band: Band, rate: Rate) -> Tensor:
    """Predict from EEG without a band; scaled as it was with it, so that nothing is made up for."""
    source = judge.source
    of = np.array([source.trials[trial].recording for trial in windows.trial])
    order, parts = [], []
    for index in np.unique(of):  # one recording at a time, as they are large
        rows = np.flatnonzero(of == index)
        cut = replace(source.eeg.recordings[index], data=band_stop(source.eeg.recordings[index].data, band, rate))
        recordings = tuple(cut if i == index else kept for i, kept in enumerate(source.eeg.recordings))
        order.append(rows)
        parts.append(judge.represent(windows[rows], store=replace(source.eeg, recordings=recordings)))
    return torch.cat(parts)[torch.from_numpy(np.argsort(np.concatenate(order)))]


def band_stop(samples: Signals, band: Band, rate: Rate) -> Signals:
    """Take a band out of a recording (samples, channels) without moving anything in time (Butterworth, both ways)."""
    from scipy.signal import butter, sosfiltfilt

    sections = butter(FILTER_ORDER, (band.low_hz, band.high_hz), "bandstop", fs=rate.hz, output="sos")
    filtered = np.empty(samples.shape, dtype=np.float32)
    for channel in range(samples.shape[1]):
        filtered[:, channel] = sosfiltfilt(sections, samples[:, channel].astype(np.float64))
    return filtered


def _shuffle(
    judge: _Judge, windows: Windows, groups: Sequence[Ints], repeats: int, decisions: int, rng: np.random.Generator
) -> Tally:
    """Give groups of channels the signals of other windows of the same participant (Breiman 2001, Random forests).

    Signals are shuffled as the network receives them, after whitening: whitening mixes channels, and would blow up
    directions that have power only because channels no longer belong together.
    """
    windows = _thin(windows, max(FEWEST_WINDOWS, decisions // max(1, len(groups) * repeats)))
    eeg = judge.read(windows)
    hits = np.zeros((1 + len(groups), len(judge.participants), len(WAYS)))
    hits[0] = judge.hits(judge.encode(eeg), windows)
    for _ in range(repeats):
        other = other_windows(windows.participants(judge.source.trials), rng)
        for number, group in enumerate(groups, 1):
            mixed = eeg.copy()
            mixed[:, group] = eeg[np.ix_(other, group)]
            hits[number] += judge.hits(judge.encode(mixed), windows) / repeats
    return Tally(judge.count(windows), hits)


def other_windows(participants: NDArray[np.str_], rng: np.random.Generator) -> Ints:
    """Draw for each window another of the same participant, each once; itself only if there is no other."""
    others = np.arange(len(participants))
    for name in np.unique(participants):
        order = rng.permutation(np.flatnonzero(participants == name))
        others[order] = np.roll(order, 1)
    return others


def _compare_geometry(judge: _Judge, test: Sequence[Stretch]) -> tuple[Floats, Floats]:
    """Correlate dissimilarities of moments in EEG and audio (Kriegeskorte et al. 2008), for each participant."""
    source = judge.source
    windows = grid([_on_the_beat(s, source.trials[s.trial], source.length) for s in test], source.length, source.length)
    found = np.full((2, len(judge.participants)), np.nan)
    found[1] = 0
    if not len(windows):
        return found[0], found[1]
    vectors = unit(judge.represent(windows).numpy(), by_feature=False)
    whose = windows.participants(source.trials)
    moments = np.stack([windows.stimuli(source.trials), source.audio.moments(source.trials, windows)], axis=1)
    for number, name in enumerate(judge.participants):
        mine = np.flatnonzero(whose == name)
        if not len(mine):
            continue
        conditions, inverse = np.unique(moments[mine], axis=0, return_inverse=True)
        eeg = np.stack([vectors[mine[inverse == i]].mean(axis=0) for i in range(len(conditions))])  # repetitions
        audio = np.concatenate([_song_vectors(judge.song(s), m[None], source.length) for s, m in conditions])
        found[:, number] = rank_correlation(_dissimilarities(eeg), _dissimilarities(audio)), len(conditions)
    return found[0], found[1]


def _on_the_beat(stretch: Stretch, trial: Trial, length: int) -> Stretch:
    """Let a stretch begin a whole number of windows after its song does, so that moments of repetitions are equal."""
    start = stretch.span.start + (-(trial.audio_start + stretch.span.start)) % length
    return replace(stretch, span=Span(start, max(start, stretch.span.stop)))


def _dissimilarities(vectors: Signals) -> Floats:
    """1 - cosine of all pairs."""
    from scipy.spatial.distance import pdist

    found: Floats = pdist(vectors.astype(np.float64), "cosine")
    return found


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman correlation; NaN where it is not defined."""
    from scipy.stats import spearmanr

    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0 or not np.isfinite([*a, *b]).all():
        return float("nan")
    return float(spearmanr(a, b).statistic)


def plain_values(value: Any) -> Any:
    """Turn arrays and tuples into lists, and NaN into None."""
    if isinstance(value, np.ndarray):
        return plain_values(value.tolist())
    if isinstance(value, Mapping):
        return {key: plain_values(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _array(values: Any) -> Floats:
    return np.array(values, dtype=np.float64)  # None becomes NaN

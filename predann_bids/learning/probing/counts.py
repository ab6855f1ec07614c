"""The counts that a probe collects: correct decisions of each participant under several conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.timing import Rate

WAYS = ("", "match_")  # prefixes of the keys of results by song logits and by match


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


def bands_inside(band_hz: tuple[float, float], rate: Rate) -> tuple[Band, ...]:
    """Cut the frequency bands to the pass band of the EEG, and leave out those that lose more than half."""
    low, high = band_hz[0], min(band_hz[1], 0.49 * rate.hz)
    cut = [Band(band.name, max(band.low_hz, low), min(band.high_hz, high)) for band in BANDS]
    pairs = zip(cut, BANDS, strict=True)
    return tuple(c for c, b in pairs if c.high_hz - c.low_hz >= (b.high_hz - b.low_hz) / 2)


@dataclass(frozen=True)
class Tally:
    """Correct decisions of each participant under several conditions.

    Parameters
    ----------
    windows : ndarray, shape (participants,)
        Number of windows, which is the same under all conditions.
    hits : ndarray, shape (conditions, participants, 2)
        Number of correct decisions by song logits and by match; one of k songs that are exactly equal counts 1 / k.
    """

    windows: Doubles
    hits: Doubles


@dataclass(frozen=True)
class Probe:
    """The counts of one fold, or the sums over several folds.

    Parameters
    ----------
    participants : tuple of str
        The participants that are tested; all arrays have their order.
    channels : tuple of str
        The decoder's channels.
    positions : ndarray, shape (channels, 3)
        Positions of the electrodes in head coordinates, in metres; NaN where unknown.
    trained_delay_s : float
        The delay between audio and EEG that the decoder was trained with.
    delays_s : tuple of float
        Delays that were tried.
    bands : tuple of Band
        Bands that were removed.
    regions : mapping of str to tuple of str
        Channels of each region.
    by_delay : Tally
        One condition for each delay.
    reciprocal_ranks : ndarray, shape (delays, participants)
        Sum over windows of 1 / rank of the right moment among the tested moments of its song.
    guessed_ranks : ndarray, shape (participants,)
        Expected value of the same when guessing.
    by_band, by_region, by_channel : Tally
        The first condition is the unchanged EEG, the others lack one band each, or have one region or neighbourhood of
        channels shuffled.
    similarity, n_conditions : ndarray, shape (participants,)
        Correlation of the dissimilarities of EEG and audio (NaN with fewer than three moments of songs), and the number
        of these moments.
    """

    participants: tuple[str, ...]
    channels: tuple[str, ...]
    positions: Doubles
    trained_delay_s: float
    delays_s: tuple[float, ...]
    bands: tuple[Band, ...]
    regions: Mapping[str, tuple[str, ...]]
    by_delay: Tally
    reciprocal_ranks: Doubles
    guessed_ranks: Doubles
    by_band: Tally
    by_region: Tally
    by_channel: Tally
    similarity: Doubles
    n_conditions: Doubles

    def plain(self) -> dict[str, Any]:
        """Return the counts as values that JSON can hold; NaN becomes null."""
        values: dict[str, Any] = plain_values(asdict(self))
        return values

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Probe:
        """Restore counts from the values that `plain` returned."""
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


def plain_values(value: Any) -> Any:
    """Turn arrays and tuples into lists, and NaN into None."""
    if isinstance(value, np.ndarray):
        return plain_values(value.tolist())
    if isinstance(value, Mapping):
        return {key: plain_values(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _array(values: Any) -> Doubles:
    return np.array(values, dtype=np.float64)  # None becomes NaN

"""Bring recordings with different electrodes to one montage, by spherical splines (Perrin et al. 1989).

Interpolation is linear: MNE-Python does it to unit vectors, which gives its weights, and windows are multiplied by
these when they are read. No recording is stored a second time.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from predann_bids.arrays import Doubles, Ints, Singles
from predann_bids.errors import UnusableData, some

Place = tuple[float, float, float]

FEWEST_SOURCES = 4  # electrodes that span a sphere
SAME_PLACE_M = 1e-3  # electrodes that lie this near are one, whatever they are called: T7 and T3, FP1 and Fp1

# electrode names of the 10-20 system before 1991 (American Electroencephalographic Society), and since
RENAMED = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}


def electrode(name: str) -> str:
    """Return the electrode of a channel: its name since 1991, in upper case."""
    plain = name.strip().upper()
    return RENAMED.get(plain, plain)


@dataclass(frozen=True)
class Electrodes:
    """The electrodes of one recording.

    Parameters
    ----------
    name : str
        Of the recording, for messages.
    channels : tuple of str
        All channels, in their order.
    positions : mapping of str to (float, float, float)
        Head coordinates in metres, of those whose position is known.
    bad : frozenset of str
        Channels that are not to be used.
    """

    name: str
    channels: tuple[str, ...]
    positions: Mapping[str, Place]
    bad: frozenset[str] = frozenset()

    @property
    def good(self) -> tuple[str, ...]:
        """The channels that are not bad."""
        return tuple(channel for channel in self.channels if channel not in self.bad)

    @property
    def positioned(self) -> dict[str, Place]:
        """Positions of the good channels whose position is known."""
        return {channel: self.positions[channel] for channel in self.good if channel in self.positions}


@dataclass(frozen=True)
class Target:
    """The channels that all recordings are to have, and positions (head coordinates in metres) where they are known."""

    channels: tuple[str, ...]
    positions: Mapping[str, Place]


@dataclass(frozen=True)
class Fill:
    """How the channels of one recording become those of a montage.

    Parameters
    ----------
    columns : ndarray of int, shape (channels,)
        Where each channel of the montage stands in the recording; anywhere, for those that are interpolated.
    rows : ndarray of int, shape (interpolated,)
        Which channels of the montage are interpolated.
    weights : ndarray, shape (interpolated, channels of the recording)
        Weight of each channel of the recording in them.
    """

    columns: Ints
    rows: Ints
    weights: Singles

    def apply(self, samples: Singles) -> Singles:
        """Bring samples (T, channels of the recording) to the montage: (T, channels)."""
        taken = samples[:, self.columns]
        if len(self.rows):
            taken[:, self.rows] = samples @ self.weights.T
        return taken


@dataclass(frozen=True)
class Montage:
    """A target, and for each recording the way to it."""

    target: Target
    fills: tuple[Fill, ...]

    @property
    def interpolated(self) -> tuple[int, ...]:
        """Number of interpolated channels of each recording."""
        return tuple(len(fill.rows) for fill in self.fills)

    def fingerprint(self) -> str:
        """Fingerprint of the montage: equal for montages that make equal signals."""
        digest = hashlib.blake2b(repr(self.target.channels).encode(), digest_size=16)
        for fill in self.fills:
            for array in (fill.columns, fill.rows, fill.weights.round(6)):
                digest.update(array.tobytes())
        return digest.hexdigest()


def choose_target(recordings: Sequence[Electrodes]) -> Target:
    """Take the channels that most recordings have, of equally frequent ones the most channels.

    A channel of unknown position can only be taken as it is: it is left out unless it is good in all recordings.
    """
    sets = [frozenset(recording.channels) for recording in recordings]
    number = Counter(sets)
    chosen = max(sets, key=lambda some: (number[some], len(some)))
    order = next(recording.channels for recording in recordings if frozenset(recording.channels) == chosen)
    alike = [recording for recording, some in zip(recordings, sets, strict=True) if some == chosen]
    positions = known_positions(order, alike)
    everywhere = frozenset.intersection(*(frozenset(recording.good) for recording in recordings))
    return Target(tuple(name for name in order if name in positions or name in everywhere), positions)


def known_positions(channels: Sequence[str], recordings: Sequence[Electrodes]) -> dict[str, Place]:
    """Average the positions that channels have in the recordings that know them."""
    found = {}
    for channel in channels:
        places = [recording.positions[channel] for recording in recordings if channel in recording.positions]
        if places:
            x, y, z = (float(value) for value in np.mean(places, axis=0))
            found[channel] = (x, y, z)
    return found


def bring_to(target: Target, recordings: Sequence[Electrodes]) -> Montage:
    """Find the way from each recording's electrodes to the target's.

    A channel that a recording has, and that is good there, is taken as it is, and so is a good electrode of another
    name at the same place. All others are interpolated from its good channels, to where the electrode was in that
    recording if that is known, else to where the target has it.

    Raises
    ------
    UnusableData
        A recording lacks channels and does not know its electrodes' positions, or the target does not.
    """
    keys = [(r.channels, r.bad, tuple(sorted(r.positions.items()))) for r in recordings]
    alike: dict[object, list[Electrodes]] = {}
    for key, recording in zip(keys, recordings, strict=True):
        alike.setdefault(key, []).append(recording)
    _refuse_without_positions(target, list(alike.values()))
    # recordings with the same electrodes share their weights, in memory and when these travel between processes
    made = {key: _fill(target, group[0]) for key, group in alike.items()}
    return Montage(target, tuple(made[key] for key in keys))


def spline_weights(sources: Doubles, targets: Doubles) -> Doubles:
    """Weights (targets, sources) of spherical spline interpolation between positions (n, 3) in head coordinates."""
    import mne

    n, names = len(sources), [f"{index}" for index in range(len(sources) + len(targets))]
    units = np.zeros((len(names), n))
    units[:n] = np.eye(n)
    places = dict(zip(names, np.concatenate([sources, targets]), strict=True))
    with mne.use_log_level("ERROR"):
        raw = mne.io.RawArray(units, mne.create_info(names, 100.0, "eeg"))
        raw.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
        raw.info["bads"] = names[n:]
        raw.interpolate_bads(reset_bads=False, method={"eeg": "spline"})
    weights: Doubles = raw.get_data()[n:]
    return weights


def _fill(target: Target, recording: Electrodes) -> Fill:
    taken = [_electrode_for(channel, target, recording) for channel in target.channels]
    columns = np.array([recording.channels.index(channel) if channel else 0 for channel in taken], dtype=np.int64)
    rows = np.array([row for row, channel in enumerate(taken) if channel is None], dtype=np.int64)
    weights = np.zeros((len(rows), len(recording.channels)), dtype=np.float32)
    if len(rows):
        wanted = [_place_of(target.channels[row], target, recording) for row in rows]
        sources = recording.positioned
        found = spline_weights(np.array(list(sources.values())), np.array(wanted, dtype=np.float64))
        weights[:, [recording.channels.index(channel) for channel in sources]] = found
    return Fill(columns, rows, weights)


def _electrode_for(channel: str, target: Target, recording: Electrodes) -> str | None:
    """Name the good electrode of a recording that can stand for a channel of the target as it is."""
    if channel in recording.good:
        return channel
    place, placed = _place_of(channel, target, recording), recording.positioned
    if place is None or not placed:
        return None
    distances = np.linalg.norm(np.subtract(list(placed.values()), place), axis=1)
    return list(placed)[distances.argmin()] if distances.min() < SAME_PLACE_M else None


def _place_of(channel: str, target: Target, recording: Electrodes) -> Place | None:
    return recording.positions.get(channel, target.positions.get(channel))


def _refuse_without_positions(target: Target, alike: Sequence[Sequence[Electrodes]]) -> None:
    nowhere, unplaced, lackers = [], set(), []
    for recording, *more in alike:
        lacking = [channel for channel in target.channels if _electrode_for(channel, target, recording) is None]
        nobody_knows = {channel for channel in lacking if _place_of(channel, target, recording) is None}
        unplaced |= nobody_knows
        lackers += [one.name for one in (recording, *more) if nobody_knows]
        if lacking and len(recording.positioned) < FEWEST_SOURCES:
            nowhere += [recording.name, *(other.name for other in more)]
    if nowhere:
        raise UnusableData(
            f"Channels cannot be interpolated in {some(sorted(nowhere))}: the positions of fewer than {FEWEST_SOURCES}"
            " good electrodes are known. Use --channels common, or add an electrodes.tsv."
        )
    if unplaced:
        raise UnusableData(
            f"No recording gives the position of {some(sorted(unplaced))}, which {some(sorted(lackers))} lack or have"
            " bad. Use --channels common, or add an electrodes.tsv."
        )

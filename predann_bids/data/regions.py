"""Assign electrodes to regions of the head, and find neighbouring electrodes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from predann_bids.arrays import Doubles, Ints
from predann_bids.signals.montage import RENAMED

SIDES = ("left", "mid", "right")
LOBES = ("frontal", "central", "temporal", "parietal", "occipital")
REGIONS = tuple(f"{side} {lobe}" for lobe in LOBES for side in SIDES if (side, lobe) != ("mid", "temporal"))

# The rows of the 10-10 system (Chatrian 1985); T3 to T6 are the older names of T7, T8, P7 and P8.
LOBE_OF_ROW = {
    **dict.fromkeys(("N", "Fp", "AFp", "AF", "AFF", "F"), "frontal"),
    **dict.fromkeys(("FFC", "FC", "FCC", "C", "CCP", "CP", "CPP"), "central"),
    **dict.fromkeys(("FFT", "FT", "FTT", "T", "TTP", "TP", "TPP"), "temporal"),
    **dict.fromkeys(("P", "PPO"), "parietal"),
    **dict.fromkeys(("PO", "POO", "O", "OI", "I"), "occipital"),
}
NAME = re.compile(r"([a-z]+)(z|\d{1,2})h?", re.IGNORECASE)

MOST = 0.75  # share of channels with names of the 10-20 system from which on all names are trusted

# In head coordinates: midway between the centres of spheres fitted to an idealised head and to an average real head.
CENTRE_M = np.array([0.0, 0.007, 0.04])
# Angles from the vertex to the front or the side, midway between rows of the 10-10 system (FCz and Fz, ...). The rows
# bend away from the vertex towards the sides. The ring through Fpz, T7, Oz and T8 lies 92 degrees from the vertex.
EQUATOR_DEG = 92.0
FRONTAL_DEG, PARIETAL_DEG, OCCIPITAL_DEG = 36.0, -29.0, -52.5
TEMPORAL_DEG, MIDLINE_DEG = 75.0, 9.0
BEND = 0.1


def head_regions(channels: Sequence[str], positions: Doubles | None = None) -> dict[str, Ints]:
    """Sort channels into regions of the head: left, mid and right of each lobe.

    Channels are sorted by name if most names belong to the 10-20 system or its extensions. Otherwise, and for channels
    with other names, their positions decide. A few matching names prove nothing: in the ABC labels of 128-channel caps,
    C3 is a different position.

    Parameters
    ----------
    channels : sequence of str
        Names of the channels.
    positions : ndarray, shape (channels, 3), optional
        Head coordinates in metres: x to the right ear, y to the nose, z up; NaN where unknown.

    Returns
    -------
    dict of str to ndarray of int
        Indices of the channels of each region that has any, in the order of `REGIONS`. Channels whose position is
        unknown are in no region.
    """
    by_name = [region_named(channel) for channel in channels]
    is_named_cap = sum(name is not None for name in by_name) >= MOST * len(by_name)
    by_position = _regions_at(positions, len(by_name))
    pairs = zip(by_name, by_position, strict=True)
    regions = [(name or at) if is_named_cap or positions is None else at for name, at in pairs]
    members = {region: np.flatnonzero([at == region for at in regions]) for region in REGIONS}
    return {region: indices for region, indices in members.items() if len(indices)}


def region_at(position: Doubles) -> str:
    """Return the region of a position (3,) in head coordinates, in metres."""
    x, y, z = (float(value) for value in position - CENTRE_M)
    away = min(math.degrees(math.atan2(math.hypot(x, y), z)), EQUATOR_DEG)  # electrodes below the ring count as on it
    azimuth = math.atan2(y, x)
    right, front = away * math.cos(azimuth), away * math.sin(azimuth)
    row = math.copysign(abs(front) - BEND * abs(right), front)
    return _name(_lobe(abs(right), row), 0 if abs(right) < MIDLINE_DEG else right)


def region_named(channel: str) -> str | None:
    """Return the region of an electrode of the 10-20 system or its extensions, or None for any other name."""
    match = NAME.fullmatch(RENAMED.get(channel.strip().upper(), channel.strip()))
    lobes = {row.lower(): lobe for row, lobe in LOBE_OF_ROW.items()}
    if not match or match[1].lower() not in lobes:
        return None
    row, column = lobes[match[1].lower()], match[2].lower()
    if column == "z":
        return None if row == "temporal" else _name(row, 0)
    number = int(column)
    return _name(row, 1 if number % 2 == 0 else -1) if 0 < number <= 10 else None


def neighbourhoods(positions: Doubles | None, n_channels: int) -> list[Ints]:
    """Find each channel's nearest neighbours: about a tenth of the channels, at least one.

    Parameters
    ----------
    positions : ndarray, shape (channels, 3), optional
        In any unit; NaN where unknown.
    n_channels : int
        Number of channels.

    Returns
    -------
    list of ndarray of int
        For each channel, its own index followed by those of its neighbours, nearest first. A channel of unknown
        position has no neighbours.
    """
    alone = [np.array([index]) for index in range(n_channels)]
    if positions is None:
        return alone
    placed = np.flatnonzero(np.isfinite(positions).all(axis=1))
    size = max(1, round(n_channels / 10))
    for index in placed:
        distance = np.linalg.norm(positions[placed] - positions[index], axis=1)
        distance[placed == index] = -1  # the channel itself comes first, even before an electrode at the same position
        alone[index] = placed[np.argsort(distance, kind="stable")[: size + 1]]
    return alone


def as_positions(channels: Sequence[str], positions: Mapping[str, Sequence[float]]) -> Doubles:
    """Return the positions of channels as an array (channels, 3), with NaN where a channel has none."""
    return np.array([positions.get(name, (np.nan,) * 3) for name in channels], dtype=np.float64).reshape(-1, 3)


def _regions_at(positions: Doubles | None, n_channels: int) -> list[str | None]:
    if positions is None:
        return [None] * n_channels
    return [region_at(position) if np.isfinite(position).all() else None for position in positions]


def _lobe(aside: float, front: float) -> str:
    if front > FRONTAL_DEG:
        return "frontal"
    if front < OCCIPITAL_DEG:
        return "occipital"
    if front < PARIETAL_DEG:
        return "parietal"
    return "temporal" if aside > TEMPORAL_DEG else "central"


def _name(lobe: str, right: float) -> str:
    return f"{SIDES[1 if right == 0 else 0 if right < 0 else 2]} {lobe}"

"""Regions of the head, and which electrodes lie next to each other; pure geometry."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from predann_bids.arrays import Doubles, Ints

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
OLD_NAMES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
NAME = re.compile(r"([a-z]+)(z|\d{1,2})h?", re.IGNORECASE)

MOST = 0.75  # share of channels with such names that makes a cap one of the 10-20 system

# In head coordinates: half-way between the centres of spheres fitted to an idealised and to an average real head.
CENTRE_M = np.array([0.0, 0.007, 0.04])
# Angles from the vertex to the front or the side, half-way between rows of the 10-10 system (FCz and Fz, ...), which
# bend away from the vertex towards the sides. The ring through Fpz, T7, Oz and T8 lies 92 degrees from the vertex.
EQUATOR_DEG = 92.0
FRONTAL_DEG, PARIETAL_DEG, OCCIPITAL_DEG = 36.0, -29.0, -52.5
TEMPORAL_DEG, MIDLINE_DEG = 75.0, 9.0
BEND = 0.1


def head_regions(channels: Sequence[str], positions: Doubles | None = None) -> dict[str, Ints]:
    """Sort channels into regions of the head: left, mid and right of each lobe.

    By their names if most are names of the 10-20 system or its extensions; otherwise, and for the rest, by where they
    lie. A few such names prove nothing: C3 is another place in the ABC labels of 128 electrodes.

    Parameters
    ----------
    channels : sequence of str
        Names of the channels.
    positions : ndarray, shape (channels, 3), optional
        Head coordinates in metres: x to the right ear, y to the nose, z up; NaN where unknown.

    Returns
    -------
    dict of str to ndarray of int
        For each region that holds a channel, in the order of `REGIONS`, the indices of its channels. Channels whose
        place nobody knows are in none.
    """
    named = [region_named(channel) for channel in channels]
    is_named_cap = sum(name is not None for name in named) >= MOST * len(named)
    placed = _regions_at(positions, len(named))
    pairs = zip(named, placed, strict=True)
    places = [(name or place) if is_named_cap or positions is None else place for name, place in pairs]
    found = {region: np.flatnonzero([place == region for place in places]) for region in REGIONS}
    return {region: members for region, members in found.items() if len(members)}


def region_at(position: Doubles) -> str:
    """Name the region of a place (3,) in head coordinates, in metres."""
    x, y, z = (float(value) for value in position - CENTRE_M)
    away = min(math.degrees(math.atan2(math.hypot(x, y), z)), EQUATOR_DEG)  # electrodes below belong to those above
    azimuth = math.atan2(y, x)
    right, front = away * math.cos(azimuth), away * math.sin(azimuth)
    row = math.copysign(abs(front) - BEND * abs(right), front)
    return _name(_lobe(abs(right), row), 0 if abs(right) < MIDLINE_DEG else right)


def region_named(channel: str) -> str | None:
    """Name the region of an electrode of the 10-20 system or its extensions; None if the name is none of its names."""
    found = NAME.fullmatch(OLD_NAMES.get(channel.strip().upper(), channel.strip()))
    lobes = {row.lower(): lobe for row, lobe in LOBE_OF_ROW.items()}
    if not found or found[1].lower() not in lobes:
        return None
    row, column = lobes[found[1].lower()], found[2].lower()
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
        For each channel itself, first, and its neighbours, the nearest first. A channel is alone if its position is
        not known.
    """
    alone = [np.array([index]) for index in range(n_channels)]
    if positions is None:
        return alone
    placed = np.flatnonzero(np.isfinite(positions).all(axis=1))
    size = max(1, round(n_channels / 10))
    for index in placed:
        distance = np.linalg.norm(positions[placed] - positions[index], axis=1)
        distance[placed == index] = -1  # itself comes first, even before an electrode at the same place
        alone[index] = placed[np.argsort(distance, kind="stable")[: size + 1]]
    return alone


def as_positions(channels: Sequence[str], places: Mapping[str, Sequence[float]]) -> Doubles:
    """Lay out the positions of named channels as (channels, 3); NaN where there is none."""
    return np.array([places.get(name, (np.nan,) * 3) for name in channels], dtype=np.float64).reshape(-1, 3)


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

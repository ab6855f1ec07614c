"""What steps that mix channels share: where electrodes are, and the matrix of what MNE does.

MNE's steps of this kind are linear in the channels, so letting one act on unit vectors gives its matrix. The matrices
of several steps multiply to one, which is then applied to a recording of any length in a single pass.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from predann_bids.arrays import Bools, Doubles

if TYPE_CHECKING:
    from mne import Info
    from mne.io import BaseRaw

FEWEST_FOR_A_SPHERE = 8


def matrix_of(info: Info, step: Callable[[BaseRaw], BaseRaw | None]) -> Doubles:
    """Find the matrix of an MNE step that is linear, or affine, in the channels.

    Parameters
    ----------
    info : mne.Info
        The channels, C_in of them.
    step : callable
        Changes the recording that it is given, or returns another one.

    Returns
    -------
    ndarray, shape (C_out, C_in)
        Without the constant of an affine step.
    """
    from mne.io import RawArray

    # the last column is silence: what comes out for it is the constant
    raw = RawArray(np.eye(len(info["ch_names"]), len(info["ch_names"]) + 1), info.copy(), verbose="error")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = step(raw)
    values = (raw if result is None else result).get_data()
    matrix: Doubles = values[:, :-1] - values[:, -1:]
    return matrix


def positions(info: Info) -> Doubles:
    """Positions of the channels on the head in metres: (C, 3)."""
    return np.array([channel["loc"][:3] for channel in info["chs"]], dtype=float).reshape(-1, 3)


def with_position(info: Info) -> Bools:
    """Which channels have a position on the head: (C,)."""
    coordinates = positions(info)
    known: Bools = np.isfinite(coordinates).all(axis=1) & (np.abs(coordinates).sum(axis=1) > 0)
    return known


def has_positions(info: Info) -> bool:
    """Whether every channel has a position on the head."""
    return bool(with_position(info).all())


def sphere_origin(places: Doubles) -> Doubles:
    """Find the centre of the sphere on which electrodes lie, in m: (C, 3) -> (3,).

    Only directions from it matter here, so the unit of the positions need not be right. Where the electrodes are too
    few, or too close to a plane, it is put as high above the origin of the head's coordinates as in heads of usual
    size.
    """
    typical = float(np.median(np.linalg.norm(places, axis=1)))
    usual = np.array([0.0, 0.0, 0.4 * typical])
    # |x - o|² = r²  <=>  2 x·o + (r² - |o|²) = |x|², which is linear in o and in the bracket
    equations = np.column_stack([2 * places, np.full(len(places), typical)])
    if len(places) < FEWEST_FOR_A_SPHERE or np.linalg.cond(equations) > 1e3:
        return usual
    *origin, rest = np.linalg.lstsq(equations, (places**2).sum(axis=1))[0]
    radius = np.sqrt(max(0.0, rest * typical + np.dot(origin, origin)))
    return np.array(origin) if 0.5 < radius / typical < 1.5 else usual

"""Steps that mix channels, as matrices: interpolation of bad channels and the choice of a reference.

MNE does the steps. As all of them are linear in the channels, letting one act on unit vectors gives its matrix; the
matrices of several steps multiply to one, which is then applied to a recording of any length in a single pass.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from predann_bids.errors import UnusableData
from predann_bids.signals.preprocessing.steps import Step

if TYPE_CHECKING:
    from mne import Forward, Info
    from mne.io import BaseRaw

Matrix = NDArray[np.float64]

MASTOIDS = (("M1", "M2"), ("A1", "A2"), ("TP9", "TP10"))
# Luu and Ferree (2005), Determination of the HydroCel Geodesic Sensor Nets' average electrode positions; the
# number of the net's last electrode tells which one it is.
GEODESIC_MASTOIDS = {range(100, 130): ("E57", "E100"), range(190, 258): ("E94", "E190")}

HEAD_RADIUS_M = 0.095
REST_GRID_MM = 10.0
FEWEST_FOR_A_SPHERE = 8
FEWEST_FOR_SPLINES = 4


def matrix_of(info: Info, step: Callable[[BaseRaw], BaseRaw | None]) -> Matrix:
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
    matrix: Matrix = values[:, :-1] - values[:, -1:]
    return matrix


def positions(info: Info) -> Matrix:
    """Give where the channels are on the head, in m: (C, 3)."""
    return np.array([channel["loc"][:3] for channel in info["chs"]], dtype=float).reshape(-1, 3)


def placed(info: Info) -> NDArray[np.bool_]:
    """Tell which channels have a position on the head: (C,)."""
    places = positions(info)
    known: NDArray[np.bool_] = np.isfinite(places).all(axis=1) & (np.abs(places).sum(axis=1) > 0)
    return known


def has_positions(info: Info) -> bool:
    """Tell whether every channel has a position on the head."""
    return bool(placed(info).all())


def sphere_origin(places: Matrix) -> Matrix:
    """Find the centre of the sphere on which electrodes lie, in m: (C, 3) -> (3,).

    Only directions from it matter for what is done here, so the unit of the positions need not be right. Where the
    electrodes are too few, or too close to a plane, to say, it lies as high above the origin of the head's coordinates
    as in heads of usual size.
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


def interpolation(info: Info, bads: Sequence[str]) -> tuple[Matrix, Step]:
    """Interpolate bad channels from the others with spherical splines (Perrin et al. 1989).

    Parameters
    ----------
    info : mne.Info
        The EEG channels, C of them.
    bads : sequence of str
        Channels to interpolate; at least one.

    Returns
    -------
    ndarray, shape (C, C), and Step
        Channels without a position are neither interpolated nor interpolated from. Where interpolation is not
        possible, the identity and a step that gives the reason.
    """
    from mne import pick_info

    known = np.flatnonzero(placed(info))
    names = [info["ch_names"][index] for index in known if info["ch_names"][index] in set(bads)]
    matrix = np.eye(len(info["ch_names"]))
    if not names:
        return matrix, Step("no interpolation", {"reason": "electrode positions are not known"})
    if len(known) - len(names) < FEWEST_FOR_SPLINES:
        reason = f"fewer than {FEWEST_FOR_SPLINES} channels are left to interpolate from"
        return matrix, Step("no interpolation", {"reason": reason})
    with_place = pick_info(info, known)
    with_place["bads"] = names
    origin = tuple(sphere_origin(positions(with_place)))
    matrix[np.ix_(known, known)] = matrix_of(
        with_place, lambda raw: raw.interpolate_bads(origin=origin, verbose="error")
    )
    return matrix, Step("interpolation", {"method": "spherical splines", "channels": names})


def reference(info: Info, kind: str) -> tuple[Matrix, Step]:
    """Choose the reference of the recording.

    Parameters
    ----------
    info : mne.Info
        The EEG channels, C of them; those in `info["bads"]` are re-referenced, but are no part of the reference.
    kind : str
        'average', 'mastoids', 'rest' (Yao 2001), names of channels joined by commas, or 'none'.

    Returns
    -------
    ndarray, shape (C, C), and Step

    Raises
    ------
    UnusableData
        A channel of the reference does not exist or is bad, or REST is asked for and positions are not known.
    """
    match kind.strip().lower():
        case "none":
            return np.eye(len(info["ch_names"])), Step("no reference", {"reason": "that of the recording is kept"})
        case "average":
            excluded = {"excluded": list(info["bads"])} if info["bads"] else {}
            return _referenced(info, "average"), Step("reference", {"kind": "average", **excluded})
        case "rest":
            return _rest(info)
        case "mastoids":
            channels = _mastoids(info["ch_names"])
        case _:
            channels = _named(info["ch_names"], kind)
    if bad := sorted(set(channels) & set(info["bads"])):
        raise UnusableData(
            f"the reference {', '.join(bad)} is a bad channel; choose another with --reference, or have bad channels"
            " interpolated"
        )
    kind = "mastoids" if kind.strip().lower() == "mastoids" else "channels"
    return _referenced(info, channels), Step("reference", {"kind": kind, "channels": channels})


def _referenced(info: Info, channels: str | list[str], forward: Forward | None = None) -> Matrix:
    return matrix_of(info, lambda raw: raw.set_eeg_reference(channels, ch_type="eeg", forward=forward, verbose="error"))


def _mastoids(names: Sequence[str]) -> list[str]:
    known = {name.lower(): name for name in names}
    numbers = [int(match[1]) for name in names if (match := re.fullmatch(r"E(\d+)", name, re.IGNORECASE))]
    nets = [pair for last, pair in GEODESIC_MASTOIDS.items() if max(numbers, default=0) in last]
    for left, right in (*MASTOIDS, *nets):
        if left.lower() in known and right.lower() in known:
            return [known[left.lower()], known[right.lower()]]
    pairs = ", ".join(f"{left}/{right}" for left, right in (*MASTOIDS, *GEODESIC_MASTOIDS.values()))
    raise UnusableData(
        f"no mastoids are among the EEG channels (looked for {pairs}; there are {_list(names)}); name the channels to"
        " use with --reference"
    )


def _named(names: Sequence[str], wanted: str) -> list[str]:
    known = {name.strip().lower(): name for name in names}
    asked = [part.strip() for part in wanted.split(",") if part.strip()]
    missing = [name for name in asked if name.lower() not in known]
    if missing or not asked:
        raise UnusableData(
            f"the reference {', '.join(missing) or repr(wanted)} is not among the EEG channels ({_list(names)}); name"
            " others with --reference"
        )
    return list(dict.fromkeys(known[name.lower()] for name in asked))


def _list(names: Sequence[str], most: int = 40) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _rest(info: Info) -> tuple[Matrix, Step]:
    if not has_positions(info):
        raise UnusableData(
            "REST needs the positions of the electrodes, which are not known; choose another --reference"
        )
    step = Step("reference", {"kind": "rest", "head_model": "three-layer sphere", "grid_mm": REST_GRID_MM})
    return _referenced(info, "REST", _forward(info)), step


def _forward(info: Info) -> Forward:
    """Compute the field of dipoles on a grid in a sphere, on whose surface the electrodes are put."""
    import mne

    places = positions(info)
    directions = places - sphere_origin(places)
    surface = HEAD_RADIUS_M * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    on_sphere = mne.create_info(info["ch_names"], info["sfreq"], "eeg")
    on_sphere.set_montage(
        mne.channels.make_dig_montage(dict(zip(info["ch_names"], surface, strict=True)), coord_frame="head")
    )
    with mne.utils.use_log_level("error"):
        sphere = mne.make_sphere_model((0.0, 0.0, 0.0), HEAD_RADIUS_M)
        grid = mne.setup_volume_source_space(pos=REST_GRID_MM, sphere=sphere, exclude=30.0, mindist=5.0)
        return mne.make_forward_solution(on_sphere, None, grid, sphere, meg=False, eeg=True)

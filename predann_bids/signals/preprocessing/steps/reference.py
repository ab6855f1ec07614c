"""Choose the reference of the derivative."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.errors import UnusableData
from predann_bids.signals.preprocessing.interface import STEPS, PreprocessingStep
from predann_bids.signals.preprocessing.spatial import has_positions, matrix_of, positions, sphere_origin
from predann_bids.signals.preprocessing.state import State, Step

if TYPE_CHECKING:
    from mne import Forward, Info

MASTOIDS = (("M1", "M2"), ("A1", "A2"), ("TP9", "TP10"))
# Luu and Ferree (2005), Determination of the HydroCel Geodesic Sensor Nets' average electrode positions; the
# number of the net's last electrode says which net it is.
GEODESIC_MASTOIDS = {range(100, 130): ("E57", "E100"), range(190, 258): ("E94", "E190")}
HEAD_RADIUS_M = 0.095
REST_GRID_MM = 10.0


@STEPS.add("reference")
class Reference(PreprocessingStep):
    """Re-reference the recording."""

    order = 60
    mixes = True

    @property
    def wanted(self) -> bool:
        """Whether the reference of the recording is to be replaced."""
        return self.config.reference.strip().lower() != "none"

    def apply(self, state: State) -> State:
        """Subtract the reference from all channels."""
        matrix, step = reference(state.info, self.config.reference)
        return state.mix(matrix).note(step)


def reference(info: Info, kind: str) -> tuple[Doubles, Step]:
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


def _referenced(info: Info, channels: str | list[str], forward: Forward | None = None) -> Doubles:
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


def _rest(info: Info) -> tuple[Doubles, Step]:
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

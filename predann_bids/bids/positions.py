"""Give a recording the electrode positions of its electrodes.tsv."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from predann_bids.bids.rows import plain_name
from predann_bids.bids.tables import Table, read_columns
from predann_bids.errors import PredannError, UnusableData, some
from predann_bids.files import read_json

if TYPE_CHECKING:
    from mne.io import BaseRaw

METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}
# coordinate systems of the BIDS specification whose x points to the nose and y to the left; all others of the head
# have x to the right and y to the nose, as MNE has
NOSE_IS_X = ("CTF", "4DBti", "KitYokogawa", "EEGLAB", "EEGLAB-HJ")
FIDUCIALS = {"nasion": ("NAS", "nasion"), "lpa": ("LPA",), "rpa": ("RPA",)}


def apply_positions(raw: BaseRaw, electrodes: Path | None, coordsystem: Path | None) -> list[str]:
    """Set electrode positions as electrodes.tsv says; without one, those in the recording's own file stay.

    Positions are converted to metres by the unit that coordsystem.json gives. Whether that makes a head is not judged
    here.

    Returns
    -------
    list of str
        What a reader should know.
    """
    if electrodes is None:
        return []
    try:
        table = read_columns(electrodes, known=("name", "x", "y", "z"))
    except UnusableData as error:
        return [f"{error} Its positions are not used."]
    if not {"name", "x", "y", "z"} <= set(table):
        return [f"{electrodes} has not the columns name, x, y and z: its positions are not used."]
    system, notes = _system(electrodes, coordsystem)
    unit = str(system.get("EEGCoordinateUnits", "n/a"))
    points = {name: point * METRES.get(unit, 1.0) for name, point in _points(table).items()}
    if unit not in METRES:
        notes.append(f"{coordsystem or electrodes} gives no unit of the positions (m, cm or mm): '{unit}'.")
    contradictory = _contradictory(table)
    if contradictory:
        notes.append(f"{electrodes} gives different positions for {some(contradictory)} in several rows: none is used.")
        points = {name: point for name, point in points.items() if name not in contradictory}
    known = _by_plain_name(points)
    own = {name: points.get(name, known.get(plain_name(name))) for name in raw.ch_names}
    positions = {name: point for name, point in own.items() if point is not None and np.isfinite(point).all()}
    if not positions:
        return [*notes, f"{electrodes} has no position of any channel of the recording."]
    return notes + _place(raw, positions, system, unit, electrodes)


def _system(electrodes: Path, coordsystem: Path | None) -> tuple[Mapping[str, Any], list[str]]:
    if coordsystem is None:
        return {}, [f"No coordsystem.json describes {electrodes}: its axes are taken as right, nose and up."]
    try:
        return read_json(coordsystem), []
    except PredannError as error:
        return {}, [f"{error} The axes of {electrodes} are taken as right, nose and up."]


def _points(table: Table) -> dict[str, Any]:
    rows = zip(table["name"], table["x"], table["y"], table["z"], strict=True)
    return {name: np.array([_number(x), _number(y), _number(z)]) for name, x, y, z in rows}


def _contradictory(table: Table) -> list[str]:
    """List the electrodes that several rows put at different places."""
    rows = set(zip(table["name"], table["x"], table["y"], table["z"], strict=True))
    names = [name for name, *_ in rows]
    return sorted({name for name in names if names.count(name) > 1 and name != "n/a"})


def _by_plain_name(points: Mapping[str, Any]) -> dict[str, Any]:
    """Give positions by plain names, where only one electrode has the plain name."""
    plain = [plain_name(name) for name in points]
    return {plain_name(name): point for name, point in points.items() if plain.count(plain_name(name)) == 1}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _place(
    raw: BaseRaw, positions: Mapping[str, Any], system: Mapping[str, Any], unit: str, electrodes: Path
) -> list[str]:
    from mne.channels import make_dig_montage

    name = str(system.get("EEGCoordinateSystem", "n/a"))
    described = str(system.get("EEGCoordinateSystemDescription", "")).strip()
    landmarks = _landmarks(system, METRES.get(str(system.get("AnatomicalLandmarkCoordinateUnits", unit)), 1.0))
    if name in NOSE_IS_X or described in NOSE_IS_X:
        turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        positions = {channel: turn @ point for channel, point in positions.items()}
    elif name == "Other" and landmarks:
        montage = make_dig_montage(dict(positions), **landmarks, coord_frame="unknown")
        raw.set_montage(montage, on_missing="ignore", verbose="error")
        return []
    raw.set_montage(make_dig_montage(dict(positions), coord_frame="head"), on_missing="ignore", verbose="error")
    if name in ("Other", "n/a") and described not in NOSE_IS_X and system:
        return [f"The axes of {electrodes} are not known ('{name}'); they are taken as right, nose and up."]
    return []


def _landmarks(system: Mapping[str, Any], metres: float) -> dict[str, Any]:
    """Read nasion and ear points, all three or none, in metres."""
    given = system.get("AnatomicalLandmarkCoordinates")
    if not isinstance(given, dict):
        return {}
    found = {
        ours: np.array(given[key], dtype=float) * metres
        for ours, keys in FIDUCIALS.items()
        for key in keys
        if isinstance(given.get(key), list) and len(given[key]) == 3 and all(_is_finite(v) for v in given[key])
    }
    return found if len(found) == len(FIDUCIALS) else {}


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)

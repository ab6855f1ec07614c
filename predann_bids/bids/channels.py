"""Apply channels.tsv to a recording: names, types and units of its channels, and which are bad."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from predann_bids.bids.formats.units import unit_name, volts
from predann_bids.bids.rows import match_rows, read_channel_table
from predann_bids.errors import UnusableData, some

if TYPE_CHECKING:
    from mne.io import BaseRaw

    from predann_bids.arrays import Doubles

# BIDS -> MNE; all other types are "misc"
TYPES = {
    "EEG": "eeg",
    "EOG": "eog",
    "VEOG": "eog",
    "HEOG": "eog",
    "ECG": "ecg",
    "EMG": "emg",
    "TRIG": "stim",
    "RESP": "resp",
    "GSR": "gsr",
    "TEMP": "temperature",
    "EYEGAZE": "eyegaze",
    "PUPIL": "pupil",
}
# what a channel of which no table says the type is surely not, by its name
NAMED_TYPES = (
    (re.compile(r"[HV]?EOG[HVLRUD]?|[HV]EO[LRUD]?|[LIS]O", re.IGNORECASE), "eog"),
    (re.compile(r"E[CK]G", re.IGNORECASE), "ecg"),
    (re.compile(r"EMG", re.IGNORECASE), "emg"),
    (re.compile(r"STATUS|TRIG(GER)?|STI(M)?", re.IGNORECASE), "stim"),
    (re.compile(r"EXG|GSR|EDA|RESP(IRATION)?|TEMP|PLETH|PHOTO|AUDIO|AUX|ACC[XYZ]?|MIC|SPO2", re.IGNORECASE), "misc"),
)
# the spread of an EEG channel within a second, in volts, generously: apart by less than a factor of 10^6, so that
# volts and microvolts cannot both be right
PLAUSIBLE_VOLTS = (5e-8, 5e-3)
STRETCHES = 8


def apply_channels(raw: BaseRaw, path: Path | None, *, look_at_samples: bool = True) -> list[str]:
    """Set names, types and bad channels as channels.tsv says, and make sure that EEG is in volts.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        The recording as its own file describes it; changed in place.
    path : pathlib.Path, optional
        Its channels.tsv, if it has one.
    look_at_samples : bool
        Rescale EEG whose values are implausible in the unit of the file.

    Returns
    -------
    list of str
        What a reader should know.
    """
    notes, units = _apply(raw, path)
    return notes + (_in_volts(raw, units) if look_at_samples else [])


def _apply(raw: BaseRaw, path: Path | None) -> tuple[list[str], dict[str, str]]:
    """Set names, types and bad channels; return what a reader should know, and the unit of each channel."""
    try:
        table = read_channel_table(path) if path else {}
    except UnusableData as error:
        return [f"{error} It is not used.", *_guess_types(raw, raw.ch_names)], {}
    if path and "name" not in table:
        return [f"{path} has no column 'name': it is not used.", *_guess_types(raw, raw.ch_names)], {}
    rows, notes = match_rows(raw, table, path) if path else ({}, [])
    cells = {name: {column: values[row] for column, values in table.items()} for name, row in rows.items()}
    types = {name: cell["type"].upper() for name, cell in cells.items() if cell.get("type", "n/a") != "n/a"}
    raw.set_channel_types(
        {name: TYPES.get(kind, "misc") for name, kind in types.items()}, on_unit_change="ignore", verbose="error"
    )
    raw.info["bads"] = [name for name, cell in cells.items() if cell.get("status", "").lower() == "bad"]
    notes += _guess_types(raw, [name for name in raw.ch_names if name not in types])
    return notes, {name: cell.get("units", "n/a") for name, cell in cells.items()}


# -- types -----------------------------------------------------------------------------------------------------------


def _guess_types(raw: BaseRaw, names: Sequence[str]) -> list[str]:
    kinds = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    guessed = {
        name: kind
        for name in names
        for pattern, kind in NAMED_TYPES
        if kinds[name] == "eeg" and pattern.fullmatch(re.sub(r"[-_ ]?\d*$", "", name.strip()))
    }
    if not guessed:
        return []
    raw.set_channel_types(guessed, on_unit_change="ignore", verbose="error")
    return [f"No channels.tsv gives the type of {some(guessed)}; by its name, that is not taken for EEG."]


# -- units -------------------------------------------------------------------------------------------------------------


def _in_volts(raw: BaseRaw, units: Mapping[str, str]) -> list[str]:
    """Rescale EEG whose unit the file omits, or states so wrongly that only channels.tsv makes sense.

    The file's own unit is trusted before channels.tsv, which often says what another program made of the data.
    """
    eeg = [name for name, kind in zip(raw.ch_names, raw.get_channel_types(), strict=True) if kind == "eeg"]
    if not eeg:
        return []
    spread = _spread(raw, eeg)
    factors, notes = np.ones(len(eeg)), []
    own = {name: volts(unit) for name, unit in (getattr(raw, "_orig_units", None) or {}).items()}
    convention = 1e-6 if raw.filenames[0].suffix.lower() in (".set", ".fdt") else None
    groups: dict[tuple[float | None, float | None], list[int]] = {}
    for place, name in enumerate(eeg):
        groups.setdefault((own.get(name, convention), volts(units.get(name, "n/a"))), []).append(place)
    for (in_file, in_table), places in groups.items():
        factor, note = _factor(in_file, in_table, spread[places])
        factors[places] = factor
        if note:
            notes.append(f"{raw.filenames[0]}, channel {some([eeg[place] for place in places])}: {note}.")
    _scale(raw, eeg, factors)
    return notes


def _factor(in_file: float | None, in_table: float | None, spread: Doubles) -> tuple[float, str]:
    """Choose what to multiply values by; MNE has taken those of an unknown unit for volts."""
    known = [unit for unit in (in_file, in_table) if unit]
    candidates = known if in_file else [*known, 1e-6, 1.0]
    read_as = in_file or 1.0
    alive = spread[spread > 0]
    if not len(alive):
        return candidates[0] / read_as, ""
    typical = float(np.median(alive))
    low, high = PLAUSIBLE_VOLTS
    chosen = next((unit for unit in candidates if low < typical * unit / read_as < high), None)
    if chosen is None:
        return candidates[0] / read_as, (
            f"the values are implausible for EEG (they spread by {typical * candidates[0] / read_as:.2g} V within a"
            " second); check their unit"
        )
    if in_file and chosen != in_file:
        return chosen / read_as, (
            f"the values are implausible in the file's unit, so they are taken as {unit_name(chosen)}, as channels.tsv"
            " says"
        )
    if not in_file and chosen != in_table:
        return chosen / read_as, f"no unit is given; the values are taken as {unit_name(chosen)}"
    return chosen / read_as, ""


def _spread(raw: BaseRaw, names: Sequence[str]) -> Doubles:
    """Median over short stretches of the standard deviation within each, shape (channels,)."""
    length = max(2, min(raw.n_times, round(raw.info["sfreq"])))
    starts = np.linspace(0, max(0, raw.n_times - length), STRETCHES).astype(int)
    stretches = [raw.get_data(names, int(start), min(raw.n_times, int(start) + length)) for start in starts]
    with np.errstate(invalid="ignore", over="ignore"):
        spreads = np.array([stretch.std(axis=1) for stretch in stretches], dtype=np.float64)
    # what is not finite says nothing about the unit, like what is flat
    return np.asarray(np.median(np.where(np.isfinite(spreads), spreads, 0), axis=0))


def _scale(raw: BaseRaw, names: Sequence[str], factors: Doubles) -> None:
    if (factors == 1).all():
        return
    raw.load_data(verbose="error")  # MNE scales what is in memory only
    for factor in np.unique(factors[factors != 1]):
        picks = [name for name, own in zip(names, factors, strict=True) if own == factor]
        raw.apply_function(partial(np.multiply, factor), picks=picks, channel_wise=False, verbose="error")

"""Apply channels.tsv to a recording: names, types and units of its channels, and which are bad."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from predann_bids.bids.formats import numbered
from predann_bids.bids.tables import Table, read_columns
from predann_bids.errors import UnusableData

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
VOLTS = {"v": 1.0, "mv": 1e-3, "uv": 1e-6, "microv": 1e-6, "nv": 1e-9, "volt": 1.0, "microvolt": 1e-6}
# the spread of an EEG channel within a second, in volts, generously: apart by less than a factor of 10^6, so that
# volts and microvolts cannot both be right
PLAUSIBLE_VOLTS = (5e-8, 5e-3)
STRETCHES = 8


def apply_channels(raw: BaseRaw, path: Path | None) -> list[str]:
    """Set names, types and bad channels as channels.tsv says, and make sure that EEG is in volts.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        The recording as its own file describes it; changed in place.
    path : pathlib.Path, optional
        Its channels.tsv, if it has one.

    Returns
    -------
    list of str
        What a reader should know.
    """
    try:
        table = read_columns(path) if path else {}
    except UnusableData as error:
        return [f"{error} It is not used.", *_guess_types(raw, raw.ch_names), *_in_volts(raw, {})]
    if path and "name" not in table:
        notes = [f"{path} has no column 'name': it is not used."]
        return notes + _guess_types(raw, raw.ch_names) + _in_volts(raw, {})
    rows, notes = _match(raw, table, path) if path else ({}, [])
    cells = {name: {column: values[row] for column, values in table.items()} for name, row in rows.items()}
    types = {name: cell["type"].upper() for name, cell in cells.items() if cell.get("type", "n/a") != "n/a"}
    raw.set_channel_types(
        {name: TYPES.get(kind, "misc") for name, kind in types.items()}, on_unit_change="ignore", verbose="error"
    )
    raw.info["bads"] = [name for name, cell in cells.items() if cell.get("status", "").lower() == "bad"]
    notes += _guess_types(raw, [name for name in raw.ch_names if name not in types])
    return notes + _in_volts(raw, {name: cell.get("units", "n/a") for name, cell in cells.items()})


# -- names -------------------------------------------------------------------------------------------------------------


def plain_name(name: str) -> str:
    """Reduce a channel's name to what identifies it: `EEG Fp1-REF` and `FP1.` are both `fp1`."""
    text = re.sub(r"^(EEG|CH(?=[ _]))[ _]*(?=\S)", "", name.strip(), flags=re.IGNORECASE)
    text = re.sub(r"[ _-](REF|LE|AVG?|AR|CAR|A1|A2|M1|M2|A1A2|LINKED)$", "", text, flags=re.IGNORECASE)
    return re.sub(r"[ .]", "", text).lower() or name.strip().lower()


def _match(raw: BaseRaw, table: Table, path: Path) -> tuple[dict[str, int], list[str]]:
    """Find the row of each channel: by its name, by its plain name, or, where both ways fail, by its place."""
    names = numbered(table["name"])
    rows = {name: names.index(name) for name in raw.ch_names if name in names}
    for name in [name for name in raw.ch_names if name not in rows]:
        same = [i for i, n in enumerate(names) if plain_name(n) == plain_name(name) and i not in rows.values()]
        if len(same) == 1:
            raw.rename_channels({name: names[same[0]]}, verbose="error")
            rows[names[same[0]]] = same[0]
    notes = []
    others = [i for i in range(len(names)) if i not in rows.values()]
    unknown = [name for name in raw.ch_names if name not in rows]
    if unknown and others == [raw.ch_names.index(name) for name in unknown] and len(names) == len(raw.ch_names):
        renamed = {name: names[i] for name, i in zip(unknown, others, strict=True)}
        raw.rename_channels(renamed, verbose="error")
        rows |= {names[i]: i for i in others}
        pairs = _listed([f"{old} ({new})" for old, new in renamed.items()])
        notes.append(f"{path} calls channels otherwise than the recording does; their places are trusted: {pairs}.")
    else:
        stim = {n for n, kind in zip(raw.ch_names, raw.get_channel_types(), strict=True) if kind == "stim"}
        if set(unknown) - stim:
            missing = _listed([name for name in unknown if name not in stim])
            notes.append(f"{path} has no row for channel {missing} of the recording.")
        if others:
            notes.append(f"{path} names {_listed([names[i] for i in others])}, which the recording does not have.")
    return rows, notes


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
    return [f"No channels.tsv gives the type of {_listed(guessed)}; by its name, that is not taken for EEG."]


def _listed(names: Sequence[str] | Mapping[str, str]) -> str:
    names = list(names)
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


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
    own = {name: _volts(unit) for name, unit in (getattr(raw, "_orig_units", None) or {}).items()}
    convention = 1e-6 if raw.filenames[0].suffix.lower() in (".set", ".fdt") else None
    groups: dict[tuple[float | None, float | None], list[int]] = {}
    for place, name in enumerate(eeg):
        groups.setdefault((own.get(name, convention), _volts(units.get(name, "n/a"))), []).append(place)
    for (in_file, in_table), places in groups.items():
        factor, note = _factor(in_file, in_table, spread[places])
        factors[places] = factor
        if note:
            notes.append(f"{raw.filenames[0]}, channel {_listed([eeg[place] for place in places])}: {note}.")
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
            f"the values are implausible in the file's unit, so they are taken as {_unit_name(chosen)}, as channels.tsv"
            " says"
        )
    if not in_file and chosen != in_table:
        return chosen / read_as, f"no unit is given; the values are taken as {_unit_name(chosen)}"
    return chosen / read_as, ""


def _volts(unit: str) -> float | None:
    # micro has two code points, and some programs lose it
    text = re.sub("[\u00b5\u03bc]|\u00c2\u00b5", "u", unit.strip()).lower().rstrip("s")
    return VOLTS.get(text)


def _unit_name(volts: float) -> str:
    return {1.0: "V", 1e-3: "mV", 1e-6: "µV", 1e-9: "nV"}[volts]


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

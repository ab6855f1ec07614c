"""Rows of channels.tsv are matched by name, by place only where that is certain, and rename no good channel."""

import mne
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.bids.channels import apply_channels
from predann_bids.bids.positions import apply_positions
from predann_bids.bids.rows import match_rows

NAMES = ["Fp1", "Fp2", "C3", "C4", "Oz"]
PATH = "channels.tsv"


def raw_of(names, types="eeg"):
    return mne.io.RawArray(np.zeros((len(names), 10)), mne.create_info(list(names), 100.0, types), verbose="error")


def matched(names, rows, types="eeg", **columns):
    raw = raw_of(names, types)
    found, notes = match_rows(raw, {"name": list(rows), **columns}, PATH)
    return raw.ch_names, found, notes


@given(st.permutations(NAMES))
def test_in_any_order_every_channel_keeps_its_name_and_gets_its_own_row(order):
    names, rows, notes = matched(NAMES, order)
    assert names == NAMES
    assert {name: order[row] for name, row in rows.items()} == {name: name for name in NAMES}
    assert len(notes) == (order != NAMES)
    assert all("in another order than the recording" in note for note in notes)


@given(st.lists(st.sampled_from([*NAMES, "T7", "n/a"]), min_size=1, max_size=6))
def test_no_channel_whose_name_is_in_the_table_is_renamed(rows):
    names, found, _ = matched(NAMES, rows)
    assert len(names) == len(NAMES)
    assert all(new == old for old, new in zip(NAMES, names, strict=True) if old in rows)
    assert len(set(found.values())) == len(found)
    assert set(found) <= set(names)


def test_of_rows_of_one_name_the_one_at_the_channel_s_place_is_used_and_told():
    names, rows, notes = matched(NAMES, ["Fp1", "Fp2", "C3", "C4", "C4"], status=["good"] * 4 + ["bad"])
    assert names == NAMES
    assert rows == {"Fp1": 0, "Fp2": 1, "C3": 2, "C4": 3}
    assert "C4 in lines 5 and 6, the recording has it once: line 5 is used, line 6 is not" in notes[0]
    assert "no row for channel Oz" in notes[1]


def test_rows_of_one_name_that_contradict_each_other_elsewhere_are_not_used():
    names, rows, notes = matched(NAMES, ["Oz", "Oz", "C3", "C4"], status=["good", "bad", "good", "good"])
    assert names == NAMES
    assert set(rows) == {"C3", "C4"}
    assert "none of the lines is used" in notes[0]


def test_equal_rows_of_one_name_are_one():
    _, rows, notes = matched(NAMES, ["Oz", "Oz", *NAMES[:4]], type=["EEG"] * 6)
    assert rows["Oz"] == 0
    assert "lines 2 and 3" in notes[0]


def test_other_names_at_the_same_places_are_taken_when_all_else_is_in_place():
    names, rows, notes = matched([*NAMES, "Status"], ["A1", "A2", "C3", "C4", "A5", "Trigger"],
                                 types=["eeg"] * 5 + ["stim"], type=["EEG"] * 5 + ["TRIG"])  # fmt: skip
    assert names == ["A1", "A2", "C3", "C4", "A5", "Trigger"]
    assert rows == {name: place for place, name in enumerate(names)}
    assert "their places are trusted: Fp1 (A1), Fp2 (A2), Oz (A5), Status (Trigger)" in notes[0]


@pytest.mark.parametrize(
    ("rows", "types"),
    [(["A1", "A2", "C4", "C3", "A5"], None), (["A1", "A2", "C3", "C4"], None), (["A1", "A1", "C3", "C4", "A5"], None),
     (["A1", "n/a", "C3", "C4", "A5"], None), (["A1", "A2", "C3", "C4", "A5", "A6"], None),
     (["A1", "A2", "C3", "C4", "A5"], ["EEG"] * 5)],
)  # fmt: skip
def test_places_decide_nothing_where_they_are_not_certain(rows, types):
    kinds = ["stim", *["eeg"] * 4] if types else "eeg"
    names, found, notes = matched(NAMES, rows, kinds, **({"type": types} if types else {}))
    assert names == NAMES
    assert set(found) == {"C3", "C4"}
    assert not any("places are trusted" in note for note in notes)


def test_plain_names_that_two_channels_share_decide_nothing():
    names, found, _ = matched(["T7-A1", "T7-A2", "Cz"], ["T7", "CZ"])
    assert names == ["T7-A1", "T7-A2", "CZ"]
    assert found == {"CZ": 1}


def test_electrodes_in_two_places_have_none(tmp_path):
    table = tmp_path / "electrodes.tsv"
    table.write_text("name\tx\ty\tz\nFp1\t1\t2\t3\nFp1\t3\t2\t1\nOz\t4\t5\t6\nOz\t4\t5\t6\n")
    (tmp_path / "coordsystem.json").write_text('{"EEGCoordinateSystem": "CapTrak", "EEGCoordinateUnits": "mm"}')
    raw = raw_of(NAMES)
    (note,) = apply_positions(raw, table, tmp_path / "coordsystem.json")
    assert "different positions for Fp1 in several rows" in note
    known = [
        name for name, channel in zip(NAMES, raw.info["chs"], strict=True) if np.isfinite(channel["loc"][:3]).all()
    ]
    assert known == ["Oz"]


@pytest.mark.parametrize("missing", ["NA", "NaN", "null", "", "n/a"])
def test_a_type_that_is_not_known_is_no_type_whoever_wrote_the_table(tmp_path, missing):
    table = tmp_path / "channels.tsv"
    table.write_text(f"Name\tType\tUnits\tStatus\nFp1\t{missing}\t{missing}\tgood\nFp2\tEEG\tuV\tbad\n")
    raw = raw_of(["Fp1", "Fp2"])
    assert apply_channels(raw, table, look_at_samples=False) == []
    assert raw.get_channel_types() == ["eeg", "eeg"]
    assert raw.info["bads"] == ["Fp2"]

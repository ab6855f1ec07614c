"""Onsets in seconds against samples, as events.tsv may give both."""

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from predann_bids.bids.music.clocks import settle_onsets
from predann_bids.bids.music.cues import Cue, Cues
from predann_bids.errors import UnusableData

RATE = 250.0


def cues_of(rows):
    onsets = [float(row["onset"]) for row in rows]
    music = [Cue(f"line {i}", i, t, t, None, Path("a.wav"), "a", "a.wav") for i, t in enumerate(onsets, 2)]
    return Cues(tuple(music))


def rows_of(onsets, samples):
    return [{"onset": str(onset), "sample": str(sample)} for onset, sample in zip(onsets, samples, strict=True)]


def settle(onsets, samples, rate=RATE):
    rows = rows_of(onsets, samples)
    cues, notes = settle_onsets(cues_of(rows), rows, rate, "events.tsv")
    return [cue.onset for cue in cues.music], notes


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8, unique=True), st.sampled_from([0, 1]),
       st.sampled_from([100.0, 250.0, 512.0, 1000.0, 2048.0]), st.sampled_from([3, 4, 6]))  # fmt: skip
def test_samples_that_agree_change_nothing_whatever_they_are_counted_from(samples, first, rate, decimals):
    onsets = [round(sample / rate, decimals) for sample in samples]
    assert settle(onsets, [sample + first for sample in samples], rate) == (onsets, ())


def test_samples_are_taken_for_onsets_that_are_rounded_to_seconds():
    onsets, notes = settle([5, 20], [1363, 4910])
    assert onsets == [5.452, 19.64]
    assert "rounded, by up to 0.452 s" in notes[0]


def test_an_onset_shift_stays_what_the_map_says():
    rows = rows_of(["5"], [1300])
    music = (Cue("line 2", 2, 5.0, 15.0, None, Path("a.wav"), "a", "a.wav", end=5.0),)
    settled, _ = settle_onsets(Cues(music), rows, RATE, "events.tsv")
    assert (settled.music[0].marker, settled.music[0].onset, settled.music[0].end) == (5.2, 15.2, 5.2)


@pytest.mark.parametrize(("samples", "said"), [
    ([1250 + 2500, 5000 + 2500, 7525 + 2500], "counts from 10 s before"), ([5000, 20000, 30100], "is that of 1000 Hz"),
    ([0, 0, 0], "is 0 in all rows"),
])  # fmt: skip
def test_a_clock_that_differs_in_the_same_way_everywhere_is_told_and_not_used(samples, said):
    onsets, notes = settle([5.0, 20.0, 30.1], samples)
    assert onsets == [5.0, 20.0, 30.1]
    assert said in notes[0]


def test_clocks_that_contradict_each_other_stop_with_row_and_numbers():
    with pytest.raises(UnusableData, match=r"line 3: the onset is 20\.125 s, but sample 9000 is 36 s at 250 Hz"):
        settle([5.125, 20.125, 30.125], [1281, 9000, 7531])


@given(st.lists(st.integers(0, 200_000), min_size=4, max_size=8, unique=True), st.data())
def test_one_row_that_contradicts_is_found(samples, data):
    at = data.draw(st.integers(0, len(samples) - 1))
    off = data.draw(st.integers(-100_000, 100_000).filter(lambda off: abs(off) > 50))
    onsets = [sample / RATE for sample in samples]
    samples = [sample + off * (place == at) for place, sample in enumerate(samples)]
    assume(min(samples) >= 0)
    with pytest.raises(UnusableData, match=f"line {at + 2}:"):
        settle(onsets, samples)


@pytest.mark.parametrize("rows", [
    [{"onset": "5", "sample": "n/a"}], [{"onset": "5"}], [{"onset": "5", "sample": ""}],
    [{"onset": "5", "sample": "x"}],
])  # fmt: skip
def test_samples_that_are_not_given_are_no_clock(rows):
    cues = cues_of(rows)
    assert settle_onsets(cues, rows, RATE, "events.tsv") == (cues, ())

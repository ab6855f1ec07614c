import pytest
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.data.channels import (
    Recorded,
    common_channels,
    electrodes,
    indices_of,
    odd_ones_out,
    refuse_too_few_channels,
)
from predann_bids.errors import UnusableData, people, some
from predann_bids.workflows.group.inputs.notes import channel_notes

NEW, OLD = ["Fp1", "Cz", "T7", "P8"], ["T6", "CZ", "FP1", "T3", "EOG"]


def test_spelling_and_old_names_do_not_part_electrodes():
    assert common_channels([NEW, OLD]) == ("Fp1", "Cz", "T7", "P8")
    assert common_channels([OLD, NEW]) == ("T6", "CZ", "FP1", "T3")
    assert indices_of(["Fp1", "Cz", "T7", "P8"], OLD) == [2, 1, 3, 0]


def test_a_channel_that_is_bad_under_any_of_its_names_is_left_out():
    assert common_channels([NEW, OLD], excluded=frozenset({"T6", "P8", "cz", "Cz"})) == ("Fp1", "T7")


def test_a_recording_that_has_both_names_keeps_them_apart():
    assert electrodes(["T3", "T7", "Cz"]) == {"T3": "T3", "T7": "T7", "CZ": "Cz"}
    assert common_channels([["T3", "T7", "Cz"], ["T7", "Cz"]]) == ("T7", "Cz")


def test_what_a_decoder_wants_is_found_under_any_name_and_keeps_its_own():
    assert common_channels([OLD], wanted=["Cz", "T7"]) == ("Cz", "T7")
    with pytest.raises(UnusableData, match="missing or bad in some recordings: Oz"):
        common_channels([OLD], wanted=["Cz", "Oz"])


def test_recordings_without_a_common_electrode_are_refused_with_the_remedy():
    with pytest.raises(UnusableData, match="--channels interpolate"):
        common_channels([["E1"], ["Cz"]])


# Who differs from the others

CAP = tuple(f"C{number}" for number in range(32))
NUMBERED = tuple(f"EEG{number:03d}" for number in range(1, 33))


def recorded(*channels, bad=()):
    """Recordings of sub-01, sub-02, ...; `bad` maps their numbers to bad channels."""
    bad = dict(bad)
    return [
        Recorded(f"sub-{n:02d}", tuple(names), frozenset(bad.get(n, ()))) for n, names in enumerate(channels, start=1)
    ]


def refused(recordings, wanted=()):
    with pytest.raises(UnusableData) as error:
        refuse_too_few_channels(recordings, wanted)
    return str(error.value)


def in_common(owned, without):
    return len(set.intersection(*(set(things) for index, things in enumerate(owned) if index not in without)))


OWNED = st.lists(st.frozensets(st.integers(0, 9)), min_size=1, max_size=6)


@given(OWNED)
def test_the_odd_ones_are_fewer_than_half_and_without_them_more_is_common(owned):
    odd = odd_ones_out(owned)
    assert 2 * len(odd) < len(owned)
    assert not odd or in_common(owned, odd) > in_common(owned, ())


@given(st.integers(3, 9), st.integers(0, 3), st.integers(0, 8))
def test_whoever_names_all_channels_differently_is_found(n, n_odd, first):
    n_odd = min(n_odd, (n - 1) // 2)
    odd = {(first + index) % n for index in range(n_odd)}
    owned = [frozenset(NUMBERED if index in odd else CAP) for index in range(n)]
    assert set(odd_ones_out(owned)) == odd


@given(st.lists(st.frozensets(st.integers(0, 3), max_size=2), min_size=4, max_size=7), st.integers(0, 6))
def test_the_odd_one_among_many_that_lack_little_is_the_one_whose_removal_restores_most(lacking, place):
    owned = [frozenset(range(30)) - some_lack for some_lack in lacking]
    owned.insert(min(place, len(owned)), frozenset({0, 1, 2, 3}))
    (odd,) = odd_ones_out(owned)
    assert in_common(owned, (odd,)) == max(in_common(owned, (one,)) for one in range(len(owned)))


def test_one_missing_channel_is_no_reason_to_leave_anybody_out():
    assert odd_ones_out([frozenset(CAP)] * 11 + [frozenset(CAP[1:])]) == ()


def test_a_participant_with_other_names_is_named_with_what_to_do():
    message = refused(recorded(CAP, CAP, NUMBERED, CAP))
    assert "sub-03 has none of the 32 channels that the other 3 recordings have in common" in message
    assert "sub-03 has EEG001, EEG002, EEG003 and 29 more" in message
    assert "Rename" in message
    assert "--participant-label" in message
    assert "sub-01" not in message


def test_several_participants_with_other_names_are_all_named():
    message = refused(recorded(CAP, NUMBERED, NUMBERED, CAP, CAP))
    assert "sub-02, sub-03 have none of the 32 channels that the other 3 recordings have in common" in message
    assert "leave them out" in message


def test_a_participant_whose_channels_are_all_bad_is_named():
    message = refused(recorded(CAP, CAP, CAP, bad=[(2, CAP)]))
    assert "sub-02 has none of the 32 channels" in message
    assert "sub-02 has no good channel (32 are bad)" in message


def test_where_nobody_stands_out_all_are_shown():
    message = refused(recorded(CAP, NUMBERED))
    assert "sub-01 has C0, C1, C2 and 29 more, sub-02 has EEG001, EEG002, EEG003 and 29 more" in message
    assert "--channels interpolate" in message


def test_channels_that_a_decoder_wants_are_named_with_those_who_lack_them():
    message = refused(recorded(CAP, CAP[1:], CAP, bad=[(3, ["C0", "C5"])]), wanted=("C0", "C1", "C5", "Oz"))
    assert "C0 (sub-02, sub-03), C5 (sub-03), Oz (sub-01, sub-02, sub-03)." in message
    assert "--participant-label" in message
    refuse_too_few_channels(recorded(CAP, CAP[1:]), wanted=("c1",))


def test_the_note_says_who_lacks_which_channels():
    (note,) = channel_notes(recorded(CAP, CAP[1:], CAP, bad=[(3, ["C4"])]))
    assert "Of 32 channels, 30 are present and good in every recording" in note
    assert "sub-02 (C0); sub-03 (C4)." in note
    assert "Without" not in note
    assert channel_notes(recorded(CAP, CAP)) == ()


def test_the_note_says_without_whom_many_more_channels_could_be_used():
    (note,) = channel_notes(recorded(CAP, CAP, CAP[:6], CAP))
    assert "sub-03 (C6, C7, C8, C9 and 22 more)." in note
    assert "Without sub-03, 32 could be used instead of 6 (--participant-label)." in note


def test_many_names_are_counted():
    assert some(["a", "b", "c"], 2) == "a, b and 1 more"
    assert some([]) == ""
    assert people(["02", "01", "02"]) == "sub-01, sub-02"
    assert people(str(n) for n in range(7)) == "sub-0, sub-1, sub-2, sub-3, sub-4 and 2 more"

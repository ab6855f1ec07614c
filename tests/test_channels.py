import pytest

from predann_bids.data.channels import common_channels, electrodes, indices_of
from predann_bids.errors import UnusableData

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

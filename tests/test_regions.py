import mne
import numpy as np
import pytest
from scipy.spatial import KDTree

from predann_bids.data.regions import REGIONS, as_positions, head_regions, neighbourhoods, region_at, region_named

TEN_TEN = (
    "Fp1 Fpz Fp2 AF7 AF3 AFz AF4 AF8 F7 F5 F3 F1 Fz F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCz FC2 FC4 FC6 FT8 T7 C5 C3 C1 Cz C2"
    " C4 C6 T8 TP9 TP7 CP5 CP3 CP1 CPz CP2 CP4 CP6 TP8 TP10 P7 P5 P3 P1 Pz P2 P4 P6 P8 PO7 PO3 POz PO4 PO8 O1 Oz O2"
).split()


def head_positions(montage, names=None):
    """Positions in head coordinates, in metres."""
    montage = mne.channels.make_standard_montage(montage)
    names = [name for name in montage.ch_names if names is None or name in names]
    info = mne.create_info(names, 100.0, "eeg")
    info.set_montage(montage)
    return names, np.array([channel["loc"][:3] for channel in info["chs"]])


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("Fz", "mid frontal"),
        ("AF7", "left frontal"),
        ("FC2", "right central"),
        ("CPz", "mid central"),
        ("T7", "left temporal"),
        ("TP10", "right temporal"),
        ("T3", "left temporal"),
        ("T6", "right parietal"),
        ("P3", "left parietal"),
        ("POz", "mid occipital"),
        ("O2", "right occipital"),
        ("CCP5h", "left central"),
        ("fp1", "left frontal"),
        ("FP2", "right frontal"),
        ("M1", None),
        ("E17", None),
        ("C17", None),
        ("P0", None),
        ("EOG", None),
        ("Tz", None),
    ],
)
def test_names_of_the_10_20_system_tell_the_region(name, region):
    assert region_named(name) == region


@pytest.mark.parametrize("montage", ["colin27_1005", "biosemi64", "easycap-M1"])
def test_places_of_real_and_idealised_heads_tell_the_same_regions_as_names(montage):
    names, positions = head_positions(montage, TEN_TEN)
    assert len(names) > 55
    assert [region_at(position) for position in positions] == [region_named(name) for name in names]


@pytest.mark.parametrize("montage", ["GSN-HydroCel-128", "biosemi128", "biosemi256"])
def test_caps_with_other_names_are_divided_by_place_alike_on_both_sides(montage):
    names, positions = head_positions(montage)
    regions = head_regions(names, positions)
    assert list(regions) == list(REGIONS)
    assert sorted(np.concatenate(list(regions.values()))) == list(range(len(names)))
    for region, members in regions.items():
        assert len(members) == pytest.approx(len(regions[region.replace("left", "right")]), abs=1)
        side = {"left": -1, "mid": 0, "right": 1}[region.split()[0]]
        assert (np.sign(np.where(np.abs(positions[members, 0]) < 0.02, side, positions[members, 0])) == side).all()


def test_names_win_in_a_cap_of_the_10_20_system_and_places_fill_the_gaps():
    names, positions = head_positions("colin27_1005", TEN_TEN)
    renamed = ["X1" if name == "Oz" else name for name in names]
    regions = head_regions(renamed, positions)
    assert [renamed[index] for index in regions["mid occipital"]] == ["POz", "X1"]
    assert renamed.index("X1") not in np.concatenate(list(head_regions(renamed).values()))


def test_a_few_names_that_look_like_10_20_do_not_fool_an_abc_cap():
    names, positions = head_positions("biosemi128")
    by_place = [region_at(position) for position in positions]
    regions = head_regions(names, positions)
    assert all(by_place[index] == region for region, members in regions.items() for index in members)


def test_channels_that_nobody_can_place_are_in_no_region():
    assert head_regions(["A17", "B3", "E5"]) == {}
    assert head_regions(["E1", "E2"], np.full((2, 3), np.nan)) == {}


@pytest.mark.parametrize(("n_channels", "size"), [(8, 1), (32, 3), (61, 6)])
def test_neighbours_are_the_nearest_electrodes(n_channels, size):
    positions = head_positions("colin27_1005", TEN_TEN)[1][:n_channels]
    expected = KDTree(positions).query(positions, k=size + 1)[1]
    found = neighbourhoods(positions, n_channels)
    assert [set(group) for group in found] == [set(group) for group in expected]
    assert [group[0] for group in found] == list(range(n_channels))


def test_channels_without_a_position_have_no_neighbours_and_are_nobodys():
    positions = np.array([[0, 0, 0], [np.nan] * 3, [1, 0, 0], [3, 0, 0]], dtype=float)
    assert [group.tolist() for group in neighbourhoods(positions, 4)] == [[0, 2], [1], [2, 0], [3, 2]]
    assert [group.tolist() for group in neighbourhoods(None, 3)] == [[0], [1], [2]]


def test_electrodes_at_one_place_are_each_others_neighbours():
    assert [group.tolist() for group in neighbourhoods(np.zeros((2, 3)), 2)] == [[0, 1], [1, 0]]


def test_positions_follow_the_order_of_channels():
    laid_out = as_positions(["a", "b"], {"b": (1, 2, 3)})
    np.testing.assert_array_equal(laid_out, [[np.nan] * 3, [1, 2, 3]])

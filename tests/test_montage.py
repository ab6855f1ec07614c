"""Recordings with different electrodes are brought to one montage."""

import warnings

import mne
import numpy as np
import pytest

from predann_bids.data.channels import Recorded
from predann_bids.data.stores.mapped import EegStore
from predann_bids.errors import UnusableData
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.signals.montage import Electrodes, Target, bring_to, choose_target, spline_weights
from predann_bids.signals.scaling import Scaling
from predann_bids.workflows.group.inputs.notes import channel_notes, montage_notes

NAMES = ("Fp1", "Fp2", "F3", "Fz", "F4", "T7", "C3", "Cz", "C4", "T8", "P3", "Pz", "P4", "O1", "Oz", "O2")


def places(names, montage="standard_1005"):
    """Head coordinates of a template, as MNE gives them to a recording."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        info = mne.create_info(list(names), 100.0, "eeg").set_montage(montage)
    return {channel["ch_name"]: tuple(float(v) for v in channel["loc"][:3]) for channel in info["chs"]}


PLACES = places(NAMES)


def electrodes(channels=NAMES, bad=(), positions=PLACES, name="sub-01_task-music"):
    return Electrodes(name, tuple(channels), {c: positions[c] for c in channels if c in positions}, frozenset(bad))


def recording(channels=NAMES, data=None, resolution=None, seed=0):
    data = np.random.default_rng(seed).standard_normal((900, len(channels))) if data is None else data
    resolution = np.ones(len(channels)) if resolution is None else resolution
    return MappedRecording(data.astype(np.float32), resolution.astype(np.float32), tuple(channels), 125.0)


def potential(positions):
    """A smooth potential on the head (samples, channels): three gradients, each with its own time course."""
    waves = np.random.default_rng(3).standard_normal((900, 3))
    return waves @ (np.array(list(positions)) - [0, 0, 0.04]).T


# What to bring recordings to


def test_the_target_is_the_channel_set_of_most_recordings_in_the_order_of_the_first_of_them():
    few, turned = electrodes(NAMES[:9]), electrodes(NAMES[::-1])
    assert choose_target([few, turned, electrodes()]).channels == NAMES[::-1]
    assert choose_target([few, electrodes(), few]).channels == NAMES[:9]


def test_of_equally_frequent_channel_sets_the_larger_is_the_target():
    assert choose_target([electrodes(NAMES[:9]), electrodes()]).channels == NAMES


def test_a_channel_of_unknown_position_is_in_the_target_only_where_all_recordings_have_it():
    some = {**PLACES}
    some.pop("Cz")
    lacking = electrodes([name for name in NAMES if name != "Cz"])
    assert "Cz" in choose_target([electrodes(positions=some), electrodes(positions=some)]).channels
    assert "Cz" not in choose_target([electrodes(positions=some), electrodes(positions=some), lacking]).channels
    assert "Cz" not in choose_target([electrodes(positions=some), electrodes(bad=["Cz"], positions=some)]).channels


def test_positions_of_the_target_are_the_mean_of_those_who_have_its_channels():
    moved = {name: (x, y, z + 0.01) for name, (x, y, z) in PLACES.items()}
    target = choose_target([electrodes(), electrodes(positions=moved), electrodes(NAMES[:5])])
    np.testing.assert_allclose(target.positions["Cz"], np.add(PLACES["Cz"], [0, 0, 0.005]))


# How


def test_good_channels_are_taken_as_they_are_in_the_order_of_the_target():
    montage = bring_to(Target(NAMES, PLACES), [electrodes(NAMES[::-1])])
    samples = recording(NAMES[::-1]).data
    np.testing.assert_array_equal(montage.fills[0].apply(samples), samples[:, ::-1])
    assert montage.interpolated == (0,)


@pytest.mark.parametrize("bad", [["Cz"], ["T8", "P3", "Fp1"]])
def test_a_bad_channel_is_interpolated_as_mne_does_it(bad):
    some = recording(data=potential(PLACES.values()) + np.random.default_rng(0).standard_normal((900, 16)) * 0.01)
    fill = bring_to(choose_target([electrodes(bad=bad)]), [electrodes(bad=bad)]).fills[0]
    raw = mne.io.RawArray(some.data.T, mne.create_info(list(NAMES), 125.0, "eeg"), verbose="ERROR")
    raw.set_montage(mne.channels.make_dig_montage(dict(PLACES), coord_frame="head"))
    raw.info["bads"] = bad
    raw.interpolate_bads(verbose="ERROR")
    np.testing.assert_allclose(fill.apply(some.data), raw.get_data().T, atol=1e-5)


def test_what_is_bad_has_no_weight_in_what_is_interpolated():
    fill = bring_to(Target(NAMES, PLACES), [electrodes(bad=["Cz", "Oz"])]).fills[0]
    assert not fill.weights[:, [NAMES.index("Cz"), NAMES.index("Oz")]].any()
    np.testing.assert_allclose(fill.weights.sum(axis=1), 1, atol=1e-5)  # a constant stays one


def test_a_wholly_different_net_is_brought_to_the_target_by_where_its_electrodes_lie():
    egi = places([f"E{number}" for number in range(1, 65)], "GSN-HydroCel-64_1.0")
    net = electrodes(egi, positions=egi)
    fill = bring_to(Target(NAMES, PLACES), [net]).fills[0]
    assert fill.rows.tolist() == list(range(16))
    found = fill.apply(potential(egi.values()).astype(np.float32))
    for channel, wanted in enumerate(potential(PLACES.values()).T):
        assert np.corrcoef(found[:, channel], wanted)[0, 1] > 0.97


def test_a_channel_of_the_same_name_elsewhere_is_interpolated_to_where_it_was_in_that_recording():
    moved = {name: (-x, y, z) for name, (x, y, z) in PLACES.items()}
    one, other = (
        bring_to(Target(NAMES, PLACES), [electrodes(bad=["C3"], positions=p)]).fills[0].weights for p in (PLACES, moved)
    )
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_recordings_with_the_same_electrodes_share_their_weights():
    fills = bring_to(Target(NAMES, PLACES), [electrodes(bad=["Cz"]), electrodes(), electrodes(bad=["Cz"])]).fills
    assert fills[0] is fills[2]
    assert fills[0] is not fills[1]


def test_an_electrode_at_the_place_of_a_target_takes_most_of_the_weight():
    there = np.array([PLACES[name] for name in NAMES])
    (weights,) = spline_weights(there, there[3:4])
    assert weights.argmax() == 3
    assert 2 * weights[3] > np.abs(weights).sum()


def test_an_electrode_of_another_name_at_the_same_place_is_taken_as_it_is():
    older = {{"T7": "T3", "T8": "T4", "Fp1": "FP1"}.get(name, name): place for name, place in PLACES.items()}
    montage = bring_to(Target(NAMES, PLACES), [electrodes(older, positions=older)])
    samples = recording().data
    np.testing.assert_array_equal(montage.fills[0].apply(samples), samples)
    assert montage.interpolated == (0,)


def test_a_bad_electrode_at_the_same_place_is_not_taken():
    older = {{"T7": "T3"}.get(name, name): place for name, place in PLACES.items()}
    montage = bring_to(Target(NAMES, PLACES), [electrodes(older, bad=["T3"], positions=older)])
    assert montage.fills[0].rows.tolist() == [NAMES.index("T7")]


def test_recordings_without_positions_are_named_with_the_remedy():
    blind = [electrodes(NAMES[:9], positions={}, name=f"sub-{number:02d}") for number in range(8)]
    with pytest.raises(UnusableData, match=r"sub-00, .*sub-04 and 3 more: .* Use --channels common") as caught:
        bring_to(Target(NAMES, PLACES), [*blind, electrodes()])
    assert "sub-05" not in str(caught.value)


def test_recordings_without_positions_that_lack_nothing_need_none():
    assert bring_to(Target(NAMES, {}), [electrodes(positions={})]).interpolated == (0,)


def test_a_target_channel_that_nobody_has_a_position_of_is_named():
    with pytest.raises(UnusableData, match="No recording gives the position of A1"):
        bring_to(Target((*NAMES, "A1"), PLACES), [electrodes()])


def test_fingerprints_tell_weights_apart_and_nothing_else():
    bad = [electrodes(bad=["Cz"])]
    same = [bring_to(Target(NAMES, PLACES), bad).fingerprint() for _ in range(2)]
    other = bring_to(Target(NAMES, PLACES), [electrodes(bad=["Pz"])]).fingerprint()
    assert same[0] == same[1] != other


# Windows


def test_windows_and_scaling_are_those_of_the_montage():
    sides = [electrodes(), electrodes(NAMES[::-1], bad=["Oz"])]
    data = [recording(), recording(NAMES[::-1], seed=1)]
    montage = bring_to(choose_target(sides), sides)
    store = EegStore.open(data, montage=montage)
    assert store.channels == NAMES
    expected = montage.fills[1].apply(data[1].data)
    np.testing.assert_allclose(store.scalings[1].mixing, Scaling.of(expected).mixing, rtol=1e-5)
    np.testing.assert_array_equal(store.scalings[0].mixing, Scaling.of(data[0].data).mixing)


def test_units_of_channels_do_not_matter_to_what_is_interpolated():
    units = np.ones(16)
    units[3] = 0.1
    plain, stored = recording(), recording(data=recording().data / units, resolution=units)
    sides = [electrodes(bad=["Cz"])]
    montage = bring_to(choose_target(sides), sides)
    one, other = (EegStore.open([some], montage=montage) for some in (plain, stored))
    np.testing.assert_allclose(one.scalings[0].mixing, other.scalings[0].mixing, atol=1e-4)


# What the report says


def test_notes_tell_how_many_channels_were_interpolated_in_how_many_recordings():
    sides = [electrodes(), electrodes(bad=["Cz"]), electrodes(NAMES[:13])]
    (note,) = montage_notes(bring_to(Target(NAMES, PLACES), sides), ["sub-01", "sub-02", "sub-03"])
    assert "16 channels: in 2 of 3 recordings, 1 to 3 of them were interpolated" in note
    assert note.endswith("(sub-02, sub-03).")
    assert montage_notes(bring_to(Target(NAMES, PLACES), sides[:1]), ["sub-01"]) == ()


@pytest.mark.parametrize(("kept", "advised"), [(12, False), (8, False), (7, True)])
def test_interpolation_is_advised_where_few_common_channels_are_left(kept, advised):
    channels = NAMES[:kept] if kept == 12 else NAMES
    bad = frozenset(NAMES[kept:])
    (note,) = channel_notes([Recorded("sub-01", NAMES), Recorded("sub-02", channels, bad)])
    assert ("--channels interpolate" in note) == advised


def test_recordings_without_a_common_channel_are_refused_with_the_remedy():
    with pytest.raises(UnusableData, match="--channels interpolate"):
        EegStore.open([recording(["Fz"]), recording(["Cz"])])


def test_a_decoder_on_channels_that_are_missing_is_refused_with_the_remedy():
    with pytest.raises(UnusableData, match=r"T9.*--channels interpolate"):
        EegStore.open([recording()], wanted=("Fz", "T9"))

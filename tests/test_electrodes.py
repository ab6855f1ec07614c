"""Measured positions put right, and templates found by the names of channels."""

import numpy as np
import pytest

from predann_bids.signals.preprocessing.electrodes import (
    find_template,
    has_positions,
    place_electrodes,
    without_position,
)

NAMES = "Fp1 Fp2 F3 Fz F4 T7 C3 Cz C4 T8 P3 Pz P4 O1 Oz O2".split()


def record(names, places=None):
    import mne

    raw = mne.io.RawArray(np.zeros((len(names), 10)), mne.create_info(list(names), 100.0, "eeg"), verbose="error")
    if places is not None:
        for channel in raw.info["chs"]:
            channel["loc"][:3] = places.get(channel["ch_name"], np.nan)
    return raw


def places(raw):
    return np.array([channel["loc"][:3] for channel in raw.info["chs"]])


@pytest.fixture(scope="module")
def cap():
    """Head coordinates of `NAMES` in metres, as MNE sets them, moved a little, as measured ones are."""
    raw = record(NAMES)
    raw.set_montage("colin27_1005")
    jitter = np.random.default_rng(0).normal(0, 0.003, (len(NAMES), 3))
    return dict(zip(NAMES, places(raw) + jitter, strict=True))


def steps(raw):
    return {step.name: step.parameters for step in place_electrodes(raw)}


# -- measured ----------------------------------------------------------------------------------------------------------


def test_sound_positions_are_left_alone(cap):
    raw = record(NAMES, cap)
    assert steps(raw) == {}
    np.testing.assert_array_equal(places(raw), np.array(list(cap.values())))


@pytest.mark.parametrize("power", [-3, -2, -1, 1, 2, 3])
def test_positions_in_a_wrong_unit_are_rescaled_with_a_note(cap, power):
    raw = record(NAMES, {name: place * 10.0**power for name, place in cap.items()})
    assert steps(raw)["positions rescaled"]["factor"] == pytest.approx(10.0**-power)
    np.testing.assert_allclose(places(raw), np.array(list(cap.values())), rtol=1e-6)


def test_directions_alone_become_a_head_of_usual_size():
    points = np.random.default_rng(1).normal(size=(30, 3))
    points[:, 2] = abs(points[:, 2])
    points *= 0.33 / np.linalg.norm(points, axis=1, keepdims=True)
    raw = record([f"x{i}" for i in range(30)], {f"x{i}": point for i, point in enumerate(points)})
    assert "only directions" in steps(raw)["positions rescaled"]["reason"]
    np.testing.assert_allclose(np.linalg.norm(places(raw), axis=1), 0.095, rtol=1e-6)


@pytest.mark.parametrize(
    ("mistake", "x", "y"),
    [(lambda x, y: (y, -x), "-y", "x"), (lambda x, y: (-x, -y), "-x", "-y"), (lambda x, y: (y, x), "y", "x"),
     (lambda x, y: (-x, y), "-x", "y")],
)  # fmt: skip
def test_mistaken_axes_are_exchanged_with_a_note(cap, mistake, x, y):
    raw = record(NAMES, {name: np.array([*mistake(*place[:2]), place[2]]) for name, place in cap.items()})
    turned = steps(raw)["positions turned"]
    assert (turned["x"], turned["y"]) == (x, y)
    np.testing.assert_allclose(places(raw), np.array(list(cap.values())), atol=1e-9)


def test_missing_positions_are_completed_from_the_template_fitted_to_the_measured(cap):
    shift, larger = np.array([0.0, 0.01, 0.02]), 1.1
    measured = {name: place * larger + shift for name, place in cap.items()}
    raw = record(NAMES, {name: place for name, place in measured.items() if name not in ("Cz", "O2")})
    assert steps(raw)["positions completed"]["channels"] == ["Cz", "O2"]
    for name in ("Cz", "O2"):
        assert np.linalg.norm(places(raw)[NAMES.index(name)] - measured[name]) < 0.01


@pytest.mark.parametrize("bad", [np.zeros(3), np.full(3, np.nan)])
def test_what_no_one_knows_is_told_and_stays_unknown(bad):
    names = [*NAMES, "X1"]
    raw = record(NAMES)
    raw.set_montage("colin27_1005")
    raw = record(names, {**dict(zip(NAMES, places(raw), strict=True)), "X1": bad})
    assert steps(raw)["positions missing"]["channels"] == ["X1"]
    assert without_position(raw) == ["X1"]
    assert not has_positions(raw)
    assert np.isnan(places(raw)[-1]).all()


def test_two_electrodes_at_one_place_are_put_where_their_names_belong(cap):
    raw = record(NAMES, cap | {"Pz": cap["Oz"]})
    done = steps(raw)
    assert done["positions dropped"]["channels"] == ["Pz", "Oz"]
    assert done["positions completed"]["channels"] == ["Pz", "Oz"]
    for name in ("Pz", "Oz"):
        assert np.linalg.norm(places(raw)[NAMES.index(name)] - cap[name]) < 0.015


# -- templates ---------------------------------------------------------------------------------------------------------


def template_places(montage, labels):
    raw = record(labels)
    raw.set_montage(montage)
    return places(raw)


@pytest.mark.parametrize(
    "write",
    [str, str.upper, str.lower, "EEG {}".format, "EEG {}-REF".format, "{}.".format, "{}-A2".format, "{}-Cz".format,
     "EEG {}-LE".format, " {} ".format],
)  # fmt: skip
def test_names_of_the_10_05_system_are_known_however_they_are_written(write):
    raw = record([write(name) for name in NAMES])
    assert steps(raw) == {"template positions": {"montage": "colin27_1005"}}
    np.testing.assert_allclose(places(raw), template_places("colin27_1005", NAMES), atol=1e-9)


def test_old_names_are_known():
    raw = record(["FP1", "Cz", "O1", "T3", "T4", "T5", "T6"])
    place_electrodes(raw)
    expected = template_places("colin27_1005", ["Fp1", "Cz", "O1", "T7", "T8", "P7", "P8"])
    np.testing.assert_allclose(places(raw), expected, atol=1e-9)


@pytest.mark.parametrize(("size", "boxes"), [(32, "A"), (64, "AB"), (128, "ABCD"), (160, "ABCDE"), (256, "ABCDEFGH")])
def test_plugs_of_biosemi_caps_are_known(size, boxes):
    from mne.channels import make_standard_montage

    raw = record([f"{box}{number}" for box in boxes for number in range(1, 33)])
    assert steps(raw) == {"template positions": {"montage": f"biosemi{size}"}}
    labels = make_standard_montage(f"biosemi{size}").ch_names
    np.testing.assert_allclose(places(raw), template_places(f"biosemi{size}", labels), atol=1e-9)


@pytest.mark.parametrize("vertex", ["Cz", "VREF", "E{}"])
@pytest.mark.parametrize(
    ("size", "montage"), [(32, "GSN-HydroCel-32"), (64, "GSN-HydroCel-65_1.0"), (128, "GSN-HydroCel-129"),
                          (256, "GSN-HydroCel-257")]
)  # fmt: skip
def test_electrodes_of_geodesic_nets_are_known(size, montage, vertex):
    names = [f"E{number}" for number in range(1, size + 1)]
    raw = record([*names, vertex.format(size + 1)])
    assert steps(raw) == {"template positions": {"montage": montage}}
    np.testing.assert_allclose(places(raw), template_places(montage, [*names, "Cz"]), atol=1e-9)


def test_names_that_no_template_knows_give_no_positions():
    for names in (["1", "2", "3", "4"], ["Fp1-F7", "F7-T7", "T7-P7"], ["Cz", "foo", "bar"]):
        assert find_template(names) is None
        raw = record(names)
        assert steps(raw) == {}
        assert np.isnan(places(raw)).all()


def test_one_unknown_name_in_ten_is_left_without_a_position():
    raw = record([*NAMES, "extra"])
    done = steps(raw)
    assert done["template positions"]["montage"] == "colin27_1005"
    assert done["positions missing"]["channels"] == ["extra"]


def test_an_old_and_a_new_name_of_one_place_are_not_both_placed():
    raw = record([*NAMES, "T3"])
    assert steps(raw)["positions missing"]["channels"] == ["T3"]


def test_channels_that_are_no_eeg_are_not_asked_for():
    raw = record([*NAMES, "eye"])
    raw.set_channel_types({"eye": "eog"})
    assert steps(raw) == {"template positions": {"montage": "colin27_1005"}}

import mne
import numpy as np
import pytest

from predann_bids.errors import UnusableData
from predann_bids.signals.preprocessing.spatial import has_positions, matrix_of, sphere_origin
from predann_bids.signals.preprocessing.steps.interpolation import interpolation
from predann_bids.signals.preprocessing.steps.reference import reference

RATE_HZ = 100.0


@pytest.fixture
def make_info():
    def make(montage="biosemi32", names=None, bads=()):
        template = mne.channels.make_standard_montage(montage) if montage else None
        info = mne.create_info(list(names or template.ch_names), RATE_HZ, "eeg")
        if template:
            info.set_montage(template, match_case=False, on_missing="ignore", verbose="error")
        info["bads"] = list(bads)
        return info

    return make


@pytest.fixture
def noise():
    def noise(info):
        data = 1e-5 * np.random.default_rng(0).standard_normal((len(info["ch_names"]), 50))
        return mne.io.RawArray(data, info, verbose="error")

    return noise


def test_a_step_done_in_place_or_not_has_the_same_matrix(make_info):
    info = make_info()

    def in_place(raw):
        raw._data[:] = 2 * raw.get_data()[::-1]

    def anew(raw):
        return mne.io.RawArray(2 * raw.get_data()[::-1], raw.info, verbose="error")

    np.testing.assert_array_equal(matrix_of(info, in_place), matrix_of(info, anew))
    np.testing.assert_array_equal(matrix_of(info, in_place), 2 * np.eye(32)[::-1])


def test_the_matrix_of_an_affine_step_is_without_its_constant(make_info):
    def shift(raw):
        raw._data[:] = 3 * raw.get_data() + 7

    np.testing.assert_allclose(matrix_of(make_info(), shift), 3 * np.eye(32))


def test_a_step_that_drops_channels_has_fewer_rows(make_info):
    matrix = matrix_of(make_info(), lambda raw: raw.pick(["Cz", "Fp1"]))
    assert matrix.shape == (2, 32)


def test_interpolation_is_what_mne_does_to_a_recording(make_info, noise):
    raw = noise(make_info(bads=["Cz", "Fp1"]))
    matrix, step = interpolation(raw.info, ["Cz", "Fp1"])
    by_mne = raw.copy().interpolate_bads(verbose="error").get_data()
    # MNE fits the sphere to the fiducials as well, which moves its centre by some millimetres
    np.testing.assert_allclose(matrix @ raw.get_data(), by_mne, atol=0.05 * np.std(by_mne))
    assert step.name == "interpolation"
    assert step.parameters == {"method": "spherical splines", "channels": ["Fp1", "Cz"]}


def test_interpolation_restores_a_smooth_field_and_leaves_good_channels_alone(make_info):
    info = make_info()
    places = np.array([channel["loc"][:3] for channel in info["chs"]])
    field = places @ np.array([1.0, 2.0, 3.0])
    bad = info["ch_names"].index("Cz")
    matrix, _ = interpolation(info, ["Cz"])
    damaged = np.where(np.arange(32) == bad, 99.0, field)
    np.testing.assert_allclose((matrix @ damaged)[bad], field[bad], rtol=0.05)
    np.testing.assert_allclose(np.delete(matrix @ damaged, bad), np.delete(field, bad))


def test_the_unit_of_positions_does_not_change_interpolation(make_info):
    metres, wrong = make_info(), make_info()
    for channel in wrong["chs"]:
        channel["loc"][:3] *= 10
    np.testing.assert_allclose(interpolation(metres, ["Cz"])[0], interpolation(wrong, ["Cz"])[0], atol=1e-9)


def test_without_positions_bad_channels_stay_and_the_step_says_so(make_info):
    matrix, step = interpolation(make_info(montage=None, names=["a", "b", "c", "d", "e"]), ["a"])
    np.testing.assert_array_equal(matrix, np.eye(5))
    assert step.name == "no interpolation"
    assert "positions" in step.parameters["reason"]


def test_channels_without_a_position_are_neither_interpolated_nor_interpolated_from(make_info):
    info = make_info(names=["Fz", "unknown", "Cz", "Pz", "Oz", "C3", "C4", "other"])
    matrix, step = interpolation(info, ["Cz", "other"])
    assert step.parameters["channels"] == ["Cz"]
    np.testing.assert_array_equal(matrix[:, [1, 7]], np.eye(8)[:, [1, 7]])
    without = make_info(names=["Fz", "Cz", "Pz", "Oz", "C3", "C4"])
    placed = [0, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(matrix[np.ix_(placed, placed)], interpolation(without, ["Cz"])[0])


def test_too_few_good_channels_are_not_interpolated_from(make_info):
    info = make_info(names=["Fz", "Cz", "Pz", "Oz", "C3"])
    _, step = interpolation(info, ["Fz", "Cz"])
    assert step.name == "no interpolation"


@pytest.mark.parametrize("scale", [0.1, 1.0, 100.0])
def test_the_centre_of_a_sphere_is_found_at_any_scale(scale):
    directions = np.random.default_rng(1).standard_normal((20, 3))
    directions[:, 2] = np.abs(directions[:, 2])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    centre = np.array([0.001, 0.01, 0.04])
    np.testing.assert_allclose(sphere_origin(scale * (centre + 0.09 * directions)), scale * centre, atol=1e-6 * scale)


def test_electrodes_on_a_ring_get_the_usual_centre():
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = 0.1 * np.column_stack([np.cos(angles), np.sin(angles), np.zeros(12)])
    np.testing.assert_allclose(sphere_origin(ring), [0, 0, 0.04])


def test_positions_at_the_origin_are_none(make_info):
    info = make_info()
    assert has_positions(info)
    info["chs"][3]["loc"][:3] = 0
    assert not has_positions(info)


def test_the_average_reference_subtracts_the_mean(make_info):
    matrix, step = reference(make_info(), "average")
    np.testing.assert_allclose(matrix, np.eye(32) - 1 / 32, atol=1e-12)
    assert (step.name, step.parameters) == ("reference", {"kind": "average"})


def test_bad_channels_are_no_part_of_the_average(make_info):
    info = make_info(bads=["Fp1"])
    matrix, step = reference(info, "average")
    bad = info["ch_names"].index("Fp1")
    assert np.delete(matrix[:, bad], bad) == pytest.approx(0)
    np.testing.assert_allclose(np.delete(matrix, bad, axis=0).mean(axis=0), 0, atol=1e-12)
    assert step.parameters["excluded"] == ["Fp1"]


@pytest.mark.parametrize("written", ["P9,P10", "p10 , p9", "P9,P10,P9"])
def test_named_channels_are_found_whatever_their_case(make_info, written):
    info = make_info(names=["Fz", "P9", "P10"], montage=None)
    matrix, step = reference(info, written)
    np.testing.assert_allclose(matrix @ [1, 2, 4], np.array([1, 2, 4]) - 3)
    assert sorted(step.parameters["channels"]) == ["P10", "P9"]


def test_a_missing_reference_is_named_with_those_that_exist(make_info):
    with pytest.raises(UnusableData, match=r"P99 is not among the EEG channels \(Fz, Cz\)"):
        reference(make_info(names=["Fz", "Cz"], montage=None), "Cz,P99")


def test_a_list_of_nothing_is_refused(make_info):
    with pytest.raises(UnusableData, match="not among"):
        reference(make_info(names=["Fz", "Cz"], montage=None), " , ")


def test_a_bad_channel_is_no_reference(make_info):
    with pytest.raises(UnusableData, match="Cz is a bad channel"):
        reference(make_info(bads=["Cz"]), "Cz")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["Fz", "M1", "M2"], ["M1", "M2"]),
        (["Fz", "a1", "A2"], ["a1", "A2"]),
        (["TP10", "Tp9", "Fz"], ["Tp9", "TP10"]),
        ([f"E{number}" for number in range(1, 130)], ["E57", "E100"]),
        ([*(f"E{number}" for number in range(1, 129)), "Cz"], ["E57", "E100"]),
        ([f"E{number}" for number in range(1, 257)], ["E94", "E190"]),
    ],
)
def test_mastoids_are_known_by_their_names(make_info, names, found):
    matrix, step = reference(make_info(names=names, montage=None), "mastoids")
    assert step.parameters == {"kind": "mastoids", "channels": found}
    rows = [names.index(name) for name in found]
    np.testing.assert_allclose(matrix[rows].sum(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize(("net", "pair"), [("128", ("E57", "E100")), ("256", ("E94", "E190"))])
def test_the_mastoids_of_geodesic_nets_lie_behind_the_ears(net, pair):
    places = mne.channels.make_standard_montage(f"GSN-HydroCel-{net}").get_positions()["ch_pos"]
    template = mne.channels.make_standard_montage("colin27_1020").get_positions()["ch_pos"]
    for name, known in zip(pair, ("TP9", "TP10"), strict=True):
        cosine = places[name] @ template[known] / np.linalg.norm(places[name]) / np.linalg.norm(template[known])
        assert cosine > 0.98


def test_a_recording_without_mastoids_says_what_was_looked_for(make_info):
    with pytest.raises(UnusableData, match=r"M1/M2.*there are Fz, M1"):
        reference(make_info(names=["Fz", "M1"], montage=None), "mastoids")


def test_a_smaller_net_s_e57_is_not_a_mastoid(make_info):
    with pytest.raises(UnusableData, match="no mastoids"):
        reference(make_info(names=[f"E{number}" for number in range(1, 65)], montage=None), "mastoids")


def test_no_reference_changes_nothing(make_info):
    matrix, step = reference(make_info(), "none")
    np.testing.assert_array_equal(matrix, np.eye(32))
    assert step.name == "no reference"


def test_rest_differs_from_the_average_by_the_same_for_all_channels(make_info):
    difference = reference(make_info(), "rest")[0] - reference(make_info(), "average")[0]
    np.testing.assert_allclose(difference, np.tile(difference[:1], (32, 1)), atol=1e-9)
    np.testing.assert_allclose(reference(make_info(), "rest")[0].sum(axis=1), 0, atol=1e-9)


def test_rest_brings_dipoles_closer_to_infinity_than_the_average_does(make_info):
    """Potentials against infinity of dipoles that are not on the grid, as MNE computes them, are recovered."""
    info = make_info()
    sphere = mne.make_sphere_model("auto", "auto", info, verbose="error")
    places = {"rr": sphere["r0"] + np.array([[0.01, 0.02, 0.05], [-0.03, 0.01, 0.04], [0.02, -0.03, 0.04]])}
    places["nn"] = np.array([[0, 0, 1.0], [0, 1.0, 0], [1.0, 0, 0]])
    sources = mne.setup_volume_source_space(pos=places, verbose="error")
    forward = mne.make_forward_solution(info, None, sources, sphere, meg=False, verbose="error")
    potentials = forward["sol"]["data"]
    rest, average = (np.linalg.norm(reference(info, kind)[0] @ potentials - potentials) for kind in ("rest", "average"))
    assert rest < 0.5 * average


def test_bad_channels_are_no_part_of_rest(make_info):
    info = make_info(bads=["Fp1"])
    bad = info["ch_names"].index("Fp1")
    np.testing.assert_allclose(np.delete(reference(info, "rest")[0][:, bad], bad), 0, atol=1e-12)


def test_rest_without_positions_is_refused(make_info):
    with pytest.raises(UnusableData, match="REST needs the positions"):
        reference(make_info(names=["a", "b"], montage=None), "rest")

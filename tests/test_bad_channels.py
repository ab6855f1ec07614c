import mne
import numpy as np
import pytest

from predann_bids.config import Preprocessing
from predann_bids.signals.preprocessing.steps.bad_channels import find_bad_channels
from predann_bids.signals.preprocessing.stretches import evenly_spaced, quiet, worth_judging

RATE_HZ = 250.0


@pytest.fixture(scope="module")
def good():
    """Thirty-two channels that see the same twelve smooth sources, each with a little noise of its own; read-only."""
    rng = np.random.default_rng(0)
    montage = mne.channels.make_standard_montage("biosemi32")
    info = mne.create_info(montage.ch_names, RATE_HZ, "eeg")
    info.set_montage(montage)
    places = np.array([channel["loc"][:3] for channel in info["chs"]])
    places = places / np.linalg.norm(places, axis=1, keepdims=True)
    centres = rng.standard_normal((12, 3))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    fields = np.exp(2 * places @ centres.T)
    samples = int(40 * RATE_HZ)
    hz = np.fft.rfftfreq(samples, 1 / RATE_HZ)
    activity = np.fft.irfft(np.fft.rfft(rng.standard_normal((12, samples))) / np.maximum(hz, 1), samples)
    data = fields @ activity
    # alike in amplitude, as channels of a real cap are, give or take a fifth
    data *= 1e-5 * rng.uniform(0.8, 1.2, (32, 1)) / data.std(axis=1, keepdims=True)
    data += 3e-7 * rng.standard_normal(data.shape)
    return mne.io.RawArray(data, info, verbose="error").filter(1, None, verbose="error")


@pytest.fixture
def raw(good):
    return good.copy()


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def test_good_channels_are_left_alone(raw):
    result = find_bad_channels(raw, Preprocessing())
    assert result.reasons == {}
    assert result.skipped == {}
    assert result.warnings == ()


def test_a_dead_channel_is_flat(raw):
    raw._data[3] = 1e-5
    assert find_bad_channels(raw, Preprocessing()).reasons == {raw.ch_names[3]: ("flat",)}


def test_a_channel_of_great_amplitude_deviates(raw):
    raw._data[3] *= 20
    assert find_bad_channels(raw, Preprocessing()).reasons[raw.ch_names[3]] == ("deviation",)


def test_a_loose_electrode_is_noisy_and_correlates_with_none(raw, rng):
    raw._data[3] = 1e-5 * rng.standard_normal(raw.n_times)
    assert {"hf noise", "correlation"} <= set(find_bad_channels(raw, Preprocessing()).reasons[raw.ch_names[3]])


def test_a_drift_of_its_own_does_not_correlate_with_the_brain(raw, rng):
    drift = np.cumsum(rng.standard_normal(raw.n_times))
    raw._data[3] = mne.filter.filter_data(drift, RATE_HZ, 1, 5, verbose="error")
    raw._data[3] *= 1e-5 / raw._data[3].std()
    reasons = find_bad_channels(raw, Preprocessing()).reasons
    assert "correlation" in reasons[raw.ch_names[3]]
    assert "hf noise" not in reasons[raw.ch_names[3]]
    assert list(reasons) == [raw.ch_names[3]]


def test_a_channel_that_drops_out_at_times_is_told_from_a_flat_one(raw):
    raw._data[3, 2000:4000] = 0
    assert "dropout" in find_bad_channels(raw, Preprocessing()).reasons[raw.ch_names[3]]


def test_a_single_second_does_not_make_a_channel_of_a_short_recording_bad(raw, rng):
    raw._data[3, 1000:1250] = 1e-5 * rng.standard_normal(250)
    assert find_bad_channels(raw, Preprocessing()).reasons == {}
    raw._data[3, 5000:5250] = 1e-5 * rng.standard_normal(250)
    assert "correlation" in find_bad_channels(raw, Preprocessing()).reasons[raw.ch_names[3]]


def test_a_channel_in_the_wrong_place_is_not_what_its_neighbours_predict(raw):
    raw._data[3] = -raw._data[3]
    reasons = find_bad_channels(raw, Preprocessing()).reasons
    assert reasons == {raw.ch_names[3]: ("ransac",)}
    without = find_bad_channels(raw, Preprocessing(bad_channels_ransac=False))
    assert without.reasons == {}
    assert without.skipped == {"ransac": "not asked for"}


@pytest.mark.parametrize(
    ("field", "criterion"),
    [("bad_channels_deviation", "deviation"), ("bad_channels_hf_noise", "hf noise")],
)
def test_thresholds_are_those_of_the_configuration(raw, rng, field, criterion):
    raw._data[3] = 3 * raw._data[3] + 3e-6 * rng.standard_normal(raw.n_times)
    assert criterion in find_bad_channels(raw, Preprocessing(**{field: 1})).reasons[raw.ch_names[3]]
    assert criterion not in find_bad_channels(raw, Preprocessing(**{field: 1e6})).reasons.get(raw.ch_names[3], ())


def test_the_threshold_of_correlation_is_that_of_the_configuration(raw, rng):
    raw._data[3] += 1.5e-5 * rng.standard_normal(raw.n_times)
    lenient, strict = (
        find_bad_channels(raw, Preprocessing(bad_channels_correlation=threshold)) for threshold in (0.01, 0.9)
    )
    assert "correlation" in strict.reasons[raw.ch_names[3]]
    assert "correlation" not in lenient.reasons.get(raw.ch_names[3], ())


def test_channels_known_as_bad_are_neither_judged_nor_compared_with(raw, rng):
    raw._data[:3] = 1e-3 * rng.standard_normal((3, raw.n_times))
    raw.info["bads"] = raw.ch_names[:3]
    assert find_bad_channels(raw, Preprocessing()).reasons == {}


def test_bad_channels_come_in_the_recording_s_order(raw):
    raw._data[[9, 2, 20]] = 0
    assert list(find_bad_channels(raw, Preprocessing()).reasons) == [raw.ch_names[index] for index in (2, 9, 20)]


def test_without_positions_or_with_few_channels_ransac_is_skipped_with_a_reason(raw):
    few = find_bad_channels(raw.copy().pick(raw.ch_names[:12]), Preprocessing())
    assert "12 channels" in few.skipped["ransac"]
    nowhere = find_bad_channels(raw.copy().set_montage(None), Preprocessing())
    assert "positions" in nowhere.skipped["ransac"]


def test_noise_above_50_hz_is_judged_at_a_rate_of_128_hz(raw, rng):
    raw._data[3] += 1e-5 * rng.standard_normal(raw.n_times)
    low = raw.resample(128, verbose="error")
    assert "hf noise" in find_bad_channels(low, Preprocessing()).reasons[raw.ch_names[3]]


@pytest.mark.parametrize("how", ["resampled", "low-passed"])
def test_noise_above_50_hz_is_not_judged_where_there_can_be_none(raw, how):
    low = raw.resample(100, verbose="error") if how == "resampled" else raw.filter(None, 45, verbose="error")
    assert "nothing above" in find_bad_channels(low, Preprocessing()).skipped["hf noise"]


@pytest.mark.parametrize(
    ("shorten", "reason"),
    [(lambda raw: raw.crop(tmax=5), "shorter than 10 s"), (lambda raw: raw.pick(raw.ch_names[:3]), "3 channels")],
)
def test_where_nothing_can_be_compared_every_criterion_is_skipped(raw, shorten, reason):
    result = find_bad_channels(shorten(raw), Preprocessing())
    assert result.reasons == {}
    assert set(result.skipped) == {"deviation", "hf noise", "correlation", "dropout", "ransac"}
    assert all(reason in why for why in result.skipped.values())


def test_equal_channels_do_not_deviate_from_each_other(raw):
    raw._data[:] = raw._data[0]
    result = find_bad_channels(raw, Preprocessing(bad_channels_ransac=False))
    assert result.reasons == {}
    assert "deviation" in result.skipped


def test_when_most_channels_are_bad_ransac_is_skipped_and_a_warning_says_so(raw, rng):
    raw._data[:26] = 1e-5 * rng.standard_normal((26, raw.n_times))
    result = find_bad_channels(raw, Preprocessing())
    assert len(result.reasons) >= 26
    assert "other criteria" in result.skipped["ransac"]
    assert "of 32 EEG channels look bad" in result.warnings[0]


def test_all_channels_flat_is_a_result_too(raw):
    raw._data[:] = 0
    result = find_bad_channels(raw, Preprocessing())
    assert result.reasons == dict.fromkeys(raw.ch_names, ("flat",))
    assert "0 channels" in result.skipped["correlation"]


@pytest.mark.parametrize("still", [slice(0, 32), slice(0, 31)])
def test_a_pause_in_which_nothing_was_recorded_is_not_held_against_the_channels(raw, still):
    raw._data[still, 2500:3750] *= 1e-6
    assert find_bad_channels(raw, Preprocessing()).reasons == {}


def test_the_result_is_the_same_each_time_and_the_recording_is_not_changed(raw, capfd):
    before = raw.get_data().copy()
    assert find_bad_channels(raw, Preprocessing()) == find_bad_channels(raw, Preprocessing())
    np.testing.assert_array_equal(raw.get_data(), before)
    assert capfd.readouterr() == ("", "")


def counting(seconds, annotations=()):
    raw = mne.io.RawArray(np.arange(seconds * 100.0)[None] // 100, mne.create_info(["a"], 100, "eeg"), verbose="error")
    return raw.set_annotations(mne.Annotations(*zip(*annotations, strict=True)) if annotations else None)


def seconds_in(raw):
    return np.unique(raw.get_data()[0])


def test_a_short_recording_is_taken_whole_and_as_a_copy():
    raw = counting(65)
    copy = evenly_spaced(raw, 100, ["a"])
    np.testing.assert_array_equal(copy.get_data(), raw.get_data())
    copy._data[:] = -1
    assert raw.get_data().min() == 0


def test_stretches_of_a_long_recording_lie_from_its_start_to_its_end():
    taken = seconds_in(evenly_spaced(counting(1000), 50, ["a"]))
    assert len(taken) == 50
    assert taken[0] == 0
    assert taken[-1] == 999


def test_bad_spans_are_left_out():
    taken = seconds_in(evenly_spaced(counting(100, [(25, 10, "BAD_pause"), (70, 5, "note")]), 100, ["a"]))
    assert set(taken) == {*range(25), *range(35, 100)}


def test_a_recording_that_is_bad_almost_everywhere_is_taken_nevertheless():
    assert len(seconds_in(evenly_spaced(counting(100, [(0, 95, "bad")]), 100, ["a"]))) == 100


def test_what_libraries_warn_of_is_kept_and_not_shown(recwarn):
    import warnings

    with quiet() as told:
        warnings.warn("twice", stacklevel=1)
        warnings.warn("twice", stacklevel=1)
        assert told == []
    assert told == ["twice"]
    assert not recwarn.list


@pytest.mark.parametrize(
    ("music", "bad", "expected"),
    [
        ([(20, 40), (100, 40)], [], [(20, 60), (100, 140)]),
        ([(20, 40), (100, 40)], [(50, 61)], [(0, 50), (111, 200)]),  # 59 s of music do not suffice
        ([(20, 80)], [(90, 110)], [(20, 90)]),
        ([(20, 80)], [(30, 0)], [(20, 100)]),  # a point takes nothing away
        ([(20, 10)], [], [(0, 200)]),
        ([(20, 80)], [(0, 190)], [(0, 200)]),
        ([], [], [(0, 200)]),
    ],
)
def test_a_recording_is_judged_by_its_music_where_it_is_not_bad(music, bad, expected):
    assert worth_judging(200, music, bad) == expected

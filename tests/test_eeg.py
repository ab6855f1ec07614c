import mne
import numpy as np
import pytest

from predann_bids.config import Preprocessing
from predann_bids.errors import UnusableData
from predann_bids.signals.preprocessing.electrodes import has_positions, place_electrodes
from predann_bids.signals.preprocessing.preprocess import preprocess

RATE_HZ = 250.0
NAMES = ["Fz", "Cz", "Pz", "Oz", "C3", "C4"]


@pytest.fixture
def make_raw():
    def make(tones_hz=(10,), seconds=20, names=NAMES, rate_hz=RATE_HZ, montage="colin27_1020", types="eeg"):
        time = np.arange(int(seconds * rate_hz)) / rate_hz
        gains = np.linspace(0.5, 1.5, len(names))[:, None] * 1e-5
        data = gains * sum(np.sin(2 * np.pi * hz * time) for hz in tones_hz)
        raw = mne.io.RawArray(data, mne.create_info(list(names), rate_hz, types), verbose="error")
        if montage:
            raw.set_montage(montage, on_missing="ignore", verbose="error")
        raw.info["line_freq"] = 50.0
        return raw

    return make


def preprocessed(raw, config):
    """Preprocess, and give the result as MNE has it."""
    done = preprocess(raw, config)
    return mne.io.RawArray(done.data.T * 1e-6, done.info, verbose="error")


def power_at(raw, hz):
    data = raw.get_data()[:, 250:-250]
    spectrum = np.abs(np.fft.rfft(data * np.hanning(data.shape[1]), axis=1))
    return spectrum[:, np.argmin(np.abs(np.fft.rfftfreq(data.shape[1], 1 / raw.info["sfreq"]) - hz))].max()


def test_what_lies_in_the_band_is_kept_and_what_lies_outside_is_removed(make_raw):
    config = Preprocessing(reference="none")
    done = preprocessed(make_raw((0.1, 10, 50, 60)), config)
    kept = power_at(preprocessed(make_raw((10,)), config), 10)
    assert power_at(done, 10) == pytest.approx(kept, rel=0.01)
    assert power_at(done, 50) < 1e-3 * kept
    assert power_at(done, 60) < 1e-3 * kept
    assert power_at(done, 0.1) < 0.1 * kept


def test_line_noise_inside_the_band_is_removed_at_the_sidecar_s_frequency(make_raw):
    config = Preprocessing(h_freq=0, reference="none", resample=250)
    assert power_at(preprocessed(make_raw((10, 50)), config), 50) < 0.02 * power_at(make_raw((50,)), 50)


def test_without_notch_line_noise_inside_the_band_stays(make_raw):
    config = Preprocessing(h_freq=0, reference="none", resample=250, notch="none")
    assert power_at(preprocessed(make_raw((10, 50)), config), 50) > 0.9 * power_at(make_raw((50,)), 50)


def test_the_average_reference_leaves_a_mean_of_zero(make_raw):
    data = preprocessed(make_raw(), Preprocessing()).get_data()
    np.testing.assert_allclose(data.mean(axis=0), 0, atol=1e-11)


def test_the_derivative_has_the_rate_that_was_asked_for_and_the_same_duration(make_raw):
    raw = preprocessed(make_raw(seconds=20), Preprocessing(resample=125))
    assert raw.info["sfreq"] == 125
    assert raw.n_times == 20 * 125


def test_channels_that_are_not_eeg_are_left_out(make_raw):
    raw = make_raw(names=[*NAMES, "EOG1", "ECG"], types=["eeg"] * len(NAMES) + ["eog", "ecg"])
    assert preprocessed(raw, Preprocessing()).ch_names == NAMES


def test_flat_channels_are_found_and_interpolated(make_raw):
    raw = make_raw()
    raw._data[2] = 0
    done = preprocess(raw, Preprocessing())
    assert done.bad_channels == ("Pz",)
    assert np.ptp(done.data[:, 2]) > 0


@pytest.mark.parametrize(("told", "left"), [("Pz", 5), ("placed on Pz", 5), ("FPz", 6), ("common", 6)])
def test_the_electrode_that_all_others_were_recorded_against_is_no_eeg(make_raw, told, left):
    raw = make_raw()
    raw._data[2] = 0
    done = preprocess(raw, Preprocessing(), recorded_against=told)
    assert len(done.info["ch_names"]) == left
    assert ("Pz" in done.bad_channels) == (left == 6)
    assert len(preprocess(make_raw(), Preprocessing(), recorded_against="Pz").info["ch_names"]) == 6


def test_channels_marked_bad_are_interpolated_from_their_neighbours(make_raw):
    raw = make_raw()
    raw.info["bads"] = ["Cz"]
    raw._data[1] = 1e-2 * np.random.default_rng(0).standard_normal(raw.n_times)
    done = preprocess(raw, Preprocessing(reference="none"))
    assert np.abs(done.data).max() < 1e3  # of 10 mV
    assert [step.name for step in done.steps][1:3] == ["bad channels", "interpolation"]


def test_positions_come_from_the_10_05_system_when_the_recording_has_none(make_raw):
    raw = make_raw(montage=None)
    assert not has_positions(raw)
    assert [step.name for step in place_electrodes(raw)] == ["template positions"]
    assert has_positions(raw)


def test_unknown_channel_names_get_no_positions(make_raw):
    raw = make_raw(names=["X1", "X2", "X3"], montage=None)
    assert place_electrodes(raw) == []


def test_every_step_is_listed_with_its_parameters(make_raw):
    steps = {step.name: step.parameters for step in preprocess(make_raw(), Preprocessing()).steps}
    assert list(steps) == ["notch", "band-pass", "reference", "resample"]
    assert steps["notch"]["frequencies_hz"] == [50.0, 100.0]
    assert (steps["band-pass"]["low_hz"], steps["band-pass"]["high_hz"]) == (1.0, 40.0)
    assert (steps["resample"]["from_hz"], steps["resample"]["to_hz"]) == (250.0, 125.0)


def test_the_recording_itself_is_not_changed(make_raw):
    raw = make_raw()
    before = raw.get_data().copy()
    preprocess(raw, Preprocessing())
    np.testing.assert_array_equal(raw.get_data(), before)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused_by_channel(make_raw, value):
    raw = make_raw()
    raw._data[3, 100] = value
    with pytest.raises(UnusableData, match="channel Oz are not finite"):
        preprocess(raw, Preprocessing())


def test_a_recording_without_eeg_is_refused(make_raw):
    with pytest.raises(UnusableData, match="no channel is of type EEG"):
        preprocess(make_raw(names=["A", "B"], types="misc", montage=None), Preprocessing())


def test_a_rate_too_low_for_the_band_is_refused_with_the_remedy(make_raw):
    with pytest.raises(UnusableData, match=r"40 Hz.*half the sampling rate.*--h-freq"):
        preprocess(make_raw(rate_hz=80.0), Preprocessing(notch="none"))


@pytest.mark.parametrize("rate_hz", [200.0, 250.0, 500.0, 512.0, 1000.0])
@pytest.mark.parametrize("odd_samples", [0, 1, 3])
def test_resampling_keeps_time_whatever_the_length_of_the_recording(make_raw, rate_hz, odd_samples):
    raw = make_raw((10,), seconds=20 + odd_samples / rate_hz, names=["Cz"], rate_hz=rate_hz)
    config = Preprocessing(l_freq=0, h_freq=0, notch="none", reference="none")
    found = preprocessed(raw, config).get_data()[0]
    assert len(found) == int((20 + odd_samples / rate_hz) * 125)
    expected = 0.5e-5 * np.sin(2 * np.pi * 10 * np.arange(len(found)) / 125)
    np.testing.assert_allclose(found[250:-250], expected[250:-250], atol=0.01 * 0.5e-5)


@pytest.fixture
def noisy():
    """Thirty seconds of coloured noise with a spatial structure, 16 channels, one of them flat and one marked bad."""
    montage = mne.channels.make_standard_montage("biosemi16")
    rng = np.random.default_rng(0)
    data = rng.standard_normal((16, 6)) @ np.cumsum(rng.standard_normal((6, 15000)), axis=1) * 1e-6
    data += 1e-5 * rng.standard_normal(data.shape) + 0.01
    data[3], data[5] = 0, data[5] * 50
    raw = mne.io.RawArray(data, mne.create_info(montage.ch_names, 500.0, "eeg"), verbose="error")
    raw.set_montage(montage, verbose="error")
    raw.info["line_freq"], raw.info["bads"] = 50.0, [raw.ch_names[5]]
    return raw


def test_all_linear_steps_at_once_are_what_mne_does_one_by_one(noisy):
    done = preprocessed(noisy, Preprocessing())
    noisy.load_data().info["bads"] = [noisy.ch_names[3], noisy.ch_names[5]]
    noisy.interpolate_bads(verbose="error").notch_filter([50, 100, 150, 200], verbose="error").filter(
        1, 40, verbose="error"
    )
    noisy.set_eeg_reference("average", verbose="error").resample(125, verbose="error")
    expected, found = noisy.get_data()[:, 250:-250], done.get_data()[:, 250:-250]
    assert (np.abs(found - expected).max(axis=1) < 0.01 * expected.std(axis=1)).all()


@pytest.mark.parametrize("kind", ["average", "none", "rest", "Cz", "Fp1, O1"])
def test_each_reference_is_named_among_the_steps(noisy, kind):
    steps = {step.name: step.parameters for step in preprocess(noisy, Preprocessing(reference=kind)).steps}
    assert ("reference" in steps) == (kind != "none")


def test_without_interpolation_bad_channels_stay_and_are_no_part_of_the_average(noisy):
    done = preprocess(noisy, Preprocessing(interpolation="none"))
    good = np.setdiff1d(np.arange(16), [3, 5])
    assert done.bad_channels == (noisy.ch_names[3], noisy.ch_names[5])
    np.testing.assert_allclose(done.data[:, good].mean(axis=1), 0, atol=1e-3 * done.data[:, good].std())
    assert done.data[250:-250, 5].std() > 10 * done.data[250:-250, good].std()


def test_zapline_removes_the_line_and_leaves_no_notch(noisy):
    time = np.arange(noisy.n_times) / 500
    noisy._data += 2e-5 * np.linspace(0.5, 1.5, 16)[:, None] * np.sin(2 * np.pi * 50 * time)
    noisy.info["bads"] = []
    config = Preprocessing(line_noise="zapline", l_freq=1, h_freq=0, resample=500, reference="none")
    clean = preprocessed(noisy.copy().pick([0, 1, 2, 6, 7, 8]), config)
    notched = preprocessed(noisy.copy().pick([0, 1, 2, 6, 7, 8]), config.model_copy(update={"line_noise": "notch"}))
    assert power_at(clean, 50) < 0.05 * power_at(noisy, 50)
    assert power_at(clean, 50.2) > 10 * power_at(notched, 50.2)


def test_bad_channels_are_looked_for_when_asked(noisy):
    noisy.info["bads"] = []
    config = Preprocessing(bad_channels="auto", bad_channels_ransac=False)
    done = preprocess(noisy, config)
    step = next(step for step in done.steps if step.name == "bad channels").parameters
    assert step["reasons"][noisy.ch_names[3]] == ["flat"]
    assert "deviation" in step["reasons"][noisy.ch_names[5]]
    assert preprocess(noisy, Preprocessing()).bad_channels == (noisy.ch_names[3],)


def test_what_happens_outside_of_the_stretches_to_judge_by_makes_no_channel_bad(noisy):
    noisy.info["bads"], noisy._data[3], noisy._data[5] = [], noisy._data[4] + noisy._data[2], noisy._data[5] / 50
    clean = noisy.copy()
    noisy._data[:, 10000:] = 1e-3 * np.random.default_rng(1).standard_normal((16, 5000))  # the cap is off
    config = Preprocessing(bad_channels="auto", bad_channels_ransac=False)
    judged = preprocess(noisy, config, judged_by=[(0, 19)]).bad_channels
    assert judged == preprocess(clean.crop(0, 19), config).bad_channels
    assert everything_is_bad(noisy, config) or preprocess(noisy, config).bad_channels != judged


def everything_is_bad(raw, config):
    try:
        preprocess(raw, config)
    except UnusableData as error:
        return "--bad-channels auto" in str(error)
    return False


def test_the_share_of_variance_that_each_step_removes_is_measured(noisy):
    shares = {s.name: s.parameters.get("variance_removed") for s in preprocess(noisy, Preprocessing()).steps}
    assert 0 < shares["band-pass"] < 1
    assert shares["bad channels"] is shares["resample"] is None


def test_a_recording_on_disk_is_never_loaded_as_a_whole(noisy, tmp_path, monkeypatch):
    noisy.save(tmp_path / "noisy_raw.fif", verbose="error")
    raw = mne.io.read_raw_fif(tmp_path / "noisy_raw.fif", preload=False, verbose="error")
    raw.info["line_freq"] = 50.0
    monkeypatch.setattr(mne.io.Raw, "load_data", lambda *_, **__: pytest.fail("loaded"))
    np.testing.assert_allclose(
        preprocess(raw, Preprocessing()).data, preprocess(noisy, Preprocessing()).data, atol=0.02
    )

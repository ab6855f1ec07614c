import meegkit
import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d
from scipy.signal import resample_poly

from predann_bids.config import Preprocessing
from predann_bids.signals.preprocessing.steps.line_noise import notch_frequencies, remove_line_noise

RATE_HZ = 250.0


def amplitude(data, hz):
    time = np.arange(data.shape[1]) / RATE_HZ
    return 2 * np.abs((data * np.hanning(data.shape[1]) * 2) @ np.exp(-2j * np.pi * hz * time)) / data.shape[1]


@pytest.fixture
def make_eeg():
    """Brain activity of 10 Hz and coloured noise, with `line` uV of a tone from some place."""

    def make(tones=((50, 20),), channels=8, seconds=20, seed=0):
        rng = np.random.default_rng(seed)
        time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
        noise = np.cumsum(rng.standard_normal((channels, len(time))), axis=1) * 0.2
        noise += rng.standard_normal(noise.shape)
        brain = noise + rng.uniform(0.5, 1, (channels, 1)) * 10 * np.sin(2 * np.pi * 10 * time)
        line = sum(rng.choice([-1, 1], (channels, 1)) * uv * np.sin(2 * np.pi * hz * time + hz) for hz, uv in tones)
        return 1e-6 * brain, 1e-6 * line * np.ones_like(brain)

    return make


@pytest.mark.parametrize(
    ("notch", "line_hz", "rate_hz", "expected"),
    [
        ("auto", 50.0, 250.0, [50.0, 100.0]),
        ("auto", 60.0, 250.0, [60.0, 120.0]),
        ("auto", None, 250.0, []),
        ("none", 50.0, 250.0, []),
        (50.0, None, 100.0, []),
        (60.0, 50.0, 200.0, [60.0]),
    ],
)
def test_notches_lie_at_the_harmonics_below_half_the_sampling_rate(notch, line_hz, rate_hz, expected):
    assert notch_frequencies(Preprocessing(notch=notch), line_hz, rate_hz) == expected


def test_the_line_and_its_harmonics_go_and_the_brain_stays(make_eeg):
    brain, line = make_eeg(tones=((50, 20), (100, 10)))
    clean, step = remove_line_noise(brain + line, RATE_HZ, 50.0)
    for hz in (50, 100):
        assert amplitude(clean, hz).max() < 0.05 * amplitude(line, hz).max()
    np.testing.assert_allclose(amplitude(clean, 10), amplitude(brain, 10), rtol=0.02)
    assert step.name == "zapline"
    assert step.parameters["frequency_hz"] == 50.0
    assert step.parameters["excess_before_db"] > 10
    assert step.parameters["excess_after_db"] < 1


def test_without_line_noise_nothing_is_removed(make_eeg):
    brain, _ = make_eeg()
    clean, step = remove_line_noise(brain, RATE_HZ, 50.0)
    np.testing.assert_array_equal(clean, brain)
    assert step.parameters["components_removed"] == [0]


def test_the_components_removed_are_those_of_meegkit(make_eeg, monkeypatch):
    monkeypatch.setattr(
        meegkit.dss, "smooth", lambda x, period: uniform_filter1d(x, int(period), axis=0, mode="mirror")
    )
    data = sum(make_eeg(tones=((50, 20), (100, 10))))
    clean, step = remove_line_noise(data, RATE_HZ, 50.0)
    (count,) = step.parameters["components_removed"]
    by_meegkit, _ = meegkit.dss.dss_line(data.T.copy(), 50.0, RATE_HZ, nremove=count)
    np.testing.assert_allclose(clean - clean.mean(axis=1, keepdims=True), by_meegkit.T, atol=1e-3 * np.std(data))


def test_one_line_source_takes_one_component(make_eeg):
    brain, line = make_eeg(channels=16)
    assert remove_line_noise(brain + line, RATE_HZ, 50.0)[1].parameters["components_removed"] == [1]


def test_harmonics_where_there_is_no_eeg_do_not_count(make_eeg):
    brain, line = make_eeg(channels=16, seconds=60)
    half = line.shape[1] // 2
    line[:, half:] *= np.linspace(0.5, 1.5, 16)[:, None]  # a second source
    upsampled = resample_poly(brain + line, 4, 1, axis=1)  # leaves faint images of the line at its harmonics
    step = remove_line_noise(upsampled, 4 * RATE_HZ, 50.0)[1]
    assert step.parameters["components_removed"] == [2]
    assert step.parameters["excess_after_db"] < 2


def test_noise_that_changes_its_place_is_removed_in_every_segment(make_eeg):
    brain, line = make_eeg(seconds=120)
    line[:, line.shape[1] // 2 :] *= np.linspace(-1, 1, 8)[:, None]
    clean, step = remove_line_noise(brain + line, RATE_HZ, 50.0)
    assert len(step.parameters["components_removed"]) == 2
    assert amplitude(clean, 50).max() < 0.05 * amplitude(line, 50).max()


def test_seams_between_segments_do_not_show(make_eeg):
    brain, line = make_eeg(seconds=120)
    error = np.abs(remove_line_noise(brain + line, RATE_HZ, 50.0)[0] - brain).max(axis=0)
    assert error[14500:15500].max() < 1.5 * error[2500:12500].max()


def test_flat_channels_stay_flat_and_do_not_disturb_the_others(make_eeg):
    brain, line = make_eeg()
    data = brain + line
    alone, _ = remove_line_noise(data, RATE_HZ, 50.0)
    clean, _ = remove_line_noise(np.insert(data, 3, 5e-6, axis=0), RATE_HZ, 50.0)
    np.testing.assert_array_equal(clean[3], 5e-6)
    np.testing.assert_allclose(np.delete(clean, 3, axis=0), alone, atol=1e-15)


def test_a_segment_in_which_nothing_was_recorded_stays_so(make_eeg):
    data = sum(make_eeg(seconds=180))
    data[:, 14000:31000] = 0
    clean, step = remove_line_noise(data, RATE_HZ, 50.0)
    assert np.isfinite(clean).all()
    np.testing.assert_array_equal(clean[:, 16000:29000], 0)
    assert step.parameters["components_removed"][1] == 0


def test_the_mean_of_a_channel_is_kept_and_the_data_given_are_not_changed(make_eeg):
    data = sum(make_eeg()) + 0.1
    before = data.copy()
    clean, _ = remove_line_noise(data, RATE_HZ, 50.0)
    np.testing.assert_array_equal(data, before)
    np.testing.assert_allclose(clean.mean(axis=1), data.mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize(
    ("channels", "seconds", "line_hz", "reason"),
    [(3, 20, 50.0, "4 channels"), (8, 1, 50.0, "recording of 4 s"), (8, 20, 124.0, "half the sampling rate")],
)
def test_what_zapline_cannot_do_is_left_with_a_reason(make_eeg, channels, seconds, line_hz, reason):
    brain, _ = make_eeg(channels=channels, seconds=seconds)
    clean, step = remove_line_noise(brain, RATE_HZ, line_hz)
    assert clean is brain
    assert step.name == "no notch"
    assert reason in step.parameters["reason"]


def test_flat_channels_do_not_count(make_eeg):
    brain, _ = make_eeg()
    brain[:5] = 0
    assert remove_line_noise(brain, RATE_HZ, 50.0)[1].name == "no notch"


def test_nothing_is_printed(make_eeg, capfd):
    remove_line_noise(sum(make_eeg()), RATE_HZ, 50.0)
    assert capfd.readouterr() == ("", "")

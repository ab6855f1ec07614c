"""Resampling by the Fourier method is that of MNE and SciPy, without MNE's rounding of the clock."""

from fractions import Fraction

import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample

from predann_bids.config import PUBLISHED, Preprocessing
from predann_bids.signals.preprocessing.chain import Chain, output_samples, run
from predann_bids.signals.preprocessing.fourier import padded_length, resample_by_fourier
from predann_bids.signals.preprocessing.preprocess import preprocess

SINGLE = np.finfo(np.float32).eps
NEW_HZ = 125.0
EDGE = 2 * 125
PREPROCESSING = Preprocessing.model_validate(PUBLISHED["preprocessing"])


def make_raw(data, rate_hz):
    return mne.io.RawArray(data, mne.create_info(len(data), rate_hz, "eeg"), copy="both", verbose="error")


def noise(samples, channels=3, *, seed=0):
    """Volts: white noise on a random walk, so that the two ends differ."""
    white = np.random.default_rng(seed).standard_normal((channels, samples))
    return 1e-5 * (white + 0.02 * white.cumsum(axis=1))


def eeg_like(samples, channels=3):
    """Volts: mostly a random walk, so that little is cut off at 62.5 Hz, and little rings."""
    white = np.random.default_rng(1).standard_normal((channels, samples))
    return 1e-5 * (0.05 * white + 0.02 * white.cumsum(axis=1))


def fourier(raw, **more):
    """Microvolts, (channels, samples)."""
    return run(raw, Chain(range(len(raw.ch_names)), NEW_HZ, resampling="fourier", **more)).T


def by_mne(raw):
    return 1e6 * raw.copy().resample(NEW_HZ, verbose="error").get_data()


@pytest.mark.parametrize(
    ("rate", "samples"),
    # MNE pads these by a whole number of output samples
    [(1000, 20_000), (1000, 16_016), (512, 16 * 512), (512, 30 * 512), (500, 9_008), (250, 4_000), (100, 1_200)],
)
def test_every_sample_is_that_of_mne(rate, samples):
    raw = make_raw(noise(samples), rate)
    found, expected = fourier(raw), by_mne(raw)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=4 * SINGLE * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize(
    ("rate", "samples"),
    # MNE would put these 0, 4, 4 and 2 ms from their times
    [(1000, 20_000), (1000, 20_008), (1000, 19_992), (512, 17 * 512 + 256 * 2)],
)
def test_away_from_the_ends_the_result_is_that_of_scipy_whatever_mne_rounds(rate, samples):
    data = eeg_like(samples, channels=1)
    data -= np.linspace(data[:, 0], data[:, -1], samples, axis=1)  # SciPy takes signals to be periodic
    expected = 1e6 * resample(data, int(samples * NEW_HZ / rate), axis=1)
    found = fourier(make_raw(data, rate))
    assert found.shape == expected.shape
    inner = slice(EDGE, -EDGE)
    np.testing.assert_allclose(found[:, inner], expected[:, inner], atol=0.003 * expected.std(), rtol=0)


@pytest.mark.parametrize("rate", [1000.0, 1000.04, 512.0, 499.9823, 500.002, 1e6 / 1953, 100.0])
@pytest.mark.parametrize("seconds", [10.003, 61.1])
def test_samples_lie_at_their_times(rate, seconds):
    times = np.arange(int(seconds * rate)) / rate
    result = fourier(make_raw(1e-5 * np.sin(2 * np.pi * 10 * times)[None], rate))[0]
    assert len(result) == int(len(times) * NEW_HZ / rate)
    expected = 10 * np.sin(2 * np.pi * 10 * np.arange(len(result)) / NEW_HZ)
    # 0.1 ms would make 0.06 of it; what padding does to the ends is not at issue
    np.testing.assert_allclose(result[EDGE:-EDGE], expected[EDGE:-EDGE], atol=0.02)


def test_ten_and_sixty_hz_pass_and_seventy_does_not():
    times = np.arange(30_000) / 1000
    tones = np.array([1e-5 * np.sin(2 * np.pi * hz * times) for hz in (10, 60, 70)])
    amplitudes = np.sqrt(2) * fourier(make_raw(tones, 1000))[:, EDGE:-EDGE].std(axis=1)
    assert amplitudes == pytest.approx([10, 10, 0], abs=0.02)


def test_a_recording_at_the_rate_already_is_left_as_it_is():
    data = noise(5_000) + 0.1
    np.testing.assert_array_equal(fourier(make_raw(data, NEW_HZ)), (1e6 * data).astype(np.float32))


def test_a_band_pass_comes_first_at_the_rate_of_the_recording():
    raw = make_raw(noise(30_000), 1000)
    expected = by_mne(raw.copy().notch_filter([50.0], verbose="error").filter(1.0, 40.0, verbose="error"))
    found = fourier(raw, notches_hz=(50.0,), low_hz=1.0, high_hz=40.0)
    inner = slice(EDGE, -EDGE)
    np.testing.assert_allclose(found[:, inner], expected[:, inner], atol=1e-5 * expected.std(), rtol=0)


def test_channels_are_mixed_as_configured():
    raw, matrix = make_raw(noise(20_000) + np.array([[0.1], [-0.2], [0.3]]), 1000), np.array([[1.0, -2.0, 0.5]])
    np.testing.assert_allclose(fourier(raw, matrix=matrix), matrix @ by_mne(raw), atol=0.1)


def test_an_offset_of_an_electrode_costs_the_signal_no_more_digits_than_it_takes_itself():
    data = noise(20_000)
    found = fourier(make_raw(data + 0.1, 1000)) - np.float32(1e5)
    np.testing.assert_allclose(found, fourier(make_raw(data, 1000)), atol=np.spacing(np.float32(1e5)))


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("together", [1, 2, 8])
def test_neither_groups_of_channels_nor_threads_change_anything(together, workers, monkeypatch):
    raw, told = make_raw(noise(9_000, channels=11), 500), []
    chain = Chain(range(11), NEW_HZ, resampling="fourier")
    expected = run(raw, chain)
    monkeypatch.setattr("predann_bids.signals.preprocessing.chain.GROUP_CHANNELS", together)
    found = run(raw, chain, workers=workers, on_block=lambda *progress: told.append(progress))
    np.testing.assert_array_equal(found, expected)
    assert told == [(done, len(told)) for done in range(1, len(told) + 1)]


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 10_000_000), st.sampled_from([(1, 8), (125, 512), (1, 40), (5, 4), (62_500, 250_001)]))
def test_no_length_takes_a_long_transform(samples, pair):
    ratio = Fraction(*pair)
    length = padded_length(samples, ratio)
    assert length % ratio.denominator == 0
    assert samples + 2 * min(samples // 8, 100) <= length <= 2 * (samples + 200) + 2 * ratio.denominator
    left = length // ratio.denominator
    for prime in (2, 3, 5):
        while left % prime == 0:
            left //= prime
    assert left == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.sampled_from([(1, 8), (125, 512), (5, 4), (1250, 5003)]))
def test_constants_of_any_length_stay(samples, pair):
    ratio = Fraction(*pair)
    result = resample_by_fourier(np.full(samples, 3.0), ratio, int(samples * ratio))
    np.testing.assert_allclose(result, np.full(int(samples * ratio), 3.0))


def test_the_published_preset_does_nothing_but_resample():
    raw = make_raw(noise(20_000, channels=4), 1000)
    raw.info["line_freq"] = 60.0
    raw.info["bads"] = [raw.ch_names[2]]
    done = preprocess(raw, PREPROCESSING)
    np.testing.assert_allclose(done.data.T, by_mne(raw), atol=1e-3)
    assert done.bad_channels == (raw.ch_names[2],)
    resampling = done.steps[-1]
    assert (resampling.name, resampling.parameters) == (
        "resample",
        {"from_hz": 1000.0, "to_hz": 125.0, "method": "fourier"},
    )
    assert {step.name for step in done.steps[:-1]} <= {"bad channels", "no interpolation"}


def test_other_steps_work_with_it():
    raw = make_raw(noise(20_000, channels=4), 1000)
    raw.info["line_freq"] = 60.0
    done, usual = (preprocess(raw, Preprocessing(resampling=how)) for how in ("fourier", "polyphase"))
    assert [step.name for step in done.steps] == [step.name for step in usual.steps]
    np.testing.assert_allclose(done.data[EDGE:-EDGE], usual.data[EDGE:-EDGE], atol=0.01 * usual.data.std())


def test_a_recording_has_as_many_samples_as_by_the_other_method():
    for samples in (9_999, 10_000, 10_001, 10_007):
        raw = make_raw(noise(samples, channels=1), 1000)
        assert fourier(raw).shape == (1, output_samples(samples, 1000, NEW_HZ))

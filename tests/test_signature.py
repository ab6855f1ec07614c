import numpy as np
import pytest
from scipy.signal import welch

from predann_bids.data.stores.mapped import EegStore
from predann_bids.data.trials import Trial
from predann_bids.data.windows import Windows
from predann_bids.learning.signature import BANDS_HZ, band_powers, classify, thinned
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.timing import Rate

RATE, LENGTH = Rate(100.0), 300


def store(data):
    data = np.asarray(data, dtype=np.float32)
    channels = tuple(f"E{n}" for n in range(data.shape[1]))
    return EegStore.open([MappedRecording(data, np.ones(len(channels), np.float32), channels, RATE.hz)])


def trial(onset, stimulus):
    return Trial("01", "", "music", "", 0, stimulus, onset, 10_000, 0)


def test_a_wave_of_ten_hertz_is_found_in_the_alpha_band_of_its_channel():
    rng = np.random.default_rng(0)
    data = 0.1 * rng.standard_normal((3000, 3))
    data[:, 1] += np.sin(2 * np.pi * 10 * np.arange(3000) / 100)
    windows = Windows(np.zeros(5, dtype=np.int64), 500 * np.arange(5))
    powers = band_powers(store(data), [trial(0, 0)], windows, LENGTH, 0, RATE).reshape(5, 3, len(BANDS_HZ))
    relative = powers - powers.mean(axis=2, keepdims=True)
    assert (relative.argmax(axis=2)[:, 1] == 2).all()


def test_band_powers_order_windows_as_welch_does():
    rng = np.random.default_rng(1)
    data = rng.standard_normal((6000, 2)) * np.repeat(rng.uniform(0.5, 1.5, 20), 300)[:, None]
    some = store(data)
    windows = Windows(np.zeros(20, dtype=np.int64), 300 * np.arange(20))
    powers = band_powers(some, [trial(0, 0)], windows, LENGTH, 0, RATE).reshape(20, 2, len(BANDS_HZ))
    eeg = some.windows([trial(0, 0)], windows, LENGTH, 0)
    frequencies, expected = welch(eeg, 100, nperseg=LENGTH)
    inside = (frequencies >= 13) & (frequencies < 30)
    theirs = np.log(expected[..., inside].mean(axis=2))
    assert np.corrcoef(theirs[:, 0], powers[:, 0, 3])[0, 1] > 0.99


def test_presentations_that_differ_in_power_alone_are_told_apart():
    rng = np.random.default_rng(2)
    train, stimuli = rng.standard_normal((200, 6)), np.repeat(np.arange(4), 50)
    train[:, 0] += 5 * stimuli
    test = rng.standard_normal((40, 6))
    test[:, 0] += 5 * np.repeat(np.arange(4), 10)
    probabilities = classify(train, stimuli, test, 5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == np.repeat(np.arange(4), 10)).mean() > 0.8
    assert probabilities[:, 4].max() == 0  # nothing of this song was in the training data


def test_noise_is_not_told_apart():
    rng = np.random.default_rng(3)
    probabilities = classify(
        rng.standard_normal((400, 6)), np.repeat(np.arange(4), 100), rng.standard_normal((400, 6)), 4
    )
    assert (probabilities.argmax(axis=1) == np.repeat(np.arange(4), 100)).mean() == pytest.approx(0.25, abs=0.08)


def test_where_one_song_was_trained_on_it_is_named():
    probabilities = classify(np.ones((5, 2)), np.full(5, 1), np.zeros((3, 2)), 2)
    assert probabilities.tolist() == [[0, 1]] * 3


def test_many_windows_are_thinned_evenly_and_few_are_all_kept():
    windows = Windows(np.repeat(np.arange(4), 25), np.tile(100 * np.arange(25), 4))
    kept = thinned(windows, 30)
    assert len(kept) <= 30
    assert np.ptp(np.bincount(kept.trial)) <= 1
    assert len(thinned(windows, 100)) == 100

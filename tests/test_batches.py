from dataclasses import replace

import numpy as np
import pytest

from predann_bids.data.stores.mapped import AudioStore, EegStore
from predann_bids.data.trials import Trial
from predann_bids.data.windows import Windows
from predann_bids.errors import UnusableData
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.signals.scaling import Scaling


def recording(channels, seed=0, rate_hz=125.0, n=2000):
    data = np.random.default_rng(seed).standard_normal((n, len(channels))).astype(np.float32)
    return MappedRecording(data, np.ones(len(channels), np.float32), tuple(channels), rate_hz)


def trial(onset=500, recording=0, stimulus=0, audio_start=0):
    return Trial("01", "", "music", "", recording, stimulus, onset, 1000, audio_start)


def windows(*starts, trials=None):
    return Windows(np.array(trials or [0] * len(starts)), np.array(starts))


def test_eeg_is_taken_the_delay_after_the_stimulus():
    store = EegStore.open([recording(["Fz", "Cz", "Pz"])])
    batch = store.windows([trial()], windows(0, 100), length=50, delay=25)
    raw = store.recordings[0].data
    scaling = Scaling.of(raw)
    np.testing.assert_allclose(batch[0], scaling.apply(raw[525:575]), rtol=1e-5)
    np.testing.assert_allclose(batch[1], scaling.apply(raw[625:675]), rtol=1e-5)


def test_only_common_channels_are_used_in_the_order_of_the_first_recording():
    store = EegStore.open([recording(["Fz", "Cz", "Pz"]), recording(["Pz", "Oz", "Fz"], seed=1)])
    assert store.channels == ("Fz", "Pz")
    np.testing.assert_array_equal(store.columns[1], [2, 0])
    assert store.windows([trial(), trial(recording=1)], windows(0, 0, trials=[0, 1]), 50, 0).shape == (2, 2, 50)


def test_recordings_without_a_common_channel_are_refused():
    with pytest.raises(UnusableData, match="No EEG channel"):
        EegStore.open([recording(["Fz"]), recording(["Cz"])])


def test_recordings_of_different_rates_are_refused():
    with pytest.raises(UnusableData, match="different sampling rates"):
        EegStore.open([recording(["Fz"]), recording(["Fz"], rate_hz=250.0)])


@pytest.fixture
def audio():
    return AudioStore((np.arange(20, dtype=np.float32)[None], np.arange(100, 130, dtype=np.float32)[None]))


def test_audio_is_taken_at_the_moment_that_was_heard(audio):
    trials = [trial(), trial(stimulus=1, audio_start=5)]
    batch = audio.windows(trials, windows(3, 2, trials=[0, 1]), 4)
    assert batch[:, 0].tolist() == [[3, 4, 5, 6], [107, 108, 109, 110]]


def test_context_lies_on_both_sides_and_repeats_the_ends(audio):
    assert audio.windows([trial()], windows(1), 3, margin=2)[0, 0].tolist() == [0, 0, 1, 2, 3, 4, 5]
    assert audio.windows([trial()], windows(16), 3, margin=2)[0, 0].tolist() == [14, 15, 16, 17, 18, 19, 19]


def test_a_rotated_recording_goes_on_at_its_beginning():
    store = EegStore.open([recording(["Fz", "Cz", "Pz"])])
    moved = replace(store, rotations=(1900,))
    batch = moved.windows([trial(onset=0)], windows(0, 75), length=50, delay=25)
    raw, scaling = store.recordings[0].data, store.scalings[0]
    np.testing.assert_allclose(batch[0], scaling.apply(raw[1925:1975]), rtol=1e-5)
    wrapped = np.concatenate([raw[2000:], raw[:50]])
    np.testing.assert_allclose(batch[1], scaling.apply(wrapped), rtol=1e-5)


def test_wanted_channels_are_taken_in_their_order_and_missed_when_not_there():
    some = [recording(["Fz", "Cz", "Pz", "Oz"])]
    assert EegStore.open(some, wanted=("Pz", "Fz")).channels == ("Pz", "Fz")
    with pytest.raises(UnusableData, match="trained on channels that are missing or bad in some recordings: T7, Oz"):
        EegStore.open(some, frozenset({"Oz"}), wanted=("Fz", "T7", "Oz"))

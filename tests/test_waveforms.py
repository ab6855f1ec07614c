import importlib.util
import math
import pathlib
from fractions import Fraction

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.data.kept import map_array
from predann_bids.data.stores.mapped import EegStore
from predann_bids.data.stores.waveforms import WaveformStore
from predann_bids.data.trials import Trial
from predann_bids.data.windows import Windows
from predann_bids.errors import MissingInput, ReadOrWriteFailed, UnusableData
from predann_bids.learning.features import keep_features
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.timing import Rate

AUDIO_RATE = 44_100
PLAIN = pathlib.Path(__file__).parents[1] / "benchmarks" / "plain.py"


def store(*waveforms, rate_hz=125.0, audio_rate_hz=AUDIO_RATE):
    return WaveformStore(tuple(waveforms), Rate(rate_hz), Rate(audio_rate_hz))


def trial(stimulus=0, audio_start=0):
    return Trial("01", "", "music", "", 0, stimulus, 500, 1000, audio_start)


def windows(*starts, trials=None):
    return Windows(np.array(trials or [0] * len(starts)), np.array(starts))


def counting(samples):
    return np.arange(1, samples + 1, dtype=np.float32)


def nearest(exact):
    return math.floor(exact + Fraction(1, 2))


@given(
    rates=st.sampled_from([(125, 44_100), (100, 44_100), (128, 44_100), (256, 16_000), (250, 48_000)]),
    samples=st.integers(1, 60_000),
    start=st.integers(-300, 300),
    audio_start=st.integers(0, 200),
    length=st.integers(1, 150),
    margin=st.integers(0, 100),
)
def test_a_window_is_what_lies_there_in_the_stimulus_between_silences(
    rates, samples, start, audio_start, length, margin
):
    eeg_rate, audio_rate = rates
    song = counting(samples)
    found = store(song, rate_hz=eeg_rate, audio_rate_hz=audio_rate).windows(
        [trial(audio_start=audio_start)], windows(start), length, margin
    )
    first = nearest(Fraction((audio_start + start - margin) * audio_rate, eeg_rate))
    number = nearest(Fraction((length + 2 * margin) * audio_rate, eeg_rate))
    places = range(first, first + number)
    assert found.tolist() == [[place + 1 if 0 <= place < samples else 0 for place in places]]


def test_three_seconds_are_the_published_number_of_samples():
    song = counting(20 * AUDIO_RATE)
    found = store(song).windows([trial()], windows(0, 1, 125), 375)
    assert found.shape == (3, 132_300)
    assert found.dtype == np.float32
    assert found[:, 0].tolist() == [1, 1 + 353, 1 + 44_100]  # 352.8 samples of audio to one of EEG


def test_context_lies_on_both_sides_and_is_silent_beyond_the_ends():
    song = counting(2 * AUDIO_RATE)
    found = store(song).windows([trial()], windows(0, 125), 125, margin=125)
    assert found.shape == (2, 3 * AUDIO_RATE)
    assert not found[0, :AUDIO_RATE].any()
    np.testing.assert_array_equal(found[0, AUDIO_RATE:], song)
    np.testing.assert_array_equal(found[1, : 2 * AUDIO_RATE], song)
    assert not found[1, 2 * AUDIO_RATE :].any()


@pytest.mark.parametrize("start", [-1000, 1000])
def test_windows_far_beyond_a_stimulus_are_silent(start):
    assert not store(counting(AUDIO_RATE)).windows([trial()], windows(start), 125).any()


def test_each_window_is_of_the_stimulus_of_its_trial():
    songs = counting(AUDIO_RATE), -counting(2 * AUDIO_RATE)
    found = store(*songs).windows(
        [trial(1), trial(0), trial(1, audio_start=125)], windows(0, 0, 0, trials=[0, 1, 2]), 5
    )
    assert found[:, 0].tolist() == [-1, 1, -1 - AUDIO_RATE]


def test_no_windows_are_no_error():
    assert store(counting(10)).windows([trial()], windows(), 375).shape == (0, 132_300)


@given(st.integers(0, 400_000), st.sampled_from([100, 125, 128, 250]))
def test_a_stimulus_lasts_its_whole_eeg_samples(samples, rate_hz):
    lasts = store(np.empty(samples, np.float32), rate_hz=rate_hz).lasts(0)
    assert lasts == samples * rate_hz // AUDIO_RATE


def test_moments_of_a_stimulus_are_the_windows_that_fit_into_it():
    song = counting(4 * AUDIO_RATE + 352)
    one = store(song)
    starts, length = one.moments_of(0, 375)
    assert (len(starts), length) == (126, 132_300)
    cut = one.windows([trial()], windows(*range(126)), 375)
    np.testing.assert_array_equal(cut[:, 0], song[starts])
    assert cut.all()  # no silence
    assert len(one.moments_of(0, 501)[0]) == 0


def keep_waveform(audio, directory):
    return keep_features(audio, "waveform", 125.0, directory)


def map_waveform(file):
    return map_array(file, n_dims=1)


@pytest.fixture
def audio(tmp_path):
    path = tmp_path / "song.wav"
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (2000, 2)).astype(np.float32)
    soundfile.write(path, sound, AUDIO_RATE, subtype="FLOAT")
    return path, sound


def test_a_waveform_is_the_mean_of_the_channels_and_mapped(audio, tmp_path):
    path, sound = audio
    file = keep_waveform(path, tmp_path / "work")
    (waveform,) = WaveformStore.open([file], Rate(125), Rate(AUDIO_RATE)).waveforms
    assert isinstance(waveform, np.memmap)
    assert not waveform.flags.writeable
    np.testing.assert_allclose(waveform, (sound[:, 0] + sound[:, 1]) / 2, atol=1e-7)


def test_features_of_other_kinds_and_rates_lie_in_other_files(audio, tmp_path):
    files = [
        keep_features(audio[0], *kind, tmp_path)
        for kind in (("waveform", 125.0), ("log-mel", 125.0), ("log-mel", 250.0))
    ]
    assert [map_array(file).shape for file in files] == [(2000,), (32, 5), (32, 11)]


def test_a_waveform_is_written_once(audio, tmp_path):
    first = keep_waveform(audio[0], tmp_path)
    written = first.stat().st_mtime_ns
    assert keep_waveform(audio[0], tmp_path) == first
    assert first.stat().st_mtime_ns == written
    assert [file for file in tmp_path.rglob("*") if file.is_file() and file != audio[0]] == [first]


def test_audio_that_has_changed_makes_another_waveform(audio, tmp_path):
    path, sound = audio
    first = keep_waveform(path, tmp_path)
    soundfile.write(path, sound[::-1], AUDIO_RATE, subtype="FLOAT")
    second = keep_waveform(path, tmp_path)
    np.testing.assert_array_equal(map_waveform(second), map_waveform(first)[::-1])


@pytest.mark.parametrize("damage", [lambda whole: whole[:-4], lambda _: b"", lambda _: b"no array", lambda w: w[:50]])
def test_a_waveform_that_is_not_whole_is_written_again(audio, tmp_path, damage):
    file = keep_waveform(audio[0], tmp_path)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    with pytest.raises(UnusableData, match=r"is incomplete\. Delete it"):
        WaveformStore.open([file], Rate(125), Rate(AUDIO_RATE))
    assert keep_waveform(audio[0], tmp_path).read_bytes() == whole


@pytest.mark.parametrize("other", [np.zeros(3), np.zeros((2, 3), np.float32)])
def test_an_array_that_is_no_waveform_is_refused(tmp_path, other):
    np.save(tmp_path / "other.npy", other)
    with pytest.raises(UnusableData, match="instead of 1-D float32"):
        map_waveform(tmp_path / "other.npy")


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(MissingInput, match=r"song\.npy is missing"):
        map_waveform(tmp_path / "song.npy")
    with pytest.raises(ReadOrWriteFailed, match=r"song\.wav cannot be read: No such file"):
        keep_waveform(tmp_path / "song.wav", tmp_path)


def test_audio_that_cannot_be_read_leaves_nothing_behind(tmp_path):
    path = tmp_path / "song.wav"
    path.write_bytes(b"no sound")
    with pytest.raises(UnusableData, match="cannot be read as audio"):
        keep_waveform(path, tmp_path)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_samples_are_those_of_a_plain_implementation(tmp_path):
    spec = importlib.util.spec_from_file_location("plain", PLAIN)
    plain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plain)
    rng = np.random.default_rng(0)
    song = tmp_path / "song.wav"
    soundfile.write(song, rng.uniform(-0.5, 0.5, 8 * AUDIO_RATE), AUDIO_RATE)
    samples = (rng.standard_normal((1525, 5)) ** 3 * 10 + [0, 5, -300, 20_000, 1]).astype(np.float32)
    recording = MappedRecording(samples, np.ones(5, np.float32), tuple("ABCDE"), 125.0)
    heard = trial()
    starts = np.array([0, 1, 333, 625])
    eeg = EegStore.open([recording], by_window=True).windows([heard], windows(*starts), 375, 25)
    waveforms = WaveformStore.open([keep_waveform(song, tmp_path)], Rate(125), Rate(AUDIO_RATE))
    audio = waveforms.windows([heard], windows(*starts), 375)
    for row, start in enumerate(starts):
        plain_eeg, plain_audio = plain.sample(samples.T, song, heard.onset + start, heard.onset)
        np.testing.assert_allclose(eeg[row], plain_eeg, rtol=2e-6, atol=1e-3)
        np.testing.assert_array_equal(audio[row], plain_audio)

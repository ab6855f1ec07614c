from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.config import Training
from predann_bids.data.source import Source
from predann_bids.data.stores.halved import HalvedCuts, HalvedRecordings
from predann_bids.data.stores.mapped import AudioStore, EegStore
from predann_bids.data.trials import Trial
from predann_bids.data.windows import Windows
from predann_bids.models.decoders.temporal import TemporalDecoder, TemporalSettings
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.signals.halves import HalvedFeatures
from predann_bids.signals.montage import Fill

CHANNELS = ("Fz", "Cz", "Pz", "Oz")
TRIALS = [
    Trial("01", "", "music", "1", 0, 0, 40, 9000, 0),
    Trial("02", "", "music", "1", 1, 1, 10, 400, 90),
]


def mapped(n, seed):
    rng = np.random.default_rng(seed)
    data = (rng.standard_normal((n, len(CHANNELS))) * 10 + 3000).astype(np.float32)
    return MappedRecording(data, np.ones(len(CHANNELS), np.float32), CHANNELS, 125.0)


# the first is longer than what is scaled at once
STORE = EegStore.open([mapped(9100, 0), mapped(500, 1)])
FEATURES = AudioStore(
    tuple(np.random.default_rng(n).normal(-5, 2, size=(6, n)).astype(np.float32) for n in (9000, 480))
)


def source(eeg=STORE, *, length=75, margin=10):
    return Source(TRIALS, eeg, FEATURES, length, 12, margin)


def windows(length=75):
    rng = np.random.default_rng(2)
    trial = rng.integers(2, size=40)
    return Windows(trial, rng.integers(0, [[9000, 400][index] - length for index in trial]))


def averaged(x):
    end = x.shape[2] // 2 * 2
    return x[:, :, :end].unflatten(2, (-1, 2)).mean(dim=3)


@given(st.integers(1, 90), st.integers(0, 40))
def test_halved_windows_are_averages_of_pairs_of_the_samples_of_windows(length, margin):
    which = windows(length)
    whole = source(length=length, margin=margin)
    halved, full = whole.halved(6, 1.0).batch(which), whole.batch(which)
    torch.testing.assert_close(halved.eeg.values, averaged(full.eeg), rtol=0, atol=1e-4)
    torch.testing.assert_close(halved.audio.values, averaged(full.audio), rtol=0, atol=1e-5)
    assert torch.equal(halved.stimuli, full.stimuli)


@given(st.integers(2, 90), st.integers(0, 40))
def test_statistics_are_those_of_all_frames_of_all_windows(length, margin):
    which = windows(length)
    whole = source(length=length, margin=margin)
    frames = whole.batch(which).audio.double().transpose(1, 2).flatten(0, 1)
    for audio in (whole.halved(6, 1.0).batch(which).audio, HalvedFeatures.of(whole.batch(which).audio)):
        torch.testing.assert_close(audio.mean.double(), frames.mean(dim=0), rtol=1e-6, atol=1e-5)
        torch.testing.assert_close(audio.variance.double(), frames.var(dim=0, correction=0), rtol=1e-5, atol=1e-5)
        assert audio.number == len(frames)


def test_recordings_that_do_not_fit_are_cut_and_halved_window_by_window():
    which = windows()
    room = STORE.n_bytes / 1e9
    kept, cut = source().halved(6, room), source().halved(6, room * 0.99)
    assert isinstance(kept.eeg, HalvedRecordings)
    assert isinstance(cut.eeg, HalvedCuts)
    torch.testing.assert_close(kept.batch(which).eeg.values, cut.batch(which).eeg.values, rtol=0, atol=1e-4)


def test_windows_that_are_scaled_one_by_one_are_halved_after_they_were_scaled():
    by_window = source(replace(STORE, scalings=()))
    halved = by_window.halved(6, 1.0).batch(windows())
    torch.testing.assert_close(halved.eeg.values, averaged(by_window.batch(windows()).eeg))


@pytest.mark.parametrize("kind", ["rotated", "interpolated"])
def test_recordings_that_are_rotated_or_interpolated_are_halved_as_well(kind):
    if kind == "rotated":
        eeg = replace(STORE, rotations=(1234, 77))
    else:
        every = Fill(np.arange(4), np.array([1]), np.array([[0.5, 0.0, 0.5, 0.0]], np.float32))
        eeg = replace(STORE, fills=(every, every))
    whole = source(eeg)
    halved, full = whole.halved(6, 1.0).batch(windows()), whole.batch(windows())
    torch.testing.assert_close(halved.eeg.values, averaged(full.eeg), rtol=0, atol=1e-4)


def test_the_size_of_a_batch_counts_what_it_holds():
    halved = source().halved(6, 1.0).batch(windows())
    assert halved.n_bytes == 4 * 40 * (4 * 37 + 6 * 47) + 8 * 40


@pytest.mark.parametrize("moments", ["others", "own", "all"])
def test_the_objective_is_the_same_of_halved_windows(moments):
    torch.manual_seed(0)
    network = TemporalDecoder(TemporalSettings(CHANNELS, ("a", "b"), 125.0, 0.1, 0.6, n_bands=5, channel_dropout=0.0))
    network.hear(source().songs(), [0, 1])
    found = []
    for some in (source(), source().halved(5, 1.0)):
        network.train().zero_grad()
        losses = network.objective(*some.batch(windows()), Training(moments=moments))
        losses["loss"].backward()
        found.append([losses["loss"], *(weight.grad for weight in network.parameters() if weight.grad is not None)])
    assert len(found[0]) > 10
    for full, halved in zip(*found, strict=True):
        torch.testing.assert_close(full, halved, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("room", [1.0, 0.0])
def test_as_many_bands_are_cut_as_are_asked_for(room):
    some, every = (source().halved(bands, room).batch(windows()).audio for bands in (4, 6))
    assert torch.equal(some.values, every.values[:, :4])
    assert torch.equal(some.variance, every.variance[:4])


def test_channels_and_bands_of_a_moment_lie_side_by_side():
    halved = source().halved(6, 1.0).batch(windows())
    assert halved.eeg.values.stride()[1] == 1
    assert halved.audio.values.stride()[1] == 1

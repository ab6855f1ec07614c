from dataclasses import replace

import numpy as np
import pytest
import torch

from predann_bids.data.stores import resident
from predann_bids.data.stores.mapped import AudioStore, EegStore
from predann_bids.data.stores.resident import make_resident
from predann_bids.data.stores.waveforms import WaveformStore
from predann_bids.data.trials import Trial
from predann_bids.data.windows import Windows
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.signals.montage import Fill
from predann_bids.timing import Rate

CPU = torch.device("cpu")
LENGTH, DELAY = 375, 25
TRIALS = [
    Trial("01", "", "music", "1", 0, 0, 100, 1500, 0),
    Trial("01", "", "music", "2", 1, 1, 30, 1500, 250),
    Trial("02", "", "music", "1", 2, 1, 0, 1500, 7),
]


def recording(channels, seed, n):
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((n, len(channels))) * 10 + rng.uniform(-30_000, 30_000, len(channels))
    ones = np.ones(len(channels), np.float32)
    mapped = MappedRecording(data.astype(np.float32), ones, tuple(channels), 125.0)
    mapped.data.flags.writeable = False  # as mapped files are
    return mapped


@pytest.fixture(params=[True, False], ids=["each window scaled", "each recording scaled"])
def eeg(request):
    recordings = [
        recording(["Fz", "Cz", "Pz", "Oz"], 0, 3000),
        recording(["Oz", "Pz", "Fz", "Cz"], 1, 2500),
        recording(["X", "Oz", "Fz", "Cz"], 2, 2000),
    ]
    return EegStore.open(recordings, by_window=request.param)


@pytest.fixture
def waveforms():
    rng = np.random.default_rng(0)
    songs = tuple(rng.standard_normal(n).astype(np.float32) for n in (700_000, 600_123))
    return WaveformStore(songs, Rate(125.0), Rate(44_100))


@pytest.fixture
def spectra():
    rng = np.random.default_rng(0)
    return AudioStore(tuple(rng.standard_normal((8, n)).astype(np.float32) for n in (1900, 1750)))


def windows(n=60):
    rng = np.random.default_rng(1)
    return Windows(rng.integers(len(TRIALS), size=n), rng.integers(0, 1500 - LENGTH, size=n))


def test_eeg_is_the_same_as_from_mapped_recordings(eeg, waveforms):
    there, _ = make_resident(eeg, waveforms, CPU, room=LENGTH)
    assert there.channels == eeg.channels
    found = there.windows(TRIALS, windows(), LENGTH, DELAY)
    assert found.dtype == torch.float32
    assert found.is_contiguous()
    wanted = eeg.windows(TRIALS, windows(), LENGTH, DELAY)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5, atol=1e-4 if eeg.scalings else 1e-6)


@pytest.mark.parametrize("margin", [0, 40, 125])
def test_sound_is_the_same_as_from_mapped_waveforms(eeg, waveforms, margin):
    _, there = make_resident(eeg, waveforms, CPU, room=LENGTH + 2 * margin)
    found = there.windows(TRIALS, windows(), LENGTH, margin)
    np.testing.assert_array_equal(found.numpy(), waveforms.windows(TRIALS, windows(), LENGTH, margin))


@pytest.mark.parametrize("margin", [0, 40])
def test_spectra_are_the_same_as_from_memory(eeg, spectra, margin):
    _, there = make_resident(eeg, spectra, CPU, room=LENGTH + 2 * margin)
    found = there.windows(TRIALS, windows(), LENGTH, margin)
    assert found.is_contiguous()
    np.testing.assert_array_equal(found.numpy(), spectra.windows(TRIALS, windows(), LENGTH, margin))


@pytest.mark.parametrize("kind", ["waveforms", "spectra"])
def test_beyond_the_ends_of_a_stimulus_both_go_on_in_the_same_way(eeg, kind, request):
    store = request.getfixturevalue(kind)
    margin = 125
    edges = Windows(np.array([0, 0, 1]), np.array([0, 1900 - LENGTH, 1450]))
    _, there = make_resident(eeg, store, CPU, room=LENGTH + 2 * margin)
    found = there.windows(TRIALS, edges, LENGTH, margin)
    np.testing.assert_array_equal(found.numpy(), store.windows(TRIALS, edges, LENGTH, margin))


def test_moments_of_a_stimulus_and_the_stimuli_themselves_are_those_of_the_store(eeg, waveforms, spectra):
    _, sound = make_resident(eeg, waveforms, CPU, room=LENGTH)
    starts, samples = sound.moments_of(1, LENGTH)
    np.testing.assert_array_equal(starts, waveforms.moments_of(1, LENGTH)[0])
    assert samples == 132_300
    assert sound.stimuli is waveforms.waveforms
    assert make_resident(eeg, spectra, CPU, room=LENGTH)[1].stimuli is spectra.features


def test_no_windows_are_no_error(eeg, waveforms):
    there, sound = make_resident(eeg, waveforms, CPU, room=LENGTH)
    assert there.windows(TRIALS, windows(0), LENGTH, DELAY).shape == (0, len(eeg.channels), LENGTH)
    assert sound.windows(TRIALS, windows(0), LENGTH).shape == (0, 132_300)


@pytest.mark.parametrize("kind", ["waveforms", "spectra"])
def test_nothing_but_the_places_of_windows_goes_to_the_device(eeg, kind, request):
    store = request.getfixturevalue(kind)
    meta = torch.device("meta")  # computes nothing, but refuses to mix devices as any other does
    there, sound = make_resident(eeg, store, meta, room=LENGTH)
    for found, wanted in (
        (there.windows(TRIALS, windows(), LENGTH, DELAY), eeg.windows(TRIALS, windows(), LENGTH, DELAY)),
        (sound.windows(TRIALS, windows(), LENGTH), store.windows(TRIALS, windows(), LENGTH)),
    ):
        assert found.device == meta
        assert found.shape == wanted.shape


def test_what_does_not_fit_stays_where_it_is(eeg, waveforms, monkeypatch):
    needed = 4 * (3 * 7500 + 700_000 + 600_123)
    for free, fits in ((needed / resident.LARGEST_SHARE * 1.2, True), (needed / resident.LARGEST_SHARE * 0.9, False)):
        monkeypatch.setattr(resident, "free_bytes", lambda device, free=free: free)
        assert (make_resident(eeg, waveforms, CPU, room=0) is not None) is fits


def test_recordings_that_are_changed_on_their_way_stay_mapped(eeg, waveforms):
    rotated = replace(eeg, rotations=(5, 6, 7))
    nothing = Fill(np.arange(3), np.empty(0, np.int64), np.empty((0, 3), np.float32))
    filled = replace(eeg, fills=(nothing,) * 3)
    assert make_resident(rotated, waveforms, CPU, room=LENGTH) is None
    assert make_resident(filled, waveforms, CPU, room=LENGTH) is None

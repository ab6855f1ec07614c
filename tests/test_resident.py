from dataclasses import replace

import numpy as np
import pytest
import torch
from watching import Watching

from predann_bids.data.source import Source
from predann_bids.data.stores import resident
from predann_bids.data.stores.mapped import AudioStore, EegStore
from predann_bids.data.stores.resident import make_resident
from predann_bids.data.stores.waveforms import WaveformStore
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import Windows, draw
from predann_bids.learning.sampling import TrainingBatches, ValidationBatches
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.signals.montage import Fill
from predann_bids.timing import Rate, Span

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


STRETCHES = [Stretch(index, Span(0, 1500)) for index in range(len(TRIALS))]


def sources(eeg, audio, device=CPU):
    """The same windows, from mapped recordings and from a device."""
    mapped = Source(TRIALS, eeg, audio, LENGTH, DELAY)
    stored = make_resident(eeg, audio, device, room=LENGTH)
    return mapped, replace(mapped.taking_from(*stored), device=device)


def assert_same(found, wanted, atol):
    assert len(found) == len(wanted) > 1
    for one, other in zip(found, wanted, strict=True):
        assert torch.equal(one.stimuli, other.stimuli)
        for a, b in zip(one.tensors(), other.tensors(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("kind", ["waveforms", "spectra"])
def test_batches_whose_places_were_looked_up_at_once_are_those_cut_one_by_one(eeg, kind, request):
    mapped, there = sources(eeg, request.getfixturevalue(kind))
    drawn = draw(STRETCHES, LENGTH, np.random.default_rng([0, 1, 5]))
    one_by_one = [mapped.batch(drawn[first : first + 3]) for first in range(0, 12, 3)]
    for source in (mapped, there):
        assert_same(list(TrainingBatches(source, STRETCHES, 3, (0, 1), lambda: 5)), one_by_one, 1e-4)


@pytest.mark.parametrize("bands", [0, 6])
def test_batches_of_a_validation_are_the_same_wherever_the_data_are(eeg, spectra, bands):
    pair = [source.halved(bands, 1.0) if bands else source for source in sources(eeg, spectra)]
    found = [list(ValidationBatches(source, windows(), 7, (0, 1))) for source in pair]
    assert [len(batch.stimuli) for batch in found[0]] == [7, 7, 7, 7, 7, 7, 6, 6, 6]
    assert_same(*found, 1e-4)
    order = np.random.default_rng((0, 1)).permutation(60)
    wanted = [pair[0].batch(windows()[rows]) for rows in np.array_split(order, 9)]
    assert_same(found[0], wanted, 1e-4)


@pytest.mark.parametrize("bands", [0, 6])
def test_in_an_epoch_nothing_goes_to_the_device_but_its_places_before_the_first_batch(eeg, spectra, bands):
    meta = torch.device("meta")
    there = sources(eeg, spectra, meta)[1]
    batches = iter(TrainingBatches(there.halved(bands, 1.0) if bands else there, STRETCHES, 3, (0, 1), lambda: 0))
    next(batches)
    with Watching(meta) as watching:
        assert all(part.device == meta for part in next(batches).tensors())
    assert watching.operations


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

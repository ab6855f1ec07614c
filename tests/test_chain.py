import edfio
import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predann_bids.signals.brainvision import write_brainvision
from predann_bids.signals.preprocessing import response
from predann_bids.signals.preprocessing.chain import Chain, output_samples, run
from predann_bids.signals.preprocessing.reading import find_extremes

LINE_HZ = 60.0
EDGE_S = 2.0
RATES = [
    (1000, 125),
    (500, 125),
    (250, 125),
    (512, 125),
    (256, 100),
    (200, 125),
    (300, 128),
    (125, 125),
    (100, 125),
]


def make_raw(data, rate_hz):
    info = mne.create_info(len(data), rate_hz, "eeg")
    return mne.io.RawArray(data, info, copy="both", verbose="error")


def eeg_like(rate_hz, seconds, channels=3, *, seed=0):
    """Volts with a 1/f spectrum, white noise, and line noise larger than either."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * rate_hz)
    spectrum = np.fft.rfft(rng.standard_normal((channels, samples)))
    frequencies = np.fft.rfftfreq(samples, 1 / rate_hz)
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequencies, 0.5)), samples)
    line = np.sin(2 * np.pi * LINE_HZ * np.arange(samples) / rate_hz)
    return 1e-5 * (pink / pink.std() + 0.3 * rng.standard_normal(pink.shape) + 2 * line)


def by_mne(raw, chain, method="polyphase"):
    """Microvolts, (samples, channels), by one method of MNE after the other, in float64."""
    raw = raw.copy()
    if len(chain.notches_hz):
        raw.notch_filter(chain.notches_hz, verbose="error")
    if chain.low_hz or chain.high_hz:
        raw.filter(chain.low_hz, chain.high_hz, verbose="error")
    if raw.info["sfreq"] != chain.rate_hz:
        raw.resample(chain.rate_hz, method=method, verbose="error")
    data = raw.get_data()
    return 1e6 * (data if chain.matrix is None else chain.matrix @ data).T


def largest_deviation(found, expected, rate_hz):
    """Largest difference in standard deviations of its channel, but for the edges."""
    assert found.shape == expected.shape
    edge = round(EDGE_S * rate_hz)
    inner = slice(edge, len(expected) - edge)
    return (np.abs(found - expected)[inner].max(axis=0) / expected[inner].std(axis=0)).max()


def notches_below(rate_hz):
    return np.arange(LINE_HZ, rate_hz / 2 - 1, LINE_HZ)


@pytest.mark.parametrize(("rate", "new_rate"), RATES)
def test_the_result_is_that_of_mne_for_any_two_rates(rate, new_rate):
    raw = make_raw(eeg_like(rate, 15), rate)
    chain = Chain(range(3), new_rate, notches_below(rate), 1.0, 40.0)
    assert largest_deviation(run(raw, chain), by_mne(raw, chain), new_rate) < 1e-4


@pytest.mark.parametrize(("rate", "new_rate"), [(1000, 125), (512, 125), (200, 125)])
def test_the_result_is_that_of_resampling_by_fourier_transforms(rate, new_rate):
    raw = make_raw(eeg_like(rate, 16), rate)
    chain = Chain(range(3), new_rate, notches_below(rate), 1.0, 40.0)
    assert largest_deviation(run(raw, chain), by_mne(raw, chain, "fft"), new_rate) < 0.01


@pytest.mark.parametrize("band", [(None, None), (1.0, None), (None, 40.0), (0.5, 30.0), (1.0, 70.0)])
@pytest.mark.parametrize("notches", [(), (60.0,), (60.0, 120.0)])
@pytest.mark.parametrize("new_rate", [250, 125, 100, 300])
def test_the_result_is_that_of_mne_for_any_filters(band, notches, new_rate):
    raw = make_raw(eeg_like(250, 16), 250)
    chain = Chain(range(3), new_rate, notches, *band)
    assert largest_deviation(run(raw, chain), by_mne(raw, chain), new_rate) < 1e-4


@pytest.mark.parametrize("shape", [(3, 3), (1, 3), (5, 3)])
def test_a_matrix_mixes_the_channels(shape):
    raw = make_raw(eeg_like(250, 12), 250)
    chain = Chain(range(3), 125, (60.0,), 1.0, 40.0, np.random.default_rng(0).standard_normal(shape))
    assert largest_deviation(run(raw, chain), by_mne(raw, chain), 125) < 1e-4


def test_a_matrix_must_fit_the_channels():
    with pytest.raises(ValueError, match=r"\(2, 2\) does not fit 3"):
        Chain(range(3), 125, matrix=np.eye(2))


def test_only_the_picked_channels_go_in_in_their_order():
    raw = make_raw(eeg_like(250, 6, channels=4), 250)
    every, some = run(raw, Chain(range(4), 125)), run(raw, Chain([3, 1], 125))
    np.testing.assert_array_equal(some, every[:, [3, 1]])


@pytest.mark.parametrize(("rate", "new_rate"), [(1000, 125), (256, 100), (100, 125)])
def test_no_boundary_of_blocks_shows(rate, new_rate, monkeypatch):
    raw = make_raw(eeg_like(rate, 60, channels=2), rate)
    chain = Chain(range(2), new_rate, (), 2.0, 40.0)
    results = []
    for shortest, margins in ((10_000_000, 10), (1_000, 2), (1_000, 3), (4_321, 2)):
        monkeypatch.setattr(response, "SHORTEST_BLOCK", shortest)
        monkeypatch.setattr(response, "MARGINS_PER_BLOCK", margins)
        monkeypatch.setattr(response, "FEWEST_MARGINS", margins)
        blocks = []
        results.append(run(raw, chain, on_block=lambda done, total, blocks=blocks: blocks.append((done, total))))
        assert blocks == [(n, len(blocks)) for n in range(1, len(blocks) + 1)]
        assert (len(blocks) == 1) == (shortest == 10_000_000)
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], atol=1e-4 * results[0].std())


def test_more_threads_change_nothing(monkeypatch):
    monkeypatch.setattr(response, "SHORTEST_BLOCK", 1_000)
    raw = make_raw(eeg_like(250, 60, channels=20), 250)
    chain = Chain(range(20), 125, (60.0,), 1.0, 40.0, np.eye(20) - 1 / 20)
    np.testing.assert_array_equal(run(raw, chain, workers=3), run(raw, chain))


def test_channels_filtered_in_several_passes_are_the_same(monkeypatch):
    raw = make_raw(eeg_like(250, 20, channels=5), 250)
    chain = Chain(range(5), 125, (), None, 40.0, np.eye(5) - 1 / 5)
    expected, blocks = run(raw, chain), []
    monkeypatch.setattr("predann_bids.signals.preprocessing.chain.LARGEST_BLOCK", 12_000)
    result = run(raw, chain, on_block=lambda done, total: blocks.append((done, total)))
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert blocks == [(n, 3) for n in (1, 2, 3)]


def test_an_error_while_filtering_with_threads_is_raised(monkeypatch):
    def fail(*_):
        raise MemoryError("no more")

    monkeypatch.setattr(response.Response, "apply", fail)
    with pytest.raises(MemoryError, match="no more"):
        run(make_raw(eeg_like(250, 5), 250), Chain(range(3), 125), workers=2)


def test_samples_lie_at_their_times_for_an_hour():
    rate, new_rate, hz = 1e6 / 1953, 125.0, 10.0  # as BrainVision has 512 Hz, in whole microseconds
    seconds = np.arange(round(3600 * rate)) / rate
    result = run(make_raw(1e-5 * np.sin(2 * np.pi * hz * seconds)[None], rate), Chain([0], new_rate, (), 1.0, 40.0))
    times = np.arange(len(result)) / new_rate
    inner = slice(500, -500)
    np.testing.assert_allclose(result[inner, 0], 10 * np.sin(2 * np.pi * hz * times)[inner], atol=0.02)


def test_ten_hz_pass_and_what_lies_beyond_the_new_rate_does_not():
    rate, new_rate = 1000, 125
    seconds = np.arange(20 * rate) / rate
    kept, line, alias = (1e-5 * np.sin(2 * np.pi * hz * seconds) for hz in (10, 60, 115))
    result = run(make_raw(np.array([kept, line, alias]), rate), Chain(range(3), new_rate, (), None, 40.0))
    amplitudes = np.sqrt(2) * result[250:-250].std(axis=0)
    assert amplitudes[0] == pytest.approx(10, rel=3e-3)
    assert (amplitudes[1:] < 0.02).all()


@pytest.mark.parametrize(("rate", "new_rate"), [(500, 125), (256, 100), (125, 125)])
def test_large_offsets_cost_no_precision(rate, new_rate):
    signal, offsets = eeg_like(rate, 12), np.array([[0.1], [-0.1], [0.3]])
    chain = Chain(range(3), new_rate, (), 1.0, 40.0)
    with_offset = run(make_raw(signal + offsets, rate), chain)
    np.testing.assert_allclose(with_offset, run(make_raw(signal, rate), chain), atol=1e-3)


def test_offsets_stay_where_the_band_is_open_and_are_mixed_like_signals():
    raw = make_raw(eeg_like(500, 12) + np.array([[0.1], [-0.2], [0.3]]), 500)
    chain = Chain(range(3), 125, (60.0,), None, 40.0, np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 2.0]]))
    means = run(raw, chain)[250:-250].mean(axis=0)
    assert means == pytest.approx([-1e5, 6e5], abs=5)


def test_the_recording_stays_on_the_disk(tmp_path, monkeypatch):
    data = eeg_like(250, 400)
    write_brainvision(
        (1e6 * data.T).astype(np.float32), list("abc"), 250.0, np.zeros((3, 3)), tmp_path / "x_eeg.vhdr", []
    )
    raw = mne.io.read_raw_brainvision(tmp_path / "x_eeg.vhdr", preload=False, verbose="error")
    chain = Chain(range(3), 125, (60.0,), 1.0, 40.0)
    expected = run(make_raw(data, 250), chain)
    lengths, get_data = [], type(raw).get_data

    def spy(self, picks, start, stop=None):
        lengths.append(get_data(self, picks, start, stop).shape[1])
        return get_data(self, picks, start, stop)

    monkeypatch.setattr(type(raw), "get_data", spy)
    np.testing.assert_allclose(run(raw, chain), expected, atol=1e-4)
    assert not raw.preload
    assert max(lengths) <= 10_000 < raw.n_times


def test_a_file_whose_eeg_is_not_its_fastest_channel_shows_no_blocks(tmp_path, monkeypatch):
    microvolts, faster = 1e6 * eeg_like(256, 60), np.random.default_rng(0).standard_normal(60 * 512)
    signals = [
        edfio.EdfSignal(trace, 256, label=f"E{n}", physical_dimension="uV") for n, trace in enumerate(microvolts)
    ]
    edfio.Edf([*signals, edfio.EdfSignal(faster, 512, label="Audio")]).write(tmp_path / "x.edf")
    raw = mne.io.read_raw_edf(tmp_path / "x.edf", preload=False, verbose="error")
    chain = Chain(range(3), 128, (), 1.0, 40.0)
    monkeypatch.setattr("predann_bids.signals.preprocessing.reading.READ_SAMPLES", 1_000)
    expected = run(make_raw(1e-6 * microvolts, 256), chain)
    assert largest_deviation(run(raw, chain), expected, 128) < 0.01
    assert not raw.preload
    assert find_extremes(raw, range(3)).finite.all()


def test_the_recording_is_not_changed():
    data = eeg_like(250, 6)
    raw = make_raw(data, 250)
    run(raw, Chain(range(3), 125, (60.0,), 1.0, 40.0))
    np.testing.assert_array_equal(raw.get_data(), data)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.sampled_from(RATES), st.sampled_from([0.0, 1e-3, -0.2]))
def test_a_constant_of_any_length_passes_an_open_band(samples, rates, volts):
    rate, new_rate = rates
    result = run(make_raw(np.full((1, samples), volts), rate), Chain([0], new_rate, (), None, 30.0))
    assert result.shape == (samples * new_rate // rate, 1)
    np.testing.assert_allclose(result, 1e6 * volts, rtol=1e-5, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 1500), st.sampled_from(RATES))
def test_recordings_shorter_than_the_filter_stay_within_bounds(samples, rates):
    rate, new_rate = rates
    data = 1e-5 * np.random.default_rng(samples).uniform(-1, 1, (2, samples))
    result = run(make_raw(data, rate), Chain(range(2), new_rate, (), 1.0, 30.0))
    assert result.shape == (output_samples(samples, rate, new_rate), 2)
    assert result.dtype == np.float32
    assert np.abs(result).max(initial=0) < 100


def test_extremes_show_flat_channels_and_values_that_are_no_numbers(tmp_path):
    data = np.random.default_rng(0).standard_normal((5, 25_000))
    data[1] = 3.0
    data[2, 24_999] = np.nan
    data[3, 11_000] = np.inf
    found = find_extremes(make_raw(data, 250), [0, 1, 2, 3])
    assert found.finite.tolist() == [True, True, False, False]
    assert found.flat.tolist() == [False, True, False, False]
    assert (found.minimum[0], found.maximum[0]) == (data[0].min(), data[0].max())


@pytest.mark.parametrize("rate", [499.9823, 249.98, 512.0328, 500.0])
def test_a_measured_sampling_rate_keeps_its_clock(rate):
    seconds = np.arange(int(600 * rate)) / rate
    flashes = (20.0, 300.0, 580.0)
    signal = sum(np.exp(-(((seconds - flash) / 0.05) ** 2)) for flash in flashes)
    raw = mne.io.RawArray(1e-5 * signal[None], mne.create_info(["Cz"], rate, "eeg"), verbose="error")
    resampled = run(raw, Chain(picks=(0,), rate_hz=125.0), workers=1)[:, 0]
    for flash in flashes:
        around = np.arange(round((flash - 0.5) * 125), round((flash + 0.5) * 125))
        weights = resampled[around] ** 2
        assert np.average(around / 125, weights=weights) == pytest.approx(flash, abs=0.001)

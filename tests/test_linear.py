import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from predann_bids.data.source import Source
from predann_bids.data.splits import Split
from predann_bids.data.stores.mapped import AudioStore, EegStore
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import grid
from predann_bids.errors import ReadOrWriteFailed, UnusableData
from predann_bids.learning.closed_form import data as closed_form
from predann_bids.learning.closed_form.data import training_data
from predann_bids.learning.closed_form.solving import solve
from predann_bids.models.audio.by_hand import onset_features
from predann_bids.models.decoders.linear import LinearDecoder, LinearSettings
from predann_bids.models.linear import backward
from predann_bids.models.linear.backward import BackwardModel, halved
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.signals.scaling import SHRINKAGE
from predann_bids.timing import Rate, Span

RATE, LENGTH, DELAY = Rate(50.0), 150, 6
SONG, CHANNELS = 1000, 4
LATENCIES = (4, 14)  # samples from a feature to its response


def listening(*, response=1.0, noise=1.0, delay=DELAY, seed=0):
    """Three listeners of two songs; each feature reaches all channels at a latency of its own."""
    rng = np.random.default_rng(seed)
    songs = [rng.normal(0, 2, (32, SONG)).astype(np.float32) for _ in range(2)]
    patterns = rng.standard_normal((2, CHANNELS))
    trials, recordings = [], []
    for person in range(3):
        data = noise * rng.standard_normal((2600, CHANNELS))
        for number, song in enumerate(songs):
            onset = 50 + 1200 * number
            features = onset_features(song)
            for row, latency in enumerate(LATENCIES):
                wave = features[row] / features[row].std()
                data[onset + latency : onset + latency + SONG] += response * np.outer(wave, patterns[row])
            trials.append(Trial(str(person), "", "", "", person, number, onset, SONG, 0))
        channels = tuple("ABCD"[:CHANNELS])
        recordings.append(MappedRecording(data.astype(np.float32), np.ones(CHANNELS, np.float32), channels, RATE.hz))
    audio = AudioStore(tuple(map(onset_features, songs)))
    return Source(tuple(trials), EegStore.open(recordings), audio, LENGTH, delay)


def fit_linear(source, split, rate, *, whitened):
    """Fit a linear decoder, and give its model."""
    return solve(LinearDecoder, source, split, settings_of(source, rate, whitened=whitened)).model


def settings_of(source, rate, *, whitened):
    return LinearSettings(source.eeg.channels, ("a", "b"), rate.hz, shrinkage=SHRINKAGE if whitened else None)


@pytest.fixture
def split():
    sets = [tuple(Stretch(2 * person + song, Span(0, SONG)) for song in range(2)) for person in range(3)]
    return Split(1, *sets)


def similarity(decoder, source, stretches):
    """Mean correlation of what is reconstructed and what was heard, one by one."""
    store = source.eeg if decoder.whitened else source.eeg.whitened(None)
    windows = grid(stretches, LENGTH, LENGTH // 4 * 2)  # frames of the audio begin at even samples
    found = decoder.reconstruct(store.windows(source.trials, windows, LENGTH, source.delay))
    each = []
    for row, (trial, start) in enumerate(zip(windows.trial, windows.start, strict=True)):
        heard = halved(source.audio.features[source.trials[trial].stimulus][:, start : start + LENGTH])
        each += [np.corrcoef(found[row, feature], heard[feature])[0, 1] for feature in range(2)]
    return np.mean(each)


def standardised(source, stretch):
    trial = source.trials[stretch.trial]
    begin = trial.onset + stretch.span.start + source.delay
    eeg = (
        source.eeg.scalings[trial.recording]
        .apply(source.eeg.recordings[trial.recording].data[begin : begin + stretch.span.length])
        .astype(float)
    )
    heard = source.audio.features[trial.stimulus][:, stretch.span.start : stretch.span.stop]
    eeg, heard = (part[:, 0::2] / 2 + part[:, 1::2] / 2 for part in (eeg, heard.astype(float)))
    heard = (heard - heard.mean(axis=1, keepdims=True)) / heard.std(axis=1, keepdims=True)
    return eeg - eeg.mean(axis=1, keepdims=True), heard


def with_recording(source, index, data):
    recordings = list(source.eeg.recordings)
    recordings[index] = dataclasses.replace(recordings[index], data=data.astype(np.float32))
    return dataclasses.replace(source, eeg=dataclasses.replace(source.eeg, recordings=tuple(recordings)))


# Onset features


def test_onset_features_of_clicks_peak_at_the_clicks_and_are_nothing_before():
    spectra = np.full((32, 400), np.log(1e-3), np.float32)
    for click in (100, 200, 330):
        spectra[:, click : click + 30] = np.linspace(3, -6, 30)
    for feature in onset_features(spectra):
        peaks = np.flatnonzero((feature[1:-1] > feature[:-2]) & (feature[1:-1] >= feature[2:]) & (feature[1:-1] > 0.01))
        np.testing.assert_array_equal(peaks + 1, [100, 200, 330])
        assert abs(feature[:80]).max() == 0


def test_decay_is_no_onset():
    spectra = np.repeat(np.linspace(3, -6, 200)[None], 32, axis=0).astype(np.float32)
    np.testing.assert_allclose(onset_features(spectra), 0, atol=1e-7)


def test_flux_sees_energy_that_moves_between_bands_and_the_envelope_does_not():
    spectra = np.full((32, 200), np.log(1e-3), np.float32)
    spectra[:16, :100], spectra[16:, 100:] = 1, 1
    envelope, flux = onset_features(spectra)
    assert flux.argmax() == 100
    assert flux.max() > 0.01
    assert envelope.max() < 1e-6


# Ridge regression


@pytest.mark.parametrize("delay", [0, DELAY, 14, -4])
def test_coefficients_are_those_of_an_explicit_ridge_regression(split, monkeypatch, delay):
    monkeypatch.setattr(backward, "ALPHAS", (0.1,))
    source = listening(delay=delay)
    split = dataclasses.replace(split, train=(Stretch(0, Span(0, 600)), Stretch(1, Span(80, 960))))
    decoder = fit_linear(source, split, RATE, whitened=True)
    lags = range(-delay // 2, 10 - delay // 2 + 1)
    np.testing.assert_array_equal(decoder.lags, lags)
    designs, targets, powers = [], [], []
    for stretch in split.train:
        eeg, heard = (np.pad(part, ((0, 0), (len(lags), len(lags)))) for part in standardised(source, stretch))
        length = eeg.shape[1]
        design = np.zeros((length, CHANNELS, len(lags)))
        for t in range(length):
            for place, lag in enumerate(lags):
                if 0 <= t + lag < length:
                    design[t, :, place] = eeg[:, t + lag]
        designs.append(design.reshape(length, -1))
        targets.append(heard.T)
        powers.append(np.square(eeg).sum(axis=1).mean())
    design, target = np.concatenate(designs), np.concatenate(targets)
    alpha = 0.1 * sum(powers)
    expected = Ridge(alpha, fit_intercept=False).fit(design, target).coef_.reshape(2, CHANNELS, len(lags))
    np.testing.assert_allclose(decoder.coefficients, expected, rtol=1e-3, atol=2e-4)


def test_every_alpha_gives_what_fitting_with_it_alone_gives(split, monkeypatch):
    source = listening(noise=3.0)
    settings = settings_of(source, RATE, whitened=True)
    data, _ = training_data(LinearDecoder, source, split, settings)
    together = [decoder.model for decoder in LinearDecoder.candidates(data, settings)]
    assert len(together) == len(backward.ALPHAS) > 3
    for decoder in together:
        monkeypatch.setattr(backward, "ALPHAS", (decoder.alpha,))
        alone = fit_linear(source, split, RATE, whitened=True)
        np.testing.assert_allclose(decoder.coefficients, alone.coefficients, rtol=1e-3, atol=1e-5)


def test_of_more_data_than_needed_as_many_stretches_are_drawn_as_are(split, monkeypatch):
    everything = (*split.train, *split.validation, *split.test)
    drawn = closed_form._at_most(everything, 3 * SONG)
    assert len(drawn) == 3
    assert list(drawn) == [stretch for stretch in everything if stretch in drawn]
    assert closed_form._at_most(everything, 100 * SONG) == list(everything)
    source = listening()
    monkeypatch.setattr(closed_form, "MOST_HOURS", 3 * SONG / RATE.hz / 3600)
    some = [dataclasses.replace(split, train=stretches) for stretches in (everything, tuple(drawn))]
    found, expected = (fit_linear(source, s, RATE, whitened=True).coefficients for s in some)
    np.testing.assert_array_equal(found, expected)


def test_a_window_is_reconstructed_from_its_own_samples_alone():
    rng = np.random.default_rng(0)
    lags = np.arange(-3, 5)
    decoder = BackwardModel(rng.standard_normal((2, 3, 8)).astype(np.float32), lags, 1.0, 0.0, True)
    eeg = rng.standard_normal((70, 3, 41)).astype(np.float32)
    expected = np.zeros((70, 2, 20))
    for t in range(20):
        for place, lag in enumerate(lags):
            if 0 <= t + lag < 20:
                frame = eeg[:, :, 2 * (t + lag) : 2 * (t + lag) + 2].mean(axis=2)
                expected[:, :, t] += frame @ decoder.coefficients[:, :, place].T
    np.testing.assert_allclose(decoder.reconstruct(eeg), expected, rtol=1e-4, atol=1e-4)


def test_lags_longer_than_a_window_reconstruct_nothing():
    decoder = BackwardModel(np.ones((2, 3, 2), np.float32), np.array([-11, -10]), 1.0, 0.0, True)
    assert not decoder.reconstruct(np.ones((1, 3, 20), np.float32)).any()


# Known truth


@pytest.mark.parametrize("whitened", [True, False])
def test_features_that_the_eeg_holds_are_reconstructed_for_people_never_trained_on(split, whitened):
    source = listening(response=1.0, noise=0.5)
    decoder = fit_linear(source, split, RATE, whitened=whitened)
    assert decoder.whitened is whitened
    assert similarity(decoder, source, split.test) > 0.8


def test_from_noise_nothing_is_reconstructed(split):
    source = listening(response=0.0)
    decoder = fit_linear(source, split, RATE, whitened=True)
    assert abs(similarity(decoder, source, split.test)) < 0.1


def test_weights_lie_at_the_latencies_of_the_response(split):
    decoder = fit_linear(listening(noise=0.3), split, RATE, whitened=False)
    power = np.square(decoder.coefficients).sum(axis=(0, 1))
    after_the_sound = decoder.lags + DELAY // 2
    assert (after_the_sound[0], after_the_sound[-1]) == (0, 10)
    assert set(after_the_sound[np.argsort(power)[-2:]]) == {latency // 2 for latency in LATENCIES}


def test_eeg_is_whitened_as_the_settings_ask_however_the_source_whitens_it(split):
    source = listening(noise=0.5)
    plain = fit_linear(source, split, RATE, whitened=False)
    already = source.whitened(None)
    np.testing.assert_array_equal(fit_linear(already, split, RATE, whitened=False).coefficients, plain.coefficients)
    assert not np.allclose(fit_linear(source, split, RATE, whitened=True).coefficients, plain.coefficients, rtol=0.1)


def test_unwhitened_channels_are_standardised_and_limited_but_not_mixed():
    source = listening()
    store = source.eeg.whitened(None)
    data, scaling = source.eeg.recordings[0].data, source.eeg.scalings[0]
    found = store.windows(source.trials, grid([Stretch(0, Span(0, LENGTH))], LENGTH, 1), LENGTH, 0)[0]
    begin = source.trials[0].onset
    expected = np.clip((data[begin : begin + LENGTH] - scaling.center) / scaling.spread, -5, 5).T
    np.testing.assert_allclose(found, expected, rtol=1e-5)


# What is read


def test_a_stretch_reads_nothing_outside_itself(split):
    source = listening()
    split = dataclasses.replace(split, train=(Stretch(0, Span(100, 700)), Stretch(1, Span(100, 700))))
    data = np.full((2600, CHANNELS), np.nan)
    for trial in source.trials[:2]:
        read = slice(trial.onset + 100 + DELAY, trial.onset + 700 + DELAY)
        data[read] = source.eeg.recordings[0].data[read]
    found = fit_linear(with_recording(source, 0, data), split, RATE, whitened=True)
    expected = fit_linear(source, split, RATE, whitened=True)
    np.testing.assert_array_equal(found.coefficients, expected.coefficients)


def test_the_order_of_stretches_does_not_matter(split):
    source = listening()
    turned = dataclasses.replace(split, train=split.train[::-1])
    np.testing.assert_allclose(
        fit_linear(source, turned, RATE, whitened=True).coefficients,
        fit_linear(source, split, RATE, whitened=True).coefficients,
        atol=1e-6,
    )


def test_test_stretches_are_never_read(split):
    source = listening()
    garbled = with_recording(source, 2, np.full((2600, CHANNELS), np.nan))
    found, expected = (fit_linear(some, split, RATE, whitened=True) for some in (garbled, source))
    np.testing.assert_array_equal(found.coefficients, expected.coefficients)
    assert (found.alpha, found.correlation) == (expected.alpha, expected.correlation)


@pytest.mark.parametrize("noise", [0.1, 30.0])
def test_the_alpha_is_the_one_that_reconstructs_validation_windows_best(split, monkeypatch, noise):
    source = listening(noise=noise)
    chosen = fit_linear(source, split, RATE, whitened=True)
    by_alpha = {}
    for alpha in backward.ALPHAS:
        with monkeypatch.context() as patch:
            patch.setattr(backward, "ALPHAS", (alpha,))
            decoder = fit_linear(source, split, RATE, whitened=True)
        by_alpha[alpha] = similarity(decoder, source, split.validation)
    assert chosen.alpha == max(by_alpha, key=by_alpha.get)
    assert chosen.correlation == pytest.approx(by_alpha[chosen.alpha], abs=1e-5)


def test_flat_eeg_gives_weights_of_zero(split):
    source = listening()
    for person in range(3):
        source = with_recording(source, person, np.zeros((2600, CHANNELS)))
    scalings = [dataclasses.replace(s, center=np.zeros(CHANNELS, np.float32)) for s in source.eeg.scalings]
    source = dataclasses.replace(source, eeg=dataclasses.replace(source.eeg, scalings=tuple(scalings)))
    decoder = fit_linear(source, split, RATE, whitened=True)
    assert not decoder.coefficients.any()
    assert decoder.correlation == 0


# Files


@pytest.fixture
def decoder():
    weights = np.random.default_rng(0).standard_normal((2, 3, 8)).astype(np.float32)
    return BackwardModel(weights, np.arange(-3, 5), 0.1, 0.25, False)


def test_a_saved_decoder_is_read_back_the_same(decoder, tmp_path):
    decoder.save(tmp_path / "linear.npz")
    found = BackwardModel.load(tmp_path / "linear.npz")
    np.testing.assert_array_equal(found.coefficients, decoder.coefficients)
    np.testing.assert_array_equal(found.lags, decoder.lags)
    assert (found.alpha, found.correlation, found.whitened) == (0.1, 0.25, False)
    assert found.coefficients.dtype == np.float32
    assert [path.name for path in tmp_path.iterdir()] == ["linear.npz"]


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_decoder_is_refused(tmp_path, content):
    (tmp_path / "linear.npz").write_bytes(content)
    with pytest.raises(UnusableData, match="no linear decoder"):
        BackwardModel.load(tmp_path / "linear.npz")


def test_an_array_that_is_no_decoder_is_refused(tmp_path):
    with (tmp_path / "linear.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(UnusableData, match="no linear decoder"):
        BackwardModel.load(tmp_path / "linear.npz")


def test_a_file_that_would_have_to_be_unpickled_is_refused(tmp_path):
    np.savez(tmp_path / "linear.npz", coefficients=np.array([print], dtype=object), lags=0, alpha=0, correlation=0)
    with pytest.raises(UnusableData, match="no linear decoder"):
        BackwardModel.load(tmp_path / "linear.npz")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ReadOrWriteFailed, match=r"linear\.npz"):
        BackwardModel.load(tmp_path / "linear.npz")

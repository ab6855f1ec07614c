"""What every registered decoder can do, whether it is trained in epochs or solved for."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from predann_bids.config import Training
from predann_bids.data.source import Source
from predann_bids.data.splits import Split
from predann_bids.data.stores.mapped import AudioStore, EegStore
from predann_bids.data.stores.waveforms import WaveformStore
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import grid
from predann_bids.learning.closed_form.solving import solve
from predann_bids.learning.inference import predict
from predann_bids.learning.probing.probe import probe
from predann_bids.learning.retrieval import Candidates, rank
from predann_bids.models.audio.features import FEATURES
from predann_bids.models.checkpoints import EARLIER, load_decoder
from predann_bids.models.closed_form import ClosedForm
from predann_bids.models.decoder import DECODERS, Blueprint
from predann_bids.models.decoders.foundation import FoundationDecoder
from predann_bids.models.network import Network
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.timing import Rate, Span

RATE, LENGTH, SONG, CHANNELS = Rate(100.0), 200, 900, ("A", "B", "C")
SHORT = 40  # samples of a window where waveforms are convolved
SONGS = ("one", "two", "three")
# foundation models need named channels and a package: see test_foundation.py
NETWORKS = [
    name
    for name in DECODERS
    if issubclass(DECODERS[name], Network) and not issubclass(DECODERS[name], FoundationDecoder)
]
SOLVED = [name for name in DECODERS if issubclass(DECODERS[name], ClosedForm)]


def source_of(features, *, people=4, noise=0.5, seed=0):
    """Listeners whose EEG follows the features of three songs, without a delay."""
    rng = np.random.default_rng(seed)
    kind, bands = FEATURES[features], FEATURES[features](RATE.hz).bands
    shape = (bands, SONG) if kind.in_frames else (round(SONG / RATE.hz * kind.audio_rate),)
    audio = [rng.standard_normal(shape).astype(np.float32) for _ in SONGS]
    trials, recordings = [], []
    for person in range(people):
        data = noise * rng.standard_normal((len(SONGS) * (SONG + 100) + 100, len(CHANNELS)))
        for song in range(len(SONGS)):
            onset = 100 + song * (SONG + 100)
            if kind.in_frames:
                by_hand = audio[song][kind.by_hand]
                smooth = np.repeat(by_hand.reshape(len(by_hand), -1, 2).mean(axis=2), 2, axis=1)[:3]
                data[onset : onset + SONG, : len(smooth)] += smooth.T
            trials.append(Trial(f"{person}", "", "", "", person, song, onset, SONG, 0))
        recordings.append(MappedRecording(data.astype(np.float32), np.ones(3, np.float32), CHANNELS, RATE.hz))
    store = AudioStore(tuple(audio)) if kind.in_frames else WaveformStore(tuple(audio), RATE, Rate(kind.audio_rate))
    return Source(tuple(trials), EegStore.open(recordings), store, LENGTH, 0)


def blueprint(name):
    features = DECODERS[name].features_for(Training())
    bands = FEATURES[features](RATE.hz).bands
    return Blueprint(name, CHANNELS, SONGS, RATE.hz, 0.0, LENGTH / RATE.hz, LENGTH / RATE.hz, features, bands, SONG)


@pytest.fixture(params=NETWORKS)
def network(request):
    torch.manual_seed(0)
    kind = DECODERS[request.param]
    decoder = kind(kind.settings_for(blueprint(request.param))).eval()
    decoder.remember(source_of(decoder.settings.features).songs())
    return decoder


@pytest.fixture(scope="module", params=SOLVED)
def solved(request):
    """A closed-form decoder of two people, tried on the others."""
    kind = DECODERS[request.param]
    source = source_of(kind.features_for(Training()))
    people = [tuple(Stretch(3 * person + song, Span(0, SONG)) for song in range(3)) for person in range(4)]
    split = Split(1, (*people[0], *people[1]), people[2], people[3])
    decoder = solve(kind, source, split, kind.settings_for(blueprint(request.param)))
    decoder.remember(source.songs())
    return decoder, source, split


def test_networks_give_logits_and_representations_of_eeg_and_audio_that_can_be_compared(network):
    logits, z = network.encode_eeg(torch.randn(2, 3, SHORT))
    of_audio, target = network.encode_audio(torch.randn(2, round(SHORT / RATE.hz * network.audio_rate)))
    assert logits.shape == of_audio.shape == (2, 3)
    assert z.shape == target.shape
    torch.testing.assert_close(
        network.predict(torch.zeros(1, 3, LENGTH)), network.encode_eeg(torch.zeros(1, 3, LENGTH))[1]
    )


def test_the_objective_of_a_network_is_a_loss_that_trains_it(network):
    source = replace(source_of(network.settings.features), length=SHORT)
    batch = source.batch(grid([Stretch(song, Span(0, SHORT)) for song in range(3)], SHORT, SHORT))
    losses = network.train().objective(*batch, Training())
    losses["loss"].backward()
    assert losses["loss"].isfinite()
    assert any(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_a_network_is_read_back_under_its_own_name_with_what_it_was_built_for(network, tmp_path):
    network.save(tmp_path / "x.ckpt", {"fold": 3})
    loaded = load_decoder(tmp_path / "x.ckpt")
    assert (loaded.name, loaded.settings) == (network.name, network.settings)
    torch.testing.assert_close(
        loaded.encode_eeg(torch.ones(1, 3, LENGTH)), network.encode_eeg(torch.ones(1, 3, LENGTH))
    )
    assert not loaded.training


@pytest.mark.parametrize(("form", "name"), EARLIER.items())
def test_checkpoints_that_earlier_versions_wrote_are_still_read(form, name, tmp_path):
    kind = DECODERS[name]
    built_for = replace(blueprint(name), features="log-mel", bands=32) if name == "temporal" else blueprint(name)
    decoder = kind(kind.settings_for(built_for)).eval()
    settings = {key: value for key, value in decoder.settings.plain().items() if key != "features"}
    weights = decoder.state_dict() | ({"spectra.mel.mel_scale.fb": torch.ones(257, 32)} if name == "temporal" else {})
    torch.save({"format": form, "version": "0.1.0", "settings": settings, "state_dict": weights}, tmp_path / "old.ckpt")
    loaded = load_decoder(tmp_path / "old.ckpt")
    assert loaded.settings == decoder.settings
    assert all(torch.equal(loaded.state_dict()[key], value) for key, value in decoder.state_dict().items())


def test_song_logits_of_a_closed_form_decoder_name_the_song_without_the_moment(solved):
    decoder, source, split = solved
    windows = grid(split.test, LENGTH, 100)  # at moments that are searched: every second frame, as features are noise
    probabilities, _ = predict(decoder, source, windows)
    assert (probabilities.argmax(axis=1) == windows.stimuli(source.trials)).mean() > 0.95
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def similarity_of(one, other, *, by_feature):
    if by_feature:
        return np.mean([np.corrcoef(*pair)[0, 1] for pair in zip(one, other, strict=True)])
    one, other = (part - part.mean(dim=1, keepdim=True) for part in (one, other))
    return float((one * other).sum() / (one.norm() * other.norm()))


def test_evidence_of_a_closed_form_decoder_is_a_log_mean_over_moments_of_correlations(solved):
    decoder, source, split = solved
    z = decoder.predict(source.eeg_of(grid(split.test, LENGTH, 300)[:2]))
    expected = np.empty((2, 3))
    for song, features in enumerate(decoder.represent_songs(source.songs())):
        for row in range(2):
            moments = range(0, features.shape[1] - z.shape[2] + 1, 2)
            r = [similarity_of(z[row], features[:, m : m + z.shape[2]], by_feature=decoder.by_feature) for m in moments]
            expected[row, song] = np.log(np.mean(np.exp(np.array(r) / decoder.settings.memory_temperature)))
    np.testing.assert_allclose(decoder.song_logits(z).numpy(), expected, rtol=1e-3, atol=1e-3)


def test_a_closed_form_decoder_matches_the_moments_that_retrieval_ranks(solved):
    decoder, source, split = solved
    windows = grid(split.test, LENGTH, 50)
    _, representations = predict(decoder, source, windows)
    candidates = Candidates.of(source.trials, split.test, 3, length=LENGTH, stride=50)
    similarities, ranks = rank(representations, source.trials, windows, candidates, {2.0: 1})
    z = decoder.predict(source.whitened(decoder.settings.shrinkage).eeg_of(windows))
    np.testing.assert_allclose(decoder.match(z, torch.from_numpy(windows.start)).numpy(), similarities, atol=1e-5)
    assert (ranks["rank_window"] == 1).mean() > 0.95


def test_a_closed_form_decoder_can_be_probed(solved):
    decoder, source, split = solved
    counts = probe(decoder, source, split.test, rate=RATE, stride=50, rng=np.random.default_rng(0), delays_s=(0.0, 0.5))
    right = counts.by_delay.hits.sum(axis=1) / counts.by_delay.windows.sum()
    assert right[0].min() > 0.9  # with the delay that there is, by logits and by match
    assert right[1, 1] < 0.7  # by match, half a second later


def test_a_closed_form_decoder_can_name_other_songs(solved):
    decoder, source, _ = solved
    other = decoder.for_songs(("x", "y", "z"), source.songs())
    assert other.settings.songs == ("x", "y", "z")
    assert other.encode_eeg(torch.randn(1, 3, LENGTH))[0].shape == (1, 3)

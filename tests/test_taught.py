"""A closed-form decoder that hears the teacher, and networks that contain it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_decoders import CHANNELS, LENGTH, RATE, SONG, SONGS, blueprint

from predann_bids.config import Training, resolve
from predann_bids.data.source import Source
from predann_bids.data.splits import Split
from predann_bids.data.stores.mapped import AudioStore, EegStore
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import grid
from predann_bids.learning.closed_form.joining import join
from predann_bids.learning.closed_form.solving import solve
from predann_bids.learning.closed_form.validation import ValidationWindows
from predann_bids.learning.models import evaluated_models
from predann_bids.models.audio.by_hand import BY_HAND
from predann_bids.models.decoder import DECODERS
from predann_bids.models.decoders.taught import TaughtCanonicalDecoder
from predann_bids.models.decoders.temporal import TemporalDecoder
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.signals.frames import Reduction
from predann_bids.timing import Span

FEATURES, KEPT = 12, 4  # of the teacher, and what they are reduced to
TRAINING = Training(teacher="mel")


@pytest.fixture(scope="module")
def sources():
    """Listeners whose EEG follows what a teacher hears: with its features as they are, and reduced."""
    rng = np.random.default_rng(0)
    heard = [np.repeat(rng.standard_normal((KEPT, SONG // 2)), 2, axis=1) for _ in SONGS]
    mixing = rng.standard_normal((FEATURES, KEPT))
    features = [(mixing @ one + 5.0).astype(np.float32) for one in heard]
    by_hand = [rng.standard_normal((BY_HAND, SONG)).astype(np.float32) for _ in SONGS]
    trials, recordings = [], []
    for person in range(4):
        data = 0.5 * rng.standard_normal((len(SONGS) * (SONG + 100) + 100, len(CHANNELS)))
        for song in range(len(SONGS)):
            onset = 100 + song * (SONG + 100)
            data[onset : onset + SONG] += heard[song][:3].T
            trials.append(Trial(f"{person}", "", "", "", person, song, onset, SONG, 0))
        recordings.append(MappedRecording(data.astype(np.float32), np.ones(3, np.float32), CHANNELS, RATE.hz))
    reduction = Reduction.of(features, KEPT)
    stores = (
        AudioStore(tuple(np.concatenate([one, below]) for one, below in zip(some, by_hand, strict=True)))
        for some in (features, [reduction.apply(one) for one in features])
    )
    eeg = EegStore.open(recordings)
    whole, reduced = (Source(tuple(trials), eeg, store, LENGTH, 0) for store in stores)
    return whole, reduced, reduction


@pytest.fixture(scope="module")
def solved(sources):
    """The decoder, with and without the reduction that it was solved behind."""
    whole, reduced, reduction = sources
    of_songs = [[Stretch(3 * person + song, Span(0, SONG)) for song in (0, 1)] for person in range(4)]
    new_song = tuple(Stretch(3 * person + 2, Span(0, SONG)) for person in range(4))
    split = Split(1, (*of_songs[0], *of_songs[1], *of_songs[2]), tuple(of_songs[3]), new_song)
    plan = replace(blueprint("cca_teacher"), features="mel", beside="spectra")
    decoder = solve(TaughtCanonicalDecoder, reduced, split, TaughtCanonicalDecoder.settings_for(plan))
    before = decoder.reducing(reduction)
    before.remember(whole.songs())
    return before, decoder, split, plan


def test_it_tells_a_new_song_where_the_eeg_follows_the_teacher_and_one_that_does_not_hear_it_cannot(sources, solved):
    whole, reduced, _ = sources
    split = solved[2]
    only_by_hand = reduced.taking_from(reduced.eeg, AudioStore(tuple(one[KEPT:] for one in reduced.audio.features)))
    plan = replace(blueprint("cca"), features="onsets")  # whose features are all made by hand
    other = solve(DECODERS["cca"], only_by_hand, split, DECODERS["cca"].settings_for(plan))
    assert ValidationWindows.of(whole, split.test).contrast(solved[0]).information > 1.0
    assert ValidationWindows.of(only_by_hand, split.test).contrast(other).information < 0.2


def test_before_the_reduction_it_represents_songs_as_behind_it(sources, solved):
    whole, reduced, _ = sources
    pairs = zip(solved[0].represent_songs(whole.songs()), solved[1].represent_songs(reduced.songs()), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_it_is_read_back_with_its_reduction(sources, solved, tmp_path):
    whole, decoder, plan = sources[0], solved[0], solved[3]
    decoder.save(tmp_path / "x.npz", {})
    read = TaughtCanonicalDecoder.load(tmp_path / "x.npz", plan, whole.songs())
    eeg = whole.whitened(decoder.settings.shrinkage).eeg_of(grid(solved[2].test, LENGTH, 300))
    torch.testing.assert_close(read.encode_eeg(eeg), decoder.encode_eeg(eeg))
    torch.testing.assert_close(read.for_songs(SONGS, whole.songs()).encode_eeg(eeg), decoder.encode_eeg(eeg))
    assert read.reduction is not None


def test_its_sound_is_heard_as_the_teacher_and_by_hand(sources, solved):
    mel = replace(solved[3], bands=64)
    decoder = TaughtCanonicalDecoder(TaughtCanonicalDecoder.settings_for(mel), solved[0].banks)
    assert decoder.features(torch.randn(1, 2 * decoder.audio_rate)).shape == (1, 64 + BY_HAND, 200)


@torch.no_grad()
def test_a_network_in_which_nothing_was_learned_decides_as_the_decoder_that_hears_its_teacher(
    sources, solved, tmp_path
):
    whole, _, reduction = sources
    start, _, split, _ = solved
    plan = replace(blueprint("temporal"), features="mel", beside="spectra", bands=KEPT)
    torch.manual_seed(0)
    settings = replace(TemporalDecoder.settings_for(plan), shrinkage=start.settings.shrinkage)
    network = TemporalDecoder(settings).eval().reducing(reduction.mean, reduction.directions)
    network.remember(whole.songs())
    decoder = join(network, start, ValidationWindows.of(whole, split.validation))
    decoder.remember(whole.songs())
    assert decoder.settings.taught
    assert decoder.gains.tolist() == [0, 0]
    decoder.save(tmp_path / "x.ckpt", {})
    read = TemporalDecoder.load(tmp_path / "x.ckpt", plan, whole.songs())
    eeg = whole.whitened(start.settings.shrinkage).eeg_of(grid(split.test, LENGTH, 300))
    moments = torch.arange(len(eeg)) * 20
    expected = start.match(start.predict(eeg), moments)
    for one in (decoder, read, read.for_songs(SONGS, whole.songs())):
        torch.testing.assert_close(one.match(one.predict(eeg), moments), expected, atol=1e-4, rtol=1e-3)


def test_it_is_evaluated_where_there_is_a_teacher_that_networks_of_this_kind_learn_from():
    def names(**flags):
        return [model.name for model in evaluated_models(resolve(flags={f"training.{k}": v for k, v in flags.items()}))]

    assert "cca_teacher" not in names()
    assert names(teacher="harmony")[-2:] == ["cca", "cca_teacher"]
    assert "cca_teacher" in names(more_teachers=("timbre",))
    assert "cca_teacher" not in names(encoders="eeg-transformer", teacher="harmony")


def test_without_a_teacher_it_hears_spectra():
    assert TaughtCanonicalDecoder.features_for(Training()) == "log-mel"
    assert TaughtCanonicalDecoder.features_for(TRAINING) == "mel"

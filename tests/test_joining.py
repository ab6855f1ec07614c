"""A network contains the closed-form decoder: how much each part counts is chosen on validation windows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_decoders import LENGTH, SONG, blueprint, source_of

from predann_bids.config import Training
from predann_bids.data.splits import Split
from predann_bids.data.trials import Stretch
from predann_bids.data.windows import grid
from predann_bids.learning.closed_form import joining
from predann_bids.learning.closed_form.joining import join
from predann_bids.learning.closed_form.solving import solve
from predann_bids.learning.closed_form.validation import ValidationWindows
from predann_bids.models.decoder import DECODERS
from predann_bids.models.decoders.temporal import TemporalDecoder, logits_within_batch
from predann_bids.models.memory import evidence
from predann_bids.timing import Span


@pytest.fixture(scope="module")
def parts():
    """An untrained network, a closed-form decoder of two people, their source and the windows of a third."""
    source = source_of("spectra")
    people = [tuple(Stretch(3 * person + song, Span(0, SONG)) for song in range(3)) for person in range(4)]
    split = Split(1, (*people[0], *people[1]), people[2], people[3])
    start = solve(DECODERS["cca"], source, split, DECODERS["cca"].settings_for(blueprint("cca")))
    start.remember(source.songs())
    torch.manual_seed(0)
    settings = replace(TemporalDecoder.settings_for(blueprint("temporal")), shrinkage=start.settings.shrinkage)
    network = TemporalDecoder(settings).eval()
    network.remember(source.songs())
    return network, start, source, ValidationWindows.of(source, people[2]), people[3]


def joined(parts, **options):
    network, start, source, windows, _ = parts
    decoder = join(network, start, windows, **options)
    decoder.remember(source.songs())
    return decoder


def test_of_an_untrained_network_nothing_is_taken(parts):
    decoder = joined(parts)
    assert decoder.gains.tolist() == [0, 0]
    assert len(decoder.eeg_filters) == len(parts[1].banks.eeg)


def test_with_nothing_learned_it_decides_as_the_closed_form_decoder(parts):
    _, start, source, _, test = parts
    decoder = joined(parts)
    eeg = source.whitened(start.settings.shrinkage).eeg_of(grid(test, LENGTH, 300))
    moments = torch.arange(len(eeg)) * 20
    torch.testing.assert_close(
        decoder.match(decoder.predict(eeg), moments), start.match(start.predict(eeg), moments), atol=1e-5, rtol=1e-4
    )


def test_it_is_at_least_as_informative_on_validation_windows_as_either_part(parts):
    network, start, _, windows, _ = parts
    both = windows.contrast(joined(parts)).information
    assert both >= max(windows.contrast(network).information, windows.contrast(start).information) - 1e-4


@pytest.mark.parametrize("songs", [(0, 1, 2), (1, 2), (2,)])
def test_windows_of_some_songs_are_heard_as_they_are_among_those_of_all(parts, songs):
    network, start, source, windows, _ = parts
    some = ValidationWindows.of(source, [Stretch(3 * 2 + song, Span(0, SONG)) for song in songs])
    chosen = np.isin(windows.windows.stimuli(source.trials), songs)
    for decoder in (network, start):
        np.testing.assert_array_equal(some.heard(decoder), windows.heard(decoder)[chosen])


def test_without_validation_data_both_parts_count_the_same(parts):
    decoder, windows = joined(parts, held_out=False), parts[3]
    for side in (windows.predicted(decoder), windows.heard(decoder)):
        power = np.square(side - side.mean(axis=2, keepdims=True)).mean(axis=(0, 2))
        learned = decoder.settings.dimensions
        assert power[:learned].sum() == pytest.approx(power[learned:].sum(), rel=1e-3)
    assert joining.UNKNOWN_SHARE == 0.5


def test_where_validation_is_on_songs_that_were_trained_on_a_network_counts_little_for_others(parts, monkeypatch):
    windows = parts[3]
    monkeypatch.setattr(joining, "CAUTIOUS_SHARES", (0.15,))
    decoder = joined(parts, cautious=True)
    for side in (windows.predicted(decoder), windows.heard(decoder)):
        power = np.square(side - side.mean(axis=2, keepdims=True)).mean(axis=(0, 2))
        assert power[: decoder.settings.dimensions].sum() == pytest.approx(0.15 * power.sum(), rel=1e-3)


def test_a_joined_network_is_read_back_and_can_name_other_songs(parts, tmp_path):
    decoder = joined(parts)
    decoder.save(tmp_path / "x.ckpt", {})
    read = TemporalDecoder.load(tmp_path / "x.ckpt", blueprint("temporal"), parts[2].songs())
    eeg = torch.randn(2, 3, LENGTH)
    torch.testing.assert_close(read.encode_eeg(eeg), decoder.encode_eeg(eeg))
    torch.testing.assert_close(
        read.for_songs(read.settings.songs, parts[2].songs()).encode_eeg(eeg)[0], read.encode_eeg(eeg)[0]
    )


# What networks without the PredANN objective are trained on


def test_trained_on_all_moments_the_logits_are_those_of_the_test(parts):
    network, _, source, *_ = parts
    network.hear(source.songs(), [0, 1, 2])
    z = network.predict(torch.randn(4, 3, LENGTH))
    found = network._logits_among_all(z)
    expected = evidence(z, network.memory, network.memory_lengths, network.settings.memory_temperature)
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)  # songs meet at their ends


def test_songs_of_the_test_set_are_no_classes_in_training(parts):
    network, _, source, *_ = parts
    network.hear(source.songs(), [0, 2])
    logits = network._logits_among_all(network.predict(torch.randn(4, 3, LENGTH)))
    assert (logits[:, 1] < -1000).all()
    assert (logits[:, [0, 2]] > -100).all()


def test_all_moments_train_both_networks(parts):
    _, _, source, *_ = parts
    network = TemporalDecoder(TemporalDecoder.settings_for(blueprint("temporal"))).train()
    network.hear(source.songs(), [0, 1, 2])
    batch = source.batch(grid([Stretch(song, Span(0, LENGTH)) for song in range(3)], LENGTH, LENGTH))
    training = Training(predann_weight=0.0, moments="all")
    network.objective(*batch, training)["eeg_loss"].backward()
    for part in (network.eeg_encoder, network.audio_encoder):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())


def test_with_its_own_moment_a_window_can_name_a_song_that_no_other_has():
    similarities, songs = torch.eye(3), torch.arange(3)
    without, answerable = logits_within_batch(similarities, songs, 3, 0.1)
    with_own, all_answerable = logits_within_batch(similarities, songs, 3, 0.1, with_own=True)
    assert not answerable.any()
    assert all_answerable.all()
    torch.testing.assert_close(with_own, similarities / 0.1)
    assert (without.diagonal() < -1000).all()

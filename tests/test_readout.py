"""Held-out EEG predicts audio features, linearly and by way of what a network represents."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_metrics import evidence_of, metrics_of
from scipy.stats import ttest_1samp
from test_probing import ALL, CHANNELS, GRID, SONGS, world

from predann_bids.data.splits import Split
from predann_bids.data.stores.mapped import AudioStore
from predann_bids.learning.probing.readout import MOST_COMPONENTS, Components, Readout, pool_readouts, read_out
from predann_bids.report.group.figures.predicted import draw_predicted
from predann_bids.report.group.predicted import predicted_sentences
from predann_bids.report.group.tables.predicted import tabulate_predicted
from predann_bids.timing import Span

TRAINED = [stretch for stretch in ALL if stretch.trial >= SONGS]  # the second person
TESTED = [stretch for stretch in ALL if stretch.trial < SONGS]


def read(features=None, seed=0):
    decoder, source = world(seed=seed)
    audio = AudioStore(tuple(features(song) for song in source.audio.features)) if features else source.audio
    split = Split(1, TRAINED, TRAINED[:1], TESTED)
    return read_out(decoder, source, source.taking_from(source.eeg, audio), split, lambda _: None)


def mean(readout, way, which="own"):
    return sum(getattr(readout, which)[way].values()) / sum(readout.windows.values())


def test_features_that_the_eeg_repeats_are_predicted_both_ways():
    found = read()
    assert (found.n_features, found.n_components) == (4, 4)
    assert mean(found, "linear") > 0.9
    assert mean(found, "network") > 0.9


def test_the_same_predictions_do_not_fit_other_windows():
    found = read()
    assert abs(mean(found, "linear", "other")) < 0.3
    assert abs(mean(found, "network", "other")) < 0.3


def test_features_that_have_nothing_to_do_with_the_eeg_are_not_predicted():
    rng = np.random.default_rng(3)
    found = read(lambda song: rng.standard_normal((3, song.shape[1])).astype(np.float32))
    assert abs(mean(found, "linear")) < 0.15
    assert abs(mean(found, "network")) < 0.15


def test_the_network_is_read_out_from_what_it_represents_alone():
    decoder, source = world()
    shape = decoder.eeg_encoder
    decoder.eeg_encoder = type(shape)()
    decoder.eeg_encoder.forward = lambda eeg: shape(eeg[:, [CHANNELS - 1] * CHANNELS])  # a channel without the music
    found = read_out(decoder, source, source, Split(1, TRAINED, TRAINED[:1], TESTED), lambda _: None)
    assert mean(found, "linear") > 0.9
    assert abs(mean(found, "network")) < 0.3


def test_components_are_those_of_the_moments_that_are_trained_on(monkeypatch):
    decoder, source = world()
    trained = [replace(stretch, span=Span(stretch.span.length // 4, stretch.span.length // 2)) for stretch in TRAINED]
    given, of = [], Components.of
    monkeypatch.setattr(Components, "of", lambda songs: given.extend(songs) or of(songs))
    read_out(decoder, source, source, Split(1, (*trained, *trained), trained[:1], TESTED), lambda _: None)
    for song, features in enumerate(source.audio.features):
        trial, span = next((source.trials[s.trial], s.span) for s in trained if source.trials[s.trial].stimulus == song)
        expected = features[:, trial.audio_start + span.start : trial.audio_start + span.stop]
        assert np.array_equal(given[song], expected)
    assert len(given) == SONGS


def test_only_people_of_the_test_set_are_scored():
    assert set(read().windows) == {"01"}


def test_many_features_are_reduced_to_the_components_of_the_training_songs():
    rng = np.random.default_rng(0)
    songs = [(rng.standard_normal((40, 40)) @ rng.standard_normal((40, 300))).astype(np.float32) for _ in range(2)]
    components = Components.of(songs)
    frames = np.concatenate(songs, axis=1).astype(np.float64)
    standardised = (frames - frames.mean(axis=1, keepdims=True)) / frames.std(axis=1, keepdims=True)
    values = np.linalg.svd(standardised, compute_uv=False)[:MOST_COMPONENTS] ** 2
    assert components.shares == pytest.approx(values / values.sum())
    powers = np.square(np.concatenate([components(song) for song in songs], axis=1)).sum(axis=1)
    assert powers == pytest.approx(values, rel=1e-4)


def test_a_constant_feature_does_no_harm():
    song = np.stack([np.ones(50), np.arange(50)]).astype(np.float32)
    assert np.isfinite(Components.of([song])(song)).all()


def readout(linear, network):
    people = [f"{number:02}" for number in range(len(linear))]

    def by_person(values):
        return dict(zip(people, [4 * value for value in values], strict=True))

    own = {"linear": by_person(linear), "network": by_person(network)}
    return Readout(2, 2, dict.fromkeys(people, 4), own, {way: by_person([0.0] * len(people)) for way in own})


LINEAR, NETWORK = [0.1, 0.2, 0.15, 0.3], [0.2, 0.22, 0.25, 0.36]


def test_the_difference_is_tested_over_participants():
    row = pool_readouts([readout(LINEAR, NETWORK)], GRID)
    differences = np.subtract(NETWORK, LINEAR)
    assert row["linear"]["correlation"] == pytest.approx(np.mean(LINEAR))
    assert row["difference"]["value"] == pytest.approx(differences.mean())
    assert row["difference"]["p_value"] == pytest.approx(ttest_1samp(differences, 0).pvalue)


def test_folds_are_pooled_by_participant():
    whole, parts = readout(LINEAR, NETWORK), [readout(LINEAR[:2], NETWORK[:2]), readout(LINEAR, NETWORK)]
    assert pool_readouts(parts, GRID) == pool_readouts([whole], GRID)


def with_rows(*rows):
    named = [{"name": name, **pool_readouts([one], GRID)} for name, one in rows]
    return metrics_of() | {"predicts": named}


def test_the_report_says_where_the_network_adds_something():
    metrics = with_rows(("onsets", readout(LINEAR, NETWORK)), ("chroma", readout([0.01, -0.01], [-0.01, 0.01])))
    better = [x + 0.1 + 0.001 * i for i, x in enumerate(LINEAR)]
    metrics["predicts"] += with_rows(("log-mel", readout(LINEAR, better)))["predicts"]
    explained, said = predicted_sentences(metrics)
    assert explained.startswith("For each kind of audio features")
    assert "log-mel (r = 0.289)" in said
    assert "chroma" not in said
    assert "By way of the network, onsets and log-mel are predicted better than linearly." in said


def test_what_no_eeg_predicts_is_not_called_predicted():
    nothing = with_rows(("chroma", readout([0.01, -0.01], [-0.01, 0.01])))
    assert predicted_sentences(nothing)[1] == "It cannot be shown of any that EEG predicts them."


def test_figure_and_table_have_a_row_for_each_kind_of_features():
    metrics = with_rows(("onsets", readout(LINEAR, NETWORK)), ("log-mel", readout(NETWORK, LINEAR)))
    evidence = evidence_of(metrics)
    figure = draw_predicted(evidence)
    assert [label.get_text() for label in figure.figure.axes[0].get_yticklabels()] == ["onsets", "log-mel"]
    assert [row[0] for row in tabulate_predicted(evidence).rows] == ["onsets", "log-mel"]


def test_nothing_is_shown_of_what_was_not_asked_for():
    evidence = evidence_of(metrics_of())
    assert draw_predicted(evidence) is None
    assert predicted_sentences(evidence.metrics) == ()


def test_a_representation_without_frames_is_left_out():
    one = readout(LINEAR, NETWORK)
    row = pool_readouts([replace(one, own={"linear": one.own["linear"]}, other={"linear": one.other["linear"]})], GRID)
    assert row["network"] is None
    assert row["difference"] is None

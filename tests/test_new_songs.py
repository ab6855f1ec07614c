"""Where new songs are tested, closed-form decoders are chosen by songs that they were not solved from."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_decoders import CHANNELS, LENGTH, RATE, blueprint

from predann_bids.data.source import Source
from predann_bids.data.splits import Split
from predann_bids.data.stores.mapped import AudioStore, EegStore
from predann_bids.data.trials import Stretch, Trial
from predann_bids.learning.closed_form import solving
from predann_bids.learning.closed_form.data import ClosedFormData, training_data
from predann_bids.learning.closed_form.solving import solve
from predann_bids.learning.closed_form.songs import MOST_GROUPS, groups_of_songs
from predann_bids.learning.closed_form.validation import MOST_WINDOWS, ValidationWindows
from predann_bids.models.audio.by_hand import BY_HAND
from predann_bids.models.decoder import DECODERS
from predann_bids.models.decoders.filters import read_filters
from predann_bids.models.linear.covariances import LagWindow
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.timing import Span
from predann_bids.workflows.group.fitting import solving as starting

SONG = 2000  # samples
N_SONGS, TESTED = 7, (5, 6)
LAGS = LagWindow(0, 4, 1)


def stretches(songs, people, n_songs=N_SONGS):
    return tuple(Stretch(n_songs * person + song, Span(0, SONG)) for person in people for song in songs)


def trials_of(songs):
    return [Trial("1", "", "", "", 0, song, 0, SONG, 0) for song in songs]


@pytest.fixture(scope="module")
def source():
    """Listeners who follow some features weakly, and in each song something that no feature describes."""
    rng = np.random.default_rng(0)
    smooth = np.ones(8) / 8

    def slow(number):
        return np.stack([np.convolve(row, smooth, "same") for row in rng.standard_normal((number, SONG))])

    features, unexplained = ([slow(number) for _ in range(N_SONGS)] for number in (BY_HAND, len(CHANNELS)))
    trials, recordings = [], []
    for person in range(4):
        data = 0.3 * rng.standard_normal((N_SONGS * (SONG + 100) + 100, len(CHANNELS)))
        for song in range(N_SONGS):
            onset = 100 + song * (SONG + 100)
            data[onset : onset + SONG] += (0.3 * features[song][: len(CHANNELS)] + unexplained[song]).T
            trials.append(Trial(f"{person}", "", "", "", person, song, onset, SONG, 0))
        recordings.append(MappedRecording(data.astype(np.float32), np.ones(3, np.float32), CHANNELS, RATE.hz))
    store = AudioStore(tuple(one.astype(np.float32) for one in features))
    return Source(tuple(trials), EegStore.open(recordings), store, LENGTH, 0)


@pytest.fixture(scope="module")
def split():
    known = range(N_SONGS - len(TESTED))
    return Split(1, stretches(known, (0, 1, 2)), stretches(known, (3,)), stretches(TESTED, range(4)))


@pytest.fixture(scope="module")
def settings():
    return DECODERS["cca"].settings_for(replace(blueprint("cca"), features="onsets"))  # all of which are made by hand


@given(st.lists(st.integers(0, 12), min_size=2, max_size=30), st.data())
def test_each_song_that_is_trained_on_is_left_out_once(songs, data):
    tested = data.draw(st.sets(st.sampled_from(songs), min_size=1))
    train, test = ([i for i, song in enumerate(songs) if (song in tested) is way] for way in (False, True))
    split = Split(1, *(tuple(Stretch(i, Span(0, SONG)) for i in some) for some in (train, (), test)))
    groups = groups_of_songs(split, trials_of(songs))
    trained = {songs[i] for i in train}
    if len(trained) < 2:
        assert groups == ()
        return
    assert sorted(song for group in groups for song in group) == sorted(trained)
    assert len(groups) == min(MOST_GROUPS, len(trained))
    assert all(abs(len(one) - len(other)) <= 1 for one, other in pairwise(groups))


def test_no_song_is_left_out_where_those_that_are_tested_are_trained_on():
    trials = trials_of([0, 1, 2, 0, 1, 2])
    of = [Stretch(i, Span(0, SONG)) for i in range(6)]
    assert groups_of_songs(Split(1, tuple(of[:3]), (), tuple(of[3:])), trials) == ()
    assert groups_of_songs(Split(1, tuple(of[:2]), (of[2],), (of[5],)), trials) == ()
    assert groups_of_songs(Split(1, tuple(of), (), ()), trials) == ()


def test_no_song_is_left_out_where_validation_is_on_new_songs_anyhow():
    trials = trials_of([0, 1, 2, 3, 0])
    of = [Stretch(i, Span(0, SONG)) for i in range(5)]
    assert groups_of_songs(Split(1, tuple(of[:2]), (of[2],), (of[3],)), trials) == ()
    assert len(groups_of_songs(Split(1, tuple(of[:2]), (of[2], of[4]), (of[3],)), trials)) == 2
    assert len(groups_of_songs(Split(1, tuple(of[:2]), (), (of[3],)), trials)) == 2


@pytest.mark.parametrize("shrinkage", [None, 0.1])
def test_what_is_left_out_is_as_if_it_had_never_been_there(source, split, settings, shrinkage):
    groups = groups_of_songs(split, source.trials)
    whole, compared = training_data(DECODERS["cca"], source, split, settings, groups)
    assert {source.trials[s.trial].stimulus for s in compared} == set().union(*groups)
    for index, group in enumerate(groups):
        kept = tuple(s for s in whole.stretches if source.trials[s.trial].stimulus not in group)
        alone = ClosedFormData(source, kept, whole.frames, whole.latest_s, whole.delay_s)
        one, other = (data.covariances(LAGS, [shrinkage])[shrinkage] for data in (whole.leaving_out(index), alone))
        for found, expected in zip(one.matrices(), other.matrices(), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-12)
        for found, expected in zip(whole.leaving_out(index).joined(), alone.joined(), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_covariances_of_all_songs_are_the_sum_of_all_groups(source, split, settings):
    groups = groups_of_songs(split, source.trials)
    grouped, _ = training_data(DECODERS["cca"], source, split, settings, groups)
    plain = ClosedFormData(source, grouped.stretches, grouped.frames, grouped.latest_s, grouped.delay_s)
    for one, other in zip(*(data.covariances(LAGS, [0.1])[0.1].matrices() for data in (grouped, plain)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_a_decoder_that_is_chosen_by_songs_left_out_does_better_with_new_songs(source, split, settings, monkeypatch):
    tested = ValidationWindows.of(source, split.test)
    chosen = solve(DECODERS["cca"], source, split, settings)
    monkeypatch.setattr(solving, "groups_of_songs", lambda split, trials: ())
    by_known_songs = solve(DECODERS["cca"], source, split, settings)
    found = [tested.contrast(decoder).information for decoder in (chosen, by_known_songs)]
    assert found[0] > found[1] + 0.05
    # and what it was chosen by is no promise that new songs break
    assert abs(chosen.agreement - found[0]) < abs(by_known_songs.agreement - found[1])


def test_songs_too_short_for_a_window_are_not_compared_on(source, settings):
    known = stretches((0, 1), (0, 1, 2))
    short = tuple(replace(stretch, span=Span(0, LENGTH // 2)) for stretch in stretches((2,), (0, 1, 2)))
    tested = stretches(TESTED, range(4))
    one, other = (
        solve(DECODERS["ridge"], source, Split(1, train, (), tested), settings) for train in (known, (*known, *short))
    )
    np.testing.assert_array_equal(one.each, other.each)


def test_with_one_song_that_can_be_learned_from_it_is_chosen_by_validation_data(source, settings):
    known = stretches((0,), (0, 1, 2))
    short = tuple(replace(stretch, span=Span(0, LENGTH // 2)) for stretch in stretches((1,), (0, 1, 2)))
    validation, tested = stretches((0,), (3,)), stretches(TESTED, range(4))
    one, other = (
        solve(DECODERS["ridge"], source, Split(1, train, validation, tested), settings)
        for train in (known, (*known, *short))
    )
    np.testing.assert_array_equal(one.each, other.each)


def test_what_it_was_chosen_by_is_kept_with_it(source, split, settings, tmp_path):
    chosen = solve(DECODERS["ridge"], source, split, settings)
    chosen.save(tmp_path / "x.npz", {})
    each = read_filters(tmp_path / "x.npz").each
    assert each.mean() == pytest.approx(chosen.agreement)
    in_turns = [
        ValidationWindows.of(source, stretches(group, range(4)), MOST_WINDOWS // MOST_GROUPS).windows
        for group in groups_of_songs(split, source.trials)
    ]
    assert len(each) == sum(map(len, in_turns))


@pytest.mark.parametrize(("known", "contained"), [(False, "cca_teacher"), (True, "ridge")])
def test_a_network_contains_the_best_decoder_only_if_they_were_compared_on_new_songs(
    source, split, monkeypatch, known, contained
):
    noise = np.random.default_rng(0).standard_normal(200)
    told = {"ridge": 0.20, "cca": 0.21, "cca_teacher": 0.22}  # a hundredth of a nat is not clearly better
    decoders = {
        name: SimpleNamespace(name=name, each=mean + np.roll(noise, shift), remember=lambda songs: None)
        for shift, (name, mean) in enumerate(told.items())
    }
    monkeypatch.setattr(starting, "starts_of", lambda fit: tuple(told))
    monkeypatch.setattr(starting, "_start", lambda fit, name, source: (decoders[name], source))
    tested = stretches((0, 1), (3,)) if known else split.test
    decoder, _ = starting.start_of(SimpleNamespace(split=replace(split, test=tested)), source)
    assert decoder.name == contained

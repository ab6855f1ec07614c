from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.data.controls import exchange_blocks, permuted, permuted_evenly, reassigned, rotations
from predann_bids.data.trials import Trial


def trial(participant, recording, stimulus, length=1000, audio_start=0):
    return Trial(participant, "", "music", "", recording, stimulus, 100 * stimulus, length, audio_start)


def design(songs_per_recording):
    """Participants with recordings, each a list of songs."""
    trials, recording = [], 0
    for participant, recordings in songs_per_recording.items():
        for some in recordings:
            trials += [trial(participant, recording, song) for song in some]
            recording += 1
    return trials


designs = st.dictionaries(
    st.sampled_from(["01", "02", "03"]),
    st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4), min_size=1, max_size=3),
    min_size=1,
)


@given(designs)
def test_every_presentation_is_in_one_block(recordings):
    trials = design(recordings)
    assert sorted(index for block in exchange_blocks(trials) for index in block) == list(range(len(trials)))


def test_presentations_of_a_recording_exchange_their_music_within_it():
    blocks = exchange_blocks(design({"01": [[0, 1, 2]], "02": [[2, 0]]}))
    assert blocks == [[0, 1, 2], [3, 4]]


def test_recordings_of_one_song_each_exchange_within_the_participant():
    assert exchange_blocks(design({"01": [[0], [1]], "02": [[1], [0]]})) == [[0, 1], [2, 3]]


def test_participants_of_one_song_each_exchange_with_each_other():
    assert exchange_blocks(design({"01": [[0]], "02": [[1]]})) == [[0, 1]]


@given(designs, st.integers(0, 5))
def test_a_recording_of_several_songs_keeps_its_own(recordings, seed):
    trials = design(recordings)
    source = permuted(trials, np.random.default_rng(seed))
    dealt = reassigned(trials, source)
    for recording in {t.recording for t in trials}:
        before = [t.stimulus for t in trials if t.recording == recording]
        after = [t.stimulus for t in dealt if t.recording == recording]
        if len(set(before)) > 1:
            assert Counter(before) == Counter(after)
    assert sorted(source) == list(range(len(trials)))


def test_all_ways_to_deal_out_are_equally_likely():
    trials = design({"01": [[0, 1, 2]]})
    rng = np.random.default_rng(0)
    counts = Counter(tuple(permuted(trials, rng).tolist()) for _ in range(3000))
    assert len(counts) == 6
    assert min(counts.values()) == pytest.approx(500, abs=100)


def test_a_presentation_gets_label_and_audio_of_another_and_keeps_its_eeg():
    trials = [trial("01", 0, 0, length=900, audio_start=50), trial("01", 0, 1, length=700, audio_start=0)]
    first, second = reassigned(trials, np.array([1, 0]))
    assert (first.onset, first.recording, first.stimulus, first.audio_start, first.length) == (0, 0, 1, 0, 700)
    assert (second.onset, second.stimulus, second.audio_start, second.length) == (100, 0, 50, 700)


@given(st.lists(st.integers(100, 10_000), min_size=1, max_size=6), st.integers(0, 5))
def test_recordings_are_rotated_by_at_least_a_tenth(lengths, seed):
    for n, moved in zip(lengths, rotations(lengths, np.random.default_rng(seed)), strict=True):
        assert 0.099 * n <= moved <= 0.901 * n


@pytest.mark.parametrize("n_songs", [3, 4, 7])
def test_an_even_deal_keeps_one_presentation_of_each_recording_and_favours_no_song(n_songs):
    trials, rng = design({"01": [list(range(n_songs))]}), np.random.default_rng(0)
    counts = np.zeros((n_songs, n_songs))
    for _ in range(2000):
        source = permuted_evenly(trials, rng)
        assert (source == np.arange(n_songs)).sum() == 1
        counts[np.arange(n_songs), source] += 1
    assert counts / 2000 == pytest.approx(np.full((n_songs, n_songs), 1 / n_songs), abs=0.05)


@given(designs, st.integers(0, 5))
def test_an_even_deal_is_a_deal(recordings, seed):
    trials = design(recordings)
    assert sorted(permuted_evenly(trials, np.random.default_rng(seed))) == list(range(len(trials)))


def test_two_songs_are_exchanged_or_not_as_often(monkeypatch):
    monkeypatch.setattr("predann_bids.data.controls.MOST_DRAWS", 10)  # none leaves one of two songs in place
    trials, rng = design({"01": [[0, 1]]}), np.random.default_rng(0)
    kept = [permuted_evenly(trials, rng)[0] == 0 for _ in range(400)]
    assert np.mean(kept) == pytest.approx(0.5, abs=0.1)

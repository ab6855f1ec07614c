from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from predann_bids.config import Splitting
from predann_bids.data.splits import make_splits, splits_table
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import draw, grid
from predann_bids.errors import UnusableData, WrongUsage
from predann_bids.timing import Rate, Span

RATE = Rate(100)
WINDOW = 300


def dataset(n_participants=6, n_songs=3, seconds=40.0, repetitions=1):
    trials = []
    for participant in range(n_participants):
        for repetition in range(repetitions):
            onset = 500
            for song in range(n_songs):
                length = RATE.samples(seconds) + 37 * song
                recording = participant * repetitions + repetition
                trials.append(
                    Trial(
                        f"{participant:02d}",
                        str(repetition),
                        "music",
                        str(repetition),
                        recording,
                        song,
                        onset,
                        length,
                        0,
                    )
                )
                onset += length + 100
    return trials


def split(trials, seed=0, **config):
    return make_splits(trials, Splitting(**config), window=WINDOW, rate=RATE, seed=seed)


def samples(trials, stretches, delay=0):
    """Every EEG sample that windows of these stretches can touch, as (recording, sample)."""
    return {
        (trials[s.trial].recording, trials[s.trial].onset + k + delay)
        for s in stretches
        for k in range(s.span.start, s.span.stop)
    }


datasets = st.builds(
    dataset,
    n_participants=st.integers(3, 9),
    n_songs=st.integers(2, 5),
    seconds=st.floats(28, 60),
    repetitions=st.integers(1, 2),
)
# for parts in time with gaps of up to 4 s around them
long_songs = st.builds(
    dataset,
    n_participants=st.integers(3, 9),
    n_songs=st.integers(2, 5),
    seconds=st.floats(45, 60),
    repetitions=st.integers(1, 2),
)


KINDS = ["participant", "chunk", "time", "stimulus", "session", "run"]


@settings(max_examples=40, deadline=None)
@given(datasets, st.sampled_from(KINDS), st.integers(0, 3), st.integers(-20, 60), st.integers(50, 300))
def test_no_eeg_sample_is_in_two_sets(trials, kind, seed, delay, stride):
    assume(kind not in ("session", "run") or len({t.session for t in trials}) > 1)
    n_folds = 2 if kind == "chunk" else 0
    for fold in split(trials, seed, split=kind, n_folds=n_folds, chunk=5):
        used = {name: samples(trials, stretches, delay) for name, stretches in fold.sets().items()}
        assert all(not used[a] & used[b] for a, b in combinations(used, 2))
        assert all(used.values())
        # nor do windows, however much they overlap each other, leave their set
        for name, stretches in fold.sets().items():
            windows = grid(stretches, WINDOW, stride)
            touched = {
                (trials[t].recording, trials[t].onset + s + delay + edge)
                for t, s in zip(windows.trial.tolist(), windows.start.tolist(), strict=True)
                for edge in (0, WINDOW - 1)
            }
            assert touched <= used[name]
            assert len(windows)


@settings(max_examples=25, deadline=None)
@given(long_songs, st.integers(3, 5), st.integers(300, 400), st.sampled_from([0.1, 0.3]))
def test_sets_of_the_time_split_lie_a_gap_apart_within_and_between_presentations(trials, n_folds, guard, share):
    config = Splitting(split="time", n_folds=n_folds, validation=share)
    for fold in make_splits(trials, config, window=WINDOW, rate=RATE, seed=0, guard=guard):
        parts = [
            (trials[s.trial].recording, s.span.shift(trials[s.trial].onset), name)
            for name, stretches in fold.sets().items()
            for s in stretches
        ]
        for (recording, span, name), (other_recording, other, other_name) in combinations(parts, 2):
            if recording == other_recording and name != other_name:
                assert max(span.start - other.stop, other.start - span.stop) >= guard


def test_every_part_of_a_presentation_is_tested_once_by_the_time_split():
    trials = dataset()
    tested = sorted((s.trial, s.span.start, s.span.stop) for fold in split(trials, split="time") for s in fold.test)
    for index, trial in enumerate(trials):
        spans = [edges for number, *edges in tested if number == index]
        assert [stop for _, stop in spans[:-1]] == [start for start, _ in spans[1:]]
        assert spans[0][0] == 0
        last = index % 3 == 2  # of its recording; the next presentation begins 1 s after, the gap is 3 s
        assert spans[-1][1] == trial.length - (0 if last else 200)


@settings(max_examples=25, deadline=None)
@given(datasets, st.integers(0, 3))
def test_nobody_hears_a_held_out_song_in_training_or_validation(trials, seed):
    folds = split(trials, seed, split="stimulus")
    for fold in folds:
        songs = {name: {trials[s.trial].stimulus for s in stretches} for name, stretches in fold.sets().items()}
        assert not songs["test"] & (songs["train"] | songs["validation"])
        people = {name: {trials[s.trial].participant for s in stretches} for name, stretches in fold.sets().items()}
        assert not people["train"] & people["validation"]
    tested = [s.trial for fold in folds for s in fold.test]
    assert sorted(tested) == list(range(len(trials)))


def test_the_stimulus_split_tests_at_least_two_songs_at_a_time_where_there_are_enough():
    folds = split(dataset(n_songs=5), split="stimulus")
    trials = dataset(n_songs=5)
    assert sorted(len({trials[s.trial].stimulus for s in fold.test}) for fold in folds) == [2, 3]


def test_the_songs_of_one_participant_alone_can_be_held_out():
    (first, _) = split(dataset(n_participants=1, n_songs=4), split="stimulus")
    assert first.train
    assert first.validation


@pytest.mark.parametrize("entity", ["session", "run"])
def test_sessions_and_runs_are_tested_whole_one_after_the_other(entity):
    trials = dataset(repetitions=3)
    folds = split(trials, split=entity)
    assert [{getattr(trials[s.trial], entity) for s in fold.test} for fold in folds] == [{"0"}, {"1"}, {"2"}]
    for fold in folds:
        others = {trials[s.trial].recording for s in fold.train}, {trials[s.trial].recording for s in fold.validation}
        assert not others[0] & others[1]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("session", r"at least 2 sessions; there is only session 0 in the recordings of sub-00, .* and 1 more"),
        ("run", r"at least 2 runs; .* sub-00, .*--split participant"),
        ("stimulus", r"at least 2 songs.* of sub-00, .* there is 1.*--split participant"),
    ],
)
def test_splits_that_the_dataset_cannot_have_are_refused(kind, message):
    with pytest.raises(UnusableData, match=message):
        split(dataset(n_songs=1), split=kind)


@pytest.mark.parametrize(("kind", "n_folds"), [("stimulus", 4), ("time", 1), ("session", 3)])
def test_numbers_of_folds_that_do_not_fit_are_refused(kind, n_folds):
    with pytest.raises(WrongUsage, match=f"--n-folds {n_folds} does not fit"):
        split(dataset(repetitions=2), split=kind, n_folds=n_folds)


def test_presentations_too_short_for_a_part_a_gap_and_the_rest_are_refused():
    with pytest.raises(UnusableData, match=r"No presentation is long enough.*of sub-\d\d, has 11\.\d+ s, a window 3 s"):
        split(dataset(seconds=11), split="time")


def test_presentations_that_overlap_in_two_sets_are_refused():
    trials = dataset(n_participants=3)
    trials[1] = replace(trials[1], onset=trials[0].onset + 100)
    with pytest.raises(UnusableData, match="overlap"):
        split(trials, split="stimulus")


@settings(max_examples=25, deadline=None)
@given(datasets, st.integers(0, 3))
def test_no_participant_is_in_two_sets_of_the_participant_split(trials, seed):
    for fold in split(trials, seed):
        people = {name: {trials[s.trial].participant for s in stretches} for name, stretches in fold.sets().items()}
        assert all(not people[a] & people[b] for a, b in combinations(people, 2))


@settings(max_examples=25, deadline=None)
@given(datasets, st.sampled_from(["participant", "chunk"]), st.integers(0, 3))
def test_every_part_is_tested_once_over_all_folds(trials, kind, seed):
    folds = split(trials, seed, split=kind, n_folds=3, chunk=5)
    tested = [(s.trial, s.span) for fold in folds for s in fold.test]
    assert len(tested) == len(set(tested))
    assert {trials[index].participant for index, _ in tested} == {trial.participant for trial in trials}


def test_the_published_chunk_split_tests_a_quarter_of_the_chunks_of_each_song():
    trials = dataset(n_participants=8, n_songs=4, seconds=40)
    (fold,) = split(trials, split="chunk", chunk=5)
    counts = np.bincount([trials[s.trial].stimulus for s in fold.test])
    assert counts.tolist() == [16] * 4  # 8 participants x 8 chunks / 4


def test_equal_seeds_split_equally_and_others_otherwise():
    trials = dataset()
    assert split(trials, 1) == split(trials, 1) != split(trials, 2)


def test_leave_one_out_is_one_fold_for_each_participant():
    folds = split(dataset(n_participants=5), n_folds=5)
    assert [len({s.trial // 3 for s in fold.test}) for fold in folds] == [1] * 5


def test_too_few_participants_are_refused_with_the_remedy():
    with pytest.raises(UnusableData, match=r"at least 3 participants.*are 2: sub-00, sub-01\..*--split chunk"):
        split(dataset(n_participants=2))


def test_participants_without_a_window_are_named_where_too_few_are_left():
    trials = [replace(t, length=5) if t.participant == "01" else t for t in dataset(n_participants=3)]
    with pytest.raises(UnusableData, match=r"sub-00, sub-02 \(sub-01 have no presentation that holds a window\)"):
        split(trials)


def test_the_longest_presentation_is_named_where_none_holds_a_window():
    trials = [replace(t, length=10 + (t.participant == "02")) for t in dataset()]
    with pytest.raises(UnusableData, match=r"a window has 3 s, the longest, of sub-02, has 0\.\d\d s\. Shorten"):
        split(trials)


def test_who_heard_the_stimulus_with_too_few_chunks_is_named():
    trials = [replace(t, stimulus=9, length=1300) if (t.participant, t.stimulus) == ("04", 0) else t for t in dataset()]
    with pytest.raises(UnusableData, match=r"one stimulus has 1, in the recordings of sub-04\).*--split participant"):
        split(trials, split="chunk")


def test_whose_recordings_are_too_few_to_validate_is_said():
    with pytest.raises(UnusableData, match=r"Too few recordings remain.*those of sub-00"):
        split(dataset(n_participants=1, repetitions=2), split="session")


def test_more_folds_than_participants_are_refused():
    with pytest.raises(WrongUsage, match="--n-folds 9 does not fit 6 participants"):
        split(dataset(), n_folds=9)


@pytest.mark.parametrize("n_participants", range(3, 12))
def test_every_number_of_folds_is_either_refused_or_leaves_all_sets_filled(n_participants):
    for n_folds in range(2, n_participants + 1):
        try:
            folds = split(dataset(n_participants), n_folds=n_folds)
        except WrongUsage:
            continue
        assert all(fold.train and fold.validation and fold.test for fold in folds)


def test_folds_that_leave_nobody_to_validate_are_refused():
    with pytest.raises(WrongUsage, match="--n-folds 2 does not fit 3 participants: use 3"):
        split(dataset(n_participants=3), n_folds=2)


def test_trials_shorter_than_a_window_are_left_out():
    trials = [*dataset(), Trial("00", "", "music", "", 0, 0, 90_000, WINDOW - 1, 0)]
    used = {s.trial for fold in split(trials) for stretches in fold.sets().values() for s in stretches}
    assert len(trials) - 1 not in used


def test_trials_too_short_for_chunks_are_refused():
    with pytest.raises(UnusableData, match="chunks are too few"):
        split(dataset(seconds=4), split="chunk", chunk=30)


def test_the_table_of_splits_lists_every_stretch_in_seconds():
    trials = dataset(n_participants=3, n_songs=2)
    table = splits_table(split(trials), trials, ["a", "b"], RATE)
    assert list(table.columns) == ["fold", "set", "participant", "session", "task", "run", "stimulus", "start", "stop"]
    assert len(table) == 3 * len(trials)
    first = table.iloc[0]
    assert first["start"] == 5.0
    assert first["stop"] == pytest.approx(45.0)


@given(st.integers(0, 2000), st.integers(0, 3000), st.integers(1, 500), st.integers(1, 400))
def test_grid_windows_lie_inside_their_stretch_a_stride_apart(start, length, window, stride):
    windows = grid([Stretch(0, Span(start, start + length))], window, stride)
    assert len(windows) == max(0, (length - window) // stride + 1)
    assert all(start <= s and s + window <= start + length for s in windows.start)
    assert set(np.diff(windows.start)) <= {stride}


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=5), st.integers(1, 500), st.integers(0, 5))
def test_drawn_windows_lie_inside_their_stretch_as_many_as_fit_side_by_side(lengths, window, seed):
    stretches = [Stretch(index, Span(10, 10 + length)) for index, length in enumerate(lengths)]
    windows = draw(stretches, window, np.random.default_rng(seed))
    assert np.bincount(windows.trial, minlength=len(lengths)).tolist() == [length // window for length in lengths]
    assert all(s >= 10 and s + window <= 10 + lengths[t] for t, s in zip(windows.trial, windows.start, strict=True))


def test_every_place_of_a_stretch_can_be_drawn():
    drawn = {int(draw([Stretch(0, Span(0, 7))], 5, np.random.default_rng(s)).start[0]) for s in range(60)}
    assert drawn == {0, 1, 2}


def test_songs_shorter_than_a_chunk_are_one_chunk():
    trials = [
        Trial(f"{p:02d}", "", "music", "", p, song, 5000 * song, length, 0)
        for p in range(6)
        for song, length in enumerate((2000, 700))
    ]
    (fold,) = split(trials, split="chunk", chunk=10)
    for stretches in fold.sets().values():
        assert {trials[s.trial].stimulus for s in stretches} == {0, 1}
    assert {s.span.length for stretches in fold.sets().values() for s in stretches} == {1000, 700}


def test_runs_that_hold_out_songs_are_refused():
    trials = [Trial("01", "", "", str(song), song, song, 0, 2000, 0) for song in range(4)]
    with pytest.raises(UnusableData, match="--split stimulus"):
        split(trials, split="run")

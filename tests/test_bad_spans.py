"""No window touches EEG in a bad span; where there is none, nothing changes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from predann_bids.bids.derivatives import Derivative, DerivativePaths
from predann_bids.config import Splitting, Windowing
from predann_bids.data.bad_spans import mark_trials, merged, read_bad_spans, usable_samples
from predann_bids.data.controls import reassigned
from predann_bids.data.splits import make_splits, splits_table
from predann_bids.data.stores.mapped import EegStore
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import count_side_by_side, draw, grid
from predann_bids.errors import UnusableData
from predann_bids.learning.evaluation.decisions import decide
from predann_bids.learning.evaluation.predictions import WindowPredictions, window_table
from predann_bids.learning.probing.perturbations import erode
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.signals.scaling import Scaling
from predann_bids.timing import Rate, Span
from predann_bids.workflows.group.inputs.notes import window_notes

RATE = Rate(100)
WINDOW = 200
KINDS = ("participant", "chunk", "time", "stimulus", "session", "run")


def derivative(*spans):
    return Derivative("01", "", "music", "", DerivativePaths(Path("sub-01_desc-preproc")), (), {"BadSpans": spans})


def span(onset, duration=0.0):
    return {"onset": onset, "duration": duration, "description": "BAD_x" if duration else "boundary"}


def test_a_bad_span_takes_every_sample_that_it_touches():
    assert read_bad_spans(derivative(span(1.004, 0.5)), RATE) == (Span(100, 151),)
    assert read_bad_spans(derivative(span(1.006, 0.002)), RATE) == (Span(100, 101),)
    assert read_bad_spans(derivative(span(1.0, 0.5)), RATE) == (Span(100, 150),)


def test_a_boundary_is_the_sample_at_that_moment():
    assert read_bad_spans(derivative(span(3.0)), RATE) == (Span(300, 301),)


def test_spans_that_overlap_or_touch_become_one_in_order():
    found = read_bad_spans(derivative(span(5, 1), span(1, 2), span(2, 2), span(4, 0.5)), RATE)
    assert found == (Span(100, 450), Span(500, 600))


def test_sidecars_without_bad_spans_have_none():
    assert read_bad_spans(replace(derivative(), sidecar={}), RATE) == ()


@pytest.mark.parametrize(
    "entry", [{"onset": 1.0}, {"onset": "n/a", "duration": 1.0}, {"onset": None, "duration": 0}, 3]
)
def test_entries_without_onset_or_duration_are_refused_by_file_and_number(entry):
    with pytest.raises(UnusableData, match=r"sub-01_desc-preproc_eeg.json: entry 2 of BadSpans"):
        read_bad_spans(derivative(span(0, 1), entry), RATE)


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 5)), max_size=6), st.integers(0, 4900), st.integers(1, 100))
def test_a_run_of_samples_is_clean_only_if_no_bad_moment_lies_in_it(spans, start, length):
    found = read_bad_spans(derivative(*(span(*edges) for edges in spans)), RATE)
    begin, end = start / RATE.hz, (start + length) / RATE.hz
    touched = any(o < end and begin < o + d for o, d in spans) or any(begin <= o < end for o, _ in spans)
    if touched:
        assert any(one.overlaps(Span(start, start + length)) for one in found)


# Trials and their recordings


def dataset(n_participants, n_songs, seconds, repetitions, bad=()):
    trials = []
    for recording in range(n_participants * repetitions):
        onset, (participant, repetition) = 500, divmod(recording, repetitions)
        for song in range(n_songs):
            length = RATE.samples(seconds) + 37 * song
            label = f"{participant:02d}"
            trials.append(Trial(label, str(repetition), "", str(repetition), recording, song, onset, length, 0))
            onset += length + 300
    return mark_trials(trials, bad or [()] * n_participants * repetitions, delay=20)


def holes(n_recordings):
    edges = st.tuples(st.integers(0, 12_000), st.integers(1, 900)).map(lambda e: Span(e[0], e[0] + e[1]))
    some = st.lists(edges, max_size=5).map(merged)
    return st.lists(some, min_size=n_recordings, max_size=n_recordings)


@st.composite
def recordings(draw):
    n_participants, repetitions = draw(st.integers(4, 6)), draw(st.integers(1, 2))
    return n_participants, draw(st.integers(2, 3)), 30.0, repetitions, draw(holes(n_participants * repetitions))


def touched(trials, windows, delay=20, rotations=None, n=0):
    """EEG samples of each window, as (recording, samples)."""
    for index, start in zip(windows.trial, windows.start, strict=True):
        trial = trials[index]
        samples = np.arange(trial.onset + start + delay, trial.onset + start + delay + WINDOW)
        yield trial.recording, (samples + rotations[trial.recording]) % n if rotations else samples


def is_clean(trials, windows, bad, **more):
    return not any(
        ((one.start <= samples) & (samples < one.stop)).any()
        for recording, samples in touched(trials, windows, **more)
        for one in bad[recording]
    )


@settings(max_examples=80, deadline=None)
@given(recordings(), st.sampled_from(KINDS), st.integers(0, 3), st.integers(50, 300))
def test_no_window_of_any_set_touches_a_bad_span(made, kind, seed, stride):
    trials, bad = dataset(*made), made[-1]
    assume(kind not in ("session", "run") or made[3] > 1)
    config = Splitting(split=kind, n_folds=0 if kind in ("session", "run") else 2, chunk=5)
    try:
        folds = make_splits(trials, config, window=WINDOW, rate=RATE, seed=seed)
    except UnusableData:
        assume(False)
    for fold in folds:
        for stretches in fold.sets().values():
            for windows in (grid(stretches, WINDOW, stride), draw(stretches, WINDOW, np.random.default_rng(seed))):
                assert is_clean(trials, windows, bad)
            assert (
                count_side_by_side(stretches, WINDOW) == len(draw(stretches, WINDOW, np.random.default_rng(seed))) > 0
            )


@settings(max_examples=30, deadline=None)
@given(recordings(), st.integers(50, 300))
def test_every_window_of_the_grid_that_touches_nothing_bad_is_kept(made, stride):
    trials, bad = dataset(*made), made[-1]
    kept = grid([Stretch.of(trials, index) for index in range(len(trials))], WINDOW, stride)
    every = grid([Stretch(index, Span(0, trial.length)) for index, trial in enumerate(trials)], WINDOW, stride)
    clean = [is_clean(trials, every[slice(row, row + 1)], bad) for row in range(len(every))]
    assert kept.trial.tolist() == every.trial[clean].tolist()
    assert kept.start.tolist() == every.start[clean].tolist()


@settings(max_examples=30, deadline=None)
@given(recordings(), st.integers(0, 20_000))
def test_what_is_bad_moves_with_the_eeg_when_a_recording_is_rotated(made, by):
    n = 12_900
    bad = [merged(Span(b.start, min(n, b.stop)) for b in some) for some in made[-1]]
    moved = [(by * (1 + index)) % n for index in range(len(bad))]
    trials = mark_trials(dataset(*made[:4]), bad, delay=20, rotations=moved, recording_samples=[n] * len(bad))
    windows = grid([Stretch.of(trials, index) for index in range(len(trials))], WINDOW, 70)
    every = grid([Stretch(index, Span(0, trial.length)) for index, trial in enumerate(trials)], WINDOW, 70)
    clean = sum(is_clean(trials, every[slice(k, k + 1)], bad, rotations=moved, n=n) for k in range(len(every)))
    assert is_clean(trials, windows, bad, rotations=moved, n=n)
    assert len(windows) == clean


def test_a_presentation_that_is_given_other_music_keeps_what_is_bad_in_its_eeg():
    trials = dataset(1, 2, 30.0, 1, [(Span(600, 650),)])
    dealt = reassigned(trials, np.array([1, 0]))
    assert [t.bad for t in dealt] == [t.bad for t in trials] == [(Span(80, 130),), ()]


@pytest.mark.parametrize("kind", ["participant", "chunk", "time", "stimulus"])
def test_where_nothing_is_bad_splits_and_draws_are_those_of_whole_stretches(kind):
    trials = dataset(5, 3, 30.0, 1)
    far = dataset(5, 3, 30.0, 1, [(Span(100_000, 100_500),)] * 5)
    config = Splitting(split=kind, n_folds=2, chunk=5)
    one, other = (make_splits(some, config, window=WINDOW, rate=RATE, seed=1) for some in (trials, far))
    assert one == other
    assert not any(s.bad for fold in one for stretches in fold.sets().values() for s in stretches)


def test_draws_fill_the_pieces_between_what_is_bad_as_windows_fit_side_by_side():
    stretch = Stretch(0, Span(0, 1000), (Span(450, 451), Span(700, 760)))
    starts = draw([stretch], WINDOW, np.random.default_rng(0)).start
    assert sorted(np.searchsorted([450, 700], starts)) == [0, 0, 1, 2]
    assert count_side_by_side([stretch], WINDOW) == 4


def test_a_participant_of_whom_all_is_bad_is_in_no_set():
    trials = dataset(5, 3, 30.0, 1, [(Span(0, 20_000),), (), (), (), ()])
    folds = make_splits(trials, Splitting(), window=WINDOW, rate=RATE, seed=0)
    used = {trials[s.trial].participant for fold in folds for some in fold.sets().values() for s in some}
    assert used == {"01", "02", "03", "04"}


def test_recordings_that_are_all_bad_are_refused():
    trials = dataset(4, 2, 30.0, 1, [(Span(0, 20_000),)] * 4)
    with pytest.raises(UnusableData, match="between bad spans"):
        make_splits(trials, Splitting(), window=WINDOW, rate=RATE, seed=0)


def test_the_table_of_splits_lists_pieces_that_hold_a_window():
    trials = dataset(4, 2, 30.0, 1, [(Span(620, 720), Span(800, 801)), (), (), ()])
    table = splits_table(make_splits(trials, Splitting(), window=WINDOW, rate=RATE, seed=0), trials, "ab", RATE, WINDOW)
    mine = table[(table.participant == "00") & (table.stimulus == "a") & (table.fold == 1)]
    assert mine[["start", "stop"]].to_numpy().tolist() == [[7.81, 35.0]]  # the pieces before are too short


def test_no_longer_segment_lies_over_a_hole():
    windows = grid([Stretch(0, Span(0, 1200), (Span(500, 501),))], WINDOW, 100)
    n = len(windows)
    columns = {"seed": 0, "fold": 1, "participant": "01", "session": "n/a", "task": "n/a", "run": "n/a"}
    table = window_table({**columns, "trial": [0] * n, "stimulus": [0] * n, "onset": windows.start}, RATE)
    found = decide(
        WindowPredictions(table, np.full((n, 2), 0.5), None), "mean", length_s=4.0, window_s=2.0, stride_s=1.0
    )
    assert found.table["onset"].tolist() == [0.0, 1.0, 6.0, 7.0, 8.0]


@given(st.integers(0, 900), st.integers(1, 200), st.integers(-40, 40))
def test_at_no_delay_that_is_tried_does_a_window_reach_what_is_bad(start, length, trained):
    bad, delays = Span(start, start + length), (-30, 0, 25)
    inner = erode(Stretch(0, Span(0, 1200), (bad,)), trained, (*delays, trained))
    for begin in grid([inner] if inner else [], WINDOW, 10).start:
        for delay in (*delays, trained):  # the stretch counts in EEG at the trained delay
            assert not bad.overlaps(Span(begin, begin + WINDOW).shift(delay - trained))


# Scaling


def noise(seed=0, n=4000):
    return np.random.default_rng(seed).standard_normal((n, 3)).astype(np.float32)


def store(data, bad=()):
    recording = MappedRecording(data, np.ones(3, np.float32), ("Fz", "Cz", "Pz"), RATE.hz)
    return EegStore.open([recording], bad=[bad])


def test_an_artefact_in_a_bad_span_does_not_change_how_the_rest_is_scaled():
    clean, dirty = noise(), noise()
    dirty[1000:2500] *= np.array([1e4, 1e4, -1e4], dtype=np.float32)
    one, other = (store(data, (Span(1000, 2500),)).scalings[0] for data in (clean, dirty))
    np.testing.assert_array_equal(one.mixing, other.mixing)
    assert not np.allclose(store(dirty).scalings[0].mixing, one.mixing, rtol=0.1)


def test_the_scaling_without_bad_spans_is_that_of_the_whole_recording():
    data = noise(n=250_001)
    np.testing.assert_array_equal(store(data).scalings[0].mixing, Scaling.of(data).mixing)


def test_a_recording_that_is_nearly_all_bad_is_scaled_by_all_of_it():
    assert usable_samples(1000, [Span(0, 990)]).all()
    assert usable_samples(1000, [Span(0, 800)]).sum() == 200


# What the report says


def test_notes_tell_how_many_windows_are_left_out_and_of_whom_none_is_left():
    trials = dataset(2, 2, 30.0, 1, [(Span(0, 20_000),), (Span(620, 720),)])
    first, lost, person = window_notes(trials, ["a", "b"], Windowing(length=2.0), RATE)
    assert "60 of 116 windows" in first  # all 58 of the first; those at 0 and 1 s of the second
    assert lost == "2 presentations have no window left."
    assert person == "sub-00 has no window left."


def test_nothing_is_noted_where_nothing_is_bad():
    assert window_notes(dataset(2, 2, 30.0, 1), ["a", "b"], Windowing(), RATE) == ()


def test_songs_without_a_window_are_noted():
    trials = dataset(2, 2, 30.0, 1, [(Span(0, 3500),)] * 2)
    assert window_notes(trials, ["a", "b"], Windowing(), RATE)[-1].startswith("'a' has no window left")

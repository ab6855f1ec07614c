import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predann_bids.config.teachers import TeacherName
from predann_bids.signals.frames import Frames, JoinedSongs, Reduction

RNG = np.random.default_rng(0)


@settings(max_examples=60, deadline=None)
@given(
    own=st.sampled_from([8.0, 25.0, 50.0, 62.5, 86.1328125, 100.0, 125.0, 172.3, 1000.0]),
    target=st.sampled_from([64.0, 100.0, 125.0, 128.0]),
    first=st.sampled_from([0.0, 0.02, 0.5, -0.01]),
    moment=st.floats(2.0, 6.0),
)
def test_a_click_is_seen_when_it_was_heard(own, target, first, moment):
    centres = first + np.arange(int(10 * own)) / own
    click = np.exp(-((centres - moment) ** 2) / (2 * max(0.05, 2 / own) ** 2))[None].astype(np.float32)
    seen = Frames(click, own, first).at(target, int(8 * target))[0]
    times = np.arange(len(seen)) / target
    assert (seen * times).sum() / seen.sum() == pytest.approx(moment, abs=0.3 / target)


def test_resampling_to_a_lower_rate_averages_the_line_through_the_frames():
    values = RNG.standard_normal((2, 400)).astype(np.float32)
    found = Frames(values, 100.0, 0.013).at(16.0, 50)
    fine = np.linspace(-0.5, 0.5, 4001) / 16.0
    centres = 0.013 + np.arange(400) / 100
    for k in (0, 7, 49):
        line = np.stack([np.interp(k / 16.0 + fine, centres, row) for row in values])
        assert found[:, k] == pytest.approx(np.trapezoid(line, fine, axis=1) * 16.0, abs=1e-4)


def test_at_their_own_rate_frames_stay_as_they_are_and_the_last_is_repeated():
    values = RNG.standard_normal((3, 20)).astype(np.float32)
    found = Frames(values, 125.0).at(125.0, 22)
    assert np.array_equal(found[:, :20], values)
    assert np.array_equal(found[:, 20:], values[:, [19, 19]])


def test_interpolation_is_that_of_numpy():
    values = RNG.standard_normal((2, 30)).astype(np.float32)
    found = Frames(values, 25.0, 0.02).at(125.0, 160)
    expected = [np.interp(np.arange(160) / 125, 0.02 + np.arange(30) / 25, row) for row in values]
    assert found == pytest.approx(np.array(expected), abs=1e-5)


def test_components_are_those_of_scikit_learn_up_to_sign():
    from sklearn.decomposition import PCA

    mixed = RNG.standard_normal((6, 6)) @ RNG.standard_normal((6, 900)) + 3
    songs = [part.astype(np.float32) for part in (mixed[:, :500], mixed[:, 500:])]
    reduction = Reduction.of(songs, 4)
    standardised = (mixed - mixed.mean(axis=1, keepdims=True)) / mixed.std(axis=1, keepdims=True)
    expected = PCA(4).fit_transform(standardised.T).T
    found = reduction.apply(mixed.astype(np.float32))
    for mine, theirs in zip(found, expected, strict=True):
        assert abs(np.corrcoef(mine, theirs)[0, 1]) == pytest.approx(1, abs=1e-5)
        assert mine.std() == pytest.approx(theirs.std(), rel=1e-4)


def test_features_that_never_change_and_components_without_variance_are_left_out():
    two = RNG.standard_normal((2, 300))
    song = np.concatenate([two, two.sum(axis=0, keepdims=True), np.full((1, 300), 7.0)]).astype(np.float32)
    reduction = Reduction.of([song], 4)
    assert reduction.directions.shape == (2, 4)
    assert not reduction.directions[:, 3].any()


def test_reduction_and_resampling_can_change_places():
    values = RNG.standard_normal((5, 100)).astype(np.float32)
    reduction = Reduction.of([values], 3)
    first = Frames(reduction.apply(values), 50.0).at(125.0, 240)
    assert first == pytest.approx(reduction.apply(Frames(values, 50.0).at(125.0, 240)), abs=1e-5)


def test_joined_songs_have_the_rows_beside_them_below():
    songs = tuple(Frames(RNG.standard_normal((4, 10 + n)).astype(np.float32), 50.0) for n in range(2))
    beside = tuple(RNG.standard_normal((3, 25 + n)).astype(np.float32) for n in range(2))
    joined = JoinedSongs(songs, beside, slice(1, None), 125.0)
    assert [one.shape for one in joined] == [(6, 25), (6, 26)]
    assert np.array_equal(joined[1][4:], beside[1][1:])
    assert [one.shape for one in joined[:1]] == [(6, 25)]


@pytest.mark.parametrize(
    ("text", "kind", "path", "layer"),
    [
        ("mel", "mel", None, ""),
        ("musicnn#cnn3", "musicnn", None, "cnn3"),
        ("file:emb", "file", "emb", ""),
        ("hubert:/w/model#6", "hubert", "/w/model", "6"),
        ("file:/w/take#2/emb", "file", "/w/take#2/emb", ""),
        ("file:", "file", None, ""),
    ],
)
def test_names_of_teachers_are_taken_apart(text, kind, path, layer):
    name = TeacherName.of(text)
    assert (name.kind, str(name.path) if name.path else None, name.layer) == (kind, path, layer)

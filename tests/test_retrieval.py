import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import Windows, grid
from predann_bids.learning.retrieval import Candidates, Representations, rank, unit
from predann_bids.models.decoders.temporal import TemporalDecoder, TemporalSettings
from predann_bids.timing import Span

LENGTH, STRIDE, FRAMES, DIMENSIONS = 20, 10, 10, 3  # two samples for each frame


def songs(rng, lengths=(60, 60, 40)):
    return tuple(rng.standard_normal((DIMENSIONS, n)).astype(np.float32) for n in lengths)


def trials_of(some, audio_start=0):
    return [
        Trial("01", "", "music", "", 0, index, 1000 * index, 2 * song.shape[1] - audio_start, audio_start)
        for index, song in enumerate(some)
    ]


def ranked(some, noise=0.0, *, test=None, only_tested=False, inside=None, audio_start=0, by_feature=False, rng=None):
    """Rank windows whose prediction is the song itself plus noise."""
    rng = rng or np.random.default_rng(0)
    trials = trials_of(some, audio_start)
    test = test or [Stretch(index, Span(0, trial.length)) for index, trial in enumerate(trials)]
    windows = grid(test, LENGTH, STRIDE)
    cut = []
    for t, start in zip(windows.trial, windows.start, strict=True):
        first = (trials[t].audio_start + start) // 2
        cut.append(some[trials[t].stimulus][:, first : first + FRAMES])
    predicted = np.stack(cut) + noise * rng.standard_normal((len(windows), DIMENSIONS, FRAMES))
    candidates = Candidates.of(trials, test, len(some), length=LENGTH, stride=STRIDE, only_tested=only_tested)
    representations = Representations(predicted.astype(np.float32), some, 2, by_feature)
    return (windows, *rank(representations, trials, windows, candidates, inside or {1.0: 1}))


@pytest.mark.parametrize("audio_start", [0, 6, 10])
def test_a_perfect_prediction_ranks_first_among_all_candidates(audio_start):
    _, similarities, ranks = ranked(songs(np.random.default_rng(1)), audio_start=audio_start)
    assert (ranks[["rank_song", "rank_moment", "rank_window"]] == 1).all(axis=None)
    assert np.nanmax(similarities) == pytest.approx(1, abs=1e-5)


def test_candidates_are_the_moments_a_stride_apart_of_songs_that_last_that_long():
    windows, similarities, ranks = ranked(songs(np.random.default_rng(1)))
    n_windows = [(120 - LENGTH) // STRIDE + 1] * 2 + [(80 - LENGTH) // STRIDE + 1]
    of_song = np.array(n_windows)[windows.trial]
    assert ranks["n_moment"].tolist() == of_song.tolist()
    assert set(ranks["n_window"]) == {sum(n_windows)}
    late = windows.start + LENGTH > 80
    assert ranks["n_song"].tolist() == np.where(late, 2, 3).tolist()
    assert np.isnan(similarities[late, 2]).all()


def test_only_tested_moments_are_candidates():
    some = songs(np.random.default_rng(1))
    test = [Stretch(index, Span(30, 70)) for index in range(3)]
    _, _, ranks = ranked(some, test=test)
    assert set(ranks["n_moment"]) == {3}
    assert set(ranks["n_window"]) == {9}


def test_songs_that_are_not_held_out_are_no_candidates():
    some = songs(np.random.default_rng(1))
    test = [Stretch(index, Span(0, 120)) for index in (0, 1)]
    _, similarities, ranks = ranked(some, test=test, only_tested=True)
    assert set(ranks["n_song"]) == {2}
    assert np.isnan(similarities[:, 2]).all()


def test_noise_alone_ranks_as_a_guess_does():
    rng = np.random.default_rng(5)
    found = [ranked(songs(rng), noise=1e4, rng=rng)[2] for _ in range(60)]
    assert np.mean([(r["rank_song"] <= 1).mean() for r in found]) == pytest.approx(
        np.mean([(1 / r["n_song"]).mean() for r in found]), abs=0.05
    )
    percentile = np.concatenate([(r["rank_window"] - 0.5) / r["n_window"] for r in found])
    assert np.histogram(percentile, 5, (0, 1))[0] / len(percentile) == pytest.approx([0.2] * 5, abs=0.05)


def test_longer_segments_rank_the_mean_of_similarities_along_both():
    some = songs(np.random.default_rng(2))
    windows, similarities, ranks = ranked(some, noise=2.0, inside={1.0: 1, 3.0: 3})
    assert set(ranks["length"]) == {1.0, 3.0}
    long = ranks[ranks["length"] == 3.0]
    for _, row in long.iterrows():
        first = int(row["window"])
        mean = similarities[first : first + 3].mean(axis=0)
        heard = windows.trial[first]
        better = np.sum(mean[np.isfinite(mean)] > mean[heard])
        assert row["rank_song"] == 1 + better


def test_segments_do_not_reach_from_one_stretch_into_the_next():
    some = songs(np.random.default_rng(2))
    windows, _, ranks = ranked(some, inside={3.0: 3})
    for first in ranks["window"].astype(int):
        assert len(set(windows.trial[first : first + 3])) == 1


def test_similarity_is_the_cosine_that_the_decoder_matches_by():
    rng = np.random.default_rng(3)
    some = songs(rng, (60, 60))
    windows, similarities, _ = ranked(some, noise=1.0, rng=np.random.default_rng(8))
    decoder = TemporalDecoder(
        TemporalSettings(("a",), ("x", "y"), 100.0, 0.0, 0.2, memory_frames=60, dimensions=DIMENSIONS)
    )
    decoder.memory[:] = torch.from_numpy(np.stack(some))
    decoder.memory_lengths[:] = 60
    again = np.random.default_rng(8)
    cut = np.stack([some[t][:, s // 2 : s // 2 + FRAMES] for t, s in zip(windows.trial, windows.start, strict=True)])
    z = torch.from_numpy((cut + again.standard_normal(cut.shape)).astype(np.float32))
    z = z - z.mean(dim=2, keepdim=True)
    np.testing.assert_allclose(decoder.match(z, torch.from_numpy(windows.start)), similarities, atol=1e-5)


def test_by_feature_similarity_is_the_mean_of_the_features_correlations():
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((2, 1, DIMENSIONS, 30))
    expected = np.mean([pearsonr(a[0, d], b[0, d]).statistic for d in range(DIMENSIONS)])
    assert (unit(a, by_feature=True) @ unit(b, by_feature=True).T).item() == pytest.approx(expected, abs=1e-5)


def test_equal_candidates_have_each_rank_as_often():
    flat = tuple(np.zeros((DIMENSIONS, 60), dtype=np.float32) for _ in range(2))
    _, _, ranks = ranked(flat)
    assert set(ranks["rank_song"]) == {1, 2}


def test_no_windows_have_no_ranks():
    some = songs(np.random.default_rng(1))
    empty = Windows(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    candidates = Candidates.of(trials_of(some), [], 3, length=LENGTH, stride=STRIDE)
    nothing = Representations(np.empty((0, DIMENSIONS, FRAMES), dtype=np.float32), some, 2, by_feature=False)
    similarities, ranks = rank(nothing, trials_of(some), empty, candidates, {1.0: 1})
    assert similarities.shape == (0, 3)
    assert ranks.empty
    assert "rank_window" in ranks

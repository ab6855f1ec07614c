"""Ties between candidates that are equally good, as songs with the same audio are."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from predann_bids.data.ties import best_of, rank_of
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import grid
from predann_bids.learning.comparison import hits
from predann_bids.learning.evaluation.decisions import decide
from predann_bids.learning.evaluation.predictions import WindowPredictions
from predann_bids.learning.evaluation.scores import score
from predann_bids.learning.permutation import kept_null
from predann_bids.learning.retrieval import Candidates, Representations, rank
from predann_bids.learning.statistics import Scoring
from predann_bids.timing import Rate, Span

GRID = Scoring(window_s=3.0, stride_s=1.0, lengths_s=(3.0, 5.0), resamples=999, seed=0)


def keys(n):
    return np.column_stack([np.full(n, 7), np.arange(n)])


SCORES = arrays(np.float64, st.tuples(st.integers(0, 20), st.integers(1, 6)), elements=st.integers(-2, 2))


@given(SCORES)
def test_the_best_is_one_of_the_highest_and_the_same_one_again(scores):
    best = best_of(scores, keys(len(scores)))
    assert (scores[np.arange(len(scores)), best] == scores.max(axis=1)).all()
    np.testing.assert_array_equal(best, best_of(scores, keys(len(scores))))


@given(SCORES, st.integers(0, 5))
def test_a_rank_lies_between_those_that_are_better_and_those_that_are_worse(scores, candidate):
    own = scores[:, candidate % scores.shape[1]]
    ranks = rank_of(own, scores, keys(len(scores)))
    assert (ranks > (scores > own[:, None]).sum(axis=1)).all()
    assert (ranks <= (scores >= own[:, None]).sum(axis=1)).all()


def test_without_ties_nothing_is_drawn():
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((50, 5))
    scores[:, 3][rng.random(50) < 0.5] = np.nan
    np.testing.assert_array_equal(best_of(scores, keys(50)), np.nanargmax(scores, axis=1))
    np.testing.assert_array_equal(rank_of(scores[:, 0], scores, keys(50)), 1 + (scores > scores[:, :1]).sum(axis=1))


@pytest.mark.parametrize("tied", [(0, 1), (1, 3), (0, 2, 3)])
def test_each_of_those_that_are_equal_is_drawn_equally_often(tied):
    scores = np.zeros((3000, 4))
    scores[:, tied] = 1
    shares = np.bincount(best_of(scores, keys(3000)), minlength=4) / 3000
    np.testing.assert_allclose(shares, np.isin(np.arange(4), tied) / len(tied), atol=0.04)
    ranks = np.bincount(rank_of(scores[:, tied[0]], scores, keys(3000)))[1:] / 3000
    np.testing.assert_allclose(ranks, 1 / len(tied), atol=0.04)


def test_what_is_drawn_depends_on_the_row_itself_and_not_on_those_beside_it():
    scores, some = np.zeros((40, 3)), np.arange(0, 40, 3)
    np.testing.assert_array_equal(best_of(scores, keys(40))[some], best_of(scores[some], keys(40)[some]))
    assert len(set(best_of(scores, keys(40)))) == 3
    best_of(scores[:2], np.array([[-1], [0]]))  # a key may be negative


def decoded(n_people=8, n_windows=60, tied=(1, 2), n_songs=4):
    """Predictions of a decoder that is always right, but cannot tell some songs apart."""
    n = n_people * n_songs * n_windows
    stimulus = np.tile(np.repeat(np.arange(n_songs), n_windows), n_people)
    table = pd.DataFrame(
        {
            "seed": 0,
            "fold": 1,
            "participant": np.repeat([f"{p:02d}" for p in range(n_people)], n_songs * n_windows),
            "session": "n/a",
            "task": "music",
            "run": "n/a",
            "trial": np.repeat(np.arange(n_people * n_songs), n_windows),
            "stimulus": stimulus,
            "onset": np.tile(np.arange(n_windows, dtype=float), n_people * n_songs)
            + 100 * np.repeat(np.tile(np.arange(n_songs), n_people), n_windows),
        },
        index=range(n),
    )
    same = np.eye(n_songs)
    same[np.ix_(tied, tied)] = 1
    likely = 0.1 + same[stimulus]
    return WindowPredictions(table, likely / likely.sum(axis=1, keepdims=True), likely)


def test_a_decoder_of_equal_songs_is_right_half_of_the_time_however_it_decides():
    windows = decoded()
    for how in ("mean", "max", "majority", "match"):
        for length_s in (3.0, 5.0):
            decisions = decide(windows, how, length_s=length_s, window_s=3.0, stride_s=1.0)
            equal = np.isin(decisions.table["stimulus"], (1, 2))
            assert decisions.correct[~equal].all()
            assert decisions.correct[equal].mean() == pytest.approx(0.5, abs=0.05)
            for song in (1, 2):  # neither is favoured
                heard = decisions.table["stimulus"].to_numpy() == song
                assert decisions.correct[heard].mean() == pytest.approx(0.5, abs=0.07)


def test_scores_hits_and_the_observed_accuracy_of_permutations_agree_on_ties():
    windows = decoded()
    scores = score(windows, "abcd", GRID)
    assert np.trace(scores["confusion"]) / np.sum(scores["confusion"]) == pytest.approx(scores["accuracy"])
    assert hits(windows, "match", GRID)["correct"].mean() == pytest.approx(scores["match_accuracy"])
    assert scores["top3_accuracy"] == pytest.approx(1, abs=0.02)
    trials = [Trial(f"{p:02d}", "", "music", "", p, s, 100 * s, 62, 0) for p in range(8) for s in range(4)]
    null = kept_null(windows, trials, 199, np.random.default_rng(0), rate=Rate(1), window=3)
    assert null.observed["logits"] == pytest.approx(scores["accuracy"])
    assert null.observed["match"] == pytest.approx(scores["match_accuracy"])
    assert null.permuted["match"].mean() == pytest.approx(0.25, abs=0.03)


def test_two_models_draw_alike_so_that_ties_make_no_difference_between_them():
    one, other = decoded(), decoded()
    assert (hits(one, "logits", GRID)["correct"] == hits(other, "logits", GRID)["correct"]).all()


def test_equal_songs_have_exactly_equal_similarities_and_share_the_first_rank():
    rng = np.random.default_rng(2)
    some = [rng.standard_normal((5, 700)).astype(np.float32) for _ in range(3)]
    songs = (some[0], some[1], some[1].copy(), some[2])
    trials = [Trial("01", "", "", "", 0, index, 1000 * index, 1400, 0) for index in range(4)]
    test = [Stretch(index, Span(0, 1400)) for index in range(4)]
    windows = grid(test, 20, 10)
    cut = np.stack([songs[t][:, s // 2 : s // 2 + 10] for t, s in zip(windows.trial, windows.start, strict=True)])
    candidates = Candidates.of(trials, test, 4, length=20, stride=10)
    similarities, ranks = rank(Representations(cut, songs, 2, by_feature=True), trials, windows, candidates, {1.0: 1})
    np.testing.assert_array_equal(similarities[:, 1], similarities[:, 2])
    equal = np.isin(windows.trial, (1, 2))
    for kind, chance in (("song", 0.5), ("moment", 1), ("window", 0.5)):
        assert (ranks[f"rank_{kind}"][~equal] == 1).all()
        assert (ranks[f"rank_{kind}"][equal] == 1).mean() == pytest.approx(chance, abs=0.1)
        assert ranks[f"rank_{kind}"].isin([1, 2]).all()

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score

from predann_bids.learning.comparison import compare
from predann_bids.learning.evaluation.decisions import decide, predictions_table
from predann_bids.learning.evaluation.predictions import WindowPredictions
from predann_bids.learning.evaluation.scores import participant_interval, score
from predann_bids.learning.statistics import Scoring, mean_interval, mean_of, overlap_widening

LABELS = ["a", "b", "c", "d"]
GRID = Scoring(window_s=3.0, stride_s=1.0, lengths_s=(3.0, 5.0), resamples=999, seed=0)


def predictions(probabilities, similarities=None, *, trial=None, stimulus=None, onset=None, participant=None):
    n = len(probabilities)
    table = pd.DataFrame(
        {
            "seed": 3,
            "fold": 1,
            "participant": participant if participant is not None else "01",
            "session": "n/a",
            "task": "music",
            "run": "n/a",
            "trial": trial if trial is not None else 0,
            "stimulus": stimulus if stimulus is not None else 0,
            "onset": onset if onset is not None else np.arange(n, dtype=float),
        },
        index=range(n),
    )
    probabilities = np.asarray(probabilities, dtype=float)
    return WindowPredictions(
        table, probabilities, np.asarray(similarities if similarities is not None else probabilities, dtype=float)
    )


def simulated(accuracy, n_participants=8, n_windows=20, seed=0):
    rng = np.random.default_rng(seed)
    n = n_participants * 4 * n_windows
    stimulus = np.tile(np.repeat(np.arange(4), n_windows), n_participants)
    right = rng.random(n) < accuracy
    decided = np.where(right, stimulus, (stimulus + rng.integers(1, 4, n)) % 4)
    return predictions(
        np.eye(4)[decided] * 0.7 + 0.075,
        trial=np.repeat(np.arange(n_participants * 4), n_windows),
        stimulus=stimulus,
        onset=np.tile(np.arange(n_windows, dtype=float), n_participants * 4),
        participant=np.repeat([f"{p:02d}" for p in range(n_participants)], 4 * n_windows),
    )


def decided(windows, how, length_s):
    return decide(windows, how, length_s=length_s, window_s=3.0, stride_s=1.0)


def test_mean_and_max_and_majority_can_disagree():
    windows = predictions([[0.40, 0.39, 0.21], [0.40, 0.39, 0.21], [0.0, 0.45, 0.55]])
    assert decided(windows, "mean", 5.0).predicted.tolist() == [1]
    assert decided(windows, "max", 5.0).predicted.tolist() == [2]
    assert decided(windows, "majority", 5.0).predicted.tolist() == [0]


def test_of_equally_frequent_decisions_the_one_that_appears_first_wins():
    windows = predictions([[0.1, 0.2, 0.7], [0.6, 0.2, 0.2], [0.6, 0.2, 0.2], [0.1, 0.1, 0.8]])
    assert decided(windows, "majority", 6.0).predicted.tolist() == [2]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=7))
def test_majority_agrees_with_counting(votes):
    windows = predictions(np.eye(4)[votes])
    counts = [votes.count(song) for song in range(4)]
    winner = min((song for song in range(4) if counts[song] == max(counts)), key=votes.index)
    assert decided(windows, "majority", 2.0 + len(votes)).predicted.tolist() == [winner]


def test_segments_hold_the_windows_inside_and_never_cross_trials():
    windows = predictions(np.eye(4)[[0] * 7], trial=[0, 0, 0, 0, 1, 1, 1], onset=[0.0, 1, 2, 3, 9, 10, 11])
    assert decided(windows, "mean", 5.0).table["onset"].tolist() == [0.0, 1.0, 9.0]


def test_segments_never_cross_a_gap():
    windows = predictions(np.eye(4)[[0] * 4], onset=[0.0, 1, 5, 6])
    assert decided(windows, "mean", 4.0).table["onset"].tolist() == [0.0, 5.0]


def test_match_chooses_among_the_songs_that_last_through_the_segment():
    windows = predictions(np.full((2, 3), 1 / 3), [[0.1, 0.2, 0.9], [0.1, 0.2, np.nan]], stimulus=1)
    assert decided(windows, "match", 3.0).predicted.tolist() == [2, 1]
    longer = decided(windows, "match", 4.0)
    assert longer.predicted.tolist() == [1]
    assert longer.chance == 0.5


def test_chance_is_counted_from_the_candidates_of_each_window():
    windows = predictions(np.full((2, 4), 0.25), [[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, np.nan, np.nan]])
    assert decided(windows, "match", 3.0).chance == pytest.approx((1 / 4 + 1 / 2) / 2)


def test_shares_of_every_decision_add_up_to_one():
    windows = simulated(0.6)
    for how in ("mean", "max", "majority", "match"):
        np.testing.assert_allclose(np.nansum(decided(windows, how, 5.0).scores, axis=1), 1)


def test_accuracies_are_those_of_counting():
    windows = simulated(0.6)
    heard, said = windows.table["stimulus"].to_numpy(), windows.probabilities.argmax(axis=1)
    scores = score(windows, LABELS, GRID)
    assert scores["accuracy"] == pytest.approx((heard == said).mean())
    assert scores["by_stimulus"]["b"]["accuracy"] == pytest.approx((said[heard == 1] == 1).mean())
    assert np.array(scores["confusion"]).sum() == len(heard)
    assert np.trace(np.array(scores["confusion"])) == (heard == said).sum()
    assert scores["by_length"]["3"]["mean"] == scores["accuracy"]
    assert scores["top3_accuracy"] == pytest.approx(top_k_accuracy_score(heard, windows.probabilities, k=3), abs=0.05)


def test_longer_segments_of_a_good_decoder_are_recognised_better():
    scores = score(simulated(0.6), LABELS, GRID)
    assert scores["by_length"]["5"]["majority"] > scores["by_length"]["3"]["majority"] + 0.05


def test_the_interval_resamples_participants_not_windows():
    rng = np.random.default_rng(0)
    few = simulated(0.5, n_participants=8, n_windows=5)
    same_people_more_windows = simulated(0.5, n_participants=8, n_windows=500)
    skill = rng.uniform(0.2, 0.8, 8)
    for windows in (few, same_people_more_windows):  # participants differ from each other more than windows do
        person = windows.table["participant"].astype(int).to_numpy()
        right = rng.random(len(person)) < skill[person]
        decided_ = np.where(right, windows.table["stimulus"], (windows.table["stimulus"] + 1) % 4)
        windows.probabilities[:] = np.eye(4)[decided_]
    widths = [np.diff(participant_interval(decided(w, "mean", 3.0), GRID))[0] for w in (few, same_people_more_windows)]
    assert widths[1] > 0.15
    assert widths[1] == pytest.approx(widths[0], rel=0.5)


def test_the_interval_of_participants_with_as_many_windows_is_that_of_a_t_test():
    from scipy.stats import t

    windows = simulated(0.5, n_participants=8, n_windows=25, seed=3)
    means = (
        decided(windows, "mean", 3.0)
        .table.assign(c=decided(windows, "mean", 3.0).correct)
        .groupby("participant")["c"]
        .mean()
    )
    half = t.ppf(0.975, 7) * means.std() / np.sqrt(8)
    low, high = participant_interval(decided(windows, "mean", 3.0), GRID)
    assert high - low == pytest.approx(2 * half)


def test_widening_is_the_ratio_of_the_errors_of_a_mean_of_correlated_participants():
    n, c = 6, 0.4
    covariance = np.full((n, n), c / (n - 1)) + (1 - c / (n - 1)) * np.eye(n)
    draws = np.random.default_rng(0).multivariate_normal(np.zeros(n), covariance, 100_000)
    naive = np.sqrt(draws.var(axis=1, ddof=1).mean() / n)
    assert overlap_widening(4, n, c) == pytest.approx(draws.mean(axis=1).std() / naive, rel=0.01)


def test_nothing_is_widened_where_training_sets_do_not_overlap():
    assert overlap_widening(1, 8) == 1
    assert overlap_widening(2, 8) == overlap_widening(8, 8) > 1


@pytest.mark.parametrize("n", [2, 6, 20])
@pytest.mark.parametrize("right", [0, 1])
def test_participants_who_are_always_right_or_wrong_leave_room_for_others(n, right):
    """As the exact interval of n trials in which all came out alike."""
    from statsmodels.stats.proportion import proportion_confint

    people = np.repeat(np.arange(n), 5)
    low, high = mean_interval(people, np.full(5 * n, float(right)), GRID)
    assert (low, high) == pytest.approx(proportion_confint(right * n, n, method="beta"))


def test_participants_who_are_equally_good_still_have_an_interval_around_that():
    hits = np.tile([1.0, 0, 0, 0], 8)
    low, high = mean_interval(np.repeat(np.arange(8), 4), hits, GRID)
    assert 0.1 < low < 0.25 < high < 0.6
    unequal = np.repeat(np.arange(8), [4, 8] * 4)  # equal shares of unequal numbers
    few, many = np.tile(hits[:4], 1), np.tile(hits[:4], 2)
    assert mean_interval(unequal, np.tile(np.concatenate([few, many]), 4), GRID) == pytest.approx([low, high])


@settings(deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=2, max_size=8), st.floats(1, 2))
def test_no_interval_has_zero_width_or_leaves_the_range_of_shares(hits, widening):
    people = np.repeat(np.arange(len(hits)), 3)
    wide = Scoring(3.0, 1.0, (3.0,), 99, 0, widening=widening)
    low, high = mean_interval(people, np.array(hits, dtype=float).ravel(), wide)
    assert 0 <= low < high <= 1


def test_a_widened_interval_keeps_its_middle_and_stays_within_zero_and_one():
    wide = Scoring(3.0, 1.0, (3.0,), 999, 0, widening=1.5)
    decisions = decided(simulated(0.5), "mean", 3.0)
    (low, high), (lower, higher) = participant_interval(decisions, GRID), participant_interval(decisions, wide)
    accuracy = decisions.correct.mean()
    assert (accuracy - lower, higher - accuracy) == pytest.approx((1.5 * (accuracy - low), 1.5 * (high - accuracy)))
    assert participant_interval(decided(simulated(0.99), "mean", 3.0), wide)[1] <= 1


def test_one_participant_has_no_interval():
    assert score(simulated(0.5, n_participants=1), LABELS, GRID)["ci95"] is None


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_the_interval_of_guessing_holds_chance_in_most_cases(seed):
    low, high = participant_interval(decided(simulated(0.25, seed=seed), "mean", 3.0), GRID)
    assert low - 0.05 <= 0.25 <= high + 0.05


def test_a_better_model_is_found_better_and_an_equal_one_equal():
    good, bad = simulated(0.9, seed=1), simulated(0.3, seed=2)
    better = compare(good, bad, GRID)
    assert better["accuracy_difference"] == pytest.approx(0.6, abs=0.1)
    assert better["ci95"][0] > 0.4
    assert better["p_value"] < 0.001
    assert better["sign_flip_p_value"] == pytest.approx(2 / 2**8)  # the smallest that eight participants allow
    equal = compare(good, good, GRID)
    assert (equal["accuracy_difference"], equal["p_value"]) == (0, 1)


def test_an_interval_of_a_difference_stays_within_what_accuracies_can_differ():
    wide = Scoring(3.0, 1.0, (3.0,), 999, 0, widening=20.0)
    low, high = compare(simulated(0.95, seed=1), simulated(0.1, seed=2), wide)["ci95"]
    assert (low >= -1, high) == (True, 1)


def test_the_table_of_predictions_has_the_columns_of_the_contract():
    table = predictions_table(simulated(0.5), LABELS, GRID, model="predann")
    expected = (
        "model seed fold participant session task run stimulus onset length aggregation predicted p_a p_b p_c p_d"
    )
    assert list(table.columns) == expected.split()
    assert set(table["aggregation"]) == {"mean", "max", "majority", "match"}
    assert len(table) == 8 * 4 * 4 * (20 + 18)


def test_equal_predictions_have_equal_scores_to_the_last_digit():
    assert score(simulated(0.5), LABELS, GRID) == score(simulated(0.5), LABELS, GRID)


def test_a_model_without_song_logits_is_scored_by_match_alone():
    windows = simulated(0.5)
    scores = score(WindowPredictions(windows.table, None, windows.similarities), LABELS, GRID)
    assert (scores["accuracy"], scores["ci95"], scores["confusion"], scores["top3_accuracy"]) == (None,) * 4
    assert scores["match_accuracy"] == pytest.approx(score(windows, LABELS, GRID)["match_accuracy"])
    assert scores["by_length"]["5"]["mean"] is None
    assert scores["by_length"]["5"]["match"] > 0.4


def test_windows_of_different_seeds_are_not_joined_to_segments():
    one = simulated(0.5)
    other = WindowPredictions(one.table.assign(seed=4), one.probabilities, one.similarities)
    both = WindowPredictions.concatenate([one, other])
    assert len(decided(both, "mean", 5.0).table) == 2 * len(decided(one, "mean", 5.0).table)


def ranks(rank, n, people=("01", "02", "03", "04")):
    """Ranks of windows that people take turns in."""
    rank = np.asarray(rank, dtype=float)
    windows = predictions(np.full((len(rank), 4), 0.25), participant=np.resize(people, len(rank)))
    columns = {"window": np.arange(len(rank)), "length": 3.0}
    for kind in ("song", "moment", "window"):
        columns |= {f"rank_{kind}": rank, f"n_{kind}": np.broadcast_to(n, len(rank))}
    return WindowPredictions(windows.table, None, windows.similarities, pd.DataFrame(columns))


def test_retrieval_is_scored_as_sums_over_the_ranks_say():
    retrieval = score(ranks([1, 2, 4, 20], 20), LABELS, GRID)["retrieval"]
    assert (retrieval["top1"], retrieval["top5"], retrieval["top10"]) == (0.25, 0.75, 0.75)
    assert retrieval["mean_reciprocal_rank"] == pytest.approx((1 + 1 / 2 + 1 / 4 + 1 / 20) / 4)
    assert (retrieval["chance_top1"], retrieval["chance_top5"]) == (1 / 20, 5 / 20)


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=8))
def test_chance_is_exactly_what_all_ranks_equally_often_give(numbers):
    """A guess among n has each rank once in n: enumerate them, weighted so that each window counts the same."""
    guess = score(ranks([1] * len(numbers), numbers), LABELS, GRID)["retrieval"]
    every = [np.arange(1, n + 1) for n in numbers]
    assert guess["chance_top1"] == pytest.approx(np.mean([(r <= 1).mean() for r in every]))
    assert guess["chance_top5"] == pytest.approx(np.mean([(r <= 5).mean() for r in every]))
    assert guess["chance_mean_reciprocal_rank"] == pytest.approx(np.mean([(1 / r).mean() for r in every]))


def test_the_match_curve_rises_to_one():
    curve = score(ranks([1, 2, 4, 20], 20), LABELS, GRID)["retrieval"]["kinds"]["moment"]["curve"]
    assert curve["share"] == sorted(curve["share"])
    assert (curve["rank"][0], curve["share"][0], curve["chance"][0]) == (1, 0.25, 0.05)
    assert (curve["rank"][-1], curve["share"][-1], curve["chance"][-1]) == (20, 1, 1)


def test_pooled_ranks_point_to_their_own_windows():
    one, other = ranks([1, 1], 9, people=("a",)), ranks([9, 9], 9, people=("b",))
    pooled = WindowPredictions.concatenate([one, other])
    assert pooled.table["participant"].iloc[pooled.ranks["window"]].tolist() == ["a", "a", "b", "b"]


def test_naming_the_more_frequent_song_is_above_chance_but_not_when_balanced():
    from predann_bids.learning.evaluation.scores import balanced_interval

    rng = np.random.default_rng(0)
    stimulus = np.tile(np.repeat(np.arange(4), [40, 10, 10, 10]), 10)
    named = rng.choice(4, len(stimulus), p=[0.7, 0.1, 0.1, 0.1])
    people = np.repeat([f"{p:02d}" for p in range(10)], 70)
    decisions = decided(predictions(np.eye(4)[named], stimulus=stimulus, participant=people), "mean", 3.0)
    low, _ = participant_interval(decisions, GRID)
    assert low > 0.3
    low, high = balanced_interval(decisions, GRID)
    assert low < 0.25 < high


@pytest.mark.parametrize("n", [2, 3, 5])
def test_intervals_of_few_participants_are_those_of_the_t_distribution(n):
    from scipy.stats import t

    values = np.random.default_rng(n).normal(0.1, 0.05, n)
    low, high = mean_of(values, GRID).interval
    expected = t.interval(0.95, n - 1, values.mean(), values.std(ddof=1) / np.sqrt(n))
    assert (low, high) == pytest.approx(expected)


def test_intervals_of_few_participants_hold_the_truth_as_often_as_they_say():
    rng, held = np.random.default_rng(0), []
    for _ in range(300):
        skill = rng.normal(0.25, 0.03, 3).clip(0, 1)
        hits = rng.random((3, 200)) < skill[:, None]
        low, high = mean_interval(np.repeat(["a", "b", "c"], 200), hits.ravel(), GRID)
        held.append(low <= 0.25 <= high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.035)

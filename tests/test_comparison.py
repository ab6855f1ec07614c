import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, t, ttest_1samp
from statsmodels.stats.multitest import multipletests

from predann_bids.learning.comparison import compare, compare_all, compare_with_control
from predann_bids.learning.evaluation.predictions import WindowPredictions
from predann_bids.learning.models import MODELS
from predann_bids.learning.statistics import Scoring, holm, mean_of

GRID = Scoring(window_s=3.0, stride_s=1.0, lengths_s=(3.0,), resamples=999, seed=0)
PEOPLE, SONGS, WINDOWS = 6, 3, 12


def model(accuracy, seed=0, *, logits=True, training_seed=0):
    """Predictions that are right with a probability, by logits and by match alike."""
    rng = np.random.default_rng(seed)
    n = PEOPLE * SONGS * WINDOWS
    stimulus = np.tile(np.repeat(np.arange(SONGS), WINDOWS), PEOPLE)
    named = np.where(rng.random(n) < accuracy, stimulus, (stimulus + 1) % SONGS)
    table = pd.DataFrame(
        {
            "seed": training_seed,
            "fold": 1,
            "participant": np.repeat([f"{p:02d}" for p in range(PEOPLE)], SONGS * WINDOWS),
            "session": "n/a",
            "task": "music",
            "run": "n/a",
            "trial": np.repeat(np.arange(PEOPLE * SONGS), WINDOWS),
            "stimulus": stimulus,
            "onset": np.tile(np.arange(WINDOWS, dtype=float), PEOPLE * SONGS),
        }
    )
    scores = np.eye(SONGS)[named]
    return WindowPredictions(table, scores if logits else None, scores.copy())


def person_means(windows):
    right = windows.similarities.argmax(axis=1) == windows.table["stimulus"]
    return right.groupby(windows.table["participant"]).mean().to_numpy()


def test_no_verdict_by_match_is_given_against_a_model_that_was_trained_not_to_align():
    found = compare(model(0.9), model(0.5, 1), GRID, MODELS["baseline"].compared_by)
    assert found["accuracy_difference"] > 0.2
    assert {key: value for key, value in found.items() if key.startswith("match_")} == {
        f"match_{key}": None for key in ("accuracy_difference", "ci95", "p_value", "sign_flip_p_value")
    }


def test_every_pair_is_compared_in_the_ways_that_both_models_allow():
    models = {
        "predann": model(0.9),
        "baseline": model(0.5, 1),
        "own_moment": model(0.6, 1),
        "linear": model(0.7, 2, logits=False),
    }
    found = [(row["first"], row["second"], row["by"]) for row in compare_all(models, GRID)]
    assert found == [
        ("predann", "baseline", "logits"),
        ("predann", "own_moment", "logits"),
        ("predann", "own_moment", "match"),
        ("predann", "linear", "match"),
    ]


def test_p_values_of_pairs_that_answer_one_question_are_corrected_together():
    models = {"predann": model(0.9), "baseline": model(0.8, 1), "linear": model(0.85, 2, logits=False)}
    models |= {"linear_whitened": model(0.88, 3, logits=False), "own_moment": model(0.82, 4)}
    rows = compare_all(models, GRID)
    for rivals, number in ((["baseline", "own_moment"], 3), (["linear", "linear_whitened"], 2)):
        mine = [row for row in rows if row["second"] in rivals]
        expected = multipletests([row["p_value"] for row in mine], method="holm")[1]
        assert len(mine) == number
        assert [row["p_holm"] for row in mine] == pytest.approx(expected.tolist())


def test_by_retrieval_a_window_is_right_when_its_own_audio_ranks_first():
    def with_ranks(windows, ranks):
        first = np.arange(len(windows.table))
        columns = {"window": first, "length": 3.0, "rank_window": np.resize(ranks, len(first))}
        return WindowPredictions(windows.table, windows.probabilities, windows.similarities, pd.DataFrame(columns))

    models = {"predann": with_ranks(model(0.9), [1, 1, 2]), "linear": with_ranks(model(0.9, 1), [3, 1, 2])}
    (row,) = [row for row in compare_all(models, GRID) if row["by"] == "retrieval"]
    assert row["difference"] == pytest.approx(1 / 3)


def test_p_values_that_are_missing_stay_so_and_do_not_count():
    assert holm([0.01, None, 0.04]) == [pytest.approx(0.02), None, pytest.approx(0.04)]
    assert holm([]) == []


def test_mcnemar_is_the_binomial_test_of_the_windows_that_one_alone_gets_right():
    first, second = model(0.9), model(0.6, 1)
    row = compare_all({"predann": first, "baseline": second}, GRID)[0]
    apart = first.table["onset"] % 3 == 0  # 3 s windows, one a second
    right = [(w.probabilities.argmax(axis=1) == w.table["stimulus"]).to_numpy()[apart] for w in (first, second)]
    only = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
    assert (row["mcnemar"]["only_first"], row["mcnemar"]["only_second"]) == only
    assert row["mcnemar"]["n_windows"] == apart.sum()
    assert row["mcnemar"]["p_value"] == pytest.approx(binomtest(only[0], sum(only)).pvalue)


def test_the_test_of_a_difference_is_a_t_test_whose_error_is_widened():
    differences = person_means(model(0.9)) - person_means(model(0.6, 1))
    assert mean_of(differences, GRID).p_value == pytest.approx(ttest_1samp(differences, 0).pvalue)
    wide = Scoring(3.0, 1.0, (3.0,), 999, 0, widening=1.5)
    t_value = ttest_1samp(differences, 0).statistic / 1.5
    assert mean_of(differences, wide).p_value == pytest.approx(2 * t.sf(abs(t_value), PEOPLE - 1))


@settings(deadline=None)
@given(
    st.lists(st.floats(-1, 1).map(lambda value: round(value, 3)), min_size=2, max_size=12),
    st.floats(1, 2),
)
def test_an_interval_excludes_zero_exactly_if_its_test_says_so(values, widening):
    scoring = Scoring(3.0, 1.0, (3.0,), 99, 0, widening=widening)
    found = mean_of(np.array(values), scoring)
    low, high = found.interval
    if abs(found.p_value - 0.05) > 1e-9:
        assert (low > 0 or high < 0) == (found.p_value < 0.05)
    assert low < high


@settings(deadline=None)
@given(st.integers(2, 12), st.sampled_from([-1.0, -0.5, -0.1, 0.1, 0.6, 0.9, 1.0]))
def test_equal_differences_are_judged_alike_by_interval_and_test(n, value):
    found = mean_of(np.full(n, value), GRID)
    low, high = found.interval
    assert low < high
    assert (low > 0 or high < 0) == (found.p_value < 0.05)


def test_differences_as_large_as_can_be_have_the_p_value_of_as_many_equal_signs():
    assert mean_of(np.ones(8), GRID).p_value == pytest.approx(binomtest(8, 8, 0.5).pvalue)


def test_a_row_names_its_test_and_keeps_the_sign_flips_beside_it():
    wide = Scoring(3.0, 1.0, (3.0,), 999, 0, widening=1.2)
    models = {"predann": model(0.9), "baseline": model(0.5, 1)}
    row, plain = compare_all(models, wide)[0], compare_all(models, GRID)[0]
    assert ("overlapping" in row["test"], "overlapping" in plain["test"]) == (True, False)
    assert row["sign_flip_p_value"] == pytest.approx(2 / 2**PEOPLE)
    assert compare(models["predann"], models["baseline"], wide)["p_value"] == row["p_value"]


def test_seeds_are_averaged_within_participants_and_listed():
    first = WindowPredictions.concatenate([model(0.9, s, training_seed=s) for s in (0, 1)])
    second = WindowPredictions.concatenate([model(0.5, s + 5, training_seed=s) for s in (0, 1)])
    row = compare_all({"predann": first, "baseline": second}, GRID)[0]
    assert row["difference"] == pytest.approx((person_means(first) - person_means(second)).mean())
    each = [(person_means(model(0.9, s)) - person_means(model(0.5, s + 5))).mean() for s in (0, 1)]
    assert row["by_seed"] == pytest.approx(each)
    one_seed = compare_all({"predann": first.of_seed(0), "baseline": second.of_seed(0)}, GRID)[0]
    assert row["mcnemar"] == one_seed["mcnemar"]  # windows of several seeds are no more windows


def test_models_without_logits_are_compared_by_match_alone():
    found = compare(model(0.9, logits=False), model(0.5, 1), GRID)
    assert found["accuracy_difference"] is None
    assert found["match_accuracy_difference"] > 0.2


def test_real_minus_control_is_the_mean_difference_of_participants():
    real, control = model(0.9), model(0.35, 3)
    found = compare_with_control(real, control, GRID)
    assert found["match_accuracy_difference"] == pytest.approx((person_means(real) - person_means(control)).mean())
    assert found["match_ci95"][0] > 0.3
    expected = ttest_1samp(person_means(real) - person_means(control), 0).pvalue
    assert found["match_p_value"] == pytest.approx(expected)

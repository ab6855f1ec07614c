import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from predann_bids.data.trials import Trial
from predann_bids.learning.evaluation import WindowPredictions
from predann_bids.learning.permutation import NullDistribution, kept_null, permutation_scores
from predann_bids.learning.statistics import Grid

GRID = Grid(window_s=3.0, stride_s=1.0, lengths_s=(3.0,), resamples=999, seed=0)
SONGS, WINDOWS = 4, 10


def listeners(n):
    return [Trial(f"{p:02d}", "", "music", "", p, song, 0, 1000, 0) for p in range(n) for song in range(SONGS)]


def predictions(trials, named, similarities=None):
    trial = np.repeat(np.arange(len(trials)), WINDOWS)
    table = pd.DataFrame({"seed": 0, "fold": 1, "trial": trial, "stimulus": [trials[t].stimulus for t in trial]})
    scores = np.eye(SONGS)[named]
    return WindowPredictions(table, scores, scores if similarities is None else similarities)


def test_the_null_of_a_perfect_decoder_is_chance_and_it_is_beaten():
    trials = listeners(6)
    windows = predictions(trials, np.repeat([t.stimulus for t in trials], WINDOWS))
    null = kept_null(windows, trials, 500, np.random.default_rng(0))
    assert null.logits.mean() == pytest.approx(1 / SONGS, abs=0.01)
    found = permutation_scores({"logits": 1.0, "match": 1.0}, null, "kept", GRID)
    assert found["p_value"] == pytest.approx(1 / 501)
    assert (found["n"], found["null"]) == (500, "kept")


def test_the_null_keeps_what_windows_of_a_presentation_have_in_common():
    """A decoder that names one song for a whole presentation scatters as few presentations do, not as many windows."""
    trials, rng = listeners(6), np.random.default_rng(1)
    whole = np.repeat(rng.integers(0, SONGS, len(trials)), WINDOWS)
    scattered = rng.integers(0, SONGS, len(trials) * WINDOWS)
    spread = [
        kept_null(predictions(trials, n), trials, 400, np.random.default_rng(2)).logits.std()
        for n in (whole, scattered)
    ]
    assert spread[0] > 2 * spread[1]
    by_presentation = np.sqrt(0.25 * 0.75 / len(trials))
    assert spread[0] == pytest.approx(by_presentation, rel=0.5)


def test_a_guessing_decoder_has_p_values_of_every_size():
    trials, p_values = listeners(4), []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        windows = predictions(trials, rng.integers(0, SONGS, len(trials) * WINDOWS))
        accuracy = (windows.probabilities.argmax(axis=1) == windows.table["stimulus"]).mean()
        null = kept_null(windows, trials, 99, rng)
        p_values.append(permutation_scores({"logits": accuracy, "match": None}, null, "kept", GRID)["p_value"])
    assert np.mean(np.array(p_values) <= 0.1) == pytest.approx(0.1, abs=0.08)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.1)


def test_permuted_labels_that_cannot_be_named_do_not_count():
    trials = listeners(3)
    heard = np.repeat([t.stimulus for t in trials], WINDOWS)
    similarities = np.eye(SONGS)[heard]
    similarities[heard != 3, 3] = np.nan  # song 3 is no candidate but where it is heard
    null = kept_null(predictions(trials, heard, similarities), trials, 300, np.random.default_rng(0))
    assert null.match.mean() > null.logits.mean() + 0.02
    assert null.match.max() <= 1


def test_the_spread_of_a_kept_null_is_widened_and_that_of_a_retrained_one_is_not():
    wide = Grid(3.0, 1.0, (3.0,), 999, 0, widening=2.0)
    null = NullDistribution(norm.ppf(np.linspace(0.001, 0.999, 999), 0.25, 0.02), None)
    kept, retrained = (
        permutation_scores({"logits": 0.29, "match": None}, null, k, wide) for k in ("kept", "retrained")
    )
    assert kept["p_value"] == pytest.approx(norm.sf(0.04 / 0.04), abs=0.01)
    assert retrained["p_value"] == pytest.approx(norm.sf(0.04 / 0.02), abs=0.01)
    assert kept["null_mean"] == pytest.approx(retrained["null_mean"])


def test_what_a_model_cannot_decide_has_no_p_value():
    null = NullDistribution(None, np.full(99, 0.25))
    found = permutation_scores({"logits": None, "match": 0.5}, null, "kept", GRID)
    assert (found["p_value"], found["match_p_value"]) == (None, 0.01)


def test_the_middle_of_the_null_stays_within_what_accuracies_can_be():
    wide = Grid(3.0, 1.0, (3.0,), 999, 0, widening=3.0)
    null = NullDistribution(np.linspace(0, 0.5, 99), None)
    low, high = permutation_scores({"logits": 0.9, "match": None}, null, "kept", wide)["null_ci95"]
    assert (low, high) == (0.0, pytest.approx(0.25 + 3 * 0.2375, abs=0.01))

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from predann_bids.data.controls import permutations, permuted, reassigned
from predann_bids.data.trials import Trial
from predann_bids.learning.comparison import compare_with_control
from predann_bids.learning.evaluation.predictions import WindowPredictions
from predann_bids.learning.permutation import (
    Exchange,
    NullDistribution,
    count_hits,
    kept_null,
    permutation_scores,
)
from predann_bids.learning.statistics import Scoring
from predann_bids.timing import Rate

GRID = Scoring(window_s=3.0, stride_s=1.0, lengths_s=(3.0,), resamples=999, seed=0)
RATE, WINDOW = Rate(100.0), 300
SONGS, WINDOWS = 4, 10


def listeners(n, lengths=(1200,) * SONGS):
    return [Trial(f"{p:02d}", "", "music", "", p, s, 5000 * s, lengths[s], 0) for p in range(n) for s in range(SONGS)]


def windows_of(trials):
    """Trial and start in seconds of every window, one a second."""
    counts = [(trial.length - WINDOW) // 100 + 1 for trial in trials]
    starts = np.concatenate([np.arange(count, dtype=float) for count in counts])
    return np.repeat(np.arange(len(trials)), counts), starts


def predictions(trials, scores, similarities=None, fold=1):
    trial, start = windows_of(trials)
    table = pd.DataFrame(
        {
            "seed": 0,
            "fold": fold,
            "participant": [trials[t].participant for t in trial],
            "trial": trial,
            "stimulus": [trials[t].stimulus for t in trial],
            "onset": np.array([trials[t].onset for t in trial]) / RATE.hz + start,
        }
    )
    return WindowPredictions(table, scores, scores if similarities is None else similarities)


def naming(named):
    return np.eye(SONGS)[named]


def null_of(windows, trials, number=200, seed=0):
    return kept_null(windows, trials, number, np.random.default_rng(seed), rate=RATE, window=WINDOW)


def blind(trials, rng, *, prior=None):
    """Predictions that do not know the EEG; songs that do not last so long are no candidates for match."""
    trial, start = windows_of(trials)
    lengths = np.array([trials[s].length for s in range(SONGS)])
    wish = np.ones(SONGS) if prior is None else np.asarray(prior, dtype=float)
    by_logits = np.log(wish) + rng.gumbel(size=(len(trial), SONGS))
    similarities = rng.random((len(trial), SONGS))
    similarities[start[:, None] * 100 + WINDOW > lengths[None]] = np.nan
    return predictions(trials, by_logits, similarities)


def test_the_null_of_a_perfect_decoder_is_chance_and_it_is_beaten():
    trials = listeners(6)
    windows = predictions(trials, naming(np.repeat([t.stimulus for t in trials], WINDOWS)))
    null = null_of(windows, trials, 500)
    assert null.permuted["logits"].mean() == pytest.approx(1 / SONGS, abs=0.01)
    found = permutation_scores(null, "kept")
    assert found["p_value"] == pytest.approx(1 / 501)
    assert (found["n"], found["null"], found["observed"]) == (500, "kept", 1.0)


def test_the_null_keeps_what_windows_of_a_presentation_have_in_common():
    """A decoder that names one song for a whole presentation scatters as few presentations do, not as many windows."""
    trials, rng = listeners(6), np.random.default_rng(1)
    whole = np.repeat(rng.integers(0, SONGS, len(trials)), WINDOWS)
    scattered = rng.integers(0, SONGS, len(trials) * WINDOWS)
    nulls = [null_of(predictions(trials, naming(n)), trials, 400) for n in (whole, scattered)]
    spread = [null.permuted["logits"].std() for null in nulls]
    assert spread[0] > 2 * spread[1]
    assert spread[0] == pytest.approx(np.sqrt(0.25 * 0.75 / len(trials)), rel=0.5)


def p_values(lengths, prior=None, runs=60):
    trials, found = listeners(5, lengths), []
    for seed in range(runs):
        null = null_of(blind(trials, np.random.default_rng(seed), prior=prior), trials, 99, seed)
        scores = permutation_scores(null, "kept")
        found.append((scores["p_value"], scores["match_p_value"]))
    return np.array(found)


def test_a_guessing_decoder_has_p_values_of_every_size():
    found = p_values((1200,) * SONGS)
    assert np.mean(found <= 0.1) == pytest.approx(0.1, abs=0.07)
    assert np.mean(found) == pytest.approx(0.5, abs=0.1)


def test_songs_of_different_length_do_not_make_a_guess_significant():
    """Late in a long song there are fewer candidates, and who likes long songs is right more often."""
    lengths = (1000, 1400, 1800, 2600)
    found = p_values(lengths, prior=np.square(lengths))
    assert (found <= 0.05).mean(axis=0) == pytest.approx([0.05, 0.05], abs=0.06)


def test_only_windows_that_every_song_of_the_recording_has_are_compared():
    trials = listeners(2, (500, 800, 800, 800))
    windows = blind(trials, np.random.default_rng(0))
    rows = Exchange.of(trials).comparable(windows, trials, RATE, WINDOW)
    _, start = windows_of(trials)
    assert (rows["logits"] == (start <= 2)).all()
    assert np.isfinite(windows.similarities[rows["match"]]).all()


def test_labels_are_exchanged_within_what_one_fold_tests():
    trials = listeners(3)
    perfect = naming(np.repeat([t.stimulus for t in trials], WINDOWS))
    fold = 1 + (np.repeat([t.stimulus for t in trials], WINDOWS) >= 2)
    null = null_of(predictions(trials, perfect, fold=fold), trials, 300)
    assert null.permuted["logits"].mean() == pytest.approx(1 / 2, abs=0.03)  # two songs in each fold


@pytest.mark.parametrize("kind", ["kept", "retrained"])
def test_the_p_value_is_the_share_of_permutations_that_reach_the_accuracy(kind):
    permuted_ = norm.ppf(np.linspace(0.001, 0.999, 999), 0.25, 0.02)
    null = NullDistribution({"logits": 0.29, "match": None}, {"logits": permuted_, "match": None})
    found = permutation_scores(null, kind)
    assert found["p_value"] == pytest.approx(norm.sf(0.04 / 0.02), abs=0.002)
    assert found["null_ci95"] == pytest.approx(norm.ppf([0.025, 0.975], 0.25, 0.02).tolist(), abs=1e-3)


def test_hits_under_permutations_are_those_of_relabelled_windows():
    """Count the plain way: give every trial its new label, and compare all windows."""
    trials, rng = listeners(3), np.random.default_rng(0)
    windows = blind(trials, rng)
    found = null_of(windows, trials, 20, seed=5).permuted["logits"]
    source = permutations(trials, 20, np.random.default_rng(5))
    trial, named = windows.table["trial"].to_numpy(), windows.probabilities.argmax(axis=1)
    song = np.array([t.stimulus for t in trials])
    assert found == pytest.approx([(song[row][trial] == named).mean() for row in source])


def test_what_a_model_cannot_decide_has_no_p_value():
    null = NullDistribution({"logits": None, "match": 0.5}, {"logits": None, "match": np.full(99, 0.25)})
    found = permutation_scores(null, "kept")
    assert (found["p_value"], found["match_p_value"]) == (None, 0.01)


def test_hits_are_counted_among_comparable_windows():
    trials = listeners(2, (500, 800, 800, 800))
    heard = np.array([trials[t].stimulus for t in windows_of(trials)[0]])
    windows = predictions(trials, naming(heard))
    rows = Exchange.of(trials).comparable(windows, trials, RATE, WINDOW)
    assert count_hits(windows, rows) == {"logits": (24, 24), "match": (24, 24)}  # 8 presentations, 3 windows each


def test_real_data_do_not_beat_the_control_by_songs_of_different_length_alone():
    """Presentations that get a shorter song lose their late windows, where guessing is easier."""
    lengths, differences = (800, 1200, 1600, 2400), []
    trials = listeners(12, lengths)
    exchange = Exchange.of(trials)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        dealt = reassigned(trials, permuted(trials, rng))
        pair = [blind(trials, rng), _heard_as(trials, dealt, rng)]
        rows = [exchange.comparable(windows, trials, RATE, WINDOW) for windows in pair]
        differences.append(
            [compare_with_control(*pair, GRID, some)["match_accuracy_difference"] for some in (rows, ())]
        )
    shared, everything = np.mean(differences, axis=0)
    assert abs(shared) < 0.02
    assert everything > 0.03


def _heard_as(trials, dealt, rng):
    """Blind predictions for trials that were given other songs."""
    trial, start = windows_of(dealt)
    lasting = np.array([trials[s].length for s in range(SONGS)])
    similarities = rng.random((len(trial), SONGS))
    similarities[start[:, None] * 100 + WINDOW > lasting[None]] = np.nan
    moved = [replace(d, onset=t.onset) for d, t in zip(dealt, trials, strict=True)]
    return predictions(moved, rng.random((len(trial), SONGS)), similarities)

"""Filters that are solved for are those that libraries find, and are chosen by what they tell apart."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.cross_decomposition import CCA
from sklearn.linear_model import Ridge

from predann_bids.learning.closed_form.contrast import (
    TEMPERATURES,
    Contrast,
    best_temperature,
    informations,
    preferred,
    same_audio,
)
from predann_bids.models.linear.covariances import Covariances, LagWindow, total
from predann_bids.models.linear.filters import FilterBanks, canonical_filters, ridge_filters

CHANNELS, FEATURES, FRAMES = 3, 2, 600
LAGS = LagWindow(first=-2, number=5, reach=1)


def signals(seed=0, noise=1.0):
    """EEG (C, T) that follows features (F, T) two frames later, zero at the ends, as between stretches."""
    rng = np.random.default_rng(seed)
    audio = rng.standard_normal((FEATURES, FRAMES))
    eeg = noise * rng.standard_normal((CHANNELS, FRAMES))
    eeg[:FEATURES, 2:] += audio[:, :-2]
    for part in (eeg, audio):
        part[:, :8] = part[:, -8:] = 0
    return eeg, audio


def lagged(series, lags):
    """Rows for each lag and channel, lags varying slowest: element t is the series at t + lag."""
    return np.concatenate([np.roll(series, -lag, axis=1) for lag in lags])


def test_covariances_are_the_products_of_lagged_signals():
    eeg, audio = signals()
    x, y = lagged(eeg, LAGS.eeg), lagged(audio, LAGS.audio)
    expected = [x @ x.T, x @ y.T, y @ y.T]
    for found, product in zip(Covariances.of(eeg, audio, LAGS).matrices(), expected, strict=True):
        np.testing.assert_allclose(found, product / FRAMES, atol=1e-10)


@given(st.integers(0, 5))
def test_whitening_covariances_is_whitening_samples(seed):
    eeg, audio = signals(seed)
    mixing = np.random.default_rng(seed).standard_normal((CHANNELS, CHANNELS))
    before, after = Covariances.of(mixing @ eeg, audio, LAGS), Covariances.of(eeg, audio, LAGS).whitened(mixing)
    for one, other in zip(before.matrices(), after.matrices(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_covariances_of_stretches_add_up():
    parts = [Covariances.of(*signals(seed), LAGS) for seed in range(3)]
    both = [np.concatenate(some, axis=1) for some in zip(*(signals(seed) for seed in range(3)), strict=True)]
    for one, other in zip(total(parts).matrices(), Covariances.of(*both, LAGS).matrices(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


@pytest.mark.parametrize("alpha", [0.01, 1.0])
def test_ridge_filters_are_those_of_scikit_learn_up_to_their_scale(alpha):
    eeg, audio = signals()
    covariances = Covariances.of(eeg, audio, LAGS)
    (banks,) = ridge_filters(covariances, [alpha])
    x = lagged(eeg, LAGS.eeg)
    penalty = alpha * np.square(x).sum(axis=1).mean()
    expected = Ridge(penalty, fit_intercept=False).fit(x.T, audio.T).predict(x.T).T
    found = banks.filter_eeg(torch.from_numpy(eeg[None]).float())[0].numpy()
    for one, other in zip(found, expected, strict=True):
        assert np.corrcoef(one, other)[0, 1] == pytest.approx(1, abs=1e-5)
        assert np.mean(np.square(one)) == pytest.approx(1, rel=1e-3)


def test_canonical_filters_are_those_of_scikit_learn():
    eeg, audio = signals(noise=0.5)
    (banks,) = canonical_filters(Covariances.of(eeg, audio, LAGS), [0.0], [0.0], components=2)
    x, y = lagged(eeg, LAGS.eeg).T, lagged(audio, LAGS.audio).T
    expected = CCA(2, scale=False, max_iter=5000, tol=1e-10).fit(x, y).transform(x, y)
    found = (
        banks.filter_eeg(torch.from_numpy(eeg[None]).float()),
        banks.filter_audio(torch.from_numpy(audio[None]).float()),
    )
    for side, other in zip(found, expected, strict=True):
        for component in range(2):
            assert abs(np.corrcoef(side[0, component], other[:, component])[0, 1]) == pytest.approx(1, abs=0.01)


def test_components_are_weighted_by_their_correlation_and_come_in_its_order():
    eeg, audio = signals(noise=0.5)
    (banks,) = canonical_filters(Covariances.of(eeg, audio, LAGS), [0.0], [0.0], components=4)
    power = banks.filter_eeg(torch.from_numpy(eeg[None]).float())[0].square().mean(dim=1).sqrt().numpy()
    z, a = (
        banks.filter_eeg(torch.from_numpy(eeg[None]).float()),
        banks.filter_audio(torch.from_numpy(audio[None]).float()),
    )
    correlations = [np.corrcoef(z[0, k], a[0, k])[0, 1] for k in range(4)]
    np.testing.assert_allclose(power, correlations, rtol=0.02)
    assert list(power) == sorted(power, reverse=True)


def test_regularisation_makes_filters_shorter():
    (free, bound) = ridge_filters(Covariances.of(*signals(noise=5.0), LAGS), [1e-4, 100.0])
    smooth = [np.square(banks.eeg).sum() for banks in (free, bound)]
    assert np.isfinite(smooth).all()
    assert not np.allclose(free.eeg, bound.eeg, rtol=0.1)


# What is chosen by


def windows(noise, n=40, seed=0):
    rng = np.random.default_rng(seed)
    heard = rng.standard_normal((n, 2, 30))
    return heard + noise * rng.standard_normal(heard.shape), heard


def test_information_is_the_mean_log_probability_compared_with_a_guess():
    predicted, heard = windows(2.0)
    found = best_temperature(informations(predicted, heard, np.eye(40, dtype=bool)))
    flat = [(part - part.mean(axis=2, keepdims=True)).reshape(40, -1) for part in (predicted, heard)]
    similarity = np.corrcoef(*flat)[:40, 40:]
    expected = [np.mean(np.log(np.diag(softmax(similarity / t, axis=1)))) + np.log(40) for t in TEMPERATURES]
    assert found.information == pytest.approx(max(expected), rel=1e-4)
    assert found.temperature == TEMPERATURES[int(np.argmax(expected))]


def test_information_falls_with_noise_and_never_exceeds_that_of_naming_each_window():
    found = [
        best_temperature(informations(*windows(noise), np.eye(40, dtype=bool))).information
        for noise in (0.1, 2.0, 100.0)
    ]
    assert np.log(40) >= found[0] > found[1] > found[2]
    assert found[2] < 0.1


def test_confusing_windows_that_hear_the_same_is_no_error():
    predicted, heard = windows(0.1)
    twice = [np.concatenate([part, part]) for part in (predicted, heard)]
    songs = np.tile(np.arange(40), 2)
    same = same_audio(songs, np.zeros(80, dtype=int))
    once = best_temperature(informations(predicted, heard, np.eye(40, dtype=bool))).information
    assert best_temperature(informations(*twice, same)).information == pytest.approx(once, abs=1e-3)


def measured(*means, n=60, spread=0.5, seed=0):
    """Contrasts of decoders whose windows differ by noise of their own."""
    noise = np.random.default_rng(seed).standard_normal((len(means), n))
    noise -= noise.mean(axis=1, keepdims=True)
    return [Contrast(mean, 0.1, mean + spread * row) for mean, row in zip(means, noise, strict=True)]


def test_of_decoders_that_are_about_as_good_that_of_the_lowest_rank_is_chosen():
    assert preferred(measured(0.30, 0.28, 0.29), [2, 0, 1]) == 1


def test_a_decoder_of_low_rank_that_is_clearly_worse_is_not_chosen():
    assert preferred(measured(0.30, 0.05, 0.29), [2, 0, 1]) == 2


def test_of_decoders_of_one_rank_the_best_is_chosen():
    assert preferred(measured(0.28, 0.30, 0.29), [0, 0, 0]) == 1
    assert preferred(measured(0.40, 0.28, 0.39, 0.38), [1, 0, 0, 0]) == 2


def test_with_more_windows_smaller_differences_decide():
    assert preferred(measured(0.30, 0.24, n=30), [1, 0]) == 1
    assert preferred(measured(0.30, 0.24, n=3000), [1, 0]) == 0


@pytest.mark.parametrize("n", [0, 1])
def test_where_there_is_nothing_to_compare_the_best_is_chosen(n):
    assert preferred([Contrast(0.2, 0.1, np.full(n, 0.2)), Contrast(0.1, 0.1, np.full(n, 0.1))], [1, 0]) == 0


def test_balanced_banks_give_the_last_components_as_much_power_as_all_others():
    rng = np.random.default_rng(0)
    banks = FilterBanks(np.ones((18, 3, 4), np.float32), 0, np.ones((18, 18, 1), np.float32)).balanced(2)
    eeg = torch.from_numpy(rng.standard_normal((1, 3, 200)).astype(np.float32))
    power = banks.filter_eeg(eeg).square().sum(dim=2)[0]
    assert power[-2:].sum() == pytest.approx(float(power[:-2].sum()), rel=1e-5)

import numpy as np
import pytest

from predann_bids.signals.scaling import CLAMP, Scaling


@pytest.fixture
def correlated():
    rng = np.random.default_rng(0)
    sources = rng.standard_normal((20_000, 4))
    return (sources @ rng.standard_normal((4, 4)) * [1, 10, 100, 3] + [5, 0, -7, 1]).astype(np.float32)


def test_channels_of_a_recording_become_uncorrelated_with_variance_one(correlated):
    scaled = Scaling.of(correlated).apply(correlated)
    np.testing.assert_allclose(np.cov(scaled), np.eye(4), atol=0.05)


def test_the_unit_of_a_channel_does_not_matter(correlated):
    other = correlated * np.array([1e-6, 1, 1e3, 42], dtype=np.float32)
    np.testing.assert_allclose(
        Scaling.of(other).apply(other), Scaling.of(correlated).apply(correlated), rtol=1e-3, atol=1e-3
    )


def test_whitening_is_the_symmetric_inverse_root_of_the_covariance(correlated):
    scaling = Scaling.of(correlated)
    np.testing.assert_allclose(scaling.mixing, scaling.mixing.T, atol=1e-6)


def test_an_artefact_is_limited(correlated):
    scaling = Scaling.of(correlated)
    burst = correlated[:100].copy()
    burst[50] = 1e7
    assert np.abs(scaling.apply(burst)).max() <= CLAMP


def test_a_direction_without_power_is_not_blown_up(correlated):
    referenced = correlated - correlated.mean(axis=1, keepdims=True)
    scaled = Scaling.of(referenced).apply(referenced)
    assert np.isfinite(scaled).all()
    assert scaled.std() < 2


def test_a_flat_channel_stays_finite(correlated):
    correlated[:, 2] = 3
    assert np.isfinite(Scaling.of(correlated).apply(correlated)).all()


def test_a_window_is_scaled_as_its_whole_recording_is(correlated):
    scaling = Scaling.of(correlated)
    np.testing.assert_allclose(scaling.apply(correlated)[:, 100:475], scaling.apply(correlated[100:475]), rtol=1e-5)

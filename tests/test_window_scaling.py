import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import RobustScaler

from predann_bids.data.stores.resident import scale_windows_on_device
from predann_bids.signals.scaling import scale_windows

N, T = 6, 375


def there(windows):
    return scale_windows_on_device(torch.from_numpy(windows)).numpy()


@pytest.fixture(params=[scale_windows, there], ids=["numpy", "torch"])
def scale(request):
    return request.param


def plainly(windows):
    """Scale channel by channel with scikit-learn, in double precision, on the same values."""
    rows = windows.astype(np.float64).reshape(-1, windows.shape[-1])
    scaled = [RobustScaler().fit_transform(row[:, None])[:, 0] for row in rows]
    return np.clip(np.reshape(scaled, windows.shape), -20, 20)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def spiked(low):
    rows = np.full((1, N, T), low)
    rows[..., ::10] += noise(1, N, 38) * 5
    return rows


KINDS = {
    "noise": noise(2, N, T),
    "an even number of samples": noise(2, N, 250),
    "quartiles between samples and on them": noise(1, N, 13),
    "a single sample": noise(1, N, 1),
    "outliers": noise(1, N, T) ** 9,
    "heavy ties": noise(1, N, T).round(),
    "few values": np.sign(noise(1, N, T)),
    "constant channels": np.full((1, N, T), 3.25) * np.arange(N)[:, None],
    "constant but for one sample": np.where(np.arange(T) == 100, 7.0, 2.0) * np.ones((1, N, 1)),
    "no range, with outliers": spiked(low=0.0),
    "no range, with outliers, at an offset": spiked(low=1e4),
    "offsets much larger than the signal": noise(1, N, T) * 10 + 32_000,
    "nearly constant at a large offset": 1e6 + noise(1, N, T).round() / 16,
    "tiny values": noise(1, N, T) * 1e-12,
    "ranges about the smallest that count": noise(1, 60, T) * np.geomspace(1e-17, 1e-13, 60)[:, None],
    "huge values": noise(1, N, T) * 1e30,
    "different units": noise(1, N, T) * 10.0 ** np.arange(-6, 6, 2)[:, None],
}


@pytest.mark.parametrize("kind", KINDS)
def test_windows_are_scaled_as_scikit_learn_scales_each_channel(kind, scale):
    windows = KINDS[kind].astype(np.float32)
    scaled = scale(windows)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, plainly(windows), rtol=2e-6, atol=1e-7)


@given(st.integers(1, 40), st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 1.0, 30.0]))
def test_any_number_of_samples_is_scaled_as_scikit_learn_does(length, seed, step):
    windows = ((noise(1, 2, length, seed=seed) / step).round() * step + 100).astype(np.float32)
    for scale in (scale_windows, there):
        np.testing.assert_allclose(scale(windows), plainly(windows), rtol=2e-6, atol=1e-7)


def test_values_are_limited_to_20(scale):
    windows = noise(1, N, T).astype(np.float32)
    windows[0, :, 5], windows[0, :, 6] = 1e9, -1e9
    scaled = scale(windows)
    assert (scaled[..., 5] == 20).all()
    assert (scaled[..., 6] == -20).all()


def test_windows_stay_as_they_are(scale):
    windows = noise(1, N, T).astype(np.float32)
    before = windows.copy()
    scale(windows)
    np.testing.assert_array_equal(windows, before)


def test_no_windows_are_no_error(scale):
    assert scale(np.empty((0, N, T), np.float32)).shape == (0, N, T)


def test_windows_may_lie_in_memory_in_any_order(scale):
    windows = noise(2, T, N).astype(np.float32)
    np.testing.assert_array_equal(scale(windows.transpose(0, 2, 1)), scale(windows.transpose(0, 2, 1).copy()))

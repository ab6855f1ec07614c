"""Sliding kernels by Fourier transforms equals direct sums."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from predann_bids.models.correlation import running_sums, slide
from predann_bids.models.memory import evidence, padded

sizes = st.tuples(*(st.integers(1, most) for most in (3, 4, 5)))  # series, dimensions, kernels


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(2, 60), st.integers(0, 500), st.integers(1, 3), st.integers(0, 99))
def test_values_and_gradients_are_those_of_a_direct_convolution(size, frames, more, stride, seed):
    torch.manual_seed(seed)
    n_series, dimensions, n_kernels = size
    series = torch.randn(n_series, dimensions, frames + more, dtype=torch.float64, requires_grad=True)
    kernels = torch.randn(n_kernels, dimensions, frames, dtype=torch.float64, requires_grad=True)
    direct, fast = F.conv1d(series, kernels, stride=stride), slide(series, kernels, stride)
    torch.testing.assert_close(fast, direct, atol=1e-10, rtol=1e-10)
    weights = torch.randn_like(direct)
    for one, other in zip(*(torch.autograd.grad(y, (series, kernels), weights) for y in (fast, direct)), strict=True):
        torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-9)


def test_in_single_precision_the_error_is_a_hundred_thousandth():
    torch.manual_seed(0)
    series, kernels = torch.randn(2, 8, 6000), torch.randn(16, 8, 187)
    direct = F.conv1d(series, kernels, stride=2)
    assert (slide(series, kernels, 2) - direct).abs().max() < 1e-5 * direct.abs().max()


def test_evidence_is_the_same_in_training_and_afterwards():
    torch.manual_seed(0)
    z = torch.randn(5, 4, 60)
    z = z - z.mean(dim=2, keepdim=True)
    memory, lengths = padded([torch.randn(4, 700), torch.randn(4, 300)])
    with torch.no_grad():
        afterwards = evidence(z, memory, lengths, 0.1)
    torch.testing.assert_close(evidence(z, memory.requires_grad_(), lengths, 0.1), afterwards, atol=1e-4, rtol=1e-4)


@given(st.integers(1, 20), st.integers(0, 60), st.integers(1, 3))
def test_running_sums_are_those_of_the_runs(frames, more, stride):
    series = torch.arange(float(frames + more)).square()[None]
    expected = series.unfold(1, frames, stride).sum(dim=2).double()
    torch.testing.assert_close(running_sums(series, frames, stride), expected)

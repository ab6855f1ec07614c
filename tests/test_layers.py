"""Layers of the temporal networks against those of PyTorch."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from predann_bids.models.temporal.layers import Convolution, Normalisation, as_map, halve


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (3, 4), (25, 1)])
def test_a_convolution_is_that_of_pytorch(kernel, dilation):
    torch.manual_seed(0)
    options = {"padding": kernel // 2 * dilation, "dilation": dilation}
    plain, ours = nn.Conv1d(6, 4, kernel, **options), Convolution(6, 4, kernel, **options)
    ours.load_state_dict(plain.state_dict())
    x = torch.randn(3, 6, 50)
    torch.testing.assert_close(ours(as_map(x))[:, :, 0], plain(x), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_a_normalisation_is_that_of_pytorch(training):
    torch.manual_seed(0)
    plain, ours = nn.BatchNorm1d(6).train(training), Normalisation(6).train(training)
    x = 3 + 2 * torch.randn(3, 6, 50)
    torch.testing.assert_close(ours(as_map(x))[:, :, 0], plain(x), atol=1e-5, rtol=1e-5)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)


def test_a_normalisation_refuses_what_is_no_map():
    with pytest.raises(ValueError, match="3 dimensions"):
        Normalisation(6)(torch.zeros(3, 6, 50))


@pytest.mark.parametrize("length", [6, 7])
def test_halving_is_averaging_pairs_to_the_bit(length):
    x = torch.randn(2, 3, length)
    assert torch.equal(halve(x), F.avg_pool1d(x, 2))

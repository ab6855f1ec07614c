"""Layers of the temporal networks against those of PyTorch."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from predann_bids.models.temporal.audio_encoder import AudioEncoder
from predann_bids.models.temporal.eeg_encoder import LinearEegEncoder
from predann_bids.models.temporal.layers import Convolution, Normalisation, as_map, centre
from predann_bids.signals.halves import halve


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


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("length", [40, 41])
def test_features_are_standardised_by_the_first_layer_as_they_would_be_one_by_one(training, length):
    torch.manual_seed(0)
    encoder = AudioEncoder(3, width=4, dimensions=2).double().train(training)
    norm = torch.nn.BatchNorm1d(3).double().train(training)
    with torch.no_grad():
        for name, value in (("weight", [1.0, 2.0, 0.5]), ("bias", [0.1, -1.0, 0.0]), ("running_mean", [3.0, 0.0, 1.0])):
            for one in (encoder.norm, norm):
                getattr(one, name).copy_(torch.tensor(value))
    features = torch.randn(5, 3, length, dtype=torch.float64) * 3 + 1
    found, expected = encoder(features), encoder.encoder(norm(features))
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        torch.testing.assert_close(getattr(encoder.norm, name), getattr(norm, name), atol=1e-10, rtol=1e-10)


def test_dropped_channels_are_those_of_dropout_before_the_spatial_filters():
    encoder = LinearEegEncoder(6, width=4, dimensions=2, dropout=0.4).double()
    eeg = torch.randn(7, 6, 50, dtype=torch.float64)
    torch.manual_seed(1)
    found = encoder(eeg)
    torch.manual_seed(1)
    maps = encoder.spatial(as_map(encoder.dropout(halve(eeg))))
    torch.testing.assert_close(found, centre(encoder.temporal(maps)[:, :, 0]), atol=1e-10, rtol=1e-10)

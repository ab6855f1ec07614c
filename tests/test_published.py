"""The published networks against `benchmarks/plain.py`, which writes the facts down plainly."""

import importlib.util
import math
import pathlib

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from predann_bids.learning.memory import keep_memory
from predann_bids.models.checkpoints import load_decoder, save_decoder
from predann_bids.models.decoders.published import PublishedDecoder, PublishedSettings, published_objective
from predann_bids.models.published.blocks import pool, pool_and_measure
from predann_bids.models.published.columns import PART_BYTES, Columns
from predann_bids.models.published.encoder import PublishedEncoder, _columns, padding
from predann_bids.models.published.layers import Block, Pooled, Statistics
from predann_bids.models.published.passes import Pass

SONGS = tuple("abcdefghij")
EEG = (4, 6, 40)  # padded to 81 samples
AUDIO = (4, 486)  # padded to 729
BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def plain():
    spec = importlib.util.spec_from_file_location("plain", BENCHMARKS / "plain.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def vary(module):
    """Give norms other factors and shifts than 1 and 0."""
    for norm in module.modules():
        if isinstance(norm, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.normal_(norm.weight, 1, 0.5)
            torch.nn.init.normal_(norm.bias, 0, 0.5)
            torch.nn.init.normal_(norm.running_mean)
            torch.nn.init.uniform_(norm.running_var, 0.5, 2)


@pytest.fixture
def both(plain):
    """Our decoder and the plain networks with the same weights, for small windows, without dropout."""
    torch.manual_seed(0)
    theirs = plain.Networks(10, eeg_padding=(20, 21), audio_padding=(121, 122))
    vary(theirs)
    ours = PublishedDecoder(PublishedSettings(tuple("ABCDEF"), SONGS, dropout=0.0))
    ours.load_state_dict(theirs.state_dict())
    for encoder in (theirs.encoder_eeg, theirs.encoder_audio):
        encoder.dropout.p = 0.0
    return ours, theirs


@pytest.fixture
def batch():
    rng = torch.Generator().manual_seed(1)
    songs = torch.tensor([0, 3, 3, 7])
    return torch.randn(EEG, generator=rng), torch.randn(AUDIO, generator=rng), songs


# -- the numbers of the paper ------------------------------------------------------------------------------------------


def test_windows_of_the_paper_are_padded_as_in_the_paper(plain):
    assert padding(375) == plain.EEG_PADDING == (177, 177)
    assert padding(132_300) == plain.AUDIO_PADDING == (22_423, 22_424)
    assert sum(padding(132_300)) + 132_300 == 3**11


def test_longer_audio_is_centred_in_the_next_power_of_three():
    assert sum(padding(5 * 44_100)) + 5 * 44_100 == 3**12
    assert padding(81) == (0, 0)


def test_an_encoder_has_about_130_thousand_parameters():
    convolutions = sum(i * o * 9 + o + 2 * o for i, o in ((1, 32), (32, 64), (64, 128)))
    heads = 2 * (128 * 100 + 2 * 100) + 100 * 10 + 100 * 100
    counted = sum(parameter.numel() for parameter in PublishedEncoder(10).parameters())
    assert counted == convolutions + heads == 130_120


def test_parameters_have_the_names_of_the_public_code():
    names = {name.rsplit(".", 1)[0] for name in PublishedDecoder(PublishedSettings(("A",), SONGS)).state_dict()}
    layers = [f"sequential.{i}" for i in (0, 1, 3, 4, 6, 7)]
    layers += [f"projector{head}.{i}" for head in (1, 2) for i in (0, 1, 3)]
    assert names == {f"{encoder}.{layer}" for encoder in ("encoder_eeg", "encoder_audio") for layer in layers}


@torch.no_grad()
def test_windows_of_the_paper_give_what_the_plain_networks_give(plain):
    torch.manual_seed(0)
    theirs = plain.Networks(10).eval()
    vary(theirs)
    ours = PublishedDecoder(PublishedSettings(tuple("A" * 128), SONGS)).eval()
    ours.load_state_dict(theirs.state_dict())
    eeg, audio = torch.randn(1, 128, 375).clamp(-20, 20), 0.1 * torch.randn(1, 132_300)
    assert ours.audio_rate == 44_100
    for found, expected, shape in zip(
        (*ours.encode_eeg(eeg), *ours.encode_audio(audio)),
        (*theirs.encode_eeg(eeg), *theirs.encode_audio(audio)),
        ((1, 10), (1, 100), (1, 10), (1, 100)),
        strict=True,
    ):
        assert found.shape == shape
        assert float((found - expected).norm() / expected.norm()) < 1e-5


# -- the rewrites ------------------------------------------------------------------------------------------------------


def relative(found, expected):
    return float((found - expected).detach().norm() / expected.detach().norm().clamp(min=1e-12))


@torch.no_grad()
def test_logits_in_eval_mode_are_those_of_the_plain_networks(both, batch):
    ours, theirs = (networks.eval() for networks in both)
    for found, expected in zip(ours.encode_eeg(batch[0]), theirs.encode_eeg(batch[0]), strict=True):
        assert relative(found, expected) < 1e-5
    for found, expected in zip(ours.encode_audio(batch[1]), theirs.encode_audio(batch[1]), strict=True):
        assert relative(found, expected) < 1e-5


def test_gradients_in_eval_mode_reach_the_input_and_the_weights(both, batch):
    found = []
    for networks in both:
        eeg = batch[0].clone().requires_grad_()
        networks.eval().encode_eeg(eeg)[0].square().sum().backward()
        found.append((eeg.grad, networks.encoder_eeg.sequential[0].bias.grad))
    for ours, theirs in zip(*found, strict=True):
        assert relative(ours, theirs) < 1e-4


def test_a_training_step_has_the_loss_gradients_and_running_statistics_of_the_plain_one(plain, both, batch):
    ours, theirs = (networks.double().train() for networks in both)
    eeg, audio, songs = batch[0].double(), batch[1].double(), batch[2]
    found = published_objective(ours, eeg, audio, songs)
    expected = plain.loss(theirs, eeg, audio, songs)
    assert float(found.loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-10)
    found.loss.backward()
    expected.backward()
    compared = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        if compared[name].grad is None:  # nothing depends on the audio embedding
            assert parameter.grad is None
            assert name.startswith("encoder_audio.projector2")
        elif name.split(".")[-3:-1] in [["sequential", i] for i in "036"] and name.endswith("bias"):
            assert not parameter.grad.any(), "what normalisation takes away has no gradient"
            assert compared[name].grad.norm() < 1e-12
        else:
            assert relative(parameter.grad, compared[name].grad) < 1e-9, name
    for name, buffer in ours.named_buffers():
        torch.testing.assert_close(buffer, theirs.get_buffer(name), rtol=1e-10, atol=1e-12)


def test_training_steps_in_single_precision_stay_with_the_plain_ones(plain, both, batch):
    ours, theirs = (networks.train() for networks in both)
    mine, its = torch.optim.SGD(ours.parameters(), lr=0.01), torch.optim.SGD(theirs.parameters(), lr=0.01)
    for _ in range(3):
        mine.zero_grad()
        loss = published_objective(ours, *batch).loss
        loss.backward()
        mine.step()
        assert float(loss.detach()) == pytest.approx(plain.training_step(theirs, its, *batch), rel=1e-4)


def layers_by_hand(sequential, windows, pad):
    """Mean of the last map, and its sum of squares divided by N squared, from PyTorch's layers on the padded image."""
    image = sequential(F.pad(windows, pad))
    n = image.shape[2] * image.shape[3]
    return Pooled(image.mean(dim=(2, 3)), image.square().sum(dim=(2, 3)) / n**2)


def blocks_of(sequential, rows):
    kernel = slice(1, 2) if rows == 1 else slice(None)
    return [
        Block(sequential[i].weight[:, :, kernel], sequential[i].bias, sequential[i + 1].weight, sequential[i + 1].bias)
        for i in (0, 3, 6)
    ]


@pytest.mark.parametrize(
    ("rows", "length", "pad", "tiles"),
    [
        (6, 20, (9, 10), 1),
        (6, 20, (6, 7), 2),
        (3, 12, (2, 17), 3),
        (1, 60, (22, 23), 1),
        (1, 60, (22, 23), 5),
        (1, 60, (0, 3), 4),
        (1, 3, (0, 0), 1),
    ],
)
@pytest.mark.parametrize("part_bytes", [1, 128 * 8 * 100, 2**30])
def test_blocks_are_the_layers_however_windows_are_padded_cut_and_taken(
    plain, monkeypatch, rows, length, pad, tiles, part_bytes
):
    monkeypatch.setitem(PART_BYTES, "cpu", part_bytes)
    torch.manual_seed(0)
    sequential = plain.Encoder(3).sequential.double()
    vary(sequential)
    windows = torch.randn(3, 1, rows, length, dtype=torch.float64)
    columns = Columns(length, *pad, tiles)
    counts = columns.counts().double()
    weights = torch.randn(2, 3, 128, dtype=torch.float64)

    expected = layers_by_hand(sequential.train(), windows, pad)
    found, statistics = pool_and_measure(columns.images(windows), counts, blocks_of(sequential, rows), 1e-5)
    parameters = [parameter for name, parameter in sequential.named_parameters() if name not in ("0.bias", "3.bias")]
    gradients = []
    for mean, power in (expected, found):
        torch.testing.assert_close(mean, expected.mean)
        torch.testing.assert_close(power, expected.power)
        objective = (mean * weights[0]).sum() + (power * weights[1]).sum()
        gradients.append(torch.autograd.grad(objective, parameters))
    for ours, theirs in zip(*reversed(gradients), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)

    n = 3 * rows * columns.total
    for i in (1, 4, 7):
        sequential[i].reset_running_stats()
    layers_by_hand(sequential, windows, pad)
    for i, (mean, variance) in zip((1, 4, 7), statistics, strict=True):
        torch.testing.assert_close(sequential[i].running_mean, 0.1 * mean)
        torch.testing.assert_close(sequential[i].running_var, 0.9 + 0.1 * variance * n / (n - 1))

    sequential.eval()
    known = [Statistics(sequential[i].running_mean, sequential[i].running_var) for i in (1, 4, 7)]
    with torch.no_grad():
        at_rest = pool(columns.images(windows), counts, blocks_of(sequential, rows), known, 1e-5)
        torch.testing.assert_close(at_rest, layers_by_hand(sequential, windows, pad))


def test_statistics_of_smooth_audio_are_precise_in_single_precision(plain):
    sequential = plain.Encoder(3).sequential.train()
    with torch.no_grad():
        sequential[0].weight.zero_()[:, :, 1] = torch.tensor([1.0, -2.0, 1.0])  # the second difference
    wave = torch.sin(torch.arange(2000) / 100).view(1, 1, 1, 2000) + 3
    columns = Columns(2000, 0, 0)
    _, found = pool_and_measure(columns.images(wave), columns.counts(), blocks_of(sequential, 1), 1e-5)
    inside = F.conv2d(wave.double(), sequential[0].weight.double(), sequential[0].bias.double(), padding=1)
    expected = inside.var(dim=(0, 2, 3), correction=0)
    torch.testing.assert_close(found[0].variance.double(), expected.detach(), rtol=1e-5, atol=0)


def test_columns_count_as_many_as_the_padded_image_has():
    for columns in (Columns(132_300, 22_423, 22_424, 32), Columns(375, 177, 177), Columns(5, 1, 0)):
        counts = columns.counts()
        assert float(counts.sum()) == columns.total
        assert counts.shape == (columns.tiles, columns.width)
    assert Columns(375, 177, 177).width == 375 + 2 * 6


def test_backward_can_be_called_once(both, batch):
    logits, _ = both[0].train().encode_eeg(batch[0])
    logits.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="once"):
        logits.sum().backward()


def test_in_training_nothing_flows_back_to_the_input(both, batch):
    with pytest.raises(ValueError, match="eval"):
        both[0].train().encode_eeg(batch[0].requires_grad_())


# -- dropout -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.5, 0.2])
def test_noise_after_pooling_has_the_mean_and_the_variance_of_dropout_before_it(p):
    torch.manual_seed(0)
    encoder = PublishedEncoder(3, dropout=p)
    x = torch.randn(1, 5, 400).relu()
    pooled = Pooled(x.mean(dim=2), x.square().sum(dim=2) / 400**2)
    draws = 20_000
    ours = torch.stack([encoder._noisy_mean(pooled)[0] for _ in range(draws)])
    theirs = torch.cat([F.dropout(x.expand(1000, -1, -1), p).mean(dim=2) for _ in range(draws // 1000)])
    spread = math.sqrt(p / (1 - p)) * x.square().sum(dim=2).sqrt()[0] / 400
    for drawn in (ours, theirs):
        error = (drawn.mean(dim=0) - x.mean(dim=2)[0]) / spread
        np.testing.assert_allclose(error, 0, atol=5 / math.sqrt(draws))
        np.testing.assert_allclose(drawn.std(dim=0) / spread, 1, atol=5 / math.sqrt(2 * draws))


def test_the_gradient_through_the_noise_is_that_of_dropout_given_the_noise():
    """Regress dropout's derivative (mask / (1 - p) / N) on the deviation of the mean that the same masks make."""
    torch.manual_seed(0)
    p, n, draws = 0.3, 50, 200_000
    x = torch.rand(n) + 0.5
    derivative = F.dropout(torch.ones(draws, n), p) / n  # of each draw's mean for each x
    deviation = derivative @ x - x.mean()
    slope = (deviation[:, None] * (derivative - 1 / n)).mean(dim=0) / deviation.square().mean()

    encoder, leaf = PublishedEncoder(3, dropout=p), x.clone().requires_grad_()
    noisy = encoder._noisy_mean(Pooled(leaf.mean()[None], leaf.square().sum()[None] / n**2))
    noisy.sum().backward()
    ours = (leaf.grad - 1 / n) / (noisy.detach() - x.mean())
    np.testing.assert_allclose(ours, x / x.square().sum(), rtol=1e-3)
    np.testing.assert_allclose(slope, ours, rtol=0.1)


def test_the_gradient_through_the_noise_is_on_average_that_of_the_mean():
    torch.manual_seed(0)
    encoder = PublishedEncoder(3)
    total, draws = torch.zeros(30), 4000
    for _ in range(draws):
        x = torch.linspace(0, 1, 30).requires_grad_()
        encoder._noisy_mean(Pooled(x.mean()[None], x.square().sum()[None] / 900)).sum().backward()
        total += x.grad
    np.testing.assert_allclose(total / draws, 1 / 30, atol=5 * 0.011 / math.sqrt(draws))


def test_a_feature_that_is_zero_everywhere_has_no_noise_and_a_finite_gradient():
    encoder = PublishedEncoder(3)
    power = torch.zeros(1, 4, requires_grad=True)
    noisy = encoder._noisy_mean(Pooled(torch.zeros(1, 4), power))
    noisy.sum().backward()
    assert noisy.abs().max() < 1e-15
    assert power.grad.isfinite().all()


def test_there_is_noise_in_training_mode_only(batch):
    encoder = PublishedEncoder(3)
    first, second = (encoder.train()(batch[0])[0] for _ in range(2))
    assert not torch.equal(first, second)
    first, second = (encoder.eval()(batch[0])[0] for _ in range(2))
    assert torch.equal(first, second)


# -- the objective -----------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_the_objective_is_that_of_the_double_loop(plain, both, batch):
    ours, _ = both
    ours.train()
    found = published_objective(ours, *batch)
    (eeg_logits, eeg), (audio_logits, audio) = ours.encode_eeg(batch[0]), ours.encode_audio(batch[1])
    expected = plain.predann(eeg, audio)
    assert float(found.predann_loss) == pytest.approx(float(expected), rel=1e-5)
    by_hand = -sum(
        float(logits.log_softmax(1)[i, song]) / 4
        for logits in (eeg_logits, audio_logits)
        for i, song in enumerate(batch[2])
    )
    assert float(found.loss) == pytest.approx(by_hand + 0.05 * float(expected), rel=1e-5)


def test_predann_trains_the_eeg_network_alone(both, batch):
    ours, _ = both
    published_objective(ours.train(), *batch).predann_loss.backward()
    assert all(parameter.grad is None for parameter in ours.encoder_audio.parameters())
    assert ours.encoder_eeg.projector2[3].weight.grad.abs().sum() > 0
    assert ours.encoder_eeg.sequential[0].weight.grad.abs().sum() > 0


def test_the_audio_network_learns_from_its_own_cross_entropy(both, batch):
    ours, _ = both
    published_objective(ours.train(), *batch).loss.backward()
    assert ours.encoder_audio.sequential[0].weight.grad.abs().sum() > 0
    assert ours.encoder_audio.projector2[3].weight.grad is None


@torch.no_grad()
def test_weight_and_temperature_can_be_varied(both, batch):
    ours, _ = both
    found = published_objective(ours.train(), *batch, weight=0.0, temperature=0.1)
    assert float(found.loss) == pytest.approx(float(found.eeg_loss + found.audio_loss))
    assert float(found.predann_loss) != pytest.approx(float(published_objective(ours, *batch).predann_loss))


# -- what the paper varies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_encoders_over_time_alone_are_ordinary_1_d_convolutions(training):
    torch.manual_seed(0)
    encoder = PublishedEncoder(7, kind="1d", n_channels=6, dropout=0.0).double()
    vary(encoder)
    assert [tuple(encoder.sequential[i].weight.shape) for i in (0, 3, 6)] == [(32, 6, 3), (64, 32, 3), (128, 64, 3)]
    windows = torch.randn(EEG, dtype=torch.float64)
    logits, embedding = encoder.train(training)(windows)
    pooled = encoder.sequential(F.pad(windows, padding(EEG[2]))).mean(dim=2)
    torch.testing.assert_close(logits, encoder.projector1(pooled))
    torch.testing.assert_close(embedding, encoder.projector2(pooled))


def test_mixed_precision_leaves_the_networks_alone(both, batch):
    ours, _ = both
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, _ = ours.train().encode_eeg(batch[0])
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, ours.encode_eeg(batch[0])[0])


def test_audio_may_be_longer_than_the_eeg_window(batch):
    settings = PublishedSettings(tuple("ABCDEF"), SONGS, audio_s=5.0)
    logits, embedding = PublishedDecoder(settings).encode_audio(torch.randn(2, 1000))
    assert (logits.shape, embedding.shape) == ((2, 10), (2, 100))


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="2d, 1d"):
        PublishedSettings(("A",), SONGS, kind="3d")
    with pytest.raises(ValueError, match="dropout"):
        PublishedSettings(("A",), SONGS, dropout=1.0)


@torch.no_grad()
def test_a_published_decoder_survives_the_way_through_a_file(both, batch, tmp_path):
    ours = both[0].eval()
    save_decoder(ours, tmp_path / "fold-0" / "predann.ckpt", fold=0)
    loaded = load_decoder(tmp_path)
    assert (loaded.settings, loaded.training) == (ours.settings, False)
    torch.testing.assert_close(loaded.encode_eeg(batch[0]), ours.encode_eeg(batch[0]))


def test_the_plain_scaling_is_the_quartile_rule_with_a_limit(plain):
    rng = np.random.default_rng(0)
    window = rng.standard_normal((3, 375))
    window[1] = 5.0  # scikit-learn divides by 1 where there is no range
    window[2, 0] = 1e6
    low, middle, high = np.percentile(window, [25, 50, 75], axis=1, keepdims=True)
    spread = np.where(high == low, 1, high - low)
    np.testing.assert_allclose(plain.scale(window), np.clip((window - middle) / spread, -20, 20))


def test_keeping_memory_can_be_asked_for_again():
    assert keep_memory() == keep_memory()


def test_on_an_accelerator_nothing_is_computed_elsewhere_nor_looked_at(monkeypatch):
    """Tensors without data stand for those of a GPU: they know their device, and refuse to be mixed or looked at."""
    monkeypatch.setenv("CC", "no-such-compiler")  # there is nothing to compile for
    gpu = "cuda"
    with FakeTensorMode():
        with torch.device(gpu):
            decoder = PublishedDecoder(PublishedSettings(tuple("abcd"), tuple("xyz")))
        eeg, audio = torch.randn(4, 4, 375, device=gpu), torch.randn(4, 132_300, device=gpu)
        songs = torch.zeros(4, dtype=torch.long, device=gpu)
        assert published_objective(decoder.train(), eeg, audio, songs).loss.is_cuda
        assert all(found.is_cuda for found in decoder.eval().encode_eeg(eeg) + decoder.encode_audio(audio))
        for encoder, planes in ((decoder.encoder_eeg, eeg[:, None]), (decoder.encoder_audio, audio[:, None, None])):
            columns = _columns(planes.shape[-1], planes.shape[2])
            layers = zip(encoder._layers(0), encoder._layers(1), strict=True)
            parameters = [encoder._block(convolution, norm, planes.shape[2]) for convolution, norm in layers]
            with torch.no_grad():
                run = Pass(columns.images(planes), columns.counts().to(planes), 1e-5, columns.total)
                run.forward(parameters)
                slope = torch.randn(4, 128, device=gpu)
                gradients = run.backward(parameters, slope, slope)
            assert all(gradient.is_cuda for block in gradients for gradient in block)

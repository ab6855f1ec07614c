"""What accelerators compute of the published networks, against `benchmarks/plain.py`, on processors."""

import functools
import importlib.util
import pathlib

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from predann_bids.config import resolve
from predann_bids.errors import WrongUsage
from predann_bids.models.decoders import published as decoders
from predann_bids.models.decoders.published import PublishedDecoder, PublishedSettings, published_objective
from predann_bids.models.published import encoder as encoders
from predann_bids.models.published import maps
from predann_bids.models.published.blocks import pool_and_measure
from predann_bids.models.published.layers import Block
from predann_bids.models.published.share import Share
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.resources import refuse_precision

BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"
SONGS = tuple("abcdefghij")
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def plain_networks():
    spec = importlib.util.spec_from_file_location("plain", BENCHMARKS / "plain.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, module.Networks(10, eeg_padding=(20, 21), audio_padding=(121, 122))


def whole_maps(monkeypatch, measure):
    monkeypatch.setattr(encoders, "measuring", lambda device: measure)
    by_device = encoders._columns
    monkeypatch.setattr(encoders, "_columns", lambda length, rows, device: by_device(length, rows, CUDA))


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # what torch.compile does with parts of kernels
@pytest.mark.parametrize("compiled", [False, True])
def test_a_step_is_that_of_the_plain_networks_in_double_precision(monkeypatch, compiled):
    # as torch.compile takes it apart, but without a compiler
    measure = torch.compile(maps.pool_and_measure_maps, backend="aot_eager") if compiled else maps.pool_and_measure_maps
    whole_maps(monkeypatch, measure)
    torch.manual_seed(0)
    plain, theirs = plain_networks()
    ours = PublishedDecoder(PublishedSettings(tuple("ABCDEF"), SONGS, dropout=0.0))
    for network in (theirs.encoder_eeg, theirs.encoder_audio):
        network.dropout.p = 0.0
        for norm in network.sequential[1::3]:
            torch.nn.init.normal_(norm.weight, 1, 0.5)
            torch.nn.init.normal_(norm.bias, 0, 0.5)
    ours.load_state_dict(theirs.state_dict())
    ours, theirs = ours.double().train(), theirs.double().train()
    eeg, audio = torch.randn(4, 6, 40, dtype=torch.float64), torch.randn(4, 486, dtype=torch.float64)
    songs = torch.tensor([0, 3, 3, 7])
    found = published_objective(ours, eeg, audio, songs).loss
    expected = plain.loss(theirs, eeg, audio, songs)
    found.backward()
    expected.backward()
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-10, rtol=1e-10, msg=name)
    for (name, one), other in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10, msg=name)


def test_biases_before_a_norm_have_no_gradient_at_all(monkeypatch):
    whole_maps(monkeypatch, maps.pool_and_measure_maps)
    encoder = encoders.PublishedEncoder(3)
    sum(output.square().sum() for output in encoder(torch.randn(4, 1, 30))).backward()
    assert all(not convolution.bias.grad.any() for convolution in encoder.sequential[0::3])


def test_the_batch_of_the_paper_has_whole_maps_of_the_sizes_of_the_paper(monkeypatch):
    whole_maps(monkeypatch, maps.pool_and_measure_maps)
    with FakeTensorMode():  # shapes without numbers, as on the device "meta"
        decoder = PublishedDecoder(PublishedSettings(tuple("A" * 128), SONGS))
        batch = (torch.empty(48, 128, 375), torch.empty(48, 132_300), torch.zeros(48, dtype=torch.long))
        decoder.objective(*batch, resolve(preset="published").training)["loss"].backward()
    embedding = "encoder_audio.projector2"  # the target of PredANN, which gets no gradient
    trained = [one for name, one in decoder.named_parameters() if not name.startswith(embedding)]
    assert all(parameter.grad.shape == parameter.shape for parameter in trained)


def test_processors_keep_to_blocks_and_gpus_compile_if_there_is_a_compiler(monkeypatch):
    assert maps.measuring(CPU) is pool_and_measure
    monkeypatch.setenv("CC", "no-such-compiler")
    assert maps.measuring(CUDA) is maps.pool_and_measure_maps
    assert "C compiler" in PublishedDecoder.advice("cuda")
    assert PublishedDecoder.advice("cpu") == ""
    monkeypatch.setattr(decoders, "compiler", lambda: "/usr/bin/cc")
    assert PublishedDecoder.advice("cuda") == ""


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
def test_what_other_processes_add_is_left_out_of_what_is_compiled(monkeypatch):
    seen_by_compiler = []

    def with_as_much_from_another(tensor):
        seen_by_compiler.append(torch.compiler.is_compiling())
        tensor.mul_(2)

    monkeypatch.setattr(torch.distributed, "all_reduce", with_as_much_from_another)
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    torch.manual_seed(0)
    kernels = [torch.randn(2, inputs, 3, 3, dtype=torch.float64) for inputs in (1, 2, 2)]
    images, ones = torch.randn(2, 1, 3, 4, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    found = []
    for measure in (maps.pool_and_measure_maps, maps._compiled.__wrapped__()):
        own = [kernel.clone().requires_grad_() for kernel in kernels]
        blocks = [Block(kernel, ones, ones, ones) for kernel in own]
        pooled, _ = measure(images, ones.new_ones(1, 4), blocks, 1e-5, columns=4, share=Share(4, 0, 2))
        sum(one.sum() for one in pooled).backward()
        found.append([*pooled, *(kernel.grad for kernel in own)])
    torch.testing.assert_close(*found, atol=1e-12, rtol=1e-12)
    assert seen_by_compiler
    assert not any(seen_by_compiler)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed", "bf16-true"])
def test_precisions_that_spoil_gradients_are_refused_for_the_published_networks(precision):
    with pytest.raises(WrongUsage, match="single precision"):
        refuse_precision(resolve(preset="published").training, Execution(precision=precision))
    refuse_precision(resolve(preset="default").training, Execution(precision=precision))
    refuse_precision(resolve(preset="published").training, Execution())

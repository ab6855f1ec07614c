"""Checkpoints as the public code writes them, made here: good, broken and hostile ones."""

import argparse
import importlib.util
import os
import pathlib
import subprocess
import sys
import types

import pytest
import torch

import predann_bids
from predann_bids.cli import run
from predann_bids.errors import CannotCreateOutput, MissingInput, UnusableData, WrongUsage
from predann_bids.models.checkpoints import load_decoder, read_decoder
from predann_bids.models.decoders.published import PublishedDecoder, PublishedSettings
from predann_bids.models.imported import NMED_T_SONGS, read_public_checkpoint
from predann_bids.tools.cli import tools
from predann_bids.workflows.importing import import_checkpoint

BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def plain():
    spec = importlib.util.spec_from_file_location("plain", BENCHMARKS / "plain.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def networks(plain):
    torch.manual_seed(0)
    networks = plain.Networks(10, eeg_padding=(20, 21), audio_padding=(121, 122)).eval()
    for module in networks.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return networks


@pytest.fixture
def library():
    """A module that is there when the file is written only."""
    module = types.ModuleType("library_of_old")
    module.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": module.__name__})
    return module


@pytest.fixture
def write(networks, library, tmp_path, monkeypatch):
    """Write a checkpoint with the layout of Lightning 1.4."""

    def write(state=None, **more):
        callback_class = library.ModelCheckpoint
        callback = callback_class()
        callback.best = 0.5
        content = {
            "epoch": 11,
            "global_step": 300,
            "pytorch-lightning_version": "1.4.9",
            "state_dict": networks.state_dict() if state is None else state,
            "callbacks": {callback_class: {"best_model_path": "x.ckpt", "callback": callback}},
            "optimizer_states": [{"state": {}, "param_groups": [{"lr": 0.003}]}],
            "lr_schedulers": [],
            "hparams_name": "args",
            "hyper_parameters": {"args": argparse.Namespace(batch_size=48, learning_rate=0.003)},
        } | more
        with monkeypatch.context() as there:
            there.setitem(sys.modules, library.__name__, library)
            torch.save(content, tmp_path / "public.ckpt")
            torch.save(content["hyper_parameters"], tmp_path / "trap.ckpt")
        return tmp_path / "public.ckpt"

    return write


@torch.no_grad()
def test_logits_and_embeddings_are_those_of_a_plain_model_with_the_same_weights(networks, write, tmp_path):
    import_checkpoint(write(), tmp_path / "ours.ckpt")
    decoder = predann_bids.load_decoder(tmp_path / "ours.ckpt")
    eeg, audio = torch.randn(2, 5, 40), torch.randn(2, 486)
    assert not decoder.training
    for ours, theirs in zip(
        (*decoder.encode_eeg(eeg), *decoder.encode_audio(audio)),
        (*networks.encode_eeg(eeg), *networks.encode_audio(audio)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_ten_songs_are_those_of_nmed_t_in_the_order_of_their_triggers(write):
    decoder, facts = read_public_checkpoint(write())
    assert decoder.settings.songs == NMED_T_SONGS
    assert (NMED_T_SONGS[0], NMED_T_SONGS[9]) == ("21_FirstFires", "30_TheLastThingYouShouldDo")
    assert len(decoder.settings.channels) == 128
    assert facts == {"epoch": 11, "global_step": 300, "pytorch-lightning_version": "1.4.9"}


def test_songs_can_be_named_and_must_be_when_they_are_not_ten(plain, write):
    file = write(plain.Networks(3).state_dict())
    assert read_public_checkpoint(file, ["a", "b", "c"])[0].settings.songs == ("a", "b", "c")
    with pytest.raises(WrongUsage, match=r"have 3 classes.*--songs"):
        read_public_checkpoint(file)
    with pytest.raises(WrongUsage, match="2 names were given"):
        read_public_checkpoint(file, ["a", "b"])
    with pytest.raises(WrongUsage, match="same name"):
        read_public_checkpoint(file, ["a", "b", "a"])


def test_encoders_over_time_alone_are_recognised_by_their_shapes(write):
    before = PublishedDecoder(PublishedSettings(tuple("abcde"), NMED_T_SONGS, kind="1d")).eval()
    decoder, _ = read_public_checkpoint(write(before.state_dict()))
    assert (decoder.settings.kind, len(decoder.settings.channels)) == ("1d", 5)
    eeg = torch.randn(2, 5, 15)
    torch.testing.assert_close(decoder.encode_eeg(eeg), before.encode_eeg(eeg))


def test_what_lies_beside_the_encoders_is_left_out_and_counters_may_be_missing(networks, write):
    state = {name: value for name, value in networks.state_dict().items() if not name.endswith("num_batches_tracked")}
    decoder, _ = read_public_checkpoint(write(state | {"criterion.mask": torch.ones(3)}))
    torch.testing.assert_close(decoder.encoder_eeg.sequential[0].weight, networks.encoder_eeg.sequential[0].weight)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: s.pop("encoder_audio.sequential.3.bias"), r"lacks encoder_audio\.sequential\.3\.bias\."),
        (lambda s: s.pop("encoder_eeg.projector1.3.weight"), "lacks the first or the last layer"),
        (lambda s: s.update({"encoder_eeg.projector3.0.weight": torch.ones(2)}), r"unlike .*projector3\.0\.weight"),
        (
            lambda s: s.update({"encoder_eeg.sequential.0.weight": torch.ones(32, 1, 5, 5)}),
            r"but \(32, 1, 3, 3",
        ),
        (lambda s: s["encoder_eeg.sequential.6.weight"].fill_(torch.nan), r"sequential\.6\.weight .*NaN"),
        (lambda s: s["encoder_audio.sequential.4.running_var"].fill_(-1.0), "negative variance"),
        (lambda s: s.update({"encoder_eeg.sequential.4.weight": "text"}), "has the shape str"),
        (lambda s: s.clear(), "lacks the first or the last layer"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_a_sentence(networks, write, change, sentence):
    state = {name: value.clone() for name, value in networks.state_dict().items()}
    change(state)
    with pytest.raises(UnusableData, match=sentence):
        read_public_checkpoint(write(state))


def test_files_that_are_no_checkpoints_are_refused_with_a_sentence(write, tmp_path):
    with pytest.raises(MissingInput, match="There is no checkpoint"):
        read_public_checkpoint(tmp_path / "nowhere.ckpt")
    (tmp_path / "text.ckpt").write_text("hello")
    with pytest.raises(UnusableData, match=r"not a checkpoint of PyTorch 1\.6"):
        read_public_checkpoint(tmp_path / "text.ckpt")
    torch.save([1, 2], tmp_path / "list.ckpt")
    with pytest.raises(UnusableData, match="is not a checkpoint"):
        read_public_checkpoint(tmp_path / "list.ckpt")
    torch.save({"weights": 1}, tmp_path / "other.ckpt")
    with pytest.raises(UnusableData, match="no state_dict"):
        read_public_checkpoint(tmp_path / "other.ckpt")
    whole = write().read_bytes()
    (tmp_path / "cut.ckpt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnusableData):
        read_public_checkpoint(tmp_path / "cut.ckpt")


class Hostile:
    """Calls a function with arguments while it is read."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


HOSTILE = {
    "os.system": lambda prey: Hostile(os.system, f"touch {prey}"),
    "exec": lambda prey: Hostile(exec, f"open({str(prey)!r}, 'w').close()"),
    "a method": lambda prey: Hostile(pathlib.Path.touch, prey),
    "subprocess": lambda prey: Hostile(subprocess.call, ["touch", str(prey)]),
}


@pytest.mark.parametrize("way", HOSTILE)
def test_code_in_a_checkpoint_is_refused_and_not_executed(write, tmp_path, way):
    prey = tmp_path / "prey"
    file = write(hyper_parameters=HOSTILE[way](prey))
    with pytest.raises(UnusableData, match="Nothing in it was executed"):
        read_public_checkpoint(file)
    assert not prey.exists()
    torch.load(file.with_name("trap.ckpt"), weights_only=False)
    assert prey.exists(), "the trap is no trap"


def test_a_function_of_any_library_becomes_something_inert(write, library, monkeypatch):
    calls = []

    def load(text):
        calls.append(text)

    load.__module__, load.__qualname__ = library.__name__, "load"
    library.load = load
    file = write(hyper_parameters=Hostile(load, "executed"))
    monkeypatch.setitem(sys.modules, library.__name__, library)
    assert read_public_checkpoint(file)[0].settings.songs == NMED_T_SONGS
    assert not calls
    torch.load(file, weights_only=False)
    assert calls == ["executed"]


def test_an_imported_decoder_names_some_of_its_songs_in_any_order(write, tmp_path):
    import_checkpoint(write(), tmp_path / "ours.ckpt")
    decoder, _ = read_decoder(tmp_path / "ours.ckpt")
    fewer = decoder.for_songs([NMED_T_SONGS[7], NMED_T_SONGS[2]], [])
    eeg, audio = torch.randn(2, 128, 40), torch.randn(2, 90)
    for heard, encode in ((eeg, "encode_eeg"), (audio, "encode_audio")):
        logits, embedding = getattr(decoder, encode)(heard)
        fewer_logits, same = getattr(fewer, encode)(heard)
        torch.testing.assert_close(fewer_logits, logits[:, [7, 2]])
        torch.testing.assert_close(same, embedding)


def test_an_imported_decoder_cannot_name_songs_that_it_does_not_know(write, tmp_path):
    import_checkpoint(write(), tmp_path / "ours.ckpt")
    with pytest.raises(WrongUsage, match=r"and no others such as a\. .*--songs"):
        load_decoder(tmp_path / "ours.ckpt").for_songs(["a"], [])


def test_a_public_checkpoint_that_was_not_imported_says_how(write):
    with pytest.raises(UnusableData, match="import-checkpoint"):
        load_decoder(write())


def test_what_is_there_is_not_replaced_unasked(write, tmp_path):
    out = tmp_path / "ours.ckpt"
    import_checkpoint(write(), out)
    with pytest.raises(CannotCreateOutput, match="exists already; --overwrite"):
        import_checkpoint(write(), out)
    with pytest.raises(CannotCreateOutput, match="is a directory"):
        import_checkpoint(write(), tmp_path, overwrite=True)
    import_checkpoint(write(), out, overwrite=True)


def test_the_command_imports_and_names_what_it_found(plain, write, tmp_path, capsys):
    file, out = write(plain.Networks(3).state_dict()), tmp_path / "ours.ckpt"
    assert run(tools, ["import-checkpoint", str(file), str(out), "--songs", "a", "b", "c"]) == 0
    assert "2-D networks for 3 songs, trained for 11 epochs." in capsys.readouterr().out
    assert predann_bids.load_decoder(out).settings.songs == ("a", "b", "c")
    assert run(tools, ["import-checkpoint", str(file), str(out), "--songs", "a", "--overwrite"]) == 64
    assert run(tools, ["import-checkpoint", str(tmp_path / "none"), str(tmp_path / "x.ckpt")]) == 66


@pytest.mark.parametrize("name", ["decoder", "a.b.c", ".hidden", "with blank", "new/decoder", "out[1]", "é", "x" * 255])
def test_a_decoder_can_have_any_name(write, tmp_path, name):
    import_checkpoint(write(), tmp_path / name)
    assert len(load_decoder(tmp_path / name).settings.songs) == 10


@pytest.mark.parametrize("name", ["file/decoder", "x" * 300])
def test_a_decoder_that_can_have_no_place_is_refused_before_the_checkpoint_is_read(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(CannotCreateOutput, match="The decoder"):
        import_checkpoint(tmp_path / "missing.ckpt", tmp_path / name)

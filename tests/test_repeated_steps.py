"""Steps that are repeated as graphs train as others do; the graphs are played by a tape, as there is no GPU here."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from tape import make_tape
from test_training import CONFIG, source, split, train, weights  # noqa: F401 - fixtures
from torch.utils._python_dispatch import TorchDispatchMode

from predann_bids.data.source import Batch
from predann_bids.learning import fitting
from predann_bids.learning.fitting import Hardware
from predann_bids.learning.training import callbacks, repeating
from predann_bids.learning.training.repeating import RepeatedSteps, computing, make_graph, put_together, take_apart
from predann_bids.models.decoders.temporal import TemporalDecoder
from predann_bids.signals.halves import Halved, HalvedFeatures

# two steps an epoch, and validation batches of 5 and of 4 windows
TRAINING = CONFIG.model_copy(update={"batch_size": 5, "epochs": 2, "moments": "all"})


@pytest.fixture
def repeated(monkeypatch):
    """Repeat the steps of all trainings; return the numbers of graphs and the sentences about failures."""
    found = SimpleNamespace(graphs=[], said=[], make=make_tape)

    @contextmanager
    def computing(network, training, device, say):
        steps = RepeatedSteps(network, training, found.said.append, found.make)
        yield steps.losses
        found.graphs.append(len(steps._steps))
        steps.end()

    @contextmanager
    def during():
        with monkeypatch.context() as patch:
            patch.setattr(fitting, "computing", computing)
            yield found

    return during


@pytest.mark.parametrize(
    ("changed", "precision"),
    [
        ({"moments": "others", "schedule": "cosine", "weight_decay": 0.1}, "32-true"),
        ({"moments": "own", "stop_gradient": True, "predann_weight": 0.3}, "64-true"),
        ({"keep": "last"}, "32-true"),
    ],
    ids=str,
)
def test_a_training_whose_steps_are_repeated_is_the_same_to_the_last_bit(train, repeated, changed, precision):  # noqa: F811
    config, hardware = TRAINING.model_copy(update=changed), Hardware(precision=precision)
    plain, history = train(config, directory="plain", hardware=hardware)
    with repeated() as found:
        same, same_history = train(config, directory="repeated", hardware=hardware)
    assert found.graphs == [3]
    assert found.said == []
    assert same_history == history
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in same.state_dict().items())


def test_a_training_whose_steps_are_repeated_can_be_killed_and_goes_on(train, repeated, monkeypatch):  # noqa: F811
    monkeypatch.setattr(callbacks, "SAVE_EVERY_S", 0.0)
    whole, history = train(TRAINING, directory="whole")

    def kill(units, note):
        if units:
            raise KeyboardInterrupt

    with repeated():
        with pytest.raises(BaseException, match=r".*") as stop:
            train(TRAINING, report=kill, directory="killed")
        assert stop.type in (KeyboardInterrupt, SystemExit)
        resumed, resumed_history = train(TRAINING, directory="killed")
    assert resumed_history == history
    assert torch.equal(weights(resumed), weights(whole))


def test_a_validation_that_kept_representations_of_songs_would_be_noticed(train, repeated, monkeypatch):  # noqa: F811
    history = train(TRAINING, directory="plain")[1]
    monkeypatch.setattr(TemporalDecoder, "forget", lambda self: None)
    with repeated():
        kept = train(TRAINING, directory="repeated")[1]
    assert [row["train_loss"] for row in kept] == [row["train_loss"] for row in history]
    assert [row["validation_loss"] for row in kept] != [row["validation_loss"] for row in history]


def test_where_steps_cannot_be_repeated_training_goes_on_without_and_says_so_once(train, repeated):  # noqa: F811
    plain, history = train(TRAINING, directory="plain")
    tried = []

    def fail(step, sample):
        tried.append(step)
        make_tape(step, sample)
        if len(tried) == 2:
            raise RuntimeError("CUDA error: operation not permitted\nand much more")

    with repeated() as found:
        found.make = fail
        same, same_history = train(TRAINING, directory="failed")
    assert len(tried) == 2
    assert found.graphs == [0]
    (sentence,) = found.said
    assert "cannot be repeated as CUDA graphs here" in sentence
    assert sentence.endswith("more slowly (CUDA error: operation not permitted)")
    assert same_history == history
    assert torch.equal(weights(same), weights(plain))


def test_batches_of_more_forms_than_there_may_be_graphs_are_computed_as_they_come(train, repeated, monkeypatch):  # noqa: F811
    monkeypatch.setattr(repeating, "MOST_GRAPHS", 2)
    plain, history = train(TRAINING, directory="plain")
    with repeated() as found:
        same, same_history = train(TRAINING, directory="few")
    assert found.graphs == [2]
    assert same_history == history
    assert torch.equal(weights(same), weights(plain))


@pytest.mark.parametrize("halved", [True, False])
def test_a_batch_is_put_together_as_it_was(halved):
    eeg, audio, songs = torch.randn(4, 3, 10), torch.randn(4, 5, 12), torch.arange(4)
    batch = Batch(Halved.of(eeg), HalvedFeatures.of(audio), songs) if halved else Batch(eeg, audio, songs)
    form, tensors = take_apart(batch)
    assert len(tensors) == (5 if halved else 3)
    assert form == take_apart(put_together(form, tuple(torch.zeros_like(tensor) for tensor in tensors)))[0]
    again = put_together(form, tensors)
    assert [type(part) for part in again] == [type(part) for part in batch]
    assert all(one is other for one, other in zip(tensors, take_apart(again)[1], strict=True))
    fewer = Batch(*(part[:3] if isinstance(part, torch.Tensor) else part for part in batch))
    assert take_apart(fewer)[0] != form


def test_after_a_capture_that_broke_off_streams_and_noise_are_as_before(monkeypatch):
    class Generator:
        def __init__(self):
            self.state = "seeded"

        def clone_state(self):
            return self.state

        def graphsafe_set_state(self, state):
            self.state = state

    generator, streams = Generator(), ["main"]

    def break_off(step, sample, *, allow_unused_input):
        streams.append("capturing")
        generator.state = "waiting for the end of a capture"
        raise RuntimeError("CUDA error: operation would make the legacy stream depend on a capturing blocking stream")

    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: streams[-1])
    monkeypatch.setattr(torch.cuda, "set_stream", streams.append)
    monkeypatch.setattr(torch.cuda, "default_generators", {None: generator})
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", break_off)
    with pytest.raises(RuntimeError, match="legacy stream"):
        make_graph(torch.nn.Identity(), (torch.zeros(1),))
    assert (streams[-1], generator.state) == ("main", "seeded")


@pytest.mark.parametrize(("device", "fixed", "graphs"), [("cpu", True, 0), ("cuda", True, 1), ("cuda", False, 0)])
def test_graphs_are_for_networks_that_say_so_and_for_cuda(monkeypatch, device, fixed, graphs):
    made = []
    monkeypatch.setattr(repeating, "make_graph", lambda step, sample: made.append(step))
    network = TinyNetwork()
    network.has_fixed_steps = fixed
    batch = Batch(torch.ones(2, 1, 3), torch.ones(2, 1, 3), torch.zeros(2, dtype=torch.long))
    with computing(network, TRAINING, torch.device(device), pytest.fail) as losses:
        assert all(losses(batch)["loss"] == 3 for _ in range(2))
    assert len(made) == graphs


class TinyNetwork(torch.nn.Module):
    def objective(self, eeg, audio, songs, training):
        return {"loss": eeg.sum() / 2}

    def forget(self):
        pass


class Counting(TorchDispatchMode):
    """Count how often a processor asks for the value of a tensor."""

    asked = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.asked += func.overloadpacket.__name__ == "_local_scalar_dense"
        return func(*args, **(kwargs or {}))


def test_what_watches_over_a_training_asks_for_values_once_an_epoch_and_not_in_each_step(train):  # noqa: F811
    asked = []
    for size in (12, 2):  # one step an epoch, or six
        with Counting() as counting:
            train(TRAINING.model_copy(update={"batch_size": size}), directory=str(size))
        asked.append(counting.asked)
    assert asked[0] == asked[1] > 0

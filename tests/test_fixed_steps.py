"""A step of the default network can be repeated by a CUDA graph: it waits for nothing, and takes nothing along."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from watching import Watching

from predann_bids.config import Training
from predann_bids.config.teachers import join_teachers, part_teachers
from predann_bids.models.decoders.temporal import TemporalDecoder, TemporalSettings
from predann_bids.models.memory import at_all_moments, evidence
from predann_bids.signals.halves import Halved, HalvedFeatures

META = torch.device("meta")  # computes nothing, and takes the ways of devices that are no processors
SETTINGS = TemporalSettings(("Fz", "Cz", "Pz"), ("a", "b", "c"), 125.0, 0.1, 0.6, memory_frames=200, n_bands=5)


class Songs:
    def __len__(self):
        return 3

    def audio(self, song):
        return torch.from_numpy(np.random.default_rng(song).standard_normal((5, 300 + 20 * song)).astype(np.float32))


def network(settings=SETTINGS, trained=(0, 2)):
    torch.manual_seed(0)
    made = TemporalDecoder(settings)
    made.hear(Songs(), list(trained))
    return made


def batch(*, halved, device=META):
    eeg, audio = torch.randn(8, 3, 75, device=device), torch.randn(8, 5, 95, device=device)
    songs = torch.zeros(8, dtype=torch.long, device=device)
    return (Halved.of(eeg), HalvedFeatures.of(audio), songs) if halved else (eeg, audio, songs)


def of_two_teachers():
    teachers = join_teachers([replace(part_teachers("spectra")[0], weight=weight) for weight in (1.0, 3.0)])
    return replace(SETTINGS, features=teachers, teacher_bands=(2, 3))


@pytest.mark.parametrize("halved", [True, False])
@pytest.mark.parametrize(
    "training", [{"moments": "all"}, {"moments": "own"}, {"moments": "others"}, {"stop_gradient": True}], ids=str
)
@pytest.mark.parametrize("settings", [SETTINGS, of_two_teachers()], ids=["one teacher", "two teachers"])
def test_a_step_waits_for_no_device_and_takes_nothing_there(settings, training, halved):
    trained = network(settings).to(META)
    taken = batch(halved=halved)
    with Watching(META) as watching:
        loss = trained.objective(*taken, Training(**training))["loss"]
        gradients = torch.autograd.grad(loss, list(trained.parameters()), allow_unused=True)
    assert sum(gradient is not None for gradient in gradients) > 10
    assert len(watching.operations) > 100


@pytest.mark.parametrize("moments", ["all", "others"])
def test_neither_does_a_validation(moments):
    trained = network().to(META).eval()
    with torch.no_grad(), Watching(META):
        trained.objective(*batch(halved=True), Training(moments=moments))


def test_what_would_wait_or_take_something_there_is_noticed():
    lengths = torch.full((2,), 40, device=META)
    z, memory = torch.randn(4, 3, 20, device=META), torch.randn(2, 3, 50, device=META)
    with Watching(META):
        evidence(z, memory, lengths, 0.1, longest=40)
        with pytest.raises(AssertionError, match="waits for the device"):
            evidence(z, memory, lengths, 0.1)
        with pytest.raises(AssertionError, match="takes a tensor"):
            torch.tensor([40, 40]).to(META)


@pytest.mark.parametrize("parts", [(), ((1, 0.5), (2, 0.5))])
def test_who_knows_the_longest_song_finds_the_same_evidence(parts):
    rng = torch.Generator().manual_seed(0)
    z, memory = torch.randn(4, 3, 20, generator=rng), torch.randn(2, 3, 50, generator=rng)
    lengths = torch.tensor([50, 33])
    known = evidence(z, memory, lengths, 0.1, parts=parts, longest=50)
    assert torch.equal(known, evidence(z, memory, lengths, 0.1, parts=parts))
    by_feature = at_all_moments(z, memory, lengths, by_feature=True, longest=50)[0]
    assert torch.equal(by_feature, at_all_moments(z, memory, lengths, by_feature=True)[0])
    with pytest.raises(RuntimeError, match="remember"):
        evidence(z, memory, lengths, 0.1, parts=parts, longest=19)


def test_songs_that_are_not_trained_on_are_out_of_the_question():
    trained = network(trained=(2, 0))
    logits = trained._logits_among_all(trained.eeg_encoder(torch.randn(8, 3, 75)))
    among = network(trained=(0, 2))
    same = among._logits_among_all(among.eeg_encoder(torch.randn(8, 3, 75)))
    assert logits.shape == same.shape == (8, 3)
    assert (logits[:, 1] == -1e4).all()
    assert (logits[:, [0, 2]].abs() < 100).all()


def test_a_network_says_for_itself_whether_its_steps_can_be_repeated():
    class Other(TemporalDecoder):
        pass

    different = network()
    different.eeg_encoder = torch.nn.Identity()
    assert network().has_fixed_steps
    assert not Other(SETTINGS).has_fixed_steps
    assert not different.has_fixed_steps

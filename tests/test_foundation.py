"""Foundation models of EEG as EEG network: what they hear, where their weights come from, how they are trained."""

import json
from dataclasses import replace

import click
import numpy as np
import pytest
import torch
from torch import nn

from predann_bids.config import Training
from predann_bids.data.source import Source
from predann_bids.data.splits import Split
from predann_bids.data.stores.mapped import AudioStore, EegStore
from predann_bids.data.trials import Stretch, Trial
from predann_bids.errors import MissingInput, UnusableData, WrongUsage
from predann_bids.learning.fitting import Hardware, fit
from predann_bids.learning.training import callbacks
from predann_bids.models.checkpoints import load_decoder
from predann_bids.models.decoder import DECODERS, Blueprint
from predann_bids.models.decoders.foundation import FoundationDecoder
from predann_bids.models.foundation import interface
from predann_bids.models.foundation.encoder import FoundationEegEncoder, placing
from predann_bids.models.foundation.files import weights_path
from predann_bids.models.foundation.interface import FOUNDATION, FoundationModel, Patches
from predann_bids.models.foundation.kinds.biot import PAIRS, Biot
from predann_bids.models.foundation.kinds.reve import BANK, Reve
from predann_bids.models.foundation.montage import TEN_TWENTY, hear_all, hear_known, matched, standard_places
from predann_bids.models.foundation.weights import load_weights
from predann_bids.models.linear.filters import FilterBanks
from predann_bids.options import NAMES, NameIn
from predann_bids.report.words.decoders import decoder_words
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.signals.scaling import whitening
from predann_bids.timing import Span

RATE_HZ, LENGTH, SONG = 50.0, 75, 400  # windows of 1.5 s
CHANNELS = ("Fp1", "Cz", "C3", "T3", "EOG")
REAL = {
    "labram": {"conv_out_channels": 4, "num_layers": 1, "num_heads": 2, "mlp_ratio": 1.0},
    "cbramod": {"n_layer": 1, "nhead": 2, "dim_feedforward": 16},
    "biot": {"embed_dim": 16, "num_heads": 2, "num_layers": 1},
    "reve": {"embed_dim": 32, "depth": 1, "heads": 2, "head_dim": 8},
}


class TinyNetwork(nn.Module):
    """The interface of a foundation model: tokens (B, channels, patches, width) of patches of 20 samples."""

    def __init__(self, channels, patches, width):
        super().__init__()
        self.embed = nn.Linear(20, width)
        self.time = nn.Parameter(torch.randn(1, patches, width))
        self.channel = nn.Parameter(torch.randn(channels, 1, width))
        self.dropout = nn.Dropout(0.5)

    def forward(self, eeg):
        return self.dropout(self.embed(eeg.unflatten(2, (-1, 20))) + self.time + self.channel)


class Tiny(FoundationModel):
    title, package, rate_hz = "Tiny", "", 40
    sizes, longer, heads = ("width",), {"time": 1}, ("head",)

    def hear(self, channels, positions, weights):
        return hear_known(self.title, TEN_TWENTY, channels, positions)

    def patches(self, samples, sizes):
        return Patches.covering(samples, 20, 20)

    def build(self, channels, patches, sizes):
        return TinyNetwork(channels, patches.number, **({"width": 6} | dict(sizes)))

    def width(self, network):
        return network.embed.out_features

    def scaled(self, eeg):
        return 0.5 * eeg

    def tokens(self, network, eeg, names, places):
        return network(eeg)


class TinyDecoder(FoundationDecoder):
    foundation, title, weights_gb, window_gb = "tiny", "Tiny", 0.01, 0.001


@pytest.fixture(autouse=True, scope="module")
def registered():
    FOUNDATION.add("tiny")(Tiny)
    DECODERS.add("tiny")(TinyDecoder)
    yield
    FOUNDATION.remove("tiny")
    DECODERS.remove("tiny")


def blueprint(kind="tiny", channels=CHANNELS, **more):
    window = LENGTH / RATE_HZ
    return Blueprint(kind, channels, ("a", "b"), RATE_HZ, 0.0, window, window, "log-mel", 32, SONG, **more)


def decoder(kind="tiny", **more):
    cls = DECODERS[kind]
    torch.manual_seed(0)
    return cls(cls.settings_for(blueprint(kind, **more)))


@pytest.fixture(scope="module")
def source():
    rng = np.random.default_rng(0)
    songs = [rng.standard_normal((32, SONG)).astype(np.float32) for _ in range(2)]
    trials, recordings = [], []
    for person in range(3):
        data = rng.standard_normal((1000, len(CHANNELS))).astype(np.float32) @ np.triu(np.ones((5, 5), np.float32))
        for number, song in enumerate(songs):
            onset = 50 + 450 * number
            data[onset : onset + SONG, 0] += 2 * song.mean(axis=0) / song.mean(axis=0).std()
            trials.append(Trial(str(person), "", "", "", person, number, onset, SONG, 0))
        recordings.append(MappedRecording(data, np.ones(len(CHANNELS), np.float32), CHANNELS, RATE_HZ))
    return Source(tuple(trials), EegStore.open(recordings), AudioStore(tuple(songs)), LENGTH, 0)


@pytest.fixture
def train(source, tmp_path):
    sets = [tuple(Stretch(2 * person + song, Span(0, SONG)) for song in range(2)) for person in range(3)]

    def train(kind="tiny", directory="training", report=lambda units, note: None, **training):
        config = Training(**{"epochs": 2, "batch_size": 8, "patience": 2} | training)
        settings = DECODERS[kind].settings_for(blueprint(kind, eeg_encoder=config.eeg_encoder))
        place = {"directory": tmp_path / directory, "name": "x", "hardware": Hardware(), "on_progress": report}
        return fit(source, Split(1, *sets), kind, settings, config, **place)[0]

    return train


# -- channels ----------------------------------------------------------------------------------------------------------


def test_channels_are_known_in_any_case_and_by_their_older_names_in_the_order_of_the_model():
    assert matched(("T7", "CZ", "O1"), ("cz", "EOG", "T3")) == {"T7": 2, "CZ": 0}
    assert matched(("T7", "T3"), ("T3",)) == {"T3": 0}


def test_unknown_channels_are_left_out_and_named():
    heard = hear_known("Model", TEN_TWENTY, CHANNELS, {})
    assert heard.names == ("FP1", "C3", "T7", "CZ")
    np.testing.assert_array_equal(heard.weights @ np.arange(5), [0, 2, 3, 1])
    assert "does not know EOG" in heard.notes("Model")[0]


def test_channels_of_other_names_are_interpolated_from_where_they_are():
    standard = {name: place for name, place in standard_places().items() if name in ("FPZ", *TEN_TWENTY, "OZ", "CPZ")}
    positions = {f"E{number}": place for number, place in enumerate(standard.values())}
    heard = hear_known("Model", TEN_TWENTY, tuple(positions), positions)
    assert heard.names == heard.interpolated == TEN_TWENTY
    x = np.array([place[0] for place in positions.values()])  # a smooth field
    np.testing.assert_allclose(heard.weights @ x, [standard_places()[name][0] for name in TEN_TWENTY], atol=0.01)
    assert "interpolated" in heard.notes("Model")[0]


def test_channels_that_nobody_can_place_are_refused_by_name():
    with pytest.raises(UnusableData, match=r"Model knows too few of the channels E1, E2, E3: it lacks FP1, "):
        hear_known("Model", TEN_TWENTY, ("E1", "E2", "E3"), {})


def test_only_what_is_missing_of_a_fixed_montage_is_interpolated():
    heard = hear_all("Model", TEN_TWENTY, TEN_TWENTY[:-1], {})
    assert heard.interpolated == ("PZ",)
    np.testing.assert_array_equal(heard.weights[:-1], np.eye(18))


def test_bipolar_derivations_are_differences_of_neighbours():
    heard = Biot().hear(TEN_TWENTY, {}, None)
    assert heard.names[0] == "FP1-F7"
    assert len(heard.names) == len(PAIRS) == 16
    volts = dict(zip(TEN_TWENTY, np.random.default_rng(0).standard_normal(19), strict=True))
    expected = [volts[first] - volts[second] for first, second in PAIRS]
    np.testing.assert_allclose(heard.weights @ np.array(list(volts.values())), expected)


# -- time --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("samples", "number", "whole"), [(600, 4, 740), (200, 1, 200), (100, 1, 200), (380, 2, 380)])
def test_patches_cover_the_window(samples, number, whole):
    patches = Patches.covering(samples, 200, 180)
    assert (patches.number, patches.samples) == (number, whole)


@pytest.mark.parametrize("patches", [Patches(200, 200, 3), Patches(200, 100, 5), Patches(200, 180, 4)])
def test_time_courses_of_patches_become_that_of_the_window(patches):
    weights = placing(patches, 200.0, 187, 0.016)
    torch.testing.assert_close(weights.sum(dim=(0, 1)), torch.ones(187))
    points = weights.shape[1]
    begins = torch.arange(patches.number)[:, None] * patches.step / 200
    ramp = begins + (torch.arange(points)[None] + 0.5) / points * patches.length / 200  # seconds, as a time course
    found = torch.einsum("pt,ptf->f", ramp, weights)
    expected = (torch.arange(187) + 0.5) * 0.016
    assert (found - expected).abs().max() < 0.5 / points + 1e-6  # half a point at the ends of patches
    assert (found - expected).abs().median() < 1e-5


def encoder(**more):
    made = {"rate_hz": RATE_HZ, "samples": LENGTH, "dimensions": 3, "sizes": {}, "frozen": False, "dropout": 0.0}
    torch.manual_seed(0)
    return FoundationEegEncoder(Tiny(), ("A", "B"), torch.eye(2), torch.zeros(0, 3), **made | more)


def test_the_model_hears_eeg_at_its_own_rate_and_amplitude():
    seconds, own = torch.arange(LENGTH) / RATE_HZ, torch.arange(60) / 40
    heard = encoder().hear(torch.sin(2 * torch.pi * 5 * seconds).expand(1, 2, -1))
    assert heard.shape == (1, 2, 60)
    expected = 0.5 * torch.sin(2 * torch.pi * 5 * own)
    torch.testing.assert_close(heard[0, 1, 10:50], expected[10:50], atol=0.03, rtol=0)


def test_the_model_hears_eeg_that_is_whitened_as_if_it_were_not():
    covariance = np.array([[2.0, 0.9], [0.9, 1.0]])
    model = encoder()
    model.begin(None, covariance, 0.1)
    torch.testing.assert_close(model.montage @ torch.tensor(whitening(covariance, 0.1)).float(), torch.eye(2))
    untouched = encoder()
    untouched.begin(None, covariance, None)
    assert torch.equal(untouched.montage, torch.eye(2))


def test_what_a_patch_says_stays_in_its_time():
    model, eeg = encoder().eval(), torch.randn(1, 2, LENGTH)
    later = eeg.clone()
    later[:, :, 60:] += 1  # of 75 samples; the patch begins at 50, and the filter reaches back a little
    with torch.no_grad():
        tokens = [model.model.tokens(model.network, model.hear(each), model.names, None) for each in (eeg, later)]
        change = (model.head(tokens[1]) - model.head(tokens[0]))[0].abs().amax(dim=0)
    assert change[:20].max() < 1e-3
    assert change[27:].min() > 1e-3


# -- weights -----------------------------------------------------------------------------------------------------------


def saved(tmp_path, network, name="weights.pt", **changes):
    state = network.state_dict() | changes
    torch.save({key: value for key, value in state.items() if value is not None}, tmp_path / name)
    return tmp_path / name


def test_weights_are_read_and_those_of_another_head_and_of_later_patches_left_out(tmp_path):
    learned, fresh = TinyNetwork(4, 9, 6), TinyNetwork(4, 3, 6)
    load_weights(fresh, Tiny(), saved(tmp_path, learned, **{"head.weight": torch.ones(2)}))
    assert torch.equal(fresh.embed.weight, learned.embed.weight)
    assert torch.equal(fresh.time, learned.time[:, :3])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"embed.bias": None}, r"weights\.pt does not hold the weights of Tiny\. It lacks embed\.bias\. Expected"),
        ({"strange": torch.ones(1)}, r"It has strange, which are unknown"),
        ({"embed.bias": torch.ones(7)}, r"embed\.bias has the shape \(7,\), but Tiny wants \(6,\)"),
        ({"time": torch.ones(1, 2, 6)}, r"time has the shape .* Use shorter windows"),
        ({"embed.bias": torch.full((6,), torch.nan)}, r"embed\.bias holds values that are no numbers"),
    ],
)
def test_a_wrong_file_of_weights_is_refused_with_what_is_wrong(tmp_path, changes, says):
    file = saved(tmp_path, TinyNetwork(4, 3, 6), **changes)
    with pytest.raises(UnusableData, match=says):
        load_weights(TinyNetwork(4, 3, 6), Tiny(), file)


def test_what_could_execute_something_is_not_read(tmp_path):
    torch.save(TinyNetwork(4, 3, 6), tmp_path / "whole.pt")
    with pytest.raises(UnusableData, match=r"whole\.pt is damaged, or holds more than weights"):
        load_weights(TinyNetwork(4, 3, 6), Tiny(), tmp_path / "whole.pt")
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(UnusableData, match=r"text\.pt"):
        load_weights(TinyNetwork(4, 3, 6), Tiny(), tmp_path / "text.pt")


def test_weights_in_safetensors_are_read(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is an extra")
    learned, fresh = TinyNetwork(4, 3, 6), TinyNetwork(4, 3, 6)
    safetensors.save_file(learned.state_dict(), tmp_path / "model.safetensors")
    load_weights(fresh, Tiny(), weights_path(f"tiny:{tmp_path}"))
    assert torch.equal(fresh.time, learned.time)


def test_weights_are_named_by_a_path_after_the_name(tmp_path):
    assert weights_path("labram") is None
    (tmp_path / "a:b.pt").touch()
    assert weights_path(f"labram:{tmp_path}/a:b.pt") == tmp_path / "a:b.pt"
    for path in (f"{tmp_path}/none.pt", "", str(tmp_path)):
        with pytest.raises(MissingInput, match="there is no file of weights"):
            weights_path(f"labram:{path}")


def test_only_networks_that_take_weights_may_be_given_any():
    option, path = NameIn(NAMES["decoder"]), "labram:/data/labram.safetensors"
    assert option.convert(path, None, None) == path
    assert decoder_words(path) is decoder_words("labram")
    for wrong in ("2d:/data/x.pt", "labrum:/data/x.pt"):
        with pytest.raises(click.BadParameter):
            option.convert(wrong, None, None)
    with pytest.raises(WrongUsage, match="'temporal' takes no weights"):
        DECODERS["temporal:x.pt"].check("temporal:x.pt")


@pytest.mark.parametrize("name", REAL)
def test_a_missing_package_is_named_with_what_installs_it(name, monkeypatch):
    monkeypatch.setattr(interface.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingInput, match=r"braindecode, which is not installed: pip install .predann-bids"):
        DECODERS[name].check(name)


def test_reve_with_weights_wants_the_positions_that_it_was_trained_with(tmp_path):
    file = tmp_path / "model.safetensors"
    with pytest.raises(MissingInput, match=rf"electrode positions.*{BANK}"):
        Reve().hear(CHANNELS, {}, file)
    bank = {name: [number, 0.5, 0.5] for number, name in enumerate(("Cz", "C3", "Fp1", "T3"))}
    (tmp_path / BANK).write_text(json.dumps(bank))
    heard = Reve().hear(CHANNELS, {}, file)
    assert dict(zip(heard.names, heard.places, strict=True)) == {name: tuple(place) for name, place in bank.items()}


# -- the decoder -------------------------------------------------------------------------------------------------------


def test_a_representation_has_the_frames_of_other_networks():
    z = decoder().predict(torch.randn(2, 5, LENGTH))
    assert z.shape == (2, 8, LENGTH // 2)
    assert z.mean(dim=2).abs().max() < 1e-5


def test_it_predicts_several_teachers_with_one_head():
    plan = replace(blueprint(), features="mel=1\nsurprisal=0.5", bands=68, of_teachers=(64, 4), beside="spectra")
    made = TinyDecoder(TinyDecoder.settings_for(plan))
    assert made.predict(torch.randn(2, 5, LENGTH)).shape == (2, 16, LENGTH // 2)
    assert [encoder.norm.num_features for encoder in made.audio_encoder.of_teachers] == [32, 4]
    batch = torch.randn(4, 5, LENGTH), torch.randn(4, 36, LENGTH), torch.tensor([0, 0, 1, 1])
    made.objective(*batch, Training())["loss"].backward()
    head = made.eeg_encoder.head.out.weight.grad.view(16, -1)
    assert (head.abs().sum(dim=1) > 0).all()


def test_a_frozen_model_stays_as_its_file_has_it_and_the_rest_is_trained(train, tmp_path):
    file = saved(tmp_path, decoder().eeg_encoder.network)
    kind = f"tiny:{file}"
    frozen, tuned = train(kind, "frozen", eeg_encoder="frozen"), train(kind, "tuned")
    learned = torch.load(file, weights_only=True)
    assert all(torch.equal(value, learned[name]) for name, value in frozen.eeg_encoder.network.state_dict().items())
    assert not torch.equal(tuned.eeg_encoder.network.embed.weight, learned["embed.weight"])
    largest = (tuned.eeg_encoder.network.embed.weight - learned["embed.weight"]).abs().max()
    assert largest < 20 * 1e-4  # steps of Adam are as long as the learning rate, which is small here
    assert frozen.train().eeg_encoder.network.training is False


def test_a_saved_decoder_is_read_without_the_file_of_its_weights(train, tmp_path):
    file = saved(tmp_path, decoder().eeg_encoder.network)
    trained, eeg = train(f"tiny:{file}"), torch.randn(3, 5, LENGTH)
    trained.save(tmp_path / "predann.ckpt", {})
    file.unlink()
    again = load_decoder(tmp_path / "predann.ckpt")
    assert again.name == "tiny"
    assert torch.equal(again.predict(eeg), trained.predict(eeg))
    assert again.configuration()["training"] == {"encoders": "tiny", "teacher": "joint", "more_teachers": ()}


def test_sizes_stand_beside_the_weights(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"width": 9, "n_outputs": 4, "activation": "torch.nn.GELU"}))
    (tmp_path / "model.pt").touch()
    made = decoder(f"tiny:{tmp_path}")
    assert made.eeg_encoder.network.embed.out_features == 9
    (tmp_path / "config.json").write_text(json.dumps({"width": "large"}))
    with pytest.raises(UnusableData, match=r"Tiny cannot be built with the sizes {'width': 'large'}"):
        decoder(f"tiny:{tmp_path}")


def test_same_seed_same_decoder_also_where_the_training_was_killed(train, source, monkeypatch):
    monkeypatch.setattr(callbacks, "SAVE_EVERY_S", 0.0)

    with pytest.raises(SystemExit):
        train(directory="killed", epochs=3, report=dies_later(2))
    one, two = train(directory="killed", epochs=3), train(directory="whole", epochs=3)
    assert all(torch.equal(value, two.state_dict()[name]) for name, value in one.state_dict().items())


def dies_later(epoch):
    """Interrupt a training when it has reported so many epochs."""
    done = []

    def report(units, note):
        done.append(units)
        if sum(done) == epoch:
            raise SystemExit(9)

    return report


def test_it_contains_a_closed_form_decoder_and_can_be_nothing_else(source):
    rng, network = np.random.default_rng(0), decoder()
    banks = FilterBanks(rng.standard_normal((2, 5, 3)), 0, rng.standard_normal((2, 1, 3)))
    joined = network.joined(banks, (0.0, 0.0), 0.1)
    eeg = torch.randn(2, 5, LENGTH)
    assert isinstance(joined, TinyDecoder)
    assert torch.equal(joined.predict(eeg)[:, :8], torch.zeros(2, 8, LENGTH // 2))
    assert joined.predict(eeg)[:, 8:].abs().sum() > 0
    assert torch.equal(joined.eeg_encoder.network.embed.weight, network.eeg_encoder.network.embed.weight)


def test_memory_grows_with_the_batch_and_the_weights():
    assert TinyDecoder.memory_gb(100) - TinyDecoder.memory_gb(0) == pytest.approx(0.1)
    assert DECODERS["reve"].memory_gb(0) > DECODERS["labram"].memory_gb(0) > 0.5


# -- braindecode -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REAL)
def test_models_of_braindecode_give_tokens_by_channel_and_patch_from_their_own_weights(name, tmp_path):
    pytest.importorskip("braindecode.version", reason="braindecode is an extra")
    (tmp_path / "config.json").write_text(json.dumps(REAL[name]))
    (tmp_path / BANK).write_text(json.dumps(standard_places()))
    saved(tmp_path, decoder_of_braindecode(name, None).eeg_encoder.network, "model.pt")
    made, other = (decoder_of_braindecode(f"{name}:{tmp_path}", seed) for seed in (1, 2))
    eeg = torch.randn(2, 19, LENGTH)
    heard = made.eeg_encoder.hear(eeg)
    assert heard.shape[1:] == (len(made.settings.heard), made.eeg_encoder.patches.samples)
    changed, patches = heard.clone(), made.eeg_encoder.patches
    first = patches.length + 50
    changed[:, 3, first : first + 10] += 5  # of the fourth channel
    tokens = [tokens_of(made, each) for each in (heard, changed)]
    difference = (tokens[1] - tokens[0]).abs().mean(dim=3)[0]
    channel, patch = divmod(int(difference.argmax()), difference.shape[1])
    assert channel == 3
    assert patch * patches.step <= first < patch * patches.step + patches.length
    assert torch.equal(tokens[0], tokens_of(other, heard))  # the file decides, and not the seed
    assert made.predict(eeg).shape == (2, 8, LENGTH // 2)


def decoder_of_braindecode(kind, seed):
    interface.braindecode()
    torch.manual_seed(seed or 0)
    cls = DECODERS[kind]
    settings = cls.settings_for(blueprint(kind, channels=TEN_TWENTY, eeg_encoder="frozen"))
    if seed is None:
        settings = replace(settings, sizes=json.dumps(REAL[kind]))
    made = cls(settings)
    made.begin(None)
    return made.eval()


def tokens_of(made, heard):
    encoder = made.eeg_encoder
    with torch.no_grad():
        return encoder.model.tokens(encoder.network, heard, encoder.names, encoder.places)

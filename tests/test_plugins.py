"""A decoder, a teacher and a split from outside of the package: a class and a row of words each."""

import shutil
import subprocess
import sys

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import predann_bids
from predann_bids import register, resolve, run_group
from predann_bids.data.splits import SPLITS, Split, SplitKind
from predann_bids.errors import WrongUsage
from predann_bids.models.audio.features import FEATURES, AudioFeatures
from predann_bids.models.decoder import DECODERS, moment_matcher
from predann_bids.models.losses import predann_loss
from predann_bids.models.network import Network
from predann_bids.registry import plugin_modules
from predann_bids.report.words.decoders import DECODER_WORDS, DecoderWords
from predann_bids.report.words.features import FEATURE_WORDS, FeatureWords
from predann_bids.report.words.splits import SPLIT_WORDS, SplitWords
from predann_bids.workflows.execution import Execution


class LastPerson(SplitKind):
    """Test on the last participant, validate on the one before."""

    def divide(self, division):
        people = sorted({division.trials[index].participant for index in division.usable})
        sets = ([], [], [])
        for index in division.usable:
            last = people[::-1].index(division.trials[index].participant)
            sets[{0: 2, 1: 1}.get(last, 0)].append(index)
        return [Split(1, *map(division.whole, sets))]


class Loudness(AudioFeatures):
    """A teacher: the level of the sound, one frame for each EEG sample."""

    audio_rate, bands = 16_000, 1

    def __init__(self, rate_hz):
        super().__init__(rate_hz)
        self.hop = round(self.audio_rate / rate_hz)

    def forward(self, waveforms):
        return F.avg_pool1d(waveforms[:, None].square(), self.hop).sqrt()


class Mean(Network):
    """A decoder that maps the spread of EEG channels and of audio bands to one embedding, and classifies it."""

    def __init__(self, settings):
        super().__init__()
        self.settings = settings
        self.eeg, self.audio = nn.Linear(len(settings.channels), 4), nn.Linear(32, 4)
        self.head = nn.Linear(4, len(settings.songs))

    def encode_eeg(self, eeg):
        z = self.eeg(eeg.std(dim=2))
        return self.head(z), z

    def encode_audio(self, audio):
        return self.encode_features(self.features(audio))

    def encode_features(self, features):
        z = self.audio(features.std(dim=2))
        return self.head(z), z

    def objective(self, eeg, audio, songs, training):
        (logits, z), (_, target) = self.encode_eeg(eeg), self.encode_features(audio)
        predann = predann_loss(z, target, training.temperature)
        return {"loss": F.cross_entropy(logits, songs) + training.predann_weight * predann, "predann_loss": predann}

    def represent_songs(self, songs, on_progress=None):
        length = round(self.settings.window_s * self.settings.rate_hz)
        cut = [songs.audio(index).unfold(1, length, 1).transpose(0, 1) for index in range(len(songs))]
        return tuple(self.encode_features(windows)[1].T.detach() for windows in cut)

    def for_songs(self, names, songs):
        return self


class Pooling(nn.Module):
    """An EEG encoder: means of two samples, mixed over channels."""

    def __init__(self, settings):
        super().__init__()
        self.mix = nn.Conv1d(len(settings.channels), settings.dimensions, 1)

    def forward(self, eeg):
        return self.mix(F.avg_pool1d(eeg, 2))


class Pooled(DECODERS["temporal"]):
    """The decoder of the preset default, with another EEG encoder."""

    def make_eeg_encoder(self, settings):
        return Pooling(settings)


@pytest.fixture
def toys(monkeypatch):
    monkeypatch.setattr("predann_bids.registry._registered_from", {})  # processes of later tests need not know
    register(
        "last", LastPerson, SplitWords(held_out="The last", tested_on="of the last one", methods=lambda _: "Last.")
    )
    register("loudness", Loudness, FeatureWords("the loudness"))
    register("pooled", Pooled, DecoderWords(methods="The EEG encoder averages before it compares {features}."))
    register("mean", Mean, DecoderWords(methods="The decoder knows averages of {features} alone."))
    yield
    for registry, table, name in (
        (SPLITS, SPLIT_WORDS, "last"),
        (FEATURES, FEATURE_WORDS, "loudness"),
        (DECODERS, DECODER_WORDS, "mean"),
        (DECODERS, DECODER_WORDS, "pooled"),
    ):
        registry.remove(name)
        del table[name]


FLAGS = {
    "training.epochs": 1,
    "splitting.n_folds": 2,
    "training.batch_size": 8,
    "windows.length": 2.0,
    "windows.scaling": "window",  # with which no closed-form decoder is searched for
    "evaluation.resamples": 99,
    "evaluation.linear": False,
    "evaluation.probe": False,
}


def decoded(dataset, derivatives, copy, **flags):
    science = resolve(flags=FLAGS | {name.replace("__", "."): value for name, value in flags.items()})
    return run_group(dataset, copy(derivatives), science, execution=Execution(n_procs=1, report=False))


def methods(outcome):
    return (outcome.directory.parents[1] / "CITATION.md").read_text()


@pytest.fixture
def copy(tmp_path):
    return lambda derivatives: shutil.copytree(derivatives, tmp_path / "out", symlinks=True)


@pytest.mark.usefixtures("toys")
def test_a_split_of_a_plugin_divides_the_data_and_is_named_in_the_report(dataset, derivatives, copy):
    outcome = decoded(dataset, derivatives, copy, splitting__split="last", training__baseline=False)
    splits = pd.read_csv(outcome.directory / "splits.tsv", sep="\t", dtype=str)
    assert splits.groupby("set")["participant"].unique().map(set).to_dict() == {
        "train": {"01", "02"},
        "validation": {"03"},
        "test": {"04"},
    }
    assert outcome.metrics["protocol"]["split"] == "last"
    assert "of the last one" in " ".join(outcome.lines())


@pytest.mark.usefixtures("toys")
def test_a_teacher_of_a_plugin_is_what_the_eeg_network_learns_to_predict(dataset, derivatives, copy):
    outcome = decoded(dataset, derivatives, copy, training__teacher="loudness", training__baseline=False)
    decoder = predann_bids.load_decoder(outcome.directory)
    assert decoder.settings.features == "loudness"
    assert decoder.audio_encoder.norm.num_features == 1
    logits, z = decoder.encode_audio(torch.randn(2, 2 * decoder.audio_rate))
    assert logits.shape == (2, 3)
    assert z.shape == decoder.encode_eeg(torch.randn(2, 8, 250))[1].shape
    assert "convolutions on the loudness" in methods(outcome)


@pytest.mark.usefixtures("toys")
def test_a_decoder_of_a_plugin_goes_all_the_way_to_a_report_and_back_from_its_file(dataset, derivatives, copy):
    outcome = decoded(dataset, derivatives, copy, training__encoders="mean")
    for model in ("predann", "baseline"):
        assert 0 <= outcome.metrics["models"][model]["accuracy"] <= 1
        assert outcome.metrics["models"][model]["retrieval"]["n_candidates"] > 1
    assert isinstance(predann_bids.load_decoder(outcome.directory), Mean)
    assert "knows averages of log-mel spectra alone" in methods(outcome)


@pytest.mark.usefixtures("toys")
def test_an_eeg_encoder_of_a_plugin_replaces_that_of_the_default_decoder(dataset, derivatives, copy):
    outcome = decoded(dataset, derivatives, copy, training__encoders="pooled", training__baseline=False)
    assert isinstance(predann_bids.load_decoder(outcome.directory).eeg_encoder, Pooling)
    assert "averages before it compares log-mel spectra" in methods(outcome)


@pytest.mark.usefixtures("toys")
def test_a_decoder_that_does_not_match_moments_is_not_probed():
    settings = Mean.settings_class(channels=("a",), songs=("x", "y"), rate_hz=125.0, delay_s=0.0, window_s=1.0)
    assert not Mean.can_be_probed
    with pytest.raises(WrongUsage, match="--no-probe"):
        moment_matcher(Mean(settings))


@pytest.mark.usefixtures("toys")
def test_names_of_plugins_can_be_typed(app, dataset, tmp_path):
    code, _, error = app(
        dataset, tmp_path / "none", "group", "--split", "last", "--encoders", "mean", "--skip-bids-validation"
    )
    assert (code, "no preprocessed recording" in error) == (66, True)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"splitting__split": "participants"}, "Unknown split 'participants'. Did you mean 'participant'"),
        ({"training__encoders": "temporel"}, "Unknown decoder 'temporel'. Did you mean 'temporal'"),
        ({"training__teacher": "wavlm"}, "Unknown audio feature 'wavlm'"),
        ({"training__encoders": "linear"}, "'linear' is not trained in epochs"),
    ],
)
def test_names_that_nothing_has_are_refused_before_any_work_is_done(dataset, derivatives, copy, flags, words):
    with pytest.raises(WrongUsage, match=words):
        decoded(dataset, derivatives, copy, **flags)


@pytest.mark.usefixtures("toys")
def test_a_name_can_be_taken_only_once():
    with pytest.raises(ValueError, match="two splits named 'participant'"):
        register("participant", LastPerson, SPLIT_WORDS["last"])
    with pytest.raises(TypeError, match="is no decoder"):
        register("int", int, None)
    assert __name__ in plugin_modules()


def test_an_entry_point_of_another_package_is_found_by_the_command_line(tmp_path):
    (tmp_path / "echo_plugin.py").write_text(
        "from predann_bids import register\n"
        "from predann_bids.data.splits import SPLITS\n"
        "from predann_bids.report.words.splits import SPLIT_WORDS\n"
        "class Echo(SPLITS['participant']):\n"
        "    pass\n"
        "register('echo', Echo, SPLIT_WORDS['participant'])\n"
    )
    info = tmp_path / "echo_plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: echo-plugin\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[predann_bids.plugins]\necho = echo_plugin\n")
    script = "from predann_bids.data.splits import SPLITS; print('echo' in SPLITS, SPLITS['echo'].__module__)"
    finished = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert finished.stdout.split() == ["True", "echo_plugin"]

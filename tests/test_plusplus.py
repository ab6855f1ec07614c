"""PredANN++ against plain arithmetic, and every number of the paper."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from predann_bids.config import Training, resolve
from predann_bids.data.source import Source, SourceSongs
from predann_bids.data.splits import Split
from predann_bids.data.stores.mapped import AudioStore, EegStore
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import place_in_spans
from predann_bids.errors import UnusableData, WrongUsage
from predann_bids.learning import fitting
from predann_bids.learning.fitting import Hardware, fit
from predann_bids.learning.training import callbacks
from predann_bids.models.decoder import DECODERS
from predann_bids.models.decoders.plusplus import MeanDecoder, PlusPlusDecoder, PlusPlusSettings
from predann_bids.models.network import refuse_pretraining
from predann_bids.models.plusplus import blocks
from predann_bids.models.plusplus.classes import N_CLASSES, Classes, classify, token_rate, tokens_of, tokens_within
from predann_bids.models.plusplus.encoder import EegTransformer, SongHead
from predann_bids.models.plusplus.prediction import MaskedPredictor, masked_loss, show_half
from predann_bids.report.methods.group import group_methods
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.timing import Span
from predann_bids.workflows.group.inputs.notes import preset_notes

SCIENCE = resolve(preset="plusplus")
PROTOCOL = {"n_folds": 1, "n_participants": 20, "n_stimuli": 10, "seed": 0, "split": "chunk"}
TOLERANCE = {"rtol": 0, "atol": 1e-5}


# -- the networks, written down plainly --------------------------------------------------------------------------------


def plain_norm(x, weight, bias, eps=1e-6):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / (variance + eps).sqrt() * weight + bias


def plain_gelu(x):
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def plain_group_norm(x, weight, bias):
    """Four groups of two maps each, over all patches and steps of a window."""
    groups = x.reshape(len(x), 4, -1)
    mean, variance = groups.mean(2, keepdim=True), groups.var(2, keepdim=True, unbiased=False)
    return ((groups - mean) / (variance + 1e-5).sqrt()).reshape(x.shape) * weight[:, None, None] + bias[:, None, None]


def plain_convolution(x, weight, bias, stride, padding):
    """Convolve (B, I, N, T) over time, a sum of products for each step."""
    kernel = weight.shape[-1]
    padded = torch.cat([x.new_zeros(*x.shape[:3], padding), x, x.new_zeros(*x.shape[:3], padding)], dim=3)
    steps = range(0, padded.shape[3] - kernel + 1, stride)
    columns = [torch.einsum("bint,oit->bon", padded[..., at : at + kernel], weight[:, :, 0]) for at in steps]
    return torch.stack(columns, dim=3) + bias[:, None, None]


def plain_block(x, p):
    """Take a pre-norm block with the weights of a state dict."""
    normal = plain_norm(x, p["attention_norm.weight"], p["attention_norm.bias"])
    attended = []
    for head in range(8):
        columns = [slice(512 * part + 64 * head, 512 * part + 64 * (head + 1)) for part in range(3)]
        query, key, value = (normal @ p["attention.qkv.weight"][rows].T for rows in columns)
        query = plain_norm(query, p["attention.query_norm.weight"], p["attention.query_norm.bias"])
        key = plain_norm(key, p["attention.key_norm.weight"], p["attention.key_norm.bias"])
        scores = query @ key.transpose(1, 2) / 8  # the root of 64
        shares = scores.exp() / scores.exp().sum(-1, keepdim=True)
        attended.append(shares @ value)
    projected = torch.cat(attended, dim=2) @ p["attention.projection.weight"].T + p["attention.projection.bias"]
    x = x + p["attention_scale"] * projected
    hidden = plain_norm(x, p["mlp_norm.weight"], p["mlp_norm.bias"]) @ p["mlp.0.weight"].T + p["mlp.0.bias"]
    return x + p["mlp_scale"] * (plain_gelu(hidden) @ p["mlp.2.weight"].T + p["mlp.2.bias"])


def under(state, prefix):
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def plain_encoder(eeg, p):
    """Encode (B, C, 375): three sections of 125 samples for each channel, one channel after the other."""
    patches = torch.stack([eeg[:, c, 125 * s : 125 * s + 125] for c in range(eeg.shape[1]) for s in range(3)], dim=1)
    maps = patches[:, None]
    for layer, stride, padding in ((0, 8, 7), (3, 1, 1), (6, 1, 1)):
        weights = [p[f"patches.convolutions.{layer + step}.{name}"] for step in (0, 1) for name in ("weight", "bias")]
        maps = plain_gelu(plain_group_norm(plain_convolution(maps, *weights[:2], stride, padding), *weights[2:]))
    assert maps.shape[1:] == (8, 3 * eeg.shape[1], 16)
    flat = torch.stack([maps[:, m, :, t] for t in range(16) for m in range(8)], dim=2)
    tokens = flat @ p["patches.linear.weight"].T + p["patches.linear.bias"]
    places = [p["channels"][c] + p["sections"][s] for c in range(eeg.shape[1]) for s in range(3)]
    tokens = torch.cat([p["cls"].expand(len(eeg), 1, 512), tokens + torch.stack(places)], dim=1)
    for block in range(2):
        tokens = plain_block(tokens, under(p, f"blocks.{block}."))
    return tokens


def shaken(module):
    """Give every weight a value of its own, so that none of them can be left out unnoticed."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return module.eval()


@torch.no_grad()
def test_the_encoder_is_that_of_the_paper():
    encoder = shaken(EegTransformer(5, 3, 125))
    eeg = torch.randn(2, 5, 375)
    tokens = encoder(eeg)
    assert tokens.shape == (2, 16, 512)
    torch.testing.assert_close(tokens, plain_encoder(eeg, encoder.state_dict()), **TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("mean", [False, True])
def test_songs_are_named_from_the_cls_token_or_from_the_mean(mean):
    head, tokens = shaken(SongHead(10, mean=mean)), torch.randn(4, 7, 512)
    p = under(head.state_dict(), "layers.")
    chosen = tokens.mean(1) if mean else tokens[:, 0]
    hidden = plain_norm(chosen, p["0.weight"], p["0.bias"]) @ p["1.weight"].T
    scaled = (hidden - p["2.running_mean"]) / (p["2.running_var"] + 1e-5).sqrt() * p["2.weight"] + p["2.bias"]
    torch.testing.assert_close(head(tokens), scaled.clamp(min=0) @ p["4.weight"].T, **TOLERANCE)


@torch.no_grad()
def test_the_predictor_sees_half_of_the_music_and_all_of_the_eeg():
    predictor = shaken(MaskedPredictor(75, 6, 128))
    eeg, values, shown = torch.randn(2, 9, 512), torch.randn(2, 75, 6), show_half(2, 75, torch.device("cpu"))
    p = predictor.state_dict()
    music = torch.empty(2, 75, 512)
    for window in range(2):
        for time in range(75):
            visible = values[window, time] @ p["value.weight"].T + p["value.bias"]
            music[window, time] = (visible if shown[window, time] else p["mask"]) + p["times"][time]
    together = torch.cat([eeg, music], dim=1)
    for block in range(2):
        together = plain_block(together, under(p, f"blocks.{block}."))
    expected = together[:, -75:] @ p["classes.weight"].T + p["classes.bias"]
    torch.testing.assert_close(predictor(eeg, values, shown), expected, **TOLERANCE)
    changed = torch.where(shown[..., None], values, 9.0)  # what is masked is not seen
    torch.testing.assert_close(predictor(eeg, changed, shown), expected, **TOLERANCE)


def test_the_encoder_has_the_published_size():
    encoder = EegTransformer(128, 3, 125)
    with torch.no_grad():
        assert encoder.eval()(torch.zeros(1, 128, 375)).shape == (1, 385, 512)
    patches = (8 * 15 + 8) + 2 * (8 * 8 * 3 + 8) + 3 * 2 * 8 + (16 * 8 * 512 + 512)
    block = 512 * 3 * 512 + 4 * 64 + (512 * 512 + 512) + (512 * 2048 + 2048 + 2048 * 512 + 512) + 4 * 512 + 2 * 512
    expected = patches + (128 + 3 + 1) * 512 + 2 * block
    assert sum(parameter.numel() for parameter in encoder.parameters()) == expected
    assert round(expected / 1e6, 1) == 6.4


def test_layers_start_as_published():
    block = EegTransformer(2, 3, 125).blocks[0]
    assert block.attention_scale.tolist() == block.mlp_scale.tolist() == [pytest.approx(0.1)] * 512
    assert block.dropout.p == 0.1
    norms = (block.attention_norm, block.mlp_norm, block.attention.query_norm, block.attention.key_norm)
    assert {norm.eps for norm in norms} == {1e-6}
    assert block.attention.qkv.bias is None


@pytest.mark.parametrize(("number", "shown"), [(75, 37), (150, 75)])
def test_half_of_the_places_rounded_down_is_shown_anew_in_each_window(number, shown):
    torch.manual_seed(0)
    drawn = show_half(50, number, torch.device("cpu"))
    assert drawn.sum(dim=1).tolist() == [shown] * 50
    assert len(set(map(tuple, drawn.tolist()))) == 50
    assert drawn.sum(dim=0).min() > 10  # no place is always masked


def test_only_masked_places_count():
    logits, classes = torch.randn(2, 5, 128), torch.randint(128, (2, 5))
    shown = torch.tensor([[True, False, True, True, False], [False, True, True, True, True]])
    logs = [logits[b, n] - logits[b, n].exp().sum().log() for b, n in ((0, 1), (0, 4), (1, 0))]
    right = [classes[0, 1], classes[0, 4], classes[1, 0]]
    expected = -sum(log[index] for log, index in zip(logs, right, strict=True)) / 3
    torch.testing.assert_close(masked_loss(logits, classes, shown), expected)


# -- classes -----------------------------------------------------------------------------------------------------------


def test_single_numbers_fall_into_128_bins_of_equal_frequency():
    values = np.random.default_rng(0).exponential(size=(128 * 50, 1))
    classes = Classes.of(values, 0)
    found = classify(torch.from_numpy(values)[None], *map(torch.from_numpy, (classes.centres, classes.boundaries)))[0]
    counts = np.bincount(found.numpy(), minlength=128)
    assert (counts.min(), counts.max()) == (50, 50)
    ordered = np.sort(values[:, 0]).reshape(128, 50)
    np.testing.assert_allclose(classes.centres[:, 0], ordered.mean(axis=1))
    assert (np.argsort(np.argsort(values[:, 0])) // 50 == found.numpy()).all()


def test_repeated_numbers_make_fewer_bins():
    classes = Classes.of(np.repeat([1.0, 2.0, 5.0], 30)[:, None], 0)
    found = classify(torch.tensor([[[1.0], [2.0], [5.0], [9.0]]]).double(), None, torch.from_numpy(classes.boundaries))
    assert found[0, 0] < found[0, 1] <= found[0, 2] == found[0, 3]
    assert np.isfinite(classes.centres).all()


def test_many_numbers_fall_into_the_nearest_of_128_clusters():
    tokens = np.random.default_rng(0).standard_normal((600, 4))
    classes, again = Classes.of(tokens, 3), Classes.of(tokens, 3)
    np.testing.assert_array_equal(classes.centres, again.centres)
    assert classes.centres.shape == (128, 4)
    found = classify(torch.from_numpy(tokens)[None], *map(torch.from_numpy, (classes.centres, classes.boundaries)))[0]
    distances = np.sqrt(((tokens[:, None] - classes.centres[None]) ** 2).sum(axis=2))
    np.testing.assert_array_equal(found, distances.argmin(axis=1))
    for label in (0, 77):  # a centre is the mean of its cluster
        np.testing.assert_allclose(classes.centres[label], tokens[found == label].mean(axis=0), atol=1e-3)


def test_fewer_tokens_than_classes_make_fewer_clusters():
    tokens = np.random.default_rng(0).standard_normal((5, 3)).repeat(4, axis=0)
    classes = Classes.of(tokens, 0)
    found = classify(torch.from_numpy(tokens)[None], *map(torch.from_numpy, (classes.centres, classes.boundaries)))
    assert len(set(found.flatten().tolist())) == 5


def test_what_classes_stand_for_keeps_their_distances_where_there_are_few_numbers():
    classes = Classes.of(np.random.default_rng(0).standard_normal((600, 4)), 0)
    one, other = (((x[:, None] - x[None]) ** 2).sum(axis=2) for x in (classes.centres, classes.coordinates()))
    np.testing.assert_allclose(one, other, atol=1e-9)
    wide = Classes.of(np.random.default_rng(0).standard_normal((600, 40)), 0).coordinates()
    assert wide.shape == (128, 16)
    np.testing.assert_allclose(wide.T @ wide, np.diag(np.diag(wide.T @ wide)), atol=1e-9)  # principal components


def test_tokens_last_40_ms_or_20_ms_where_they_are_single_numbers():
    assert (3 * token_rate(1024), 3 * token_rate(2), 3 * token_rate(1)) == (75, 75, 150)
    features = torch.arange(375.0).expand(1, 2, 375)
    np.testing.assert_allclose(tokens_of(features, 75)[0, :, 0], np.arange(375).reshape(75, 5).mean(axis=1))


def test_only_tokens_inside_the_training_data_are_taken():
    song = torch.arange(100.0)[None]
    kept = tokens_within(song, 5, [(3, 20), (50, 61)])
    assert kept[:, 0].tolist() == [7, 12, 17, 52, 57]  # the means of 5 to 9, 10 to 14, ...
    assert len(tokens_within(song, 5, None)) == 20
    assert len(tokens_within(song, 5, [(1, 4)])) == 0


# -- the decoder -------------------------------------------------------------------------------------------------------

CHANNELS, SONGS = ("A", "B"), ("one", "two", "three")
SETTINGS = PlusPlusSettings(CHANNELS, SONGS, 125.0, 0.2, 3.0, "log-mel", None, n_bands=4, memory_frames=400)


def source_of(seconds=16, bands=4):
    rng = np.random.default_rng(0)
    length = 125 * seconds
    songs = tuple(rng.standard_normal((bands, length)).astype(np.float32) for _ in SONGS)
    trials = tuple(Trial("a", "", "", "", 0, song, 100 + song * (length + 100), length, 0) for song in range(3))
    data = rng.standard_normal((3 * (length + 100) + 200, 2)).astype(np.float32)
    recording = MappedRecording(data, np.ones(2, np.float32), CHANNELS, 125.0)
    return Source(trials, EegStore.open([recording], by_window=True), AudioStore(songs), 375, 25)


def prepared(training=None, kind=PlusPlusDecoder, settings=SETTINGS):
    torch.manual_seed(0)
    decoder = kind(settings)
    songs = SourceSongs(source_of().audio, 375, 0)
    decoder.prepare(songs, {0: [(0, 2000)], 1: [(0, 2000)], 2: [(0, 2000)]}, training or SCIENCE.training)
    return decoder


@pytest.fixture
def batch():
    torch.manual_seed(5)
    return torch.randn(4, 2, 375), torch.randn(4, 4, 375), torch.tensor([0, 1, 2, 1])


def test_the_loss_of_pretraining_is_the_weighted_sum_of_masked_classes_and_songs(batch):
    decoder, (eeg, audio, songs) = prepared().eval(), batch
    torch.manual_seed(7)
    losses = decoder.objective(*batch, SCIENCE.training)
    torch.manual_seed(7)
    shown = show_half(4, 75, torch.device("cpu"))
    tokens, values = decoder.encoder(eeg), tokens_of(audio, 75)
    classes = torch.cdist(values.double(), decoder.centres.double().expand(4, -1, -1)).argmin(dim=2)
    masked = F.cross_entropy(decoder.predictor(tokens, values, shown)[~shown], classes[~shown])
    by_song = F.cross_entropy(decoder.head(tokens), songs)
    torch.testing.assert_close(losses["loss"], 0.1 * masked + 1.0 * by_song)
    other = resolve(preset="plusplus", flags={"training.predann_weight": 2.0, "training.song_weight": 0.5}).training
    torch.manual_seed(7)
    torch.testing.assert_close(decoder.objective(*batch, other)["loss"], 2 * masked + 0.5 * by_song)


def test_fine_tuning_keeps_the_encoder_takes_a_fresh_head_and_names_songs_alone(batch):
    decoder, training = prepared(), SCIENCE.training.model_copy(update={"pretraining_epochs": 2})
    head, encoder = (part.state_dict() for part in (decoder.head, decoder.encoder))
    head, encoder = ({name: value.clone() for name, value in state.items()} for state in (head, encoder))
    assert [decoder.begin_epoch(epoch, training) for epoch in (0, 1)] == [False, False]
    assert decoder.phase == "pretraining"
    assert decoder.begin_epoch(2, training)
    assert decoder.phase == "fine-tuning"
    assert not torch.equal(decoder.head.state_dict()["layers.1.weight"], head["layers.1.weight"])
    assert all(torch.equal(value, decoder.encoder.state_dict()[name]) for name, value in encoder.items())
    losses = decoder.objective(*batch, training)
    torch.testing.assert_close(losses["loss"], losses["eeg_loss"])
    losses["loss"].backward()
    assert decoder.encoder.cls.grad is not None
    assert all(
        parameter.grad is None for part in (decoder.predictor, decoder.pretrained) for parameter in part.parameters()
    )
    before = decoder.eval().predict(batch[0])
    with torch.no_grad():
        decoder.encoder.cls.add_(1.0)  # what fine-tuning does to the encoder does not change what it predicts
    torch.testing.assert_close(decoder.predict(batch[0]), before)


@torch.no_grad()
def test_what_eeg_predicts_is_the_mean_of_the_classes_with_all_music_masked(batch):
    decoder = shaken(prepared())
    values, shown = torch.full((4, 75, 4), 9.0), torch.zeros(4, 75, dtype=torch.bool)
    logits = decoder.predictor(decoder.encoder(batch[0]), values, shown)
    expected = (logits.exp() / logits.exp().sum(2, keepdim=True)) @ decoder.coordinates
    torch.testing.assert_close(decoder.predict(batch[0]), expected.transpose(1, 2), **TOLERANCE)


def test_a_song_is_represented_by_what_its_classes_stand_for():
    decoder, songs = prepared(), SourceSongs(source_of().audio, 375, 0)
    decoder.remember(songs)
    (first, *_) = decoder.represent_songs(songs)
    tokens = songs.audio(0).reshape(4, 400, 5).mean(dim=2).T.double()
    nearest = torch.cdist(tokens, decoder.centres.double()).argmin(dim=1)
    torch.testing.assert_close(first, decoder.coordinates[nearest].T)


def test_classes_know_the_training_data_alone_unless_all_audio_is_asked_for():
    songs = SourceSongs(source_of().audio, 375, 0)
    spans, training = {0: [(0, 1000)], 1: [(500, 2000)]}, SCIENCE.training
    alone = PlusPlusDecoder(SETTINGS)
    alone.prepare(songs, spans, training)
    changed = tuple(array.copy() for array in source_of().audio.features)
    changed[0][:, 1000:], changed[1][:, :500], changed[2][:] = 50.0, 50.0, 50.0
    others = SourceSongs(AudioStore(changed), 375, 0)
    same = PlusPlusDecoder(SETTINGS)
    same.prepare(others, spans, training)
    assert torch.equal(alone.centres, same.centres)
    leaking = PlusPlusDecoder(SETTINGS)
    leaking.prepare(others, spans, training.model_copy(update={"classes_from": "all"}))
    assert leaking.centres.max() > 40 > alone.centres.max()
    with pytest.raises(UnusableData, match="hold no token"):
        alone.prepare(songs, {0: [(0, 3)]}, training)


def test_a_decoder_recognises_some_of_its_songs_in_any_order(batch):
    decoder, features = shaken(prepared()), source_of().audio.features
    songs = SourceSongs(AudioStore((features[2], features[0])), 375, 0)
    other = decoder.for_songs(("three", "one"), songs)
    torch.testing.assert_close(other.encode_eeg(batch[0])[0], decoder.encode_eeg(batch[0])[0][:, [2, 0]])
    with pytest.raises(WrongUsage, match="no others such as four"):
        decoder.for_songs(("one", "four"), songs)


def test_single_numbers_have_twice_as_many_tokens():
    assert replace(SETTINGS, n_bands=1).n_tokens == 150
    assert SETTINGS.n_tokens == 75


# -- training ----------------------------------------------------------------------------------------------------------

SHORT = Training(
    encoders="eeg-transformer", pretraining_epochs=2, epochs=2, batch_size=8, keep="last", schedule="constant",
    learning_rate=1e-3, weight_decay=0.0,
)  # fmt: skip


@pytest.fixture
def train(tmp_path):
    source = source_of(8)
    split = Split(1, tuple(Stretch(song, Span(0, 1000)) for song in range(3)), (), ())

    def train(directory, report=lambda units, note: None):
        settings = replace(SETTINGS, memory_frames=200)
        return fit(source, split, "eeg-transformer", settings, SHORT.model_copy(update={"batch_size": 3}),
                   directory=tmp_path / directory, name="x", hardware=Hardware(), on_progress=report)  # fmt: skip

    return train


def weights(decoder):
    return torch.cat([value.flatten().double() for value in decoder.state_dict().values()])


def test_a_training_killed_in_either_phase_ends_as_if_it_had_not_been(train, monkeypatch):
    monkeypatch.setattr(callbacks, "SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(blocks, "N_BLOCKS", 1)
    notes = []
    whole, history = train("whole", lambda units, note: notes.append(note))
    assert [note.rpartition(":")[0] for note in notes if " loss " in note] == [
        "x, pretraining", "x, pretraining", "x, fine-tuning", "x, fine-tuning",
    ]  # fmt: skip
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert whole.phase == "fine-tuning"
    for last in (3, 4):  # between the phases, and within the second
        seen = []

        def kill(units, note, seen=seen, last=last):
            seen.append(units)
            if len(seen) == last:
                raise KeyboardInterrupt

        with pytest.raises(BaseException, match=r".*") as stop:
            train(f"killed-{last}", kill)
        assert stop.type in (KeyboardInterrupt, SystemExit)
        resumed, of_resumed = train(f"killed-{last}")
        assert torch.equal(weights(resumed), weights(whole))
        pd.testing.assert_frame_equal(pd.DataFrame(of_resumed), pd.DataFrame(history))


def test_the_optimiser_forgets_pretraining(train, monkeypatch):
    monkeypatch.setattr(blocks, "N_BLOCKS", 1)
    counted = []
    step = fitting.NetworkTraining.on_train_epoch_start

    def counting(self):
        step(self)
        counted.append(len(self.trainer.optimizers[0].state))

    monkeypatch.setattr(fitting.NetworkTraining, "on_train_epoch_start", counting)
    train("whole")
    assert [bool(number) for number in counted] == [False, True, False, True]


# -- the preset --------------------------------------------------------------------------------------------------------


def test_the_preset_has_every_number_of_the_paper():
    training, windows, splitting = SCIENCE.training, SCIENCE.windows, SCIENCE.splitting
    assert (training.encoders, training.predann_weight, training.song_weight) == ("eeg-transformer", 0.1, 1.0)
    assert (training.pretraining_epochs, training.epochs, training.all_epochs) == (10_000, 3500, 13_500)
    assert (training.learning_rate, training.schedule, training.weight_decay) == (0.003, "constant", 0.0)
    assert (training.batch_size, training.drawing, training.keep) == (48, "single", "last")
    assert (windows.length, windows.delay, windows.scaling, windows.audio_context) == (3.0, 0.2, "window", 0.0)
    assert (windows.first, windows.span, windows.span_stride, windows.placing) == (240.0, 8.0, 1.6, "middles")
    assert (splitting.split, splitting.chunk, splitting.validation, splitting.split_seed) == ("chunk", 30.0, 0.0, 42)
    assert SCIENCE.preprocessing == resolve(preset="published").preprocessing
    assert SCIENCE.preprocessing.resample == 125.0
    assert N_CLASSES == 128


def test_options_win_over_the_preset():
    science = resolve(preset="plusplus", flags={"training.epochs": 2, "training.pretraining_epochs": 0})
    assert (science.training.all_epochs, science.training.encoders) == (2, "eeg-transformer")


def test_a_chunk_is_tested_in_14_spans_each_in_its_middle():
    stretch = Stretch(0, Span(0, 3750))
    windows = place_in_spans([stretch], 375, span=1000, span_stride=200, stride=125, following=3, rng=None)
    alone = windows.alone()
    assert alone.start.tolist() == [200 * span + (1000 - 375) // 2 for span in range(14)]
    segments = windows.start[windows.place == 1]
    assert segments.tolist() == [200 * span + (1000 - 375 - 250) // 2 for span in range(14)]
    short = place_in_spans(
        [Stretch(0, Span(0, 300))], 375, span=1000, span_stride=200, stride=125, following=1, rng=None
    )
    assert len(short) == 0
    bad = place_in_spans([replace(stretch, bad=(Span(500, 510),))], 375, span=1000, span_stride=200, stride=125,
                         following=1, rng=None)  # fmt: skip
    assert not ((bad.start < 510) & (bad.start + 375 > 500)).any()


def test_pretraining_is_refused_where_it_has_no_meaning():
    with pytest.raises(WrongUsage, match=r"'temporal' has no pretraining: .* or choose eeg-transformer or"):
        refuse_pretraining(Training(pretraining_epochs=3))
    refuse_pretraining(SCIENCE.training)
    with pytest.raises(WrongUsage, match=r"needs training\.keep = 'last'"):
        resolve(flags={"training.encoders": "eeg-transformer", "training.pretraining_epochs": 3})


@pytest.mark.parametrize("name", ["eeg-transformer", "eeg-transformer-mean"])
def test_both_forms_are_registered_as_what_they_are(name):
    assert DECODERS[name].takes_mean == name.endswith("mean")
    assert issubclass(DECODERS[name], PlusPlusDecoder)
    assert MeanDecoder(SETTINGS).name == "eeg-transformer-mean"


def test_the_methods_say_what_was_predicted_and_what_the_classes_saw():
    text = group_methods(SCIENCE, PROTOCOL)
    assert (
        "Pretraining, for 10000 epochs, minimised 0.1 times the cross-entropy of the masked classes plus 1 times"
        in text
    )
    assert "found on the audio of the training data" in text
    assert "for 3500 epochs of fine-tuning" in text
    assert "in the middle of each span" in text
    assert "PredANN objective, in which each EEG representation" not in text
    leaking = resolve(preset="plusplus", flags={"training.classes_from": "all"})
    assert "found on all audio, that of the test data included, as published" in group_methods(leaking, PROTOCOL)
    assert any("have seen the music of the test data" in note for note in preset_notes(leaking))
    assert not any("have seen" in note for note in preset_notes(SCIENCE))
    scratch = resolve(preset="plusplus", flags={"training.pretraining_epochs": 0})
    assert "There was no pretraining" in group_methods(scratch, PROTOCOL)

"""Teachers: files, formulas and networks whose weights the tests make themselves."""

import json
import os
import re
import shutil
import struct
import sys
import zipfile

import numpy as np
import pytest
import soundfile
import torch

from predann_bids.errors import MissingInput, UnusableData, WrongUsage
from predann_bids.learning import features
from predann_bids.learning.features import identity_of, keep_features, read_frames
from predann_bids.models.audio.features import FEATURES, features_kind, make_features
from predann_bids.models.audio.files import FileTeacher
from predann_bids.models.audio.surprisal import LEVELS, PITCH_CLASSES, viewpoints
from predann_bids.models.audio.teacher import Beside, Teacher
from predann_bids.models.teachers.markov import expect
from predann_bids.models.teachers.tensorflow_checkpoint import read_variables
from predann_bids.report.words.features import FEATURE_WORDS, feature_words

SECONDS, RATE = 2.0, 50.0


@pytest.fixture
def audio(tmp_path):
    """Two stimuli of 2 s."""
    files = {}
    for number, label in enumerate(("a", "b")):
        files[label] = tmp_path / f"song-{label}.wav"
        noise = np.random.default_rng(number).standard_normal(int(SECONDS * 8000)) * 0.1
        soundfile.write(files[label], noise, 8000)
    return files


@pytest.fixture
def directory(tmp_path):
    """Features of both: one file after the label, one after the audio file."""
    root = tmp_path / "emb"
    root.mkdir()
    for name in ("a", "song-b"):
        np.save(root / f"{name}.npy", np.random.default_rng(1).standard_normal((100, 3)))
    (root / "frames.json").write_text(json.dumps({"FrameRate": RATE}))
    return root


def test_every_teacher_has_words_that_say_what_it_is():
    for name in FEATURES:
        if issubclass(FEATURES[name], Teacher):
            assert feature_words(name).methods.endswith(".")
    assert feature_words("musicnn#cnn3") is FEATURE_WORDS["musicnn"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("file", "needs a path: --teacher file:PATH"),
        ("mel:somewhere", "takes no path"),
        ("mel#3", "has no layer '3'. It has only one"),
        ("musicnn#cnn4", "Expected one of timbral, temporal, cnn1, cnn2, cnn3"),
        ("musicn", "Did you mean 'musicnn'"),
    ],
)
def test_names_that_mean_no_teacher_are_refused(name, words):
    with pytest.raises(WrongUsage, match=words):
        features_kind(name)


def test_features_from_files_are_kept_at_their_own_rate_under_the_hash_of_the_files(audio, directory, tmp_path):
    name = f"file:{directory}"
    assert make_features(name, 125.0).problems(audio) == []
    kept = keep_features(audio["b"], name, 125.0, tmp_path / "kept", "b")
    frames = read_frames(kept, 125.0)
    assert frames.values == pytest.approx(np.load(directory / "song-b.npy").T, abs=1e-6)
    assert (frames.rate_hz, frames.first_s) == (RATE, 0.0)
    before = identity_of(name, 125.0, tmp_path / "kept")
    np.save(directory / "a.npy", np.ones((100, 3)))
    assert identity_of(name, 125.0, tmp_path / "kept") != before
    assert keep_features(audio["b"], name, 125.0, tmp_path / "kept", "b") != kept


def damaged(directory, damage):
    rows = np.ones((100, 3))
    if damage == "nan":
        rows[7, 2] = np.nan
    elif damage == "length":
        rows = np.ones((90, 3))
    elif damage == "swapped":
        rows = np.ones((3, 100))
    elif damage == "objects":
        rows = np.array([[{}]], dtype=object)
    elif damage == "flat":
        rows = np.ones(100)
    elif damage == "number":
        rows = np.ones((100, 4))
    elif damage == "rate":
        (directory / "frames.json").unlink()
    elif damage == "rate of zero":
        (directory / "frames.json").write_text('{"FrameRate": 0}')
    elif damage == "missing":
        (directory / "a.npy").unlink()
        return
    elif damage == "two arrays":
        (directory / "a.npy").unlink()
        np.savez(directory / "a.npz", x=rows, y=rows)
        return
    elif damage == "text":
        (directory / "a.npy").write_text("no array")
        return
    np.save(directory / "a.npy", rows)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("nan", "first in frame 7, feature 2"),
        ("length", "has 90 frames, but song-a.wav lasts 2.00 s, which is 100 frames at 50 Hz"),
        ("swapped", "rows and columns swapped"),
        ("objects", "never read"),
        ("flat", "expected numbers, frames x features"),
        ("number", "have 4 features, but .*song-b.npy has 3"),
        ("rate", "frame rate of .* is not known"),
        ("rate of zero", "positive FrameRate"),
        ("missing", "no features of 'a': expected a.npy or a.npz or song-a.npy or song-a.npz"),
        ("two arrays", "holds 2 arrays"),
        ("text", "no array of numbers"),
    ],
)
def test_wrong_files_are_refused_by_name(audio, directory, damage, words):
    damaged(directory, damage)
    problems = "\n".join(FileTeacher(125.0, directory).problems(audio))
    assert re.search(words, problems), problems
    assert str(directory) in problems


def test_all_that_is_wrong_is_told_at_once(audio, directory):
    damaged(directory, "missing")
    np.save(directory / "song-b.npy", np.full((100, 3), np.inf))
    assert len(FileTeacher(125.0, directory).problems(audio)) == 2


def test_a_directory_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(MissingInput, match="There is no directory"):
        make_features(f"file:{tmp_path / 'none'}", 125.0)


def probability_by_scanning(past, symbol, n_symbols, order):
    """Escape method C, interpolated, from the definition: scan the past for each context."""
    probability = 1 / n_symbols
    for length in range(min(order, len(past)) + 1):
        context = past[len(past) - length :]
        followed = [past[i + length] for i in range(len(past) - length) if past[i : i + length] == context]
        if not followed:
            break
        different = len(set(followed))
        probability = (followed.count(symbol) + different * probability) / (len(followed) + different)
    return probability


@pytest.mark.parametrize("order", [0, 1, 3])
def test_surprisal_and_entropy_follow_from_what_came_before(order):
    symbols = [int(s) for s in np.random.default_rng(2).choice(3, 60, p=[0.6, 0.3, 0.1])]
    found = expect(symbols, 3, order)
    for place, symbol in enumerate(symbols):
        p = [probability_by_scanning(symbols[:place], s, 3, order) for s in range(3)]
        assert sum(p) == pytest.approx(1)
        assert found.surprisal[place] == pytest.approx(-np.log(p[symbol]))
        assert found.entropy[place] == pytest.approx(-sum(q * np.log(q) for q in p))


def test_what_repeats_becomes_expected():
    found = expect([0, 1, 2, 3] * 20, 4, 3)
    assert found.surprisal[0] == pytest.approx(np.log(4))
    assert found.surprisal[-4:].max() < 0.1


def test_a_tone_is_heard_as_its_pitch_class_and_silence_as_none():
    times = np.arange(16_000) / 16_000
    tone = np.sin(2 * np.pi * 261.63 * times).astype(np.float32) * 0.5  # middle C, three semitones above A
    (pitches, n_pitches), (levels, n_levels), _ = viewpoints(np.concatenate([tone, np.zeros_like(tone)]))
    assert (n_pitches, n_levels) == (PITCH_CLASSES + 1, LEVELS)
    assert set(pitches[1:8]) == {3}
    assert set(pitches[12:]) == {PITCH_CLASSES}
    assert levels[4] > levels[15] == 0


@pytest.mark.parametrize("name", ["mel", "surprisal", "entropy"])
def test_teachers_without_weights_have_as_many_features_and_frames_as_they_say(name):
    teacher = make_features(name, 125.0)
    features = teacher(torch.randn(1, 2 * teacher.audio_rate) * 0.1)
    assert features.shape[1] == teacher.bands
    assert abs(features.shape[2] - 2 * teacher.frame_rate_hz) <= 2
    assert torch.isfinite(features).all()


def test_a_click_is_seen_by_the_mel_teacher_when_it_was_heard():
    teacher = make_features("mel", 125.0)
    sound = torch.zeros(1, 32_000)
    sound[0, 16_000] = 1.0
    power = teacher(sound)[0].exp().sum(dim=0).numpy()
    times = teacher.first_s + np.arange(len(power)) / teacher.frame_rate_hz
    weight = power - power.min()
    assert (weight * times).sum() / weight.sum() == pytest.approx(1.0, abs=0.002)


def test_a_teacher_beside_features_by_hand_has_one_frame_for_each_sample_of_the_eeg():
    both = Beside(125.0, "mel", "spectra")
    assert both(torch.randn(1, 2 * both.audio_rate)).shape == (1, 64 + 18, 250)


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def written_block(entries):
    body, before = b"", b""
    for key, value in entries:
        pairs = zip(before, key, strict=False)
        shared = next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(before), len(key)))
        body += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return body + struct.pack("<II", 0, 1)


def written_checkpoint(variables):
    """Write index and data as TensorFlow does, without checksums, which are not read."""
    data, entries = b"", [(b"", b"\x08\x01")]
    for name, values in sorted(variables.items()):
        content = np.asarray(values, dtype="<f4").tobytes()
        dims = b"".join(b"\x12" + varint(len(d)) + d for d in (b"\x08" + varint(n) for n in np.shape(values)))
        message = b"\x08\x01\x12" + varint(len(dims)) + dims
        message += b"\x20" + varint(len(data)) + b"\x28" + varint(len(content)) + b"\x35\0\0\0\0"
        entries.append((name.encode(), message))
        data += content
    block = written_block(entries)
    meta, handle = written_block([]), varint(0) + varint(len(block))
    top = written_block([(b"z", handle)])
    places = (len(block) + 5, len(block) + 5 + len(meta) + 5)
    index = block + b"\0" * 5 + meta + b"\0" * 5 + top + b"\0" * 5
    footer = varint(places[0]) + varint(len(meta)) + varint(places[1]) + varint(len(top))
    return index + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57), data


def test_variables_of_a_checkpoint_are_read_without_tensorflow():
    variables = {"dense/bias": np.arange(3.0), "dense/kernel": np.arange(600.0).reshape(200, 3), "step": np.array(4.0)}
    found = read_variables(*written_checkpoint(variables), "it")
    assert found.keys() == variables.keys()
    for name, values in variables.items():
        assert np.array_equal(found[name], values)


@pytest.mark.parametrize("damage", ["magic", "cut", "data"])
def test_damaged_checkpoints_are_refused(damage):
    index, data = written_checkpoint({"w": np.ones((4, 4))})
    broken = {"magic": (index[:-1] + b"\0", data), "cut": (index[:20], data), "data": (index, data[:-4])}[damage]
    with pytest.raises(UnusableData, match=r"it is no TensorFlow checkpoint|it is damaged"):
        read_variables(*broken, "it")


MUSICNN_SHAPES = {
    "conv2d": (7, 38, 1, 204),
    "conv2d_1": (7, 67, 1, 204),
    "conv2d_2": (128, 1, 1, 51),
    "conv2d_3": (64, 1, 1, 51),
    "conv2d_4": (32, 1, 1, 51),
    "conv2d_5": (7, 561, 1, 64),
    "conv2d_6": (7, 64, 1, 64),
    "conv2d_7": (7, 64, 1, 64),
    "dense": (1506, 200),
    "dense_1": (200, 50),
}
NORMS = (1, 204, 204, 51, 51, 51, 64, 64, 64, 1506, 200)


@pytest.fixture(scope="module")
def musicnn_wheel(tmp_path_factory):
    """A wheel with weights drawn at random."""
    rng = np.random.default_rng(0)
    variables = {}
    for name, shape in MUSICNN_SHAPES.items():
        variables[f"{name}/kernel"] = rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))
        variables[f"{name}/bias"] = rng.standard_normal(shape[-1]) * 0.1
    for number, size in enumerate(NORMS):
        prefix = f"batch_normalization_{number}" if number else "batch_normalization"
        for part in ("beta", "moving_mean"):
            variables[f"{prefix}/{part}"] = rng.standard_normal(size) * 0.1
        for part in ("gamma", "moving_variance"):
            variables[f"{prefix}/{part}"] = rng.uniform(0.5, 1.5, size)
    wheel = tmp_path_factory.mktemp("wheel") / "musicnn-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        for ending, content in zip((".index", ".data-00000-of-00001"), written_checkpoint(variables), strict=True):
            file.writestr(f"musicnn/MTT_musicnn/{ending}", content)
    return wheel, variables


def test_layers_of_musicnn_are_convolutions_whose_highest_value_over_frequencies_is_taken(musicnn_wheel):
    wheel, variables = musicnn_wheel
    network = make_features(f"musicnn:{wheel}", 125.0).network
    spectra = torch.rand(1, 96, 40)
    layers = network.layers(spectra)

    def norm(x, number):
        prefix = f"batch_normalization_{number}" if number else "batch_normalization"
        mean, variance, gamma, beta = (
            variables[f"{prefix}/{part}"] for part in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    x = norm(spectra[0].numpy().T, 0)  # (frames, 96)
    padded = np.pad(x, ((3, 3), (0, 0)))
    kernel = variables["conv2d/kernel"][:, :, 0]
    patches = np.stack([padded[20 : 20 + 7, low : low + 38] for low in range(96 - 38 + 1)])
    found = np.maximum(np.einsum("ptf,tfk->pk", patches, kernel) + variables["conv2d/bias"], 0)
    assert layers["timbral"][0, :204, 20].numpy() == pytest.approx(norm(found, 1).max(axis=0), abs=1e-4)

    kernel = variables["conv2d_4/kernel"][:, 0, 0]  # 32 frames, of which TensorFlow has 15 before
    around = np.pad(x, ((15, 16), (0, 0)))[20 : 20 + 32]
    found = np.maximum(np.einsum("tf,tk->fk", around, kernel) + variables["conv2d_4/bias"], 0)
    assert layers["temporal"][0, 102:, 20].numpy() == pytest.approx(norm(found, 5).max(axis=0), abs=1e-4)

    before = layers["cnn1"][0].numpy().T
    kernel = variables["conv2d_6/kernel"][:, :, 0]
    found = np.einsum("tf,tfk->k", np.pad(before, ((3, 3), (0, 0)))[20:27], kernel) + variables["conv2d_6/bias"]
    expected = before[20] + norm(np.maximum(found, 0), 7)
    assert layers["cnn2"][0, :, 20].numpy() == pytest.approx(expected, abs=1e-4)


def test_musicnn_computes_long_music_in_parts_as_it_would_at_once(musicnn_wheel, monkeypatch):
    from predann_bids.models.teachers import musicnn_network

    network = make_features(f"musicnn:{musicnn_wheel[0]}", 125.0).network
    monkeypatch.setattr(musicnn_network, "CHUNK", 60)
    waveform = torch.randn(1, 256 * 150) * 0.1
    parts, whole = network(waveform), network.layers(network.spectra(waveform))
    for name, values in whole.items():
        assert torch.allclose(parts[name], values, atol=1e-4)


def spoil(file):
    """Write nonsense of the same size and time of change, which only those notice who open the file."""
    stat = file.stat()
    file.write_bytes(b"?" * stat.st_size)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def forget_what_is_in_memory():
    features._made.cache_clear()


def test_weights_of_a_teacher_whose_features_are_cached_are_never_opened(musicnn_wheel, audio, tmp_path):
    wheel = tmp_path / "it.whl"
    shutil.copyfile(musicnn_wheel[0], wheel)
    os.utime(wheel, (1e9, 1e9))
    name, cache = f"musicnn:{wheel}#cnn3", tmp_path / "kept"
    assert not features.is_known(name, cache)
    kept = keep_features(audio["a"], name, 125.0, cache, "a")
    identity = identity_of(name, 125.0, cache)
    forget_what_is_in_memory()
    spoil(wheel)
    assert features.is_known(name, cache)
    assert keep_features(audio["a"], name, 125.0, cache, "a") == kept
    assert identity_of(name, 125.0, cache) == identity
    with pytest.raises(UnusableData, match="is not the wheel"):
        keep_features(audio["b"], name, 125.0, cache, "b")
    os.utime(wheel, (2e9, 1e9 + 1))
    assert not features.is_known(name, cache)
    with pytest.raises(UnusableData, match="is not the wheel"):
        keep_features(audio["a"], name, 125.0, cache, "a")


def test_weights_that_have_just_been_written_are_not_relied_on(directory, audio, tmp_path):
    name = f"file:{directory}"
    keep_features(audio["a"], name, 125.0, tmp_path / "kept", "a")
    assert not features.is_known(name, tmp_path / "kept")
    for file in directory.iterdir():
        os.utime(file, (1e9, 1e9))
    keep_features(audio["a"], name, 125.0, tmp_path / "kept", "a")
    assert features.is_known(name, tmp_path / "kept")


def test_teachers_list_the_files_that_they_read(musicnn_wheel, directory, tmp_path):
    unpacked = tmp_path / "package"
    with zipfile.ZipFile(musicnn_wheel[0]) as wheel:
        wheel.extractall(unpacked)
    listed = features_kind("musicnn").weights(unpacked)
    assert [file.name for file in listed] == [".index", ".data-00000-of-00001"]
    assert features_kind("musicnn").weights(musicnn_wheel[0]) == [musicnn_wheel[0]]
    assert [file.name for file in FileTeacher.weights(directory)] == ["a.npy", "frames.json", "song-b.npy"]
    model = tmp_path / "nmp.onnx"
    model.write_bytes(b"")
    assert features_kind("basic-pitch").weights(model) == [model]


def test_a_layer_of_musicnn_can_be_chosen(musicnn_wheel):
    assert make_features(f"musicnn:{musicnn_wheel[0]}", 125.0).bands == 192
    assert make_features(f"musicnn:{musicnn_wheel[0]}#temporal", 125.0).bands == 153


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("musicnn", "pip install --no-deps musicnn==0.1.0"),
        ("basic-pitch", "pip install --no-deps basic-pitch==0.4.0"),
        ("crepe-tiny", "pip install 'predann-bids\\[crepe\\]'"),
    ],
)
def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it(name, command, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "torchcrepe", None)
    with pytest.raises(MissingInput, match=command):
        make_features(name, 125.0)


@pytest.mark.parametrize("name", ["musicnn", "basic-pitch"])
def test_a_file_that_is_no_model_is_refused(name, tmp_path):
    (tmp_path / "it.whl").write_text("no wheel")
    with pytest.raises(UnusableData, match="is not the wheel"):
        make_features(f"{name}:{tmp_path / 'it.whl'}", 125.0)


@pytest.mark.parametrize(("name", "kind"), [("wav2vec2", "Wav2Vec2"), ("hubert", "Hubert")])
def test_hidden_states_come_from_a_local_directory(name, kind, tmp_path, monkeypatch, capfd):
    transformers = pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
    from predann_bids.models.audio import hub

    config = getattr(transformers, f"{kind}Config")(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8, 8),
        conv_kernel=(10, 8),
        conv_stride=(10, 8),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
    )
    getattr(transformers, f"{kind}Model")(config).save_pretrained(tmp_path)
    capfd.readouterr()
    teacher = make_features(f"{name}:{tmp_path}", 125.0)
    assert capfd.readouterr() == ("", "")
    assert (teacher.frame_rate_hz, teacher.bands, teacher.layer) == (200.0, 16, 2)
    with torch.no_grad():
        waveform = torch.randn(1, 16_000)
        assert teacher(waveform).shape == (1, 16, 200)
        first = make_features(f"{name}:{tmp_path}#0", 125.0)
        whole = first(waveform)
        monkeypatch.setattr(hub, "CHUNK_S", 0.3)
        assert torch.allclose(first(waveform)[..., 10:50], whole[..., 10:50], atol=1e-4)
    with pytest.raises(WrongUsage, match="has layers 0 to 4, not 6"):
        make_features(f"{name}:{tmp_path}#6", 125.0)
    teacher.network.half().save_pretrained(tmp_path)
    assert make_features(f"{name}:{tmp_path}", 125.0).network.dtype == torch.float32
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UnusableData, match="no weights of"):
        make_features(f"{name}:{tmp_path}", 125.0)


def test_a_directory_without_a_model_is_refused(tmp_path):
    with pytest.raises(MissingInput, match=r"config.json is missing"):
        make_features(f"hubert:{tmp_path}", 125.0)
    (tmp_path / "config.json").write_text('{"model_type": "wavlm"}')
    with pytest.raises(UnusableData, match="type 'wavlm': expected 'hubert'"):
        make_features(f"hubert:{tmp_path}", 125.0)

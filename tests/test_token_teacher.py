"""Teachers that ask a language model of sound what it expects: made-up logits, and a tiny model that the tests save."""

import json
import math

import numpy as np
import pytest
import torch

from predann_bids.errors import MissingInput, UnusableData, WrongUsage
from predann_bids.models.audio.features import features_kind, make_features
from predann_bids.models.teachers.delayed_tokens import delayed, expected_bits

BLANK = 9


def test_the_codebooks_of_a_frame_are_heard_one_position_after_the_other():
    tokens = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 0]])
    assert delayed(tokens, BLANK).tolist() == [
        [BLANK, 1, 2, 3, BLANK],
        [BLANK, BLANK, 4, 5, 6],
        [BLANK, BLANK, BLANK, 7, 8],
    ]


def test_a_single_codebook_is_heard_up_to_the_frame_before():
    assert delayed(torch.tensor([[1, 2, 3]]), BLANK).tolist() == [[BLANK, 1, 2]]


def test_surprisal_and_entropy_are_those_of_the_position_at_which_a_token_is_predicted():
    rng = np.random.default_rng(0)
    codebooks, frames, words = 3, 5, 4
    logits = rng.standard_normal((codebooks, frames + codebooks - 1, words))
    tokens = rng.integers(0, words, (codebooks, frames))
    found = expected_bits(torch.from_numpy(logits), torch.from_numpy(tokens)).numpy()
    for codebook in range(codebooks):
        for frame in range(frames):
            weights = [math.exp(value) for value in logits[codebook, frame + codebook]]
            p = [weight / sum(weights) for weight in weights]
            assert found[codebook, frame] == pytest.approx(-math.log2(p[tokens[codebook, frame]]), abs=1e-5)
            assert found[codebooks + codebook, frame] == pytest.approx(-sum(q * math.log2(q) for q in p), abs=1e-5)


def test_equal_logits_are_as_uncertain_as_the_vocabulary_is_large():
    bits = expected_bits(torch.zeros(1, 4, 16), torch.tensor([[0, 3, 5, 15]]))
    assert bits.numpy() == pytest.approx(np.full((2, 4), 4.0))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A directory with a tiny MusicGen of two codebooks, 50 frames per second at 1 kHz."""
    transformers = pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
    torch.manual_seed(0)
    text = transformers.T5Config(vocab_size=8, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    sound = transformers.EncodecConfig(
        target_bandwidths=[0.4],
        sampling_rate=1000,
        hidden_size=8,
        num_filters=2,
        upsampling_ratios=[5, 4],
        codebook_size=16,
        codebook_dim=8,
        num_lstm_layers=1,
        use_causal_conv=False,
        norm_type="weight_norm",
    )
    language = transformers.MusicgenDecoderConfig(
        vocab_size=16,
        pad_token_id=16,
        bos_token_id=16,
        num_codebooks=2,
        hidden_size=16,
        ffn_dim=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        initializer_factor=0.5,
    )
    parts = {"text_encoder": text, "audio_encoder": sound, "decoder": language}
    config = transformers.MusicgenConfig(**{name: part.to_dict() for name, part in parts.items()})
    made = transformers.MusicgenForConditionalGeneration(config)
    with torch.no_grad():  # words of the codebooks where sound is, so that not all sound is the same word
        states = made.audio_encoder.encoder(torch.randn(1, 1, 16 * 20))[0].T
        for layer in made.audio_encoder.quantizer.layers:
            layer.codebook.embed.copy_(states[:16])
            states = states[:16] - states[:16].roll(1, dims=0)
    root = tmp_path_factory.mktemp("musicgen")
    made.save_pretrained(root)
    return root


@torch.no_grad()
def test_each_token_is_compared_with_what_the_model_says_after_those_before_it(model):
    """Ask the model for one position after the other, with nothing after it, as when it composes."""
    teacher = make_features(f"musicgen:{model}#8", 125.0)
    assert (teacher.audio_rate, teacher.frame_rate_hz, teacher.first_s, teacher.bands) == (1000, 50.0, 0.01, 4)
    waveform = torch.randn(1, 240)
    tokens = teacher.tokens(waveform[0])
    assert tokens.shape == (2, 12)
    assert len(set(tokens.flatten().tolist())) > 3
    found = teacher(waveform)[0]
    for codebook in range(2):
        for frame in range(12):
            before = delayed(tokens, 16)[:, : frame + codebook + 1]
            p = teacher.language(input_ids=before).logits[codebook, -1].softmax(dim=0)
            assert found[codebook, frame] == pytest.approx(-math.log2(p[tokens[codebook, frame]]), abs=1e-3)
            assert found[2 + codebook, frame] == pytest.approx(-float((p * p.log2()).sum()), abs=1e-3)


@torch.no_grad()
def test_the_input_is_arranged_as_the_library_arranges_it(model):
    language = make_features(f"musicgen:{model}", 125.0).language
    tokens = torch.arange(10).reshape(2, 5)
    blank_first = torch.cat([torch.full((2, 1), 16), tokens], dim=1)
    _, pattern = language.build_delay_pattern_mask(blank_first, pad_token_id=16, max_length=8)
    assert delayed(tokens, 16).tolist() == pattern[:, :6].tolist()


@torch.no_grad()
def test_no_text_is_the_text_that_music_is_made_without(model):
    """The library composes without a text by states of zero; the language model alone is asked for the same."""
    transformers = pytest.importorskip("transformers")
    whole = transformers.MusicgenForConditionalGeneration.from_pretrained(model).eval()
    ids = torch.tensor([[16, 1, 2, 3], [16, 16, 4, 5]])
    nothing = whole.get_unconditional_inputs(num_samples=1)
    states = nothing.encoder_outputs
    expected = whole(
        encoder_outputs=states, attention_mask=nothing.attention_mask, decoder_input_ids=ids, use_cache=False
    ).logits
    assert torch.allclose(whole.decoder(input_ids=ids, use_cache=False).logits, expected, atol=1e-4)


@torch.no_grad()
def test_every_frame_hears_at_least_half_of_the_context_before_it(model):
    notes = []
    teacher = make_features(f"musicgen:{model}#8", 125.0)
    teacher.tell = notes.append
    tokens = torch.randint(0, 16, (2, 900))
    whole = teacher._expected(tokens)
    assert whole.shape == (4, 900)
    assert notes == ["4 of 18 s", "8 of 18 s", "12 of 18 s", "16 of 18 s", "18 of 18 s"]
    for first, end in ((200, 400), (600, 800)):  # the second half of a window of 8 s
        alone = teacher._expected(tokens[:, first - 200 : end + 1])
        assert torch.allclose(whole[:, first:end], alone[:, 200:400], atol=1e-3)


@torch.no_grad()
def test_long_sound_becomes_tokens_in_parts_as_it_would_at_once(model, monkeypatch):
    from predann_bids.models.audio import musicgen

    teacher = make_features(f"musicgen:{model}", 125.0)
    waveform = torch.randn(4001)
    whole = teacher.tokens(waveform)
    assert whole.shape == (2, 201)
    monkeypatch.setattr(musicgen, "ENCODED_S", 1.5)
    parts = teacher.tokens(waveform)
    assert parts.shape == whole.shape
    assert (parts == whole).float().mean() > 0.95


def test_contexts_have_the_lengths_that_are_known():
    with pytest.raises(WrongUsage, match=r"has no layer '12'\. Expected one of 8, 16, 32"):
        features_kind("musicgen:somewhere#12")


def test_other_models_are_refused(model, tmp_path):
    with pytest.raises(MissingInput, match=r"config.json is missing"):
        make_features(f"musicgen:{tmp_path}", 125.0)
    config = json.loads((model / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnusableData, match="no weights of MusicgenForConditionalGeneration as safetensors"):
        make_features(f"musicgen:{tmp_path}", 125.0)
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "t5"}))
    with pytest.raises(UnusableData, match="of type 't5': expected 'musicgen'"):
        make_features(f"musicgen:{tmp_path}", 125.0)


@pytest.fixture
def muq(tmp_path):
    """A directory with a tiny MuQ, and the network itself."""
    transformers = pytest.importorskip("transformers", reason="the extra 'muq' is not installed")
    library = pytest.importorskip("muq", reason="the extra 'muq' is not installed")
    conformer = transformers.Wav2Vec2ConformerConfig(
        num_attention_heads=2, hidden_size=16, intermediate_size=16, conv_depthwise_kernel_size=3
    )
    statistics = {"melspec_2048_mean": 0.0, "melspec_2048_std": 1.0}
    config = library.MuQConfig(
        conv_dim=8,
        encoder_dim=16,
        encoder_depth=2,
        codebook_size=8,
        stat=statistics,
        w2v2_config={name: value for name, value in conformer.to_dict().items() if not name.endswith("2label")},
    )
    network = library.MuQ(config).eval()
    network.save_pretrained(tmp_path)
    return tmp_path, network


@torch.no_grad()
def test_hidden_states_of_muq_come_from_a_local_directory(muq):
    place, network = muq
    waveform = torch.randn(1, 48_000) * 0.1
    states = network(waveform).hidden_states
    teacher = make_features(f"muq:{place}", 125.0)
    assert (teacher.audio_rate, teacher.frame_rate_hz, teacher.bands, teacher.layer) == (24_000, 25.0, 16, 2)
    assert torch.allclose(teacher(waveform)[0].T, states[2][0], atol=1e-5)
    first = make_features(f"muq:{place}#0", 125.0)
    assert torch.allclose(first(waveform)[0].T, states[0][0], atol=1e-5)
    with pytest.raises(WrongUsage, match="has layers 0 to 2, not 3"):
        make_features(f"muq:{place}#3", 125.0)
    (place / "model.safetensors").unlink()
    with pytest.raises(MissingInput, match="holds no MuQ"):
        make_features(f"muq:{place}", 125.0)

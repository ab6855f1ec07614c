import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from predann_bids.data.source import Source
from predann_bids.data.stores.mapped import AudioStore
from predann_bids.errors import MissingInput, UnusableData
from predann_bids.models.audio.log_mel import LogMel
from predann_bids.models.checkpoints import FORMAT, load_decoder, save_decoder
from predann_bids.models.decoders.temporal import TemporalDecoder, TemporalSettings, logits_within_batch
from predann_bids.models.losses import predann_loss, similarity
from predann_bids.models.memory import MOMENT_STRIDE
from predann_bids.models.temporal.layers import middle

SONGS = ("a", "b", "c")


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    settings = TemporalSettings(("Fz", "Cz", "Pz"), SONGS, 125.0, 0.2, 1.0, memory_frames=200, width=6, dimensions=4)
    decoder = TemporalDecoder(settings).eval()
    decoder.remember(songs(*(torch.randn(32, frames) for frames in (400, 300, 200))))
    return decoder


def songs(*features):
    """The features of whole songs, as decoders ask for them."""
    return Source((), None, AudioStore(tuple(one.numpy() for one in features)), 125, 0).songs()


def by_hand(eeg, audio, temperature):
    """The PredANN loss, written out as sums over pairs."""
    eeg, audio = eeg.double().numpy(), audio.double().numpy()
    n, total = len(eeg), 0.0

    def cosine(x, y):
        return float((x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum())) / temperature

    for i in range(n):
        total -= cosine(eeg[i], audio[i]) - math.log(sum(math.exp(cosine(eeg[i], audio[j])) for j in range(n)))
        total -= cosine(eeg[i], audio[i]) - math.log(sum(math.exp(cosine(eeg[j], audio[i])) for j in range(n)))
    return total / (2 * n)


@pytest.mark.parametrize("shape", [(5, 7), (4, 3, 6)])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_predann_loss_is_the_mean_cross_entropy_over_both_directions(shape, temperature):
    torch.manual_seed(1)
    eeg, audio = torch.randn(shape), torch.randn(shape)
    assert float(predann_loss(eeg, audio, temperature)) == pytest.approx(by_hand(eeg, audio, temperature), rel=1e-5)


def test_predann_loss_does_not_depend_on_loudness():
    torch.manual_seed(1)
    eeg, audio = torch.randn(4, 6), torch.randn(4, 6)
    torch.testing.assert_close(predann_loss(3 * eeg, 0.1 * audio, 0.5), predann_loss(eeg, audio, 0.5))


def test_predann_loss_is_smallest_when_each_belongs_to_its_own():
    audio = torch.eye(6)
    assert predann_loss(audio, audio, 0.1) < 0.01 < predann_loss(audio.roll(1, 0), audio, 0.1)


def test_encoders_give_logits_and_a_representation_with_a_time_axis(decoder):
    logits, z = decoder.encode_eeg(torch.randn(2, 3, 125))
    assert (logits.shape, z.shape) == ((2, 3), (2, 4, 62))
    logits, z = decoder.encode_audio(torch.randn(2, decoder.audio_rate))
    assert (logits.shape, z.shape) == ((2, 3), (2, 4, 62))


def test_representations_have_mean_zero_over_time(decoder):
    for z in (decoder.encode_eeg(torch.randn(2, 3, 125))[1], decoder.encode_audio(torch.randn(2, 16000))[1]):
        torch.testing.assert_close(z.mean(dim=2), torch.zeros(2, 4), atol=1e-6, rtol=0)


@torch.no_grad()
def test_song_logits_sum_up_the_evidence_over_all_moments(decoder):
    z = decoder.encode_eeg(torch.randn(2, 3, 125))[1]
    expected = np.empty((2, 3))
    for i, song in enumerate(decoder.memory):
        length = int(decoder.memory_lengths[i])
        for row in range(2):
            evidence = []
            for first in range(0, length - 62 + 1, MOMENT_STRIDE):
                heard = song[:, first : first + 62]
                heard = heard - heard.mean(dim=1, keepdim=True)
                evidence.append(math.exp(float(F.cosine_similarity(z[row].flatten(), heard.flatten(), dim=0)) / 0.05))
            expected[row, i] = math.log(sum(evidence) / len(evidence))
    np.testing.assert_allclose(decoder.song_logits(z).numpy(), expected, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_a_remembered_moment_matches_itself_at_its_own_moment(decoder):
    z = decoder.memory[1, :, 30:92][None]
    similarities = decoder.match(z - z.mean(dim=2, keepdim=True), torch.tensor([60]))
    assert float(similarities[0, 1]) == pytest.approx(1, abs=1e-5)
    assert float(similarities[0, 0]) < 0.9


@torch.no_grad()
def test_songs_that_do_not_last_that_long_are_no_candidates(decoder):
    similarities = decoder.match(torch.randn(1, 4, 62), torch.tensor([200]))
    assert similarities.isnan()[0].tolist() == [False, True, True]


def test_a_decoder_that_remembers_nothing_says_so():
    decoder = TemporalDecoder(TemporalSettings(("Fz",), SONGS, 125.0, 0.2, 1.0, memory_frames=100, n_bands=8))
    with pytest.raises(RuntimeError, match="remember"):
        decoder.encode_eeg(torch.randn(1, 1, 125))


def test_logits_within_a_batch_leave_out_the_window_s_own_moment():
    similarities = torch.eye(4) * 100.0
    logits, _ = logits_within_batch(similarities, torch.tensor([0, 0, 1, 1]), 2, 1.0)
    torch.testing.assert_close(logits, torch.zeros(4, 2))


def test_logits_within_a_batch_are_a_log_mean_over_the_other_windows_of_a_song():
    torch.manual_seed(2)
    s = torch.randn(4, 4)
    logits, _ = logits_within_batch(s, torch.tensor([0, 0, 0, 1]), 2, 0.5)
    assert float(logits[0, 0]) == pytest.approx(
        math.log((math.exp(s[0, 1] / 0.5) + math.exp(s[0, 2] / 0.5)) / 2), rel=1e-5
    )
    assert float(logits[0, 1]) == pytest.approx(float(s[0, 3] / 0.5), rel=1e-5)


def test_a_window_whose_song_no_other_window_belongs_to_has_no_right_answer():
    _, answerable = logits_within_batch(torch.randn(4, 4), torch.tensor([0, 0, 1, 2]), 3, 0.05)
    assert answerable.tolist() == [True, True, False, False]


def test_a_song_that_no_other_window_belongs_to_gets_a_finite_loss_and_gradient():
    s = torch.randn(3, 3, requires_grad=True)
    logits, _ = logits_within_batch(s, torch.tensor([0, 0, 1]), 3, 0.05)
    F.cross_entropy(logits[:2], torch.tensor([0, 0])).backward()
    assert torch.isfinite(logits).all()
    assert torch.isfinite(s.grad).all()


@pytest.mark.parametrize(
    ("rate_hz", "audio_rate"), [(125, 16000), (128, 16000), (100, 16000), (250, 16000), (62.5, 16000), (200, 16000)]
)
def test_spectra_have_one_frame_for_each_eeg_sample(rate_hz, audio_rate):
    spectra = LogMel(rate_hz, 8)
    assert spectra.audio_rate == audio_rate
    assert spectra(torch.zeros(1, 2 * audio_rate)).shape == (1, 8, 2 * rate_hz)


def test_spectra_follow_the_pitch_of_a_tone():
    time = torch.arange(16000) / 16000
    low, high = (LogMel(125, 16)(torch.sin(2 * torch.pi * hz * time)[None])[0, :, 50].argmax() for hz in (200, 4000))
    assert low < high


def test_a_click_is_heard_in_its_own_frame():
    sound = torch.zeros(1, 16000)
    sound[0, 8000] = 1
    loudest = LogMel(125, 16)(sound)[0].mean(dim=0).argmax()
    assert int(loudest) in (62, 63)


def test_a_decoder_survives_the_way_through_a_file(decoder, tmp_path):
    (tmp_path / "fold-2").mkdir()
    save_decoder(decoder, tmp_path / "fold-2" / "predann.ckpt", fold=2)
    eeg, audio = torch.randn(2, 3, 125), torch.randn(2, 16000)
    for path in (tmp_path, tmp_path / "fold-2" / "predann.ckpt"):
        loaded = load_decoder(path)
        assert not loaded.training
        for before, after in zip(
            decoder.encode_eeg(eeg) + decoder.encode_audio(audio),
            loaded.encode_eeg(eeg) + loaded.encode_audio(audio),
            strict=True,
        ):
            torch.testing.assert_close(after, before)


def test_loading_never_executes_what_is_in_a_file(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("code in a checkpoint was executed",))

    torch.save({"format": FORMAT, "settings": Trap()}, tmp_path / "trap.ckpt")
    with pytest.raises(UnusableData, match="read safely"):
        load_decoder(tmp_path / "trap.ckpt")


def test_a_file_that_is_no_decoder_is_refused(tmp_path):
    torch.save({"something": 1}, tmp_path / "other.ckpt")
    with pytest.raises(UnusableData, match="not a decoder of PredANN-BIDS"):
        load_decoder(tmp_path / "other.ckpt")


def test_a_directory_without_a_finished_fold_is_missing_input(tmp_path):
    with pytest.raises(MissingInput, match="no finished fold"):
        load_decoder(tmp_path)


def test_context_is_cut_off_around_the_middle():
    z = torch.arange(10.0).repeat(1, 2, 1)
    torch.testing.assert_close(middle(z, 4), torch.tensor([-1.5, -0.5, 0.5, 1.5]).repeat(1, 2, 1))


def test_similarity_of_unlike_numbers_of_windows_is_a_table(decoder):
    assert similarity(torch.randn(3, 4), torch.randn(5, 4)).shape == (3, 5)

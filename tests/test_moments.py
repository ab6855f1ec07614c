"""The audio encoder at many moments of a song, against PyTorch's layers on one padded window after the other."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from predann_bids.models.decoders.published import KINDS
from predann_bids.models.published import moments
from predann_bids.models.published.encoder import PublishedEncoder, padding
from predann_bids.models.published.moments import embed_moments


def make_encoder(kind="2d", *, far=True):
    """Make an encoder at rest with random weights; `far` has norms that are far from the standard ones, too."""
    torch.manual_seed(0)
    encoder = PublishedEncoder(7, kind=kind).eval()
    for norm in encoder.modules():
        if far and isinstance(norm, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.normal_(norm.weight, 1, 0.5)
            torch.nn.init.normal_(norm.bias, 0, 0.5)
            torch.nn.init.normal_(norm.running_mean)
            torch.nn.init.uniform_(norm.running_var, 0.2, 3)
    return encoder


ENCODERS = {(kind, far): make_encoder(kind, far=far).double() for kind in KINDS for far in (False, True)}


def make_song(length):
    return torch.randn(length, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def cut(song, starts, length):
    """Windows (n, length), with silence beyond the song."""
    inside = {position: float(value) for position, value in enumerate(song)}
    rows = [[inside.get(start + i, 0.0) for i in range(length)] for start in starts]
    return torch.tensor(rows, dtype=song.dtype)


@torch.no_grad()
def one_by_one(encoder, song, starts, length):
    """Logits and embeddings, from the layers on padded images."""
    images = F.pad(cut(song, starts, length), padding(length))[:, None]
    maps = encoder.sequential(images[:, None] if encoder.kind == "2d" else images)
    pooled = maps.flatten(2).mean(dim=2)
    return encoder.projector1(pooled), encoder.projector2(pooled)


def check(encoder, song, starts, length, **options):
    found = embed_moments(encoder, song, torch.tensor(starts), length, **options)
    expected = one_by_one(encoder, song, starts, length)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


# -- the same as one by one --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "far"), ENCODERS)
def test_windows_in_any_order_and_twice_are_what_the_layers_make_of_each(kind, far):
    starts = [100, 3, 250, 100, 0, 101, 3, 260, 4]
    check(ENCODERS[kind, far], make_song(300), starts, 40)


@pytest.mark.parametrize("length", [6, 7, 11, 12, 26, 27, 28, 70, 79, 80, 81, 82, 243])
def test_windows_may_have_any_length_and_any_padding(length):
    """There is none for powers of three, and no more than the layers reach for lengths just below."""
    check(ENCODERS["2d", True], make_song(300), [0, 1, 20, 57, 300 - length], length)


def test_beyond_either_end_there_is_silence():
    starts = [-5, -1, -39, -40, -41, -10_000, 290, 299, 300, 301, 10**9, 120]
    check(ENCODERS["2d", True], make_song(300), starts, 40)


@pytest.mark.parametrize("length", [0, 1, 5, 39])
def test_a_song_may_be_shorter_than_a_window(length):
    check(ENCODERS["2d", True], make_song(length), [-30, 0, 3], 40)


@pytest.mark.parametrize("block", [1, 5, 64, 1000, 5000])
def test_windows_do_not_depend_on_the_blocks_in_which_the_song_is_taken(block):
    at_borders = [3 * 64 + i for i in range(-4, 5)] + [5 * 64 - 40 + i for i in range(-4, 5)]
    check(ENCODERS["2d", True], make_song(1000), [0, 960, 700, *at_borders], 40, block=block)


def test_a_window_at_every_sample_is_as_good_as_a_few():
    check(ENCODERS["2d", True], make_song(200), list(range(-10, 180)), 30, block=50)


@settings(max_examples=100, deadline=None)
@given(
    starts=st.lists(st.integers(-80, 260), min_size=1, max_size=12),
    length=st.integers(6, 90),
    song_length=st.integers(0, 250),
    block=st.integers(10, 300),
    encoder=st.sampled_from(list(ENCODERS.values())),
)
def test_every_window_of_every_song_is_what_the_layers_make_of_it(starts, length, song_length, block, encoder):
    check(encoder, make_song(song_length), starts, length, block=block)


# -- as it is used -----------------------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("far", [False, True])
def test_in_single_precision_windows_are_those_of_the_encoder(kind, far):
    encoder, length = make_encoder(kind, far=far), 20_000
    song = torch.sin(torch.arange(60_000) / 20) * torch.linspace(0, 1, 60_000) + 0.1 * make_song(60_000).float()
    starts = torch.tensor([30_000, 0, 12_345, 40_000, 4096])
    found = embed_moments(encoder, song, starts, length)
    for i, start in enumerate(starts):
        expected = encoder(song[None, None, start : start + length])
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.dtype == torch.float32
            torch.testing.assert_close(ours[i], theirs[0], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_windows_of_the_paper_are_those_of_the_encoder():
    encoder = make_encoder()
    song = 0.1 * make_song(140_000).float()
    for ours, theirs in zip(
        embed_moments(encoder, song, torch.tensor([7000, 353]), 132_300),
        encoder(torch.stack([song[7000:139_300], song[353:132_653]])[:, None]),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_sums_over_a_long_song_lose_nothing_in_single_precision():
    """The running sum of a song grows to a thousand times that of a window; in single precision this would show."""
    encoder, length, last = make_encoder(), 100, 100_000
    song = make_song(last + length).float()
    far_off = embed_moments(encoder, song, torch.tensor([0, *range(50, last, 100), last]), length)
    alone = embed_moments(encoder, song[last:], torch.tensor([0]), length)
    for late, early in zip(far_off, alone, strict=True):
        torch.testing.assert_close(late[-1:], early, rtol=1e-5, atol=1e-6)


def test_the_song_is_taken_once_in_blocks_and_only_where_there_are_windows(monkeypatch):
    taken, features = [], moments._features
    monkeypatch.setattr(moments, "_features", lambda x, k: taken.append(len(x) - 6) or features(x, k))
    encoder, song = ENCODERS["2d", True], make_song(4000)
    embed_moments(encoder, song, torch.arange(0, 3900, 3), 100, block=128)
    assert max(taken) == 128
    assert sum(taken) == 3897 + 100 - 6, "every position inside a window, once"
    taken.clear()
    check(encoder, song, [0, 10, 3800], 100, block=128)
    assert sum(taken) <= 4 * 128, "nothing of what lies between"


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_starts_may_be_of_any_integer_type(dtype):
    encoder, song = ENCODERS["2d", True], make_song(300)
    short = embed_moments(encoder, song, torch.tensor([20, 3], dtype=dtype), 30)
    torch.testing.assert_close(short, embed_moments(encoder, song, torch.tensor([20, 3]), 30))


def test_no_windows_have_no_embeddings():
    logits, embeddings = embed_moments(make_encoder(), torch.randn(100), torch.tensor([], dtype=torch.int64), 30)
    assert (logits.shape, embeddings.shape) == ((0, 7), (0, 100))


def test_mixed_precision_leaves_the_embeddings_alone():
    encoder, song, starts = make_encoder(), make_song(100).float(), torch.tensor([20, 3])
    expected = embed_moments(encoder, song, starts, 30)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = embed_moments(encoder, song, starts, 30)
    torch.testing.assert_close(found, expected)


def test_nothing_can_be_differentiated():
    assert not any(one.requires_grad for one in embed_moments(make_encoder(), torch.randn(50), torch.tensor([0]), 30))


def test_an_encoder_in_training_is_refused():
    with pytest.raises(ValueError, match="eval"):
        embed_moments(make_encoder().train(), torch.randn(100), torch.tensor([0]), 30)


def test_windows_shorter_than_their_edges_are_refused():
    with pytest.raises(ValueError, match="at least 6 samples, not 5"):
        embed_moments(make_encoder(), torch.randn(100), torch.tensor([0]), 5)

"""Steps that two processes share, against those of one: on processors, in double precision."""

import multiprocessing
from datetime import timedelta

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.config import resolve
from predann_bids.learning.sharing.joining import Meeting, join, leave
from predann_bids.models.decoders.published import PublishedDecoder, PublishedSettings
from predann_bids.models.published import blocks, columns, maps
from predann_bids.models.published import encoder as encoders
from predann_bids.models.published.share import Share
from predann_bids.models.published.team import Team, help_with

SONGS, CHANNELS = tuple("abc"), tuple("ABCDEF")
TRAINING = resolve(preset="published").training
CPU = torch.device("cpu")


def way_of(name, patch=setattr):
    """Return what passes batches through the blocks: as processors do, in small parts, or as accelerators do."""
    patch(columns, "PART_BYTES", {"cpu": 2**20, "cuda": 2**30})
    return blocks.pool_and_measure if name == "parts" else maps.pool_and_measure_maps


def helped(pipe, meeting):
    """Help in one way after the other, as the test names them."""
    torch.set_num_threads(1)
    join(meeting)
    while name := pipe.recv():

        def receive():
            message = pipe.recv()
            if message is None:
                raise EOFError
            return message

        help_with(receive, meeting.number, meeting.among, CPU, way_of(name))
    leave()


@pytest.fixture(scope="module")
def helper(tmp_path_factory):
    """The pipe to one further process, with which this one has met."""
    file = tmp_path_factory.mktemp("sharing") / "meeting"
    ours, theirs = multiprocessing.Pipe()
    one, other = (
        Meeting(file, number, 2, "cpu", "gloo", timedelta(minutes=2), 1, 0, fills_memory=True) for number in (0, 1)
    )
    process = multiprocessing.get_context("spawn").Process(target=helped, args=(theirs, other), daemon=True)
    process.start()
    join(one)
    yield ours
    ours.send("")
    process.join(30)
    leave()


def trained(decoder, batches):
    """Train for a step on each batch: losses, gradients of the last step, weights and running statistics."""
    # not Adam, which makes much of the rounding in gradients near zero
    optimizer, losses = torch.optim.SGD(decoder.parameters(), lr=0.1, momentum=0.9), []
    torch.manual_seed(3)
    for batch in batches:
        optimizer.zero_grad()
        terms = decoder.objective(*batch, TRAINING)
        terms["loss"].backward()
        optimizer.step()
        losses.append(torch.stack([terms[name].detach() for name in sorted(terms) if name != "accuracy"]))
    gradients = {name: one.grad for name, one in decoder.named_parameters() if one.grad is not None}
    return losses, gradients, dict(decoder.state_dict())


def batch_of(size):
    eeg, audio = torch.randn(size, 6, 40, dtype=torch.float64), torch.randn(size, 486, dtype=torch.float64)
    return eeg, audio, torch.randint(0, len(SONGS), (size,))


@pytest.mark.parametrize(("way", "dropout"), [("parts", 0.0), ("parts", 0.5), ("maps", 0.0)])
def test_two_processes_train_and_test_as_one_does(helper, monkeypatch, way, dropout):
    monkeypatch.setattr(encoders, "POSITIONS_OF_A_TILE", 200)
    measure = way_of(way, monkeypatch.setattr)
    torch.manual_seed(0)
    batches = [batch_of(5), batch_of(6)]  # the first cannot be halved
    alone, shared = (PublishedDecoder(PublishedSettings(CHANNELS, SONGS, dropout=dropout)).double() for _ in range(2))
    shared.load_state_dict(alone.state_dict())
    expected = trained(alone.train(), batches)
    helper.send(way)
    shared.share(Team(helper.send, 1, measure))
    found = trained(shared.train(), batches)
    with torch.no_grad():
        one, other = (decoder.eval().objective(*batches[0], TRAINING) for decoder in (shared, alone))
    helper.send(None)
    for some, others in zip((*found, one), (*expected, other), strict=True):
        torch.testing.assert_close(some, others, atol=1e-10, rtol=1e-10)


@given(st.integers(1, 9), st.integers(0, 40))
def test_every_window_is_in_one_share_and_no_share_is_empty(among, more):
    shares = [Share(among + more, number, among) for number in range(among)]
    rows = [row for share in shares for row in range(among + more)[share.rows]]
    assert rows == list(range(among + more))
    assert all(range(among + more)[share.rows] for share in shares)

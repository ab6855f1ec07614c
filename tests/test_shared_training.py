"""Whole trainings that two processes share."""

import os
import signal
import subprocess

import numpy as np
import pytest
import torch

from predann_bids.config import resolve
from predann_bids.data.source import Source
from predann_bids.data.splits import Split
from predann_bids.data.stores.mapped import EegStore
from predann_bids.data.stores.waveforms import WaveformStore
from predann_bids.data.trials import Stretch, Trial
from predann_bids.errors import MissingInput, TryAgain
from predann_bids.learning.fitting import Hardware, fit
from predann_bids.learning.sharing import helping
from predann_bids.models.decoders.published import PublishedSettings
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.surroundings.stopping import Stopped, stop_when_asked
from predann_bids.timing import Rate, Span

SONGS, CHANNELS = tuple("abc"), tuple("ABCDEF")


@pytest.fixture
def source():
    """Two listeners of three songs."""
    rng = np.random.default_rng(0)
    songs = [rng.standard_normal(2400).astype(np.float32) for _ in SONGS]
    trials = [Trial(str(n), "", "", "", n, song, 240 * song, 240, 0) for n in range(2) for song in range(3)]
    recordings = [
        MappedRecording(rng.standard_normal((720, 6)).astype(np.float32), np.ones(6, np.float32), CHANNELS, 50.0)
        for _ in range(2)
    ]
    return Source(tuple(trials), EegStore.open(recordings), WaveformStore(tuple(songs), Rate(50), Rate(500)), 40, 0)


@pytest.fixture
def train(source, tmp_path):
    settings = PublishedSettings(CHANNELS, SONGS, 50.0, 0.0, 0.8)
    sets = [tuple(Stretch(trial, Span(0, 240)) for trial in range(3 * n, 3 * n + 3)) for n in range(2)]
    config = resolve(preset="published").training.model_copy(
        update={"epochs": 3, "batch_size": 7, "keep": "best", "validate_every": 1, "drawing": "filled"}
    )

    def train(directory, beside=(), report=lambda units, note: None):
        hardware = Hardware("cpu", "1", "64-true", beside=beside)
        where = {"directory": tmp_path / directory, "name": "x", "hardware": hardware, "on_progress": report}
        return fit(source, Split(1, *sets, ()), "2d", settings, config, **where)

    return train


@pytest.fixture
def handled():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    stop_when_asked()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handled")
def test_a_shared_training_that_is_stopped_goes_on_alone_and_ends_as_one_that_was_never_shared(train):
    def stop(units, note):
        if units:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Stopped, match="Run the same command again"):
        train("shared", ("cpu",), report=stop)
    stop_when_asked()  # as a new process would
    resumed, history = train("shared")
    alone, expected = train("alone")
    assert [set(row) for row in history] == [set(row) for row in expected]
    torch.testing.assert_close(
        [list(row.values()) for row in history], [list(row.values()) for row in expected], atol=2e-6, rtol=0
    )
    torch.testing.assert_close(resumed.state_dict(), alone.state_dict(), atol=1e-7, rtol=1e-6)


def test_a_pytorch_that_cannot_divide_a_training_is_told_with_what_works(train, monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_available", lambda: False)
    with pytest.raises(MissingInput, match="cannot divide a training over devices: use --devices 1"):
        train("shared", ("cpu",))


def test_a_helper_that_dies_ends_the_training_with_advice(train, monkeypatch):
    started = []
    start = subprocess.Popen
    monkeypatch.setattr(helping.subprocess, "Popen", lambda *a, **k: started.append(start(*a, **k)) or started[-1])

    def kill(units, note):
        if units:
            started[0].kill()

    with pytest.raises(TryAgain, match="has ended"):
        train("shared", ("cpu",), report=kill)
    assert not torch.distributed.is_initialized()

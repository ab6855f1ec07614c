"""What a network is trained on may be reduced by what it hears in training, and by nothing else."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predann_bids.data.splits import Split, nature_of
from predann_bids.data.trials import Stretch, Trial, audio_spans
from predann_bids.signals.frames import Frames
from predann_bids.timing import Span
from predann_bids.workflows.group.fitting import training

RNG = np.random.default_rng(0)


@settings(max_examples=60, deadline=None)
@given(
    own=st.sampled_from([4.0, 25.0, 62.5, 100.0, 125.0, 172.3]),
    target=st.sampled_from([64.0, 100.0, 125.0]),
    first=st.sampled_from([0.0, 0.02, -0.01]),
    bounds=st.lists(st.integers(0, 400), min_size=2, max_size=2).map(sorted),
)
def test_frames_that_are_kept_are_those_that_samples_of_a_span_depend_on(own, target, first, bounds):
    span, values = Span(*bounds), RNG.standard_normal((2, int(own * 7))).astype(np.float32)
    numbers = Frames(np.arange(values.shape[1], dtype=np.float32)[None], own, first)
    kept = numbers.within([span], target)[0].astype(int)
    changed = values + 1
    changed[:, kept] = values[:, kept]
    before, after = (Frames(some, own, first).at(target, 420)[:, span.start : span.stop] for some in (values, changed))
    assert after == pytest.approx(before, abs=2e-3)
    assert len(kept) <= (span.length * own / target + 3 + own / target if span.length else 0)


def test_spans_that_overlap_keep_each_frame_once():
    frames = Frames(np.arange(20, dtype=np.float32)[None], 10.0)
    assert frames.within([Span(2, 6), Span(4, 9), Span(9, 9)], 10.0).tolist() == [[2, 3, 4, 5, 6, 7, 8]]


def trial(song, audio_start):
    return Trial("01", "", "music", "", 0, song, 500, 400, audio_start)


def test_stretches_lie_in_the_audio_where_presentations_begin_in_it():
    trials = [trial(1, 0), trial(0, 30), trial(1, 100)]
    stretches = [Stretch(0, Span(0, 50)), Stretch(2, Span(10, 20)), Stretch(1, Span(5, 6))]
    assert audio_spans(trials, stretches) == {1: [Span(0, 50), Span(110, 120)], 0: [Span(35, 36)]}


@pytest.mark.parametrize(
    ("split", "heard"),
    [
        ("participant", {0: None, 1: None}),
        ("stimulus", {0: None, 1: None}),
        ("chunk", {0: [Span(30, 130)], 1: [Span(0, 50)]}),
        ("time", {0: [Span(30, 130)], 1: [Span(0, 50)]}),
    ],
)
def test_features_are_reduced_by_whole_songs_unless_other_moments_of_them_are_tested(monkeypatch, split, heard):
    asked = []
    monkeypatch.setattr(training, "decoder_class", lambda _: SimpleNamespace(beside_for=lambda _: "spectra"))
    monkeypatch.setattr(training, "source_features", lambda _: "file:a")

    def learned(features, songs, most):
        asked.append((features, songs))
        return "store", None

    material = SimpleNamespace(trials=[trial(1, 0), trial(0, 30)], audio=SimpleNamespace(learned=learned))
    fold = Split(1, (Stretch(0, Span(0, 50)),), (Stretch(1, Span(0, 100)),), (Stretch(1, Span(100, 200)),))
    study = SimpleNamespace(material=material, nature=nature_of(split))
    fit = SimpleNamespace(study=study, split=fold, science=SimpleNamespace(training=None))
    source = SimpleNamespace(eeg=None, taking_from=lambda _, store: store)
    assert training._learned_from(fit, source) == ("store", None)
    assert asked == [("file:a", heard)]

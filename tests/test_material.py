from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from predann_bids.bids.derivatives import Derivative, DerivativePaths
from predann_bids.config import Science
from predann_bids.data.trials import Trial
from predann_bids.errors import UnusableData
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.signals.scaling import Scaling
from predann_bids.timing import Rate, Span
from predann_bids.workflows.group.inputs import material as materials
from predann_bids.workflows.group.inputs.audio import StimulusAudio
from predann_bids.workflows.group.inputs.channels import refuse_cut_off
from predann_bids.workflows.group.inputs.material import Material


def recordings(*orders):
    return [
        Trial(str(index), "", "", "", index, stimulus, 1000 * place, 900, 0)
        for index, order in enumerate(orders)
        for place, stimulus in enumerate(order)
    ]


def material(trials):
    return Material((), tuple(trials), ("a", "b"), StimulusAudio({}, Rate(100)), Rate(100))


def test_a_rotated_recording_has_its_bad_eeg_elsewhere_and_none_where_it_has_none():
    science = Science.model_validate({"windows": {"length": 2.0, "delay": 0.1}})
    some = material(recordings([0, 1]))
    assert [trial.bad for trial in some.rotated([300], [2000], science).trials] == [(), ()]
    marked = replace(some, bad=((Span(400, 450), Span(1900, 1950)),)).rotated([300], [2000], science)
    # EEG sample 400 is reached 300 samples sooner, and 10 by the delay; 1900 in the second presentation, from 1000
    assert [trial.bad for trial in marked.trials] == [(Span(90, 140),), (Span(590, 640),)]
    assert marked.rotations == (300,)


def test_a_fold_without_a_window_to_test_is_refused_before_any_training():
    science = Science.model_validate({"windows": {"length": 2.0}, "splitting": {"n_folds": 4}})
    trials = recordings([0, 1], [1, 0], [0, 1], [1, 0])
    assert len(material(trials).splits(science)) == 4
    # what is left, 2.5 to 4.6 s, holds a window, but none that begins at a whole second
    between = (Span(0, 250), Span(460, 900))
    trials[:2] = [replace(trial, bad=between) for trial in trials[:2]]
    with pytest.raises(UnusableData, match=r"without a window to test on, .*recordings of sub-0\."):
        material(trials).splits(science)


@pytest.mark.parametrize(("samples", "is_refused"), [(1000, False), (999, False), (500, True), (2000, True)])
def test_a_derivative_that_lasts_another_time_than_it_says_is_refused(samples, is_refused):
    derivative = Derivative(
        "01", "", "", "", DerivativePaths(Path("sub-01_desc-preproc")), (), {"RecordingDuration": 10}
    )
    recording = MappedRecording(np.zeros((samples, 2), "f4"), np.ones(2, "f4"), ("Cz", "Oz"), 100.0)
    told = pytest.raises(UnusableData, match=r"lasts .* s, but 10 s by its sidecar") if is_refused else nullcontext()
    with told:
        refuse_cut_off([derivative], [recording])


def test_recordings_that_were_measured_are_not_measured_again(monkeypatch):
    samples = np.random.default_rng(0).normal(size=(3000, 2)).astype(np.float32)
    mapped = MappedRecording(samples, np.ones(2, np.float32), ("Fz", "Cz"), 100.0)
    monkeypatch.setattr(materials, "map_brainvision", lambda _: mapped)
    bad = ((Span(0, 400),), ())
    some = replace(material(recordings([0, 1])), headers=(Path("one.vhdr"), Path("two.vhdr")), bad=bad)
    told = []
    known = some.measured(lambda *units: told.append(units))
    assert told == [(1, "one"), (1, "two")]
    fresh = some.recorded().scalings
    monkeypatch.setattr(Scaling, "of", None)
    for one, other in zip(known.recorded().scalings, fresh, strict=True):
        np.testing.assert_array_equal(one.mixing, other.mixing)
    assert not np.array_equal(fresh[0].mixing, fresh[1].mixing)
    assert known.recorded(by_window=True).scalings == ()
    with pytest.raises(TypeError):
        some.recorded()

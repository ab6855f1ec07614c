"""The group level on recordings that have holes and differ in their channels."""

import json
import shutil
import warnings

import mne
import numpy as np
import pandas as pd
import pytest

from predann_bids.bids.derivatives import read_derivatives
from predann_bids.cli import make_command, run
from predann_bids.config import Science
from predann_bids.data.bad_spans import read_bad_spans
from predann_bids.errors import UnusableData
from predann_bids.learning.models import PREDANN
from predann_bids.signals.brainvision import map_brainvision
from predann_bids.timing import Rate
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.fits import list_fits
from predann_bids.workflows.group.inputs.audio import find_audio
from predann_bids.workflows.group.inputs.material import gather
from predann_bids.workflows.group.studies import Study

pytestmark = pytest.mark.usefixtures("few_solutions")

QUICK = ("--n-folds", "2", "--epochs", "1", "--batch-size", "12", "--window", "2", "--skip-bids-validation")
QUICK = (*QUICK, "--n-procs", "1", "--no-probe", "--no-report", "--no-baseline")
DELAY = 0.2


def header(output, label):
    return next(output.glob(f"sub-{label}/eeg/*_eeg.vhdr"))


def edit_sidecar(output, label, **changes):
    path = header(output, label).with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def without_interpolation(output, label, bad):
    steps = json.loads(header(output, label).with_suffix(".json").read_text())["PreprocessingSteps"]
    kept = [step for step in steps if step["Name"] != "interpolation"]
    edit_sidecar(output, label, BadChannels=bad, PreprocessingSteps=kept)


def drop_channels(output, label, number):
    """Cut the last channels out of a derivative: header and data."""
    path = header(output, label)
    mapped = map_brainvision(path)
    kept = len(mapped.channels) - number
    np.ascontiguousarray(mapped.data[:, :kept]).tofile(beside := path.with_suffix(".cut"))
    beside.replace(path.with_suffix(".eeg"))
    dropped = tuple(f"Ch{index + 1}=" for index in range(kept, len(mapped.channels)))
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith(dropped)]
    text = "\n".join(lines).replace(f"NumberOfChannels={len(mapped.channels)}", f"NumberOfChannels={kept}")
    path.write_text(text + "\n", encoding="utf-8")


@pytest.fixture
def differing(derivatives, tmp_path):
    """Derivatives of which one has holes, one a bad channel, and one fewer channels."""
    output = shutil.copytree(derivatives, tmp_path / "out")
    spans = [{"onset": 8.5, "duration": 1.5, "description": "BAD_move"}]
    edit_sidecar(output, "01", BadSpans=[*spans, {"onset": 26.0, "duration": 0.0, "description": "boundary"}])
    without_interpolation(output, "02", ["Cz"])
    drop_channels(output, "03", 2)
    return output


def gathered(output, dataset, **windows):
    science = Science.model_validate({"windows": {"length": 2.0, **windows}})
    return gathered_as(output, dataset, science), science


def gathered_as(output, dataset, science):
    derivatives = read_derivatives(output)
    found = find_audio(derivatives, [dataset / "stimuli"])
    kept = output / "group" / ".audio"
    return gather(found, science, Execution(n_procs=1), features=["log-mel"], directory=kept)


def fingerprints(output, dataset, **windows):
    (material, _), science = gathered(output, dataset, **windows)
    study = Study(science, material, tuple(material.splits(science)), (PREDANN,), output)
    return [fit.training_fingerprint for fit in list_fits(study, [], Execution())]


def test_a_cut_derivative_is_still_one_that_mne_reads(differing):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(mne.io.read_raw_brainvision(header(differing, "03")).ch_names) == 6


def test_common_channels_are_used_and_told(differing, dataset):
    (material, notes), science = gathered(differing, dataset)
    assert len(material.source(science, "log-mel").eeg.channels) == 5
    assert any("Of 8 channels, 5 are present and good in every recording" in note for note in notes)


def test_a_participant_whose_channels_have_other_names_is_named(differing, dataset):
    file = header(differing, "04")
    names = map_brainvision(file).channels
    text = file.read_text()
    for number, name in enumerate(names, start=1):
        text = text.replace(f"Ch{number}={name},", f"Ch{number}=EEG{number:03d},")
    file.write_text(text)
    with pytest.raises(UnusableData, match=r"sub-04 has none of the 5 channels that the other 3 recordings.*EEG001"):
        gathered(differing, dataset)


def test_recordings_of_another_rate_than_most_are_named(differing, dataset):
    file = header(differing, "02")
    text = file.read_text()
    interval = next(line for line in text.splitlines() if line.startswith("SamplingInterval="))
    file.write_text(text.replace(interval, "SamplingInterval=10000"))
    with pytest.raises(UnusableData, match=r"different sampling rates: sub-02 \(100 Hz\), all others 125 Hz"):
        gathered(differing, dataset)


def test_interpolation_brings_all_recordings_to_the_channels_of_most(differing, dataset):
    (material, notes), science = gathered(differing, dataset, channels="interpolate")
    eeg = material.source(science, "log-mel").eeg
    assert eeg.channels == map_brainvision(header(differing, "01")).channels
    assert material.montage.interpolated == (0, 1, 2, 0)
    assert set(material.positions()) == set(eeg.channels)
    assert any("in 2 of 4 recordings, 1 to 2 of them were interpolated" in note for note in notes)


def test_what_annotations_call_bad_is_told(differing, dataset):
    (material, notes), _ = gathered(differing, dataset)
    assert any("annotated as bad" in note for note in notes)
    assert {material.trials[i].participant for i, trial in enumerate(material.trials) if trial.bad} == {"01"}


def test_bad_spans_are_used_where_the_configuration_keeps_them(differing, dataset):
    science = Science.model_validate({"windows": {"length": 2.0}, "preprocessing": {"bad_spans": "keep"}})
    material, notes = gathered_as(differing, dataset, science)
    assert not any(trial.bad for trial in material.trials)
    assert not material.bad
    assert not any("annotations" in note for note in notes)


def test_trainings_are_done_again_when_bad_spans_or_channels_change(differing, dataset):
    first = fingerprints(differing, dataset)
    assert fingerprints(differing, dataset) == first
    found = [first, fingerprints(differing, dataset, channels="interpolate")]
    before_music = [{"onset": 0.5, "duration": 0.5, "description": "BAD_x"}]  # it changes the scaling
    edit_sidecar(differing, "04", BadSpans=before_music)
    found.append(fingerprints(differing, dataset))
    without_interpolation(differing, "02", ["Fz"])
    found += [fingerprints(differing, dataset), fingerprints(differing, dataset, channels="interpolate")]
    assert len({tuple(some) for some in found}) == len(found)


def test_a_study_of_which_only_one_song_is_left_is_refused(differing, dataset):
    for derivative in read_derivatives(differing):
        last = max(derivative.presentations, key=lambda p: p.label)
        end = last.onset + last.duration + DELAY + 1
        spans = [(0, last.onset), (end, 1000)]
        bad = [{"onset": onset, "duration": stop - onset, "description": "BAD"} for onset, stop in spans]
        edit_sidecar(differing, derivative.participant, BadSpans=bad)
    with pytest.raises(UnusableData, match=r"of sub-01, sub-02, sub-03, sub-04, .* only one stimulus"):
        gathered(differing, dataset)


@pytest.fixture(scope="module")
def finished(derivatives, dataset, built_once):
    """A group run on recordings that differ; read-only by agreement."""

    def build(output):
        shutil.copytree(derivatives, output)
        edit_sidecar(output, "01", BadSpans=[{"onset": 8.5, "duration": 1.5, "description": "BAD_move"}])
        edit_sidecar(output, "04", BadSpans=[{"onset": 0.0, "duration": 25.0, "description": "BAD_long"}])
        drop_channels(output, "03", 2)
        options = (*QUICK, "--channels", "interpolate", "--control", "fingerprint")
        assert run(make_command(), [str(a) for a in (dataset, output, "group", *options)]) == 0

    return built_once("differing", build)


@pytest.mark.parametrize("study", ["", "control/reassigned"])
def test_no_prediction_of_any_length_is_made_from_bad_eeg(finished, study):
    bad = {d.participant: read_bad_spans(d, Rate(125.0)) for d in read_derivatives(finished)}
    path = finished / "group" / "predann" / study / "predictions.tsv"
    table = pd.read_csv(path, sep="\t", dtype={"participant": str})
    assert {"01", "02", "03"} <= set(table.participant)
    begin = ((table.onset + DELAY) * 125).round().astype(int)
    end = begin + (table.length * 125).round().astype(int)
    for participant, spans in bad.items():
        mine = (table.participant == participant).to_numpy()
        for span in spans:
            assert not (mine & (begin < span.stop) & (span.start < end)).any()


def test_metrics_and_methods_tell_what_was_left_out_and_interpolated(finished):
    protocol = json.loads((finished / "group/predann/metrics.json").read_text())["protocol"]
    assert protocol["channels"] == "interpolate"
    assert protocol["n_interpolated_recordings"] == 1
    assert 0 < protocol["windows_left_out"] < 0.5
    methods = (finished / "CITATION.md").read_text()
    assert "in 1 recording, channels were interpolated with spherical splines (Perrin et al., 1989)" in methods
    assert "touches a span annotated as bad" in methods


def test_a_decoder_is_tested_on_recordings_that_lack_its_channels_when_these_are_interpolated(
    finished, dataset, app, tmp_path
):
    other = shutil.copytree(finished, tmp_path / "other", ignore=shutil.ignore_patterns("group"))
    drop_channels(other, "04", 3)
    edit_sidecar(other, "04", BadSpans=[], SourceFingerprint="unseen")
    model = ("--from-model", finished / "group" / "predann", "--participant-label", "04", "--label", "there")
    code, _, err = app(dataset, other, "group", *QUICK, *model)
    assert code == 65
    assert "--channels interpolate" in err
    code, _, err = app(dataset, other, "group", *QUICK, *model, "--channels", "interpolate")
    assert code == 0, err

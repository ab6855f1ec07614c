"""Datasets as they are out there, from raw files to derivatives and to a decoder, with the maps of the package."""

import json

import kinds
import numpy as np
import pandas as pd
import pytest
import soundfile

from predann_bids.cli import make_command, run
from predann_bids.tools.simulation.dataset import simulate
from predann_bids.tools.simulation.settings import Simulation

pytestmark = pytest.mark.usefixtures("few_solutions")

QUICK = ("--n-procs", "1", "--skip-bids-validation")
LEAN = ("--no-baseline", "--no-linear", "--no-probe", "--no-report", "--accelerator", "cpu", *QUICK)
KINDS = {
    "ds005876": kinds.song_familiarity,
    "ds003774": kinds.genres,
    "ds002721": kinds.film_music,
    "hbn-eeg": kinds.films,
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Three participants who hear three songs, with names of the 10-20 system."""
    return simulate(
        tmp_path_factory.mktemp("source") / "ds",
        Simulation(participants=3, songs=3, seconds=10, channels=12, sampling_rate=200, snr=1.0, seed=3),
    )


@pytest.fixture(scope="module")
def reference(source, tmp_path_factory):
    """What the participant level makes of the simulated dataset itself."""
    output = tmp_path_factory.mktemp("reference") / "out"
    assert run(make_command(), [str(source), str(output), "participant", "--no-report", *QUICK]) == 0
    return output


@pytest.fixture(scope="module")
def made(source, tmp_path_factory):
    """Give, for the name of a map, a dataset of its kind and what the participant level makes of it."""
    done = {}

    def made(name):
        if name not in done:
            root = tmp_path_factory.mktemp(name)
            dataset = KINDS[name](source, root / "ds")
            arguments = [str(dataset), str(root / "out"), "participant", "--stimulus-map", name, "--no-report"]
            assert run(make_command(), [*arguments, "--n-procs", "1"]) == 0
            done[name] = dataset, root / "out"
        return done[name]

    return made


def presentations(output):
    """All presentations of the derivatives, with the length of each recording."""
    tables = []
    for events in sorted(output.rglob("*_desc-preproc_events.tsv")):
        sidecar = json.loads(events.with_name(events.name.replace("_events.tsv", "_eeg.json")).read_text())
        tables.append(pd.read_csv(events, sep="\t").assign(recording=events.name, seconds=sidecar["RecordingDuration"]))
    return pd.concat(tables, ignore_index=True)


@pytest.mark.parametrize("name", KINDS)
def test_all_songs_are_found_with_the_map_of_the_package(made, name):
    table = presentations(made(name)[1])
    assert len(table) == 9
    assert table["trial_type"].nunique() == 3
    assert (table.groupby("trial_type").size() == 3).all()


@pytest.mark.parametrize("name", KINDS)
def test_the_music_in_the_eeg_is_where_the_events_say(reference, made, name):
    dataset, output = made(name)
    for row in presentations(output).itertuples():
        heard, rate = soundfile.read(dataset / "stimuli" / row.stim_file)
        assert row.audio_start + row.duration <= len(heard) / rate + 0.01
    # two grids of samples are up to half an interval apart, 4 ms, in which 20 Hz turn by 29 degrees
    assert correlation_with_original(reference, output) > 0.9
    assert correlation_with_original(reference, output, shift_s=0.05) < 0.8


def correlation_with_original(reference, output, shift_s=0.0):
    """Compare the EEG of all presentations with what the simulated dataset itself becomes; return the lowest."""
    lowest = 1.0
    for header in sorted(reference.rglob("*_desc-preproc_eeg.vhdr")):
        participant = header.parts[-3]
        original = pd.read_csv(header.with_name(header.name.replace("_eeg.vhdr", "_events.tsv")), sep="\t")
        found = presentations(output)
        found = found[found["recording"].str.startswith(participant)]
        for row in found.itertuples():
            derived = samples(
                next(output.rglob(row.recording.replace("_events.tsv", "_eeg.vhdr"))), row.onset + shift_s
            )
            best = max(
                np.corrcoef(derived.ravel(), samples(header, onset).ravel())[0, 1] for onset in original["onset"]
            )
            lowest = min(lowest, best)
    return lowest


def samples(header, onset, seconds=5.0, after=3.0):
    """A stretch of the first 12 channels, away from what filters do at ends of files."""
    from predann_bids.signals.brainvision import map_brainvision

    recording = map_brainvision(header)
    start = round((onset + after) * recording.rate_hz)
    data = recording.data[start : start + round(seconds * recording.rate_hz), :12]
    return data - data.mean(axis=1, keepdims=True)


def test_melodies_that_were_stopped_end_where_they_were_stopped(made):
    table = presentations(made("ds005876")[1])
    assert (table["duration"].between(5.9, 6.1) | table["duration"].between(9.9, 10.1)).all()
    assert table["duration"].lt(7).sum() == 3


def test_the_boundary_on_the_clock_of_the_uncut_recording_marks_nothing_bad(made):
    for sidecar in made("ds003774")[1].rglob("*_desc-preproc_eeg.json"):
        content = json.loads(sidecar.read_text())
        assert content["BadSpans"] == []
        assert content["BadChannels"] == []
        assert content["EEGChannelCount"] == 12  # without the reference, which is flat


def test_tasks_without_music_are_no_failure(made):
    assert not list(made("hbn-eeg")[1].glob("sub-*/**/*RestingState*"))


@pytest.mark.parametrize("name", ["ds003774", "ds002721"])
def test_a_decoder_is_trained_and_evaluated(made, name):
    dataset, output = made(name)
    options = ["--epochs", "1", "--n-folds", "3", *LEAN]
    assert run(make_command(), [str(dataset), str(output), "group", *options]) == 0
    metrics = json.loads((output / "group/predann/metrics.json").read_text())
    assert metrics["protocol"]["n_stimuli"] == 3
    assert metrics["protocol"]["n_participants"] == 3


def test_the_derivatives_are_valid(made, validator_errors):
    for name in KINDS:
        assert validator_errors(made(name)[1]) == []


def test_audio_from_elsewhere_need_be_named_only_once(source, tmp_path):
    dataset = kinds.films(source, tmp_path / "ds")
    (dataset / "stimuli").rename(tmp_path / "songs")
    level = ["participant", "--stimulus-map", "hbn-eeg", "--stimuli-dir", str(tmp_path / "songs"), "--no-report"]
    assert run(make_command(), [str(dataset), str(tmp_path / "out"), *level, *QUICK]) == 0
    options = ["--epochs", "1", "--n-folds", "3", "--fold", "1", *LEAN]
    assert run(make_command(), [str(dataset), str(tmp_path / "out"), "group", *options]) == 0

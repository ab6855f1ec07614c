"""What was run with what, and in which container."""

import json
from datetime import datetime
from pathlib import Path

import click
import pytest

from predann_bids import __version__
from predann_bids.cli import make_command
from predann_bids.command import typed_command
from predann_bids.config import resolve
from predann_bids.errors import UnusableData
from predann_bids.surroundings.container import DIGEST, REVISION, TAG, container, version_text
from predann_bids.surroundings.stopping import Stopped
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.record import RUNS, packages, recorded, without_places

IMAGE = {TAG: "predann-bids:1", REVISION: "0abc", DIGEST: "sha256:12"}


def typed(*arguments):
    """What is written down of a command line."""
    command = make_command()
    command.callback = lambda **_: typed_command(click.get_current_context())
    return list(command.main(list(arguments), prog_name="predann-bids", standalone_mode=False))


def record(tmp_path, level="participant", execution=None, **more):
    return recorded(tmp_path, level, resolve(), execution or Execution(), **more)


def read(tmp_path):
    return [json.loads(file.read_text()) for file in sorted((tmp_path / RUNS).iterdir())]


@pytest.fixture(autouse=True)
def _no_container(monkeypatch):
    for name in (TAG, REVISION, DIGEST, "APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"):
        monkeypatch.delenv(name, raising=False)


# -- the command -------------------------------------------------------------------------------------------------------


def test_a_command_is_written_down_without_places_on_the_machine():
    arguments = ["/secret/ds", "/secret/out", "group", "--config", "/secret/study.toml"]
    arguments += ["--from-model", "/secret/out/group/first", "--stimuli-dir", "/secret/ds/stimuli"]
    words = ["--config", "study.toml", "--from-model", "OUTPUT_DIR/group/first", "--stimuli-dir", "BIDS_DIR/stimuli"]
    assert sorted(typed(*arguments)) == sorted(["predann-bids", "BIDS_DIR", "OUTPUT_DIR", "group", *words])


def test_lists_switches_and_repeated_flags_are_written_as_they_are_typed():
    found = typed("ds", "out", "participant", "--participant_label", "01", "sub-02", "--no-report", "-v", "-v")
    assert " ".join(found).startswith("predann-bids BIDS_DIR OUTPUT_DIR participant --participant-label 01 sub-02")
    assert found[-3:] == ["--no-report", "--verbose", "--verbose"]


def test_options_that_stand_for_arguments_become_arguments():
    found = typed("--input-dataset", "/a", "--output-location", "/b", "--analysis-level", "group", "--seed", "1")
    assert found == ["predann-bids", "BIDS_DIR", "OUTPUT_DIR", "group", "--seed", "1"]


def test_a_file_that_is_given_as_text_loses_its_place_as_well():
    assert typed("ds", "out", "participant", "--stimulus-map", "/home/me/map.tsv")[-1] == "map.tsv"
    assert typed("ds", "out", "participant", "--stimulus-map", "ds003774")[-1] == "ds003774"


@pytest.mark.parametrize("arguments", [["ds", "out", "group", "--fold", "1", "2", "--delay", "0.1", "-w", "/tmp/x"]])
def test_what_is_written_down_can_be_typed_again(arguments):
    again = typed(*typed(*arguments)[1:])
    assert again == typed(*arguments)


# -- the record --------------------------------------------------------------------------------------------------------


def test_a_run_says_what_was_run_with_what_and_when(tmp_path):
    with record(tmp_path, execution=Execution(command=("predann-bids", "BIDS_DIR")), Label="x"):
        pass
    (written,) = read(tmp_path)
    assert written["Command"] == ["predann-bids", "BIDS_DIR"]
    assert written["GeneratedBy"] == {"Name": "PredANN-BIDS", "Version": __version__}
    assert (written["AnalysisLevel"], written["Label"], written["Status"]) == ("participant", "x", "finished")
    assert written["Configuration"]["preprocessing"]["resample"] == resolve().preprocessing.resample
    assert datetime.fromisoformat(written["Started"]) <= datetime.fromisoformat(written["Ended"])


def test_a_run_that_fails_says_how(tmp_path):
    with pytest.raises(UnusableData), record(tmp_path):
        raise UnusableData("/secret/file is no good.")
    (written,) = read(tmp_path)
    assert (written["Status"], written["Error"], written["ExitCode"]) == ("failed", "UnusableData", 65)
    assert "secret" not in json.dumps(written)


@pytest.mark.parametrize("stop", [Stopped("Stopped by SIGTERM."), KeyboardInterrupt()])
def test_a_run_that_was_stopped_says_so(tmp_path, stop):
    with pytest.raises(type(stop)), record(tmp_path):
        raise stop
    (written,) = read(tmp_path)
    assert written["Status"] == "stopped"
    assert written["Ended"] >= written["Started"]


def test_a_run_that_was_killed_has_no_end(tmp_path):
    with pytest.raises(SystemExit), record(tmp_path):
        raise SystemExit  # like a kill, it leaves no time to write anything
    (written,) = read(tmp_path)
    assert written["Status"] == "running"
    assert "Ended" not in written


def test_runs_at_the_same_time_do_not_overwrite_each_other(tmp_path):
    with record(tmp_path), record(tmp_path), record(tmp_path, "group"):
        pass
    assert [run["Status"] for run in read(tmp_path)] == ["finished"] * 3


def test_of_the_participant_level_only_the_preprocessing_is_recorded(tmp_path):
    with record(tmp_path), record(tmp_path, "group"):
        pass
    one, other = sorted(read(tmp_path), key=lambda run: run["AnalysisLevel"], reverse=True)
    assert set(one["Configuration"]) == {"preprocessing"}
    assert set(other["Configuration"]) > {"preprocessing", "training", "splitting"}


def test_no_places_are_left_in_a_configuration():
    assert without_places({"a": ["/x/y.pt", "name"], "b": {"c": 1.5}}) == {"a": ["y.pt", "name"], "b": {"c": 1.5}}


def test_packages_are_listed_with_their_versions():
    from importlib.metadata import version

    found = packages()
    assert {name: found[name] for name in ("numpy", "scikit-learn", "mne-bids")} == {
        name: version(name) for name in ("numpy", "scikit-learn", "mne-bids")
    }


# -- the container -----------------------------------------------------------------------------------------------------


def test_outside_of_a_container_none_is_named():
    assert container({}) == {}
    assert version_text("predann-bids", "1") == "predann-bids 1"


def test_an_image_is_named_with_what_is_known_of_it(monkeypatch):
    for name, value in IMAGE.items():
        monkeypatch.setenv(name, value)
    assert version_text("p", "1") == "p 1\nimage predann-bids:1 (revision 0abc, digest sha256:12)"
    assert container({TAG: "predann-bids:1"}) == {"Type": "docker", "Tag": "predann-bids:1"}


def test_a_file_of_apptainer_is_named_without_its_place():
    found = container({TAG: "predann-bids:1", "APPTAINER_CONTAINER": "/secret/predann-bids.sif"})
    assert found == {"Type": "apptainer", "Tag": "predann-bids:1", "File": "predann-bids.sif"}


def test_the_dataset_says_which_image_made_it(tmp_path, monkeypatch):
    from predann_bids.bids.derivatives import prepare_output

    monkeypatch.setenv(TAG, "predann-bids:1")
    prepare_output(tmp_path / "out", Path("nowhere"))
    (made,) = json.loads((tmp_path / "out" / "dataset_description.json").read_text())["GeneratedBy"]
    assert made["Container"] == {"Type": "docker", "Tag": "predann-bids:1"}

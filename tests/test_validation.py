"""What the BIDS validator finds: what stops a run, what is listed, and what does not concern the selection."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from predann_bids.bids.recordings import Selection
from predann_bids.errors import InvalidDataset
from predann_bids.workflows import validation
from predann_bids.workflows.validation import validate_dataset

NAME = "sub-01/eeg/sub-01_task-music"
EVENTS, SIDECAR, SYSTEM = f"{NAME}_events.tsv", f"{NAME}_eeg.json", "sub-01/eeg/sub-01_space-CapTrak_coordsystem.json"


def write(root, name, content):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def tree(directory):
    return {path: path.lstat().st_mtime_ns for path in (directory, *directory.rglob("*"))}


def test_nothing_is_said_of_a_dataset_without_fault(dataset):
    assert validate_dataset(dataset) == []


STOPPING = {
    "description that is no JSON": ("dataset_description.json", '{"Name": ', "is not valid JSON"),
    "empty description": ("dataset_description.json", "", "is not valid JSON"),
    "description that is a list": ("dataset_description.json", "[]", "must hold a JSON object"),
    "sidecar that is no JSON": (SIDECAR, "{", "is not valid JSON"),
    "sidecar that is a list": (SIDECAR, "[]", "must hold a JSON object"),
    "sidecar in another encoding": (SIDECAR, b'{"TaskName": "\xe4"}', "UTF-8"),
    "inherited sidecar that is no JSON": ("task-music_eeg.json", "{", "is not valid JSON"),
    "coordinate system that is no JSON": (SYSTEM, "{", "is not valid JSON"),
    "events without an onset": (EVENTS, "time\tduration\n1\t2\n", "has no column onset"),
    "events without a duration": (EVENTS, "onset\tstim_file\n1\tsong-01.wav\n", "has no column duration"),
    "events that are no text": (EVENTS, bytes(range(1, 256)), "is not a table"),
    "events of different lengths": (EVENTS, "onset\tduration\n1\t2\n1\t2\t3\n", "is not a table"),
}


@pytest.mark.parametrize(("name", "content", "words"), STOPPING.values(), ids=STOPPING)
def test_what_keeps_eeg_from_being_understood_stops_a_run(dataset_copy, name, content, words):
    write(dataset_copy, name, content)
    before = tree(dataset_copy)
    with pytest.raises(
        InvalidDataset, match=f"{re.escape(str(dataset_copy / name))} .*{words}.*--skip-bids-validation"
    ):
        validate_dataset(dataset_copy)
    assert tree(dataset_copy) == before


LISTED = {
    "files of no kind": ("notes.txt", "x", "NOT_INCLUDED"),
    "names with entities that do not belong": ("sub-01/eeg/sub-01_run-1_coordsystem.json", "{}", "ENTITY_NOT_IN_RULE"),
    "participants that are not there": ("participants.tsv", "participant_id\nsub-77\n", "PARTICIPANT_ID_MISMATCH"),
    "participants in another encoding, at which the validator crashes": ("participants.tsv", b"\xe4\n", "no result"),
    "participants.json that is no JSON": ("participants.json", "{", "JSON_INVALID"),
    "MRI that is no MRI": ("sub-01/anat/sub-01_T1w.nii.gz", "x", "NIFTI_HEADER_UNREADABLE"),
    "JSON of MRI": ("sub-01/anat/sub-01_T1w.json", "{", "JSON_INVALID"),
    "events of MRI": ("sub-01/func/sub-01_task-music_events.tsv", "x\n", "TSV_COLUMN_MISSING"),
    "behaviour": ("sub-01/beh/sub-01_task-x_beh.tsv", b"\xe4", "INVALID_FILE_ENCODING"),
    "PET": ("sub-01/pet/sub-01_pet.json", "{", "JSON_INVALID"),
    "NIRS": ("sub-01/nirs/sub-01_task-x_nirs.snirf", "x", "SIDECAR_KEY_REQUIRED"),
    "fields that are missing": (SIDECAR, '{"TaskName": "music"}', "SIDECAR_KEY_REQUIRED"),
    "fields of the wrong type": (SIDECAR, '{"SamplingFrequency": "fast"}', "JSON_SCHEMA_VALIDATION_ERROR"),
    "onsets that are no numbers": (EVENTS, "onset\tduration\nsoon\t2\n", "TSV_VALUE_INCORRECT_TYPE"),
    "missing audio": (EVENTS, "onset\tduration\tstim_file\n1\t2\tgone.wav\n", "STIMULUS_FILE_MISSING"),
    "empty lines": (EVENTS, "onset\tduration\n\n1\t2\n", "TSV_EMPTY_LINE"),
    "empty events": (EVENTS, "", "EMPTY_FILE"),
    "empty data": (f"{NAME}_eeg.eeg", "", "EMPTY_FILE"),
    "channel types that do not exist": (
        f"{NAME}_channels.tsv",
        "name\ttype\tunits\nCz\tX\tuV\n",
        "TSV_VALUE_INCORRECT",
    ),
    "a description of a derivative": (
        "dataset_description.json",
        '{"Name": "x", "BIDSVersion": "1.8.0", "GeneratedBy": [{"Name": "some tool"}]}',
        "",
    ),
    "a description without a version": ("dataset_description.json", '{"Name": "x"}', "JSON_KEY_REQUIRED"),
}


@pytest.mark.parametrize(("name", "content", "code"), LISTED.values(), ids=LISTED)
def test_all_else_is_listed(dataset_copy, name, content, code):
    write(dataset_copy, name, content)
    assert code in " ".join(validate_dataset(dataset_copy))


@pytest.mark.parametrize("name", [EVENTS, SIDECAR, f"{NAME}_eeg.eeg", f"{NAME}_eeg.vhdr"])
def test_links_to_what_is_not_there_do_not_stop_a_run(dataset_copy, name):
    (dataset_copy / name).unlink()
    (dataset_copy / name).symlink_to("nowhere")
    assert "SYMLINK_BROKEN" in " ".join(validate_dataset(dataset_copy))
    (dataset_copy / name).unlink()
    (dataset_copy / name).symlink_to("../../.git/annex/objects/MD5E-s1--0")  # which the validator knows
    validate_dataset(dataset_copy)


def test_a_kind_of_finding_is_listed_once_with_examples(dataset_copy):
    for number in range(7):
        write(dataset_copy, f"notes-{number}.txt", "x")
    (line,) = validate_dataset(dataset_copy)
    assert line == "The BIDS validator warns of: NOT_INCLUDED (7: notes-0.txt, notes-1.txt, notes-2.txt, ...)."


# -- what is selected --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "selection",
    [Selection(participants=("02", "03")), Selection(sessions=("01",), tasks=("rest",)), Selection(tasks=("rest",))],
    ids=["participants", "tasks and sessions", "tasks"],
)
def test_what_is_not_selected_does_not_stop_a_run(dataset_copy, selection):
    write(dataset_copy, SIDECAR, "{")
    validate_dataset(dataset_copy, selection)
    with pytest.raises(InvalidDataset):
        validate_dataset(dataset_copy, Selection(participants=("01", "02"), tasks=("music",)))


def test_the_root_of_the_dataset_is_always_selected(dataset_copy):
    write(dataset_copy, "task-music_eeg.json", "{")
    with pytest.raises(InvalidDataset, match=re.escape(str(dataset_copy / "task-music_eeg.json"))):
        validate_dataset(dataset_copy, Selection(participants=("02",)))


def test_runs_are_numbers_however_they_are_written(dataset_copy):
    write(dataset_copy, "sub-01/eeg/sub-01_task-music_run-1_eeg.json", "{")
    with pytest.raises(InvalidDataset):
        validate_dataset(dataset_copy, Selection(runs=("01",)))
    validate_dataset(dataset_copy, Selection(runs=("2",)))


def test_a_few_participants_are_validated_without_looking_at_the_others(dataset_copy, monkeypatch):
    for participant in ("02", "03", "04"):
        write(dataset_copy, f"sub-{participant}/eeg/notes.txt", "x")
    assert "NOT_INCLUDED (3:" in " ".join(validate_dataset(dataset_copy))
    assert "NOT_INCLUDED (1:" in " ".join(validate_dataset(dataset_copy, Selection(participants=("01", "02"))))


def test_the_participants_left_out_are_not_missed(dataset_copy):
    write(dataset_copy, "task-rest_eeg.json", "{}")
    shutil.move(dataset_copy / "sub-02/eeg/sub-02_task-music_eeg.json", dataset_copy / "x.json")
    write(dataset_copy, "sub-02/eeg/sub-02_task-rest_eeg.json", (dataset_copy / "x.json").read_text())
    (dataset_copy / "x.json").unlink()
    assert validate_dataset(dataset_copy, Selection(participants=("01",))) == []


def test_content_that_datalad_has_fetched_is_seen_through_its_links(dataset_copy):
    objects = dataset_copy / ".git/annex/objects"
    objects.mkdir(parents=True)
    shutil.move(dataset_copy / SIDECAR, objects / "one")
    (dataset_copy / SIDECAR).symlink_to("../../.git/annex/objects/one")
    assert validate_dataset(dataset_copy, Selection(participants=("01",))) == []
    (objects / "one").write_text("{")
    with pytest.raises(InvalidDataset):
        validate_dataset(dataset_copy, Selection(participants=("01",)))


# -- a validator that fails --------------------------------------------------------------------------------------------


@pytest.fixture
def crashing(monkeypatch):
    answer = subprocess.CompletedProcess([], 1, "", "\x1b[31merror\x1b[0m: Uncaught RangeError\n    at validate.ts:7")
    monkeypatch.setattr(validation.subprocess, "run", lambda *_, **__: answer)


def test_a_validator_that_crashes_does_not_stop_a_run(dataset, crashing):
    (sentence,) = validate_dataset(dataset)
    assert "came to no result (error: Uncaught RangeError)" in sentence
    assert "--skip-bids-validation" in sentence


@pytest.mark.parametrize(("name", "content", "words"), STOPPING.values(), ids=STOPPING)
def test_without_the_validator_the_files_that_matter_are_checked_all_the_same(
    dataset_copy, crashing, name, content, words
):
    write(dataset_copy, name, content)
    with pytest.raises(InvalidDataset, match=words):
        validate_dataset(dataset_copy)


def test_a_validator_that_is_not_there_is_told(dataset, tmp_path, app, monkeypatch):
    monkeypatch.setattr(validation.shutil, "which", lambda *_, **__: None)
    code, _, err = app(dataset, tmp_path / "out", "participant", "--no-report")
    assert code == 66
    assert "bids-validator-deno is not installed; install it or use --skip-bids-validation" in err


# -- the command -------------------------------------------------------------------------------------------------------


def test_a_run_of_other_participants_is_not_stopped(dataset_copy, tmp_path, app):
    write(dataset_copy, SIDECAR, "{")
    arguments = (dataset_copy, tmp_path / "out", "participant", "--no-report", "--n-procs", "1")
    code, _, err = app(*arguments)
    assert code == 16
    assert [line for line in err.splitlines() if SIDECAR in line] == [err.splitlines()[-1]]
    assert not (tmp_path / "out").exists()
    assert app(*arguments, "--participant-label", "02")[0] == 0
    assert app(*arguments, "--participant-label", "02", "01", "--skip-bids-validation")[0] == 1


def test_the_configuration_lets_no_error_stop_but_those_it_names():
    config = json.loads((Path(validation.__file__).parents[2] / "bids_validator_config/eeg.json").read_text())
    assert config["warning"] == [{"severity": "error"}]
    ends = {rule["location"] for rule in config["error"] if "location" in rule}
    assert {end.removeprefix("*") for end in ends} == set(validation.READERS)

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
EVENTS, SIDECAR = f"{NAME}_events.tsv", f"{NAME}_eeg.json"
DESCRIPTION = "dataset_description.json"


def of(participant, suffix):
    return f"sub-{participant}/eeg/sub-{participant}_{suffix}"


def write(root, name, content):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def tree(directory):
    return {path: path.lstat().st_mtime_ns for path in (directory, *directory.rglob("*"))}


def test_nothing_is_said_of_a_dataset_without_fault(dataset):
    assert validate_dataset(dataset) == []


# what is wrong -> file, content, words; all at once in one dataset
STOPPING = {
    "sidecar that is no JSON": (of("01", "task-music_eeg.json"), "{", "is not valid JSON"),
    "sidecar that is a list": (of("02", "task-music_eeg.json"), "[]", "must hold a JSON object"),
    "sidecar in another encoding": (of("03", "task-music_eeg.json"), b'{"TaskName": "\xe4"}', "is not valid JSON"),
    "inherited sidecar that is no JSON": ("task-music_eeg.json", "{", "is not valid JSON"),
    "coordinate system that is no JSON": (of("01", "space-CapTrak_coordsystem.json"), "{", "is not valid JSON"),
    "events without an onset": (of("01", "task-music_events.tsv"), "time\tduration\n1\t2\n", "has no column onset"),
    "events without a duration": (of("02", "task-music_events.tsv"), "onset\n1\n", "has no column duration"),
    "events that are no text": (of("03", "task-music_events.tsv"), bytes(range(1, 256)), "is not a table"),
    "rows of different lengths": (of("04", "task-music_events.tsv"), "onset\tduration\n1\t2\t3\n", "is not a table"),
}


@pytest.fixture(scope="module")
def stopped(dataset, tmp_path_factory):
    """The message about a dataset that has all of it, with the dataset."""
    root = shutil.copytree(dataset, tmp_path_factory.mktemp("stopping") / "ds")
    for name, content, _ in STOPPING.values():
        write(root, name, content)
    before = tree(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "SHOWN", 99)
        with pytest.raises(InvalidDataset) as caught:
            validate_dataset(root)
    assert tree(root) == before
    return str(caught.value), root


@pytest.mark.parametrize(("name", "content", "words"), STOPPING.values(), ids=STOPPING)
def test_what_keeps_eeg_from_being_understood_stops_a_run(stopped, name, content, words):
    message, root = stopped
    assert f"{root / name} {words}" in message
    assert message.endswith("Fix these files, or run with --skip-bids-validation to use what can be read.")


@pytest.mark.parametrize("content", ['{"Name": ', "", "[]"])
def test_a_dataset_description_that_cannot_be_read_stops_a_run(dataset_copy, content):
    write(dataset_copy, DESCRIPTION, content)
    with pytest.raises(InvalidDataset, match=r"dataset_description\.json (is not valid JSON|must hold a JSON object)"):
        validate_dataset(dataset_copy)


def test_of_many_files_some_are_named(stopped):
    with pytest.raises(InvalidDataset, match="There are 4 more such files"):
        validate_dataset(stopped[1])


LISTED = {
    "files of no kind": ("notes.txt", "x", "NOT_INCLUDED"),
    "names with entities that do not belong": (of("01", "run-1_coordsystem.json"), "{}", "ENTITY_NOT_IN_RULE"),
    "participants that are not there": ("participants.tsv", "participant_id\nsub-77\n", "PARTICIPANT_ID_MISMATCH"),
    "participants.json that is no JSON": ("participants.json", "{", "JSON_INVALID"),
    "MRI that is no MRI": ("sub-01/anat/sub-01_T1w.nii.gz", "x", "NIFTI_HEADER_UNREADABLE"),
    "JSON of MRI": ("sub-01/anat/sub-01_T1w.json", "{", "sub-01_T1w.json"),
    "events of MRI": ("sub-01/func/sub-01_task-music_events.tsv", "x\n", "TSV_COLUMN_MISSING"),
    "behaviour": ("sub-01/beh/sub-01_task-x_beh.tsv", b"\xe4", "INVALID_FILE_ENCODING"),
    "NIRS": ("sub-01/nirs/sub-01_task-x_nirs.snirf", "x", "NIRSChannelCount"),
    "fields that are missing": (of("01", "task-music_eeg.json"), '{"TaskName": "music"}', "SIDECAR_KEY_REQUIRED"),
    "fields of the wrong type": (of("02", "task-music_eeg.json"), '{"SamplingFrequency": "x"}', "SCHEMA_VALIDATION"),
    "onsets that are no numbers": (of("01", "task-music_events.tsv"), "onset\tduration\nsoon\t2\n", "INCORRECT_TYPE"),
    "missing audio": (
        of("02", "task-music_events.tsv"), "onset\tduration\tstim_file\n1\t2\tgone.wav\n", "STIMULUS_FILE_MISSING"
    ),
    "empty lines": (of("03", "task-music_events.tsv"), "onset\tduration\n\n1\t2\n", "TSV_EMPTY_LINE"),
    "empty events": (of("04", "task-music_events.tsv"), "", "sub-04_task-music_events.tsv"),
    "empty data": (of("03", "task-music_eeg.eeg"), "", "EMPTY_FILE"),
    "types that do not exist": (of("01", "task-music_channels.tsv"), "name\ttype\tunits\nCz\tX\tuV\n", "type"),
}  # fmt: skip


@pytest.fixture(scope="module")
def listed(dataset, tmp_path_factory):
    """What is said of a dataset that has all of it."""
    root = shutil.copytree(dataset, tmp_path_factory.mktemp("listed") / "ds")
    for name, content, _ in LISTED.values():
        write(root, name, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "EXAMPLES", 99)
        return " ".join(validate_dataset(root))


@pytest.mark.parametrize(("name", "content", "words"), LISTED.values(), ids=LISTED)
def test_all_else_is_listed(listed, name, content, words):
    assert words in listed


def test_a_dataset_of_which_a_tool_says_that_it_made_it_is_taken(dataset_copy):
    write(dataset_copy, DESCRIPTION, '{"Name": "x", "GeneratedBy": [{"Name": "some tool"}]}')
    assert "UNKNOWN_BIDS_VERSION" in " ".join(validate_dataset(dataset_copy))


def test_participants_in_another_encoding_at_which_the_validator_crashes_do_not_stop_a_run(dataset_copy):
    write(dataset_copy, "participants.tsv", b"\xe4\n")
    (sentence,) = validate_dataset(dataset_copy)
    assert "gave no result" in sentence


@pytest.mark.parametrize("target", ["nowhere", "../../.git/annex/objects/MD5E-s1--0"], ids=["any", "DataLad"])
def test_links_to_what_is_not_there_do_not_stop_a_run(dataset_copy, target):
    for participant, suffix in (("01", "events.tsv"), ("02", "eeg.json"), ("03", "eeg.eeg"), ("04", "eeg.vhdr")):
        path = dataset_copy / of(participant, f"task-music_{suffix}")
        path.unlink()
        path.symlink_to(target)
    assert ("SYMLINK_BROKEN (4:" in " ".join(validate_dataset(dataset_copy))) == (target == "nowhere")


def test_a_kind_of_finding_is_listed_once_with_examples(dataset_copy):
    for number in range(7):
        write(dataset_copy, f"notes-{number}.txt", "x")
    (line,) = validate_dataset(dataset_copy)
    assert line == "The BIDS validator warns: NOT_INCLUDED (7: notes-0.txt, notes-1.txt, notes-2.txt, ...)."


# -- what is selected --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "selection",
    [Selection(participants=("02", "03")), Selection(sessions=("01",), tasks=("rest",)), Selection(tasks=("rest",))],
    ids=["participants", "tasks and sessions", "tasks"],
)
def test_what_is_not_selected_does_not_stop_a_run(dataset_copy, selection):
    write(dataset_copy, SIDECAR, "{")
    validate_dataset(dataset_copy, selection)


def test_what_is_selected_beside_others_stops_a_run(dataset_copy):
    write(dataset_copy, SIDECAR, "{")
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
    assert "gave no result (error: Uncaught RangeError)" in sentence
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
    assert "bids-validator-deno is not installed. Install it, or run with --skip-bids-validation" in err


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

"""Labels that differ only by leading zeros are labels of their own, also when derivatives are read."""

import json

import pytest

from predann_bids.bids.derivatives import read_derivatives
from predann_bids.bids.recordings import Selection
from predann_bids.workflows.group.inputs.selecting import select

NAMES = (
    "sub-1_task-music1_run-1",
    "sub-1_task-music01_run-1",
    "sub-1_task-music1_run-01",
    "sub-01_task-music1_run-2",
)


@pytest.fixture
def output(tmp_path):
    for name in NAMES:
        stem = tmp_path / name.split("_")[0] / "eeg" / f"{name}_desc-preproc"
        stem.parent.mkdir(parents=True, exist_ok=True)
        for ending in ("_eeg.vhdr", "_eeg.eeg"):
            stem.with_name(stem.name + ending).touch()
        stem.with_name(stem.name + "_eeg.json").write_text(json.dumps({"Name": name}))
        rows = ["onset\tduration\ttrial_type\tstim_file\taudio_start", f"1\t2\t{name}\t{name}.wav\t0"]
        stem.with_name(stem.name + "_events.tsv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_each_derivative_has_its_own_entities_presentations_and_sidecar(output):
    read = read_derivatives(output)
    assert sorted(derivative.name for derivative in read) == sorted(NAMES)
    for derivative in read:
        entities = f"sub-{derivative.participant}_task-{derivative.task}_run-{derivative.run}"
        assert entities == derivative.name == derivative.sidecar["Name"] == derivative.presentations[0].label


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (Selection(), NAMES),
        (Selection(participants=("01",)), NAMES[3:]),
        (Selection(participants=("1",)), NAMES[:3]),
        (Selection(tasks=("music01",)), NAMES[1:2]),
        (Selection(filters={"subject": "1", "task": ["music1"]}), (NAMES[0], NAMES[2])),
        (Selection(runs=("01",)), NAMES[:3]),  # BIDS counts runs
        (Selection(runs=("02",)), NAMES[3:]),
        (Selection(filters={"run": 2}), NAMES[3:]),
        (Selection(filters={"subject": 1}), NAMES[:3]),
    ],
)
def test_a_label_selects_what_is_written_so(output, selection, names):
    chosen = select(read_derivatives(output), selection, output)
    assert {derivative.name for derivative in chosen} == set(names)


def test_a_number_selects_the_only_label_of_that_value(output):
    for derivative in output.glob("sub-1/eeg/*"):
        derivative.unlink()
    (chosen,) = select(read_derivatives(output), Selection(filters={"subject": 1}), output)
    assert chosen.name == NAMES[3]

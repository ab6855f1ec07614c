"""Which files belong to a dataset, by their names, and which of several versions of a recording is used."""

import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.bids.derivatives import DerivativePaths
from predann_bids.bids.finding.versions import one_version_each
from predann_bids.bids.names import parse
from predann_bids.bids.recordings import Selection, list_recordings
from predann_bids.errors import MissingInput, NothingSelected, UnusableData

STEM = "sub-01_task-music"
LABELS = st.text("abcXYZ019+", min_size=1, max_size=4)
ENTITIES = st.dictionaries(st.sampled_from(["sub", "ses", "task", "acq", "run", "desc"]), LABELS)


@given(ENTITIES, st.sampled_from(["eeg", "events", "channels"]), st.sampled_from([".vhdr", ".tsv", ".nii.gz"]))
def test_a_name_is_taken_apart_into_what_it_was_made_of(entities, suffix, extension):
    name = parse("_".join([*(f"{key}-{label}" for key, label in entities.items()), suffix]) + extension)
    assert (name.entities, name.suffix, name.extension) == (entities, suffix, extension)


@pytest.mark.parametrize("name", [
    f"._{STEM}_eeg.vhdr", f"old_{STEM}_eeg.vhdr", f"copy of {STEM}_eeg.vhdr", f"{STEM}_eeg (1).vhdr",
    f"{STEM}_eeg - Copy.vhdr", f"{STEM}_eeg.vhdr~", f".{STEM}_eeg.vhdr", f"{STEM}__eeg.vhdr", f"{STEM}_eeg",
    "_eeg.vhdr", "sub-01_sub-02_eeg.vhdr", "sub-01_task-music-1_eeg.vhdr", "sub-_eeg.vhdr", f"Copy_{STEM}_eeg.vhdr",
    f"~${STEM}_eeg.tsv", f"{STEM}_eeg_old.vhdr", "Thumbs.db", ".DS_Store", "__MACOSX",
])  # fmt: skip
def test_what_systems_and_people_leave_beside_files_is_no_name_of_the_dataset(name):
    parsed = parse(name)
    assert parsed is None or (parsed.suffix, parsed.extension) != ("eeg", ".vhdr")


def test_names_are_read_as_mne_bids_reads_them():
    from mne_bids import get_entities_from_fname

    name = "sub-01_ses-02_task-music_acq-dry_run-03_proc-a_desc-x_eeg.vhdr"
    theirs = get_entities_from_fname(name)
    ours = parse(name).entities
    assert list(ours.values()) == [label for key, label in theirs.items() if key != "suffix" and label is not None]


@pytest.fixture
def dataset(tmp_path):
    """Make a participant's folder with nothing in it, and a description of the dataset."""
    root = tmp_path / "ds"
    (root / "sub-01" / "eeg").mkdir(parents=True)
    (root / "dataset_description.json").write_text("{}")
    return root


def touch(root, *names, participant="01"):
    for name in names:
        path = root / f"sub-{participant}" / "eeg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def used(root, **filters):
    return [r.path.name for r in list_recordings(root, Selection(filters=filters)).recordings]


@pytest.mark.parametrize("stray", [f"old_{STEM}_eeg.vhdr", f"{STEM} copy_eeg.vhdr", "sub-02_task-music_eeg.vhdr",
    "sub-01_ses-1_task-music_eeg.vhdr", "sub-01_task-music_part_eeg.edf", f"{STEM}_run-01_eeg.eeg", f"{STEM}_eeg.fif",
    f"{STEM}_EEG.bdf"])  # fmt: skip
def test_files_that_look_like_eeg_are_named_and_not_used(dataset, stray):
    touch(dataset, f"{STEM}_eeg.vhdr", f"{STEM}_eeg.eeg", stray)
    listing = list_recordings(dataset)
    assert [r.path.name for r in listing.recordings] == [f"{STEM}_eeg.vhdr"]
    assert any(stray in note and "not used" in note for note in listing.notes)


@pytest.mark.parametrize("hidden", [f"._{STEM}_eeg.vhdr", f".{STEM}_eeg.set", ".DS_Store"])
def test_what_systems_hide_is_not_worth_a_word(dataset, hidden):
    touch(dataset, f"{STEM}_eeg.vhdr", hidden)
    listing = list_recordings(dataset)
    assert [r.path.name for r in listing.recordings] == [f"{STEM}_eeg.vhdr"]
    assert listing.notes == ()


@pytest.mark.parametrize("folder", ["sub-01 copy", "sub-01.bak", "sub-01_old", "sub-"])
def test_a_folder_with_a_name_of_no_participant_is_named_and_not_used(dataset, folder):
    touch(dataset, f"{STEM}_eeg.vhdr")
    shutil.copytree(dataset / "sub-01", dataset / folder)
    listing = list_recordings(dataset)
    assert {r.participant for r in listing.recordings} == {"01"}
    assert any(folder in note for note in listing.notes)


def test_a_dataset_without_eeg_names_what_was_found_instead(dataset):
    touch(dataset, f"old_{STEM}_eeg.vhdr")
    with pytest.raises(MissingInput, match=f"old_{STEM}_eeg.vhdr"):
        list_recordings(dataset)


def test_extensions_may_be_in_capitals(dataset):
    touch(dataset, f"{STEM}_run-1_eeg.SET", f"{STEM}_run-2_eeg.Edf")
    assert used(dataset) == [f"{STEM}_run-1_eeg.SET", f"{STEM}_run-2_eeg.Edf"]


@pytest.mark.parametrize(("sidecar", "applies"), [
    ("task-music_channels.tsv", True), ("channels.tsv", True), (f"{STEM}_channels.TSV", True),
    ("._task-music_channels.tsv", False), (f"old_{STEM}_channels.tsv", False), ("task-rest_channels.tsv", False),
    (f"copy of {STEM}_channels.tsv", False), (f"{STEM}_channels.tsv.orig", False),
    (f"{STEM}_acq-x_channels.tsv", False),
])  # fmt: skip
def test_sidecars_are_files_with_names_of_the_dataset(dataset, sidecar, applies):
    touch(dataset, f"{STEM}_eeg.vhdr", sidecar)
    found = list_recordings(dataset).recordings[0].sidecar("channels", ".tsv")
    assert (found is not None) == applies


# -- versions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", ["desc-filtered", "proc-ica", "acq-copy", "rec-2", "split-01"])
def test_a_version_of_a_recording_is_named_and_not_used_unless_it_is_asked_for(dataset, extra):
    version = f"{STEM}_{extra}_eeg.vhdr"
    touch(dataset, f"{STEM}_eeg.vhdr", version)
    listing = list_recordings(dataset)
    assert [r.path.name for r in listing.recordings] == [f"{STEM}_eeg.vhdr"]
    (note,) = listing.notes
    assert version in note
    choice = json.loads(note[note.index("{") : note.index("}}") + 2])
    assert used(dataset, **choice["eeg"]) == [version]


def test_versions_without_an_original_must_be_chosen(dataset):
    touch(dataset, f"{STEM}_proc-a_eeg.vhdr", f"{STEM}_proc-b_eeg.vhdr", f"{STEM}_run-02_eeg.vhdr")
    first, other = list_recordings(dataset).recordings
    with pytest.raises(UnusableData, match=r"proc-a.*proc-b.*--bids-filter-file"):
        first.open()
    assert other.rivals == ()
    assert used(dataset, proc="b") == [f"{STEM}_proc-b_eeg.vhdr"]


def test_acquisitions_without_an_original_are_different_recordings_and_told(dataset):
    touch(dataset, f"{STEM}_acq-dry_eeg.vhdr", f"{STEM}_acq-gel_eeg.vhdr")
    listing = list_recordings(dataset)
    assert [r.rivals for r in listing.recordings] == [(), ()]
    assert "acq-dry" in listing.notes[0]
    assert "copies" in listing.notes[0]


def test_a_description_of_the_raw_file_does_not_stay_in_the_name_of_its_derivative(dataset, tmp_path):
    touch(dataset, f"{STEM}_desc-raw_eeg.vhdr")
    (recording,) = list_recordings(dataset).recordings
    assert DerivativePaths.of(recording, tmp_path).stem.name == f"{STEM}_desc-preproc"


@given(st.sets(st.tuples(st.sampled_from(["", "_acq-a", "_acq-b"]), st.sampled_from(["", "_proc-a", "_desc-b"]))))
def test_of_the_versions_of_a_recording_at_most_one_is_used_without_being_told(names):
    from pathlib import Path

    paths = [Path(f"ds/sub-01/eeg/{STEM}{acquired}{processed}_eeg.vhdr") for acquired, processed in sorted(names)]
    chosen, notes = one_version_each(paths, {})
    assert set(chosen) <= set(paths)
    rivals = {rival for others in chosen.values() for rival in others}
    untold = [path for path in paths if path not in rivals and not any(path.name in note for note in notes)]
    assert len(untold) <= 1


def test_a_filter_that_lists_nothing_selects_nothing(dataset):
    touch(dataset, f"{STEM}_eeg.vhdr")
    with pytest.raises(NothingSelected, match=r"task = \[\]"):
        list_recordings(dataset, Selection(filters={"task": []}))

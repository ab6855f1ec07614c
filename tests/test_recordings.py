"""Recordings are found as pybids sees them, and read with whatever can be used of their sidecars."""

import json
import shutil
import sqlite3

import numpy as np
import pybv
import pytest

from predann_bids.bids.finding.labels import comparable
from predann_bids.bids.recordings import Recording, Selection, find_recordings, read_filter_file
from predann_bids.bids.spans import BadSpan, bad_spans, from_events, unreadable_marks
from predann_bids.errors import (
    InvalidDataset,
    MissingInput,
    NothingSelected,
    ReadOrWriteFailed,
    UnusableData,
    WrongUsage,
)

NAMES = ["Fp1", "Cz", "Oz", "Pz"]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Three participants, two sessions, two tasks, two runs of one; files without content, read-only by agreement."""
    root = tmp_path_factory.mktemp("many") / "ds"
    for label in ("01", "02", "03"):
        for session in ("a", "b"):
            eeg = root / f"sub-{label}/ses-{session}/eeg"
            eeg.mkdir(parents=True)
            for task in ("music_run-1", "music_run-2", "rest"):
                for ending in ("eeg.edf", "eeg.json", "events.tsv", "channels.tsv"):
                    (eeg / f"sub-{label}_ses-{session}_task-{task}_{ending}").touch()
    # without a session, of a participant whose label begins as another's does
    (root / "sub-011/eeg").mkdir(parents=True)
    (root / "sub-011/eeg/sub-011_task-music_eeg.bdf").touch()
    (root / "sourcedata/sub-01/eeg").mkdir(parents=True)
    (root / "sourcedata/sub-01/eeg/sub-01_task-music_eeg.edf").touch()
    (root / "derivatives/sub-01/eeg").mkdir(parents=True)
    (root / "derivatives/sub-01/eeg/sub-01_task-music_eeg.edf").touch()
    (root / "dataset_description.json").write_text('{"Name": "many", "BIDSVersion": "1.10.0"}')
    return root


@pytest.fixture
def one(tmp_path):
    """A BrainVision recording of one participant, in microvolts 1, 2, 3, 4 for its channels."""
    eeg = tmp_path / "ds/sub-01/eeg"
    eeg.mkdir(parents=True)
    data = np.random.default_rng(0).normal(0, 2e-5, (4, 500))
    pybv.write_brainvision(
        data=data, sfreq=100, ch_names=NAMES, fname_base="sub-01_task-music_eeg", folder_out=eeg, events=None
    )
    (tmp_path / "ds/dataset_description.json").write_text('{"Name": "one", "BIDSVersion": "1.10.0"}')
    return find_recordings(tmp_path / "ds")[0]


def beside(recording, suffix, text):
    path = recording.path.parent / f"sub-01_task-music_{suffix}"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def table(*rows):
    return "".join("\t".join(row.split()) + "\n" for row in rows)


def names(recordings):
    return [recording.name for recording in recordings]


# -- finding -----------------------------------------------------------------------------------------------------------


def test_all_raw_recordings_are_found_in_the_order_of_their_names(many):
    found = find_recordings(many)
    assert len(found) == 3 * 2 * 3 + 1
    assert found == sorted(found)
    assert {recording.root for recording in found} == {many}


def test_only_the_participants_asked_for_are_found(many):
    found = find_recordings(many, Selection(participants=("01", "03")))
    assert {recording.participant for recording in found} == {"01", "03"}
    assert names(find_recordings(many, Selection(participants=("011",)))) == ["sub-011_task-music"]


def test_entities_are_those_of_the_name(many):
    found = find_recordings(many, Selection(("02",), sessions=("b",), tasks=("music",), runs=("2",)))
    assert [(r.participant, r.session, r.task, r.run) for r in found] == [("02", "b", "music", "2")]


def test_runs_with_leading_zeros_are_the_same_runs(many):
    selection = Selection(("02",), runs=("02",))
    assert {r.run for r in find_recordings(many, selection)} == {"2"}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"task": "rest"}, {"sub-01_ses-a_task-rest", "sub-01_ses-b_task-rest"}),
        ({"task": ["rest"], "session": ["a", "c"]}, {"sub-01_ses-a_task-rest"}),
        ({"session": None}, {"sub-011_task-music"}),
        ({"session": "Query.NONE"}, {"sub-011_task-music"}),
        ({"session": "*", "task": "rest"}, {"sub-01_ses-a_task-rest", "sub-01_ses-b_task-rest"}),
        ({"session": "Query.ANY", "task": "rest"}, {"sub-01_ses-a_task-rest", "sub-01_ses-b_task-rest"}),
        ({"session": [None, "a"], "task": "rest"}, {"sub-01_ses-a_task-rest"}),
        ({"run": None}, {"sub-01_ses-a_task-rest", "sub-01_ses-b_task-rest", "sub-011_task-music"}),
        ({"run": 2, "session": "a"}, {"sub-01_ses-a_task-music_run-2"}),
        (
            {"task": "^re", "session": "[ab]", "regex_search": True},
            {"sub-01_ses-a_task-rest", "sub-01_ses-b_task-rest"},
        ),
        ({"extension": ".bdf"}, {"sub-011_task-music"}),
        ({"extension": "bdf", "subject": ["011", "02"]}, {"sub-011_task-music"}),
    ],
)
def test_filters_follow_the_convention_of_fmriprep(many, tmp_path, filters, expected):
    (tmp_path / "filter.json").write_text(json.dumps({"bold": {"echo": 1}, "eeg": filters}))
    selection = Selection(("01", "011"), filters=read_filter_file(tmp_path / "filter.json"))
    assert set(names(find_recordings(many, selection))) == expected


@pytest.mark.parametrize(
    ("filters", "said"),
    [({"ses": "a"}, "did you mean 'session'"), ({"sesion": "a"}, "did you mean 'session'"), ({"xyz": 1}, "known are"),
     ({"task": {"a": 1}}, "expected text"), ({"regex_search": "yes"}, "true or false"),
     ({"task": "(", "regex_search": True}, "no regular expression")],
)  # fmt: skip
def test_filters_that_pybids_does_not_know_are_wrong_usage(tmp_path, filters, said):
    (tmp_path / "filter.json").write_text(json.dumps({"eeg": filters}))
    with pytest.raises(WrongUsage, match=said):
        read_filter_file(tmp_path / "filter.json")


def test_filters_do_not_widen_what_the_command_line_selects(many):
    with pytest.raises(NothingSelected):
        find_recordings(many, Selection(("01",), filters={"subject": "02"}))


def test_a_filter_that_only_pybids_refuses_is_wrong_usage(many):
    with pytest.raises(WrongUsage, match="pybids cannot use"):
        find_recordings(many, Selection(("01",), filters={"colour": "red"}))


@pytest.mark.parametrize(("make", "error"), [(None, InvalidDataset), ({}, InvalidDataset)])
def test_a_directory_that_is_no_dataset_is_refused(tmp_path, make, error):
    if make is not None:
        (tmp_path / "ds").mkdir()
    with pytest.raises(error):
        find_recordings(tmp_path / "ds")


def test_a_recording_in_several_formats_is_found_once_in_the_best(one):
    for suffix in (".set", ".edf", ".bdf"):
        one.path.with_suffix(suffix).touch()
    (found,) = find_recordings(one.root)
    assert found.path.suffix == ".vhdr"
    assert [path.suffix for path in found.duplicates] == [".set", ".bdf", ".edf"]
    assert any("_eeg.set" in warning and "same recording" in warning for warning in found.open().warnings)


def test_a_format_that_was_not_fetched_is_not_the_best(one):
    one.path.with_suffix(".edf").touch()
    one.path.with_suffix(".eeg").unlink()
    one.path.with_suffix(".eeg").symlink_to("nowhere")
    assert find_recordings(one.root)[0].path.suffix == ".edf"


def test_a_participant_without_eeg_is_no_obstacle_to_others(many):
    # participant 04 has a directory, but nothing in it
    (many / "sub-04").mkdir(exist_ok=True)
    try:
        assert {r.participant for r in find_recordings(many)} == {"01", "011", "02", "03"}
        with pytest.raises(MissingInput):
            find_recordings(many, Selection(("04",)))
    finally:
        (many / "sub-04").rmdir()


# -- kept indexes ------------------------------------------------------------------------------------------------------


def test_a_kept_index_is_of_all_participants_and_gives_the_same(many, tmp_path):
    first = find_recordings(many, Selection(("01",), database_dir=tmp_path / "index"))
    made = (tmp_path / "index/layout_index.sqlite").stat().st_mtime_ns
    assert first == find_recordings(many, Selection(("01",)))
    assert find_recordings(many, Selection(database_dir=tmp_path / "index")) == find_recordings(many)
    assert (tmp_path / "index/layout_index.sqlite").stat().st_mtime_ns == made
    assert [path.name for path in (tmp_path / "index").iterdir()] == ["layout_index.sqlite"]


@pytest.mark.parametrize("change", ["added", "removed", "another dataset", "no index"])
def test_an_index_that_no_longer_fits_is_made_anew(many, tmp_path, change):
    root = shutil.copytree(many, tmp_path / "ds")
    kept = Selection(database_dir=tmp_path / "index")
    find_recordings(root, kept)
    if change == "added":
        shutil.copytree(root / "sub-01", root / "sub-05")
        for path in list((root / "sub-05").rglob("sub-01*")):
            path.rename(path.with_name(path.name.replace("sub-01", "sub-05")))
    elif change == "removed":
        shutil.rmtree(root / "sub-02")
    elif change == "another dataset":
        shutil.rmtree(root / "sub-03")
        root = root.rename(tmp_path / "moved")
    else:
        (tmp_path / "index/layout_index.sqlite").write_bytes(b"this is no database")
    assert find_recordings(root, kept) == find_recordings(root)


@pytest.mark.parametrize("name", ["db [1] {x}", "é#%'\"*", "new/er", "a&b=c"])
def test_an_index_can_lie_in_any_directory(many, tmp_path, name):
    assert find_recordings(many, Selection(database_dir=tmp_path / name)) == find_recordings(many)
    assert [path.name for path in (tmp_path / name).iterdir()] == ["layout_index.sqlite"]


def test_a_directory_that_would_be_taken_for_another_is_refused(many, tmp_path):
    with pytest.raises(WrongUsage, match=r"must not contain '\?'"):
        find_recordings(many, Selection(database_dir=tmp_path / "a?b"))
    assert list(tmp_path.iterdir()) == []


def test_an_index_on_a_disk_without_locks_is_refused_with_a_remedy(many, tmp_path, monkeypatch):
    def locked(*_, **__):
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr("bids.layout.BIDSLayout", locked)
    with pytest.raises(ReadOrWriteFailed, match=r"database is locked\. Choose a directory on a local disk"):
        find_recordings(many, Selection(database_dir=tmp_path / "index"))


# -- sidecars ----------------------------------------------------------------------------------------------------------


def test_the_nearest_sidecar_that_applies_is_used(one):
    root, eeg = one.root, one.path.parent
    assert one.sidecar("channels", ".tsv") is None
    places = [root / "channels.tsv", root / "task-music_channels.tsv", root / "sub-01/sub-01_channels.tsv",
              eeg / "sub-01_channels.tsv", eeg / "sub-01_task-music_channels.tsv"]  # fmt: skip
    for path in places:
        path.touch()
        assert one.sidecar("channels", ".tsv") == path
    for other in ("sub-01_task-rest_channels.tsv", "sub-01_task-music_run-1_channels.tsv", "sub-02_channels.tsv"):
        (eeg / other).touch()
    assert one.sidecar("channels", ".tsv") == places[-1]


def test_positions_may_name_a_space_that_the_recording_does_not(one):
    path = one.path.parent / "sub-01_space-CapTrak_electrodes.tsv"
    path.touch()
    assert one.sidecar("electrodes", ".tsv") == path


def test_metadata_are_merged_key_by_key_and_the_nearer_wins(one):
    (one.root / "task-music_eeg.json").write_text('{"PowerLineFrequency": 60, "EEGReference": "Cz"}')
    beside(one, "eeg.json", '{"PowerLineFrequency": 50}')
    (one.root / "task-rest_eeg.json").write_text('{"EEGReference": "nose"}')
    assert one.metadata() == {"PowerLineFrequency": 50, "EEGReference": "Cz"}
    assert one.read().info["line_freq"] == 50


@pytest.mark.parametrize(("written", "read"), [('"50"', 50), ('"n/a"', None), ("0", None), ("null", None)])
def test_a_line_frequency_that_is_no_number_is_none(one, written, read):
    beside(one, "eeg.json", f'{{"PowerLineFrequency": {written}}}')
    assert one.read().info["line_freq"] == read


def test_json_that_is_none_is_unusable(one):
    path = beside(one, "eeg.json", "{")
    with pytest.raises(UnusableData, match=path.name):
        one.read()


@pytest.mark.parametrize("ending", ["channels.tsv", "electrodes.tsv", "eeg.json", "events.tsv"])
def test_a_sidecar_that_was_not_fetched_is_named_with_the_remedy(one, ending):
    path = one.path.parent / f"sub-01_task-music_{ending}"
    path.symlink_to("../../.git/annex/objects/nothing")
    suffix, extension = ending.split(".")
    with pytest.raises(MissingInput, match=rf"{path.name} is a link to content.*datalad get"):
        one.metadata() if extension == "json" else one.sidecar(suffix, f".{extension}")


def test_what_lies_around_a_recording_does_not_matter(one):
    (one.root / "README").write_bytes(b"\xff\xfe Universit\xe4t")
    (one.root / "participants.tsv").write_text("participant_id\tage\nsub-99\tn/a\n")
    (one.root / "sub-01/sub-01_scans.tsv").write_text("filename\tacq_time\neeg/other.vhdr\tyesterday\n")
    beside(one, "events.tsv", "onset\nnothing")
    assert one.read().n_times == 500


# -- channels.tsv ------------------------------------------------------------------------------------------------------


def test_rows_are_matched_by_name_in_any_order(one):
    beside(one, "channels.tsv", table("name type status", "Oz EOG good", "Pz EEG bad", "Cz EEG good", "Fp1 ECG good"))
    opened = one.open()
    assert opened.raw.ch_names == NAMES
    assert opened.raw.get_channel_types() == ["ecg", "eeg", "eog", "eeg"]
    assert opened.raw.info["bads"] == ["Pz"]
    assert "in another order than the recording: rows are matched by name" in " ".join(opened.warnings)


def test_names_that_differ_in_little_are_the_same_and_those_of_the_table_hold(one):
    beside(one, "channels.tsv", table("name type", "FP1. EEG", "CZ EOG", "Oz-REF EEG", "pz EEG"))
    opened = one.open()
    assert opened.raw.ch_names == ["FP1.", "CZ", "Oz-REF", "pz"]
    assert opened.raw.get_channel_types() == ["eeg", "eog", "eeg", "eeg"]


def test_other_names_for_as_many_channels_are_taken_by_place_with_a_warning(one):
    beside(one, "channels.tsv", table("name type status", "Fp1 EEG good", "a EEG bad", "b ECG good", "Pz EEG good"))
    opened = one.open()
    assert opened.raw.ch_names == ["Fp1", "a", "b", "Pz"]
    assert opened.raw.get_channel_types() == ["eeg", "eeg", "ecg", "eeg"]
    assert opened.raw.info["bads"] == ["a"]
    assert "Cz (a), Oz (b)" in opened.warnings[0]


@pytest.mark.parametrize(
    ("rows", "said"),
    [(["Fp1 EEG", "Cz EOG", "Oz EEG"], "no row for channel Pz"),
     (["Fp1 EEG", "Cz EOG", "Oz EEG", "Pz EEG", "Fz EEG"], "names Fz, which the recording does not have")],
)  # fmt: skip
def test_rows_that_are_missing_or_too_many_are_told(one, rows, said):
    beside(one, "channels.tsv", table("name type", *rows))
    opened = one.open()
    assert opened.raw.get_channel_types() == ["eeg", "eog", "eeg", "eeg"]
    assert any(said in warning for warning in opened.warnings)


@pytest.mark.parametrize(("kind", "mne_kind"), [("EEG", "eeg"), ("eeg", "eeg"), ("VEOG", "eog"), ("EOG", "eog"),
    ("ECG", "ecg"), ("EMG", "emg"), ("MISC", "misc"), ("TRIG", "stim"), ("REF", "misc"), ("AUDIO", "misc"),
    ("OTHER", "misc"), ("nonsense", "misc"), ("n/a", "eeg")])  # fmt: skip
def test_types_of_channels(one, kind, mne_kind):
    beside(one, "channels.tsv", table("name type", f"Fp1 {kind}", "Cz EEG", "Oz EEG", "Pz EEG"))
    assert one.read().get_channel_types() == [mne_kind, "eeg", "eeg", "eeg"]


@pytest.mark.parametrize("text", [
    "\ufeffname\ttype\tstatus\r\nFp1\tEEG\tbad\r\nCz\tEOG\r\nOz\tEEG\tgood\r\nPz\tEEG\tgood\r\n\r\n".encode(),
    "name\ttype\tstatus\tnote\nFp1\tEEG\tbad\tlöse\nCz\tEOG\tgood\nOz\tEEG\tgood\nPz\tEEG\tgood\n".encode("latin-1"),
    b'"name"\t"type"\t"status"\nFp1 \t EEG\tBAD\nCz\tEOG\tgood\nOz\tEEG\tgood\nPz\tEEG\tgood',
])  # fmt: skip
def test_tables_are_read_as_people_write_them(one, text):
    beside(one, "channels.tsv", text)
    opened = one.open()
    assert opened.raw.get_channel_types() == ["eeg", "eog", "eeg", "eeg"]
    assert opened.raw.info["bads"] == ["Fp1"]


@pytest.mark.parametrize("text", ["", "label\ttype\nFp1\tEEG\n"])
def test_a_table_without_names_is_told_and_not_used(one, text):
    beside(one, "channels.tsv", text)
    opened = one.open()
    assert opened.raw.get_channel_types() == ["eeg"] * 4
    assert "has no column 'name'" in opened.warnings[0]


# -- electrodes.tsv ----------------------------------------------------------------------------------------------------

POSITIONS = ("name x y z", "Fp1 -29 84 -7", "Cz 0 -9 100", "Oz n/a n/a n/a", "extra 1 2 3")
CAPTRAK = {"EEGCoordinateSystem": "CapTrak", "EEGCoordinateUnits": "mm"}


def positions(raw):
    return np.array([channel["loc"][:3] for channel in raw.info["chs"]]) * 1000


def test_positions_are_those_of_electrodes_tsv_and_the_rest_is_unknown(one):
    beside(one, "electrodes.tsv", table(*POSITIONS))
    beside(one, "coordsystem.json", json.dumps(CAPTRAK))
    opened = one.open()
    np.testing.assert_allclose(positions(opened.raw)[:2], [[-29, 84, -7], [0, -9, 100]], atol=1e-6)
    assert np.isnan(positions(opened.raw)[2:]).all()
    assert opened.warnings == ()


@pytest.mark.parametrize(("unit", "factor"), [("m", 1000), ("cm", 10), ("mm", 1)])
def test_positions_are_converted_by_their_unit(one, unit, factor):
    beside(one, "electrodes.tsv", table("name x y z", "Cz 1 2 3"))
    beside(one, "coordsystem.json", json.dumps(CAPTRAK | {"EEGCoordinateUnits": unit}))
    np.testing.assert_allclose(positions(one.read())[1], np.array([1, 2, 3]) * factor, rtol=1e-6)


@pytest.mark.parametrize(
    "system", [{"EEGCoordinateSystem": "EEGLAB"}, {"EEGCoordinateSystem": "CTF"},
               {"EEGCoordinateSystem": "Other", "EEGCoordinateSystemDescription": "EEGLAB"}]
)  # fmt: skip
def test_axes_that_point_to_the_nose_are_turned(one, system):
    beside(one, "electrodes.tsv", table("name x y z", "Fp1 84 29 -7"))
    beside(one, "coordsystem.json", json.dumps(CAPTRAK | system))
    np.testing.assert_allclose(positions(one.read())[0], [-29, 84, -7], atol=1e-6)


def test_landmarks_place_an_unknown_system_on_the_head(one):
    landmarks = {"NAS": [90, 0, 0], "LPA": [0, 80, 0], "RPA": [0, -80, 0]}
    system = {"EEGCoordinateSystem": "Other", "AnatomicalLandmarkCoordinates": landmarks}
    beside(one, "electrodes.tsv", table("name x y z", "Fp1 84 29 -7"))
    beside(one, "coordsystem.json", json.dumps(CAPTRAK | system))
    np.testing.assert_allclose(positions(one.read())[0], [-29, 84, -7], atol=1e-4)


@pytest.mark.parametrize(
    ("system", "said"),
    [(None, "No coordsystem.json"), ("{", "not valid JSON"), ('{"EEGCoordinateSystem": "Other"}', "axes"),
     ('{"EEGCoordinateSystem": "Mars", "EEGCoordinateUnits": "feet"}', "no unit"), ("{}", "no unit")],
)  # fmt: skip
def test_positions_without_a_sound_description_are_used_with_a_warning(one, system, said):
    beside(one, "electrodes.tsv", table("name x y z", "Fp1 -0.03 0.08 0", "Cz 0 0 0.1"))
    if system:
        beside(one, "coordsystem.json", system)
    opened = one.open()
    np.testing.assert_allclose(positions(opened.raw)[1], [0, 0, 100], atol=1e-6)
    assert any(said in warning for warning in opened.warnings)


@pytest.mark.parametrize("rows", [("name x y", "Cz 1 2"), ("name x y z", "other 1 2 3"), ("name x y z", "Cz a b c")])
def test_positions_that_cannot_be_used_are_told(one, rows):
    beside(one, "electrodes.tsv", table(*rows))
    beside(one, "coordsystem.json", json.dumps(CAPTRAK))
    opened = one.open()
    assert np.isnan(positions(opened.raw)).all()
    assert len(opened.warnings) == 1
    assert "electrodes.tsv" in opened.warnings[0]


# -- bad stretches -----------------------------------------------------------------------------------------------------


def test_bad_stretches_among_annotations():
    from mne import Annotations

    marks = {"BAD_muscle": 1.0, "bad": 2.0, "Bad Romance": 3.0, "boundary": 4.0, "New Segment/": 5.0, "badge": 6.0,
             "BAD boundary": 7.0, "EDGE boundary": 8.0, "Bad Interval/Bad Interval": 9.0}  # fmt: skip
    annotations = Annotations(list(marks.values()), 0.5, list(marks))
    found = {span.description: (span.onset, span.duration) for span in bad_spans(annotations)}
    assert found == {
        "BAD_muscle": (1.0, 0.5),
        "bad": (2.0, 0.5),
        "boundary": (4.0, 0.0),
        "New Segment/": (5.0, 0.0),
        "BAD boundary": (7.0, 0.5),
        "EDGE boundary": (8.0, 0.0),
        "Bad Interval/Bad Interval": (9.0, 0.5),
    }


def test_bad_stretches_count_from_the_start_of_the_recording():
    from mne import Annotations, create_info
    from mne.io import RawArray

    raw = RawArray(np.zeros((1, 1000)), create_info(1, 100.0), verbose="error")
    raw.set_meas_date(1e9)
    raw.set_annotations(Annotations([3.0], [1.0], ["BAD_x"], orig_time=raw.info["meas_date"]))
    assert bad_spans(raw.crop(2.0)) == (BadSpan(1.0, 1.0, "BAD_x"),)


def test_bad_stretches_among_events():
    names = ("onset", "duration", "trial_type", "value", "stim_file")
    events = [
        dict(zip(names, cells, strict=True))
        for cells in (
            ("1.5", "2", "BAD_eyes", "n/a", "n/a"),
            ("3", "100", "n/a", "boundary", "n/a"),
            ("0", "0", "boundary", "n/a", "n/a"),
            ("5", "n/a", "bad", "7", "n/a"),
            ("6", "3", "bad_guy", "n/a", "bad_guy.wav"),
            ("n/a", "3", "BAD", "n/a", "n/a"),
            ("8", "3", "song", "n/a", "n/a"),
        )
    ]
    expected = (BadSpan(1.5, 2.0, "BAD_eyes"), BadSpan(3.0, 0.0, "boundary"), BadSpan(5.0, 0.0, "bad"))
    assert from_events(events) == expected
    assert from_events([{name: row[name] for name in names[:2]} for row in events]) == ()


@pytest.mark.parametrize(("onset", "duration", "said"), [
    ("5,0", "2", "line 3: 'BAD_jump' has the onset '5,0'"), ("5", "2,5", "has the duration '2,5'"),
    ("n/a", "2", "has the unknown onset"), ("soon", "x", "has the onset 'soon' and the duration 'x'"),
])  # fmt: skip
def test_a_mark_without_a_time_that_can_be_read_is_told(onset, duration, said):
    rows = [{"onset": "1", "duration": "n/a", "trial_type": "BAD_eye"}]
    rows += [{"onset": onset, "duration": duration, "trial_type": "BAD_jump"}]
    rows += [{"onset": "n/a", "duration": "x", "trial_type": "response"}]
    (told,) = unreadable_marks(rows)
    assert said in told


def test_recordings_are_ordered_and_can_be_sent_to_other_processes(one):
    import pickle

    assert pickle.loads(pickle.dumps(one)) == one
    other = Recording("02", "", "music", "", one.path, one.root)
    assert sorted([other, one]) == [one, other]


def test_runs_are_compared_as_numbers_and_other_labels_as_words():
    assert comparable("01") == comparable("1") == comparable(1)
    assert comparable("a1") != comparable("a01")

"""Each kind of bad input: its exit code, one plain sentence that names the file, nothing half-written."""

import json
import os
import shutil

import numpy as np
import pytest
import soundfile

from predann_bids.bids.derivatives import read_derivatives

QUICK = ("--no-report", "--n-procs", "1", "--skip-bids-validation")
EVENTS = "sub-01/eeg/sub-01_task-music_events.tsv"


def assert_plain(code, err):
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if line.startswith("Error:")]) == (1 if code else 0)


def finished(output):
    return sorted(path.parts[-3] for path in output.rglob("*_desc-preproc_eeg.json"))


@pytest.fixture
def participant(dataset_copy, tmp_path, app):
    """Run the participant level on the damaged copy."""

    def participant(*more):
        code, out, err = app(dataset_copy, tmp_path / "out", "participant", *QUICK, *more)
        assert_plain(code, err)
        assert list(tmp_path.rglob(".writing-*")) == []
        return code, out, err

    return participant


def test_a_directory_that_is_no_bids_dataset_fails_validation(tmp_path, app):
    (tmp_path / "ds").mkdir()
    code, _, err = app(tmp_path / "ds", tmp_path / "out", "participant")
    assert code == 16
    assert "dataset_description.json" in err
    assert not (tmp_path / "out").exists()


def test_a_dataset_that_the_validator_objects_to_fails_validation(dataset_copy, tmp_path, app):
    (dataset_copy / "dataset_description.json").write_text('{"Name": ')
    code, _, err = app(dataset_copy, tmp_path / "out", "participant")
    assert code == 16
    assert "dataset_description.json" in err
    assert "--skip-bids-validation" in err
    assert not (tmp_path / "out").exists()


def test_findings_that_do_not_matter_for_eeg_do_not_stop_a_run(dataset_copy, tmp_path, app):
    (dataset_copy / "notes.txt").write_text("not part of BIDS")
    code, _, err = app(dataset_copy, tmp_path / "out", "participant", "--participant-label", "01", "--no-report")
    assert code == 0
    assert "NOT_INCLUDED" in err


def test_a_participant_that_does_not_exist_selects_nothing(participant):
    code, _, err = participant("--participant-label", "01", "99")
    assert code == 18
    assert "no participant 99; it has 01, 02, 03, 04" in err


def test_filters_that_leave_nothing_select_nothing(participant):
    code, _, err = participant("--task-label", "rest")
    assert code == 18
    assert "rest" in err
    assert "There is task music." in err


def test_a_filter_file_is_applied(participant, tmp_path):
    (tmp_path / "filter.json").write_text(json.dumps({"eeg": {"subject": ["02"]}}))
    code, *_ = participant("--bids-filter-file", tmp_path / "filter.json")
    assert code == 0
    assert finished(tmp_path / "out") == ["sub-02"]


@pytest.mark.parametrize(("text", "code"), [("{", 64), ("[]", 64), ('{"bold": {}}', 64), (None, 66)])
def test_a_filter_file_that_cannot_be_used_is_refused(participant, tmp_path, text, code):
    if text is not None:
        (tmp_path / "filter.json").write_text(text)
    assert participant("--bids-filter-file", tmp_path / "filter.json")[0] == code


def test_a_dataset_without_eeg_misses_an_input(dataset_copy, participant):
    for eeg in dataset_copy.glob("sub-*/eeg"):
        shutil.rmtree(eeg)
    code, _, err = participant()
    assert code == 66
    assert "holds no EEG recording" in err


def test_events_without_music_are_unusable(dataset_copy, participant, tmp_path):
    for events in dataset_copy.rglob("*_events.tsv"):
        events.write_text("onset\tduration\ttrial_type\n1.0\t2.0\tfixation\n")
    code, _, err = participant()
    assert code == 65
    assert "which music was played" in err
    assert finished(tmp_path / "out") == []


def test_without_any_audio_an_input_is_missing_named_by_file_and_row(dataset_copy, participant, tmp_path):
    for song in (dataset_copy / "stimuli").glob("*.wav"):
        song.unlink()
    code, _, err = participant()
    assert code == 66
    assert "song-01.wav" in err
    assert "line " in err
    assert "--stimuli-dir" in err
    assert finished(tmp_path / "out") == []


def test_one_song_without_audio_costs_no_participant(dataset_copy, participant, tmp_path):
    (dataset_copy / "stimuli" / "song-02.wav").unlink()
    code, _, err = participant()
    assert code == 1
    assert "song-02.wav" in err
    assert "--stimuli-dir" in err
    assert finished(tmp_path / "out") == ["sub-01", "sub-02", "sub-03", "sub-04"]


def test_audio_may_lie_elsewhere(dataset_copy, participant, tmp_path):
    (dataset_copy / "stimuli").rename(tmp_path / "audio")
    assert participant("--participant-label", "01", "--stimuli-dir", tmp_path / "audio")[0] == 0


def test_audio_that_is_too_short_is_unusable(dataset_copy, participant):
    soundfile.write(dataset_copy / "stimuli" / "song-01.wav", np.zeros(44100), 44100)
    code, _, err = participant("--participant-label", "01", "--missing-audio", "fail")
    assert code == 65
    assert "song-01.wav lasts 1.00 s" in err


def test_audio_that_is_no_audio_is_unusable(dataset_copy, participant):
    (dataset_copy / "stimuli" / "song-01.wav").write_bytes(b"this is text, not sound")
    code, _, err = participant("--participant-label", "01", "--missing-audio", "fail")
    assert code == 65
    assert "song-01.wav cannot be read as audio" in err


def test_one_failing_participant_does_not_stop_the_others(dataset_copy, participant, tmp_path):
    text = (dataset_copy / EVENTS).read_text()
    (dataset_copy / EVENTS).write_text(text.replace("onset", "time"))
    code, _out, err = participant()
    assert code == 1
    assert "sub-01_task-music" in err
    assert "no column onset" in err
    assert "the rest is complete" in err
    assert finished(tmp_path / "out") == ["sub-02", "sub-03", "sub-04"]
    assert "Traceback" in (tmp_path / "out/logs/sub-01_task-music.log").read_text()


def test_work_can_stop_at_the_first_crash(dataset_copy, participant, tmp_path):
    text = (dataset_copy / EVENTS).read_text()
    (dataset_copy / EVENTS).write_text(text.replace("onset", "time"))
    participant("--stop-on-first-crash")
    assert finished(tmp_path / "out") == []


def test_eeg_that_was_cut_off_names_the_recording(dataset_copy, participant):
    data = dataset_copy / "sub-01/eeg/sub-01_task-music_eeg.eeg"
    data.write_bytes(data.read_bytes()[: 8 * 4 * 100])
    code, _, err = participant("--participant-label", "01")
    assert code == 65
    assert "sub-01" in err


def test_a_header_that_is_no_header_names_the_recording(dataset_copy, participant):
    (dataset_copy / "sub-01/eeg/sub-01_task-music_eeg.vhdr").write_text("nonsense")
    code, _, err = participant("--participant-label", "01")
    assert code == 65
    assert "sub-01_task-music_eeg.vhdr cannot be read" in err


def test_onsets_beyond_the_recording_are_unusable(dataset_copy, participant):
    (dataset_copy / EVENTS).write_text("onset\tduration\tstim_file\n5000\t12\tsong-01.wav\n")
    code, _, err = participant("--participant-label", "01")
    assert code == 65
    assert f"{EVENTS}, line 2" in err


def test_an_output_inside_a_file_cannot_be_created(dataset, tmp_path, app):
    (tmp_path / "file").write_text("precious")
    code, _, err = app(dataset, tmp_path / "file" / "out", "participant", *QUICK)
    assert code == 73
    assert "is a file" in err
    assert (tmp_path / "file").read_text() == "precious"


def test_an_output_that_is_a_file_cannot_be_created(dataset, tmp_path, app):
    (tmp_path / "file").write_text("precious")
    assert app(dataset, tmp_path / "file", "participant", *QUICK)[0] == 73


@pytest.mark.parametrize("level", ["participant", "group"])
def test_an_output_that_may_not_be_written_to_cannot_be_created(dataset, tmp_path, app, monkeypatch, level):
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode, **k: False if mode & os.W_OK else real(path, mode, **k))
    code, _, err = app(dataset, tmp_path / "out", level, *QUICK)
    assert code == 73
    assert "no permission" in err
    assert not (tmp_path / "out").exists()


def test_group_before_participant_misses_an_input(dataset, tmp_path, app):
    code, _, err = app(dataset, tmp_path / "out", "group", *QUICK)
    assert code == 66
    assert "Run the participant level first" in err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def group(dataset_copy, derivatives, tmp_path, app):
    """Run the group level on a copy of the derivatives."""
    output = shutil.copytree(derivatives, tmp_path / "out", ignore=shutil.ignore_patterns("stimuli"))

    def group(*more):
        code, out, err = app(dataset_copy, output, "group", *QUICK, *more)
        assert_plain(code, err)
        assert not (output / "group" / "predann" / "metrics.json").exists()
        return code, out, err

    return group


def test_too_few_participants_for_the_split_are_unusable(group):
    code, _, err = group("--participant-label", "01", "02")
    assert code == 65
    assert "at least 3 participants" in err


def test_a_participant_without_derivatives_selects_nothing(group):
    assert group("--participant-label", "99")[0] == 18


def test_a_fold_that_does_not_exist_is_wrong_usage(group):
    code, _, err = group("--fold", "9")
    assert code == 64
    assert "there are folds 1 to 4" in err


def test_audio_that_has_gone_since_is_a_missing_input(group, dataset_copy, tmp_path):
    for directory in (dataset_copy / "stimuli", tmp_path / "out" / "stimuli"):
        for song in directory.glob("*.wav"):
            song.unlink()
    assert group()[0] == 66


def test_a_derivative_that_was_cut_off_is_unusable(group, tmp_path):
    data = tmp_path / "out/sub-01/eeg/sub-01_task-music_desc-preproc_eeg.eeg"
    data.write_bytes(data.read_bytes()[:-3])
    assert group()[0] == 65


def test_a_window_longer_than_all_music_is_unusable(group, tmp_path):
    config = tmp_path / "long.toml"
    config.write_text("[evaluation]\nlengths = [20]\n")
    code, _, err = group("--window", "20", "--config", config)
    assert code == 65
    assert "as long as a window" in err


@pytest.mark.parametrize("label", ["../evil", "a/b", ".hidden", ""])
def test_a_label_that_is_no_name_is_wrong_usage(group, label):
    assert group("--label", label)[0] == 64


@pytest.mark.parametrize("wrong", [("--precision", "foo"), ("--devices", "0"), ("--accelerator", "tpu")])
def test_hardware_that_is_not_there_is_wrong_usage(group, wrong):
    assert group("--epochs", "1", *wrong)[0] == 64


def test_derivatives_that_were_made_differently_are_not_mixed(group, dataset_copy, tmp_path, app):
    arguments = ("participant", "--participant-label", "03", "--l-freq", "2", *QUICK)
    assert app(dataset_copy, tmp_path / "out", *arguments)[0] == 0
    code, _, err = group()
    assert code == 65
    assert "recordings of sub-03 and 3 others were preprocessed differently: l_freq is 2.0 and 1.0." in err


def test_what_is_being_written_is_not_taken_for_a_derivative(derivatives, tmp_path):
    output = shutil.copytree(derivatives, tmp_path / "out", ignore=shutil.ignore_patterns("stimuli"))
    (output / "sub-01/eeg/.writing-77-sub-01_task-music_desc-preproc_eeg.json").touch()
    assert [one.name for one in read_derivatives(output)] == [one.name for one in read_derivatives(derivatives)]


def test_labels_that_are_no_text_are_wrong_usage(participant, tmp_path):
    (tmp_path / "labels").write_bytes(b"\xff\xfe\x00")
    assert participant("--participant-label", tmp_path / "labels")[0] == 64


def test_a_defect_is_told_without_a_traceback(dataset, tmp_path, app, monkeypatch):
    monkeypatch.setattr("predann_bids.workflows.application.validate_dataset", lambda *_: 1 / 0)
    code, _, err = app(dataset, tmp_path / "out", "participant")
    assert code == 70
    assert "ZeroDivisionError" in err
    assert_plain(code, err)


def test_a_group_run_does_what_no_other_process_is_doing_and_is_then_worth_trying_again(group, tmp_path, monkeypatch):
    from filelock import FileLock

    monkeypatch.setattr("predann_bids.workflows.group.fitting.tasks.BUSY_S", 0.1)
    fold = tmp_path / "out/group/predann/fold-1"
    fold.mkdir(parents=True)
    with FileLock(fold / ".band_power.lock.flock"):  # which comes first
        code, _, err = group("--fold", "1", "--epochs", "1", "--no-linear", "--no-baseline")
    assert code == 75
    assert "Another process is working on fold 1, band_power" in " ".join(err.split())
    assert (fold / "predann.ckpt").is_file()

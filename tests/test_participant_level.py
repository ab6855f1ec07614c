import json
import shutil

import mne
import numpy as np
import pandas as pd
import pytest
import scipy.signal
import soundfile
from mne_bids import BIDSPath, read_raw_bids

from predann_bids.bids.finding.index import LastIndex
from predann_bids.bids.recordings import Selection, find_recordings

QUICK = ("--no-report", "--n-procs", "1", "--skip-bids-validation")
ALONE = ("--participant-label", "01", *QUICK)
STEM = "sub-01/eeg/sub-01_task-music_desc-preproc"


def files_of(directory):
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def times_of(directory):
    """When files and directories were changed: a file that came and went changes its directory."""
    return {str(p): p.stat().st_mtime_ns for p in (directory, *directory.rglob("*"))}


@pytest.fixture(scope="module")
def reported(dataset, built_once):
    """The participant level's output for `dataset`, with reports, made by two processes; read-only by agreement."""
    from predann_bids.cli import make_command, run

    def build(output):
        before = files_of(dataset), times_of(dataset)
        assert run(make_command(), [str(dataset), str(output), "participant", "--n-procs", "2"]) == 0
        assert (files_of(dataset), times_of(dataset)) == before, "the input dataset was written to"

    return built_once("reported", build)


def test_the_derivatives_are_a_valid_bids_dataset(reported, validator_errors):
    assert validator_errors(reported) == []


def test_every_participant_has_eeg_tables_and_a_report(reported):
    for participant in ("01", "02", "03", "04"):
        stem = reported / f"sub-{participant}" / "eeg" / f"sub-{participant}_task-music_desc-preproc"
        for suffix in ("_eeg.vhdr", "_eeg.vmrk", "_eeg.eeg", "_eeg.json", "_channels.tsv", "_events.tsv"):
            assert stem.with_name(stem.name + suffix).stat().st_size > 0
        assert "<html" in (reported / f"sub-{participant}.html").read_text()[:2000]


def test_nothing_unfinished_is_left(reported):
    assert list(reported.rglob(".writing-*")) == []


def test_mne_reads_the_derivative_with_its_units_positions_and_annotations(dataset, reported):
    source = read_raw_bids(BIDSPath(root=dataset, subject="01", task="music", datatype="eeg"), verbose="error")
    read = mne.io.read_raw_brainvision(reported / f"{STEM}_eeg.vhdr", preload=True, verbose="error")
    assert read.info["sfreq"] == 125
    assert 1e-6 < read.get_data().std() < 1e-4  # volts
    for before, after in zip(source.info["chs"], read.info["chs"], strict=True):
        np.testing.assert_allclose(after["loc"][:3], before["loc"][:3], atol=1e-6)
    assert sorted(read.annotations.description) == ["Comment/song-01", "Comment/song-02", "Comment/song-03"]


def test_the_derivative_is_what_mne_makes_of_the_recording(dataset, reported):
    raw = read_raw_bids(BIDSPath(root=dataset, subject="01", task="music", datatype="eeg"), verbose="error").load_data(
        verbose="error"
    )
    raw.notch_filter([50.0], verbose="error").filter(1, 40, verbose="error")
    raw.set_eeg_reference("average", projection=False, verbose="error")
    raw.crop(tmax=(raw.n_times // 8 * 8 - 1) / 200)  # a length for which MNE's resampling needs no rounding
    raw.resample(125, verbose="error")
    read = mne.io.read_raw_brainvision(reported / f"{STEM}_eeg.vhdr", preload=True, verbose="error")
    inner = slice(250, -250)
    np.testing.assert_allclose(
        read.get_data()[:, : raw.n_times][:, inner],
        raw.get_data()[:, inner],
        atol=0.01 * raw.get_data()[:, inner].std(axis=1).min(),
    )


def test_the_published_preset_resamples_by_the_fourier_method_and_does_nothing_else(dataset, tmp_path, app):
    arguments = ("--preset", "published", "--participant-label", "01", "--skip-bids-validation")
    code, *_ = app(dataset, tmp_path / "out", "participant", *arguments)
    assert code == 0
    raw = read_raw_bids(BIDSPath(root=dataset, subject="01", task="music", datatype="eeg"), verbose="error")
    raw.crop(tmax=(raw.n_times // 8 * 8 - 1) / 200).load_data(verbose="error")
    expected = scipy.signal.resample(raw.get_data(), raw.n_times * 125 // 200, axis=1)
    read = mne.io.read_raw_brainvision(tmp_path / "out" / f"{STEM}_eeg.vhdr", preload=True, verbose="error")
    assert read.info["sfreq"] == 125
    inner = slice(250, -250)
    found = read.get_data()[:, : expected.shape[1]]
    np.testing.assert_allclose(found[:, inner], expected[:, inner], atol=0.01 * expected[:, inner].std(axis=1).min())
    sidecar = json.loads((tmp_path / "out" / f"{STEM}_eeg.json").read_text())
    assert sidecar["SamplingFrequency"] == 125
    assert sidecar["PreprocessingSteps"] == [
        {"Name": "resample", "from_hz": 200.0, "to_hz": 125.0, "method": "fourier"}
    ]
    assert (
        sidecar["EEGReference"] == json.loads(next(dataset.glob("sub-01/eeg/*_eeg.json")).read_text())["EEGReference"]
    )
    assert "neither filtered nor re-referenced" in (tmp_path / "out" / "CITATION.md").read_text()
    assert "200 to 125 Hz; method fourier" in (tmp_path / "out" / "sub-01.html").read_text()


def test_the_events_table_holds_one_row_for_each_presentation(dataset, reported):
    table = pd.read_csv(reported / f"{STEM}_events.tsv", sep="\t")
    assert list(table.columns) == ["onset", "duration", "trial_type", "stim_file", "audio_start", "stim_id"]
    events = pd.read_csv(dataset / "sub-01/eeg/sub-01_task-music_events.tsv", sep="\t")
    music = events[events["stim_file"].notna()]
    np.testing.assert_allclose(table["onset"], music["onset"], atol=1e-5)
    assert table["stim_file"].tolist() == music["stim_file"].tolist()
    assert table["stim_id"].tolist() == music["stim_id"].tolist()


def test_the_derivative_describes_the_stimuli_that_were_used(dataset, reported):
    source = (dataset / "stimuli" / "stimuli.tsv").read_text()
    assert (reported / "stimuli" / "stimuli.tsv").read_text() == source
    assert set(source.splitlines()[0].split("\t")) == set(json.loads((reported / "stimuli/stimuli.json").read_text()))


def test_the_sidecar_names_source_steps_and_bad_channels(reported):
    sidecar = json.loads((reported / f"{STEM}_eeg.json").read_text())
    assert sidecar["Sources"] == ["bids:raw:sub-01/eeg/sub-01_task-music_eeg.vhdr"]
    assert [step["Name"] for step in sidecar["PreprocessingSteps"]] == ["notch", "band-pass", "reference", "resample"]
    assert sidecar["BadChannels"] == []
    assert sidecar["SamplingFrequency"] == 125
    assert sidecar["EEGReference"] == "average"


def test_the_dataset_says_what_made_it_and_from_what(dataset, reported):
    description = json.loads((reported / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "PredANN-BIDS"
    assert description["SourceDatasets"][0]["URL"] == dataset.as_uri()
    assert "band-pass filtered from 1 to 40 Hz" in (reported / "CITATION.md").read_text()


def test_the_second_run_does_only_what_is_missing_or_changed(dataset_copy, tmp_path, app):
    arguments = (dataset_copy, tmp_path / "out", "participant", *QUICK)
    assert app(*arguments)[0] == 0
    (tmp_path / "out/sub-02/eeg/sub-02_task-music_desc-preproc_events.tsv").unlink()
    events = dataset_copy / "sub-03/eeg/sub-03_task-music_events.tsv"
    events.write_text(events.read_text().replace("song-01.wav", "song-02.wav").replace("stim-song01", "stim-song02"))
    code, out, _ = app(*arguments)
    status = dict(line.split("│")[1:3] for line in out.splitlines() if "sub-" in line)
    assert code == 0
    assert [value.strip() for value in status.values()] == ["kept", "done", "done", "kept"]
    _, out, _ = app(*arguments, "--l-freq", "2")
    assert out.count("done") == 4


def test_a_finished_run_repeated_asks_and_draws_nothing_again(dataset_copy, tmp_path, app, monkeypatch):
    arguments = (dataset_copy, tmp_path / "out", "participant", "--participant-label", "01", "--skip-bids-validation")
    assert app(*arguments, "--n-procs", "1")[0] == 0

    def refuse(*_, **__):
        pytest.fail("this was done before")

    for work in (
        "bids.finding.index._ask_pybids",
        "workflows.participant.level.do_all",
        "report.quality.page.quality_page",
    ):
        monkeypatch.setattr(f"predann_bids.{work}", refuse)
    code, out, _ = app(*arguments)
    assert code == 0
    assert "kept" in out


def test_a_new_recording_is_found_after_the_index_was_kept(dataset_copy, tmp_path):
    last, everybody = LastIndex(tmp_path / "last.json"), Selection()
    before = find_recordings(dataset_copy, everybody, last)
    last.save()
    assert find_recordings(dataset_copy, everybody, LastIndex(tmp_path / "last.json")) == before
    shutil.copytree(dataset_copy / "sub-01", dataset_copy / "sub-09")
    for path in (dataset_copy / "sub-09" / "eeg").iterdir():
        path.rename(path.with_name(path.name.replace("sub-01", "sub-09")))
    after = find_recordings(dataset_copy, everybody, LastIndex(tmp_path / "last.json"))
    assert [recording.participant for recording in after] == ["01", "02", "03", "04", "09"]


@pytest.mark.parametrize("damage", ["{", "[]", '{"question": 1}', ""])
def test_a_damaged_index_is_made_anew(dataset, tmp_path, damage):
    (tmp_path / "last.json").write_text(damage)
    assert len(find_recordings(dataset, Selection(), LastIndex(tmp_path / "last.json"))) == 4


def test_changed_audio_is_noticed(dataset_copy, tmp_path, app):
    arguments = (dataset_copy, tmp_path / "out", "participant", *ALONE)
    assert app(*arguments)[0] == 0
    sound, rate = soundfile.read(dataset_copy / "stimuli" / "song-01.wav")
    soundfile.write(dataset_copy / "stimuli" / "song-01.wav", sound[: 8 * rate], rate)
    _, out, _ = app(*arguments)
    assert "done" in out
    table = pd.read_csv(tmp_path / "out" / f"{STEM}_events.tsv", sep="\t")
    assert table.set_index("trial_type").loc["song-01", "duration"] == 8


def test_audio_with_values_that_are_no_numbers_costs_its_own_presentations_only(dataset_copy, tmp_path, app):
    sound, rate = soundfile.read(dataset_copy / "stimuli" / "song-01.wav")
    sound[100] = np.nan
    soundfile.write(dataset_copy / "stimuli" / "song-01.wav", sound, rate, subtype="FLOAT")
    code, _, err = app(dataset_copy, tmp_path / "out", "participant", *ALONE)
    assert code == 1
    assert "song-01.wav holds values that are no numbers" in err
    table = pd.read_csv(tmp_path / "out" / f"{STEM}_events.tsv", sep="\t")
    assert set(table["trial_type"][table["unusable"].isna()]) == {"song-02", "song-03"}


def test_sidecars_are_inherited_key_by_key(dataset_copy, tmp_path, app):
    sidecar = dataset_copy / "sub-01/eeg/sub-01_task-music_eeg.json"
    content = json.loads(sidecar.read_text())
    hertz = content.pop("PowerLineFrequency")
    sidecar.write_text(json.dumps(content))
    (dataset_copy / "task-music_eeg.json").write_text(json.dumps({"PowerLineFrequency": hertz, "TaskName": "other"}))
    code, *_ = app(dataset_copy, tmp_path / "out", "participant", *ALONE)
    assert code == 0
    written = json.loads((tmp_path / "out" / f"{STEM}_eeg.json").read_text())
    assert written["PreprocessingSteps"][0]["frequencies_hz"] == [50.0]
    assert written["TaskName"] == content["TaskName"]


def test_what_a_killed_run_left_is_removed(dataset, tmp_path, app):
    eeg = tmp_path / "out/sub-01/eeg"
    (eeg / ".writing-sub-01_task-music_desc-preproc_eeg-xyz").mkdir(parents=True)
    (eeg / ".writing-77-sub-01_task-music_desc-preproc_eeg.json").write_text("{")
    assert app(dataset, tmp_path / "out", "participant", *ALONE)[0] == 0
    assert list(eeg.glob(".writing-*")) == []


def test_results_do_not_depend_on_the_number_of_processes(dataset, derivatives, reported):
    for name in ("01", "02", "03", "04"):
        data = f"sub-{name}/eeg/sub-{name}_task-music_desc-preproc_eeg.eeg"
        assert (derivatives / data).read_bytes() == (reported / data).read_bytes()


def test_one_participant_can_be_asked_for_with_or_without_prefix(dataset, tmp_path, app):
    code, out, _ = app(dataset, tmp_path / "out", "participant", "--participant_label", "sub-02", *QUICK)
    assert code == 0
    assert [path.name for path in sorted((tmp_path / "out").glob("sub-*"))] == ["sub-02"]
    assert "sub-02_task-music" in out


def test_a_killed_run_leaves_nothing_that_looks_finished(dataset, tmp_path, monkeypatch, app):
    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("predann_bids.workflows.participant.derivative.write_json", killed)
    arguments = (dataset, tmp_path / "out", "participant", *ALONE)
    code, _, err = app(*arguments)
    assert code == 130
    assert "Run the same command again to continue where it stopped" in err
    assert list((tmp_path / "out").rglob("*_eeg.json")) == []
    monkeypatch.undo()
    assert app(*arguments)[0] == 0
    assert (tmp_path / "out" / f"{STEM}_eeg.json").is_file()


def test_positions_lie_in_the_derivative_for_readers_of_bids_too(reported):
    read = read_raw_bids(
        BIDSPath(root=reported, subject="01", task="music", datatype="eeg", description="preproc"), verbose="error"
    )
    assert all(np.isfinite(channel["loc"][:3]).all() for channel in read.info["chs"])


def test_links_to_the_audio_lead_to_the_audio(dataset, reported, tmp_path):
    for audio in (dataset / "stimuli").iterdir():
        assert (reported / "stimuli" / audio.name).read_bytes() == audio.read_bytes()
    shutil.rmtree(tmp_path)


def test_a_report_that_fails_is_named_and_stops_nothing_else(dataset, tmp_path, monkeypatch, app):
    from predann_bids.report import participant

    def fail(job):
        if job.participant == "01":
            raise RuntimeError("no ink")
        job.target.write_text("report")
        return job.target

    monkeypatch.setattr(participant, "write_report", fail)
    arguments = ("participant", "--participant-label", "01", "02", "--n-procs", "1", "--skip-bids-validation")
    code, _, err = app(dataset, tmp_path / "out", *arguments)
    assert code == 1
    assert "The report of participant 01 failed: " in err
    assert "no ink" in err
    assert (tmp_path / "out" / "sub-02.html").is_file()
    assert len(list((tmp_path / "out").rglob("*_eeg.json"))) == 2


def test_a_report_is_renewed_when_a_recording_is_done_again(dataset_copy, tmp_path, monkeypatch, app):
    from predann_bids.report import participant

    written = []
    monkeypatch.setattr(participant, "write_report", lambda job: written.append(job) or job.target.with_name("x"))
    arguments = (dataset_copy, tmp_path / "out", "participant", "--participant-label", "01", "--n-procs", "1")
    assert app(*arguments, "--skip-bids-validation")[0] == 0
    (tmp_path / "out" / "sub-01.html").write_text("of the first run")
    assert app(*arguments, "--skip-bids-validation")[0] == 0
    assert len(written) == 1
    assert app(*arguments, "--skip-bids-validation", "--l-freq", "2")[0] == 0
    assert len(written) == 2
    assert not (tmp_path / "out" / "sub-01.html").exists()

"""Datasets of which only a part was fetched."""

import shutil


def unfetched(path):
    """Replace a file by what DataLad leaves of one that was not fetched."""
    path.unlink()
    path.symlink_to("../../.git/annex/objects/XX/YY/MD5E-s1--0/MD5E-s1--0")


def test_recordings_without_music_need_not_be_fetched(dataset_copy, tmp_path, app):
    eeg = dataset_copy / "sub-01" / "eeg"
    for file in sorted(eeg.glob("*task-music_*")):
        rest = eeg / file.name.replace("task-music", "task-rest")
        shutil.copy(file, rest)
        if file.suffix in (".vhdr", ".eeg", ".vmrk"):
            unfetched(rest)
    (eeg / "sub-01_task-rest_events.tsv").write_text("onset\tduration\ttrial_type\n1.0\t5.0\teyes_open\n")
    arguments = ["--participant-label", "01", "--no-report", "--skip-bids-validation", "--n-procs", "1"]
    code, _, err = app(dataset_copy, tmp_path / "out", "participant", *arguments)
    assert code == 0
    assert "not fetched" not in err
    assert len(list((tmp_path / "out" / "sub-01").rglob("*_desc-preproc_eeg.eeg"))) == 1


def test_music_that_was_not_fetched_is_named(dataset_copy, tmp_path, app):
    data = dataset_copy / "sub-02" / "eeg" / "sub-02_task-music_eeg.eeg"
    unfetched(data)
    arguments = ["--participant-label", "01", "02", "--no-report", "--skip-bids-validation", "--n-procs", "1"]
    code, _, err = app(dataset_copy, tmp_path / "out", "participant", *arguments)
    assert code == 1
    assert f"{data} is a link to content that was not fetched" in err


def test_a_description_that_was_not_fetched_is_named_with_the_remedy(dataset_copy, tmp_path, app):
    unfetched(dataset_copy / "dataset_description.json")
    code, _, err = app(dataset_copy, tmp_path / "out", "participant")
    assert code == 66
    assert "dataset_description.json is a link to content that was not fetched" in err
    assert "datalad get" in err

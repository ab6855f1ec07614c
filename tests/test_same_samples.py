"""Recordings that hold the same samples are named, at both levels."""

import pytest

from predann_bids.bids.finding.same_samples import same_samples_notes


@pytest.mark.parametrize(
    ("origins", "named"),
    [("abc", []), (["", "", "a"], []), ("aba", ["one and three"]), ("aaa", ["one, two and three"])],
)
def test_each_set_of_copies_is_named_once(origins, named):
    notes = same_samples_notes(["one", "two", "three"], list(origins))
    assert [note.partition(" hold the same samples")[0] for note in notes] == named


def test_a_copy_under_another_name_is_told_by_both_levels(dataset_copy, tmp_path, app):
    for path in (dataset_copy / "sub-01").rglob("sub-01_*"):
        other = dataset_copy / "sub-02" / path.relative_to(dataset_copy / "sub-01")
        if path.suffix in (".eeg",):
            other.with_name(other.name.replace("sub-01", "sub-02")).write_bytes(path.read_bytes())
    arguments = ["--skip-bids-validation", "--no-report", "--n-procs", "1"]
    for _ in range(2):  # done, and kept
        code, _, err = app(dataset_copy, tmp_path / "out", "participant", *arguments)
        assert code == 0
        (warning,) = [line for line in err.splitlines() if "hold the same samples" in line]
        assert "sub-01/eeg/sub-01_task-music_eeg.vhdr and " in warning
        assert "sub-02/eeg/sub-02_task-music_eeg.vhdr" in warning

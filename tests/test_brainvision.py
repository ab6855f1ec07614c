import pathlib
import tracemalloc

import mne
import numpy as np
import pytest

from predann_bids.errors import ReadOrWriteFailed, TryAgain, UnusableData
from predann_bids.signals.brainvision import map_brainvision, read_positions, write_brainvision

NAMES = ["Fz", "Cz", "Pz"]


RATE = 125.0


@pytest.fixture
def data():
    return 10 * np.random.default_rng(0).standard_normal((500, 3), dtype=np.float32)


@pytest.fixture
def positions():
    known = mne.channels.make_standard_montage("colin27_1020").get_positions()["ch_pos"]
    return np.array([known[name] for name in NAMES])


@pytest.fixture
def header(data, positions, tmp_path):
    header = tmp_path / "sub-01_desc-preproc_eeg.vhdr"
    write_brainvision(data, NAMES, RATE, positions, header, [(0.4, 2.0, "song, the first")])
    return header


def test_mne_reads_volts_back(data, header):
    read = mne.io.read_raw_brainvision(header, preload=True, verbose="error")
    np.testing.assert_allclose(read.get_data().T, 1e-6 * data, rtol=1e-6)
    assert read.info["sfreq"] == RATE


def test_mne_reads_positions_back(positions, header):
    read = mne.io.read_raw_brainvision(header, verbose="error")
    np.testing.assert_allclose([channel["loc"][:3] for channel in read.info["chs"]], positions, atol=1e-6)


def test_positions_are_read_back(positions, header):
    np.testing.assert_allclose([read_positions(header)[name] for name in NAMES], positions, atol=1e-6)


def test_an_electrode_without_a_position_has_none(data, positions, tmp_path):
    write_brainvision(data, NAMES, RATE, [positions[0], [np.nan] * 3, [0] * 3], tmp_path / "x_eeg.vhdr", [])
    assert list(read_positions(tmp_path / "x_eeg.vhdr")) == NAMES[:1]


def test_commas_in_names_survive(data, positions, tmp_path):
    write_brainvision(data, ["a,b", "c", "d"], RATE, positions, tmp_path / "x_eeg.vhdr", [])
    assert map_brainvision(tmp_path / "x_eeg.vhdr").channels == ("a,b", "c", "d")
    assert mne.io.read_raw_brainvision(tmp_path / "x_eeg.vhdr", verbose="error").ch_names == ["a,b", "c", "d"]


def test_mne_reads_presentations_back_as_annotations(header):
    annotations = mne.io.read_raw_brainvision(header, verbose="error").annotations
    assert annotations.onset == pytest.approx([0.4])
    assert annotations.duration == pytest.approx([2.0])
    assert "song" in annotations.description[0]


def test_music_that_outlasts_the_recording_ends_with_it(data, positions, tmp_path):
    write_brainvision(data, NAMES, RATE, positions, tmp_path / "x_eeg.vhdr", [(125.6 / RATE, 375.3 / RATE, "song")])
    annotations = mne.io.read_raw_brainvision(tmp_path / "x_eeg.vhdr", verbose="error").annotations
    assert annotations.onset + annotations.duration == pytest.approx(len(data) / RATE)


def test_mapping_gives_microvolts_without_reading_the_file(data, header):
    mapped = map_brainvision(header)
    assert isinstance(mapped.data, np.memmap)
    assert mapped.data.dtype == np.float32
    np.testing.assert_array_equal(mapped.data * mapped.resolution, data)
    assert (mapped.channels, mapped.rate_hz) == (tuple(NAMES), RATE)


def test_nothing_is_left_beside_the_three_files(header):
    assert sorted(path.suffix for path in header.parent.iterdir()) == [".eeg", ".vhdr", ".vmrk"]


def test_writing_makes_no_copy_of_the_samples(tmp_path):
    data = np.zeros((50_000, 32), dtype=np.float32)
    tracemalloc.start()
    write_brainvision(data, [f"E{n}" for n in range(32)], RATE, np.zeros((32, 3)), tmp_path / "x.vhdr", [(1, 2, "a")])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "x.eeg").stat().st_size == data.nbytes
    assert peak < data.nbytes / 2


def test_names_that_do_not_fit_the_samples_are_refused(data, positions, tmp_path):
    with pytest.raises(ValueError, match="3 columns, 2 names"):
        write_brainvision(data, NAMES[:2], RATE, positions[:2], tmp_path / "x_eeg.vhdr", [])


def test_a_failed_write_leaves_nothing(data, positions, tmp_path, monkeypatch):
    def break_off(**_):
        raise OSError("no space")

    monkeypatch.setattr("pybv.write_brainvision", break_off)
    with pytest.raises(ReadOrWriteFailed, match="no space"):
        write_brainvision(data, NAMES, RATE, positions, tmp_path / "x_eeg.vhdr", [])
    assert list(tmp_path.iterdir()) == []


def test_data_that_were_cut_off_are_noticed(header):
    data = header.with_suffix(".eeg")
    data.write_bytes(data.read_bytes()[:-4])
    with pytest.raises(UnusableData, match="whole samples of 3 channels"):
        map_brainvision(header)


def test_integer_data_are_refused(header):
    header.write_text(header.read_text().replace("IEEE_FLOAT_32", "INT_16"))
    with pytest.raises(UnusableData, match="not multiplexed 32-bit float"):
        map_brainvision(header)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ReadOrWriteFailed, match=r"gone\.vhdr"):
        map_brainvision(tmp_path / "gone.vhdr")


def test_a_full_disk_is_named_and_nothing_is_left(data, positions, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "replace", full)
    with pytest.raises(TryAgain, match=r"No space is left for .*x_eeg\.eeg"):
        write_brainvision(data, NAMES, RATE, positions, tmp_path / "x_eeg.vhdr", [])
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_just_short_enough_can_be_written(data, positions, tmp_path):
    header = tmp_path / f"sub-{'x' * 242}_eeg.vhdr"
    write_brainvision(data, NAMES, RATE, positions, header, [])
    assert header.is_file()

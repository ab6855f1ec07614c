import mne
import numpy as np
import pytest

from predann_bids.errors import ReadOrWriteFailed, UnusableData
from predann_bids.signals.brainvision import map_brainvision, write_brainvision

NAMES = ["Fz", "Cz", "Pz"]


@pytest.fixture
def raw():
    data = 1e-5 * np.random.default_rng(0).standard_normal((3, 500))
    raw = mne.io.RawArray(data, mne.create_info(NAMES, 125.0, "eeg"), verbose="error")
    return raw.set_montage("colin27_1020", verbose="error")


@pytest.fixture
def header(raw, tmp_path):
    header = tmp_path / "sub-01_desc-preproc_eeg.vhdr"
    write_brainvision(raw, header, [(0.4, 2.0, "song, the first")])
    return header


def test_mne_reads_volts_back(raw, header):
    read = mne.io.read_raw_brainvision(header, preload=True, verbose="error")
    np.testing.assert_allclose(read.get_data(), raw.get_data(), rtol=1e-6)
    assert read.info["sfreq"] == 125.0


def test_mne_reads_positions_back(raw, header):
    read = mne.io.read_raw_brainvision(header, verbose="error")
    for before, after in zip(raw.info["chs"], read.info["chs"], strict=True):
        np.testing.assert_allclose(after["loc"][:3], before["loc"][:3], atol=1e-6)


def test_mne_reads_presentations_back_as_annotations(header):
    annotations = mne.io.read_raw_brainvision(header, verbose="error").annotations
    assert annotations.onset == pytest.approx([0.4])
    assert annotations.duration == pytest.approx([2.0])
    assert "song" in annotations.description[0]


def test_mapping_gives_microvolts_without_reading_the_file(raw, header):
    mapped = map_brainvision(header)
    assert isinstance(mapped.data, np.memmap)
    assert mapped.data.dtype == np.float32
    np.testing.assert_allclose(mapped.data * mapped.resolution, raw.get_data().T * 1e6, rtol=1e-6)
    assert (mapped.channels, mapped.rate_hz) == (tuple(NAMES), 125.0)


def test_nothing_is_left_beside_the_three_files(header):
    assert sorted(path.suffix for path in header.parent.iterdir()) == [".eeg", ".vhdr", ".vmrk"]


def test_a_failed_write_leaves_nothing(raw, tmp_path, monkeypatch):
    def break_off(**_):
        raise OSError("no space")

    monkeypatch.setattr("pybv.write_brainvision", break_off)
    with pytest.raises(OSError, match="no space"):
        write_brainvision(raw, tmp_path / "x_eeg.vhdr", [])
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

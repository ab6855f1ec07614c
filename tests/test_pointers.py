"""Headers that name the files of another recording, and files that are something else than EEG."""

import gzip

import numpy as np
import pytest
from eeg_files import (
    DATA,
    NAME,
    NAMES,
    RATE,
    SECONDS,
    eeglab_struct,
    write_bdf,
    write_brainvision,
    write_edf,
    write_set,
    write_set_and_fdt,
)

from predann_bids.bids.formats import missing_files, open_raw, require_files, source_files
from predann_bids.errors import MissingInput, UnusableData

OTHER = NAME.replace("music", "rest")
OTHER_DATA = np.random.default_rng(1).normal(0, 20, DATA.shape)


@pytest.fixture
def stem(tmp_path):
    return tmp_path / f"{NAME}_eeg"


@pytest.fixture
def other(tmp_path):
    return tmp_path / f"{OTHER}_eeg"


def rename_in_header(path, old, new):
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def is_own(raw):
    np.testing.assert_allclose(raw.get_data() * 1e6, DATA, atol=0.06)
    return True


# -- BrainVision -------------------------------------------------------------------------------------------------------


def test_data_and_markers_of_the_header_s_own_name_are_read_whatever_it_names(stem, other):
    path = write_brainvision(stem)
    write_brainvision(other, OTHER_DATA)
    other.with_suffix(".vmrk").write_text("[Marker Infos]\nMk1=Comment,foreign,1,1,0\n")
    rename_in_header(path, f"{NAME}_eeg", f"{OTHER}_eeg")
    opened = open_raw(path)
    assert is_own(opened.raw)
    assert "Comment/foreign" not in opened.raw.annotations.description
    assert len(opened.warnings) == 2
    assert f"names {OTHER}_eeg.eeg, which belongs to another recording; {NAME}_eeg.eeg" in opened.warnings[0]


def test_the_data_of_another_recording_are_refused(stem, other):
    path = write_brainvision(stem)
    write_brainvision(other, OTHER_DATA)
    rename_in_header(path, f"{NAME}_eeg", f"{OTHER}_eeg")
    stem.with_suffix(".eeg").unlink()
    assert missing_files(path) == [stem.with_suffix(".eeg")]
    with pytest.raises(MissingInput, match=rf"names {OTHER}_eeg.eeg, which is the data of another recording.*Put"):
        require_files(path)


def test_the_markers_of_another_recording_are_not_read(stem, other):
    path = write_brainvision(stem)
    write_brainvision(other, OTHER_DATA)
    rename_in_header(path, f"{NAME}_eeg", f"{OTHER}_eeg")
    stem.with_suffix(".vmrk").unlink()
    opened = open_raw(path)
    assert is_own(opened.raw)
    assert len(opened.raw.annotations) == 0
    assert any("belongs to another recording" in w and "without its markers" in w for w in opened.warnings)


def test_data_of_a_name_that_no_header_has_are_read_and_told(stem, tmp_path):
    path = write_brainvision(stem)
    stem.with_suffix(".eeg").rename(tmp_path / "session.eeg")
    rename_in_header(path, f"DataFile={NAME}_eeg", "DataFile=session")
    opened = open_raw(path)
    assert is_own(opened.raw)
    assert "session.eeg is read with" in opened.warnings[0]


@pytest.mark.parametrize(
    "named",
    ["C:\\rec\\old.eeg", "..\\old.eeg", "/data/old.eeg", "../raw/old.eeg", "\\\\server\\x\\old.eeg", '"old.eeg"'],
)
def test_paths_of_another_computer_are_names_only(stem, named):
    path = write_brainvision(stem)
    rename_in_header(path, f"DataFile={NAME}_eeg.eeg", f"DataFile={named}")
    opened = open_raw(path)
    assert is_own(opened.raw)
    assert "names old.eeg, which does not exist" in opened.warnings[0]


@pytest.mark.parametrize("named", ["$b.eeg", f"C:\\rec\\{NAME}_eeg.eeg", f"{NAME}_EEG.EEG", ""])
def test_a_header_that_names_its_own_data_in_other_words_is_not_told(stem, named):
    path = write_brainvision(stem)
    rename_in_header(path, f"DataFile={NAME}_eeg.eeg", f"DataFile={named}")
    assert open_raw(path).warnings == ()


@pytest.mark.parametrize(
    "suffixes", [(".VHDR", ".EEG", ".VMRK"), (".vhdr", ".EEG", ".vmrk"), (".Vhdr", ".Eeg", ".Vmrk")]
)
def test_brainvision_files_are_found_whatever_the_capitals_of_their_extensions(stem, suffixes):
    write_brainvision(stem)
    for suffix in suffixes:
        stem.with_suffix(suffix.lower()).rename(stem.with_suffix(suffix))
    opened = open_raw(stem.with_suffix(suffixes[0]))
    assert is_own(opened.raw)
    assert len(opened.raw.annotations) == 3


def test_names_are_found_whatever_way_their_accents_are_made(tmp_path):
    path = write_brainvision(tmp_path / "Se\u0301ance")
    rename_in_header(path, "Se\u0301ance", "S\u00e9ance")
    assert is_own(open_raw(path).raw)


# -- EEGLAB ------------------------------------------------------------------------------------------------------------


def test_the_fdt_file_of_the_header_s_own_name_is_read_whatever_it_names(stem, other):
    write_set_and_fdt(other, OTHER_DATA)
    opened = open_raw(write_set_and_fdt(stem, named=f"{OTHER}_eeg.fdt"))
    assert is_own(opened.raw)
    assert opened.raw.filenames[0] == stem.with_suffix(".fdt")
    assert "belongs to another recording" in opened.warnings[0]


def test_the_fdt_file_of_another_recording_is_refused(stem, other):
    write_set_and_fdt(other, OTHER_DATA)
    path = write_set_and_fdt(stem, named=f"{OTHER}_eeg.fdt")
    stem.with_suffix(".fdt").unlink()
    with pytest.raises(MissingInput, match="is the data of another recording"):
        open_raw(path)


@pytest.mark.parametrize(
    ("suffixes", "named"),
    [((".SET", ".FDT"), None), ((".set", ".FDT"), None), ((".set", ".fdt"), "C:\\study\\old.fdt")],
)  # fmt: skip
def test_eeglab_files_are_found_whatever_the_capitals_of_their_extensions(stem, suffixes, named):
    write_set_and_fdt(stem, named=named)
    for suffix in suffixes:
        stem.with_suffix(suffix.lower()).rename(stem.with_suffix(suffix))
    opened = open_raw(stem.with_suffix(suffixes[0]))
    assert is_own(opened.raw)
    assert opened.warnings == ()


@pytest.mark.parametrize("named", [f"{NAME}_eeg.FDT", "old.dat"])
def test_names_of_data_that_no_reader_follows_are_refused_with_the_remedy(stem, named):
    with pytest.raises(UnusableData, match=f"names its data {named}.*Open it with EEGLAB and save it again"):
        open_raw(write_set_and_fdt(stem, named=named))


@pytest.mark.parametrize("share", [0.5, 2.0])
def test_an_fdt_file_of_another_length_is_refused_with_the_numbers(stem, share):
    path = write_set_and_fdt(stem)
    data = stem.with_suffix(".fdt")
    data.write_bytes((data.read_bytes() * 2)[: int(share * data.stat().st_size)])
    announced = 4 * RATE * SECONDS * 4
    with pytest.raises(UnusableData, match=f"it has {int(share * announced)} bytes, where .* announces {announced}"):
        open_raw(path)


def test_a_fdt_file_beside_a_set_file_that_holds_its_data_is_not_read(stem):
    path = write_set(stem)
    stem.with_suffix(".fdt").write_bytes(b"\x01" * 100)
    assert is_own(open_raw(path).raw)


# -- something else ----------------------------------------------------------------------------------------------------

STRANGE = {
    "nothing": (b"", "is empty: it has 0 bytes"),
    "zeros": (bytes(5000), "nothing but zero bytes"),
    "web page": (b"\n<!DOCTYPE html><html><body>Log in</body></html>", "is a web page"),
    "server error": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "error message of a server"),
    "gzip": (gzip.compress(b"0" * 1000), r"compressed file \(gzip\)"),
    "zip": (b"PK\x03\x04" + bytes(range(200)), r"compressed file \(ZIP\)"),
    "AppleDouble": (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X" + bytes(100), "AppleDouble"),
}
FILES = [(write_brainvision, ".eeg"), (write_set, ".set"), (write_set_and_fdt, ".fdt"), (write_edf, ".edf"),
         (write_bdf, ".bdf")]  # fmt: skip


@pytest.mark.parametrize("what", STRANGE)
@pytest.mark.parametrize(("write", "suffix"), FILES)
def test_what_is_no_eeg_is_called_what_it_is(stem, write, suffix, what):
    path = write(stem)
    content, said = STRANGE[what]
    stem.with_suffix(suffix).write_bytes(content)
    with pytest.raises(UnusableData, match=f"{NAME}_eeg\\{suffix} .*{said}"):
        open_raw(path)


POINTERS = {
    "unlocked git-annex": (b"/annex/objects/MD5E-s1234--abc.edf\n", "git-annex .*datalad get"),
    "git-annex link as text": (
        b"../../.git/annex/objects/x/y/MD5E-s1--a.edf/MD5E-s1--a.edf",
        "git-annex .*datalad get",
    ),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n", "Git LFS .*git lfs pull"),
}


@pytest.mark.parametrize("what", POINTERS)
@pytest.mark.parametrize(("write", "suffix"), [*FILES, (write_brainvision, ".vhdr"), (write_brainvision, ".vmrk")])
def test_pointers_to_content_that_was_not_fetched_are_missing_files(stem, write, suffix, what):
    path = write(stem)
    content, said = POINTERS[what]
    stem.with_suffix(suffix).write_bytes(content)
    assert missing_files(path) == [stem.with_suffix(suffix)]
    with pytest.raises(MissingInput, match=f"_eeg\\{suffix} is a pointer of {said}"):
        open_raw(path)


@pytest.mark.parametrize(
    ("write", "wrong", "said"),
    [(write_edf, ".bdf", r"it is EDF, not BDF.*Rename it to .*\.edf"),
     (write_bdf, ".edf", r"it is BDF, not EDF.*Rename it to .*\.bdf"),
     (write_set, ".edf", "it is text|of another format"), (write_edf, ".set", "it is text|as a MATLAB file")],
)  # fmt: skip
def test_a_file_of_another_format_is_told_by_what_is_in_it(stem, write, wrong, said):
    path = write(stem).rename(stem.with_suffix(wrong))
    with pytest.raises(UnusableData, match=said):
        open_raw(path)


@pytest.mark.parametrize(
    ("place", "text", "said"),
    [(244, b"0       ", "last 0 s"), (244, b"soon    ", "the duration of a data record is 'soon'"),
     (252, b"9   ", "do not fit"),
     (184, b"100     ", "do not fit"), (236, b"900     ", "ends too early")],
)  # fmt: skip
def test_what_is_wrong_with_the_header_of_an_edf_is_said(stem, place, text, said):
    path = write_edf(stem)
    content = bytearray(path.read_bytes())
    content[place : place + len(text)] = text
    path.write_bytes(content)
    with pytest.raises(UnusableData, match=said):
        open_raw(path)


def test_channels_of_an_edf_at_different_rates_are_told(stem):
    import edfio

    slow = edfio.EdfSignal(DATA[0, :100], 10, label="slow", physical_dimension="uV", physical_range=(-200, 200))
    fast = edfio.EdfSignal(DATA[1], RATE, label="fast", physical_dimension="uV", physical_range=(-200, 200))
    edfio.Edf([slow, fast]).write(stem.with_suffix(".edf"))
    opened = open_raw(stem.with_suffix(".edf"))
    assert opened.rates_hz == (10, RATE)
    assert "channels at 10, 200 Hz; all are brought to 200 Hz" in opened.warnings[0]
    np.testing.assert_allclose(opened.raw.get_data("fast")[0] * 1e6, DATA[1], atol=0.01)


def savemat(path, content):
    from scipy.io import savemat

    savemat(path, content, appendmat=False)
    return path


@pytest.mark.parametrize(
    ("content", "said"),
    [({"ALLEEG": np.zeros(3)}, "several datasets"), ({"STUDY": np.zeros(3)}, "an EEGLAB study"),
     ({"results": np.zeros(3)}, "no EEG, but results")],
)  # fmt: skip
def test_other_files_of_matlab_are_called_what_they_are(stem, content, said):
    with pytest.raises(UnusableData, match=said):
        open_raw(savemat(stem.with_suffix(".set"), content))


@pytest.mark.parametrize(("points", "names"), [(RATE, 4), (RATE * SECONDS, 3)])
def test_a_set_file_that_holds_other_samples_than_it_announces_is_refused(stem, points, names):
    path = savemat(stem.with_suffix(".set"), eeglab_struct(DATA.astype("f4"), NAMES[:names], points))
    with pytest.raises(UnusableData, match=f"announces {names} channels( of {points} samples)?, and holds 4"):
        open_raw(path)


@pytest.mark.parametrize("write", [write_brainvision, write_set_and_fdt])
def test_data_of_another_name_are_among_the_files_that_a_recording_is_read_from(stem, write):
    path = write(stem)
    for data in (stem.with_suffix(".eeg"), stem.with_suffix(".fdt")):
        if data.is_file():
            assert source_files(path)[:2] == [path, data]
            data.rename(data.with_stem("original"))
            if path.suffix == ".vhdr":
                rename_in_header(path, data.name, f"original{data.suffix}")
                assert source_files(path)[:2] == [path, data.with_stem("original")]

"""Every EEG format of BIDS, written by other programs than the one that reads it here."""

from pathlib import Path

import edfio
import numpy as np
import pytest
from eeg_files import (
    DATA,
    MARKS,
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
    write_set_hdf5,
    write_set_hdf5_and_fdt,
    write_set_struct,
)
from scipy.io import savemat

from predann_bids.bids.formats import missing_files
from predann_bids.bids.recordings import Recording
from predann_bids.bids.spans import BadSpan, bad_spans
from predann_bids.errors import MissingInput, UnusableData

WRITERS = {
    "BrainVision": write_brainvision,
    "EDF+": write_edf,
    "BDF+": write_bdf,
    "EEGLAB": write_set,
    "EEGLAB struct": write_set_struct,
    "EEGLAB with fdt": write_set_and_fdt,
    "EEGLAB v7.3": write_set_hdf5,
    "EEGLAB v7.3 with fdt": write_set_hdf5_and_fdt,
}
# half a step of the quantisation, in microvolts
PRECISION = {"BrainVision": 0.051, "EDF+": 0.0031, "BDF+": 1e-4}


@pytest.fixture
def stem(tmp_path):
    directory = tmp_path / "ds/sub-01/eeg"
    directory.mkdir(parents=True)
    return directory / f"{NAME}_eeg"


def recording(path):
    return Recording("01", "", "music", "", path, path.parents[2])


def channels(path, rows, columns="name type units status"):
    lines = ["\t".join(columns.split()), *("\t".join(row.split()) for row in rows)]
    (path.parent / f"{NAME}_channels.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


EEG = [f"{name} EEG µV good" for name in NAMES[:3]]


# -- what is in the file ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", WRITERS)
def test_values_are_volts_as_they_were_written(stem, format_):
    raw = recording(WRITERS[format_](stem)).read()
    assert raw.ch_names == NAMES
    assert raw.info["sfreq"] == RATE
    np.testing.assert_allclose(raw.get_data() * 1e6, DATA, atol=PRECISION.get(format_, 1e-4))


@pytest.mark.parametrize(
    "format_", ["BrainVision", "EDF+", "BDF+", "EEGLAB", "EEGLAB with fdt", "EEGLAB v7.3 with fdt"]
)
def test_data_are_not_loaded_where_the_format_allows(stem, format_):
    assert not recording(WRITERS[format_](stem)).read().preload


@pytest.mark.parametrize("format_", WRITERS)
def test_annotations_are_those_of_the_file_not_of_events_tsv(stem, format_):
    path = WRITERS[format_](stem)
    (path.parent / f"{NAME}_events.tsv").write_text("onset\tduration\ttrial_type\n2\t1\tsong\n")
    found = recording(path).read().annotations
    np.testing.assert_allclose(found.onset, [onset for onset, *_ in MARKS], atol=1e-6)
    np.testing.assert_allclose(found.duration, [length for _, length, _ in MARKS], atol=1e-6)
    assert [text.removeprefix("Comment/") for text in found.description] == [text for *_, text in MARKS]


@pytest.mark.parametrize("format_", ["EDF+", "EEGLAB", "EEGLAB v7.3"])
def test_bad_stretches_and_cuts_are_found_in_the_annotations(stem, format_):
    spans = bad_spans(recording(WRITERS[format_](stem)).read())
    assert spans == (BadSpan(3.0, 1.5, "BAD_muscle"), BadSpan(6.0, 0.0, "boundary"))


# -- types and units --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", WRITERS)
def test_types_and_bad_channels_are_those_of_channels_tsv(stem, format_):
    path = WRITERS[format_](stem)
    channels(path, ["Fp1 EEG µV good", "Cz EEG µV bad", "Oz MISC n/a n/a", "EOG1 EOG µV good"])
    opened = recording(path).open()
    assert opened.raw.get_channel_types() == ["eeg", "eeg", "misc", "eog"]
    assert opened.raw.info["bads"] == ["Cz"]
    assert opened.warnings == ()


@pytest.mark.parametrize("unit", ["microV", "uV", "µV", "μV", "mV", "V", "n/a", "nonsense"])
@pytest.mark.parametrize("format_", ["BrainVision", "EDF+", "EEGLAB", "EEGLAB with fdt"])
def test_the_unit_in_channels_tsv_does_not_spoil_that_of_the_file(stem, format_, unit):
    path = WRITERS[format_](stem)
    channels(path, [f"{name} EEG {unit} good" for name in NAMES])
    assert np.std(recording(path).read().get_data()) == pytest.approx(20e-6, rel=0.02)


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1.0), ("mV", 1e-3), ("V", 1e-6)])
def test_an_edf_in_any_unit_of_voltage_is_read_as_volts(stem, unit, factor):
    signals = [edfio.EdfSignal(trace * factor, RATE, label=n, physical_dimension=unit) for n, trace in zip(NAMES, DATA)]  # noqa: B905
    edfio.Edf(signals).write(stem.with_suffix(".edf"))
    data = recording(stem.with_suffix(".edf")).read().get_data() * 1e6
    assert np.std(data) == pytest.approx(20, rel=0.02)


@pytest.mark.parametrize("unit", ["", "uVolt", "?"])
@pytest.mark.parametrize("table", [True, False])
def test_edf_without_a_unit_is_taken_for_what_makes_sense(stem, unit, table):
    path = write_edf(stem, unit=unit)
    if table:
        channels(path, [*EEG, "EOG1 EOG µV good"])
    opened = recording(path).open()
    np.testing.assert_allclose(opened.raw.get_data("eeg") * 1e6, DATA[:3], atol=0.01)
    assert any("no unit is given" in warning for warning in opened.warnings) == (not table)


def test_an_eeglab_file_in_volts_against_the_convention_is_mended_by_channels_tsv(stem):
    path = write_set(stem, DATA / 1e6)
    channels(path, [f"{name} EEG V good" for name in NAMES])
    opened = recording(path).open()
    np.testing.assert_allclose(opened.raw.get_data(), DATA / 1e6, rtol=1e-4)
    assert any("taken as V" in warning for warning in opened.warnings)


def test_values_that_no_unit_makes_plausible_are_told(stem):
    path = write_set(stem, DATA * 1e6)
    assert any("implausible" in warning for warning in recording(path).open().warnings)


def test_without_channels_tsv_names_tell_what_is_surely_no_eeg(stem):
    opened = recording(write_set(stem)).open()
    assert opened.raw.get_channel_types() == ["eeg", "eeg", "eeg", "eog"]
    assert any("EOG1" in warning for warning in opened.warnings)


def test_channels_of_a_bdf_that_no_table_lists_keep_their_own_type(stem):
    path = write_bdf(stem, names=["Fp1", "Cz", "Oz", "Status"])
    channels(path, EEG)
    opened = recording(path).open()
    assert opened.raw.get_channel_types() == ["eeg", "eeg", "eeg", "stim"]
    assert opened.warnings == ()


@pytest.mark.parametrize("format_", WRITERS)
def test_names_that_occur_twice_are_numbered(stem, format_):
    path = WRITERS[format_](stem, names=["Fp1", "Cz", "Oz", "C2"])
    if format_ == "BrainVision":  # its writer refuses
        path.write_text(path.read_text(encoding="utf-8").replace("Ch4=C2", "Ch4=Cz"), encoding="utf-8")
    else:
        path = WRITERS[format_](stem, names=["Fp1", "Cz", "Oz", "Cz"])
    channels(path, ["Fp1 EEG µV good", "Cz EEG µV bad", "Oz EEG µV good", "Cz EOG µV good"])
    raw = recording(path).read()
    assert raw.ch_names == ["Fp1", "Cz-0", "Oz", "Cz-1"]
    assert raw.get_channel_types() == ["eeg", "eeg", "eeg", "eog"]
    assert raw.info["bads"] == ["Cz-0"]
    np.testing.assert_allclose(raw.get_data() * 1e6, DATA, atol=PRECISION.get(format_, 1e-4))


# -- what headers name -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format_", "suffixes"),
    [("BrainVision", [".vhdr"]), ("BrainVision", [".eeg"]), ("BrainVision", [".vmrk"]), ("EDF+", [".edf"]),
     ("EEGLAB", [".set"]), ("EEGLAB with fdt", [".fdt"]), ("EEGLAB v7.3 with fdt", [".fdt"])],
)  # fmt: skip
def test_links_to_content_that_was_not_fetched_are_named_with_the_remedy(stem, format_, suffixes):
    path = WRITERS[format_](stem)
    links = [path.with_suffix(suffix) for suffix in suffixes]
    for link in links:
        link.unlink()
        link.symlink_to("../../.git/annex/objects/nothing")
    assert missing_files(path) == links
    with pytest.raises(MissingInput, match=rf"{links[0].name} is a link to content that was not fetched.*datalad get"):
        recording(path).read()


@pytest.mark.parametrize(
    ("format_", "suffix"), [("BrainVision", ".eeg"), ("EEGLAB with fdt", ".fdt"), ("EEGLAB v7.3 with fdt", ".fdt")]
)
def test_missing_data_are_named_with_the_header_that_needs_them(stem, format_, suffix):
    path = WRITERS[format_](stem)
    path.with_suffix(suffix).unlink()
    assert missing_files(path) == [path.with_suffix(suffix)]
    with pytest.raises(MissingInput, match=rf"_eeg\{suffix} does not exist.*{path.name} needs it"):
        recording(path).read()


@pytest.mark.parametrize("format_", WRITERS)
def test_nothing_is_missing_where_all_is_there(stem, format_):
    assert missing_files(WRITERS[format_](stem)) == []


def test_a_renamed_brainvision_recording_is_read_with_its_markers(stem):
    old = write_brainvision(stem.with_name("Session_éà_1"))
    for suffix in (".vhdr", ".eeg", ".vmrk"):
        old.with_suffix(suffix).rename(stem.with_suffix(suffix))
    opened = recording(stem.with_suffix(".vhdr")).open()
    np.testing.assert_allclose(opened.raw.get_data() * 1e6, DATA, atol=0.051)
    assert len(opened.raw.annotations) == len(MARKS)
    assert sum("Session_éà_1" in warning for warning in opened.warnings) == 2


def test_a_renamed_eeglab_recording_is_read(stem):
    raw = recording(write_set_and_fdt(stem, named="before.fdt")).read()
    np.testing.assert_allclose(raw.get_data() * 1e6, DATA, atol=1e-4)


@pytest.mark.parametrize(
    "damage", [Path.unlink, lambda path: path.write_bytes(b"Mk1=\xff\xfe,\n[Marker Infos]\nMk2=x")]
)
def test_brainvision_data_are_read_without_markers_that_cannot_be(stem, damage):
    path = write_brainvision(stem)
    damage(path.with_suffix(".vmrk"))
    opened = recording(path).open()
    assert opened.raw.n_times == RATE * SECONDS
    assert any("without its markers" in warning for warning in opened.warnings)


def test_the_dataset_is_not_written_to(stem):
    path = write_brainvision(stem)
    channels(path, [*EEG, "EOG1 EOG µV good"])
    before = {entry: entry.stat().st_mtime_ns for entry in stem.parents[2].rglob("*")}
    recording(path).read().load_data()
    assert {entry: entry.stat().st_mtime_ns for entry in stem.parents[2].rglob("*")} == before


# -- what was cut off --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format_", "suffix"),
    [("BrainVision", ".eeg"), ("EDF+", ".edf"), ("BDF+", ".bdf"), ("EEGLAB", ".set"), ("EEGLAB struct", ".set"),
     ("EEGLAB with fdt", ".fdt"), ("EEGLAB v7.3", ".set"), ("EEGLAB v7.3 with fdt", ".fdt")],
)  # fmt: skip
@pytest.mark.parametrize("share", [0.0, 0.501])
def test_data_that_were_cut_off_are_unusable_and_named(stem, format_, suffix, share):
    path = WRITERS[format_](stem)
    data = path.with_suffix(suffix)
    content = data.read_bytes()
    data.write_bytes(content[: int(len(content) * share) | 1] if share else b"")
    with pytest.raises(UnusableData, match=f"{data.name}"):
        recording(path).read()


def test_brainvision_cut_at_a_sample_is_told_by_its_number_of_points(stem):
    path = write_brainvision(stem)
    header = path.read_text(encoding="utf-8")
    path.write_text(header.replace("[Binary Infos]", f"DataPoints={RATE * SECONDS}\n[Binary Infos]"), encoding="utf-8")
    data = path.with_suffix(".eeg")
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    with pytest.raises(UnusableData, match=r"ends too early: it has 16000 bytes, where its header announces 32000"):
        recording(path).read()


def test_brainvision_cut_at_a_sample_is_told_by_its_sidecar(stem):
    path = write_brainvision(stem)
    data = path.with_suffix(".eeg")
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    (path.parent / f"{NAME}_eeg.json").write_text('{"RecordingDuration": 10}')
    assert any("lasts 5.0 s, its sidecar says 10.0 s" in warning for warning in recording(path).open().warnings)


def test_an_edf_that_was_not_closed_is_read_to_its_end(stem):
    path = write_edf(stem)
    content = bytearray(path.read_bytes())
    content[236:244] = b"-1".ljust(8)
    path.write_bytes(content)
    assert recording(path).read().n_times == RATE * SECONDS


def test_edf_annotations_in_another_encoding_are_read_with_a_warning(stem):
    path = write_edf(stem)
    path.write_bytes(path.read_bytes().replace(b"hello", b"h\xe4llo"))
    opened = recording(path).open()
    assert opened.raw.annotations.description[0] == "hällo"
    assert any("Latin-1" in warning for warning in opened.warnings)


def test_upper_case_extensions_are_read(stem):
    path = write_edf(stem).rename(stem.with_suffix(".EDF"))
    assert recording(path).read().n_times == RATE * SECONDS


def test_values_that_are_not_finite_and_flat_channels_do_not_disturb_the_reading(stem):
    data = DATA.copy()
    data[0] = 0
    data[1, 500:700] = np.nan
    data[2, 10] = np.inf
    opened = recording(write_set_and_fdt(stem, data, ["Fp1", "Cz", "Oz", "Pz"])).open()
    assert opened.warnings == ()
    assert np.isnan(opened.raw.get_data()[1, 600])


@pytest.mark.parametrize("suffix", [".vhdr", ".edf", ".bdf", ".set"])
def test_a_file_of_something_else_is_unusable_in_one_sentence(stem, suffix):
    stem.with_suffix(".eeg").write_bytes(b"0" * 64)
    stem.with_suffix(suffix).write_text("this is no EEG " * 50)
    with pytest.raises(UnusableData, match=rf"{NAME}_eeg\{suffix} cannot be read: [^\n]+\.$"):
        recording(stem.with_suffix(suffix)).read()


def test_epochs_are_no_recording(stem):
    content = eeglab_struct(DATA.reshape(4, -1, 2).astype("f4"), NAMES, RATE * SECONDS // 2)
    content["EEG"] |= {"trials": 2.0}
    savemat(stem.with_suffix(".set"), content, appendmat=False)
    with pytest.raises(UnusableData, match="holds epochs; expected a continuous recording"):
        recording(stem.with_suffix(".set")).read()


def test_what_mne_bids_reads_is_what_is_read_here(dataset):
    from mne_bids import BIDSPath, read_raw_bids

    from predann_bids.bids.recordings import find_recordings

    ours = find_recordings(dataset)[0].read()
    theirs = read_raw_bids(BIDSPath(root=dataset, subject="01", task="music", datatype="eeg"), verbose="error")
    np.testing.assert_array_equal(ours.get_data(), theirs.get_data())
    assert ours.ch_names == theirs.ch_names
    assert ours.get_channel_types() == theirs.get_channel_types()
    assert ours.info["bads"] == theirs.info["bads"]
    assert ours.info["line_freq"] == theirs.info["line_freq"]
    for channel, other in zip(ours.info["chs"], theirs.info["chs"], strict=True):
        np.testing.assert_allclose(channel["loc"][:3], other["loc"][:3], atol=1e-6)

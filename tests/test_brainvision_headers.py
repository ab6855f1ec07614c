"""BrainVision headers as programs and people write them give the same recording, or the true reason why not."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.bids.formats import open_raw
from predann_bids.bids.formats.headers import read_header, read_markers
from predann_bids.errors import UnusableData

NAMES = ("Fp1", "Cz", "O,1")
DATA = np.round(np.random.default_rng(0).normal(0, 200, (3, 500)))  # tenths of microvolts
STORED = DATA.T.astype("<i2").tobytes()
HEADER = """Brain Vision Data Exchange Header File Version 1.0
; made by hand

[Common Infos]
Codepage=UTF-8
DataFile=x.eeg
MarkerFile=x.vmrk
DataFormat=BINARY
DataOrientation=MULTIPLEXED
NumberOfChannels=3
SamplingInterval=4000

[Binary Infos]
BinaryFormat=INT_16

[Channel Infos]
; name, reference, resolution, unit
Ch1=Fp1,,0.1,µV
Ch2=Cz,,0.1,µV
Ch3=O\\11,,0.1,µV

[Comment]
Anything = at all
[Comment]
"""
MARKERS = """Brain Vision Data Exchange Marker File, Version 1.0
[Common Infos]
Codepage=UTF-8
DataFile=x.eeg
[Marker Infos]
Mk1=New Segment,,1,1,0,20200102030405000000
Mk2=Comment,hällo\\1 du,101,1,0
Mk3=Stimulus,S  1,251,1,0
"""


@pytest.fixture
def write(tmp_path):
    """Write a recording; gives the path of its header."""

    def write(header=HEADER, data=STORED, markers=MARKERS, suffix=".vhdr"):
        path = tmp_path / f"x{suffix}"
        (tmp_path / "x.eeg").write_bytes(data)
        for file, text in ((path, header), (tmp_path / "x.vmrk", markers)):
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def check(path, *, scale=1.0, atol=1e-9):
    opened = open_raw(path)
    assert tuple(opened.raw.ch_names) == NAMES
    assert opened.raw.info["sfreq"] == 250
    np.testing.assert_allclose(opened.raw.get_data(), DATA * 1e-7 * scale, atol=atol)
    assert [text.split("/")[1] for text in opened.raw.annotations.description] == ["hällo, du", "S  1"]
    np.testing.assert_allclose(opened.raw.annotations.onset, [0.4, 1.0])
    assert opened.raw.filenames[0].name == "x.eeg"
    return opened


def replaced(*pairs, text=HEADER):
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


def blanks(text):
    return re.sub(r"^(\w+)=", r"  \1 = ", text, flags=re.MULTILINE)


SPELLINGS = {
    "plain": HEADER,
    "blanks around the sign": blanks(HEADER),
    "tabs": HEADER.replace("=", "\t=\t", 12),
    "lower case": HEADER.replace("O\\11", "o~")
    .lower()
    .replace("fp1", "Fp1")
    .replace("cz", "Cz")
    .replace("o~", "O\\11"),
    "DOS": HEADER.replace("\n", "\r\n"),
    "Mac": HEADER.replace("\n", "\r"),
    "byte order mark": "\ufeff" + HEADER,
    "Latin-1": HEADER.encode("latin-1"),
    "Latin-1 that is declared": HEADER.replace("UTF-8", "ANSI").encode("latin-1"),
    "UTF-8 that is declared as ANSI": HEADER.replace("UTF-8", "ANSI"),
    "UTF-16": HEADER.encode("utf-16"),
    "an unknown code page": HEADER.replace("UTF-8", "Klingon"),
    "Greek mu": HEADER.replace("µ", "μ"),
    "u": HEADER.replace("µ", "u"),
    "a lost mu": HEADER.replace("µ", "?"),
    "twice encoded": HEADER.replace("µ", "Âµ"),
    "no units": HEADER.replace(",µV", ""),
    "empty units": HEADER.replace("µV", ""),
    "version 2": HEADER.replace("File Version 1.0", "File, Version 2.0"),
    "no first line": HEADER.partition("\n")[2],
    "NeurOne": HEADER.replace("Common Infos", "Common infos"),
    "without what is usual": replaced(("DataFormat=BINARY\n", ""), ("DataOrientation=MULTIPLEXED\n", "")),
    "DataPoints": replaced(("NumberOfChannels=3", "NumberOfChannels=3\nDataPoints=500")),
    "without a number of channels": replaced(("NumberOfChannels=3\n", "")),
    "a decimal comma": replaced((",,0.1,", ",,0,1,"), ("=4000", "=4000,0")),
    "a future property": replaced(("µV", "µV,new")),
    "filters that MNE cannot read": HEADER
    + "\nChannels\n--------\n#     Name      Phys. Chn.    Resolution / Unit\n1 X",
    "the same line twice": replaced(("DataFile=x.eeg", "DataFile=x.eeg\nDATAFILE=x.eeg")),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_the_same_header(write, spelling):
    assert check(write(SPELLINGS[spelling])).warnings == ()


@pytest.mark.parametrize("spelling", ["DOS", "Mac", "UTF-16", "Latin-1"])
def test_markers_are_read_in_every_encoding_and_with_every_line_end(write, spelling):
    markers = {
        "DOS": MARKERS.replace("\n", "\r\n"),
        "Mac": MARKERS.replace("\n", "\r"),
        "UTF-16": MARKERS.encode("utf-16"),
        "Latin-1": blanks(MARKERS).encode("latin-1"),
    }[spelling]
    assert check(write(markers=markers)).warnings == ()


def test_single_markers_that_cannot_be_read_are_left_out_and_counted(write, tmp_path):
    opened = check(write(markers=MARKERS + "Mk4=Stimulus,S  2\nMk5=Stimulus,S  2,x,1,0\n"))
    assert opened.warnings == (f"2 markers in {tmp_path / 'x.vmrk'} cannot be read, and are left out.",)
    assert read_markers(tmp_path / "x.vmrk")[1] == 2


BINARY = {"INT_16": "<i2", "INT_32": "<i4", "IEEE_FLOAT_32": "<f4", "IEEE_FLOAT_64": "<f8"}


@pytest.mark.parametrize("orientation", ["MULTIPLEXED", "VECTORIZED", "vectorized"])
@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize("swapped", [False, True])
def test_binary_data_are_read_in_every_order(write, kind, orientation, swapped):
    values = DATA if orientation.upper() == "VECTORIZED" else DATA.T
    stored = values.astype(BINARY[kind].replace("<", ">" if swapped else "<"))
    header = replaced(
        ("INT_16", f"{kind}\nUseBigEndianOrder={'YES' if swapped else 'NO'}"), ("MULTIPLEXED", orientation)
    )
    opened = check(write(header, stored.tobytes()))
    assert opened.raw.preload == (swapped or kind == "IEEE_FLOAT_64")


def text_header(decimal=".", lines=0, columns=0, orientation="MULTIPLEXED"):
    infos = f"[ASCII Infos]\nDecimalSymbol={decimal}\nSkipLines={lines}\nSkipColumns={columns}"
    return replaced(
        ("DataFormat=BINARY", "DataFormat=ASCII"), ("[Binary Infos]\nBinaryFormat=INT_16", infos),
        ("MULTIPLEXED", orientation), (",0.1,", ",1,"),
    )  # fmt: skip


@pytest.mark.parametrize("orientation", ["MULTIPLEXED", "VECTORIZED"])
@pytest.mark.parametrize(("decimal", "separator"), [(".", " "), (".", ","), (".", "\t"), (",", " "), (",", ";")])
@pytest.mark.parametrize("named", [False, True])
def test_data_as_text_are_read_whatever_parts_the_numbers(write, orientation, decimal, separator, named):
    rows = DATA / 10 if orientation == "VECTORIZED" else DATA.T / 10
    lines = [separator.join(f"{value:.1f}".replace(".", decimal) for value in row) for row in rows]
    if named and orientation == "VECTORIZED":
        lines = [f"Ch{place}{separator}{line}" for place, line in enumerate(lines)]
    elif named:
        lines = ["Fp1 Cz O1", *lines]
    rows_skipped, columns = (named, 0) if orientation == "MULTIPLEXED" else (0, named)
    header = text_header(decimal, int(rows_skipped), int(columns), orientation)
    opened = check(write(header, ("\r\n".join(lines) + "\r\n").encode()), atol=1e-11)
    assert opened.warnings == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [("1 2 3\n4 5\n", "2 lines of 2 or 3 numbers, where x.vhdr announces 3 channels in columns"),
     ("Fp1 Cz O1\n1 2 3\n", r"x.eeg, line 1 holds something that is no number \('Fp1'\).*SkipLines"),
     ("1 2\n3 4\n", "2 lines of 2 numbers")],
)  # fmt: skip
def test_text_that_does_not_fit_its_header_is_refused_by_what_is_there(write, text, said):
    with pytest.raises(UnusableData, match=said):
        open_raw(write(text_header(), text.encode()))


WRONG = {
    "list of channels too short": (
        ("NumberOfChannels=3", "NumberOfChannels=4"),
        "NumberOfChannels is 4, but .* lists 3",
    ),
    "list of channels too long": (
        ("NumberOfChannels=3", "NumberOfChannels=2"),
        "NumberOfChannels is 2, but .* lists 3",
    ),
    "a hole": (("Ch2=", "Ch5="), "lists 3"),
    "two of a number": (("Ch2=", "Ch1="), "gives Ch1 twice, with different values"),
    "two data files": (("DataFile=x.eeg", "DataFile=x.eeg\ndatafile=y.eeg"), "gives datafile twice"),
    "orientation": (("MULTIPLEXED", "SIDEWAYS"), "DataOrientation is 'SIDEWAYS'; known are"),
    "format": (("=BINARY", "=MORSE"), "DataFormat is 'MORSE'"),
    "binary format": (("INT_16", "INT_24"), "BinaryFormat is 'INT_24'; known are INT_16"),
    "no binary format": (("BinaryFormat=INT_16", ""), "BinaryFormat is missing"),
    "resolution": (("0.1,µV\nCh2", "ten,µV\nCh2"), r"resolution of Ch1 \('Fp1'\) is 'ten'"),
    "resolution of nothing": (("0.1,µV\nCh2", "0,µV\nCh2"), "resolution of Ch1"),
    "interval": (("=4000", "=0"), "SamplingInterval, and here it is 0"),
    "no interval": (("SamplingInterval=4000", ""), "here there is none"),
    "spectra": (("[Binary", "DataType=FREQUENCYDOMAIN\n[Binary"), "holds spectra"),
    "average": (("[Binary", "Averaged=YES\n[Binary"), "average over segments"),
    "too many points announced": (("[Binary", "DataPoints=501\n[Binary"), "ends too early: it has 3000 bytes"),
    "too few points announced": (("[Binary", "DataPoints=100\n[Binary"), "has 3000 bytes, where x.vhdr announces 600"),
    "no header": ((HEADER, "some text\n" * 20), "it is text of another kind, not the header"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_header_is_said_and_nothing_is_called_damaged(write, what):
    change, said = WRONG[what]
    with pytest.raises(UnusableData, match=f"{said}.*\\.$") as error:
        open_raw(write(replaced(change)))
    assert "damaged" not in str(error.value)


def test_a_few_samples_more_than_announced_are_told(write):
    opened = check(write(replaced(("[Binary", "DataPoints=495\n[Binary"))))
    assert "goes on for 0.02 s after the last sample" in opened.warnings[0]


def test_vectorized_data_must_be_as_long_as_announced_to_the_sample(write):
    header = replaced(("[Binary", "DataPoints=495\n[Binary"), ("MULTIPLEXED", "VECTORIZED"))
    with pytest.raises(UnusableData, match="does not fit its header"):
        open_raw(write(header))


def test_segments_are_told(write):
    opened = check(write(replaced(("[Binary", "SegmentationType=MARKERBASED\n[Binary"))))
    assert "holds segments" in opened.warnings[0]


def test_a_header_in_capitals_is_read(write):
    check(write(suffix=".VHDR"))


NAME = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)


@given(st.lists(NAME, min_size=1, max_size=6), st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["=", " = "]))
def test_any_names_of_channels_come_back(tmp_path_factory, names, line_end, sign):
    entries = [f"Ch{place}{sign}{name.replace(',', chr(92) + '1')},,1,µV" for place, name in enumerate(names, 1)]
    head = HEADER.partition("[Channel Infos]")[0].replace("NumberOfChannels=3", f"NumberOfChannels={len(names)}")
    path = tmp_path_factory.mktemp("names") / "x.vhdr"
    path.write_bytes((head + "[Channel Infos]\n" + "\n".join(entries)).replace("\n", line_end).encode())
    expected = [name.replace("\\1", ",") for name in names]
    assert [channel.name for channel in read_header(path).channels] == expected


def test_floats_that_the_header_calls_integers_are_refused(write):
    values = np.random.default_rng(0).normal(0, 30, (3, 500)).astype("<f4")
    with pytest.raises(UnusableData, match=r"INT_16, but they are of type IEEE_FLOAT_32\. Correct BinaryFormat"):
        open_raw(write(data=values.tobytes()))


@pytest.mark.parametrize("offset", [0, 3000, 16000, -16000])
def test_integers_with_any_offset_are_integers(write, offset):
    values = np.random.default_rng(0).normal(offset, 300, (3, 500)).astype("<i2")
    assert open_raw(write(data=values.tobytes())).raw.n_times == 500

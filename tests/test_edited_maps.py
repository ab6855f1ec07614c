"""Stimulus maps as they come back from spreadsheet programs and from R: understood where certain, else refused."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predann_bids.bids.finding.lost_zeros import restore_zeros
from predann_bids.bids.music.stimulus_map import find_map, read_map, shipped_maps
from predann_bids.errors import WrongUsage

PLAIN = (
    "# a note, with commas; and more\nvalue\taudio\tlabel\tonset_shift\tduration\n"
    "21\ta b.wav\t\t0.5\t\n22|23\tb.wav\tB\t\t12.25\n"
)


@pytest.fixture
def read(tmp_path):
    def read(content, encoding="utf-8"):
        (tmp_path / "map.tsv").write_bytes(content.encode(encoding))
        return rules_of(read_map(tmp_path / "map.tsv"))

    return read


def rules_of(stimulus_map):
    return stimulus_map.fingerprint({}) if not any(r.entities for r in stimulus_map.rules) else stimulus_map.rules


def saved(text, separator, *, quoting=csv.QUOTE_MINIMAL, blank=0, comma=False, end="\r\n"):
    """Write a map as a spreadsheet program does, with its comments in cells and all rows of one length."""
    rows = [line.split("\t") for line in text.splitlines()]
    width = max(map(len, rows)) + blank
    table = io.StringIO()
    writer = csv.writer(table, delimiter=separator, quoting=quoting, lineterminator=end)
    for row in rows:
        cells = [cell.replace(".", ",") if comma and cell.replace(".", "").isdecimal() else cell for cell in row]
        writer.writerow([*cells, *[""] * (width - len(row))])
    return table.getvalue()


@pytest.mark.parametrize("separator", ["\t", ";", ","])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("blank", [0, 3])
@pytest.mark.parametrize("comma", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_map_saved_by_a_spreadsheet_program_says_the_same(read, separator, quoting, blank, comma, encoding):
    assert read(saved(PLAIN, separator, quoting=quoting, blank=blank, comma=comma), encoding) == read(PLAIN)


@pytest.mark.parametrize("name", shipped_maps())
@pytest.mark.parametrize("separator", ["\t", ";", ","])
def test_maps_of_the_package_survive_a_spreadsheet(read, name, separator):
    text = find_map(name).read_text(encoding="utf-8")
    assert read(saved(text, separator, blank=1)) == read(text)


NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=8).map(
    lambda text: text.strip().lstrip("#\ufeff") or "x"
).filter(lambda text: not (text.startswith('"') or text.endswith('"')) and "|" not in text)  # fmt: skip


@settings(max_examples=60)
@given(
    names=st.lists(NAMES, min_size=1, max_size=4),
    separator=st.sampled_from("\t;,"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_names_survive_quoting(tmp_path_factory, names, separator, quoting):
    path = tmp_path_factory.mktemp("map") / "map.tsv"
    text = "value\taudio\n" + "".join(f"{number}\t{name}.wav\n" for number, name in enumerate(names))
    path.write_text(saved(text, separator, quoting=quoting), encoding="utf-8", newline="")
    assert [rule.audio for rule in read_map(path).rules] == [f"{name}.wav" for name in names]


def test_the_line_that_tells_excel_the_separator_is_understood(read):
    assert read("sep=;\n" + saved(PLAIN, ";")) == read(PLAIN)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("value\taudio\tonset_shift\n1\ta.wav\t1,500\n", "line 2: onset_shift '1,500' could be 1.500 or 1500 seconds"),
        ("value\taudio\tonset_shift\n1\ta.wav\t1.234,5\n", "line 2: onset_shift '1.234,5' is not a number"),
        ("value\taudio\tonset_shift\n1\ta.wav\t01. Mai\n", "line 2: onset_shift '01. Mai' is not a number"),
        ("value,audio,onset_shift\n1,a.wav,0,5\n", "line 2: 4 cells, but the header has 3 columns. A decimal comma"),
        ("value\taudio\n#NAME?\ta.wav\n", "line 2: '#NAME?' is an error of a spreadsheet"),
        ("value\taudio\n1\t#N/A\n", "line 2: '#N/A' is an error of a spreadsheet"),
        ("value;audio\n1;\"a.wav\n2;b.wav\n", "line 2: the quotation marks cannot be understood"),
        ("value\taudio\t\n1\ta.wav\tx\n", "line 1: each column must have a name of its own"),
        ("value\taudio\nNA\ta.wav\n", "line 2: 'NA' in the column 'value' may be a value"),
        ("task\taudio\nNA\ta.wav\n", "line 2: 'NA' in the column 'task' may be a value"),
        ("value\taudio\n1\tNA\n", "line 2: the cell 'audio' is empty"),
        ("value\taudio\n1\t\x00a.wav\n", "holds zero bytes"),
    ],
)  # fmt: skip
def test_what_could_mean_two_things_is_refused_with_its_line(read, text, words):
    with pytest.raises(WrongUsage) as caught:
        read(text)
    assert words in str(caught.value)


def test_text_in_the_encoding_of_windows_is_refused_with_its_line(read):
    with pytest.raises(WrongUsage, match=r"map.tsv, line 3: this is no UTF-8 text. Save the file as UTF-8"):
        read("value\taudio\r\n1\ta.wav\r\n2\tFür Elise.wav\r\n", "cp1252")


def test_decimal_commas_are_certain_where_semicolons_separate(read):
    (rule,) = read("value;audio;onset_shift;duration\n1;a.wav;1,500;12,25\n")
    assert (rule["onset_shift"], rule["duration"]) == (1.5, 12.25)
    (rule,) = read("onset;audio\n5,31|6\n".replace("6\n", "6;a.wav\n"))
    assert rule["columns"] == {"onset": ("5.31", "6")}


def test_words_of_r_for_nothing_are_nothing_in_effects(read):
    text = "value\taudio\tlabel\tonset_shift\tduration\tend_value\tstart_value\n"
    (rule,) = read(text + "1\ta.wav\tNA\tNA\tNaN\tNA\tN/A\n")
    assert rule == read("value\taudio\n1\ta.wav\n")[0]
    assert read("value\taudio\nNA|NA\ta.wav\n")[0]["columns"] == {"value": ("NA", "NA")}


@pytest.fixture
def restored(tmp_path):
    """Give the conditions of the rules of a map for a dataset with these directories, and what is told."""

    def restored(cells, *directories, entity="session"):
        for directory in directories:
            (tmp_path / "ds" / directory).mkdir(parents=True)
        (tmp_path / "map.tsv").write_text("\n".join([f"{entity}\taudio", *(f"{cell}\ta.wav" for cell in cells)]) + "\n")
        rules = restore_zeros(read_map(tmp_path / "map.tsv"), tmp_path / "ds").rules
        return [rule.entities.get(entity, ()) for rule in rules], [rule.note for rule in rules]

    return restored


def test_a_label_that_lost_its_zeros_is_found_and_told(restored, tmp_path):
    labels, notes = restored(
        ["1", "ses-2", "10", "3.0|1"], "sub-a/ses-01", "sub-a/ses-002", "sub-b/ses-10", "sub-b/ses-03"
    )
    assert labels == [("01",), ("002",), ("10",), ("03", "01")]
    assert notes[0] == f"{tmp_path / 'map.tsv'}, line 2: session 1 is taken for 01, the only one of that number."
    assert [bool(note) for note in notes] == [True, True, False, True]


def test_participants_lose_zeros_as_well(restored):
    assert restored(["7"], "sub-007", entity="participant")[0] == [("007",)]


@pytest.mark.parametrize("directories", [["sub-1", "sub-01"], ["sub-01x"], ["sub-x1"], []])
def test_a_label_that_exists_or_has_no_other_of_its_number_stays(restored, directories):
    assert restored(["1"], *directories, entity="participant") == ([("1",)], [""])


def test_a_map_that_names_the_other_label_as_well_means_two(restored):
    assert restored(["1", "01"], "sub-01", entity="participant") == ([("1",), ("01",)], ["", ""])


def test_several_labels_of_one_number_are_refused(restored):
    with pytest.raises(WrongUsage, match=r"line 2: participant 1 could be 001 or 01"):
        restored(["1"], "sub-01", "sub-001", entity="participant")


def test_words_are_not_touched(restored):
    assert restored(["a1", "n/a"], "sub-01", entity="participant") == ([("a1",), ()], ["", ""])

"""Tables of tab-separated text, as BIDS has them and as other programs write them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.bids.music.events import read_rows
from predann_bids.bids.tables import read_cells, read_columns, table_text, write_table
from predann_bids.errors import UnusableData

# what may stand in a cell: anything but what ends one, blanks around it, or marks around all of it
CELLS = st.text(st.characters(exclude_characters="\t\r\n\0", exclude_categories=["Cs"]), min_size=1, max_size=12).map(
    lambda text: text.strip().lstrip("\ufeff") or "x"
).filter(lambda text: not (text.startswith('"') and text.endswith('"')))  # fmt: skip
TABLES = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("tables") / "table.tsv"


@given(TABLES)
def test_what_is_written_is_read_again(file, table):
    write_table(file, table[0], table[1:])
    assert read_cells(file) == table


@given(TABLES, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_line_ends_and_encodings_of_all_systems_are_the_same_table(file, table, end, encoding):
    file.write_bytes(end.join("\t".join(row) for row in table).encode(encoding))
    assert read_cells(file) == table


@given(TABLES, st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_programs_that_quote_are_understood(file, table, quoting):
    # a csv writer takes its quotation mark for a special one in any cell, and doubles it
    text = io.StringIO()
    csv.writer(text, delimiter="\t", quoting=quoting, lineterminator="\n").writerows(table)
    file.write_text(text.getvalue(), encoding="utf-8", newline="")
    assert read_cells(file) == table


@pytest.mark.parametrize("cell", ['"Heroes" (2017 remaster)', '"open', 'a "b" c', 'ends"', '5" disc', '"', '""" x'])
def test_a_quotation_mark_is_a_character_like_any_other(file, cell):
    text = f"onset\tduration\tcomment\tstim_file\n1\t5\t{cell}\ta.wav\n9\t5\tn/a\tb.wav\n"
    file.write_text(text, encoding="utf-8")
    assert [(row["comment"], row["stim_file"]) for row in read_rows(file)] == [(cell, "a.wav"), ("n/a", "b.wav")]


@pytest.mark.parametrize("mark", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_only_line_ends_end_a_line(file, mark):
    file.write_text(f"onset\tduration\tcomment\n1\t5\ta{mark}b\n9\t5\tn/a\n", encoding="utf-8")
    assert [row["onset"] for row in read_rows(file)] == ["1", "9"]


def test_rows_keep_their_line_numbers_across_blank_lines(file):
    file.write_text("onset\tduration\n\n1\t5\n\t\n9\t5\n\n")
    assert [index + 2 for index, row in enumerate(read_rows(file)) if row["onset"]] == [3, 5]


@pytest.mark.parametrize(("content", "said"), [
    (b"onset\tduration\n1\t5\t7\n3\t5\n", "line 2 has 3 cells.*Remove what is too much"),
    (b"onset\tduration\n1\t5\t7\n2\t9\t7\n", "line 2 has 3 cells.*row.names=FALSE"),
    (b"\nonset\tduration\n1\t5\n", "line 2 has 2 cells.*nothing may stand above it"),
    (b"# by X\nonset\tduration\n1\t5\n", "line 2 has 2 cells.*The first line must hold the names"),
    (b"onset,duration\n1,5\n", "Separate the columns with tabs"),
    (b"", "is empty"), (b"\n\n", "is empty"),
    (b"onset\tduration\n\xe9\t5\n", "UTF-8"), (b"onset\tduration\n\0\t5\n", "zero bytes"),
])  # fmt: skip
def test_what_is_no_table_is_said(file, content, said):
    file.write_bytes(content)
    with pytest.raises(UnusableData, match=said):
        read_rows(file)


def test_columns_are_read_in_western_encoding_too(file):
    file.write_bytes("name\tunits\nFp1\tµV\nCz\n".encode("cp1252"))
    assert read_columns(file) == {"name": ["Fp1", "Cz"], "units": ["µV", "n/a"]}


def test_what_would_end_a_cell_becomes_a_blank():
    assert table_text(["a", "b"], [["x\ty", "1\r\n2"]]) == "a\tb\nx y\t1 2\n"


# with a tab or a line end in a quoted cell, as pandas, R and Excel write them
HELD = st.text(st.sampled_from('ab \t"'), max_size=8) | st.text(st.sampled_from('ab \n"'), max_size=8)


@given(st.lists(HELD, min_size=1, max_size=3), st.sampled_from(["\n", "\r\n"]))
def test_quoted_cells_may_hold_tabs_and_line_ends(file, notes, end):
    rows = [["1", "5", note, "a.wav"] for note in notes]
    text = io.StringIO()
    csv.writer(text, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator=end).writerows(
        [["onset", "duration", "note", "stim_file"], *rows]
    )
    file.write_text(text.getvalue(), encoding="utf-8", newline="")
    read = [row for row in read_rows(file) if row["onset"]]
    assert [(row["onset"], row["stim_file"]) for row in read] == [("1", "a.wav")] * len(notes)
    assert ["".join(row["note"].split()) for row in read] == ["".join(note.split()) for note in notes]


def test_rows_keep_their_line_numbers_after_a_cell_of_several_lines(file):
    file.write_text('onset\tduration\tnote\tstim_file\n1\t5\t"two\nlines"\ta.wav\n9\t5\tn/a\tb.wav\n')
    assert [(index + 2, row["stim_file"]) for index, row in enumerate(read_rows(file)) if row["onset"]] == [
        (2, "a.wav"), (4, "b.wav")
    ]  # fmt: skip


@pytest.mark.parametrize(
    "head", ["Onset\tDURATION\tstim_file", "ONSET\tduration\tStim File", "onset\tDuration\tStim-File"]
)
def test_columns_with_a_meaning_are_found_however_they_are_written(file, head):
    file.write_text(f"{head}\tValue\n1\t5\ta.wav\t7\n")
    assert read_rows(file) == [{"onset": "1", "duration": "5", "stim_file": "a.wav", "Value": "7"}]


def test_a_column_that_is_there_twice_must_say_the_same(file):
    file.write_text("onset\tonset\tduration\tx\tx\n1\t1\t5\t2\t3\n")
    assert [row["onset"] for row in read_rows(file)] == ["1"]
    file.write_text("onset\tduration\tonset\n1\t5\t1\n2\t5\t2.5\n")
    with pytest.raises(UnusableData, match=r"the column onset 2 times, with different cells \('2' and '2.5'\)"):
        read_rows(file)


def test_the_line_that_is_not_utf_8_is_named(file):
    file.write_bytes("onset\tduration\r\n1\t5\r\n2\té\r\n".encode("cp1252"))
    with pytest.raises(UnusableData, match="from line 3 on"):
        read_rows(file)

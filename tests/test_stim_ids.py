"""Music named by `stim_id`, as BEP044 proposes: the table of stimuli, alone and beside `stim_file`."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predann_bids.bids.music.cues import find_cues
from predann_bids.bids.music.presentations import from_table, resolve_presentations, to_table
from predann_bids.bids.music.stim_ids import Contradiction
from predann_bids.bids.music.stimuli import Stimuli
from predann_bids.bids.music.stimulus_map import read_map
from predann_bids.bids.music.stimulus_table import read_stimulus_table, write_stimulus_table
from predann_bids.bids.music.unusable import sentences
from predann_bids.bids.tables import write_table
from predann_bids.errors import MissingInput, UnusableData

FILES = (
    "a.wav",
    "b.wav",
    "stim-c_audio.ogg",
    "stim-c_audio.json",
    "stim-d_part-1_audiovideo.flac",
    "stim-cc_audio.wav",
)


@pytest.fixture
def dataset(tmp_path):
    """Write the table of stimuli and events; columns are parted by spaces, `_` is a space and `~` an underscore."""
    (tmp_path / "stimuli").mkdir()
    for name in FILES:
        (tmp_path / "stimuli" / name).write_text(name)

    def dataset(table, events, audio=None):
        if table is not None:
            (tmp_path / "stimuli" / "stimuli.tsv").write_text(text(table))
        (tmp_path / "events.tsv").write_text(text(events))
        return find_cues(tmp_path / "events.tsv", Stimuli(audio or tmp_path / "stimuli", tmp_path / "stimuli"))

    return dataset


def text(rows):
    return "\n".join("\t".join(cell.replace("_", " ") for cell in row.split()) for row in rows).replace("~", "_") + "\n"


def played(cues):
    return [(cue.stim_id, cue.stim_file, cue.label, cue.onset) for cue in cues.music]


def lost(cues, kind):
    """Tell what cannot be used."""
    assert {type(one.error) for one in cues.unusable} == {kind}
    return " ".join(sentences(cues.unusable))


TABLE = ["stimulus~id type filename present", "stim-one audio a.wav true", "stim-two audio stimuli/b.wav n/a"]


def test_an_id_stands_for_the_file_that_the_table_names(dataset):
    cues = dataset(TABLE, ["onset duration stim~id", "5 10 stim-one", "20 10 n/a", "40 10 stim-two"])
    assert played(cues) == [("stim-one", "a.wav", "a", 5), ("stim-two", "b.wav", "b", 40)]
    assert not cues.notes


@pytest.mark.parametrize(("stim_id", "file"), [("stim-c", "stim-c_audio.ogg"), ("d", "stim-d_part-1_audiovideo.flac")])
def test_without_a_filename_the_id_names_the_file(dataset, stim_id, file):
    table = ["stimulus~id type filename", "stim-c audio n/a", "stim-d n/a n/a"]
    assert [cue.stim_file for cue in dataset(table, ["onset duration stim~id", f"5 10 {stim_id}"]).music] == [file]


def test_several_files_of_one_id_are_ambiguous(dataset, tmp_path):
    (tmp_path / "stimuli" / "stim-d_part-2_audiovideo.flac").touch()
    told = lost(dataset(["stimulus~id type", "stim-d audio"], ["onset duration stim~id", "5 10 stim-d"]), UnusableData)
    assert "line 2: stim-d could be any of stim-d_part-1_audiovideo.flac, stim-d_part-2_audiovideo.flac in" in told


def test_pictures_are_no_music(dataset):
    table = ["stimulus~id type filename", "stim-one image a.png", "stim-two n/a b.png", "stim-three video c.mp4"]
    cues = dataset(table, ["onset duration stim~id", "5 10 stim-one", "9 10 stim-two", "12 10 stim-three"])
    assert not cues.music
    assert cues.ignored == {"stim_id stands for no audio": (2, 3, 4)}


def test_an_id_that_is_not_in_the_table_is_told_by_row(dataset, tmp_path):
    cues = dataset(TABLE, ["onset duration stim~id", "5 10 stim-one", "40 10 stim-three"])
    assert [cue.onset for cue in cues.music] == [5]
    assert f"{tmp_path / 'events.tsv'}, line 3: stim_id 'stim-three' is not in" in lost(cues, UnusableData)
    assert [(one.label, one.onset) for one in cues.unusable] == [("three", 40)]


def test_a_stim_file_helps_where_the_id_is_not_in_the_table(dataset, tmp_path):
    cues = dataset(TABLE, ["onset duration stim~id stim~file", "5 10 stim-nine a.wav"])
    assert played(cues) == [("", "a.wav", "a", 5)]
    assert cues.notes[0].startswith(f"{tmp_path / 'events.tsv'}, line 2: stim_id 'stim-nine' is not in")


@pytest.mark.parametrize("stim_file", ["a.wav", "A.WAV", "stimuli/a.wav", "./a.wav", "a.mp3"])
def test_a_stim_file_that_agrees_changes_nothing(dataset, stim_file):
    cues = dataset(TABLE, ["onset duration stim~file stim~id", f"5 10 {stim_file} stim-one"])
    assert [(cue.stim_id, cue.stim_file) for cue in cues.music] == [("stim-one", "a.wav")]


@pytest.mark.parametrize(
    ("table", "stim_file"),
    [("stim-one audio b.wav", "a.wav"), ("stim-one image b.png", "a.wav"), ("stim-one audio n/a", "a.wav"),
     ("stim-one audio a.wav", "picture.png")],
)  # fmt: skip
def test_a_row_whose_stim_file_disagrees_is_left_out_with_file_and_row(dataset, tmp_path, table, stim_file):
    (tmp_path / "stimuli" / "stim-one_audio.wav").write_text("one")
    rows = ["onset duration stim~file stim~id", f"5 10 {stim_file} stim-one"]
    told = lost(dataset(["stimulus~id type filename", table], rows), Contradiction)
    assert f"events.tsv, line 2: stim_file says '{stim_file}', but stim-one is" in told
    assert "stimuli.tsv, line 2; correct one of them" in told


def test_a_stim_file_is_taken_where_the_file_of_its_id_is_not_there(dataset):
    table = ["stimulus~id type filename", "stim-one audio gone.wav"]
    cues = dataset(table, ["onset duration stim~file stim~id", "5 10 a.wav stim-one"])
    assert [cue.stim_file for cue in cues.music] == ["a.wav"]
    assert "whose 'gone.wav' is not there" in cues.notes[0]


def test_two_names_of_equal_audio_are_no_contradiction(dataset, tmp_path):
    (tmp_path / "stimuli" / "copy.wav").write_text("a.wav")
    table = ["stimulus~id type filename", "stim-one audio copy.wav"]
    cues = dataset(table, ["onset duration stim~file stim~id", "5 10 a.wav stim-one"])
    assert [cue.stim_file for cue in cues.music] == ["a.wav"]
    assert cues.notes == ()


def test_audio_that_is_not_part_of_the_dataset_is_told_with_the_reason(dataset, tmp_path):
    table = ["stimulus~id type filename license URL present", "stim-x audio x.wav not_free https://x.org false"]
    told = lost(dataset(table, ["onset duration stim~id", "5 10 stim-x"]), MissingInput)
    for words in ("events.tsv, line 2", "present is false", "license not free", "URL https://x.org", "--stimuli-dir"):
        assert words in told
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.wav").touch()
    cues = dataset(table, ["onset duration stim~id", "5 10 stim-x"], audio=tmp_path / "elsewhere")
    assert played(cues) == [("stim-x", "x.wav", "x", 5)]
    assert not cues.notes


def test_audio_that_is_there_although_the_table_denies_it_is_told(dataset):
    table = ["stimulus~id filename present", "stim-one a.wav false"]
    cues = dataset(table, ["onset duration stim~id", "5 10 stim-one", "30 10 stim-one"])
    assert len(cues.music) == 2
    assert "(and 1 more rows): " in cues.notes[0]
    assert "but it is there and is used" in cues.notes[0]


@pytest.mark.parametrize("stim_id", ["12", "face", "stim-face"])
def test_a_column_of_that_name_without_a_table_names_no_music(dataset, stim_id):
    assert not dataset(None, ["onset duration stim~id", f"5 10 {stim_id}"]).music


def test_without_a_table_stim_file_says_what_was_played(dataset):
    events = ["onset duration stim~id stim~file", "5 10 12 a.wav", "20 10 stim-one b.wav", "40 10 stim-c n/a"]
    assert [(cue.stim_id, cue.stim_file) for cue in dataset(None, events).music] == [
        ("", "a.wav"), ("stim-one", "b.wav"), ("stim-c", "stim-c_audio.ogg"),
    ]  # fmt: skip


def test_another_table_of_that_name_is_not_heeded(dataset):
    assert not dataset(["file tempo", "a.wav 120"], ["onset duration stim~id", "5 10 stim-one"]).music


def test_two_rows_of_one_id_must_say_the_same(dataset):
    events = ["onset duration stim~id", "5 10 stim-one"]
    assert dataset([*TABLE, "one audio a.wav n/a"], events).music
    with pytest.raises(UnusableData, match=r"line 2 and .*line 4 describe stim-one differently"):
        dataset([*TABLE, "stim-one audio b.wav n/a"], events)


def test_a_table_without_tabs_is_refused(dataset):
    with pytest.raises(UnusableData, match=r"stimuli.tsv has no column 'stimulus_id'. Separate the columns with tabs"):
        dataset(["stimulus~id;filename", "stim-one;a.wav"], ["onset duration stim~id", "5 10 stim-one"])


def test_a_table_that_was_not_fetched_says_so(dataset, tmp_path):
    (tmp_path / "stimuli" / "stimuli.tsv").symlink_to(tmp_path / "nothing")
    with pytest.raises(MissingInput, match="not fetched"):
        dataset(None, ["onset duration stim~id", "5 10 stim-one"])


def test_the_table_may_name_classes_and_events_the_second_of_the_file(dataset):
    table = ["stimulus~id filename label", "stim-one a.wav First_Fires"]
    cues = dataset(table, ["onset duration stim~id audio~start", "5 10 stim-one 12.5", "30 10 stim-one n/a"])
    assert [(cue.label, cue.audio_start) for cue in cues.music] == [("First Fires", 12.5), ("First Fires", 0)]
    cues = dataset(table, ["onset duration stim~id audio~start", "5 10 stim-one soon"])
    assert "line 2: audio_start 'soon' must be a number" in lost(cues, UnusableData)


def test_a_rule_of_a_stimulus_map_comes_first(dataset, tmp_path):
    dataset(TABLE, ["onset duration value stim~id", "5 10 21 stim-one", "30 10 22 stim-two"])
    (tmp_path / "map.tsv").write_text("value\taudio\n21\tb.wav\n")
    rules = read_map(tmp_path / "map.tsv")
    cues = find_cues(tmp_path / "events.tsv", Stimuli(tmp_path / "stimuli"), stimulus_map=rules, entities={})
    assert played(cues) == [("", "b.wav", "b", 5), ("stim-two", "b.wav", "b", 30)]


def test_ids_survive_the_way_through_a_derivative_s_table(dataset, tmp_path):
    dataset(TABLE, ["onset duration stim~id stim~file", "5 10 stim-one n/a", "40 10 n/a b.wav"])
    presentations = resolve_presentations(
        tmp_path / "events.tsv", tmp_path / "stimuli", recording_seconds=100, shortest=3, audio_seconds=lambda _: 20
    ).presentations
    write_table(tmp_path / "out.tsv", *to_table(presentations))
    assert from_table(tmp_path / "out.tsv") == presentations
    assert [p.stim_id for p in presentations] == ["stim-one", ""]


CELL = st.text(st.characters(codec="utf-8", exclude_characters='\t\r\n\0"', categories=["L", "N", "P"]), max_size=8)
ROW = st.fixed_dictionaries({"stimulus_id": st.from_regex(r"stim-[a-z0-9]{1,5}", fullmatch=True), "filename": CELL})


@settings(max_examples=30)
@given(st.lists(ROW, min_size=1, max_size=5, unique_by=lambda row: row["stimulus_id"]))
def test_a_table_that_is_written_is_read_again(tmp_path_factory, rows):
    directory = tmp_path_factory.mktemp("stimuli")
    write_stimulus_table(directory, rows)
    table = read_stimulus_table([directory])
    read = [{name: table.find(row["stimulus_id"]).cell(name) for name in row} for row in rows]
    assert read == [{**row, "filename": row["filename"] if row["filename"] != "n/a" else ""} for row in rows]


def test_the_table_of_an_editor_that_capitalises_is_read(dataset):
    cues = dataset(["Stimulus~ID FileName", "stim-one a.wav"], ["onset duration stim~id", "5 10 stim-one"])
    assert [cue.stim_file for cue in cues.music] == ["a.wav"]

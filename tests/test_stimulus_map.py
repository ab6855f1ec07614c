"""The stimulus map, from the table that a user writes to presentations."""

import unicodedata
from itertools import zip_longest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predann_bids.bids.music.cues import find_cues
from predann_bids.bids.music.presentations import resolve_presentations
from predann_bids.bids.music.stimuli import Stimuli
from predann_bids.bids.music.stimulus_map import find_map, read_map, shipped_maps
from predann_bids.errors import MissingInput, UnusableData, WrongUsage

FILES = ("a.wav", "b.wav", "it's (live) 2.wav", "DespicableMe.wav", "song-07.wav")


@pytest.fixture
def stimuli(tmp_path):
    directory = tmp_path / "stimuli"
    directory.mkdir()
    for name in FILES:
        (directory / name).touch()
    return directory


@pytest.fixture
def resolve(tmp_path, stimuli):
    """Resolve rows of events with rows of a map; columns are parted by spaces, and `_` stands for one."""

    def resolve(rules, events=None, entities=None, *, seconds=100.0, audio=20.0):
        (tmp_path / "map.tsv").write_text(table(rules))
        if events is not None:
            (tmp_path / "events.tsv").write_text(table(events))
        return resolve_presentations(
            tmp_path / "events.tsv" if events is not None else None,
            stimuli,
            recording_seconds=seconds,
            shortest=3.0,
            audio_seconds=lambda _: audio,
            stimulus_map=read_map(tmp_path / "map.tsv"),
            entities=entities or {"participant": "01", "session": "", "task": "DespicableMe", "run": "2"},
        )

    return resolve


def table(rows):
    return "\n".join("\t".join(cell.replace("_", " ") for cell in row.split()) for row in rows).replace("~", "_") + "\n"


def found(resolution):
    return [(p.label, p.onset, p.duration, p.audio_start) for p in resolution.presentations]


def test_a_condition_on_an_events_column_chooses_rows(resolve):
    resolution = resolve(
        ["value audio", "21 a.wav", "22 b.wav"], ["onset duration value", "5 0 21", "9 0 128", "40 0 22"]
    )
    assert found(resolution) == [("a", 5, 20, 0), ("b", 40, 20, 0)]


def test_numbers_are_the_same_however_they_are_written(resolve):
    assert found(resolve(["value audio", "21 a.wav"], ["onset duration value", "5 0 21.0"])) == [("a", 5, 20, 0)]


def test_a_cell_may_list_alternatives(resolve):
    resolution = resolve(["value audio", "1|2 a.wav"], ["onset duration value", "5 0 1", "40 0 2", "70 0 3"])
    assert [p.onset for p in resolution.presentations] == [5, 40]


def test_the_first_match_wins(resolve):
    rules = ["run value audio", "3 1 b.wav", "2 1 a.wav", "n/a 1 b.wav"]
    assert found(resolve(rules, ["onset duration value", "5 0 1"])) == [("a", 5, 20, 0)]


def test_a_rule_without_a_condition_on_events_stands_for_the_recording(resolve):
    rules = ["task audio onset~shift audio~start duration", "DespicableMe {task}.wav 10 2.5 12"]
    assert found(resolve(rules, ["onset duration stim~file", "900 1000 n/a"])) == [("DespicableMe", 10, 12, 2.5)]
    assert found(resolve(rules, None)) == [("DespicableMe", 10, 12, 2.5)]


def test_times_of_events_are_not_trusted_where_a_rule_stands_for_the_recording(tmp_path, stimuli):
    (tmp_path / "map.tsv").write_text("session\taudio\n07\tsong-{session}.wav\n")
    (tmp_path / "events.tsv").write_text("onset\tduration\tvalue\n3.0\t9000\tboundary\n")
    cues = find_cues(
        tmp_path / "events.tsv",
        Stimuli(stimuli),
        stimulus_map=read_map(tmp_path / "map.tsv"),
        entities={"session": "07"},
    )
    assert not cues.times_are_of_the_recording
    assert cues.music[0].label == "song-07"


def test_entities_are_compared_with_and_without_their_prefix_and_runs_as_numbers(resolve):
    for rule in ("sub-01 02", "01 2", "01 run-2"):
        assert found(resolve(["participant run audio", f"{rule} a.wav"], None)) == [("a", 0, 20, 0)]


def test_participant_labels_are_words_not_numbers(resolve):
    assert found(resolve(["participant audio", "1 a.wav"], ["onset duration", "5 0"])) == []


def test_a_shift_moves_the_onset_and_a_label_names_the_class(resolve):
    rules = ["value audio label onset~shift", "21 a.wav {task}-{value} -1"]
    assert found(resolve(rules, ["onset duration value", "5 0 21"])) == [("DespicableMe-21", 4, 20, 0)]


def test_a_shift_before_the_recording_skips_that_much_of_the_music(resolve):
    resolution = resolve(["value audio onset~shift", "21 a.wav -2"], ["onset duration value", "0.5 0 21"])
    assert found(resolution) == [("a", 0, 18.5, 1.5)]
    assert "where the recording begins" in resolution.warnings[0]


def test_a_presentation_ends_at_the_next_row_with_an_end_value(resolve):
    events = ["onset duration value", "5 0.001 1", "6 0.001 4", "12.5 0.001 2", "13 0.001 3", "40 0.001 1", "47 0 3"]
    assert found(resolve(["value audio end~value", "1 a.wav 2|3"], events)) == [("a", 5, 7.5, 0), ("a", 40, 7, 0)]


def test_an_end_after_the_next_onset_is_that_of_a_later_presentation(resolve):
    events = ["onset duration value", "5 0 1", "40 0 1", "47 0 2"]
    assert found(resolve(["value audio end~value", "1 a.wav 2"], events)) == [("a", 5, 20, 0), ("a", 40, 7, 0)]


def test_end_values_are_looked_for_in_the_column_of_the_condition(resolve):
    events = ["onset duration value trial~type", "5 0 1 x", "8 0 9 2", "12 0 2 x"]
    assert found(resolve(["value audio end~value", "1 a.wav 2"], events)) == [("a", 5, 7, 0)]


START = ["value audio start~value", "21 a.wav 128|129", "22 b.wav 128|129"]


@pytest.mark.parametrize(
    ("events", "onsets"),
    [
        (["5 0 21", "9 0 128", "40 0 22", "64 0 129.0"], [9, 64]),
        (["9 0 128", "9 0 21", "64 0 22", "64 0 128"], [9, 64]),  # of one onset, in either order
        (["64 0 128", "40 0 22", "9 0 128", "5 0 21"], [9, 64]),  # of another order than that of onsets
        (["5 0 21", "n/a 0 128", "9 0 128", "40 0 22", "50 0 7", "64 0 128"], [9, 64]),
    ],
)
def test_announced_music_begins_at_the_first_start_at_or_after_its_row(resolve, events, onsets):
    resolution = resolve(START, ["onset duration value", *events], seconds=200.0)
    assert [(p.label, p.onset) for p in resolution.presentations] == list(zip("ab", onsets, strict=True))
    assert not resolution.warnings


def test_shift_end_and_duration_count_from_the_start(resolve):
    rules = ["value audio onset~shift start~value end~value", "21 a.wav 0.5 128 99", "22 b.wav n/a 128 n/a"]
    events = ["5 30 21", "6 0 99", "9 0.1 128", "19.5 0 99", "40 9 22", "50 12 128"]
    assert found(resolve(rules, ["onset duration value", *events])) == [("a", 9.5, 10, 0), ("b", 50, 12, 0)]


def test_of_two_codes_before_one_start_the_last_is_right_and_the_other_is_told(resolve, tmp_path):
    resolution = resolve(START, ["onset duration value", "5 0 21", "7 0 22", "9 0 128"])
    assert [(p.label, p.onset) for p in resolution.presentations] == [("b", 9)]
    (warning,) = resolution.warnings
    assert warning.startswith(f"{tmp_path / 'events.tsv'}, line 2: ")
    assert "line 3 announces other music" in warning


def test_two_codes_at_one_time_before_one_start_contradict_each_other(resolve):
    with pytest.raises(UnusableData, match=r"line 3: 'b.wav' begins at 9 s, as does 'a.wav' of line 2"):
        resolve(START, ["onset duration value", "5 0 21", "5 0 22", "9 0 128"])


def test_a_code_without_a_start_and_a_start_without_a_code_are_told(resolve):
    resolution = resolve(START, ["onset duration value", "2 0 129", "5 0 21", "9 0 128", "40 0 22"])
    assert [p.onset for p in resolution.presentations] == [9]
    unannounced, never = sorted(resolution.warnings, key=len)
    assert "line 2: music begins, but no row before says which" in unannounced
    assert "line 5: the music that this row announces is left out, as no row with its start_value follows" in never


def test_starts_are_looked_for_in_the_column_of_the_condition(resolve):
    events = ["onset duration value trial~type", "5 0 21 x", "6 0 9 128", "12 0 128 x"]
    assert [p.onset for p in resolve(START, events).presentations] == [12]


FILM_MUSIC = read_map(find_map("ds002721"))


@settings(max_examples=40)
@given(
    trials=st.lists(st.tuples(st.integers(1, 360), st.integers(0, 24), st.booleans()), min_size=1, max_size=10),
    data=st.data(),
)
def test_the_map_of_film_music_finds_every_clip_whatever_the_order_of_rows(tmp_path_factory, trials, data):
    directory = tmp_path_factory.mktemp("film")
    stimuli = directory / "stimuli"
    stimuli.mkdir()
    rows, expected = [], []
    for number, (clip, before, fixation) in enumerate(trials):
        onset = 50 * number + 30
        (stimuli / f"{clip:03d}.mp3").touch()
        rows += [(onset, 788), (onset - before, 300 + clip), *([(onset - 3, 786)] if fixation else [])]
        expected.append((f"{clip:03d}", float(onset)))
    lines = [f"{onset}\t20\t{code}" for onset, code in data.draw(st.permutations(rows))]
    (directory / "events.tsv").write_text("\n".join(["onset\tduration\ttrial_type", *lines]) + "\n")
    cues = find_cues(directory / "events.tsv", Stimuli(stimuli), stimulus_map=FILM_MUSIC)
    assert [(cue.label, cue.onset) for cue in cues.music] == expected
    assert not cues.notes


def test_a_showing_that_was_stopped_early_ends_at_its_end_value(resolve):
    rules = ["value audio duration end~value", "1 a.wav 8 2"]
    events = ["onset duration value", "5 0 1", "9.5 0 2", "40 0 1", "60 0 2"]
    assert found(resolve(rules, events)) == [("a", 5, 4.5, 0), ("a", 40, 8, 0)]


def test_the_map_s_duration_wins_over_the_row_s(resolve):
    resolution = resolve(["value audio duration", "1 a.wav 8"], ["onset duration value", "5 15 1"])
    assert found(resolution) == [("a", 5, 8, 0)]


def test_the_row_s_duration_wins_over_the_audio_s_when_it_is_a_window_long(resolve):
    rules = ["value audio", "1 a.wav"]
    assert found(resolve(rules, ["onset duration value", "5 15 1", "50 0.001 1"])) == [
        ("a", 5, 15, 0),
        ("a", 50, 20, 0),
    ]


def test_a_duration_beyond_the_audio_is_cut_with_a_warning(resolve):
    resolution = resolve(["value audio duration audio~start", "1 a.wav 30 5"], ["onset duration value", "5 0 1"])
    assert found(resolution) == [("a", 5, 15, 5)]
    assert "cut from 30.00 to 15.00 s, where the audio ends" in resolution.warnings[0]


def test_rows_that_no_rule_matches_are_music_when_stim_file_is_audio(resolve):
    events = ["onset duration value stim~file", "5 0 1 n/a", "40 0 7 b.wav", "70 0 8 n/a"]
    assert found(resolve(["value audio", "1 a.wav"], events)) == [("a", 5, 20, 0), ("b", 40, 20, 0)]


def test_stim_file_can_be_filled_in_with_spaces_apostrophes_and_brackets(resolve):
    events = ["onset duration value stim~file", "5 0.001 1 it's_(live)_2.wav", "5.2 0 noteOnset n/a", "9 0.001 3 n/a"]
    resolution = resolve(["value audio end~value", "1 {stim~file} 2|3"], events)
    assert found(resolution) == [("it's (live) 2", 5, 4, 0)]


def test_many_warnings_of_one_kind_are_one_sentence(resolve):
    events = ["onset duration value", *(f"{n * 4 + 1} 0 1" for n in range(8))]
    warnings = resolve(["value audio end~value", "1 a.wav 2"], events, audio=3.5).warnings
    assert warnings == ()
    warnings = resolve(["value audio", "1 a.wav"], events, audio=30.0).warnings
    assert any("7 presentations are cut, where the next begins (lines 2, 3, 4, 5, 6, 7, 8)" in w for w in warnings)


def test_a_row_that_stands_twice_counts_once(resolve):
    resolution = resolve(["value audio", "1 a.wav"], ["onset duration value", "5 0 1", "5 0 1", "40 0 1"])
    assert [p.onset for p in resolution.presentations] == [5, 40]
    assert "repeats line 2" in resolution.warnings[0]


def test_two_pieces_at_once_are_unusable(resolve):
    with pytest.raises(UnusableData, match=r"line 3: 'b\.wav' begins at 5 s, as does 'a\.wav' of line 2"):
        resolve(["value audio", "1 a.wav", "2 b.wav"], ["onset duration value", "5 0 1", "5 0 2"])


def test_missing_audio_is_named_once_with_its_rows(resolve):
    events = ["onset duration value", "5 0 1", "40 0 1", "70 0 1"]
    with pytest.raises(MissingInput, match=r"events\.tsv, line 2 \(and 2 more rows\): the audio 'c\.wav' is not in"):
        resolve(["value audio", "1 c.wav"], events)


def test_a_placeholder_without_a_value_is_reported_by_both_files_and_rows(resolve):
    with pytest.raises(WrongUsage, match=r"events\.tsv, line 2: line 2 of .*map\.tsv asks for \{stim_file\}"):
        resolve(["value audio", "1 {stim~file}"], ["onset duration value stim~file", "5 0 1 n/a"])


def test_audio_start_beyond_the_audio_is_unusable(resolve):
    with pytest.raises(UnusableData, match=r"audio_start is 25 s, but the audio .* lasts only 20\.00 s"):
        resolve(["value audio audio~start", "1 a.wav 25"], ["onset duration value", "5 0 1"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("value\taudio\n", "no rule"),
        ("value\tfile\n1\ta.wav\n", "line 1: the stimulus map has no column 'audio', only value, file"),
        ("value audio\n1 a.wav\n", "Separate the columns with tabs"),
        ("value;audio,x\n1;a.wav,y\n", "Separate the columns with tabs"),
        ("Value\tAudio\n1\ta.wav\n", "Write it in small letters"),
        ("value\tvalue\taudio\n1\t1\ta.wav\n", "a name of its own"),
        ("# note\nvalue\taudio\n1\t\n", "line 3: the cell 'audio' is empty"),
        ("value\taudio\n\n1\ta.wav\tb\n", "line 3: 3 cells, but the header has 2 columns"),
        ("value\taudio\tduration\n1\ta.wav\tlong\n", "line 2: duration 'long' is not a number of seconds"),
        ("value\taudio\tduration\n1\ta.wav\t0\n", "must be a positive number"),
        ("value\taudio\tonset_shift\n1\ta.wav\tinf\n", "onset_shift 'inf' is not a number"),
        ("value\taudio\taudio_start\n1\ta.wav\t-1\n", "lies before the start"),
        ("task\taudio\tend_value\nx\ta.wav\t2\n", "'end_value' needs a condition"),
        ("task\taudio\tstart_value\nx\ta.wav\t2\n", "line 2: 'start_value' needs a condition"),
    ],
)
def test_a_map_that_cannot_be_read_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "map.tsv").write_text(text)
    with pytest.raises(WrongUsage, match=rf"(?s)map\.tsv.*{message.replace('(', chr(92) + '(')}"):
        read_map(tmp_path / "map.tsv")


def test_a_map_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "map.tsv").write_bytes("value\taudio\n1\tcafé.wav\n".encode("latin-1"))
    with pytest.raises(WrongUsage, match="UTF-8"):
        read_map(tmp_path / "map.tsv")


def test_comments_blank_lines_and_a_byte_order_mark_are_skipped(tmp_path):
    (tmp_path / "map.tsv").write_bytes("\ufeff# how files are named\n\nvalue\taudio\n# b\n1\ta.wav\n".encode())
    assert [(rule.line, rule.audio) for rule in read_map(tmp_path / "map.tsv").rules] == [(5, "a.wav")]


def test_maps_come_with_the_package_and_are_found_by_name():
    assert {"ds002721", "ds003774", "ds005876", "hbn-eeg"} <= set(shipped_maps())
    for name in shipped_maps():
        assert read_map(find_map(name)).rules
    assert find_map("HBN-EEG") == find_map("hbn-eeg")


def test_a_map_that_does_not_exist_is_missing_and_those_that_do_are_named():
    with pytest.raises(MissingInput, match=r"no stimulus map ds999999: .*ds003774"):
        find_map("ds999999")


def test_the_map_of_film_music_names_all_360_clips():
    assert [(rule.columns["trial_type"], rule.audio) for rule in FILM_MUSIC.rules] == [
        ((str(300 + clip),), f"{clip:03d}.mp3") for clip in range(1, 361)
    ]


def test_a_file_wins_over_a_map_of_that_name_in_the_package(tmp_path, monkeypatch):
    (tmp_path / "ds003774").write_text("audio\na.wav\n")
    monkeypatch.chdir(tmp_path)
    assert read_map(find_map("ds003774")).rules[0].audio == "a.wav"


# Names of audio files


@pytest.mark.parametrize("name", ["stimuli/a.wav", "/a.wav", "\\a.wav", "A.WAV", "a.WAV"])
def test_what_differs_between_systems_is_forgiven(stimuli, name):
    assert Stimuli(stimuli).locate(name).name == "a.wav"


def test_accents_are_found_however_they_are_encoded(stimuli):
    (stimuli / unicodedata.normalize("NFD", "Für Élise.wav")).touch()
    assert Stimuli(stimuli).locate(unicodedata.normalize("NFC", "Für Élise.wav")).path.is_file()


def test_another_format_of_the_same_name_is_taken_with_a_note(stimuli):
    (stimuli / "c.flac").touch()
    found = Stimuli(stimuli).locate("c.wav")
    assert (found.name, found.note) == ("c.flac", "'c.flac' is taken for 'c.wav'")


def test_several_formats_of_a_missing_name_are_ambiguous(stimuli):
    (stimuli / "c.flac").touch()
    (stimuli / "c.mp3").touch()
    with pytest.raises(UnusableData, match=r"could be c\.flac or c\.mp3"):
        Stimuli(stimuli).locate("c.wav")


@pytest.mark.parametrize("name", ["../secret.wav", "x/../../secret.wav", "//etc/secret.wav"])
def test_names_that_lead_out_of_the_directory_are_refused(stimuli, name):
    with pytest.raises(UnusableData, match="lies outside of"):
        Stimuli(stimuli).locate(name)


def test_a_link_to_content_that_was_not_fetched_says_so(stimuli):
    (stimuli / "d.wav").symlink_to("../.git/annex/objects/none")
    with pytest.raises(MissingInput, match=r"d\.wav is a link to content that was not fetched"):
        Stimuli(stimuli).locate("d.wav")


@given(
    st.lists(
        st.tuples(st.integers(0, 95), st.sampled_from(["1", "2", "3", "x"]), st.floats(0, 40)),
        max_size=12,
        unique_by=lambda row: row[0],
    ),
    st.sampled_from([-4.5, -0.25, 0.25, 4.5]),
    st.floats(0, 10),
)
def test_presentations_of_a_map_stay_inside_recording_and_audio_and_apart(tmp_path_factory, rows, shift, audio_start):
    directory = tmp_path_factory.mktemp("map")
    (directory / "a.wav").touch()
    (directory / "b.wav").touch()
    (directory / "map.tsv").write_text(
        f"value\taudio\tonset_shift\taudio_start\tend_value\n1\ta.wav\t{shift!r}\t{audio_start!r}\t3\n2\tb.wav\t0\t0\t3\n"
    )
    (directory / "events.tsv").write_text(
        "onset\tduration\tvalue\n" + "".join(f"{onset}\t{duration!r}\t{value}\n" for onset, value, duration in rows)
    )
    presentations = resolve_presentations(
        directory / "events.tsv",
        directory,
        recording_seconds=100.0,
        shortest=3.0,
        audio_seconds=lambda _: 20.0,
        stimulus_map=read_map(directory / "map.tsv"),
        entities={},
    ).presentations
    for p, following in zip_longest(presentations, presentations[1:]):
        assert p.onset >= 0
        assert p.end <= 100 + 1e-9
        assert p.duration >= 3 - 1e-9
        assert p.audio_start >= 0
        assert p.audio_start + p.duration <= 20 + 1e-9
        assert following is None or p.end <= following.onset + 1e-9

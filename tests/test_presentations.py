from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.bids.music.presentations import from_table, resolve_presentations, to_table
from predann_bids.bids.music.unusable import sentences
from predann_bids.bids.tables import read_columns, write_table
from predann_bids.errors import MissingInput, UnusableData

SECONDS = {"a.wav": 10.0, "b.wav": 20.0, "beep.wav": 0.5}


@pytest.fixture
def resolve(tmp_path):
    stimuli = tmp_path / "stimuli"
    stimuli.mkdir()
    for name in SECONDS:
        (stimuli / name).touch()

    def resolve(rows, recording_seconds=100.0, header="onset\tduration\tstim_file"):
        events = tmp_path / "events.tsv"
        events.write_text("\n".join([header, *rows]) + "\n")
        return resolve_presentations(
            events,
            stimuli,
            recording_seconds=recording_seconds,
            shortest=3.0,
            audio_seconds=lambda path: SECONDS[path.name],
        )

    return resolve


def test_rows_with_audio_become_presentations_in_the_order_of_their_onsets(resolve):
    found = resolve(["40\t20\tb.wav", "5\t10\ta.wav"]).presentations
    assert [(p.label, p.onset, p.duration) for p in found] == [("a", 5, 10), ("b", 40, 20)]


@pytest.mark.parametrize("stim_file", ["n/a", "", "face.png", "film.mp4"])
def test_rows_that_are_no_music_are_ignored_quietly(resolve, stim_file):
    resolution = resolve([f"1\t10\t{stim_file}", "5\t10\ta.wav"])
    assert [p.label for p in resolution.presentations] == ["a"]
    assert resolution.warnings == ()


@pytest.mark.parametrize("duration", ["0.001", "0", "n/a", "", "nan"])
def test_the_audio_tells_the_length_when_the_row_holds_a_marker_s(resolve, duration):
    assert resolve([f"5\t{duration}\tb.wav"]).presentations[0].duration == 20


def test_the_row_tells_the_length_when_music_was_stopped_early(resolve):
    assert resolve(["5\t7.5\tb.wav"]).presentations[0].duration == 7.5


def test_a_row_that_says_more_than_its_audio_lasts_is_cut_with_a_warning(resolve):
    resolution = resolve(["5\t99\ta.wav"])
    assert resolution.presentations[0].duration == 10
    assert "cut from 99.00 to 10.00 s, where the audio ends" in resolution.warnings[0]


def test_a_presentation_is_cut_at_the_next_one_with_a_warning(resolve):
    resolution = resolve(["5\tn/a\tb.wav", "11\tn/a\ta.wav"])
    assert [p.duration for p in resolution.presentations] == [6, 10]
    assert "line 2" in resolution.warnings[0]
    assert "cut from 20.00 to 6.00 s, where the next begins" in resolution.warnings[0]


def test_a_presentation_is_cut_where_the_recording_ends_with_a_warning(resolve):
    resolution = resolve(["90\t20\tb.wav"])
    assert resolution.presentations[0].duration == 10
    assert "where the recording ends" in resolution.warnings[0]


def test_a_presentation_shorter_than_a_window_is_left_out_with_a_warning(resolve):
    resolution = resolve(["98\tn/a\tb.wav"])
    assert resolution.presentations == ()
    assert "left out" in resolution.warnings[-1]


def test_missing_audio_is_reported_by_file_and_row_with_the_remedy(resolve):
    with pytest.raises(MissingInput, match=r"events\.tsv, line 2: the audio 'c\.wav' is not in .*--stimuli-dir"):
        resolve(["5\t10\tc.wav"])


@pytest.mark.parametrize(("row", "said"), [
    ("40\t10\tc.wav", "the audio 'c.wav' is not in"), ("40\t10\tbeep.wav", "less than a window"),
    ("n/a\t10\tb.wav", "the onset is not known"), ("soon\t10\tb.wav", "the onset 'soon' is not a number"),
    ("40,5\t10\tb.wav", "write 40.5"), ("40\t6,5\tb.wav", "the duration '6,5' is not a number of seconds; write 6.5"),
])  # fmt: skip
def test_a_presentation_that_cannot_be_used_costs_no_other(resolve, row, said):
    resolution = resolve(["5\t10\ta.wav", row])
    assert [p.label for p in resolution.presentations] == ["a"]
    (lost,) = resolution.unusable
    assert (lost.line, lost.label) == (3, Path(row.split("\t")[2]).stem)
    assert said in lost.reason


def test_a_presentation_ends_where_one_begins_that_cannot_be_used(resolve):
    assert resolve(["5\tn/a\tb.wav", "12\t10\tmissing.wav"]).presentations[0].duration == 7


def test_rows_with_the_same_fault_are_told_together(resolve):
    resolution = resolve(["5\t10\ta.wav", "30\t10\tc.wav", "60\t10\tc.wav", "80\t10\td.wav"])
    first, other = sentences(resolution.unusable)
    assert "line 3 (and 1 more rows): the audio 'c.wav'" in first
    assert "line 5: the audio 'd.wav'" in other


def test_music_that_began_before_the_recording_is_cut_there(resolve):
    resolution = resolve(["-2\t10\ta.wav"])
    (presentation,) = resolution.presentations
    assert (presentation.onset, presentation.duration, presentation.audio_start) == (0, 8, 2)
    assert "where the recording begins" in resolution.warnings[0]


def test_music_that_ended_before_the_recording_is_left_out(resolve):
    resolution = resolve(["-20\t10\ta.wav", "5\t10\ta.wav"])
    assert [p.onset for p in resolution.presentations] == [5]
    assert "left out" in " ".join(resolution.warnings)


def test_audio_shorter_than_a_window_is_unusable(resolve):
    with pytest.raises(UnusableData, match=r"line 2: the audio .*beep\.wav lasts 0\.50 s, less than a window"):
        resolve(["5\t10\tbeep.wav"])


@pytest.mark.parametrize("onset", ["100", "2000"])
def test_an_onset_outside_the_recording_is_unusable(resolve, onset):
    with pytest.raises(UnusableData, match=r"line 2: 'a\.wav' begins at .* outside the recording"):
        resolve([f"{onset}\t10\ta.wav"])


@pytest.mark.parametrize("onset", ["soon", "1:20", "5,0", "5 s", "1_0", "inf"])
def test_an_onset_that_is_no_number_is_unusable(resolve, onset):
    with pytest.raises(UnusableData, match="not a number of seconds"):
        resolve([f"{onset}\t10\ta.wav"])


@pytest.mark.parametrize("onset", ["n/a", "nan", "NA", ""])
def test_an_onset_that_is_not_known_is_unusable(resolve, onset):
    with pytest.raises(UnusableData, match="the onset is not known"):
        resolve([f"{onset}\t10\ta.wav"])


def test_a_name_that_repeats_the_stimuli_directory_is_understood(resolve):
    assert resolve(["5\t10\tstimuli/a.wav"]).presentations[0].stim_file == "a.wav"


def test_events_without_stim_file_hold_no_music(resolve):
    assert resolve(["5\t10"], header="onset\tduration").presentations == ()


def test_a_table_without_onsets_is_unusable(resolve):
    with pytest.raises(UnusableData, match="no column onset"):
        resolve(["10\ta.wav"], header="duration\tstim_file")


def test_an_empty_events_file_is_unusable(resolve, tmp_path):
    with pytest.raises(UnusableData, match="is empty"):
        resolve([], header="")


def test_a_byte_order_mark_does_not_hide_the_onsets(resolve):
    assert len(resolve(["5\t10\ta.wav"], header="\ufeffonset\tduration\tstim_file").presentations) == 1


@given(
    st.lists(
        st.tuples(st.floats(0, 99), st.floats(0, 50), st.sampled_from(["a.wav", "b.wav"])),
        max_size=8,
        unique_by=lambda r: r[0],
    )
)
def test_presentations_never_overlap_and_never_leave_the_recording(tmp_path_factory, rows):
    directory = tmp_path_factory.mktemp("events")
    for name in SECONDS:
        (directory / name).touch()
    events = directory / "events.tsv"
    events.write_text("onset\tduration\tstim_file\n" + "".join(f"{o!r}\t{d!r}\t{s}\n" for o, d, s in rows))
    found = resolve_presentations(
        events, directory, recording_seconds=100.0, shortest=3.0, audio_seconds=lambda path: SECONDS[path.name]
    ).presentations
    ends = [p.end for p in found]
    assert all(end <= following.onset + 1e-9 for end, following in zip(ends, found[1:], strict=False))
    assert all(p.duration >= 3 - 1e-9 and p.end <= 100 + 1e-9 for p in found)


def test_presentations_survive_the_way_through_a_file(resolve, tmp_path):
    found = resolve(["5\t10\ta.wav", "40.125\t20\tb.wav"]).presentations
    path: Path = tmp_path / "derivative.tsv"
    write_table(path, *to_table(found))
    assert from_table(path) == found


def test_a_derivative_s_table_names_what_cannot_be_used_and_why(resolve, tmp_path):
    resolution = resolve(["5\t10\ta.wav", "n/a\t10\tb.wav", "40\t10\tgone.wav"])
    path = tmp_path / "derivative.tsv"
    write_table(path, *to_table(resolution.presentations, resolution.unusable))
    table = read_columns(path)
    assert table["trial_type"] == ["a", "gone", "b"]
    assert table["stim_file"] == ["a.wav", "n/a", "n/a"]
    assert table["onset"] == ["5.0", "40.0", "n/a"]
    assert ["is not in" in reason for reason in table["unusable"]] == [False, True, False]
    assert from_table(path) == resolution.presentations


def test_music_after_an_early_end_of_the_recording_costs_no_other(resolve):
    resolution = resolve(["5\t10\ta.wav", "40\t10\ta.wav", "120\t10\tb.wav"])
    assert [p.onset for p in resolution.presentations] == [5, 40]
    (told,) = sentences(resolution.unusable)
    assert "line 4: 'b.wav' begins at 120 s, outside the recording (0 to 100 s)" in told


@pytest.mark.parametrize("rows", [["5\t10\ta.wav", "120\t10\tb.wav"], ["0\t9\ta.wav", "9\t9\ta.wav", "5000\t9\tb.wav"]])
def test_times_of_something_else_are_used_for_no_music_at_all(resolve, rows):
    with pytest.raises(UnusableData, match="outside the recording"):
        resolve(rows)


def test_two_pieces_at_once_are_both_left_out_and_cost_no_other(resolve):
    resolution = resolve(["5\t10\ta.wav", "40\t20\tb.wav", "40\t10\ta.wav", "40\t20\tb.wav"])
    assert [p.onset for p in resolution.presentations] == [5]
    assert [one.line for one in resolution.unusable] == [3, 4, 5]


@pytest.mark.parametrize("duration", ["null", "NULL", "None", "<NA>", "#N/A", "NAN", "n.a."])
def test_a_duration_that_is_missing_in_any_program_s_words_is_that_of_the_audio(resolve, duration):
    assert resolve([f"5\t{duration}\tb.wav"]).presentations[0].duration == 20


def test_a_row_that_was_broken_in_two_is_told(resolve):
    resolution = resolve(["5\t10\ta", "note\ta.wav", "40\t10\tx\tb.wav"], header="onset\tduration\tnote\tstim_file")
    assert [p.label for p in resolution.presentations] == ["b"]
    (told,) = resolution.warnings
    assert "line 3: the onset 'note' is not a number of seconds, and 'a.wav' is in another column" in told

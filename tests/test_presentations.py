from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.bids.music.presentations import from_table, resolve_presentations, to_table
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


def test_no_presentation_outlasts_its_audio(resolve):
    assert resolve(["5\t99\ta.wav"]).presentations[0].duration == 10


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
    with pytest.raises(MissingInput, match=r"events\.tsv, line 3: the audio 'c\.wav' is not in .*--stimuli-dir"):
        resolve(["5\t10\ta.wav", "40\t10\tc.wav"])


def test_audio_shorter_than_a_window_is_unusable(resolve):
    with pytest.raises(UnusableData, match=r"line 2: the audio .*beep\.wav lasts 0\.50 s, less than a window"):
        resolve(["5\t10\tbeep.wav"])


@pytest.mark.parametrize("onset", ["100", "2000", "-1"])
def test_an_onset_outside_the_recording_is_unusable(resolve, onset):
    with pytest.raises(UnusableData, match=r"line 2: 'a\.wav' begins at .* outside the recording"):
        resolve([f"{onset}\t10\ta.wav"])


@pytest.mark.parametrize("onset", ["n/a", "soon", "nan"])
def test_an_onset_that_is_no_number_is_unusable(resolve, onset):
    with pytest.raises(UnusableData, match="not a number of seconds"):
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
    to_table(found).to_csv(path, sep="\t", index=False)
    assert from_table(path) == found

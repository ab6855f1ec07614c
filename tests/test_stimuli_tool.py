"""`predann-tools stimuli`: what is shown, how it ends, and the drafts of stimulus maps."""

import hashlib
import json
import math
import shutil

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.bids.music.cues import find_cues
from predann_bids.bids.music.stimuli import Stimuli
from predann_bids.bids.music.stimulus_map import read_map
from predann_bids.cli import run
from predann_bids.tools.cli import tools as command
from predann_bids.tools.stimuli.drafting.choose import draft_map
from predann_bids.tools.stimuli.drafting.counting import DatasetEvents
from predann_bids.tools.stimuli.drafting.events import RecordingEvents
from predann_bids.tools.stimuli.drafting.names import match_names


@pytest.fixture
def tool(capsys):
    """Run `predann-tools stimuli` in this process; gives the exit code, standard output and standard error."""

    def tool(*arguments):
        code = run(command, ["stimuli", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return tool


@pytest.fixture
def plain(dataset_copy):
    """A dataset whose events say nothing about files, only `value` 11 to 13 for its songs."""
    rewrite(dataset_copy, lambda cells, header: [*cells[:4], "n/a", "n/a", *cells[6:]])
    return dataset_copy


def events_of(root, participant="*"):
    return sorted(root.glob(f"sub-{participant}/eeg/*_events.tsv"))


def rewrite(root, change, participant="*"):
    for path in events_of(root, participant):
        header, *rows = [line.split("\t") for line in path.read_text().splitlines()]
        lines = ["\t".join(row) for row in [header, *(change(row, header) for row in rows)]]
        path.write_text("\n".join(lines) + "\n")


def row_with(text, *words):
    """Find the row of a printed table that has all words."""
    return next(line for line in text.splitlines() if all(word in line for word in words))


def cells(line):
    return [cell.strip() for cell in line.strip("│").split("│")]


def snapshot(root):
    return {
        path.relative_to(root): hashlib.sha1(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_recordings_and_stimuli_are_listed_with_their_numbers_and_nothing_is_written(tool, dataset):
    before = snapshot(dataset)
    code, out, _ = tool(dataset)
    assert code == 0
    assert cells(row_with(out, "sub-02_task-music")) == ["sub-02_task-music", "3", "3", "12.00", "0.6", "4", ""]
    assert cells(row_with(out, "song-03.wav")) == ["song-03", "song-03.wav", "12.00", "4", "4 of 4"]
    assert cells(row_with(out, "stim_file names no audio")) == ["stim_file names no audio", "16", "fixation x 16"]
    assert "4 recordings of 4 participants: 12 usable presentations, 2.4 min of music." in out
    assert snapshot(dataset) == before


def test_only_chosen_participants_are_looked_at(tool, dataset):
    code, out, _ = tool(dataset, "--participant-label", "01", "sub-03")
    assert code == 0
    assert "sub-01_task-music" in out
    assert "sub-02_task-music" not in out
    assert "6 usable presentations" in out


def test_a_map_is_applied_and_what_has_no_effect_is_told(tool, plain, tmp_path):
    rules = ["value\tcolour\taudio\tend_value", "11\t\tsong-01.wav\t1", "99\t\tsong-02.wav\t", "\tred\tsong-02.wav\t"]
    (tmp_path / "map.tsv").write_text("\n".join(rules) + "\n")
    code, out, _ = tool(plain, "--stimulus-map", tmp_path / "map.tsv")
    assert code == 0
    assert "2 of 3 rules" in out
    assert "(lines 3, 4)" in out
    assert "No events.tsv has the column 'colour'" in out
    assert "The column 'value' has values that occur in no rule: 12 x 4, 13 x 4." in out
    assert "2 audio files are not used: song-02.wav, song-03.wav." in out


def test_onsets_in_a_map_are_no_kinds_of_rows_to_be_told(tool, plain, tmp_path):
    onset = events_of(plain)[0].read_text().splitlines()[2].split("\t")[0]
    (tmp_path / "map.tsv").write_text(f"participant\tonset\taudio\n01\t{onset}\tsong-01.wav\n")
    code, out, _ = tool(plain, "--stimulus-map", tmp_path / "map.tsv")
    assert code == 0
    assert "1 usable presentation" in out
    assert "values that occur in no rule" not in out


def test_participants_that_lack_stimuli_are_named(tool, dataset_copy):
    rewrite(dataset_copy, lambda row, _: [*row[:4], "n/a", "n/a", *row[6:]] if row[4] == "song-02.wav" else row, "03")
    _, out, _ = tool(dataset_copy)
    assert "Participant 03 lacks 1 of 3 stimuli: song-02." in out
    assert cells(row_with(out, "song-02.wav"))[-2:] == ["3", "3 of 4"]


def test_durations_of_markers_are_pointed_at(tool, dataset_copy):
    rewrite(dataset_copy, lambda row, _: [row[0], "0.001", *row[2:]])
    code, out, _ = tool(dataset_copy)
    assert code == 0
    assert "12 music rows have a duration of 0.00 s" in out


def test_warnings_of_presentations_are_shown(tool, dataset_copy):
    rewrite(dataset_copy, lambda row, _: ["30.0" if row[4] == "song-01.wav" else row[0], *row[1:5], "n/a"], "01")
    _, out, _ = tool(dataset_copy)
    assert "cut from" in out.split("Warnings")[1]


def test_names_that_look_like_markup_are_shown_as_they_are(tool, dataset_copy):
    name = "[red]it's :smile: (live).wav"
    (dataset_copy / "stimuli" / "song-01.wav").rename(dataset_copy / "stimuli" / name)
    rewrite(dataset_copy, lambda row, _: [*row[:4], row[4].replace("song-01.wav", name), "n/a", *row[6:]])
    code, out, _ = tool(dataset_copy)
    assert code == 0
    assert name in out


def test_long_lists_are_cut_unless_all_is_asked_for(tool, dataset_copy):
    for number in range(30):
        shutil.copytree(dataset_copy / "sub-01", dataset_copy / f"sub-x{number:02d}")
        for path in (dataset_copy / f"sub-x{number:02d}").rglob("*"):
            if path.is_file():
                path.rename(path.with_name(path.name.replace("sub-01", f"sub-x{number:02d}")))
    code, out, _ = tool(dataset_copy)
    assert code == 0
    assert "... and 14 more (-v shows all)" in out
    assert "sub-x29" not in out
    assert "sub-x29" in tool(dataset_copy, "-v")[1]


# -- how it ends -------------------------------------------------------------------------------------------------------


def test_missing_audio_is_marked_and_its_code_is_that_of_the_participant_level(tool, dataset_copy):
    (dataset_copy / "stimuli" / "song-02.wav").unlink()
    code, out, err = tool(dataset_copy)
    assert code == 1
    assert cells(row_with(out, "song-02.wav", "MISSING"))[3:] == ["4", "4 of 4"]
    assert "1 presentation not usable" in row_with(out, "sub-01_task-music │")
    assert "4 of 4 participants have presentations that cannot be used" in err
    assert "line" in err
    assert "song-02.wav" in err


def test_no_audio_at_all_ends_with_the_code_of_missing_input(tool, dataset_copy):
    for song in (dataset_copy / "stimuli").iterdir():
        song.unlink()
    code, out, err = tool(dataset_copy)
    assert code == 66
    assert "PROBLEM" in row_with(out, "sub-01_task-music │")
    assert "3 more recordings with problems" in err


def test_some_participants_with_problems_are_told_together_with_code_1(tool, dataset_copy):
    rewrite(dataset_copy, lambda row, _: [*row[:4], row[4].replace("song-02", "other"), "n/a", *row[6:]], "02")
    rewrite(dataset_copy, lambda row, _: ["soon" if row[4] == "song-01.wav" else row[0], *row[1:]], "03")
    code, out, err = tool(dataset_copy)
    assert code == 1
    problems = out.split("Problems")[1]
    assert "sub-02_task-music_events.tsv, line" in problems
    assert "the audio 'other.wav' is not in" in problems
    assert "sub-03_task-music_events.tsv, line" in problems
    assert "the onset 'soon' is not a number of seconds" in problems
    assert "10 usable presentations" in out
    assert "2 of 4 participants have presentations that cannot be used" in err


def test_problems_that_differ_only_in_their_place_are_told_once(tool, dataset_copy):
    (dataset_copy / "stimuli" / "song-02.wav").unlink()
    _, out, _ = tool(dataset_copy)
    problems = out.split("Problems")[1].split("\n\n")[0]
    assert problems.count("song-02.wav") == 1
    assert "The same in 3 more places." in problems


def test_events_that_are_no_table_are_a_problem_of_their_recording_alone(tool, dataset_copy):
    events_of(dataset_copy, "01")[0].write_bytes(b"")
    path = events_of(dataset_copy, "02")[0]
    path.unlink()
    path.symlink_to("../../.git/annex/objects/none")
    path = events_of(dataset_copy, "03")[0]
    path.unlink()
    path.mkdir()
    code, out, _ = tool(dataset_copy)
    assert code == 1
    problems = out.split("Problems")[1]
    assert all(f"sub-{label}_task-music_events.tsv" in problems for label in ("01", "02", "03"))
    assert "3 usable presentations" in out


def test_a_dataset_without_music_ends_with_65_and_names_the_draft(tool, plain):
    code, _, err = tool(plain)
    assert code == 65
    assert "--draft" in err


def test_eeg_that_was_not_fetched_does_not_hide_what_would_be_played(tool, dataset_copy):
    data = next(dataset_copy.glob("sub-02/eeg/*.eeg"))
    data.unlink()
    data.symlink_to("../../.git/annex/objects/none")
    code, out, _ = tool(dataset_copy)
    assert code == 0
    assert cells(row_with(out, "sub-02_task-music")) == [
        "sub-02_task-music", "3", "3", "12.00", "0.6", "4", "EEG not there, length unknown",
    ]  # fmt: skip
    assert "The EEG of 1 recording cannot be opened" in out
    assert data.name in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--stimulus-map", "ds999999"], 66, "no stimulus map ds999999"),
        (["--participant-label", "77"], 18, "no participant 77"),
        (["--no-such-option"], 64, "--no-such-option"),
    ],
)
def test_wrong_arguments_have_the_codes_of_the_app(tool, dataset, arguments, code, words):
    found, _, err = tool(dataset, *arguments)
    assert found == code
    assert words in err


def test_a_directory_that_is_no_dataset_is_refused(tool, tmp_path):
    assert tool(tmp_path)[0] == 16
    assert tool()[0] == 64


def test_help_names_examples(tool):
    code, out, _ = tool("--help")
    assert code == 0
    assert "predann-tools stimuli /data/ds --draft map.tsv" in out


# -- where drafts go ---------------------------------------------------------------------------------------------------


def test_a_draft_to_standard_output_is_a_map_and_nothing_else(tool, plain, tmp_path):
    for arguments in ([plain, "--draft"], ["--draft", plain]):
        code, out, err = tool(*arguments)
        assert code == 0
        (tmp_path / "map.tsv").write_text(out)
        assert read_map(tmp_path / "map.tsv").rules
        assert "Recordings" in err


def test_a_draft_is_written_and_read_back_by_the_same_command(tool, plain, tmp_path):
    target = tmp_path / "map.tsv"
    code, out, _ = tool(plain, "--draft", target)
    assert code == 0
    assert f"--stimulus-map {target}" in out
    lines = target.read_text().replace("FILL-IN-1", "song-0").splitlines()
    target.write_text("\n".join(line for line in lines if not line.startswith("1\t")) + "\n")  # 1 is the silence
    code, out, _ = tool(plain, "--stimulus-map", target)
    assert code == 0
    assert "12 usable presentations" in out


def test_a_draft_replaces_nothing_unless_told_to(tool, plain, tmp_path):
    target = tmp_path / "map.tsv"
    target.write_text("mine\n")
    code, _, err = tool(plain, "--draft", target)
    assert code == 73
    assert "--overwrite" in err
    assert target.read_text() == "mine\n"
    assert tool(plain, "--draft", target, "--overwrite")[0] == 0
    assert read_map(target).rules


def test_a_draft_is_never_written_into_the_dataset(tool, plain, tmp_path):
    (tmp_path / "link").symlink_to(plain)
    for target in (plain / "map.tsv", tmp_path / "link" / "code" / "map.tsv"):
        assert tool(plain, "--draft", target)[0] == 73
        assert not target.exists()


def test_a_draft_needs_a_directory_to_go_to(tool, plain, tmp_path):
    assert tool(plain, "--draft", tmp_path / "nowhere" / "map.tsv")[0] == 73
    assert tool(plain, "--draft", tmp_path)[0] == 73


# -- what drafts say ---------------------------------------------------------------------------------------------------


@pytest.fixture
def draft(tmp_path):
    """Draft a map from recordings and names of audio; gives the rules as dictionaries, the comments, and the path."""
    stimuli = tmp_path / "stimuli"
    stimuli.mkdir()

    def draft(recordings, audio=()):
        for name in audio:
            (stimuli / name).touch()
        path = tmp_path / "draft.tsv"
        path.write_text(draft_map("ds", DatasetEvents(recordings), stimuli, shortest=3.0))
        assert read_map(path).rules
        lines = path.read_text().splitlines()
        comments = " ".join(line.removeprefix("# ").strip() for line in lines if line.startswith("#"))
        header, *rows = [line.split("\t") for line in lines if not line.startswith("#")]
        return [dict(zip(header, row, strict=True)) for row in rows], comments, path

    return draft


def recording(rows=(), *, seconds=1000.0, meanings=None, participant="01", session="", task="music", run=""):
    """Events as rows of onset, duration and further columns."""
    names = list(rows[0])[2:] if rows else []
    return RecordingEvents(
        {"participant": participant, "session": session, "task": task, "run": run},
        [row["onset"] for row in rows],
        [row["duration"] for row in rows],
        {name: [row[name] for row in rows] for name in names},
        seconds,
        meanings or {},
    )


def events(*rows, columns=("value",)):
    return [dict(zip(("onset", "duration", *columns), row, strict=True)) for row in rows]


def test_complete_stim_files_need_no_map_and_the_draft_says_the_same_as_they_do(draft, tmp_path):
    rows = events(
        (5.0, 20.0, "music", "a.wav"), (30.0, 5.0, "rest", "n/a"), (40.0, 20.0, "music", "b.wav"),
        columns=("trial_type", "stim_file"),
    )  # fmt: skip
    rules, comments, path = draft([recording(rows)], ["a.wav", "b.wav"])
    assert rules == [{"trial_type": "music", "audio": "{stim_file}"}]
    assert "No map is needed" in comments
    (tmp_path / "events.tsv").write_text(
        "\n".join("\t".join(map(str, row)) for row in [rows[0], *(r.values() for r in rows)])
    )
    with_map = find_cues(
        tmp_path / "events.tsv", Stimuli(tmp_path / "stimuli"), stimulus_map=read_map(path), entities={}
    )
    without = find_cues(tmp_path / "events.tsv", Stimuli(tmp_path / "stimuli"))
    assert with_map.music == without.music


def test_markers_with_stim_files_get_an_end(draft):
    rows = []
    for start in (10.0, 50.0, 90.0):
        rows += [(start, 0.001, "1", "a.wav"), *((start + n / 5, 0.0, "noteOnset", "n/a") for n in range(1, 30))]
        rows += [(start + 8.0, 0.001, "3", "n/a"), (start + 12.0, 0.001, "4", "n/a")]
    rules, comments, _ = draft([recording(events(*rows, columns=("value", "stim_file")))], ["a.wav"])
    assert rules == [{"value": "1", "audio": "{stim_file}", "end_value": "3"}]
    assert "3: in 100% of cases, after 8.00 s" in comments
    assert "noteOnset:" not in comments


def test_missing_stim_files_get_a_rule_with_the_most_similar_audio_or_a_name_to_fill_in(draft):
    rows = events(
        (5.0, 20.0, "1", "a.wav"),
        (40.0, 20.0, "1", "do wah ditty.wav"),
        (80.0, 20.0, "1", "z.wav"),
        (90.0, 0.0, "2", "n/a"),
        columns=("value", "stim_file"),
    )  # fmt: skip
    rules, comments, _ = draft([recording(rows)], ["a.wav", "Do_Wah-Ditty.flac"])
    assert rules == [
        {"stim_file": "do wah ditty.wav", "value": "1", "audio": "Do_Wah-Ditty.flac"},
        {"stim_file": "z.wav", "value": "1", "audio": "FILL-IN-z.wav"},
        {"stim_file": "n/a", "value": "1", "audio": "{stim_file}"},
    ]
    assert "2 are missing" in comments


def test_stim_files_without_another_column_have_rules_of_their_own(draft):
    rows = events((5.0, 20.0, "a.wav"), (40.0, 20.0, "b.wav"), columns=("stim_file",))
    rules, _, _ = draft([recording(rows)], ["a.wav"])
    assert rules == [
        {"stim_file": "b.wav", "audio": "FILL-IN-b.wav"},
        {"stim_file": "a.wav", "audio": "{stim_file}"},
    ]


def test_values_of_a_column_that_are_named_like_audio_are_taken(draft):
    rows = events(
        *((n * 30.0, 0.0, "stimulus", song) for n, song in enumerate(["Für Elise", "song_2", "click"])),
        columns=("trial_type", "what"),
    )
    rules, comments, _ = draft([recording(rows)], ["fur-elise.mp3", "Song 002.wav", "unused.wav"])
    assert rules == [{"what": "Für Elise", "audio": "fur-elise.mp3"}, {"what": "song_2", "audio": "Song 002.wav"}]
    assert "click" in comments


def test_sessions_that_are_numbered_like_the_audio_are_taken(draft):
    recordings = [recording(session=f"{n:02d}", run=f"{n}", seconds=120.0) for n in range(1, 4)]
    rules, _, _ = draft(recordings, [f"song-{n}.wav" for n in range(1, 4)])
    assert [(rule["session"], rule["audio"]) for rule in rules] == [
        ("01", "song-1.wav"), ("02", "song-2.wav"), ("03", "song-3.wav"),
    ]  # fmt: skip


def test_films_named_by_their_task_start_and_end_at_their_markers(draft):
    rows = events((0.5, 0.0, "break cnt"), (5.0, 0.0, "video_start"), (65.0, 0.0, "video_stop"))
    tasks = ("DespicableMe", "ThePresent")
    recordings = [recording(rows, task=task, participant=who) for who in "AB" for task in tasks]
    resting = [recording(events((1.0, 0.0, "eyes_closed")), task="RestingState", participant=who) for who in "AB"]
    rules, comments, _ = draft(recordings + resting, [f"{task}.wav" for task in tasks])
    assert rules == [
        {"task": task, "value": "video_start", "audio": f"{task}.wav", "end_value": "video_stop"} for task in tasks
    ]
    assert "RestingState" in comments


def test_films_without_audio_are_to_be_filled_in_for_each_task(draft):
    rows = events((0.5, 0.0, "break cnt"), (5.0, 0.0, "video_start"), (65.0, 0.0, "video_stop"))
    rules, _, _ = draft([recording(rows, task=task) for task in ("DespicableMe", "ThePresent")])
    assert [rule["audio"] for rule in rules] == ["FILL-IN-DespicableMe.wav", "FILL-IN-ThePresent.wav"]
    assert {rule["value"] for rule in rules} == {"video_start"}


def test_codes_without_names_are_to_be_filled_in_one_by_one(draft):
    rows = []
    for n, code in enumerate(("21", "22", "101")):
        rows += [
            (n * 60.0, 0.0, code),
            (n * 60.0 + 1, 0.0, "button_press"),
            *((n * 60.0 + t, 0.0, "beat") for t in range(2, 50)),
        ]
    rules, comments, _ = draft([recording(events(*rows))])
    assert rules == [{"value": code, "audio": f"FILL-IN-{code}.wav"} for code in ("21", "22", "101")]
    assert "21: 1 row in 1 of 1 recordings, 60.0 s to the next of these" in comments
    assert "beat x 144" in comments


def test_what_events_json_says_of_values_is_heeded_and_told(draft):
    meanings = {"value": {"1": "Fixation cross shown", "2": "A song begins", "3": "Lights off"}}
    rows = events(*((n * 10.0, 0.0, value) for n, value in enumerate("1231231")))
    rules, comments, _ = draft([recording(rows, meanings=meanings)])
    assert [rule["value"] for rule in rules] == ["2"]
    assert "(A song begins)" in comments
    assert "Nothing in the events distinguishes the pieces" in comments


def test_rows_with_response_times_are_no_music(draft):
    rows = events(
        *(
            (n * 20.0, 0.0, value, time)
            for n, (value, time) in enumerate([("a", "n/a"), ("b", "0.4"), ("c", "n/a")] * 2)
        ),
        columns=("value", "response_time"),
    )
    assert [rule["value"] for rule in draft([recording(rows)])[0]] == ["a", "c"]


def test_recordings_whose_events_lie_beyond_their_end_are_one_piece_each(draft):
    rows = events(*((n * 100.0, 0.0, f"v{n}") for n in range(20)))
    recordings = [recording(rows, session=f"{n:02d}", run=str(n), seconds=120.0) for n in (1, 2, 10)]
    rules, comments, _ = draft(recordings)
    assert [(rule["session"], rule["audio"]) for rule in rules] == [
        ("01", "FILL-IN-01.wav"), ("02", "FILL-IN-02.wav"), ("10", "FILL-IN-10.wav"),
    ]  # fmt: skip
    assert "onset_shift" in rules[0]
    assert "do not belong to these recordings" in comments


def test_events_repeated_in_recordings_that_were_not_fetched_are_not_trusted(draft):
    rows = events(*((n * 100.0, 0.0, f"v{n}") for n in range(20)))
    rules, _, _ = draft([recording(rows, session=f"{n:02d}", seconds=math.inf) for n in (1, 2)])
    assert [rule["session"] for rule in rules] == ["01", "02"]


def test_recordings_told_apart_by_two_entities_have_rules_on_both(draft):
    recordings = [recording(session=session, run=run) for session in ("a", "b") for run in ("1", "2")]
    rules, _, _ = draft(recordings)
    assert [(rule["session"], rule["run"], rule["audio"]) for rule in rules] == [
        (session, run, f"FILL-IN-{session}-{run}.wav") for session in ("a", "b") for run in ("1", "2")
    ]


def test_a_recording_without_an_entity_does_not_shadow_the_others(draft):
    rules, _, _ = draft([recording(run=""), recording(run="2")])
    assert [rule["run"] for rule in rules] == ["2", "n/a"]


def test_a_single_recording_without_events_gets_one_rule_and_is_told(draft):
    rules, comments, _ = draft([recording()])
    assert rules == [{"audio": "FILL-IN.wav", "onset_shift": "0"}]
    assert "No recording has rows in an events.tsv." in " ".join(comments.replace("#", "").split())


@pytest.mark.parametrize("columns", [(), ("value", "trial_type")])
def test_rows_that_say_nothing_but_when_are_told_with_what_to_do(draft, columns):
    rows = events(*((n * 30.0, 20.0, *("n/a" for _ in columns)) for n in range(4)), columns=columns)
    rules, comments, _ = draft([recording(rows)])
    assert rules == [{"audio": "FILL-IN.wav", "onset_shift": "0"}]
    assert "no trial_type, value or other column says" in " ".join(comments.replace("#", "").split())


def test_values_that_a_map_cannot_say_are_left_out(draft):
    rows = events(*((n * 30.0, 0.0, value) for n, value in enumerate(["#1", "a|b", "c", "d", " e"])))
    rules, comments, _ = draft([recording(rows)])
    assert [rule["value"] for rule in rules] == ["c", "d"]
    assert "FILL-IN-#1" not in comments  # where it would be no rule


def test_columns_that_mean_something_else_in_a_map_are_no_conditions(tool, plain, tmp_path):
    for path in events_of(plain):
        path.write_text(path.read_text().replace("\tvalue\t", "\tlabel\t"))
    _, out, _ = tool(plain, "--draft")
    (tmp_path / "map.tsv").write_text(out)
    assert "label" not in read_map(tmp_path / "map.tsv").columns


def test_levels_in_events_json_reach_the_comments(tool, plain):
    levels = {"1": "Silence", "11": "Track of the band", "12": "Second track", "13": {"Description": "Third track"}}
    for path in events_of(plain):
        path.with_suffix(".json").write_text(json.dumps({"value": {"Levels": levels}}))
    out = tool(plain, "--draft")[1]
    assert "(Track of the band)" in out
    assert "(Third track)" in out
    assert "FILL-IN-1.wav" not in out


CELLS = st.sampled_from(
    [
        "1",
        "2",
        "21",
        "n/a",
        "",
        "a|b",
        "#x",
        "song 1.wav",
        "other.wav",
        "{task}",
        "Song_01",
        'say "x"',
        "response",
        "é\tb",
    ]
)


@given(
    st.lists(st.tuples(st.floats(0, 500), st.sampled_from([0.0, 5.0]), CELLS, CELLS, CELLS), max_size=12),
    st.sampled_from([["song 1.wav"], [], ["song-1.wav", "song-2.wav", "{x}.wav"]]),
    st.sampled_from([math.inf, 100.0]),
)
def test_every_draft_is_a_valid_map_that_can_be_applied(tmp_path_factory, rows, audio, seconds):
    directory = tmp_path_factory.mktemp("draft")
    for name in audio:
        (directory / name).touch()
    table = events(*rows, columns=("trial_type", "value", "stim_file"))
    recordings = [recording(table, session=session, seconds=seconds) for session in ("1", "")]
    (directory / "map.tsv").write_text(draft_map("ds", DatasetEvents(recordings), directory, shortest=3.0))
    stimulus_map = read_map(directory / "map.tsv")
    if any(rule.columns for rule in stimulus_map.rules):
        cells = [{name: str(cell) for name, cell in row.items()} for row in table]
        for rule in stimulus_map.rules:
            assert any(map(rule.matches, cells))


@pytest.mark.parametrize(
    ("values", "audio", "found"),
    [
        (["1", "02"], ["001.wav", "2.wav"], {"1": "001.wav", "02": "2.wav"}),
        (["1", "2"], ["song-01.wav", "song-02.wav"], {"1": "song-01.wav", "2": "song-02.wav"}),
        (["1", "2"], ["song-01.wav", "other-02.wav"], {}),
        (["1", "128"], ["1.wav", "2.wav", "3.wav", "4.wav"], {}),
        (["It's Me!"], ["it s me.flac", "sub/its-me.wav"], {"It's Me!": "it s me.flac"}),
        (["Été"], ["ete.wav"], {"Été": "ete.wav"}),
        (["..."], ["!!!.wav"], {}),
        (["Ive been 1-2"], ["I've_been 01 02.wav", "I've been 12.wav"], {"Ive been 1-2": "I've_been 01 02.wav"}),
        (["TheThing"], ["the-thing.wav"], {"TheThing": "the-thing.wav"}),
    ],
)
def test_names_match_whatever_their_case_accents_punctuation_and_zeros(values, audio, found):
    assert match_names(values, audio) == found


def test_audio_that_cannot_be_read_is_marked(tool, dataset_copy):
    (dataset_copy / "stimuli" / "song-02.wav").write_text("no audio")
    code, out, err = tool(dataset_copy)
    assert code == 1
    assert "UNREADABLE" in row_with(out, "song-02.wav", "4 of 4")
    assert "song-02.wav" in err


def test_two_files_of_one_label_are_pointed_at(tool, dataset_copy, tmp_path):
    (tmp_path / "map.tsv").write_text("value\taudio\tlabel\n11\tsong-01.wav\tsame\n12\tsong-02.wav\tsame\n")
    _, out, _ = tool(dataset_copy, "--stimulus-map", tmp_path / "map.tsv")
    assert "The label 'same' stands for several audio files" in out


def test_another_stimuli_directory_can_be_given(tool, dataset_copy, tmp_path):
    (dataset_copy / "stimuli").rename(tmp_path / "songs")
    assert tool(dataset_copy)[0] == 66
    code, out, _ = tool(dataset_copy, "--stimuli-dir", tmp_path / "songs")
    assert code == 0
    assert f"{soundfile.info(tmp_path / 'songs' / 'song-01.wav').duration:.2f}" in row_with(out, "song-01.wav")

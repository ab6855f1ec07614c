"""Music as BEP044 has it: written for a dataset whose stimulus map is known, and read again without the map."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predann_bids.bids import tables
from predann_bids.bids.music.cues import find_cues
from predann_bids.bids.music.presentations import Presentation, resolve_cues
from predann_bids.bids.music.stimuli import Stimuli
from predann_bids.bids.music.stimulus_map import read_map
from predann_bids.bids.music.stimulus_table import is_stimulus_id, write_stimulus_table
from predann_bids.cli import run
from predann_bids.tools.cli import tools as command
from predann_bids.tools.stimuli.bep044 import events_table, stimulus_ids


@pytest.fixture
def tool(capsys):
    def tool(*arguments):
        code = run(command, ["stimuli", *(str(argument) for argument in arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return tool


@pytest.fixture
def codes(dataset_copy):
    """A dataset that says what was played by codes alone."""
    for events in dataset_copy.glob("sub-*/eeg/*_events.tsv"):
        table = pd.read_csv(events, sep="\t").drop(columns=["stim_file", "stim_id"])
        table.to_csv(events, sep="\t", index=False, na_rep="n/a")
    for name in ("stimuli.tsv", "stimuli.json"):
        (dataset_copy / "stimuli" / name).unlink()
    return dataset_copy


MAP = "value\taudio\tlabel\tonset_shift\taudio_start\tduration\n{}"
RULES = MAP.format("11\tsong-01.wav\tFirst Fires\t0.5\t\t\n12\tsong-02.wav\t\t\t2.5\t6\n13\tsong-03.wav\tÉlise\t\t\t\n")


def copied(tree, dataset):
    shutil.copytree(tree, dataset, dirs_exist_ok=True)
    return dataset


def row_counts(out):
    return next(line for line in out.splitlines() if "usable presentation" in line)


def test_what_a_map_says_is_written_and_read_without_the_map(tool, codes, tmp_path, validator_errors):
    (tmp_path / "map.tsv").write_text(RULES)
    code, with_map, _ = tool(codes, "--stimulus-map", tmp_path / "map.tsv", "--write-bep044", tmp_path / "tree")
    assert code == 0
    events = tmp_path / "tree/sub-01/eeg/sub-01_task-music_events.tsv"
    table = pd.read_csv(events, sep="\t")
    assert list(table.columns[:6]) == ["onset", "duration", "trial_type", "stim_file", "stim_id", "audio_start"]
    assert set(table["stim_id"].dropna()) == {"stim-FirstFires", "stim-song02", "stim-Elise"}
    assert (table["trial_type"] == "fixation").sum() == 4
    described = json.loads(events.with_suffix(".json").read_text())
    assert {"stim_id", "stim_file", "audio_start", "value"} <= set(described)

    code, without, _ = tool(copied(tmp_path / "tree", codes))
    assert code == 0
    assert row_counts(without) == row_counts(with_map)
    for label in ("First Fires", "song-02", "Élise"):
        assert f"│ {label} " in without
    assert validator_errors(codes) == []


def test_what_bep044_cannot_say_is_told(tool, codes, tmp_path):
    (tmp_path / "map.tsv").write_text(RULES)
    _, out, _ = tool(codes, "--stimulus-map", tmp_path / "map.tsv", "--write-bep044", tmp_path / "tree")
    assert "BEP044 cannot say at which second of its file music begins: 4 presentations in the column" in out
    (tmp_path / "map.tsv").write_text("task\taudio\nmusic\tsong-01.wav\n")
    _, out, _ = tool(codes, "--stimulus-map", tmp_path / "map.tsv", "--write-bep044", tmp_path / "whole")
    assert "The rows of events.tsv of 4 recordings are left out" in out
    assert len(tables.read_rows(tmp_path / "whole/sub-01/eeg/sub-01_task-music_events.tsv")[1]) == 1


def test_audio_from_elsewhere_is_not_present(tool, codes, tmp_path):
    (tmp_path / "map.tsv").write_text(MAP.format("11\tsong-01.wav\n"))
    (codes / "stimuli").rename(tmp_path / "songs")
    arguments = ["--stimuli-dir", tmp_path / "songs"]
    tool(codes, *arguments, "--stimulus-map", tmp_path / "map.tsv", "--write-bep044", tmp_path / "tree")
    assert tables.read_rows(tmp_path / "tree/stimuli/stimuli.tsv")[1] == [
        {"stimulus_id": "stim-song01", "type": "audio", "filename": "song-01.wav", "label": "song-01",
         "present": "false"}
    ]  # fmt: skip
    assert tool(copied(tmp_path / "tree", codes), *arguments)[0] == 0
    # BIDS allows stim_file to name files of the dataset only
    events = tables.read_rows(codes / "sub-01/eeg/sub-01_task-music_events.tsv")[1]
    assert {row["stim_file"] for row in events} == {"n/a"}
    assert "stim-song01" in {row["stim_id"] for row in events}


def test_ids_of_the_dataset_are_kept(tool, dataset, tmp_path):
    assert tool(dataset, "--write-bep044", tmp_path / "tree")[0] == 0
    source = dataset / "stimuli/stimuli.tsv"
    assert tables.read_rows(tmp_path / "tree/stimuli/stimuli.tsv") == tables.read_rows(source)
    name = "sub-01/eeg/sub-01_task-music_events.tsv"
    written, before = (tables.read_rows(root / name)[1] for root in (tmp_path / "tree", dataset))
    assert [row["stim_id"] for row in written] == [row["stim_id"] for row in before]
    assert [row["value"] for row in written] == [row["value"] for row in before]


def test_the_dataset_is_written_to_only_if_it_is_named_and_may_be_overwritten(tool, dataset_copy, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in dataset_copy.rglob("*") if path.is_file()}
    for directory in (dataset_copy, dataset_copy / "tree"):
        code, _, err = tool(dataset_copy, "--write-bep044", directory)
        assert code == 73
        assert str(directory) in err
    assert {path: path.stat().st_mtime_ns for path in dataset_copy.rglob("*") if path.is_file()} == before
    assert tool(dataset_copy, "--write-bep044", dataset_copy, "--overwrite")[0] == 0
    assert tool(dataset_copy)[0] == 0


def test_nothing_is_replaced_unless_told_to(tool, dataset, tmp_path):
    assert tool(dataset, "--write-bep044", tmp_path / "tree")[0] == 0
    code, _, err = tool(dataset, "--write-bep044", tmp_path / "tree")
    assert code == 73
    assert "--overwrite replaces it" in err
    assert tool(dataset, "--write-bep044", tmp_path / "tree", "--overwrite")[0] == 0


def test_a_draft_is_another_thing(tool, dataset, tmp_path):
    assert tool(dataset, "--draft", "--write-bep044", tmp_path / "tree")[0] == 64


def test_ids_are_unique_whatever_the_labels():
    labels = ["a b", "a-b", "AB", "é", "e", "", "日本", "中国"]
    ids = stimulus_ids([Presentation(label, "x.wav", 0, 5) for label in labels], None)
    assert len({stim_id.casefold() for stim_id in ids.values()}) == len(labels)
    assert all(map(is_stimulus_id, ids.values()))


def test_a_column_of_that_name_that_means_something_else_is_kept_under_another(tmp_path):
    (tmp_path / "a.wav").touch()
    presentation = Presentation("a", "a.wav", 5.0, 10.0)
    rows = [{"onset": "1", "duration": "0", "stim_id": "12"}]
    table = events_table(["onset", "duration", "stim_id"], rows, [], [presentation], {("a", "a.wav"): "stim-a"})
    assert [(row.get("stim_id"), row.get("stim_id_before")) for row in table.rows] == [(None, "12"), ("stim-a", None)]


SECONDS = st.integers(0, 5000).map(lambda hundredths: hundredths / 100)
EVENTS = st.lists(
    st.tuples(SECONDS, st.sampled_from([0.001, 4.0, 30.0]), st.sampled_from(["1", "2", "3", "9", "BAD"]),
              st.sampled_from(["n/a", "a.wav", "b.wav"])),
    max_size=6, unique_by=lambda row: row[0],
)  # fmt: skip
RULE = st.tuples(
    st.sampled_from(["1", "2", "1|3", "n/a"]), st.sampled_from(["a.wav", "b.wav"]), st.sampled_from(["", "A", "ä b"]),
    st.sampled_from(["", "-1.5", "0.3333333"]), st.sampled_from(["", "2.25"]), st.sampled_from(["", "5"]),
    st.sampled_from(["", "9"]), st.sampled_from(["", "3|9"]),
)  # fmt: skip
COLUMNS = "value audio label onset_shift audio_start duration end_value start_value"


@settings(max_examples=60)
@given(events=EVENTS, rules=st.lists(RULE, min_size=1, max_size=3))
def test_presentations_are_the_same_with_the_map_and_in_what_is_written(tmp_path_factory, events, rules):
    directory = tmp_path_factory.mktemp("bep044")
    stimuli = Stimuli(directory / "stimuli")
    stimuli.directory.mkdir()
    for name in ("a.wav", "b.wav"):
        (stimuli.directory / name).touch()
    rules = [(*rule[:6], *(("", "") if rule[0] == "n/a" else rule[6:])) for rule in rules]
    tables.write_table(directory / "map.tsv", COLUMNS.split(), rules)
    tables.write_table(directory / "events.tsv", ["onset", "duration", "value", "stim_file"], events)

    def resolved(path, stimulus_map):
        cues = find_cues(path, stimuli, stimulus_map=stimulus_map, entities={})
        return cues, resolve_cues(cues, recording_seconds=60.0, shortest=3.0, audio_seconds=lambda _: 20.0)

    try:
        cues, resolution = resolved(directory / "events.tsv", read_map(directory / "map.tsv"))
    except Exception:
        return
    ids = stimulus_ids(resolution.presentations, None)
    names, rows = tables.read_rows(directory / "events.tsv")
    table = events_table(names, rows, cues.music, resolution.presentations, ids)
    write_stimulus_table(
        stimuli.directory,
        [{"stimulus_id": key, "filename": file, "label": label} for (label, file), key in ids.items()]
        or [{"stimulus_id": "n/a"}],
    )
    cells = [[row.get(name) or "n/a" for name in table.names] for row in table.rows]
    tables.write_table(directory / "written.tsv", table.names, cells)
    again, found = resolved(directory / "written.tsv", None)
    assert not again.notes
    assert [rounded(p) for p in found.presentations] == [rounded(p) for p in resolution.presentations]


def rounded(p):
    seconds = {name: round(getattr(p, name), 4) for name in ("onset", "duration", "audio_start")}
    return replace(p, stim_id="", **seconds)

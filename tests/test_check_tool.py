"""`predann-tools check`: what would be lost, where, how to mend it, and what would be used."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.bids.music.stimulus_map import read_map
from predann_bids.tools.check.checking import check_dataset
from predann_bids.tools.check.findings import Effect, Finding, take_apart, together
from predann_bids.tools.check.fixing import fix_map
from predann_bids.tools.cli import tools
from predann_bids.tools.simulation.dataset import simulate
from predann_bids.tools.simulation.settings import Simulation
from predann_bids.workflows.execution import Execution

ROOT = Path("/data/ds")
ONE = Execution(n_procs=1)


# -- sentences ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sentence", "where", "what", "remedy"), [
    ("/data/ds/sub-01/eeg/sub-01_events.tsv, line 3: the onset 'x' is not a number of seconds; give it in seconds.",
     "sub-01/eeg/sub-01_events.tsv, line 3", "The onset 'x' is not a number of seconds.", "Give it in seconds."),
    ("/data/ds/sub-01/eeg/sub-01_eeg.eeg is empty. Fetch or copy it again.",
     "sub-01/eeg/sub-01_eeg.eeg", "Is empty.", "Fetch or copy it again."),
    ("Participant 01 lacks 1 of 2 stimuli: song-02.", "", "Participant 01 lacks 1 of 2 stimuli: song-02.", ""),
    ("/data/my ds/x_events.tsv: onsets are rounded, by up to 0.452 s; the more exact column sample is used.",
     "/data/my ds/x_events.tsv", "Onsets are rounded, by up to 0.452 s; the more exact column sample is used.", ""),
])  # fmt: skip
def test_a_message_is_taken_apart_into_place_fault_and_remedy(sentence, where, what, remedy):
    finding = take_apart(sentence, Effect.TOLD, ROOT)
    assert (finding.where, finding.what, finding.remedy) == ((where,) if where else (), what, remedy)


def test_rows_that_a_message_counts_are_counted():
    finding = take_apart("x/y_events.tsv, line 3 (and 4 more rows): the audio is missing.", Effect.LEFT_OUT, ROOT)
    assert (finding.where, finding.count) == (("x/y_events.tsv, line 3",), 5)


FINDINGS = st.lists(st.builds(
    Finding, st.sampled_from(Effect), st.sampled_from(["A.", "B."]), st.sampled_from(["", "Mend it."]),
    st.lists(st.sampled_from("xyz"), max_size=2).map(tuple), st.integers(1, 3),
))  # fmt: skip


@given(FINDINGS)
def test_what_differs_in_its_place_alone_is_one_finding_and_nothing_is_lost(findings):
    merged = together(findings)
    assert len({(f.effect, f.what, f.remedy) for f in merged}) == len(merged)
    assert sum(f.count for f in merged) == sum(f.count for f in findings)
    assert {(f.effect, f.what, place) for f in merged for place in f.where} == {
        (f.effect, f.what, place) for f in findings for place in f.where
    }
    assert [list(Effect).index(f.effect) for f in merged] == sorted(list(Effect).index(f.effect) for f in merged)


# -- datasets ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    root = tmp_path_factory.mktemp("simulated") / "ds"
    simulate(root, Simulation(participants=3, songs=3, seconds=6.0, channels=4))
    return root


@pytest.fixture
def ds(simulated, tmp_path):
    """Copy the dataset, to be damaged."""
    return Path(shutil.copytree(simulated, tmp_path / "ds"))


def events_of(root, participant):
    return next((root / f"sub-{participant}" / "eeg").glob("*_events.tsv"))


def change(root, participant, song, column, text):
    """Change a cell of the row of a song."""
    path = events_of(root, participant)
    head, *rows = [line.split("\t") for line in path.read_text().splitlines()]
    for row in rows:
        if row[head.index("stim_file")] == song:
            row[head.index(column)] = text
    path.write_text("\n".join(map("\t".join, [head, *rows])) + "\n")


def found(check, effect):
    return [finding for finding in check.findings if finding.effect == effect]


def test_a_sound_dataset_has_nothing_to_mend_and_says_what_would_be_used(ds):
    check = check_dataset(ds, execution=ONE)
    assert found(check, Effect.FAILS) == found(check, Effect.LEFT_OUT) == found(check, Effect.TOLD) == []
    assert (check.presentations, check.loses, check.error) == (9, False, None)


def damages(ds):
    """Do a kind of damage to each participant; return what must be found of each."""
    change(ds, "01", "song-01.wav", "duration", "6,5")
    change(ds, "02", "song-02.wav", "stim_file", "song-2.wav")
    next((ds / "sub-03/eeg").glob("*.eeg")).write_bytes(b"")
    (ds / "sub-01/eeg" / "._sub-01_task-music_eeg.vhdr").write_bytes(b"\0")
    (ds / "sub-01/eeg" / "old_sub-01_task-music_eeg.vhdr").write_bytes(b"\0")


def test_every_kind_of_damage_is_found_with_its_place_its_remedy_and_what_becomes_of_it(ds):
    damages(ds)
    check = check_dataset(ds, execution=ONE)
    (fails,) = found(check, Effect.FAILS)
    assert fails.where[0].startswith("sub-03/eeg/")
    assert "again" in fails.remedy
    left_out = {finding.what: finding for finding in found(check, Effect.LEFT_OUT)}
    (comma,) = [finding for what, finding in left_out.items() if "'6,5'" in what]
    assert (comma.remedy, comma.where[0].split(", ")[0]) == ("Write 6.5.", "sub-01/eeg/sub-01_task-music_events.tsv")
    assert any("song-2.wav" in what for what in left_out)
    (stray,) = found(check, Effect.NOT_USED)
    assert "old_sub-01" in stray.what + "".join(stray.where)
    assert check.presentations == 4
    assert check.loses


def test_the_tool_prints_a_table_or_json_and_ends_with_the_same_code(ds, capsys):
    from predann_bids.cli import run

    damages(ds)
    assert run(tools, ["check", str(ds), "--n-procs", "1"]) == 1
    out = capsys.readouterr().out
    assert "how to mend it" in out
    assert "Would be used: 4 presentations of 3 stimuli" in out
    assert run(tools, ["check", str(ds), "--n-procs", "1", "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["exit_code"] == 1
    assert content["would_be_used"]["presentations"] == 4
    assert {finding["effect"] for finding in content["findings"]} >= {
        "the recording fails",
        "the presentation is left out",
    }


def test_a_dataset_of_which_nothing_is_left_ends_with_the_code_of_the_participant_level(ds, capsys):
    from predann_bids.cli import run

    for song in (ds / "stimuli").glob("*.wav"):
        song.unlink()
    assert run(tools, ["check", str(ds), "--n-procs", "1"]) == 66
    assert run(tools, ["check", str(ds / "sub-01")]) == 16
    capsys.readouterr()


def test_a_deep_check_reads_all_samples(ds):
    import numpy as np

    first, second = (next((ds / f"sub-{label}/eeg").glob("*.eeg")) for label in ("01", "02"))
    samples = np.fromfile(first, "<f4").reshape(-1, 4)
    samples[-1, 2] = np.nan
    samples[:, 1] = 5.0
    samples.tofile(first)
    second.write_bytes(next((ds / "sub-03/eeg").glob("*.eeg")).read_bytes())
    assert found(check_dataset(ds, execution=ONE), Effect.FAILS) == []
    deep = check_dataset(ds, deep=True, execution=ONE)
    (fails,) = found(deep, Effect.FAILS)
    assert "not finite" in fails.what
    assert "channels.tsv" in fails.remedy
    told = " ".join(f"{finding.what} {finding.where}" for finding in found(deep, Effect.TOLD))
    assert "the same value throughout" in told
    assert "hold the same samples" in told


# -- mending -----------------------------------------------------------------------------------------------------------


def test_a_drafted_map_corrects_what_is_certain_and_changes_nothing_else(ds, tmp_path):
    before = [one.presentations for one in check_dataset(ds, execution=ONE).dataset.recordings]
    seconds = next(p.duration for p in before[0] if p.label == "song-01")
    change(ds, "01", "song-01.wav", "duration", f"{seconds:.3f}".replace(".", ","))
    (ds / "stimuli" / "song-02.wav").rename(ds / "stimuli" / "song_02.wav")
    draft = tmp_path / "map.tsv"
    draft.write_text(fix_map(check_dataset(ds, execution=ONE)))
    after = check_dataset(ds, stimulus_map=read_map(draft), execution=ONE)
    assert not after.loses
    heard = [[(p.onset, round(p.duration, 2)) for p in one.presentations] for one in after.dataset.recordings]
    assert heard == [[(p.onset, round(p.duration, 2)) for p in presentations] for presentations in before]


def test_a_drafted_map_excludes_what_cannot_be_corrected_and_says_why(ds, tmp_path):
    change(ds, "02", "song-03.wav", "duration", "long")
    draft = tmp_path / "map.tsv"
    draft.write_text(fix_map(check_dataset(ds, execution=ONE)))
    assert "# sub-02/eeg/sub-02_task-music_events.tsv" in draft.read_text()
    after = check_dataset(ds, stimulus_map=read_map(draft), execution=ONE)
    assert not after.loses
    assert [len(one.presentations) for one in after.dataset.recordings] == [3, 2, 3]


def test_rules_of_a_map_in_use_stay_in_force_below_those_that_mend(ds, tmp_path):
    own = tmp_path / "own.tsv"
    own.write_text("stim_file\taudio\tlabel\nsong-01.wav\tsong-01.wav\tfirst\n")
    change(ds, "02", "song-03.wav", "duration", "long")
    draft = tmp_path / "map.tsv"
    draft.write_text(fix_map(check_dataset(ds, stimulus_map=read_map(own), execution=ONE)))
    after = check_dataset(ds, stimulus_map=read_map(draft), execution=ONE)
    assert {p.label for one in after.dataset.recordings for p in one.presentations} == {"first", "song-02", "song-03"}


def test_no_rule_is_drafted_that_would_touch_rows_that_can_be_used(ds):
    path = events_of(ds, "01")
    head, *rows = path.read_text().splitlines()
    row = next(row for row in rows if "song-01.wav" in row).split("\t")
    path.write_text("\n".join([head, *rows, "\t".join(["n/a", *row[1:5], "n/a"])]) + "\n")
    check = check_dataset(ds, execution=ONE)
    assert check.loses
    assert fix_map(check) is None

"""Folds that are still to do, and those that were trained on something else."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from predann_bids.bids.derivatives import read_derivatives
from predann_bids.config import resolve
from predann_bids.errors import UnusableData, WrongUsage
from predann_bids.workflows.application import run_level
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group import level
from predann_bids.workflows.group.inputs.folds import refuse_impossible_folds
from predann_bids.workflows.group.outstanding import Outstanding
from predann_bids.workflows.group.request import GroupOutcome, Request

NOW = {f"sub-0{number}_task-music_desc-preproc_eeg": f"samples {number}" for number in (1, 2, 3)}
SONGS = ("song-01", "song-02", "song-03")


@dataclass(frozen=True)
class Fit:
    """What is looked at of a fit: its marker says with which recordings it was made."""

    fold: int
    directory: Path
    name: str = "predann"

    split = property(lambda self: SimpleNamespace(fold=self.fold))
    study = property(lambda self: SimpleNamespace(material=SimpleNamespace(recordings=lambda: NOW)))
    marker = property(lambda self: self.directory / f"fold-{self.fold}" / f"{self.name}.json")

    def is_finished(self):
        return self.marker.is_file() and json.loads(self.marker.read_text())["Hash"] == "now"

    is_trained = is_finished

    def made(self, recordings=NOW, science="before"):
        self.marker.parent.mkdir(parents=True, exist_ok=True)
        self.marker.write_text(json.dumps({"Hash": science, "Recordings": recordings}))
        return self


@pytest.fixture
def run(tmp_path):
    return Request(tmp_path, tmp_path, "run", resolve(), (), {}, Execution())


@pytest.fixture
def fits(run):
    return [Fit(fold, run.directory) for fold in (1, 2, 3)]


def without(*numbers):
    return {name: samples for name, samples in NOW.items() if int(name[4:6]) not in numbers}


def test_folds_that_nobody_has_done_are_to_do_and_differ_in_nothing(run, fits):
    fits[1].made(science="now")
    left = Outstanding.of(fits, run)
    assert (left.folds, left.others, left.in_words()) == ((1, 3), {}, "")


@pytest.mark.parametrize(("recordings", "words"), [
    (without(2), "Fold 1 was trained without recordings of sub-02, which are selected now."),
    (NOW | {"sub-09_task-music_desc-preproc_eeg": "x"}, "Fold 1 was trained with recordings of sub-09, which are not"),
    (NOW | {"sub-03_task-music_desc-preproc_eeg": "x"}, "Fold 1 was trained with other data of sub-03."),
    (without(1) | {"sub-09_task-x": ""}, "of sub-01, which are selected now, and with recordings of sub-09"),
    (NOW, "Fold 1 was trained with another configuration, on other audio, or by another version of the program."),
    (None, "Fold 1 was trained with another configuration"),
])  # fmt: skip
def test_a_fold_that_was_trained_on_something_else_is_told_with_what_differs(run, fits, recordings, words):
    fits[0].made(recordings)
    left = Outstanding.of(fits, run)
    assert (left.folds, list(left.others)) == ((1, 2, 3), [1])
    assert words in left.in_words()
    assert "with --fold 1, or all that is left, by the same command without --fold" in left.in_words()


def test_a_fold_that_is_being_trained_again_is_only_to_do(run, fits):
    fits[0].made(without(2))
    again = Fit(1, run.directory, "linear").made(science="now")
    assert Outstanding.of([*fits, again], run).others == {}


def test_the_folds_of_a_finished_run_that_is_replaced_are_only_to_do(run, fits):
    for fit in fits:
        fit.made(without(2))
    run.finish()
    fits[2].made(science="now")
    left = Outstanding.of(fits, run)
    assert (left.folds, left.others) == ((1, 2), {})
    fits[0].made(without(3))
    assert list(Outstanding.of(fits, run).others) == [1]


@pytest.mark.parametrize(("missing", "code"), [((1,), 65), ((1, 3), None)])
def test_a_run_ends_with_65_when_no_further_fold_will_help(tmp_path, monkeypatch, capsys, missing, code):
    outcome = GroupOutcome(tmp_path, None, None, missing, (1,), "Fold 1 was trained on something else.")
    monkeypatch.setattr(level, "run_group", lambda *_, **__: outcome)
    arguments = {"selection": None, "stimuli_dir": None, "execution": Execution(), "label": "x", "folds": ()}

    def run():
        run_level("group", tmp_path / "ds", tmp_path / "out", resolve(), validate=False, **arguments)

    if code:
        with pytest.raises(UnusableData, match="trained on something else"):
            run()
    else:
        run()
        assert "Warning: Fold 1 was trained on something else." in capsys.readouterr().out
    assert outcome.is_stuck == bool(code)


@pytest.mark.parametrize(("flags", "folds", "error", "words"), [
    ({"splitting.n_folds": 5}, (), WrongUsage, "--n-folds 5 does not fit 4 participants"),
    ({"splitting.n_folds": 4, "splitting.split": "stimulus"}, (), WrongUsage, "--n-folds 4 does not fit 3 songs"),
    ({}, (1, 9), WrongUsage, "--fold 9: there are folds 1 to 4"),
    ({"windows.length": 60.0}, (), UnusableData, "a window has 60 s, the longest, of sub-0., has 12.00 s"),
])  # fmt: skip
def test_impossible_folds_are_refused_before_any_audio_is_read(derivatives, flags, folds, error, words):
    with pytest.raises(error, match=words):
        refuse_impossible_folds(read_derivatives(derivatives), SONGS, resolve(flags=flags), folds)


@pytest.mark.parametrize("split", ["participant", "stimulus", "time", "chunk"])
def test_possible_folds_are_let_through(derivatives, split):
    science = resolve(flags={"splitting.split": split, "splitting.chunk": 4.0, "splitting.n_folds": 2})
    refuse_impossible_folds(read_derivatives(derivatives), SONGS, science, (1, 2))


@pytest.mark.parametrize(("option", "code", "words"), [
    (("--precision", "17"), 64, "--precision"), (("--num-nodes", "2"), 64, "--num-nodes 2"),
    (("--label", "a/b"), 64, "'a/b' is no name"), (("--stimuli-dir", "/nowhere"), 66, "no directory /nowhere"),
    (("--from-model", "/nowhere"), 66, "no checkpoint /nowhere"), (("--teacher", "nobody"), 64, "'nobody'"),
    (("--n-folds", "7"), 64, "--n-folds 7"), (("--fold", "7"), 64, "--fold 7"),
])  # fmt: skip
def test_wrong_options_are_told_before_anything_is_read(dataset, derivatives, app, monkeypatch, option, code, words):
    def work(*_, **__):
        pytest.fail("work was done before the options were looked at")

    monkeypatch.setattr("predann_bids.workflows.group.inputs.material.read_audio_features", work)
    if option[0] not in ("--n-folds", "--fold", "--teacher"):  # what the derivatives have to be read for
        monkeypatch.setattr("predann_bids.workflows.application.validate_dataset", work)
        validation = ()
    else:
        validation = ("--skip-bids-validation",)
    found, _, err = app(dataset, derivatives, "group", *validation, *option)
    assert found == code
    assert words in " ".join(err.split())


def test_a_map_that_is_not_there_is_told_before_the_dataset_is_validated(dataset, tmp_path, app, monkeypatch):
    monkeypatch.setattr("predann_bids.workflows.application.validate_dataset", lambda *_: pytest.fail("too late"))
    code, _, err = app(dataset, tmp_path / "out", "participant", "--stimulus-map", "nosuch.tsv")
    assert (code, "There is no stimulus map nosuch.tsv" in err) == (66, True)

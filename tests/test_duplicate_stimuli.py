"""The group level where two audio files hold the same: what is said, how ties are decided, what merging changes."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from predann_bids.cli import make_command, run

QUICK = ("--epochs", "1", "--batch-size", "12", "--window", "2", "--skip-bids-validation", "--n-procs", "1")
LEAN = ("--no-probe", "--no-report", "--n-folds", "2")
ALONE = ("--no-baseline", "--no-linear")  # where one model is enough


@pytest.fixture(scope="module")
def stimuli(dataset, tmp_path_factory):
    """The songs of `dataset`, of which the second is the first under another name."""
    stimuli = shutil.copytree(dataset / "stimuli", tmp_path_factory.mktemp("equal") / "stimuli")
    shutil.copy(stimuli / "song-01.wav", stimuli / "song-02.wav")
    return stimuli


@pytest.fixture(scope="module")
def finished(dataset, derivatives, stimuli, tmp_path_factory):
    output = shutil.copytree(derivatives, tmp_path_factory.mktemp("equal") / "out")

    def finished(name, *more):
        arguments = (dataset, output, "group", *QUICK, *LEAN, "--stimuli-dir", stimuli, "--label", name, *more)
        assert run(make_command(), [str(argument) for argument in arguments]) == 0
        return output / "group" / name

    return finished


@pytest.fixture(scope="module")
def reported(finished):
    return finished("reported")


def metrics_of(directory):
    return json.loads((directory / "metrics.json").read_text())


def test_equal_songs_are_named_with_the_accuracy_that_can_be_reached(reported):
    metrics = metrics_of(reported)
    (row,) = metrics["copies"]
    assert row == {
        "first": "song-01",
        "second": "song-02",
        "shift_s": 0.0,
        "shared_s": pytest.approx(12, abs=0.5),
        "share": 1.0,
        "equal": True,
        "merged": False,
    }
    assert metrics["copies_limit"] == {"accuracy": pytest.approx(2 / 3), "match_accuracy": pytest.approx(2 / 3)}
    (warning,) = [w for w in metrics["warnings"] if w["code"] == "duplicate_stimuli"]
    assert "'song-01' and 'song-02' are the same audio." in warning["text"]
    assert "67 % by song logits and 67 % by match" in warning["text"]


@pytest.mark.parametrize("model", ["predann", "baseline", "linear", "linear_whitened"])
def test_equal_audio_gives_exactly_equal_scores(reported, model):
    for fold in (1, 2):
        with np.load(reported / f"fold-{fold}" / f"{model}_windows.npz") as saved:
            for scores in (saved["similarities"], saved.get("probabilities")):
                if scores is not None:
                    np.testing.assert_array_equal(scores[:, 0], scores[:, 1])
                    assert (scores[:, 0] != scores[:, 2]).all()


def test_neither_of_two_equal_songs_is_named_more_often(reported):
    table = pd.read_csv(reported / "predictions.tsv", sep="\t")
    counts = table[table["aggregation"] == "match"]["predicted"].value_counts()
    assert counts["song-01"] == pytest.approx(counts["song-02"], rel=0.2)


def test_the_warning_comes_before_training(dataset, derivatives, stimuli, tmp_path, app):
    output = shutil.copytree(derivatives, tmp_path / "out")
    code, _, err = app(dataset, output, "group", *QUICK, *LEAN, "--stimuli-dir", stimuli, "--fold", "1", *ALONE)
    assert code == 0
    assert err.index("'song-01' and 'song-02' are the same audio") < err.index("Training:")


def test_merged_they_are_one_class(finished):
    directory = finished("merged", "--copies", "merge", *ALONE)
    metrics = metrics_of(directory)
    assert metrics["protocol"]["n_stimuli"] == 2
    assert list(metrics["models"]["predann"]["by_stimulus"]) == ["song-01", "song-03"]
    by_song = {name: rows["n_windows"] for name, rows in metrics["models"]["predann"]["by_stimulus"].items()}
    assert by_song["song-01"] == 2 * by_song["song-03"]
    assert metrics["copies"][0]["merged"]
    assert metrics["copies_limit"] is None
    assert "duplicate_stimuli" not in [warning["code"] for warning in metrics["warnings"]]
    splits = pd.read_csv(directory / "splits.tsv", sep="\t")
    assert set(splits["stimulus"]) == {"song-01", "song-03"}


def test_a_set_without_copies_has_none(dataset, derivatives, tmp_path, app):
    output = shutil.copytree(derivatives, tmp_path / "out")
    code, _, err = app(dataset, output, "group", *QUICK, *LEAN, *ALONE, "--copies", "merge")
    assert code == 0
    metrics = metrics_of(output / "group" / "predann")
    assert (metrics["copies"], metrics["copies_limit"]) == ([], None)
    assert "same audio" not in err

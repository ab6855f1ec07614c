"""The group level with all its evidence: other splits, seeds, permutations, controls, transfer."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

import predann_bids
from predann_bids.cli import make_command, run
from predann_bids.tools.simulation.dataset import simulate
from predann_bids.tools.simulation.settings import Simulation

pytestmark = pytest.mark.usefixtures("few_solutions")

QUICK = ("--epochs", "1", "--batch-size", "12", "--window", "2")
QUICK = (*QUICK, "--skip-bids-validation", "--n-procs", "1", "--no-probe")
CONFIG = "[evaluation]\nlengths = [2, 3]\nresamples = 99\n"


def group_run(dataset, output, *more):
    assert run(make_command(), [str(a) for a in (dataset, output, "group", *QUICK, *more)]) == 0
    return output / "group" / "predann"


def metrics_of(directory):
    return json.loads((directory / "metrics.json").read_text())


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "quick.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def output(dataset, derivatives, config, built_once):
    """A run with everything that a run can have; read-only by agreement."""

    def build(output):
        shutil.copytree(derivatives, output)
        evidence = ("--n-seeds", "2", "--permutations", "19", "--control", "fingerprint", "--also-split", "stimulus")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("predann_bids.report.drawing.Illustration.png", lambda _: b"PNG")
            group_run(dataset, output, "--config", config, "--n-folds", "2", *evidence)

    return built_once("evidence", build)


@pytest.fixture(scope="module")
def group(output):
    return output / "group" / "predann"


@pytest.fixture(scope="module")
def metrics(group):
    return metrics_of(group)


def test_closed_form_decoders_decide_in_both_ways_on_the_same_windows(group, metrics):
    table = pd.read_csv(group / "predictions.tsv", sep="\t", dtype=str)
    rows = dict(list(table[table.aggregation == "match"].groupby("model")))
    places = ["fold", "participant", "stimulus", "onset", "length"]
    mine = rows["predann"][rows["predann"].seed == "0"]
    for model in ("linear", "linear_whitened", "ridge", "cca"):
        scores = metrics["models"][model]
        assert 0 <= scores["accuracy"] <= 1
        assert scores["match_ci95"]
        assert scores["by_length"]["3"]["match"] is not None
        assert rows[model][places].to_numpy().tolist() == mine[places].to_numpy().tolist()


def test_retrieval_counts_its_candidates(metrics):
    retrieval = metrics["models"]["predann"]["retrieval"]
    assert set(retrieval) >= {"top1", "top5", "mean_reciprocal_rank", "n_candidates", "chance_top1"}
    assert retrieval["chance_top1"] == pytest.approx(1 / retrieval["n_candidates"])
    kinds = retrieval["kinds"]
    assert kinds["song"]["top1"] == pytest.approx(metrics["models"]["predann"]["match_accuracy"])
    assert kinds["song"]["n_candidates"] == 3
    assert kinds["moment"]["n_candidates"] == 11  # songs of 12 s, windows of 2 s, one a second
    assert kinds["window"]["n_candidates"] == 33


def test_permutations_are_made_for_every_model_and_corrected(metrics):
    for scores in metrics["models"].values():
        found = scores["permutation"]
        assert (found["n"], found["null"]) == (19, "kept")
        assert found["match_p_value"] >= 1 / 20
        assert found["match_p_holm"] >= found["match_p_value"]
        assert found["p_value"] >= 1 / 20


def test_seeds_are_trained_on_the_same_folds_and_pooled(group, metrics):
    table = pd.read_csv(group / "predictions.tsv", sep="\t", dtype=str)
    assert set(table[table.model == "predann"].seed) == {"0", "1"}
    assert set(table[table.model == "linear"].seed) == {"0"}
    assert metrics["protocol"]["n_seeds"] == 2
    comparison = metrics["comparisons"][0]
    assert np.mean(comparison["by_seed"]) == pytest.approx(comparison["difference"])
    weights = [
        torch.load(group / "fold-1" / f / "predann.ckpt", weights_only=True)["state_dict"] for f in ("", "seed-1")
    ]
    assert not torch.equal(weights[0]["eeg_encoder.spatial.weight"], weights[1]["eeg_encoder.spatial.weight"])
    assert metrics["models"]["predann"]["by_participant"]["01"]["n_windows"] == 33


def test_held_out_songs_are_scored_by_match_and_retrieval_among_themselves(metrics):
    also = metrics["also"]["stimulus"]
    assert also["protocol"]["split"] == "stimulus"
    scores = also["models"]["predann"]
    assert scores["accuracy"] is None
    assert also["chance"] == scores["match_chance"] > 1 / 3
    assert scores["retrieval"]["n_candidates"] < 33


def test_another_split_has_its_own_plan(group):
    splits = pd.read_csv(group / "also" / "stimulus" / "splits.tsv", sep="\t", dtype=str)
    for _, rows in splits.groupby("fold"):
        assert not set(rows[rows.set == "test"].stimulus) & set(rows[rows.set != "test"].stimulus)


def test_the_control_has_both_variants_and_what_the_signature_gives_away(metrics):
    control = metrics["control"]["fingerprint"]
    for variant in ("reassigned", "shifted"):
        for model in ("predann", "linear"):
            assert 0 <= control[variant]["models"][model]["match_accuracy"] <= 1
            assert control[variant]["differences"][model]["match_ci95"]
    assert set(control["band_power"]) == {"real", "reassigned", "shifted"}
    assert control["chance"] == pytest.approx(1 / 3)


def test_the_state_of_the_recordings_is_scored_as_in_the_control(metrics):
    state = metrics["recording_state"]
    assert state["chance"] == pytest.approx(1 / 3)
    real = metrics["control"]["fingerprint"]["band_power"]["real"]
    assert {key: state[key] for key in real} == real
    assert "band_power" not in metrics["models"]


def test_control_data_keep_the_participants_of_each_fold(group):
    plans = [
        pd.read_csv(path / "splits.tsv", sep="\t", dtype=str).groupby(["fold", "set"])["participant"].unique().to_dict()
        for path in (group, group / "control" / "reassigned")
    ]
    assert {key: sorted(value) for key, value in plans[0].items()} == {k: sorted(v) for k, v in plans[1].items()}


def test_the_report_and_the_dataset_stay_whole(output, group, validator_errors):
    assert validator_errors(output) == []
    page = (group / "report.html").read_text()
    assert "fingerprint" in page
    assert "Linear decoder" in page


def test_nothing_is_trained_again_for_more_permutations(output, dataset, config, tmp_path, monkeypatch):
    def trained(*_):
        pytest.fail("a finished fit was done again")

    monkeypatch.setattr("predann_bids.workflows.group.fitting.tasks.do_fit", trained)
    again = shutil.copytree(output, tmp_path / "again")
    evidence = ("--n-seeds", "2", "--permutations", "39", "--control", "fingerprint", "--also-split", "stimulus")
    directory = group_run(dataset, again, "--config", config, "--n-folds", "2", *evidence, "--no-report")
    assert metrics_of(directory)["models"]["predann"]["permutation"]["n"] == 39


def test_other_lengths_are_evaluated_without_training_anew(output, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("predann_bids.learning.fitting.fit", lambda *_, **__: pytest.fail("something was trained"))
    again = shutil.copytree(output, tmp_path / "again")
    config = tmp_path / "other.toml"
    config.write_text("[evaluation]\nlengths = [2, 4]\nresamples = 99\n[windows]\nstride = 0.5\n")
    directory = group_run(dataset, again, "--config", config, "--n-folds", "2", "--n-seeds", "2", "--no-report")
    assert set(metrics_of(directory)["models"]["predann"]["by_length"]) == {"2", "4"}


def test_what_is_no_longer_asked_for_does_not_stay(output, dataset, config, tmp_path):
    again = shutil.copytree(output, tmp_path / "again")
    directory = group_run(dataset, again, "--config", config, "--n-folds", "2", "--n-seeds", "2", "--no-report")
    assert metrics_of(directory)["control"] is None
    assert not list((directory / "also").iterdir())
    assert not list((directory / "control").iterdir())


@pytest.mark.parametrize("split", ["time", "stimulus"])
def test_every_split_runs_to_the_end(dataset, derivatives, tmp_path, split):
    output = shutil.copytree(derivatives, tmp_path / "out")
    more = ("--split", split, "--n-folds", "2", "--no-baseline", "--no-linear", "--no-report")
    short = tmp_path / "short.toml"
    short.write_text("[evaluation]\nlengths = [1]\nresamples = 99\n")
    metrics = metrics_of(group_run(dataset, output, "--config", short, *more, "--window", "1"))
    assert metrics["protocol"]["split"] == split
    assert metrics["models"]["predann"]["match_accuracy"] is not None
    assert (metrics["models"]["predann"]["accuracy"] is None) == (split == "stimulus")


def test_a_network_on_windows_that_are_scaled_by_themselves_contains_no_closed_form_decoder(
    dataset, derivatives, tmp_path
):
    output = shutil.copytree(derivatives, tmp_path / "out")
    by_window = tmp_path / "window.toml"
    by_window.write_text(CONFIG + "[windows]\nscaling = 'window'\n")
    more = ("--n-folds", "2", "--no-baseline", "--no-linear", "--no-report")
    directory = group_run(dataset, output, "--config", by_window, *more)
    assert predann_bids.load_decoder(directory).settings.filters == ()


def test_permutations_within_recordings_train_every_decoder_anew(dataset, derivatives, config, tmp_path):
    output = shutil.copytree(derivatives, tmp_path / "out")
    config = tmp_path / "chunk.toml"
    config.write_text(CONFIG + "[splitting]\nsplit = 'chunk'\nchunk = 2.5\n")
    more = ("--config", config, "--no-baseline", "--no-linear", "--no-report")
    directory = group_run(dataset, output, *more, "--permutations", "3")
    found = metrics_of(directory)["models"]["predann"]["permutation"]
    assert (found["null"], found["n"]) == ("retrained", 3)
    assert found["p_value"] in (0.25, 0.5, 0.75, 1.0)
    before = {path: path.stat().st_mtime_ns for path in (directory / "null").iterdir()}
    group_run(dataset, output, *more, "--permutations", "4")
    assert len(before) == 3
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert len(list((directory / "null").iterdir())) == 4
    group_run(dataset, output, *more)
    assert not (directory / "null").exists()


@pytest.fixture(scope="module")
def others(built_once):
    """New participants who hear other songs, and their derivatives; read-only by agreement."""

    def build(root):
        simulation = Simulation(participants=2, songs=4, seconds=8, channels=8, sampling_rate=200, snr=1.0, seed=9)
        dataset = simulate(root / "ds", simulation)
        arguments = (dataset, root / "out", "participant", "--no-report", "--n-procs", "1", "--skip-bids-validation")
        assert run(make_command(), [str(a) for a in arguments]) == 0

    root = built_once("others", build)
    return root / "ds", root / "out"


def test_a_trained_model_is_evaluated_on_another_dataset_without_training(group, others, config, tmp_path, monkeypatch):
    monkeypatch.setattr("predann_bids.learning.fitting.fit", lambda *_, **__: pytest.fail("something was trained"))
    monkeypatch.setattr("predann_bids.report.drawing.Illustration.png", lambda _: b"PNG")
    dataset, derivatives = others
    output = shutil.copytree(derivatives, tmp_path / "out")
    directory = group_run(dataset, output, "--config", config, "--from-model", group)
    metrics = metrics_of(directory)
    assert metrics["protocol"]["split"] == "transfer"
    assert metrics["protocol"]["n_participants"] == 2
    for model in ("predann", "baseline", "linear", "linear_whitened"):
        assert metrics["models"][model]["match_accuracy"] is not None
    assert metrics["models"]["predann"]["retrieval"]["kinds"]["song"]["n_candidates"] == 4
    assert (directory / "report.html").is_file()


def test_recordings_that_a_model_was_trained_on_are_not_tested(group, output, dataset, config, tmp_path):
    again = shutil.copytree(output, tmp_path / "again", ignore=shutil.ignore_patterns("group"))
    directory = group_run(
        dataset, again, "--config", config, "--from-model", group / "fold-1" / "predann.ckpt", "--no-report"
    )
    splits = pd.read_csv(group / "splits.tsv", sep="\t", dtype=str)
    held_out = set(splits[(splits.fold == "1") & (splits.set == "test")].participant)
    metrics = metrics_of(directory)
    assert set(metrics["models"]["predann"]["by_participant"]) == held_out
    assert metrics["models"]["predann"]["accuracy"] is not None  # all its songs are known
    first = metrics_of(group)["models"]["predann"]["by_participant"]
    assert metrics["models"]["baseline"] is None
    assert set(first) > held_out


def test_a_model_is_not_tested_where_it_knows_everybody(group, output, dataset, tmp_path, app):
    again = shutil.copytree(output, tmp_path / "again", ignore=shutil.ignore_patterns("group"))
    splits = pd.read_csv(group / "splits.tsv", sep="\t", dtype=str)
    known = sorted(set(splits[(splits.fold == "1") & (splits.set == "train")].participant))
    code, _, error = app(dataset, again, "group", *QUICK, "--from-model", group, "--participant-label", *known)
    assert code == 65
    assert "were used to train" in error


def test_a_recording_is_recognised_however_it_was_preprocessed(group, dataset, derivatives, config, tmp_path):
    """Bad channels or another release change a derivative, but not the recording that a decoder was trained on."""
    shutil.copytree(derivatives, tmp_path / "out")
    for data in (tmp_path / "out").rglob("*_eeg.eeg"):
        samples = np.fromfile(data, dtype="<f4")
        (samples * np.float32(1.0001)).tofile(data)
    directory = group_run(dataset, tmp_path / "out", "--config", config, "--from-model", group, "--no-report")
    splits = pd.read_csv(group / "splits.tsv", sep="\t", dtype=str)
    held_out = set(splits[(splits.fold == "1") & (splits.set == "test")].participant)
    assert set(metrics_of(directory)["models"]["predann"]["by_participant"]) == held_out


@pytest.mark.parametrize("asked", [("--control", "fingerprint"), ("--also-split", "time"), ("--n-seeds", "2")])
def test_what_needs_training_cannot_be_had_of_a_given_model(group, others, tmp_path, app, asked):
    dataset, derivatives = others
    output = shutil.copytree(derivatives, tmp_path / "out")
    code, _, error = app(dataset, output, "group", *QUICK, "--from-model", group, *asked)
    assert code == 64
    assert "trains nothing" in error


def test_lengths_that_do_not_fit_a_given_models_window_are_refused(group, others, tmp_path, app):
    dataset, derivatives = others
    output = shutil.copytree(derivatives, tmp_path / "out")
    config = tmp_path / "lengths.toml"
    config.write_text("[evaluation]\nlengths = [1]\n[windows]\nlength = 1\n")
    arguments = [*QUICK[:4], *QUICK[6:]]  # without --window
    code, _, error = app(dataset, output, "group", "--config", config, *arguments, "--from-model", group)
    assert code == 64
    assert "windows of 2 s" in error


def test_a_model_that_is_not_there_is_missed(others, tmp_path, app):
    dataset, derivatives = others
    output = shutil.copytree(derivatives, tmp_path / "out")
    code, _, error = app(dataset, output, "group", *QUICK, "--from-model", tmp_path / "nothing")
    assert code == 66
    assert "nothing" in error


def test_a_model_for_other_preprocessing_names_the_option(group, others, tmp_path, app):
    dataset, _ = others
    made = (dataset, tmp_path / "out", "participant", "--no-report", "--n-procs", "1", "--l-freq", "2")
    assert app(*made, "--skip-bids-validation")[0] == 0
    code, _, error = app(dataset, tmp_path / "out", "group", *QUICK, "--from-model", group)
    assert code == 64
    assert "--l-freq 1" in error

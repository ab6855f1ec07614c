import csv
import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import torch

import predann_bids
from predann_bids.bids.derivatives import read_derivatives
from predann_bids.cli import make_command, run
from predann_bids.config import resolve
from predann_bids.report.drawing import Illustration
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.inputs.audio import find_audio
from predann_bids.workflows.group.request import Request

pytestmark = pytest.mark.usefixtures("few_solutions")

QUICK = (
    "--n-folds",
    "2",
    "--epochs",
    "2",
    "--batch-size",
    "12",
    "--window",
    "2",
    "--skip-bids-validation",
    "--n-procs",
    "1",
)

LEAN = ("--no-linear", "--no-baseline", "--no-probe", "--no-report")  # where one model is enough


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "quick.toml"
    path.write_text("[evaluation]\nlengths = [2, 3]\nresamples = 99\n")
    return path


@pytest.fixture(scope="module")
def output(dataset, derivatives, config, built_once):
    """A group run on copied derivatives, with report; read-only by agreement."""

    def build(output):
        shutil.copytree(derivatives, output)
        png = Illustration.png
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Illustration, "png", lambda self: png(self) if self.name == "accuracy" else b"PNG")
            assert run(make_command(), [str(a) for a in (dataset, output, "group", "--config", config, *QUICK)]) == 0

    return built_once("group", build)


@pytest.fixture(scope="module")
def group(output):
    return output / "group" / "predann"


@pytest.fixture(scope="module")
def metrics(group):
    return json.loads((group / "metrics.json").read_text())


def test_metrics_have_the_keys_of_the_contract(metrics):
    assert set(metrics) >= {"protocol", "chance", "models", "comparison"}
    assert metrics["chance"] == pytest.approx(1 / 3)
    protocol = {"split", "n_folds", "n_participants", "n_stimuli", "window", "delay", "seed", "preset"}
    assert set(metrics["protocol"]) >= protocol
    assert set(metrics["models"]) == {"predann", "baseline", "own_moment", "linear", "linear_whitened", "ridge", "cca"}
    expected = {"accuracy", "ci95", "balanced_accuracy", "top3_accuracy", "match_accuracy", "match_ci95", "by_length"}
    expected |= {"by_participant", "by_stimulus", "confusion", "retrieval", "permutation"}
    assert {"code", "text"} == set().union(*metrics["warnings"], ("code", "text"))
    assert -1 < metrics["strength"] < 1
    for model in metrics["models"]:
        assert set(metrics["models"][model]) >= expected
        assert set(metrics["models"][model]["by_length"]["3"]) == {"mean", "max", "majority", "match"}
    assert set(metrics["comparison"]) >= {"accuracy_difference", "ci95", "p_value", "test"}


def test_metrics_follow_from_the_table_of_predictions(group, metrics):
    table = pd.read_csv(group / "predictions.tsv", sep="\t", dtype={"participant": str})
    for how, key in (("mean", "accuracy"), ("match", "match_accuracy")):
        rows = table[(table.model == "predann") & (table.length == 2) & (table.aggregation == how)]
        assert (rows.predicted == rows.stimulus).mean() == pytest.approx(metrics["models"]["predann"][key])
        np.testing.assert_allclose(rows.filter(like="p_").sum(axis=1), 1, atol=1e-3)


def test_every_window_is_decided_by_a_decoder_that_never_saw_its_participant(group):
    splits = pd.read_csv(group / "splits.tsv", sep="\t", dtype=str)
    predictions = pd.read_csv(group / "predictions.tsv", sep="\t", dtype=str)
    for fold, rows in predictions.groupby("fold"):
        seen = set(splits[(splits.fold == fold) & (splits.set != "test")].participant)
        assert not seen & set(rows.participant)
    assert set(predictions.participant) == {"01", "02", "03", "04"}


def test_the_output_stays_a_valid_bids_dataset(output, validator_errors):
    assert validator_errors(output) == []


def test_the_report_begins_with_the_result(group):
    page = (group / "report.html").read_text()
    assert "of people it was never trained on" in page
    assert "<svg" in page
    assert list((group / "figures").glob("*.png"))


def test_training_curves_are_kept(group):
    with (group / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    trained = ("predann", "baseline", "own_moment")
    assert {(row["fold"], row["model"]) for row in rows} == {(f, m) for f in "12" for m in trained}
    assert all(float(row["validation_loss"]) > 0 for row in rows)
    assert (group / "fold-1" / "history.csv").is_file()


def test_a_trained_decoder_loads_and_decodes(group):
    decoder = predann_bids.load_decoder(group)
    logits, representation = decoder.encode_eeg(torch.randn(2, 8, 250))
    assert logits.shape == (2, 3)
    assert representation.shape == decoder.encode_audio(torch.randn(2, 2 * decoder.audio_rate))[1].shape


@pytest.mark.parametrize(("rung", "moments", "is_started"), [("baseline", "all", False), ("own_moment", "own", True)])
def test_a_rung_differs_in_its_objective_and_in_what_it_may_contain_alone(group, rung, moments, is_started):
    one, other = (torch.load(group / "fold-1" / f"{name}.ckpt", weights_only=True) for name in ("predann", rung))
    differing = {key for key in one["training"] if one["training"][key] != other["training"][key]}
    assert differing == {"predann_weight", "moments"}
    assert (other["training"]["predann_weight"], other["training"]["moments"]) == (0, moments)
    assert bool(other["settings"]["filters"]) is is_started
    chosen = {"filters", "first_lag", "memory_temperature"}
    assert all(one["settings"][key] == other["settings"][key] for key in set(one["settings"]) - chosen)


def run_again(output, dataset, tmp_path, app, *more, keep_group=False):
    again = shutil.copytree(output, tmp_path / "again", ignore=None if keep_group else shutil.ignore_patterns("group"))
    code, out, err = app(dataset, again, "group", *QUICK, *more)
    return again / "group" / "predann", code, out, err


def test_another_seed_gives_other_predictions(output, group, dataset, config, tmp_path, app):
    seed = ("--config", config, "--seed", "7")  # which makes the same folds
    fold = ("--fold", "1", "--no-linear", "--no-probe", "--no-report")
    other, *_ = run_again(output, dataset, tmp_path, app, *seed, *fold)
    # the baseline contains no decoder that is solved for, which no seed changes
    one, usual = (np.load(run / "fold-1" / "baseline_windows.npz")["probabilities"] for run in (other, group))
    assert one.shape == usual.shape
    assert (one != usual).any()


def test_finished_folds_are_not_trained_again(output, dataset, config, tmp_path, app, monkeypatch):
    def trained(*_):
        pytest.fail("a finished fold was trained again")

    monkeypatch.setattr("predann_bids.workflows.group.fitting.tasks.do_fit", trained)
    _, code, *_ = run_again(output, dataset, tmp_path, app, "--config", config, keep_group=True)
    assert code == 0


def test_a_finished_run_repeated_touches_nothing_and_says_the_same(output, dataset, config, tmp_path, app, monkeypatch):
    again = shutil.copytree(output, tmp_path / "again")
    monkeypatch.setitem(sys.modules, "predann_bids.workflows.group.run", None)  # cannot be imported
    before = {path: path.stat().st_mtime_ns for path in again.rglob("*") if path.is_file()}
    code, out, _ = app(dataset, again, "group", *QUICK, "--config", config)
    assert code == 0
    assert "names the right one of 3 songs" in out
    assert f"Report: {again / 'group' / 'predann' / 'report.html'}" in " ".join(out.split())
    assert {path: path.stat().st_mtime_ns for path in again.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "change",
    [
        lambda group: (group / "metrics.json").unlink(),
        lambda group: (group / "fold-1" / "predann.ckpt").unlink(),
        lambda group: (group / "report.html").write_text("changed"),
        lambda group: (group / ".finished.json").unlink(),
        lambda group: edit_json(next(group.parents[1].glob("sub-01/eeg/*_desc-preproc_eeg.json")), ScienceHash="other"),
        lambda group: (group.parents[1] / "stimuli" / "song-01.wav").write_bytes(b"changed"),
    ],
)
def test_a_run_is_not_taken_for_finished_when_something_has_changed(output, dataset, tmp_path, change):
    again = shutil.copytree(output, tmp_path / "again")
    asked = request_for(again, dataset)
    assert asked.finished()
    change(again / "group" / "predann")
    assert request_for(again, dataset).finished() is None


@pytest.mark.parametrize("flags", [{"evaluation.resamples": 199}, {"training.seed": 1}, {"windows.stride": 0.5}])
def test_another_configuration_is_not_taken_for_the_finished_one(output, dataset, flags):
    assert request_for(output, dataset, flags).finished() is None


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def request_for(output, dataset, flags=None):
    """What a run with the configuration of the finished one asks for, but for some flags."""
    science = resolve(file=output / "group" / "predann" / "config.toml", flags=flags)
    derivatives = read_derivatives(output)
    found = find_audio(derivatives, [output / "stimuli"] if (output / "stimuli").is_dir() else [dataset / "stimuli"])
    return Request(dataset, output, "predann", science, found.derivatives, found.files, Execution())


def test_folds_done_one_by_one_with_the_written_configuration_give_the_same_bytes(
    output, group, dataset, tmp_path, app
):
    written = ("--config", group / "config.toml", "--no-report")
    other, code, out, _ = run_again(output, dataset, tmp_path, app, *written, "--fold", "2")
    assert code == 0
    assert "Folds still to do: 1" in out
    assert not (other / "metrics.json").exists()
    shutil.copytree(group / "fold-1", other / "fold-1", dirs_exist_ok=True)  # done elsewhere
    code, out, _ = app(dataset, tmp_path / "again", "group", *QUICK, *written, "--fold", "1")
    assert code == 0
    for name in ("metrics.json", "predictions.tsv", "splits.tsv", "history.csv"):
        assert (other / name).read_bytes() == (group / name).read_bytes(), name


def test_the_chunk_split_is_warned_of(output, dataset, tmp_path, app):
    config = tmp_path / "chunk.toml"
    config.write_text("[evaluation]\nlengths = [2]\nresamples = 199\n[splitting]\nsplit = 'chunk'\nchunk = 2.5\n")
    chunk, code, *_ = run_again(
        output, dataset, tmp_path, app, "--config", config, "--epochs", "1", "--n-folds", "0", *LEAN
    )
    assert code == 0
    metrics = json.loads((chunk / "metrics.json").read_text())
    assert metrics["protocol"]["split"] == "chunk"
    assert metrics["models"]["baseline"] is None
    assert metrics["comparison"] is None
    assert "within_recording_split" in {warning["code"] for warning in metrics["warnings"]}


def test_a_written_configuration_repeats_its_selection(output, dataset, config, tmp_path, app, monkeypatch):
    monkeypatch.setattr("predann_bids.workflows.group.run.train_all", lambda *_: None)
    again = shutil.copytree(output, tmp_path / "again", ignore=shutil.ignore_patterns("group"))
    who = ("--participant-label", "01", "02", "04")
    three = ("--config", config, *who, *QUICK, "--n-folds", "3", *LEAN)
    assert app(dataset, again, "group", *three, "--label", "three")[0] == 0
    written = again / "group/three/config.toml"
    repeated = ("--skip-bids-validation", "--n-procs", "1", "--no-report")
    assert app(dataset, again, "group", "--config", written, *repeated)[0] == 0
    for name in ("splits.tsv", "config.toml"):
        assert (again / "group/three" / name).read_bytes() == (again / "group/predann" / name).read_bytes(), name
    splits = pd.read_csv(again / "group/predann/splits.tsv", sep="\t", dtype=str)
    assert set(splits.participant) == {"01", "02", "04"}


def test_results_of_an_earlier_configuration_do_not_stay_beside_a_new_plan(output, dataset, config, tmp_path, app):
    again = shutil.copytree(output, tmp_path / "again")
    arguments = ("--config", config, *QUICK, "--seed", "5", "--fold", "1", *LEAN)
    assert app(dataset, again, "group", *arguments)[0] == 0
    assert not (again / "group/predann/metrics.json").exists()
    assert not (again / "group/predann/report.html").exists()


def test_methods_say_how_the_derivatives_were_made(dataset, tmp_path, app):
    made = ("--l-freq", "2", "--reference", "none", "--no-report", "--skip-bids-validation", "--n-procs", "1")
    assert app(dataset, tmp_path / "out", "participant", *made)[0] == 0
    assert app(dataset, tmp_path / "out", "group", *QUICK, "--epochs", "1", *LEAN)[0] == 0
    text = " ".join((tmp_path / "out" / "CITATION.md").read_text().split())
    assert "from 2 to 40 Hz" in text
    assert "re-referenced" not in text


@pytest.mark.parametrize("wanted", [{"subject": ["01", "02", "03"]}, {"task": "music"}])
def test_a_filter_file_is_applied_at_the_group_level_too(output, dataset, tmp_path, app, wanted, monkeypatch):
    monkeypatch.setattr("predann_bids.workflows.group.run.train_all", lambda *_: None)
    (tmp_path / "filter.json").write_text(json.dumps({"eeg": wanted}))
    arguments = ("--n-folds", "3", "--bids-filter-file", tmp_path / "filter.json")
    group, code, *_ = run_again(output, dataset, tmp_path, app, *arguments, *LEAN)
    assert code == 0
    used = set(pd.read_csv(group / "splits.tsv", sep="\t", dtype=str).participant)
    assert used == set(wanted.get("subject", ["01", "02", "03", "04"]))


def test_training_finds_music_that_is_strong(dataset, derivatives, tmp_path, app):
    output = shutil.copytree(derivatives, tmp_path / "out")
    quick = ("--n-folds", "2", "--batch-size", "24", "--skip-bids-validation", "--n-procs", "1")
    arguments = (*quick, "--epochs", "40", *LEAN)
    assert app(dataset, output, "group", *arguments)[0] == 0
    model = json.loads((output / "group/predann/metrics.json").read_text())["models"]["predann"]
    assert model["match_accuracy"] > 0.6

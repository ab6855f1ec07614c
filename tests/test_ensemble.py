"""Averages of decoders: numbers by hand, and files of runs that were never trained."""

import json

import numpy as np
import pandas as pd
import pytest

from predann_bids.cli import run
from predann_bids.config import dump, resolve
from predann_bids.errors import CannotCreateOutput, MissingInput, UnusableData, WrongUsage
from predann_bids.files import write_json
from predann_bids.learning.ensemble.averaging import Member, averaged, list_candidates, score_ensemble
from predann_bids.learning.evaluation.decisions import predictions_table
from predann_bids.learning.evaluation.predictions import WindowPredictions
from predann_bids.learning.evaluation.scores import score
from predann_bids.learning.statistics import Scoring
from predann_bids.report.ensemble.sentences import summary
from predann_bids.tools.cli import tools
from predann_bids.workflows.ensemble.level import run_ensemble
from predann_bids.workflows.ensemble.reading import find_run, name_runs, read_run

LABELS = ("Aria", "Blues", "Canon")
PEOPLE, PER_TRIAL = 4, 6
SCORING = Scoring(3.0, 1.0, (3.0, 4.0, 5.0), 99, 0)


def table_of(seed, people=PEOPLE, onset=10.0, place=None):
    rows = []
    for person in range(people):
        for song in range(len(LABELS)):
            for number in range(PER_TRIAL):
                entities = {"participant": f"{person:02d}", "session": "n/a", "task": "music", "run": "n/a"}
                trial = person * len(LABELS) + song
                rows.append({"seed": seed, "fold": 1 + person % 2, **entities, "trial": trial, "stimulus": song,
                             "onset": onset + 100 * song + number})  # fmt: skip
    table = pd.DataFrame(rows).sort_values("fold", kind="stable", ignore_index=True)
    return table if place is None else table.assign(place=place)


def predictions(seeds, skill, rng, **how):
    """Windows whose songs are recognised with some skill, independently for each seed."""
    parts = []
    for seed in seeds:
        table = table_of(seed, **how)
        logits = rng.standard_normal((len(table), len(LABELS)))
        logits[np.arange(len(table)), table["stimulus"]] += skill
        shares = np.exp(logits)
        parts.append(WindowPredictions(table, shares / shares.sum(axis=1, keepdims=True), None))
    return WindowPredictions.concatenate(parts)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def member(name, seeds, rng, skill=1.0):
    return Member(name, predictions(seeds, skill, rng))


# -- arithmetic --------------------------------------------------------------------------------------------------------


def test_probabilities_are_averaged_window_by_window(rng):
    parts = [predictions([seed], 1.0, rng) for seed in (0, 1, 2)]
    mean = averaged(parts, 7)
    for row in (0, 5, 40):
        by_hand = [sum(part.probabilities[row, song] for part in parts) / 3 for song in range(3)]
        np.testing.assert_allclose(mean.probabilities[row], by_hand, rtol=1e-12)
    assert set(mean.table["seed"]) == {7}
    assert mean.similarities is None


def test_probabilities_of_different_windows_are_not_averaged(rng):
    with pytest.raises(ValueError, match="different windows"):
        averaged([predictions([0], 1.0, rng), predictions([0], 1.0, rng, onset=11.0)], 0)
    with pytest.raises(ValueError, match="without song probabilities"):
        averaged([predictions([0], 1.0, rng), WindowPredictions(table_of(0), None, None)], 0)


def test_the_first_seeds_of_all_members_are_averaged_then_the_second_ones(rng):
    one, two = member("a", (0, 5), rng), member("b", (42, 3), rng)
    whole = list_candidates([one, two])[0].windows
    for number, (mine, theirs) in enumerate([(0, 42), (5, 3)]):
        expected = (one.windows.of_seed(mine).probabilities + two.windows.of_seed(theirs).probabilities) / 2
        np.testing.assert_allclose(whole.of_seed(number).probabilities, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("n_members", "seeds", "groups", "size"),
    [(2, 1, None, None), (2, 2, 1, 2), (2, 3, 3, 2), (3, 2, 1, 2), (3, 3, 1, 3), (2, 4, 4, 2)],
)
def test_averages_of_seeds_have_as_many_networks_as_there_are_members(rng, n_members, seeds, groups, size):
    members = [member(f"m{number}", range(seeds), rng) for number in range(n_members)]
    candidates = {one.name: one for one in list_candidates(members)}
    if groups is None:
        assert list(candidates) == ["ensemble", "m0", "m1"]
        return
    found = candidates["seeds of m1"]
    assert (found.windows.table["seed"].nunique(), found.n_networks) == (groups, size)
    everything = candidates["everything"].windows.probabilities
    by_hand = sum(m.windows.of_seed(s).probabilities for m in members for s in range(seeds)) / (n_members * seeds)
    np.testing.assert_allclose(everything, by_hand, rtol=1e-12)


def test_an_average_is_scored_like_any_model_and_compared_over_participants(rng):
    from scipy.stats import ttest_1samp

    members = [member("a", (0, 1), rng), member("b", (0, 1), rng)]
    candidates = list_candidates(members)
    content = score_ensemble(candidates, LABELS, SCORING)
    assert content["models"]["a"] == score(members[0].windows, LABELS, SCORING)
    whole = candidates[0].windows
    right = pd.DataFrame({"participant": whole.table["participant"]})
    right["ensemble"] = whole.probabilities.argmax(axis=1) == whole.table["stimulus"]
    assert content["models"]["ensemble"]["accuracy"] == right["ensemble"].mean()
    alone = members[1].windows
    right["b"] = alone.probabilities.argmax(axis=1) == alone.table["stimulus"]
    people = right.groupby("participant").mean()
    difference = people["ensemble"] - people["b"]
    rows = {row["second"]: row for row in content["comparisons"]}
    assert list(rows) == ["a", "b", "seeds of a", "seeds of b"]
    assert rows["b"]["difference"] == pytest.approx(difference.mean())
    assert rows["b"]["p_value"] == pytest.approx(ttest_1samp(difference, 0).pvalue)
    first = [w.of_seed(0) for w in (whole, alone)]
    hits = [w.probabilities.argmax(axis=1) == w.table["stimulus"].to_numpy() for w in first]
    apart = np.arange(len(hits[0])) % PER_TRIAL % 3 == 0  # windows of 3 s, one a second
    assert rows["b"]["mcnemar"]["only_first"] == (hits[0] & ~hits[1] & apart).sum()


def test_p_values_of_one_question_are_corrected_together(rng):
    content = score_ensemble(list_candidates([member("a", (0, 1), rng), member("b", (0, 1), rng)]), LABELS, SCORING)
    for names in (("a", "b"), ("seeds of a", "seeds of b")):
        rows = [row for row in content["comparisons"] if row["second"] in names]
        low, high = sorted(row["p_value"] for row in rows)
        assert sorted(row["p_holm"] for row in rows) == pytest.approx(sorted([min(1, 2 * low), max(high, 2 * low)]))


def test_averaging_independent_networks_of_one_skill_helps_as_theory_says():
    rng = np.random.default_rng(0)
    people = {"people": 40}
    members = [Member(name, predictions((0, 1), 1.0, rng, **people)) for name in "ab"]
    content = score_ensemble(list_candidates(members), LABELS, SCORING)
    accuracies = {name: scores["accuracy"] for name, scores in content["models"].items()}
    assert accuracies["ensemble"] > max(accuracies["a"], accuracies["b"])
    assert accuracies["everything"] > accuracies["ensemble"]
    rows = {row["second"]: row for row in content["comparisons"]}
    assert rows["a"]["p_holm"] < 0.001
    assert rows["seeds of a"]["ci95"][0] < 0 < rows["seeds of a"]["ci95"][1]  # seeds are as good as runs here


# -- files of runs -----------------------------------------------------------------------------------------------------


def write_run(directory, windows, *, flags=None, labels=LABELS, splits="fold\tset\n1\ttest\n", model="predann"):
    """Write what a finished run leaves of one model."""
    seeds = [int(seed) for seed in windows.table["seed"].unique()]
    science = resolve(flags={"training.seeds": tuple(seeds), "evaluation.lengths": (3.0, 4.0, 5.0), **(flags or {})})
    directory.mkdir(parents=True)
    dump(science, directory / "config.toml", selection={"participants": []})
    scoring = Scoring(3.0, 1.0, science.lengths, 99, 0)
    protocol = {"split": science.splitting.split, "n_folds": 2, "n_participants": PEOPLE, "n_stimuli": len(labels),
                "window": 3.0, "preset": "default", "widening": 1.0}  # fmt: skip
    write_json(directory / "metrics.json", {"protocol": protocol, "models": {model: {"accuracy": 1.0}, "cca": None}})
    table = predictions_table(windows, labels, scoring, model=model)
    table.to_csv(directory / "predictions.tsv", sep="\t", index=False, na_rep="n/a")
    (directory / "splits.tsv").write_text(splits)
    for (seed, fold), rows in windows.table.groupby(["seed", "fold"]):
        place = directory / f"fold-{fold}" / ("" if seed == seeds[0] else f"seed-{seed}")
        place.mkdir(parents=True, exist_ok=True)
        arrays = {"trial": rows["trial"], "start": np.arange(len(rows))}
        if windows.probabilities is not None:
            arrays["probabilities"] = windows.probabilities[rows.index]
        if "place" in rows:
            arrays["place"] = rows["place"]
        np.savez_compressed(place / f"{model}_windows.npz", **arrays)
    return directory


@pytest.fixture
def runs(tmp_path, rng):
    return [write_run(tmp_path / "out" / "group" / name, predictions((0, 1), 1.0, rng)) for name in "ab"]


def test_a_run_is_read_as_it_was_evaluated(tmp_path, rng):
    windows = predictions((4, 2), 1.0, rng)
    read = read_run(write_run(tmp_path / "a", windows), "a", "predann").windows
    order = ["fold", "seed", "trial", "onset"]
    expected = windows.table.assign(row=range(len(windows.table))).sort_values(order)
    found = read.table.assign(row=range(len(read.table))).sort_values(order)
    columns = [name for name in windows.table if name in found]
    pd.testing.assert_frame_equal(
        found[columns].reset_index(drop=True), expected[columns].reset_index(drop=True), check_dtype=False
    )
    np.testing.assert_array_equal(read.probabilities[found["row"]], windows.probabilities[expected["row"]])
    assert score(read, LABELS, SCORING) == score(windows, LABELS, SCORING)
    assert len(read.table) == len(windows.table)


def test_windows_that_were_placed_in_spans_are_read_with_their_segments(tmp_path, rng):
    place = np.tile([0, 1, 2, 3, 0, 0], PEOPLE * len(LABELS))  # segments of three windows
    windows = predictions((0,), 1.0, rng, place=place)
    flags = {"windows.placing": "spans"}
    read = read_run(write_run(tmp_path / "a", windows, flags=flags), "a", "predann").windows
    assert read.table["place"].tolist() == place.tolist()
    np.testing.assert_allclose(read.table["onset"], windows.table["onset"])
    assert score(read, LABELS, SCORING) == score(windows, LABELS, SCORING)


def test_an_ensemble_of_two_runs_leaves_metrics_predictions_and_a_page(runs, tmp_path, capsys):
    assert run(tools, ["ensemble", *map(str, runs)]) == 0
    directory = tmp_path / "out" / "group" / "ensemble"
    printed = capsys.readouterr().out
    metrics = json.loads((directory / "metrics.json").read_text())
    assert list(metrics["models"]) == ["ensemble", "a", "b", "seeds of a", "seeds of b", "everything"]
    assert metrics["networks"] == {"ensemble": 2, "a": 1, "b": 1, "seeds of a": 2, "seeds of b": 2, "everything": 4}
    assert str(tmp_path) not in (directory / "metrics.json").read_text()
    assert f"Report: {directory / 'report.html'}" in printed
    for sentence in summary(metrics):
        assert sentence in printed
    rows = pd.read_csv(directory / "predictions.tsv", sep="\t")
    alone = rows[(rows["model"] == "ensemble") & (rows["length"] == 3) & (rows["aggregation"] == "mean")]
    assert (alone["predicted"] == alone["stimulus"]).mean() == metrics["models"]["ensemble"]["accuracy"]
    page = (directory / "report.html").read_text()
    assert "Average of 2 seeds of a" in page
    assert "McNemar, Q. (1947)" in page
    assert (directory / "figures" / "accuracy.png").is_file()
    first = (directory / "metrics.json").read_bytes()
    assert run(tools, ["ensemble", *map(str, runs), "--no-report"]) == 0  # an ensemble may be made again
    assert (directory / "metrics.json").read_bytes() == first


def test_a_run_with_one_seed_is_told_what_is_missing(tmp_path, rng):
    places = [write_run(tmp_path / name, predictions((0,), 1.0, rng)) for name in "ab"]
    outcome = run_ensemble(places, tmp_path / "e", report=False)
    assert "No run has several seeds" in outcome.lines()[2]


def test_an_output_directory_stands_for_its_only_run(runs, tmp_path):
    (tmp_path / "alone" / "group").mkdir(parents=True)
    runs[0].rename(tmp_path / "alone" / "group" / "a")
    assert find_run(tmp_path / "alone") == tmp_path / "alone" / "group" / "a"
    with pytest.raises(MissingInput, match=r"has no metrics\.json.*Give OUTPUT_DIR/group/NAME"):
        find_run(tmp_path)
    runs[1].rename(tmp_path / "alone" / "group" / "b")
    with pytest.raises(WrongUsage, match=r"several group runs \(a, b\)"):
        find_run(tmp_path / "alone")


def test_runs_of_one_name_are_told_apart_and_none_counts_twice(tmp_path):
    places = [tmp_path / out / "group" / "predann" for out in ("one", "two")]
    assert name_runs(places) == ["one/predann", "two/predann"]
    assert name_runs([tmp_path / "o" / "group" / "ensemble"]) == ["o/ensemble"]
    with pytest.raises(WrongUsage, match="given twice"):
        name_runs([places[0], places[0]])


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"labels": ("Aria", "Blues", "Dance")}, r"different songs \(Canon, Dance\)"),
        ({"flags": {"windows.stride": 0.5}}, r"windows\.stride is 1\.0 in the first and 0\.5 in the second"),
        ({"flags": {"windows.placing": "spans"}}, r"windows\.placing is grid in the first and spans"),
        ({"flags": {"evaluation.lengths": (3.0,)}}, r"evaluation\.lengths"),
        ({"splits": "fold\tset\n1\ttrain\n"}, r"different splits: splits\.tsv differs, first in row 2\. .*--n-folds"),
        ({"splits": "fold\tset\n1\ttest\n1\ttest\n"}, "first in row 3"),
    ],
)
def test_runs_that_do_not_fit_are_refused_by_name(runs, tmp_path, rng, how, expected):
    other = write_run(tmp_path / "other", predictions((0, 1), 1.0, rng), **how)
    with pytest.raises(WrongUsage, match=expected) as refused:
        run_ensemble([runs[0], other])
    assert str(runs[0]) in str(refused.value)
    assert str(other) in str(refused.value)


def test_other_windows_and_splits_of_another_seed_are_refused_with_their_remedy(runs, tmp_path, rng):
    shifted = write_run(tmp_path / "shifted", predictions((0, 1), 1.0, rng, onset=10.5))
    with pytest.raises(WrongUsage, match=r"fold 1, only one has the window of sub-00 at 10 s"):
        run_ensemble([runs[0], shifted])
    seeded = write_run(tmp_path / "seeded", predictions((5,), 1.0, rng), splits="fold\tset\n2\ttest\n")
    with pytest.raises(WrongUsage, match=r"follow from their --seed: .*splitting\.split_seed"):
        run_ensemble([runs[0], seeded])


def test_what_is_no_finished_run_and_what_would_be_lost_is_refused(runs, tmp_path, rng):
    with pytest.raises(WrongUsage, match="two or more runs"):
        run_ensemble(runs[:1])
    with pytest.raises(CannotCreateOutput, match="holds a group run, which would be lost"):
        run_ensemble(runs, runs[1])
    with pytest.raises(WrongUsage, match=r"no model 'ridge': it has predann\. Choose one with --model"):
        run_ensemble(runs, model="ridge")
    (runs[1] / "fold-2" / "seed-1" / "predann_windows.npz").unlink()
    with pytest.raises(MissingInput, match=r"fold-2/seed-1/predann_windows\.npz"):
        run_ensemble(runs)
    np.savez_compressed(runs[1] / "fold-2" / "seed-1" / "predann_windows.npz", trial=[0], probabilities=[[1, 0, 0]])
    with pytest.raises(UnusableData, match=r"has 1 windows, where predictions\.tsv has 36"):
        run_ensemble(runs)
    np.savez_compressed(runs[1] / "fold-2" / "predann_windows.npz", trial=[0])
    with pytest.raises(UnusableData, match="has no song probabilities"):
        run_ensemble(runs)

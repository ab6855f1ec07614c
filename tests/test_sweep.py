import itertools
import json
import re
import shutil
from pathlib import Path

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from made_up_metrics import SKILLS, metrics_of, permutation_of

from predann_bids.cli import run
from predann_bids.config import dump, keys, resolve
from predann_bids.errors import (
    Busy,
    InvalidDataset,
    PredannError,
    SomeParticipantsFailed,
    TryAgain,
    UnusableData,
    WrongUsage,
)
from predann_bids.files import write_json
from predann_bids.options import science_flags
from predann_bids.report.drawing import drawing_style
from predann_bids.report.sweep.evidence import SweepEvidence
from predann_bids.report.sweep.figures import sweep_figures
from predann_bids.report.sweep.lengths import sweep_length_figure
from predann_bids.report.sweep.page import write_sweep
from predann_bids.report.sweep.results import (
    PointResult,
    VariedKey,
    breakdown_table,
    length_table,
    score_table,
    seed_table,
    tsv,
    value_text,
)
from predann_bids.tools.cli import tools
from predann_bids.tools.sweep import make_command, make_sweep
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.locks import exclusive
from predann_bids.workflows.processes import Failure
from predann_bids.workflows.sweep.level import SweepOutcome, raise_failures, run_sweep

DELAY = VariedKey("windows.delay", "delay", (0.0, 0.1, 0.2))
WEIGHT = VariedKey("training.predann_weight", "predann_weight", (0.05, 3.0))
SPLIT = VariedKey("splitting.split", "split", ("participant", "stimulus"))
SEED = VariedKey("training.seed", "seed", (0, 1, 42))


# -- the points --------------------------------------------------------------------------------------------------------


def test_the_grid_holds_all_combinations_the_last_key_fastest():
    sweep = make_sweep(["delay=0,0.1", "seed=0,1,2"])
    assert [tuple(p.values.values()) for p in sweep.points] == list(itertools.product((0.0, 0.1), (0, 1, 2)))
    assert [key.values for key in sweep.keys] == [(0.0, 0.1), (0, 1, 2)]


def test_points_hold_the_common_configuration_and_their_own_values():
    sweep = make_sweep(["delay=0,0.1"], flags={"training.epochs": 7})
    assert [p.science for p in sweep.points] == [
        resolve(flags={"windows.delay": delay, "training.epochs": 7}) for delay in (0, 0.1)
    ]


@pytest.mark.parametrize(
    "spelling", ["windows.delay", "delay", "--delay", "windows.length", "window", "--window", "length"]
)
def test_a_key_is_known_by_its_dotted_name_its_last_part_and_its_option(spelling):
    dotted = "windows.delay" if "delay" in spelling else "windows.length"
    assert make_sweep([f"{spelling}=1,2"]).keys[0].dotted == dotted


def test_every_option_of_the_group_level_that_changes_results_can_be_varied():
    for flag, dotted in science_flags().items():
        default = keys()[dotted].default
        if not dotted.startswith("preprocessing.") and not isinstance(default, bool):
            text = value_text(default) if default != () else "stimulus"
            assert make_sweep([f"{flag}={text}"]).keys[0].dotted == dotted


def test_names_of_points_are_readable_and_safe_for_files():
    sweep = make_sweep(["delay=-0.1", "predann-weight=0.05", "evaluation.lengths=3+5", "baseline=true"], label="a")
    assert [point.label for point in sweep.points] == ["a_delay--0.1_predann-weight-0.05_lengths-3-5_baseline-true"]


def test_lists_are_joined_by_plus():
    assert make_sweep(["evaluation.lengths=3+5,3+7"]).keys[0].values == ((3.0, 5.0), (3.0, 7.0))


@pytest.mark.parametrize(
    ("vary", "expected"),
    [
        (["delya=0,1"], "unknown key 'delya'. Did you mean 'windows.delay'?"),
        (["nonsense=1"], "Known: preset, windows.length"),
        (["delay=0,x"], r"windows.delay: .*found 'x'"),
        (["delay=9"], "less than or equal to 2"),
        (["delay"], "is not KEY=VALUE"),
        (["delay=0,,1"], "is not KEY=VALUE"),
        (["delay=0.2,0.20"], "same configuration"),
        (["delay=0", "windows.delay=1"], "given twice"),
        (["l_freq=1,2"], "--l-freq at the participant level"),
        (["ica_threshold=0.7,0.8"], "--config at the participant level"),
        (["seed=" + ",".join(map(str, range(1001)))], "1001 points"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(vary, expected):
    with pytest.raises(WrongUsage, match=expected):
        make_sweep(vary)


def test_a_key_cannot_be_both_varied_and_set():
    with pytest.raises(WrongUsage, match=r"windows\.delay is both varied and set"):
        make_sweep(["delay=0,1"], flags={"windows.delay": 0.3})


def test_a_varied_key_wins_over_the_configuration_file(tmp_path):
    file = tmp_path / "all.toml"
    file.write_text("[windows]\ndelay = 0.1\n")
    assert [p.science.windows.delay for p in make_sweep(["delay=0,0.2"], file=file).points] == [0, 0.2]


def test_presets_can_be_varied_unless_a_file_says_all_that_they_say(monkeypatch):
    default = resolve()
    published = resolve(flags={"windows.delay": 0.3}).model_copy(update={"preset": "published"})
    made = {"default": default, "published": published}
    monkeypatch.setattr("predann_bids.tools.sweep.resolve", lambda preset, **_: made[preset])
    assert [point.label for point in make_sweep(["preset=default,published"]).points] == [
        "sweep_preset-default",
        "sweep_preset-published",
    ]
    made["published"] = default.model_copy(update={"preset": "published"})
    with pytest.raises(WrongUsage, match="--config or an option sets what it would change"):
        make_sweep(["preset=default,published"])


# -- tables ------------------------------------------------------------------------------------------------------------


def results_of(*keys, change=lambda values, metrics: None, **options):
    found = []
    for combination in itertools.product(*(key.values for key in keys)):
        values = dict(zip([key.name for key in keys], combination, strict=True))
        metrics = metrics_of(split=values.get("split", "participant"), **options)
        change(values, metrics)
        found.append(PointResult("_".join(f"{name}-{value_text(v)}" for name, v in values.items()), values, metrics))
    return tuple(found)


def test_there_is_a_row_for_each_point_and_model_with_intervals_and_chance():
    results = results_of(DELAY, WEIGHT)
    table = score_table(results)
    assert len(table) == 3 * 2 * len(SKILLS)
    row = table[(table.delay == 0.1) & (table.predann_weight == 3.0) & (table.model == "predann")].iloc[0]
    scores = results[3].metrics["models"]["predann"]
    assert [row.accuracy, row.ci95_low, row.ci95_high] == [scores["accuracy"], *scores["ci95"]]
    assert [row.match_accuracy, row.match_ci95_low, row.match_ci95_high] == [
        scores["match_accuracy"],
        *scores["match_ci95"],
    ]
    assert (row.chance, row.match_chance, row.n_participants, row.n_windows) == (0.25, 0.25, 8, 8 * 14 * 4)


def test_what_a_model_cannot_have_is_missing_and_not_zero():
    table = score_table(results_of(SPLIT))
    unseen = table[(table.split == "stimulus") & (table.model == "predann")].iloc[0]
    assert unseen[["accuracy", "ci95_low", "chance"]].isna().all()
    assert unseen.match_chance == 0.5


def test_p_values_of_permutations_and_of_the_difference_to_the_baseline_are_there():
    def permute(_, metrics):
        for scores in filter(None, metrics["models"].values()):
            scores["permutation"] = permutation_of(scores["accuracy"])

    table = score_table(results_of(DELAY, change=permute))
    row = table[table.model == "predann"].iloc[0]
    assert (row.p_value, row.match_p_holm, row.minus_baseline_p) == (0.005, 0.02, 0.0078)
    assert row.minus_baseline == pytest.approx(0.85 - 0.6)
    assert table[table.model != "predann"].minus_baseline.isna().all()


def test_lengths_are_in_long_format():
    table = length_table(results_of(DELAY))
    row = table[(table.delay == 0.2) & (table.length == 5) & (table.model == "predann")]
    assert dict(zip(row.aggregation, row.accuracy, strict=True)) == pytest.approx(
        {"mean": 0.89, "max": 0.89, "majority": 0.89, "match": 1.0}
    )


@pytest.mark.parametrize(("by", "number"), [("stimulus", 4), ("participant", 8)])
def test_songs_and_participants_are_in_long_format(by, number):
    results = results_of(DELAY)
    table = breakdown_table(results, by)
    assert len(table) == 3 * len(SKILLS) * number
    first = table[(table.model == "predann") & (table.delay == 0)].iloc[0]
    assert first.accuracy == next(iter(results[0].metrics["models"]["predann"][f"by_{by}"].values()))["accuracy"]


def test_seeds_are_averaged_as_repetitions():
    accuracies = {0: 0.5, 1: 0.6, 42: 0.8}

    def change(values, metrics):
        metrics["models"]["predann"]["accuracy"] = accuracies[values["seed"]]

    seeds = seed_table(score_table(results_of(WEIGHT, SEED, change=change)), (WEIGHT, SEED))
    assert len(seeds) == 2 * len(SKILLS)
    row = seeds[seeds.model == "predann"].iloc[0]
    assert row.n_seeds == 3
    assert row.accuracy == pytest.approx(np.mean([0.5, 0.6, 0.8]))
    assert row.sd == pytest.approx(np.std([0.5, 0.6, 0.8], ddof=1))
    assert (row.lowest, row.highest) == (0.5, 0.8)


def test_files_say_n_a_and_keep_numbers_as_they_were_typed():
    listed = VariedKey("evaluation.lengths", "lengths", ((3.0, 5.0),))
    lines = tsv(score_table(results_of(WEIGHT, listed, SPLIT))).splitlines()
    header, first = lines[0].split("\t"), lines[1].split("\t")
    assert header[:5] == ["point", "predann_weight", "lengths", "split", "model"]
    assert first[1:5] == ["0.05", "3+5", "participant", "predann"]
    assert "n/a" in lines[-1].split("\t")


# -- figures -----------------------------------------------------------------------------------------------------------


def drawn(*keys, over_seeds=False, table=None):
    table = score_table(results_of(*keys)) if table is None else table
    with drawing_style():
        return sweep_figures(table, [key for key in keys if key.dotted != "training.seed"], over_seeds=over_seeds)


def marks(axes, colour):
    """Places and heights of the marks of one colour."""
    lines = [line for line in axes.lines if line.get_marker() != "None" and line.get_color() == colour]
    return np.array([line.get_xydata() for line in lines])


def test_one_key_gives_one_figure_with_a_line_for_each_model_and_its_intervals():
    (figure,) = drawn(DELAY)
    logits, match = figure.figure.axes
    assert (logits.get_title("left"), match.get_title("left")) == ("By song logits", "By match")
    (points,) = marks(logits, "#0072B2")
    np.testing.assert_allclose(points[:, 1], 85)
    np.testing.assert_allclose(points[:, 0], DELAY.values, atol=0.03)
    segments = next(c for c in logits.collections if c.get_colors()[0].tolist()[:3] == pytest.approx(rgb("#0072B2")))
    np.testing.assert_allclose([s[:, 1] for s in segments.get_segments()], [[77, 93]] * 3)
    assert logits.get_xlabel() == "Delay (s)"
    assert len(match.lines) == len(SKILLS) + 1  # and chance


def rgb(colour):
    return list(matplotlib.colors.to_rgb(colour))


def test_names_stand_side_by_side_without_a_line_each_with_its_own_chance():
    (figure,) = drawn(SPLIT)
    match = figure.figure.axes[1]
    assert [label.get_text() for label in match.get_xticklabels()] == ["participant", "stimulus"]
    assert {line.get_linestyle() for line in match.lines} == {"None"}
    levels = [c.get_segments()[0][0, 1] for c in match.collections if c.get_linestyle()[0][1]]
    assert levels == [25, 50]


def test_each_model_has_its_chance_levels_where_two_keys_vary():
    figures = drawn(DELAY, SPLIT)
    levels = {c.get_segments()[0][0, 1] for c in figures[1].figure.axes[1].collections if c.get_linestyle()[0][1]}
    assert levels == {25, 50}


def test_uneven_numbers_stand_at_equal_distances_and_the_caption_says_so():
    weights = VariedKey("training.predann_weight", "predann_weight", (0.0, 0.05, 1.0, 3.0))
    (figure,) = drawn(weights)
    assert figure.figure.axes[0].get_xticks().tolist() == [0, 1, 2, 3]
    assert "equal distances" in figure.caption
    assert "equal distances" not in drawn(DELAY)[0].caption


def test_a_second_key_makes_lines_and_a_third_makes_rows():
    two, three = drawn(DELAY, WEIGHT), drawn(DELAY, WEIGHT, SPLIT)
    assert [f.name for f in two] == [f"sweep_{model}" for model in SKILLS]
    assert len(two[0].figure.axes) == 2
    assert [text.get_text() for text in two[0].figure.legends[0].get_texts()] == ["0.05", "3", "chance 25 %"]
    assert len(three[0].figure.axes) == 4


def test_more_than_three_keys_are_for_the_table_alone():
    window = VariedKey("windows.length", "window", (3.0, 4.0))
    assert drawn(DELAY, WEIGHT, SPLIT, window) == []


def test_over_seeds_the_mean_is_drawn_with_the_range():
    def change(values, metrics):
        metrics["models"]["predann"]["accuracy"] = {0: 0.5, 1: 0.6, 42: 0.8}[values["seed"]]

    table = seed_table(score_table(results_of(DELAY, SEED, change=change)), (DELAY, SEED))
    (figure,) = drawn(DELAY, SEED, over_seeds=True, table=table)
    (points,) = marks(figure.figure.axes[0], "#0072B2")
    np.testing.assert_allclose(points[:, 1], 100 * np.mean([0.5, 0.6, 0.8]))
    assert "mean over seeds" in figure.caption


def test_each_point_has_a_panel_of_lengths_with_a_line_for_each_aggregation():
    table = length_table(results_of(SPLIT, DELAY))
    names = {label: label for label in dict.fromkeys(table.point)}
    with drawing_style():
        figure = sweep_length_figure(table, names, "predann")
        assert figure.svg()
    assert len(figure.figure.axes) == 6
    assert [len([x for x in axes.lines if x.get_marker() != "None"]) for axes in figure.figure.axes] == [4] * 3 + [
        1
    ] * 3


# -- the page ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page over weights and seeds, of which one point failed, and with a name that is no markup."""
    directory = tmp_path_factory.mktemp("sweep") / "weights"
    keys = (WEIGHT, SEED)
    write_sweep(SweepEvidence("weights", keys, results_of(*keys), {"<b>delay 7 s</b>": "Too long."}), directory)
    return directory


def test_all_tables_the_page_and_its_figures_are_written(page):
    names = {path.name for path in page.iterdir()}
    tables = {f"sweep{name}.tsv" for name in ("", "_by_length", "_by_stimulus", "_by_participant", "_over_seeds")}
    assert names == {"sweep.html", "figures", *tables}
    assert {path.name for path in (page / "figures").iterdir()} == {
        f"{name}.{kind}" for name in ("sweep", "sweep_by_length") for kind in ("svg", "png")
    }


def test_the_page_stands_alone_and_links_to_what_is_there(page):
    html = (page / "sweep.html").read_text()
    assert not re.search(r"(src|href)=\"https?:", html)
    for link in re.findall(r'href="([^#"][^"]*)"', html):
        assert link.startswith("../") or (page / link).is_file()


def test_the_page_says_what_failed_that_seeds_are_repetitions_and_that_the_best_is_too_good(page):
    html = " ".join((page / "sweep.html").read_text().split())
    assert "&lt;b&gt;delay 7 s&lt;/b&gt;" in html
    assert "Seeds are repetitions" in html
    assert "too high by chance alone" in html
    assert "training.predann_weight=0.05,3 training.seed=0,1,42" in html


def test_a_split_within_recordings_is_warned_of(tmp_path):
    chunk = VariedKey("splitting.split", "split", ("participant", "chunk"))
    write_sweep(SweepEvidence("a", (chunk,), results_of(chunk), {}), tmp_path / "a")
    write_sweep(SweepEvidence("b", (DELAY,), results_of(DELAY), {}), tmp_path / "b")
    said = "does not show that music was decoded"
    assert said in (tmp_path / "a" / "sweep.html").read_text()
    assert said not in (tmp_path / "b" / "sweep.html").read_text()


def test_without_a_page_an_earlier_one_does_not_stay(tmp_path):
    evidence = SweepEvidence("a", (DELAY,), results_of(DELAY), {})
    write_sweep(evidence, tmp_path)
    write_sweep(evidence, tmp_path, page=False)
    assert not (tmp_path / "sweep.html").exists()
    assert (tmp_path / "sweep.tsv").is_file()


# -- what is raised ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "n_results", "expected"),
    [
        ((UnusableData,), 1, SomeParticipantsFailed),
        ((UnusableData, TryAgain), 0, UnusableData),
        ((TryAgain,), 1, TryAgain),
    ],
)
def test_failures_are_named_and_the_exit_code_tells_their_kind(kinds, n_results, expected):
    sweep = make_sweep(["delay=0,0.1"])
    failures = {p.label: Failure("No.", kind, "") for p, kind in zip(sweep.points, kinds, strict=False)}
    outcome = SweepOutcome(Path("x"), results_of(DELAY)[:n_results], failures)
    with pytest.raises(PredannError, match=r"No\.") as caught:
        raise_failures(sweep, outcome)
    assert type(caught.value) is expected


def test_nothing_is_raised_when_nothing_failed():
    raise_failures(make_sweep(["delay=0,0.1"]), SweepOutcome(Path("x"), (), {}))


# -- the engine, with group runs that take no time ---------------------------------------------------------------------


@pytest.fixture
def engine(monkeypatch, tmp_path, derivatives):
    """Run a sweep over delays whose group runs only write made-up metrics; tells which points were done."""
    output = tmp_path / "out"
    for sidecar in derivatives.glob("sub-*/**/*"):
        if sidecar.is_file():
            target = output / sidecar.relative_to(derivatives)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(sidecar)

    def engine(*vary, only=(), **execution):
        done = []

        def run_level(level, bids_dir, output_dir, science, *, label, **_):
            done.append(label)
            if science.windows.delay in engine.failing:
                raise engine.failing[science.windows.delay]
            directory = output_dir / "group" / label
            write_json(directory / "metrics.json", metrics_of())
            dump(science, directory / "config.toml")

        monkeypatch.setattr("predann_bids.workflows.sweep.level.run_level", run_level)
        how = Execution(report=False, **execution)
        outcome = run_sweep(make_sweep(vary or ["delay=0,0.1,0.2"]), tmp_path / "ds", output, execution=how, only=only)
        return [label.removeprefix("sweep_delay-") for label in done], outcome

    engine.failing, engine.output = {}, output
    return engine


def test_finished_points_are_not_done_again(engine):
    assert engine()[0] == ["0", "0.1", "0.2"]
    done, outcome = engine()
    assert done == []
    assert len(outcome.results) == 3


def test_single_points_are_done_and_the_others_are_not_touched(engine):
    done, outcome = engine(only=[2])
    assert done == ["0.1"]
    assert len(outcome.results) == 1
    assert outcome.failures == {}
    with pytest.raises(WrongUsage, match=r"--point 4.*1 to 3"):
        engine(only=[4])


def test_a_sweep_that_trains_nothing_names_the_points_that_are_missing(engine):
    engine(only=[1, 3])
    done, outcome = engine(train=False)
    assert done == []
    assert len(outcome.results) == 2
    assert {label: f.message.rpartition("--point ")[2] for label, f in outcome.failures.items()} == {
        "sweep_delay-0.1": "2."
    }


def test_a_larger_grid_finds_the_points_that_are_there(engine):
    engine()
    assert engine("delay=0,0.1,0.2,0.3")[0] == ["0.3"]


def test_a_failed_point_does_not_stop_the_others_and_is_done_next_time(engine):
    engine.failing = {0.1: UnusableData("No.")}
    done, outcome = engine()
    assert done == ["0", "0.1", "0.2"]
    assert {label: f.message for label, f in outcome.failures.items()} == {"sweep_delay-0.1": "No."}
    assert len(pd.read_csv(outcome.directory / "sweep.tsv", sep="\t").point.unique()) == 2
    assert "No." in (engine.output / "logs" / "group_sweep_delay-0.1.log").read_text()
    engine.failing = {}
    assert engine()[0] == ["0.1"]
    assert not (engine.output / "logs" / "group_sweep_delay-0.1.log").exists()


def test_the_first_crash_stops_it_when_asked(engine):
    engine.failing = {0.1: UnusableData("No.")}
    done, outcome = engine(stop_on_first_crash=True)
    assert done == ["0", "0.1"]
    assert len(outcome.results) == 1


def test_what_no_point_can_escape_ends_it_at_once(engine):
    engine.failing = {0.0: InvalidDataset("Not BIDS.")}
    with pytest.raises(InvalidDataset):
        engine()


def test_a_point_that_another_run_has_changed_is_done_again(engine):
    engine()
    write_json(engine.output / "group" / "sweep_delay-0.1" / "metrics.json", metrics_of(n_seeds=2))
    assert engine()[0] == ["0.1"]


def test_all_is_done_again_when_asked_or_when_the_data_have_changed(engine):
    engine()
    assert len(engine(overwrite=True)[0]) == 3
    stimuli = engine.output / "stimuli"
    stimuli.mkdir()
    (stimuli / "new.wav").write_bytes(b"new")
    assert len(engine()[0]) == 3


def test_a_point_that_another_process_is_doing_is_left_to_it(engine):
    with exclusive(engine.output / "group" / "sweep" / "points" / "sweep_delay-0.1.lock"):
        done, outcome = engine()
    assert done == ["0", "0.2"]
    assert [failure.kind for failure in outcome.failures.values()] == [Busy]


def test_a_point_that_another_process_has_finished_meanwhile_counts(engine, monkeypatch):
    engine()
    note = engine.output / "group" / "sweep" / "points" / "sweep_delay-0.json"
    away = note.rename(note.with_suffix(".away"))

    def run_as_the_other_does(*_, **__):
        away.rename(note)
        raise TryAgain("Another process is working on it.")

    monkeypatch.setattr("predann_bids.workflows.sweep.level.take_over", run_as_the_other_does)
    done, outcome = engine()
    assert (done, len(outcome.results), outcome.failures) == ([], 3, {})


# -- from start to end -------------------------------------------------------------------------------------------------

QUICK = ("--n-folds", "2", "--epochs", "1", "--batch-size", "12", "--window", "2")
LEAN = ("--no-linear", "--no-probe", "--no-report")
HOW = ("--skip-bids-validation", "--n-procs", "1", "--accelerator", "cpu")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "quick.toml"
    # windows that are scaled by themselves: no closed-form decoder is searched for
    path.write_text("[evaluation]\nlengths = [2, 3]\nresamples = 99\n[windows]\nscaling = 'window'\n")
    return path


@pytest.fixture(scope="module")
def sweeping(dataset, derivatives, config, tmp_path_factory):
    """Run a sweep on copied derivatives, the key spelt as an option; gives the exit code."""
    output = shutil.copytree(derivatives, tmp_path_factory.mktemp("sweep") / "out")

    def sweeping(*vary, more=()):
        how = ("--label", "w", "--config", config, *QUICK, *LEAN, *HOW)
        arguments = ["sweep", dataset, output, "--vary", *vary, *how, *more]
        return run(tools, [str(argument) for argument in arguments])

    sweeping.output = output
    return sweeping


@pytest.fixture(scope="module")
def swept(sweeping):
    """Two weights; gives `OUTPUT_DIR/group`."""
    assert sweeping("--predann-weight=0.5,3") == 0
    return sweeping.output / "group"


def test_each_point_is_a_group_run_of_its_own_with_its_configuration(swept):
    for weight in ("0.5", "3"):
        directory = swept / f"w_predann-weight-{weight}"
        assert (directory / "metrics.json").is_file()
        assert resolve(file=directory / "config.toml").training.predann_weight == float(weight)
        assert (directory / "fold-2" / "predann.ckpt").is_file()


def test_the_table_says_what_the_points_say(swept):
    table = pd.read_csv(swept / "w" / "sweep.tsv", sep="\t")
    assert list(table.model) == ["predann", "baseline", "own_moment"] * 2
    for row in table[table.model == "predann"].itertuples():
        scores = json.loads((swept / row.point / "metrics.json").read_text())["models"]["predann"]
        assert row.accuracy == pytest.approx(scores["accuracy"], rel=1e-5)
        assert row.match_ci95_high == pytest.approx(scores["match_ci95"][1], rel=1e-5)


def test_what_points_have_in_common_is_trained_once(swept):
    first, second = (swept / f"w_predann-weight-{weight}" / "fold-1" for weight in ("0.5", "3"))
    same = [(first / f"{m}.ckpt").read_bytes() == (second / f"{m}.ckpt").read_bytes() for m in ("baseline", "predann")]
    assert same == [True, False]


def test_the_same_command_keeps_finished_points(sweeping, swept, capsys):
    before = {path: path.stat().st_mtime_ns for path in swept.glob("w_predann-weight-*/**/*") if path.is_file()}
    capsys.readouterr()
    assert sweeping("predann-weight=0.5,3") == 0
    assert capsys.readouterr().err.count("kept as it is") == 2
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_help_has_examples_and_hides_what_belongs_to_the_participant_level(capsys):
    assert run(tools, ["sweep", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--vary delay=0,0.1,0.2,0.3 seed=0,1,2,42" in shown
    assert "--n-seeds" in shown
    assert "--l-freq" not in shown


def test_a_sweep_does_not_take_the_name_of_a_group_run(sweeping, swept, capsys):
    (swept / "w" / "metrics.json").write_text("{}")
    try:
        assert sweeping("delay=0,0.1") == 64
    finally:
        (swept / "w" / "metrics.json").unlink()
    assert "holds a group run" in capsys.readouterr().err


def test_options_are_those_of_the_program():
    names = {name for option in make_command().params for name in option.opts}
    assert {
        "--config",
        "--preset",
        "--n-seeds",
        "--no-baseline",
        "--participant-label",
        "--stop-on-first-crash",
    } <= names
    assert not {"--fold", "--from-model", "--l-freq", "--stimulus-map"} & names

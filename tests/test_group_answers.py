"""The report's answers and warnings claim what the numbers show, and no more."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_up_metrics import everything, evidence_of, metrics_of, old_metrics, order_of, state_of
from matplotlib.backends.backend_agg import FigureCanvasAgg

from predann_bids.config import resolve
from predann_bids.report.drawing import drawing_style
from predann_bids.report.group.answers import answers, not_computed
from predann_bids.report.group.caveats import caveats
from predann_bids.report.group.figures import FIGURES
from predann_bids.report.group.page import write_group_report
from predann_bids.report.group.sentences import results_sentence
from predann_bids.report.group.tables import TABLES, make_tables
from predann_bids.report.methods.group import group_methods
from predann_bids.report.methods.references import REFERENCES, references
from predann_bids.report.table import Column, Table
from predann_bids.report.words.decoders import DECODER_WORDS
from predann_bids.workflows.group.request import GroupOutcome


def answer(metrics: dict[str, Any], question: str) -> str:
    (found,) = [a.text for a in answers(metrics) if question in a.question]
    return found


def titles(metrics: dict[str, Any]) -> list[str]:
    return [caveat.title for caveat in caveats(metrics)]


def said(metrics: dict[str, Any]) -> str:
    return " ".join(paragraph for caveat in caveats(metrics) for paragraph in caveat.paragraphs)


@pytest.fixture
def metrics() -> dict[str, Any]:
    return everything()


@pytest.fixture
def drawn_without_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("predann_bids.report.drawing.Illustration.png", lambda _: b"")


@pytest.mark.parametrize("name", list(FIGURES))
def test_axis_labels_of_neighbouring_panels_keep_apart_and_inside(name: str) -> None:
    with drawing_style():
        drawn = FIGURES[name](evidence_of(everything()))
        assert drawn is not None
        canvas = FigureCanvasAgg(drawn.figure)
        canvas.draw()
        labels = [axes.xaxis.label for axes in drawn.figure.axes if axes.xaxis.label.get_text()]
        boxes = [label.get_window_extent(canvas.get_renderer()) for label in labels]
    assert all(drawn.figure.bbox.x0 <= box.x0 and box.x1 <= drawn.figure.bbox.x1 for box in boxes)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_chance_is_answered_with_interval_and_both_p_values(metrics: dict[str, Any]) -> None:
    assert answer(metrics, "better than chance").startswith(
        "By song logits, yes: 85 % (95 % interval 77 to 93 %; chance 25 %; permuted labels p = 0.005; Holm-corrected"
        " p = 0.020)."
    )


def test_interval_that_holds_chance_is_no_yes_unless_labels_were_permuted(metrics: dict[str, Any]) -> None:
    scores = metrics["models"]["predann"]
    scores["ci95"] = [0.2, 0.9]
    assert answer(metrics, "better than chance").startswith(
        "By song logits, yes by permuted labels, although its interval holds chance: 85 % (95 % interval 20 to 90 %;"
    )
    assert "permuted labels, Holm-corrected p = 0.020), although the interval holds chance" in results_sentence(metrics)
    scores["permutation"] = None
    assert answer(metrics, "better than chance").startswith("By song logits, not distinguishable from chance: 85 %")


def test_accuracy_is_shown_with_the_interval_that_it_is_judged_by(metrics: dict[str, Any]) -> None:
    scores = metrics["models"]["predann"]
    scores |= {"balanced_accuracy": 0.3, "balanced_ci95": [0.2, 0.4], "permutation": None}
    assert answer(metrics, "better than chance").startswith(
        "By song logits, not distinguishable from chance: 85 % (30 % with every song weighted equally; 95 % interval 20"
        " to 40 %; chance 25 %)."
    )
    shown = (
        "in 85 % of cases by its song logits (30 % with every song weighted equally, 95 % interval 20 to 40 %, chance"
    )
    assert shown in results_sentence(metrics)
    scores |= {"balanced_accuracy": scores["accuracy"], "balanced_ci95": scores["ci95"]}
    assert "weighted" not in results_sentence(metrics)


def test_headline_and_answer_agree_where_permuted_labels_take_a_yes_back(metrics: dict[str, Any]) -> None:
    metrics["models"]["predann"]["permutation"] |= {"p_value": 0.3, "p_holm": 0.6}
    assert "which permuted labels do not confirm" in results_sentence(metrics)


def test_permuted_labels_may_take_a_yes_back(metrics: dict[str, Any]) -> None:
    metrics["models"]["predann"]["permutation"] |= {"p_value": 0.02, "p_holm": 0.08}
    assert "By song logits, yes by its interval, but permuted labels do not confirm it" in answer(
        metrics, "better than chance"
    )


def test_difference_that_holms_correction_removes_is_no_plain_yes(metrics: dict[str, Any]) -> None:
    for row in metrics["comparisons"]:
        row |= {"p_value": 0.04, "p_holm": 0.12}
    assert "song labels only, yes, but not after Holm's correction" in answer(metrics, "networks without it")


def test_of_closed_form_decoders_only_the_best_is_answered_about(metrics: dict[str, Any]) -> None:
    found = answer(metrics, "closed-form decoder (CCA)")
    assert found.startswith("By song logits, yes: +13.0 points")
    assert "ridge" not in found


def test_what_was_not_computed_is_named_with_its_option() -> None:
    options = [option for _, option in not_computed(old_metrics())]
    assert options == ["--permutations N", "--control fingerprint", "--also-split stimulus", "--n-seeds N"]
    assert not_computed(everything()) == []


def test_control_at_chance_calls_for_no_warning(metrics: dict[str, Any]) -> None:
    assert caveats(metrics) == []
    assert answer(metrics, "fingerprint").startswith("More than the fingerprint, by song logits and by match.")


def test_control_as_good_as_real_data_is_warned_of() -> None:
    leaking = everything("chunk", leak=0.55, signature=0.4)
    assert "What PredANN decoded cannot be distinguished from the recordings' fingerprint." in titles(leaking)
    assert "85 % of cases on real data, and in 80 % with music reassigned at random" in said(leaking)
    assert "+5.0 percentage points; 95 % interval −5.0 to +15.0; p = 0.400" in said(leaking)


def test_p_value_alone_withholds_the_claim(metrics: dict[str, Any]) -> None:
    metrics["control"]["fingerprint"]["shifted"]["differences"]["predann"]["match_p_value"] = 0.05
    assert titles(metrics) == ["What PredANN decoded cannot be distinguished from the recordings' fingerprint."]
    assert said(metrics).startswith("By match")


def copies(**changes: Any) -> dict[str, Any]:
    row = {"first": "Aria", "second": "Double", "shift_s": 0.0, "shared_s": 48.0, "share": 1.0}
    return row | {"equal": True, "merged": False} | changes


def test_songs_that_hold_the_same_audio_are_warned_of_with_what_can_be_reached(metrics: dict[str, Any]) -> None:
    metrics |= {"copies": [copies()], "copies_limit": {"accuracy": 0.75, "match_accuracy": 0.8}}
    (caveat,) = caveats(metrics)
    assert caveat.code == "duplicate_stimuli"
    assert "'Aria' and 'Double' are the same audio." in said(metrics)
    assert "is right in 75 % by song logits and 80 % by match, counted from the test windows" in said(metrics)
    assert "--copies merge" in said(metrics)


def test_songs_with_a_common_part_are_not_offered_to_be_merged(metrics: dict[str, Any]) -> None:
    metrics |= {"copies": [copies(shift_s=3.0, equal=False)], "copies_limit": {"accuracy": None, "match_accuracy": 0.8}}
    assert "3.00 s later in 'Double'" in said(metrics)
    assert "is right in 80 % by match" in said(metrics)
    assert "--copies merge" not in said(metrics)


def test_merged_songs_call_for_no_warning(metrics: dict[str, Any]) -> None:
    metrics |= {"copies": [copies(merged=True)], "copies_limit": None}
    assert caveats(metrics) == []


def test_copies_of_held_out_songs_are_not_called_unseen() -> None:
    unseen = everything("stimulus")
    unseen |= {"copies": [copies()], "copies_limit": {"accuracy": None, "match_accuracy": 0.8}}
    assert "Under --split stimulus, the same audio may be trained on" in said(unseen)


def test_leak_that_the_network_does_not_read_is_named_all_the_same() -> None:
    silent = everything("time", signature=0.3)
    assert titles(silent)[-1] == "With this split, songs can be named without any music: the data leak."
    assert "power of each channel in frequency bands is right in 55 % of cases" in said(silent)
    assert "PredANN itself is not shown to use the leak" in said(silent)


def test_leak_is_counted_among_the_intervals_that_were_looked_at(metrics: dict[str, Any]) -> None:
    found = metrics["control"]["fingerprint"]["reassigned"]["models"]["baseline"]
    found |= {"accuracy": 0.32, "ci95": [0.27, 0.37]}
    assert "By song logits, with music reassigned at random: Song label only 32 %" in said(metrics)
    assert "Of 28 such intervals, 1 lies above chance" in said(metrics)


@pytest.mark.parametrize("split", ["chunk", "time"])
def test_splits_within_recordings_are_warned_of(split: str) -> None:
    assert titles(metrics_of(split=split)) == ["This does not show that music was decoded."]


# What may name songs without their music


def warned(metrics: dict[str, Any], code: str) -> str:
    return " ".join(caveat.plain()["text"] for caveat in caveats(metrics) if caveat.code == code)


def test_one_order_for_all_is_warned_of_with_its_numbers(metrics: dict[str, Any]) -> None:
    metrics["order"] = order_of(1.0, p_value=0.0005)
    text = warned(metrics, "order")
    assert text.startswith(
        "For all participants, the songs came in the same order: what was decoded may be their place"
    )
    assert (
        "names the song in 100 % of cases (guessing 25 %; p < 0.001; 32 presentations of 8 participants), guessed from"
        " what was played at that position to the other participants"
    ) in text
    assert "No split can tell the two apart" in text
    assert "labels" not in text


@pytest.mark.parametrize(
    ("accuracy", "words"), [(0.9, "came mostly in the same order"), (0.45, "came partly in the same order: part of")]
)
def test_words_are_graded_by_how_often_positions_name_songs(
    metrics: dict[str, Any], accuracy: float, words: str
) -> None:
    metrics["order"] = order_of(accuracy, p_value=0.0005)
    assert words in warned(metrics, "order")


@pytest.mark.parametrize(
    "order",
    [
        order_of(0.4, p_value=0.02),
        order_of(0.3, p_value=0.0005),
        order_of(1.0, p_value=0.13),
        order_of(None, p_value=None),
    ],
    ids=["unsure", "slight", "too few", "not measured"],
)
def test_order_that_is_not_both_sure_and_substantial_is_not_warned_of(
    metrics: dict[str, Any], order: dict[str, Any]
) -> None:
    metrics["order"] = order
    assert caveats(metrics) == []


def test_order_by_labels_is_said_to_rest_on_them(metrics: dict[str, Any]) -> None:
    metrics["order"] = order_of(1.0, p_value=0.0005, by_labels=True, unit="participant")
    assert "If the labels stand for songs and not for the order in time" in warned(metrics, "order")


def test_order_that_only_sessions_of_one_person_share_leaves_splits_between_people_alone() -> None:
    metrics = metrics_of(split="session") | {"order": order_of(1.0, p_value=0.0005, across="sessions")}
    text = warned(metrics, "order")
    assert text.startswith("In all sessions of a participant")
    assert "No split that trains on the same people" in text
    assert "never seen in training" not in text


def test_order_that_cannot_be_measured_is_noted_on_the_page(
    metrics: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("predann_bids.report.group.page.draw_all", lambda _: {})
    note = "Whether the songs came in a fixed order cannot be measured here"
    assert note not in write_group_report(evidence_of(metrics), tmp_path).read_text(encoding="utf-8")
    metrics["order"] = order_of(None, p_value=None, unit=None, across=None, by_labels=None)
    assert note in write_group_report(evidence_of(metrics), tmp_path).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [(0.8, "most songs"), (0.5, "some songs"), (0.31, "songs slightly more often than by guessing")],
)
def test_band_power_above_chance_is_warned_of_in_graded_words(
    metrics: dict[str, Any], accuracy: float, words: str
) -> None:
    metrics["recording_state"] = state_of(accuracy)
    assert f"is enough to name {words}." in warned(metrics, "recording_state")


def test_band_power_is_no_proof_and_the_control_is_named() -> None:
    metrics = metrics_of() | {"recording_state": state_of(0.5)}
    text = warned(metrics, "recording_state")
    assert (
        "is right in 50 % of cases (95 % interval 45 to 55 %; chance 25 %); PredANN, by song logits, in 85 %." in text
    )
    assert "Test and training data share no person" in text
    assert "not yet proof that a decoder uses it. To measure" in text
    assert "--control fingerprint" in text


def test_band_power_after_a_measured_leak_repeats_nothing() -> None:
    metrics = everything("time", signature=0.3) | {"recording_state": state_of(0.6)}
    assert [caveat.code for caveat in caveats(metrics)][-2:] == ["leak", "recording_state"]
    assert "pieces of the same presentations" in warned(metrics, "leak")
    assert "pieces of the same presentations" not in warned(metrics, "recording_state")
    assert "The fingerprint control measures that." in warned(metrics, "recording_state")


def test_band_power_is_judged_with_every_song_weighted_equally(metrics: dict[str, Any]) -> None:
    metrics["recording_state"] = state_of(0.4) | {"balanced_ci95": [0.22, 0.3]}
    assert caveats(metrics) == []


def test_metrics_without_order_and_state_call_for_no_warning() -> None:
    assert caveats(old_metrics()) == []


def test_held_out_songs_are_scored_by_match_and_retrieval() -> None:
    sentence = results_sentence(metrics_of(split="stimulus"))
    assert "logits" not in sentence
    assert "names the right one of 2 held-out songs in 97 % of cases by matching" in sentence
    assert "picks the right one of 224 moments of these songs in" in sentence


def test_each_split_has_its_own_chance(metrics: dict[str, Any]) -> None:
    assert "chance 50 %" in answer(metrics, "unseen songs")


# Tables


def test_table_file_holds_plain_numbers() -> None:
    columns = (Column("Model", "name"), Column("Lost", "points", "By match"), Column("95 % interval", "interval"))
    table = Table("t", "T", columns, (("a\tb", -0.05, (0.25, 0.5)), ("c", None, None)))
    assert table.tsv() == (
        "model\tby_match_lost\tci95_interval_low\tci95_interval_high\na b\t-0.05\t0.25\t0.5\nc\tn/a\tn/a\tn/a\n"
    )
    assert table.rows == (("a\tb", "−5.0", "25.0 to 50.0"), ("c", "–", "–"))


def test_headings_of_every_table_file_are_unique(metrics: dict[str, Any]) -> None:
    for table in make_tables(evidence_of(metrics)).values():
        header, *lines = table.tsv().splitlines()
        assert len(set(header.split("\t"))) == len(header.split("\t")), table.name
        assert {line.count("\t") for line in lines} == {header.count("\t")}


def test_fold_table_counts_each_window_once(metrics: dict[str, Any]) -> None:
    evidence = evidence_of(metrics)
    twice = replace(evidence, predictions=pd.concat([evidence.predictions, evidence.predictions.assign(seed=1)]))
    assert [row[:3] for row in make_tables(twice)["by_fold"].values] == [(str(fold), 2, 8) for fold in range(1, 5)]


@pytest.mark.usefixtures("drawn_without_png")
def test_run_with_everything_has_every_section_figure_and_table(metrics: dict[str, Any], tmp_path: Path) -> None:
    page = write_group_report(evidence_of(metrics), tmp_path).read_text(encoding="utf-8")
    for name in FIGURES:
        assert f'<figure id="{name}-figure">' in page
    for name in TABLES:
        assert f'href="tables/{name}.tsv"' in page
        assert (tmp_path / "tables" / f"{name}.tsv").is_file()
    for found in answers(metrics):
        assert f'id="{found.section}"' in page
    assert len(page) < 2_500_000


@pytest.mark.usefixtures("drawn_without_png")
def test_older_metrics_still_make_a_page_and_remove_what_is_stale(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "control.tsv").write_text("from an earlier run")
    page = write_group_report(evidence_of(old_metrics()), tmp_path).read_text(encoding="utf-8")
    assert "Comparisons" in page
    assert not (tmp_path / "tables" / "control.tsv").exists()


def test_channels_without_a_place_are_listed_instead_of_mapped(metrics: dict[str, Any]) -> None:
    for channel in metrics["uses"]["channels"]:
        channel["position"] = None
    metrics["uses"]["regions"] = []
    with drawing_style():
        drawn = FIGURES["channels"](evidence_of(metrics))
    assert drawn is not None
    assert "Maps" not in drawn.caption
    assert len(drawn.figure.axes[0].get_yticks()) == 20


# The methods text


def test_methods_describe_all_that_was_computed_and_cite_it(metrics: dict[str, Any]) -> None:
    text = group_methods(resolve(), metrics["protocol"], metrics=metrics)
    for part in ("0 to 0.4 s", "199 permutations", "seeds 0 to 2", "McNemar", "rotated in time", "never tested on"):
        assert part in text
    assert (
        "right in 28 % of cases, where orders at random allow 25 % (1999 permutations of the songs, p = 0.400)" in text
    )
    assert text.count("power of each channel in frequency bands") == 1
    assert "audio features (onsets and log-mel)" in text
    others = " ".join(words.methods for words in DECODER_WORDS.values())  # networks of other papers
    assert [link for _, link in references(text + others)] == [link for *_, link in REFERENCES]


def test_methods_are_silent_about_what_was_not_computed() -> None:
    old = old_metrics()
    text = group_methods(resolve(), old["protocol"], metrics=old)
    for part in (
        "position",
        "frequency bands",
        "temporal response function",
        "fingerprint",
        "McNemar",
        "Holm (",
        "permutations of the labels",
        "similarity analysis",
    ):
        assert part not in text
    assert "Holm, S." not in str(references(text))


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ("time", "4 blocks in time"),
        ("stimulus", "neither audio nor anybody's EEG"),
        ("session", "sessions that contributed nothing"),
        ("run", "runs that contributed nothing"),
    ],
)
def test_methods_say_how_each_split_holds_out(split: str, words: str) -> None:
    assert words in group_methods(
        resolve(flags={"splitting.split": split}), metrics_of()["protocol"] | {"split": split}
    )


def test_too_few_permutations_are_said_to_be_too_few():
    metrics = everything()
    scores = metrics["models"]["predann"]
    scores["permutation"] |= {"p_value": 1 / 21, "p_holm": 6 / 21, "n": 20}
    answer = next(a for a in answers(metrics) if "chance" in a.question)
    assert "20 permutations are too few" in answer.text


def test_a_choice_of_one_is_no_finding():
    metrics = everything("stimulus")
    metrics["models"]["predann"] |= {"match_chance": 1.0, "match_accuracy": 1.0, "match_ci95": [1.0, 1.0]}
    sentence = results_sentence(metrics)
    assert "100 %" not in sentence
    assert "moment" in sentence


def test_a_given_model_is_not_advised_to_train():
    metrics = everything()
    metrics["protocol"]["split"] = "transfer"
    assert {option for _, option in not_computed(metrics)} <= {"--permutations N"}


def test_gravest_warning_stands_between_headline_and_report_on_the_command_line() -> None:
    metrics = metrics_of(split="chunk")
    warnings = [caveat.plain() for caveat in caveats(metrics)]
    assert warnings[0]["code"] == "within_recording_split"
    lines = GroupOutcome(Path("run"), metrics | {"warnings": warnings}, None).lines()
    assert lines[-2] == f"Warning: {warnings[0]['text']}"
    without = GroupOutcome(Path("run"), metrics | {"warnings": []}, None).lines()
    assert without == [line for line in lines if not line.startswith("Warning:")]

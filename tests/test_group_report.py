"""The group report says what was found, draws chance, and warns where it must."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up_metrics import LOGITS_KEYS, evidence_of, metrics_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from predann_bids.config import Science, resolve
from predann_bids.report.drawing import Illustration, drawing_style, shorten
from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.figures import FIGURES
from predann_bids.report.group.page import write_group_report
from predann_bids.report.group.sections import FURTHER, LAYOUT
from predann_bids.report.group.sentences import comparison_sentences, ladder, results_sentence
from predann_bids.report.group.tables import TABLES
from predann_bids.report.methods.group import group_methods
from predann_bids.report.table import Column, Table


@pytest.fixture(scope="module")
def evidence() -> GroupEvidence:
    return evidence_of(metrics_of(models=("predann", "baseline")))


@pytest.fixture(scope="module")
def report(evidence: GroupEvidence, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_group_report(evidence, tmp_path_factory.mktemp("predann"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Report of PredANN alone, for songs with names that HTML and TeX would take for their own."""
    labels = ("<b>&", "$x$ & <script>", "C", "D")
    evidence = evidence_of(metrics_of(labels=labels, models=("predann",)), labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("predann_bids.report.drawing.Illustration.png", lambda _: b"")
        return write_group_report(evidence, tmp_path_factory.mktemp("alone"))


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("predann_bids.report.group.page.draw_all", lambda _: {})


@pytest.fixture
def without_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("predann_bids.report.drawing.Illustration.png", lambda _: b"")


class Text(HTMLParser):
    """The text that a reader sees, and the tags around it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.tags: list[str] = []
        self._hidden = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._hidden = tag in ("style", "title")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._hidden:
            self.pieces.append(data.strip().replace("\u00a0", " "))


def figures_of(page: str) -> Iterator[tuple[str, str]]:
    for found in re.finditer(r'<figure id="(\w+)-figure">(.*?)</figure>', page, re.DOTALL):
        yield found[1], found[2]


def read(report: Path) -> str:
    return report.read_text(encoding="utf-8")


# The sentence


def test_result_stands_in_a_sentence_before_anything_else(report: Path, evidence: GroupEvidence) -> None:
    assert Text(read(report)).pieces[0] == results_sentence(evidence.metrics)


def test_sentence_names_people_length_songs_interval_and_chance(evidence: GroupEvidence) -> None:
    sentence = results_sentence(evidence.metrics)
    assert sentence.startswith(
        "From 3 s of EEG of people it was never trained on, PredANN names the right one of 4 songs in "
    )
    assert re.search(
        r"by its song logits \(95 % interval \d+ to \d+ %, chance 25 %\), and in \d+ % by matching", sentence
    )
    assert "not distinguishable" not in sentence


def test_interval_with_chance_is_called_not_distinguishable(evidence: GroupEvidence) -> None:
    scores = evidence.metrics["models"]["predann"] | {"accuracy": 0.26, "ci95": [0.21, 0.31]}
    sentence = results_sentence(evidence.metrics | {"models": {"predann": scores}})
    assert "in 26 % of cases by its song logits (95 % interval 21 to 31 %, chance 25 %), which is not" in sentence
    assert sentence.count("not distinguishable from chance") == 1


def test_sentence_says_that_parts_of_the_recordings_were_trained_on(evidence: GroupEvidence) -> None:
    chunked = evidence.metrics | {"protocol": evidence.metrics["protocol"] | {"split": "chunk"}}
    assert "of recordings that it was partly trained on" in results_sentence(chunked)


def test_one_participant_gives_no_interval(evidence: GroupEvidence) -> None:
    scores = evidence.metrics["models"]["predann"] | {"ci95": None, "match_ci95": None}
    assert "(no interval, chance 25 %)" in results_sentence(evidence.metrics | {"models": {"predann": scores}})


# The comparison with the baseline


def comparing(difference: float, low: float, high: float, p_value: float) -> dict[str, Any]:
    return {"comparison": {"accuracy_difference": difference, "ci95": [low, high], "p_value": p_value, "test": "flip"}}


def test_difference_is_given_in_percentage_points_with_its_test() -> None:
    (sentence,) = comparison_sentences(comparing(0.052, 0.012, 0.091, 0.0124))
    assert sentence == (
        "By song logits, PredANN is 5.2 percentage points more accurate than the network trained on song labels only"
        " (95 % interval +1.2 to +9.1; p = 0.012, flip)."
    )


def test_interval_with_zero_shows_no_difference() -> None:
    (sentence,) = comparison_sentences(comparing(0.004, -0.02, 0.03, 0.7))
    assert "no difference can be shown" in sentence
    assert "95 % interval −2.0 to +3.0" in sentence


def test_the_ladder_names_what_each_model_learns_from_the_least_first(evidence: GroupEvidence) -> None:
    models = dict.fromkeys(("predann", "cca", "own_moment", "baseline"), evidence.metrics["models"]["predann"])
    (sentence,) = ladder(evidence.metrics | {"models": models})
    places = [sentence.index(name) for name in ("Song label only", "Own moment", "PredANN", "CCA")]
    assert places == sorted(places)
    assert ladder(evidence.metrics | {"models": {"predann": models["predann"]}}) == []


# The page


@pytest.mark.usefixtures("without_figures")
def test_within_recording_split_is_warned_of(tmp_path: Path) -> None:
    page = read(write_group_report(evidence_of(metrics_of(split="chunk", models=("predann",))), tmp_path))
    assert page.index("This does not show that music was decoded") < page.index("<table")
    assert "--split participant" in page


def test_split_by_participant_is_not_warned_of(report: Path) -> None:
    assert 'class="box warning"' not in read(report)


def test_every_figure_draws_chance(report: Path) -> None:
    figures = dict(figures_of(read(report)))
    assert list(figures) == [
        *("accuracy", "comparisons", "retrieval_curves", "retrieval_lengths"),
        *("by_participant", "by_song", "confusion", "by_length", "training"),
    ]
    del figures["comparisons"]  # of which the reference is no difference
    assert all("chance" in text.split("<figcaption>")[0] for text in figures.values())


def test_every_figure_is_there_as_svg_and_as_png(report: Path) -> None:
    names = [name for name, _ in figures_of(read(report))]
    assert sorted(p.name for p in (report.parent / "figures").iterdir()) == sorted(
        f"{name}.{kind}" for name in names for kind in ("svg", "png")
    )


def test_missing_baseline_is_left_out(alone: Path) -> None:
    assert "aseline" not in read(alone).split("<h2>To repeat")[0]


@pytest.mark.usefixtures("without_png")
def test_any_further_model_is_shown(evidence: GroupEvidence, tmp_path: Path) -> None:
    linear = evidence.metrics["models"]["predann"] | dict.fromkeys(LOGITS_KEYS)
    models = evidence.metrics["models"] | {"linear": linear}
    changed = GroupEvidence(**vars(evidence) | {"metrics": evidence.metrics | {"models": models}})
    page = read(write_group_report(changed, tmp_path))
    assert page.count("Linear decoder") > 4
    assert "<td>–</td>" in page


@pytest.mark.usefixtures("without_figures")
def test_figures_of_an_earlier_run_do_not_stay(evidence: GroupEvidence, tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    for kind in ("svg", "png"):
        (tmp_path / "figures" / f"training.{kind}").write_text("from an earlier run")
    write_group_report(evidence, tmp_path)
    assert not list((tmp_path / "figures").iterdir())


def test_training_that_was_not_recorded_has_no_figure(evidence: GroupEvidence) -> None:
    assert FIGURES["training"](replace(evidence, history=pd.DataFrame())) is None


@pytest.mark.usefixtures("without_png")
def test_a_figure_and_a_table_from_elsewhere_are_on_the_page(
    evidence: GroupEvidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    svg = Illustration.svg
    monkeypatch.setattr(Illustration, "svg", lambda figure: svg(figure) if figure.name == "toy" else "")

    @FIGURES.add("toy")
    def draw(evidence: GroupEvidence) -> Illustration:
        return Illustration("toy", "A toy", f"Of {len(evidence.labels)} songs.", Figure(figsize=(1, 1)))

    @TABLES.add("toy")
    def tabulate(evidence: GroupEvidence) -> Table:
        return Table("toy", "A toy", (Column("Song", "name"),), tuple((label,) for label in evidence.labels))

    try:
        page = read(write_group_report(evidence, tmp_path))
    finally:
        FIGURES.remove("toy")
        TABLES.remove("toy")
    assert "Of 4 songs." in dict(figures_of(page))["toy"]
    assert f'id="{FURTHER[0]}"' in page
    assert (tmp_path / "figures" / "toy.svg").is_file()
    assert (tmp_path / "tables" / "toy.tsv").read_text().split() == ["song", *evidence.labels]


def test_a_figure_under_the_name_of_another_is_refused(evidence: GroupEvidence, tmp_path: Path) -> None:
    FIGURES.add("toy")(FIGURES["accuracy"])
    try:
        with pytest.raises(ValueError, match="registered as 'toy' is named 'accuracy'"):
            write_group_report(evidence, tmp_path)
    finally:
        FIGURES.remove("toy")


def test_every_figure_and_every_table_has_one_place_on_the_page() -> None:
    assert sorted(name for place in LAYOUT for name in place.figures) == sorted(FIGURES)
    assert sorted(name for place in LAYOUT for name in place.tables) == sorted(TABLES)


def test_song_names_are_escaped(alone: Path) -> None:
    page = read(alone)
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page
    assert "script" not in Text(page).tags
    assert "$x$" in dict(figures_of(page))["by_song"]


def test_same_evidence_gives_same_bytes(evidence: GroupEvidence, report: Path, tmp_path: Path) -> None:
    again = write_group_report(evidence, tmp_path)
    assert again.read_bytes() == report.read_bytes()
    for path in (report.parent / "figures").iterdir():
        assert path.read_bytes() == (tmp_path / "figures" / path.name).read_bytes(), path.name


def test_page_needs_nothing_from_elsewhere(report: Path) -> None:
    page = read(report)
    assert "<script" not in page
    assert not re.findall(r'(?:src|<link[^>]*href)="|url\(http|@import', page)
    assert len(page) < 500_000


def test_page_holds_no_path_and_no_date(report: Path) -> None:
    page = read(report)
    assert str(report.parent) not in page
    assert not re.search(r"\d{4}-\d\d-\d\d|\d\d:\d\d", page)


def test_identifiers_are_unique(report: Path) -> None:
    identifiers = re.findall(r' id="([^"]+)"', read(report))
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.usefixtures("without_figures")
def test_unequal_songs_are_noted(evidence: GroupEvidence, tmp_path: Path) -> None:
    scores = evidence.metrics["models"]["predann"]
    longer = scores["by_stimulus"] | {"Aria": scores["by_stimulus"]["Aria"] | {"n_windows": 400}}
    models = {"predann": scores | {"by_stimulus": longer}}
    changed = GroupEvidence(**vars(evidence) | {"metrics": evidence.metrics | {"models": models}})
    assert "not tested equally often" in read(write_group_report(changed, tmp_path))


# Many participants, many songs


def overlapping(labels: list[Any], figure: Any) -> list[str]:
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [(label.get_text(), label.get_window_extent(renderer)) for label in labels if label.get_text()]
    return [a for (a, box), (_, other) in pairwise(boxes) if box.padded(-0.5).overlaps(other.padded(-0.5))]


def test_sixty_songs_stay_readable(evidence: GroupEvidence) -> None:
    names = tuple(f"{n:02d} a song with quite a long name, forty" for n in range(60))
    rows = {name: {"accuracy": 0.1, "match_accuracy": 0.3, "n_windows": 9} for name in names}
    counts = (np.eye(60, dtype=int) * 9).tolist()
    models = {"predann": {"by_stimulus": rows, "confusion": counts, "match_confusion": counts}}
    many = replace(evidence, metrics=evidence.metrics | {"models": models, "chance": 1 / 60}, labels=names)
    for drawn in (FIGURES["by_song"](many), FIGURES["confusion"](many)):
        assert drawn is not None
        with drawing_style():
            FigureCanvasAgg(drawn.figure).draw()
            axes = drawn.figure.axes[0]
            labels = axes.get_yticklabels()
            assert not overlapping(labels, drawn.figure)
            assert not overlapping(axes.get_xticklabels(), drawn.figure)
        assert all(label.get_fontsize() >= 5 for label in labels)
        assert min(label.get_window_extent().x0 for label in labels) >= 0


def test_long_names_end_in_an_ellipsis() -> None:
    assert shorten("x" * 40, 10) == "x" * 9 + "…"
    assert shorten("short", 10) == "short"


# The methods text


def test_methods_give_the_numbers_of_the_run(evidence: GroupEvidence) -> None:
    text = group_methods(evidence.science, evidence.metrics["protocol"])
    for part in ("8 participants", "4 songs", "windows of 3 s", "0.2 s later", "4 folds", "never tested on", "199"):
        assert part in text


def test_methods_are_silent_about_a_baseline_that_was_not_trained(evidence: GroupEvidence) -> None:
    text = group_methods(resolve(flags={"training.baseline": False}), evidence.metrics["protocol"])
    assert "baseline" not in text
    assert "sign-flip" not in text


def test_methods_name_the_flaw_of_chunks(evidence: GroupEvidence) -> None:
    science: Science = resolve(flags={"splitting.split": "chunk"})
    text = group_methods(science, evidence.metrics["protocol"] | {"n_folds": 1, "split": "chunk"})
    assert "a quarter of the chunks" in text
    assert "does not show that music was decoded" in text

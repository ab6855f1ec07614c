"""The group report: one page that lets a reader, a reviewer and a sceptic see what the decoders can do.

The result stands first, in a sentence that says so when it is none; what limits it comes before any figure.
"""

from __future__ import annotations

import math
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from predann_bids import __version__
from predann_bids.config import Science
from predann_bids.data.splits import WITHIN_RECORDING
from predann_bids.files import write_text, written_whole
from predann_bids.report.figures import (
    BY_LOGITS,
    BY_MATCH,
    Illustration,
    Models,
    Scores,
    drawing_style,
    evaluated,
    illustrate,
    match_chance,
    style_of,
)
from predann_bids.report.methods import GROUP_REFERENCES, group_methods

NOTHING = "–"  # shown for what was not computed
MOST_ROWS_OPEN = 20  # longer tables are folded
PACKAGES = ("torch", "lightning", "mne", "numpy")
FIGURES = ("accuracy", "by_participant", "by_song", "confusion", "by_length", "training")
TESTED_ON = {
    "participant": "of people it was never trained on",
    "stimulus": "of people hearing songs it was never trained on",
}
SIGNIFICANT = 0.05
NOTEWORTHY_IMBALANCE = 1.1  # the most frequent song has this many times the share that it would have among equals


@dataclass(frozen=True)
class GroupEvidence:
    """Everything that a group run has found.

    Parameters
    ----------
    label : str
        Name of the run.
    science : Science
        Resolved configuration.
    metrics : mapping
        Content of metrics.json.
    predictions : DataFrame
        Content of predictions.tsv.
    history : DataFrame
        Columns `fold model epoch` and the losses (or accuracies) of each epoch.
    labels : tuple of str
        Names of the stimuli, in the order of the confusion matrices.
    notes : tuple of str
        Sentences that a reader should know.
    """

    label: str
    science: Science
    metrics: Mapping[str, Any]
    predictions: pd.DataFrame
    history: pd.DataFrame
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table as text; the first column holds names, the others numbers.

    Parameters
    ----------
    title : str
        Heading.
    groups : tuple of (str, int)
        Headings above the columns, and how many columns each spans; empty for none.
    header : tuple of str
        Names of the columns.
    rows : tuple of tuple of str
        Cells.
    """

    title: str
    groups: tuple[tuple[str, int], ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def is_long(self) -> bool:
        """Whether it is better folded."""
        return len(self.rows) > MOST_ROWS_OPEN


def write_group_report(evidence: GroupEvidence, directory: Path) -> Path:
    """Write `report.html` and `figures/` of a group run, each file whole or not at all.

    Parameters
    ----------
    evidence : GroupEvidence
        What was found.
    directory : Path
        Directory of the run, `OUTPUT_DIR/group/NAME`.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ReadOrWriteFailed
        A file cannot be written.
    TryAgain
        No space is left.
    """
    illustrations = illustrate(evidence.metrics, evidence.history, evidence.labels)
    drawn = {}
    with drawing_style():
        for illustration in illustrations:
            drawn[illustration.name] = illustration.svg()
            _write_figure(directory / "figures", illustration, drawn[illustration.name])
    for stale in set(FIGURES) - set(drawn):
        for kind in ("svg", "png"):
            (directory / "figures" / f"{stale}.{kind}").unlink(missing_ok=True)
    page = directory / "report.html"
    write_text(page, _page(evidence, illustrations, drawn))
    return page


def results_sentence(metrics: Mapping[str, Any]) -> str:
    """Say in one sentence what the first model can do, and whether that is more than chance.

    Parameters
    ----------
    metrics : mapping
        Content of metrics.json.
    """
    models = evaluated(metrics)
    if not models:
        return "No decoder was evaluated."
    model, scores = next(iter(models.items()))
    protocol, chance = metrics["protocol"], metrics.get("chance")
    by_logits = _finding(scores, "accuracy", "ci95", chance, "of cases by its song logits", name_chance=True)
    counted = match_chance(scores, chance)
    by_match = _finding(
        scores,
        "match_accuracy",
        "match_ci95",
        counted,
        "by matching EEG to the audio of the same moment" if by_logits else "of cases by matching EEG to audio",
        name_chance=not by_logits or _share(counted) != _share(chance),
    )
    findings = ", and ".join(finding for finding in (by_logits, by_match) if finding) or "in an unknown share of cases"
    return (
        f"From {_shortest_length(scores, protocol)} s of EEG {_tested_on(protocol['split'])}, {style_of(model).name}"
        f" names the right one of {protocol['n_stimuli']} songs {findings}."
    )


def _finding(
    scores: Scores, accuracy: str, interval: str, chance: float | None, how: str, *, name_chance: bool
) -> str | None:
    if scores.get(accuracy) is None:
        return None
    limits = scores.get(interval)
    details = [f"95 % interval {_range(limits)}" if limits else "no interval"]
    if name_chance and chance is not None:
        details.append(f"chance {_share(chance)}")
    verdict = _verdict(limits, chance)
    return f"in {_share(scores[accuracy])} {how} ({', '.join(details)}){f', {verdict}' if verdict else ''}"


def _verdict(limits: Sequence[float] | None, chance: float | None) -> str:
    if limits is None or chance is None:
        return ""
    low, high = limits
    if low <= chance <= high:
        return "which is not distinguishable from chance"
    return "which is below chance" if high < chance else ""


def _tested_on(split: str) -> str:
    if split in WITHIN_RECORDING:
        return "of recordings it was trained on parts of"
    return TESTED_ON.get(split, "it was not trained on")


def _shortest_length(scores: Scores, protocol: Mapping[str, Any]) -> str:
    # Accuracy is that of the first length that was evaluated.
    return next(iter(scores.get("by_length") or ()), f"{protocol['window']:g}")


def comparison_sentences(metrics: Mapping[str, Any]) -> list[str]:
    """Say by how much PredANN is better than its baseline, by song logits and by match, or that nothing can be shown.

    Parameters
    ----------
    metrics : mapping
        Content of metrics.json.
    """
    comparison = metrics.get("comparison")
    if not comparison:
        return []
    return [
        sentence
        for name, prefix in ((BY_LOGITS, ""), (BY_MATCH, "match_"))
        if (sentence := _comparison(comparison, name, prefix))
    ]


def _comparison(comparison: Mapping[str, Any], name: str, prefix: str) -> str | None:
    difference, limits, p_value = (
        comparison.get(f"{prefix}{key}") for key in ("accuracy_difference", "ci95", "p_value")
    )
    if difference is None or limits is None:
        return None
    interval = f"95 % interval {_points(limits[0])} to {_points(limits[1])}"
    tested = f"{interval}; p {_p(p_value)}, {comparison['test']}" if p_value is not None else interval
    if limits[0] <= 0 <= limits[1]:
        return (
            f"{name}, no difference can be shown between PredANN and its baseline"
            f" ({_points(difference)} percentage points, {tested})."
        )
    direction = "more" if difference > 0 else "less"
    doubt = ", but the test does not confirm this" if p_value is not None and p_value >= SIGNIFICANT else ""
    return (
        f"{name}, PredANN is {_points(abs(difference)).removeprefix('+')} percentage points {direction} accurate than"
        f" its baseline ({tested}){doubt}."
    )


# Tables


def _model_table(models: Models, metrics: Mapping[str, Any]) -> Table:
    chance, n_songs = metrics.get("chance"), metrics["protocol"]["n_stimuli"]
    permuted = any(scores.get("permutation") for scores in models.values())
    rows = [
        (
            style_of(model).name,
            _cell(scores.get("accuracy")),
            _range(scores.get("ci95"), digits=1),
            _cell(scores.get("balanced_accuracy")),
            _cell(scores.get("top3_accuracy")),
            _cell(scores.get("match_accuracy")),
            _range(scores.get("match_ci95"), digits=1),
            *([_permutation(scores)] if permuted else []),
        )
        for model, scores in models.items()
    ]
    counted = next((match_chance(scores, chance) for scores in models.values()), chance)
    top3 = 3 / n_songs if n_songs > 3 else None
    guess = ["Chance", _cell(chance), "", _cell(chance), _cell(top3), _cell(counted), ""]
    header = ["Model", "Accuracy", "95 % interval", "Balanced", "Top 3", "Accuracy", "95 % interval"]
    groups = [("", 1), (BY_LOGITS, 4), (BY_MATCH, 2)]
    if permuted:
        header, guess, groups = [*header, "p"], [*guess, ""], [*groups, ("Permutation", 1)]
    return Table("Models", tuple(groups), tuple(header), (*rows, tuple(guess)))


def _permutation(scores: Scores) -> str:
    p_value = (scores.get("permutation") or {}).get("p_value")
    return NOTHING if p_value is None else _p(p_value)


def _retrieval_table(models: Models) -> Table | None:
    found = {model: scores["retrieval"] for model, scores in models.items() if scores.get("retrieval")}
    if not found:
        return None
    rows = tuple(
        (
            style_of(model).name,
            *(_cell(r.get(key)) for key in ("top1", "top5", "chance_top1")),
            NOTHING if r.get("mean_reciprocal_rank") is None else f"{r['mean_reciprocal_rank']:.3f}",
            NOTHING if r.get("n_candidates") is None else f"{r['n_candidates']:g}",
        )
        for model, r in found.items()
    )
    header = ("Model", "Top 1", "Top 5", "Chance of top 1", "Mean reciprocal rank", "Candidates")
    return Table("Which moment was heard", (), header, rows)


def _breakdown_table(models: Models, key: str, title: str, name: str) -> Table | None:
    names = list(dict.fromkeys(row for scores in models.values() for row in scores.get(key) or ()))
    if not names:
        return None
    names = sorted(names) if key == "by_participant" else names
    tables = [scores.get(key) or {} for scores in models.values()]
    rows = []
    for row in names:
        cells = [table.get(row) or {} for table in tables]
        windows = next((cell["n_windows"] for cell in cells if cell.get("n_windows") is not None), NOTHING)
        rows.append(
            (row, str(windows), *(_cell(cell.get(a)) for cell in cells for a in ("accuracy", "match_accuracy")))
        )
    return _by_model(title, models, (name, "Windows"), rows)


def _fold_table(predictions: pd.DataFrame, models: Models) -> Table | None:
    """Accuracy of each fold, from the shortest segments: a fold whose training failed stands out."""
    needed = {"model", "fold", "participant", "stimulus", "length", "aggregation", "predicted"}
    if not needed <= set(predictions.columns) or predictions.empty:
        return None
    shortest = predictions[predictions["length"] == predictions["length"].min()]
    correct = shortest.assign(correct=shortest["stimulus"] == shortest["predicted"])
    means = correct.groupby(["fold", "model", "aggregation"])["correct"].mean().to_dict()
    first = correct[(correct["model"] == correct["model"].iloc[0]) & (correct["aggregation"] == "mean")]
    rows = [
        (
            str(fold),
            str(part["participant"].nunique()),
            str(len(part)),
            *(_cell(means.get((fold, model, how))) for model in models for how in ("mean", "match")),
        )
        for fold, part in first.groupby("fold")
    ]
    return _by_model("By fold", models, ("Fold", "Participants", "Windows"), rows) if rows else None


def _by_model(title: str, models: Models, first: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    groups = (("", len(first)), *((style_of(model).name, 2) for model in models))
    return Table(title, groups, (*first, *(["Logits (%)", "Match (%)"] * len(models))), tuple(rows))


# The page


def _page(evidence: GroupEvidence, illustrations: Sequence[Illustration], drawn: Mapping[str, str]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    metrics, models = evidence.metrics, evaluated(evidence.metrics)
    protocol = metrics["protocol"]
    environment = Environment(
        loader=PackageLoader("predann_bids.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["units"] = _keep_units
    tables = (
        _breakdown_table(models, "by_participant", "By participant", "Participant"),
        _breakdown_table(models, "by_stimulus", "By song", "Song"),
        _fold_table(evidence.predictions, models),
    )
    return environment.get_template("group.html.j2").render(
        label=evidence.label,
        version=__version__,
        sentence=results_sentence(metrics),
        facts=_facts(protocol, models),
        within_recording=protocol["split"] in WITHIN_RECORDING,
        notes=[*evidence.notes, *_imbalance(models, metrics.get("chance"))],
        scores=[table for table in (_model_table(models, metrics), _retrieval_table(models)) if table],
        comparisons=comparison_sentences(metrics),
        # matplotlib escapes what it writes into SVG
        figures=[(illustration, Markup(drawn[illustration.name])) for illustration in illustrations],
        tables=[table for table in tables if table],
        methods=group_methods(evidence.science, protocol).split("\n\n"),
        references=GROUP_REFERENCES,
        versions=_versions(),
        configuration=_configuration(evidence.science),
        command=f"predann-bids BIDS_DIR OUTPUT_DIR group --config config.toml --label {shlex.quote(evidence.label)}",
    )


def _facts(protocol: Mapping[str, Any], models: Models) -> list[str]:
    windows = [row["n_windows"] for scores in models.values() for row in (scores.get("by_participant") or {}).values()]
    facts = [
        _count(protocol["n_participants"], "participant"),
        _count(protocol["n_stimuli"], "song"),
        f"split by {protocol['split']}, {_count(protocol['n_folds'], 'fold')}",
        f"windows of {protocol['window']:g} s, EEG {protocol['delay']:g} s after the audio",
        f"preset {protocol['preset']}",
        f"seed {protocol['seed']}",
    ]
    if windows:
        facts.insert(2, _count(sum(windows) // len(models), "test window"))
    return facts


def _imbalance(models: Models, chance: float | None) -> list[str]:
    songs = next((scores.get("by_stimulus") for scores in models.values()), None) or {}
    counts = [row.get("n_windows") or 0 for row in songs.values()]
    if chance is None or not sum(counts):
        return []
    share = max(counts) / sum(counts)
    if share <= NOTEWORTHY_IMBALANCE * chance:
        return []
    return [
        f"The songs were not tested equally often: a decoder that always named the most frequent one would be right in"
        f" {_share(share)} of cases, more than the {_share(chance)} of an even guess. Compare the balanced accuracy"
        " with chance."
    ]


def _versions() -> list[tuple[str, str]]:
    return [
        ("predann-bids", __version__),
        ("python", platform.python_version()),
        *((name, _version(name)) for name in PACKAGES),
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return NOTHING


def _configuration(science: Science) -> str:
    import tomli_w

    return tomli_w.dumps(science.model_dump(mode="json", exclude_none=True))


def _write_figure(directory: Path, illustration: Illustration, svg: str) -> None:
    write_text(directory / f"{illustration.name}.svg", svg)
    with written_whole(directory / f"{illustration.name}.png") as beside:
        beside.write_bytes(illustration.png())


# Numbers as text


def _share(value: float | None) -> str:
    """Write a share for a sentence, as precisely as a reader needs."""
    if value is None:
        return NOTHING
    return f"{100 * value:.{1 if value < 0.0995 else 0}f} %"


def _cell(value: float | None) -> str:
    """Write a share in percent for a table, without its unit."""
    return NOTHING if value is None or math.isnan(value) else f"{100 * value:.1f}"


def _range(limits: Sequence[float] | None, digits: int | None = None) -> str:
    if limits is None:
        return NOTHING
    if digits is not None:
        return " to ".join(f"{100 * limit:.{digits}f}" for limit in limits)
    low, high = (f"{100 * limit:.{1 if limits[1] < 0.0995 else 0}f}" for limit in limits)
    return f"{low} to {high} %"


def _points(difference: float) -> str:
    """Write a difference of shares in percentage points, with its sign."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _keep_units(text: str) -> str:
    """Keep a number and its unit on one line."""
    return text.replace(" %", "\u00a0%").replace(" s ", "\u00a0s ").replace("p < ", "p\u00a0<\u00a0")

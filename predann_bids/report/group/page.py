"""The group report: one page that lets a reader, a reviewer and a sceptic see what the decoders can do.

The result stands first, in a sentence that says so when it is none; what limits it comes before any figure.
"""

from __future__ import annotations

import platform
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from predann_bids import __version__
from predann_bids.config import Science
from predann_bids.errors import ReadOrWriteFailed
from predann_bids.files import write_text, written_whole
from predann_bids.report import text
from predann_bids.report.evidence import Models, evaluated, is_given, signs_can_decide
from predann_bids.report.group.answers import answers, not_computed
from predann_bids.report.group.caveats import caveats
from predann_bids.report.group.figures import FIGURES, Illustration, drawing_style, illustrate
from predann_bids.report.group.sections import sections
from predann_bids.report.group.sentences import comparison_sentences, results_sentence
from predann_bids.report.group.tables import TABLES, all_tables
from predann_bids.report.methods.group import group_methods
from predann_bids.report.methods.references import references
from predann_bids.report.pages import template
from predann_bids.report.table import Table

__all__ = ["GroupEvidence", "comparison_sentences", "results_sentence", "write_group_report"]

PACKAGES = ("torch", "lightning", "mne", "numpy")
KINDS = ("svg", "png")  # of figures
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


def write_group_report(evidence: GroupEvidence, directory: Path, on_figure: Callable[[], None] = lambda: None) -> Path:
    """Write `report.html`, `figures/` and `tables/` of a group run, each file whole or not at all.

    Parameters
    ----------
    evidence : GroupEvidence
        What was found.
    directory : Path
        Directory of the run, `OUTPUT_DIR/group/NAME`.
    on_figure : callable
        Called before each figure.

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
            on_figure()
            drawn[illustration.name] = illustration.svg()
            _write_figure(directory / "figures", illustration, drawn[illustration.name])
    _remove_stale(directory / "figures", {f"{name}.{kind}" for name in set(FIGURES) - set(drawn) for kind in KINDS})
    tables = all_tables(evidence.metrics, evidence.predictions)
    for table in tables.values():
        write_text(directory / "tables" / f"{table.name}.tsv", table.tsv())
    _remove_stale(directory / "tables", {f"{name}.tsv" for name in set(TABLES) - set(tables)})
    page = directory / "report.html"
    write_text(page, _page(evidence, illustrations, drawn, tables))
    return page


def _remove_stale(directory: Path, names: set[str]) -> None:
    try:
        for name in sorted(names):
            (directory / name).unlink(missing_ok=True)
    except OSError as error:
        raise ReadOrWriteFailed(f"{directory / name} of an earlier run cannot be removed: {error.strerror}.") from error


def _page(
    evidence: GroupEvidence,
    illustrations: Sequence[Illustration],
    drawn: Mapping[str, str],
    tables: Mapping[str, Table],
) -> str:
    from markupsafe import Markup

    metrics, models = evidence.metrics, evaluated(evidence.metrics)
    methods = group_methods(evidence.science, metrics["protocol"], metrics=metrics)
    return template("group.html.j2").render(
        label=evidence.label,
        version=__version__,
        sentence=results_sentence(metrics),
        facts=_facts(metrics["protocol"], models),
        answers=answers(metrics),
        not_computed=not_computed(metrics),
        caveats=caveats(metrics),
        notes=[*evidence.notes, *_imbalance(models, metrics.get("chance")), *_few_participants(metrics)],
        sections=sections(metrics, {illustration.name for illustration in illustrations}, tables),
        figures={illustration.name: illustration for illustration in illustrations},
        # matplotlib escapes what it writes into SVG
        drawn={name: Markup(svg) for name, svg in drawn.items()},
        methods=methods.split("\n\n"),
        references=references(methods),
        versions=_versions(),
        configuration=_configuration(evidence.science),
        command=f"predann-bids BIDS_DIR OUTPUT_DIR group --config config.toml --label {shlex.quote(evidence.label)}"
        + (" --from-model THE_SAME_MODEL" if is_given(metrics["protocol"]) else ""),
    )


def _facts(protocol: Mapping[str, Any], models: Models) -> list[str]:
    windows = [row["n_windows"] for row in (next(iter(models.values()), {}).get("by_participant") or {}).values()]
    n_seeds = protocol.get("n_seeds") or 1
    seeds = protocol.get("seeds") or range(protocol["seed"], protocol["seed"] + n_seeds)
    facts = [
        text.count(protocol["n_participants"], "participant"),
        text.count(protocol["n_stimuli"], "song"),
        f"split by {protocol['split']}, {text.count(protocol['n_folds'], 'fold')}",
        f"windows of {protocol['window']:g} s, EEG {protocol['delay']:g} s after the audio",
        f"preset {protocol['preset']}",
        f"seed {protocol['seed']}" if n_seeds == 1 else f"seeds {text.listed([str(seed) for seed in seeds])}",
    ]
    if windows:
        facts.insert(2, text.count(sum(windows), "test window"))
    return facts


def _imbalance(models: Models, chance: float | None) -> list[str]:
    scores = next(iter(models.values()), {})
    songs = scores.get("by_stimulus") or {}
    counts = [row.get("n_windows") or 0 for row in songs.values()]
    if chance is None or not sum(counts) or scores.get("accuracy") is None:
        return []
    share = max(counts) / sum(counts)
    if share <= NOTEWORTHY_IMBALANCE * chance:
        return []
    return [
        f"The songs were not tested equally often: a decoder that always named the most frequent one would be right in"
        f" {text.share(share)} of cases, more than the {text.share(chance)} of an even guess. Compare the balanced"
        " accuracy with chance."
    ]


def _few_participants(metrics: Mapping[str, Any]) -> list[str]:
    number = metrics["protocol"]["n_participants"]
    if signs_can_decide(metrics):
        return []
    return [
        f"With {text.count(number, 'participant')}, no test that flips signs over participants can reach p < 0.05:"
        " differences are judged by their intervals alone."
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
        return text.NOTHING


def _configuration(science: Science) -> str:
    import tomli_w

    return tomli_w.dumps(science.model_dump(mode="json", exclude_none=True))


def _write_figure(directory: Path, illustration: Illustration, svg: str) -> None:
    write_text(directory / f"{illustration.name}.svg", svg)
    with written_whole(directory / f"{illustration.name}.png") as beside:
        beside.write_bytes(illustration.png())

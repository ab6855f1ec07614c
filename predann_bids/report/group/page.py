"""The group report: one page that lets a reader, a reviewer and a sceptic see what the decoders can do.

The result comes first, in a sentence that says so when there is none; what limits it comes before any figure.
"""

from __future__ import annotations

import platform
import shlex
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from predann_bids import __version__
from predann_bids.config import Science
from predann_bids.errors import ReadOrWriteFailed
from predann_bids.files import write_text
from predann_bids.report import text
from predann_bids.report.drawing import Illustration, drawing_style, write_figure
from predann_bids.report.group.answers import answers, not_computed
from predann_bids.report.group.believe import believe_sentence
from predann_bids.report.group.caveats import caveats
from predann_bids.report.group.confounds import order_notes
from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.figures import FIGURES, draw_all
from predann_bids.report.group.sections import sections
from predann_bids.report.group.sentences import results_sentence
from predann_bids.report.group.tables import TABLES, make_tables
from predann_bids.report.methods.group import group_methods
from predann_bids.report.methods.references import references
from predann_bids.report.pages import template
from predann_bids.report.scores import is_given
from predann_bids.report.table import Table
from predann_bids.report.words.splits import fact_about

__all__ = ["GroupEvidence", "results_sentence", "write_group_report"]

PACKAGES = ("torch", "lightning", "mne", "numpy")
KINDS = ("svg", "png")  # of figures
NOTEWORTHY_IMBALANCE = 1.1  # the most frequent song has this many times the share that it would have among equals


def write_group_report(evidence: GroupEvidence, directory: Path, on_figure: Callable[[], None] = lambda: None) -> Path:
    """Write `report.html`, `figures/` and `tables/` of a group run, each file whole or not at all.

    Parameters
    ----------
    evidence : GroupEvidence
        The results.
    directory : Path
        Directory of the run, `OUTPUT_DIR/group/NAME`.
    on_figure : callable
        Called before each figure is written.

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
    figures, svgs = draw_all(evidence), {}
    with drawing_style():
        for name, figure in figures.items():
            on_figure()
            svgs[name] = write_figure(figure, directory / "figures")
    _remove_stale(directory / "figures", {f"{name}.{kind}" for name in set(FIGURES) - set(figures) for kind in KINDS})
    tables = make_tables(evidence)
    for name, table in tables.items():
        write_text(directory / "tables" / f"{name}.tsv", table.tsv())
    _remove_stale(directory / "tables", {f"{name}.tsv" for name in set(TABLES) - set(tables)})
    page = directory / "report.html"
    write_text(page, _page(evidence, figures, svgs, tables))
    return page


def _remove_stale(directory: Path, names: set[str]) -> None:
    try:
        for name in sorted(names):
            (directory / name).unlink(missing_ok=True)
    except OSError as error:
        raise ReadOrWriteFailed(
            f"{directory / name} from an earlier run cannot be removed: {error.strerror}."
        ) from error


def _page(
    evidence: GroupEvidence,
    figures: Mapping[str, Illustration],
    svgs: Mapping[str, str],
    tables: Mapping[str, Table],
) -> str:
    from markupsafe import Markup

    metrics = evidence.metrics
    methods = group_methods(evidence.science, evidence.protocol, metrics=metrics)
    return template("group.html.j2").render(
        label=evidence.label,
        version=__version__,
        sentence=results_sentence(metrics),
        believe=believe_sentence(metrics),
        facts=_facts(evidence),
        answers=answers(metrics),
        not_computed=not_computed(metrics),
        caveats=caveats(metrics),
        notes=[*evidence.notes, *_imbalance(evidence), *order_notes(metrics)],
        sections=sections(metrics, figures, tables),
        figures=figures,
        # matplotlib escapes what it writes into SVG
        svgs={name: Markup(svg) for name, svg in svgs.items()},
        methods=methods.split("\n\n"),
        references=references(methods),
        versions=_versions(),
        configuration=_configuration(evidence.science),
        command=f"predann-bids BIDS_DIR OUTPUT_DIR group --config config.toml --label {shlex.quote(evidence.label)}"
        + (" --from-model THE_SAME_MODEL" if is_given(evidence.protocol) else ""),
    )


def _facts(evidence: GroupEvidence) -> list[str]:
    protocol = evidence.protocol
    windows = [row["n_windows"] for row in (_first(evidence).get("by_participant") or {}).values()]
    n_seeds = protocol.get("n_seeds") or 1
    seeds = protocol.get("seeds") or range(protocol["seed"], protocol["seed"] + n_seeds)
    facts = [
        text.count(protocol["n_participants"], "participant"),
        text.count(protocol["n_stimuli"], "song"),
        f"{fact_about(protocol['split'])}, {text.count(protocol['n_folds'], 'fold')}",
        f"windows of {protocol['window']:g} s, EEG {protocol['delay']:g} s after the audio",
        *_strength(evidence.metrics),
        f"preset {protocol['preset']}",
        f"seed {protocol['seed']}" if n_seeds == 1 else f"seeds {text.listed([str(seed) for seed in seeds])}",
    ]
    if windows:
        facts.insert(2, text.count(sum(windows), "test window"))
    return facts


def _strength(metrics: Mapping[str, Any]) -> list[str]:
    strength, limits = metrics.get("strength"), metrics.get("strength_ci95")
    if strength is None:
        return []
    within = f" ({limits[0]:.3f} to {limits[1]:.3f})" if limits else ""
    return [f"response r = {strength:.3f}{within}, linear reconstruction on held-out data"]


def _first(evidence: GroupEvidence) -> Mapping[str, Any]:
    """Return the scores of the first model."""
    return next(iter(evidence.models.values()), {})


def _imbalance(evidence: GroupEvidence) -> list[str]:
    scores, chance = _first(evidence), evidence.chance
    counts = [row.get("n_windows") or 0 for row in (scores.get("by_stimulus") or {}).values()]
    if chance is None or not sum(counts) or scores.get("accuracy") is None:
        return []
    share = max(counts) / sum(counts)
    if share <= NOTEWORTHY_IMBALANCE * chance:
        return []
    return [
        "The songs were not tested equally often: a decoder that always named the most frequent one would be right in"
        f" {text.share(share)} of cases, more often than the {text.share(chance)} of a uniform guess. Compare the"
        " balanced accuracy with chance."
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

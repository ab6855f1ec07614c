"""The files of a sweep: tables, figures and the page, with all points side by side."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from predann_bids import __version__
from predann_bids.files import write_text
from predann_bids.report.drawing import Illustration, drawing_style, write_figure
from predann_bids.report.pages import template
from predann_bids.report.sweep.evidence import SweepEvidence
from predann_bids.report.sweep.figures import sweep_figures
from predann_bids.report.sweep.layout import MOST_DIMENSIONS, drawn_keys
from predann_bids.report.sweep.lengths import sweep_length_figure
from predann_bids.report.sweep.results import breakdown_table, length_table, score_table, seed_table, tsv, value_text
from predann_bids.report.sweep.sentences import cautions, chance_in_words, facts, seed_sentences, summary
from predann_bids.report.sweep.tables import tabulate_breakdowns, tabulate_points, tabulate_seeds

__all__ = ["SweepEvidence", "write_sweep"]


def write_sweep(evidence: SweepEvidence, directory: Path, *, page: bool = True) -> None:
    """Write `sweep.tsv` and its companions, and, for people, `sweep.html` and `figures/`.

    Parameters
    ----------
    evidence : SweepEvidence
        The results, of at least one point.
    directory : Path
        `OUTPUT_DIR/group/NAME`.
    page : bool
        Whether to write the page and its figures.
    """
    frames = _Frames.of(evidence)
    for name, frame in frames.files().items():
        write_text(directory / f"{name}.tsv", tsv(frame))
    if frames.seeds is None:
        (directory / "sweep_over_seeds.tsv").unlink(missing_ok=True)
    if not page:
        (directory / "sweep.html").unlink(missing_ok=True)  # it would show an earlier sweep
        return
    figures = _draw(evidence, frames)
    with drawing_style():
        svgs = {name: write_figure(figure, directory / "figures") for name, figure in figures.items()}
    for file in (directory / "figures").glob("sweep*.*"):
        if file.stem not in figures:
            file.unlink()
    write_text(directory / "sweep.html", _page(evidence, frames, figures, svgs))


@dataclass(frozen=True)
class _Frames:
    """The results of all points, one frame for each file."""

    scores: pd.DataFrame
    lengths: pd.DataFrame
    breakdowns: Mapping[str, pd.DataFrame]
    seeds: pd.DataFrame | None

    @classmethod
    def of(cls, evidence: SweepEvidence) -> _Frames:
        scores = score_table(evidence.results)
        return cls(
            scores,
            length_table(evidence.results),
            {by: breakdown_table(evidence.results, by) for by in ("stimulus", "participant")},
            seed_table(scores, evidence.keys) if evidence.seed else None,
        )

    def files(self) -> dict[str, pd.DataFrame]:
        """Return each frame with the stem of its file."""
        frames = {"sweep": self.scores, "sweep_by_length": self.lengths}
        frames |= {f"sweep_by_{by}": frame for by, frame in self.breakdowns.items()}
        return frames if self.seeds is None else frames | {"sweep_over_seeds": self.seeds}


def _draw(evidence: SweepEvidence, frames: _Frames) -> dict[str, Illustration]:
    over_seeds = frames.seeds is not None and len(evidence.keys) > 1
    table = frames.seeds if frames.seeds is not None and over_seeds else frames.scores
    with drawing_style():
        figures = sweep_figures(table, drawn_keys(evidence.keys), over_seeds=over_seeds)
        by_length = sweep_length_figure(frames.lengths, evidence.names, evidence.model)
    return {figure.name: figure for figure in [*figures, *([by_length] if by_length else [])]}


def _page(
    evidence: SweepEvidence, frames: _Frames, figures: Mapping[str, Illustration], svgs: Mapping[str, str]
) -> str:
    from markupsafe import Markup

    # matplotlib escapes what it writes into SVG
    pictures = {name: (figure, Markup(svgs[name])) for name, figure in figures.items()}
    return template("sweep.html.j2").render(
        label=evidence.label,
        version=__version__,
        sentence=summary(evidence),
        facts=facts(evidence),
        missing=evidence.missing,
        cautions=cautions(evidence),
        seeds=seed_sentences(evidence, frames.seeds),
        seed_table=None if frames.seeds is None else tabulate_seeds(evidence, frames.seeds),
        by_length=pictures.pop("sweep_by_length", None),
        pictures=list(pictures.values()),
        undrawn=len(drawn_keys(evidence.keys)) > MOST_DIMENSIONS,
        most_dimensions=MOST_DIMENSIONS,
        table=tabulate_points(evidence, frames.scores),
        links=[f"../{label}/report.html" for label in frames.scores["point"]],
        chance=chance_in_words(frames.scores),
        breakdowns=tabulate_breakdowns(evidence, frames.breakdowns),
        command=_command(evidence),
    )


def _command(evidence: SweepEvidence) -> str:
    vary = " ".join(shlex.quote(f"{key.dotted}={','.join(map(value_text, key.values))}") for key in evidence.keys)
    # a written configuration holds all values, and would win over a preset
    config = "" if any(key.dotted == "preset" for key in evidence.keys) else " --config config.toml"
    return f"predann-tools sweep BIDS_DIR OUTPUT_DIR{config} --label {shlex.quote(evidence.label)} --vary {vary}"

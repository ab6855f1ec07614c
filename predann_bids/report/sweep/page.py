"""The tables and the page of a sweep: all points side by side, best not taken for the result."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from predann_bids import __version__
from predann_bids.data.splits import WITHIN_RECORDING
from predann_bids.files import write_text, written_whole
from predann_bids.report import text
from predann_bids.report.drawing import BY_LOGITS, BY_MATCH, Illustration, drawing_style, style_of
from predann_bids.report.evidence import evaluated
from predann_bids.report.pages import template
from predann_bids.report.sweep.figures import MOST_DIMENSIONS, drawn_keys, sweep_figures, sweep_length_figure
from predann_bids.report.sweep.results import (
    SEED,
    PointResult,
    VariedKey,
    breakdown_table,
    length_table,
    point_text,
    score_table,
    seed_table,
    tsv,
    value_text,
)
from predann_bids.report.table import Column, Table

MOST_COLUMNS = 12  # points side by side in a table
WAYS = ((BY_LOGITS, ""), (BY_MATCH, "match_"))


@dataclass(frozen=True)
class SweepEvidence:
    """Everything that a sweep has found.

    Parameters
    ----------
    label : str
        Name of the sweep.
    keys : tuple of VariedKey
        What was varied.
    results : tuple of PointResult
        Of the finished points, in the order of the grid.
    missing : mapping
        What a point without results is called, to why it has none.
    """

    label: str
    keys: tuple[VariedKey, ...]
    results: tuple[PointResult, ...]
    missing: Mapping[str, str]

    @property
    def seed(self) -> VariedKey | None:
        """The seed, if it was varied."""
        return next((key for key in self.keys if key.dotted == SEED), None)

    @property
    def names(self) -> dict[str, str]:
        """Label of each point to what a reader calls it."""
        return {result.label: point_text(self.keys, result.values) for result in self.results}

    @property
    def model(self) -> str:
        """The model that the page speaks of first."""
        return next(iter(evaluated(self.results[0].metrics)))


def write_sweep(evidence: SweepEvidence, directory: Path, *, page: bool = True) -> None:
    """Write `sweep.tsv` and its companions, and, for people, `sweep.html` and `figures/`.

    Parameters
    ----------
    evidence : SweepEvidence
        What was found, of one point at least.
    directory : Path
        `OUTPUT_DIR/group/NAME`.
    page : bool
        Whether to write the page and its figures.
    """
    scores, lengths = score_table(evidence.results), length_table(evidence.results)
    write_text(directory / "sweep.tsv", tsv(scores))
    write_text(directory / "sweep_by_length.tsv", tsv(lengths))
    for by in ("stimulus", "participant"):
        write_text(directory / f"sweep_by_{by}.tsv", tsv(breakdown_table(evidence.results, by)))
    seeds = seed_table(scores, evidence.keys) if evidence.seed else None
    if seeds is not None:
        write_text(directory / "sweep_over_seeds.tsv", tsv(seeds))
    else:
        (directory / "sweep_over_seeds.tsv").unlink(missing_ok=True)
    if not page:
        (directory / "sweep.html").unlink(missing_ok=True)  # it would show an earlier sweep
        return
    drawn = _draw(evidence, scores, lengths, seeds, directory / "figures")
    for file in (directory / "figures").glob("sweep*.*"):
        if file.stem not in {figure.name for figure, _ in drawn}:
            file.unlink()
    write_text(directory / "sweep.html", _page(evidence, scores, seeds, drawn))


def _draw(
    evidence: SweepEvidence, scores: pd.DataFrame, lengths: pd.DataFrame, seeds: pd.DataFrame | None, directory: Path
) -> list[tuple[Illustration, str]]:
    over_seeds = seeds is not None and len(evidence.keys) > 1
    drawn = []
    with drawing_style():
        figures = sweep_figures(
            seeds if over_seeds and seeds is not None else scores, drawn_keys(evidence.keys), over_seeds=over_seeds
        )
        by_length = sweep_length_figure(lengths, evidence.names, evidence.model)
        for figure in [*figures, *([by_length] if by_length else [])]:
            svg = figure.svg()
            write_text(directory / f"{figure.name}.svg", svg)
            with written_whole(directory / f"{figure.name}.png") as beside:
                beside.write_bytes(figure.png())
            drawn.append((figure, svg))
    return drawn


# -- the page ----------------------------------------------------------------------------------------------------------


def _page(
    evidence: SweepEvidence,
    scores: pd.DataFrame,
    seeds: pd.DataFrame | None,
    drawn: Sequence[tuple[Illustration, str]],
) -> str:
    from markupsafe import Markup

    pictures = [(figure, Markup(svg)) for figure, svg in drawn]  # matplotlib escapes what it writes into SVG
    return template("sweep.html.j2").render(
        label=evidence.label,
        version=__version__,
        sentence=summary(evidence),
        facts=_facts(evidence),
        missing=evidence.missing,
        cautions=_cautions(evidence),
        seeds=_seed_sentences(evidence, seeds),
        seed_table=_seed_table(evidence, seeds) if seeds is not None else None,
        pictures=[picture for picture in pictures if picture[0].name != "sweep_by_length"],
        by_length=next((picture for picture in pictures if picture[0].name == "sweep_by_length"), None),
        undrawn=len(drawn_keys(evidence.keys)) > MOST_DIMENSIONS,
        most_dimensions=MOST_DIMENSIONS,
        table=_score_table(evidence, scores),
        links=[f"../{label}/report.html" for label in scores["point"]],
        chance=_chance(scores),
        breakdowns=_breakdowns(evidence),
        command=_command(evidence),
    )


def summary(evidence: SweepEvidence) -> str:
    """Say in a sentence between what the accuracies lie."""
    name = style_of(evidence.model).name
    found = []
    for by, key in (("by its song logits", "accuracy"), ("by match", "match_accuracy")):
        known = [v for r in evidence.results if (v := r.metrics["models"][evidence.model].get(key)) is not None]
        if known:
            low, high = min(known), max(known)
            found.append(f"{text.share(low) if low == high else text.interval([low, high])} {by}")
    over = text.count(len(evidence.results), "point")
    if not found:
        return f"{name} was evaluated at {over}."
    levels = {r.metrics.get("chance") for r in evidence.results}
    chance = f" (chance {text.share(levels.pop())})" if len(levels) == 1 else ""
    return f"Over {over}, {name} names the right song in {text.listed(found)}{chance}."


def _facts(evidence: SweepEvidence) -> list[str]:
    facts = [f"{key.axis}: {', '.join(map(value_text, key.values))}" for key in evidence.keys]
    for name, noun in (("n_participants", "participant"), ("n_stimuli", "song")):
        counts = {result.metrics["protocol"].get(name) for result in evidence.results}
        facts += [text.count(counts.pop(), noun)] if len(counts) == 1 else []
    splits = {result.metrics["protocol"]["split"] for result in evidence.results}
    return [*facts, *(f"split by {split}" for split in splits if len(splits) == 1)]


def _cautions(evidence: SweepEvidence) -> list[str]:
    found = []
    if len(evidence.results) > 1:
        found.append(
            "All points were tested on the same data. The highest of several accuracies is too high by chance alone:"
            " report all points, or choose one here and test it on people who were not among these. Intervals and"
            " p-values are those of each point by itself, without a correction for the number of points."
        )
    within = {r.metrics["protocol"]["split"] for r in evidence.results} & WITHIN_RECORDING
    if within:
        found.append(
            f"The split by {text.listed(sorted(within))} trains on one part of a recording and tests on another."
            " Whatever marks a recording then marks its song, so a high accuracy does not show that music was decoded,"
            " and a setting may be better at telling recordings apart, not music."
        )
    return found


def _seed_sentences(evidence: SweepEvidence, seeds: pd.DataFrame | None) -> list[str]:
    if seeds is None or evidence.seed is None:
        return []
    lines = [
        f"There were {text.count(len(evidence.seed.values), 'seed')}. Seeds are repetitions, not settings: each starts"
        " the networks anew, and deals the folds anew where these are dealt at random, so that none is the better one."
        " What counts is the mean over them. A difference between single runs that is no larger than this spread may be"
        " one of seeds."
    ]
    if len(evidence.keys) == 1:
        name, row = style_of(evidence.model).name, seeds[seeds["model"] == evidence.model].iloc[0]
        for by, prefix in WAYS:
            if pd.notna(row[f"{prefix}accuracy"]):
                mean, low, high = (text.share(row[f"{prefix}{what}"]) for what in ("accuracy", "lowest", "highest"))
                spread = f"standard deviation {_points(row[f'{prefix}sd'])}, from {low} to {high}"
                lines.append(f"{by}, {name} has a mean accuracy of {mean} ({spread}).")
    return lines


def _points(value: float) -> str:
    return text.NOTHING if pd.isna(value) else f"{100 * value:.1f} percentage points"


def _key_columns(keys: Sequence[VariedKey]) -> tuple[Column, ...]:
    return tuple(Column(key.axis, "name") for key in keys)


def _score_table(evidence: SweepEvidence, scores: pd.DataFrame) -> Table:
    shown: list[tuple[Column, tuple[str, ...]]] = []
    for by, prefix in WAYS:
        shown.append((Column("Accuracy", group=by), (f"{prefix}accuracy",)))
        shown.append((Column("95 % interval", "interval", by), (f"{prefix}ci95_low", f"{prefix}ci95_high")))
        shown.append((Column("p", "p", by), (f"{prefix}p_value",)))
        if scores[f"{prefix}chance"].dropna().astype(float).round(9).nunique() > 1:
            shown.append((Column("Chance", group=by), (f"{prefix}chance",)))
    for by, prefix in (("Logits − baseline", ""), ("Match − baseline", "match_")):
        shown.append((Column("Points", "points", by), (f"{prefix}minus_baseline",)))
        shown.append((Column("p", "p", by), (f"{prefix}minus_baseline_p",)))
    shown = [(column, names) for column, names in shown if scores[names[0]].notna().any()]
    rows = [
        (
            *(value_text(row[key.name]) for key in evidence.keys),
            style_of(row["model"]).name,
            *(_value([row[name] for name in names]) for _, names in shown),
        )
        for row in scores.to_dict("records")
    ]
    columns = (*_key_columns(evidence.keys), Column("Model", "name"), *(column for column, _ in shown))
    return Table("sweep", "All points", columns, tuple(rows))


def _chance(scores: pd.DataFrame) -> str:
    """Say the chance level, unless it differs and has columns of its own."""
    known = pd.concat([scores["chance"], scores["match_chance"]]).dropna().astype(float).round(9).unique()
    return f"; chance is {text.share(known[0])}" if len(known) == 1 else ""


def _seed_table(evidence: SweepEvidence, seeds: pd.DataFrame) -> Table:
    keys = [key for key in evidence.keys if key.dotted != SEED]
    ways = [(by, prefix) for by, prefix in WAYS if seeds[f"{prefix}accuracy"].notna().any()]
    columns = [*_key_columns(keys), Column("Model", "name"), Column("Seeds", "count")]
    for by, _ in ways:
        columns += [Column("Mean", group=by), Column("SD", group=by), Column("Lowest to highest", "interval", by)]
    rows = [
        (
            *(value_text(row[key.name]) for key in keys),
            style_of(row["model"]).name,
            row["n_seeds"],
            *(
                value
                for _, prefix in ways
                for value in (
                    _value([row[f"{prefix}accuracy"]]),
                    _value([row[f"{prefix}sd"]]),
                    _value([row[f"{prefix}lowest"], row[f"{prefix}highest"]]),
                )
            ),
        )
        for row in seeds.to_dict("records")
    ]
    return Table("sweep_over_seeds", "Over seeds", tuple(columns), tuple(rows))


def _breakdowns(evidence: SweepEvidence) -> list[Table]:
    """Set the accuracies of the first model side by side, by song and by participant, unless there are too many."""
    if len(evidence.results) > MOST_COLUMNS:
        return []
    made = []
    for by, name in (("stimulus", "Song"), ("participant", "Participant")):
        table = breakdown_table(evidence.results, by)
        table = table[table["model"] == evidence.model]
        for way, prefix in WAYS:
            wide = table.pivot(index=by, columns="point", values=f"{prefix}accuracy")
            if wide.notna().any().any():
                wide = wide.loc[list(dict.fromkeys(table[by]))]
                columns = (Column(name, "name"), *(Column(evidence.names[label]) for label in evidence.names))
                rows = [(str(row), *(_value([wide.loc[row, label]]) for label in evidence.names)) for row in wide.index]
                title = f"{style_of(evidence.model).name} by {name.lower()}, {way[:1].lower()}{way[1:]} (%)"
                made.append(Table(f"sweep_by_{by}", title, columns, tuple(rows)))
    return made


def _value(values: Sequence[Any]) -> Any:
    known = [None if pd.isna(value) else value for value in values]
    if len(known) == 1:
        value = known[0]
        return int(value) if value is not None and float(value).is_integer() and value > 1 else value
    return None if None in known else known


def _command(evidence: SweepEvidence) -> str:
    vary = " ".join(shlex.quote(f"{key.dotted}={','.join(map(value_text, key.values))}") for key in evidence.keys)
    # a written configuration holds all values, and would win over a preset
    config = "" if any(key.dotted == "preset" for key in evidence.keys) else " --config config.toml"
    return f"predann-tools sweep BIDS_DIR OUTPUT_DIR{config} --label {shlex.quote(evidence.label)} --vary {vary}"

"""The page of an ensemble."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from predann_bids import __version__
from predann_bids.files import write_text
from predann_bids.report.drawing import (
    Illustration,
    accuracy_axis,
    draw_chance,
    draw_interval,
    drawing_style,
    new_figure,
    number,
    shorten,
    upper,
    write_figure,
)
from predann_bids.report.ensemble.sentences import cautions, facts, headline, methods, names_of, shown_name, summary
from predann_bids.report.ensemble.tables import make_tables
from predann_bids.report.methods.references import references
from predann_bids.report.pages import template
from predann_bids.report.words.models import PREDANN, Mark

LONGEST = 46  # characters of a name in the figure
MARKS: Mapping[str, tuple[str, str]] = {
    "ensemble": ("#0072B2", "o"),
    "member": ("#D55E00", "s"),
    "seeds": ("#009E73", "D"),
    "everything": ("#444444", "P"),
}
CAPTION = (
    "Share of test windows whose song is named correctly by song logits, with its 95 % interval over participants. The"
    " average over runs is worth something if it is better than averages of as many seeds of one run."
)


def write_ensemble_report(metrics: Mapping[str, Any], directory: Path) -> Path:
    """Write `report.html`, `figures/` and `tables/` of an ensemble, each file whole or not at all.

    Parameters
    ----------
    metrics : mapping
        Content of its metrics.json.
    directory : Path
        Where it is kept.

    Returns
    -------
    Path
        The page.
    """
    from markupsafe import Markup

    with drawing_style():
        illustration = draw_accuracies(metrics)
        svg = write_figure(illustration, directory / "figures")
    tables = make_tables(metrics)
    for name, table in tables.items():
        write_text(directory / "tables" / f"{name}.tsv", table.tsv())
    described = methods(metrics)
    page = directory / "report.html"
    rendered = template("ensemble.html.j2").render(
        label=directory.name,
        version=__version__,
        sentence=headline(metrics),
        gains=summary(metrics)[1:],
        facts=facts(metrics),
        cautions=cautions(metrics),
        illustration=illustration,
        svg=Markup(svg),
        tables=tables.values(),
        methods=described,
        references=references(" ".join(described)),
        command=_command(metrics),
    )
    write_text(page, rendered)
    return page


def _command(metrics: Mapping[str, Any]) -> str:
    names, model = " ".join(map(shlex.quote, names_of(metrics))), metrics["ensemble"]["model"]
    return f"predann-tools ensemble {names}{'' if model == PREDANN else f' --model {shlex.quote(model)}'}"


def draw_accuracies(metrics: Mapping[str, Any]) -> Illustration:
    """Draw the accuracy of the average, of its members and of averages of seeds, against chance."""
    models, chance = metrics["models"], metrics["chance"]
    title = "Accuracy by song logits"
    figure = new_figure(title, 1.4 + 0.45 * len(models))
    axes = figure.subplots()
    limits = [(number(s["accuracy"]), *(s["ci95"] or (number(None),) * 2)) for s in models.values()]
    for height, (name, values) in enumerate(zip(models, limits, strict=True)):
        kind = name if name in MARKS else "seeds" if name.startswith("seeds of ") else "member"
        draw_interval(axes, height, Mark(name, *MARKS[kind]), *values)
    axes.set_yticks(range(len(models)), [shorten(shown_name(name, metrics), LONGEST) for name in models])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(models) - 0.5, -0.65)
    accuracy_axis(axes, upper([value for values in limits for value in (*values, chance)]))
    draw_chance(axes, chance)
    return Illustration("accuracy", title, CAPTION, figure)

"""What results are compared with: other models, permuted labels, data without the music."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.tables import TABLES
from predann_bids.report.scores import Scores, comparison_rows
from predann_bids.report.table import Column, Table
from predann_bids.report.words.controls import CONTROL_WORDS
from predann_bids.report.words.decisions import COMPARED, WAYS, Way
from predann_bids.report.words.models import BAND_POWER, model_words

CORRECTED = {"p_holm": Column("p, Holm", "p"), "sign_flip_p_value": Column("p, sign flips", "p")}
MCNEMAR = {
    "only_first": Column("Only 1st right", "count", "McNemar"),
    "only_second": Column("Only 2nd right", "count", "McNemar"),
    "p_value": Column("p", "p", "McNemar"),
}


@TABLES.add("comparisons")
def tabulate_comparisons(evidence: GroupEvidence) -> Table:
    """Make a row for each pair of models and way to decide."""
    rows = [row for row in comparison_rows(evidence.metrics) if row.get("difference") is not None]
    corrected = [key for key in CORRECTED if any(row.get(key) is not None for row in rows)]
    mcnemar = MCNEMAR if any(row.get("mcnemar") for row in rows) else {}
    columns = (
        Column("First − second", "name"),
        Column("By", "name"),
        Column("Difference", "points"),
        Column("95 % interval", "points_interval"),
        Column("p", "p"),
        *(CORRECTED[key] for key in corrected),
        *mcnemar.values(),
    )
    values = tuple(
        (
            f"{model_words(row['first']).name} − {model_words(row['second']).name}",
            COMPARED[row["by"]].removeprefix("By "),
            *(row.get(key) for key in ("difference", "ci95", "p_value", *corrected)),
            *((row.get("mcnemar") or {}).get(key) for key in mcnemar),
        )
        for row in rows
    )
    return Table("comparisons", "All comparisons", columns, values)


@TABLES.add("permutation")
def tabulate_permutation(evidence: GroupEvidence) -> Table:
    """Make a row for each model and way to decide that labels were permuted for."""
    columns = (
        Column("Model", "name"),
        Column("By", "name"),
        Column("Accuracy"),
        Column("Mean of the null"),
        Column("95 % of the null", "interval"),
        Column("p", "p"),
        Column("p, Holm", "p"),
        Column("Permutations", "count"),
    )
    values = []
    for model, scores in evidence.models.items():
        null = scores.get("permutation") or {}
        for way in WAYS:
            if null.get(f"{way.prefix}p_value") is None:
                continue
            keys = (f"{way.prefix}{key}" for key in ("null_mean", "null_ci95", "p_value", "p_holm"))
            tested = (scores.get(way.accuracy), *map(null.get, keys), null.get("n"))
            values.append((model_words(model).name, way.noun, *tested))
    return Table("permutation", "Permuted labels", columns, tuple(values))


@TABLES.add("control")
def tabulate_control(evidence: GroupEvidence) -> Table | None:
    """Make a row for each model, way to decide and control."""
    control = (evidence.metrics.get("control") or {}).get("fingerprint")
    if not control:
        return None
    columns = (
        Column("Model", "name"),
        Column("By", "name"),
        Column("Control", "name"),
        Column("Accuracy", "share", "Real data"),
        Column("95 % interval", "interval", "Real data"),
        Column("Accuracy", "share", "Control"),
        Column("95 % interval", "interval", "Control"),
        Column("Difference", "points", "Real − control"),
        Column("95 % interval", "points_interval", "Real − control"),
        Column("p", "p", "Real − control"),
    )
    values = [
        row
        for model, scores in evidence.models.items()
        for way in WAYS
        for condition in CONTROL_WORDS
        if (row := _control_row(model, scores, control.get(condition) or {}, way, condition))
    ]
    return Table("control", "Real data against controls", columns, (*values, *_band_power_rows(control)))


def _control_row(
    model: str, scores: Scores, content: Mapping[str, Any], way: Way, condition: str
) -> tuple[Any, ...] | None:
    control = (content.get("models") or {}).get(model) or {}
    difference = (content.get("differences") or {}).get(model) or {}
    if control.get(way.accuracy) is None:
        return None
    return (
        model_words(model).name,
        way.noun,
        condition,
        scores.get(way.accuracy),
        scores.get(way.interval),
        control.get(way.accuracy),
        control.get(way.interval),
        *(difference.get(f"{way.prefix}{key}") for key in ("accuracy_difference", "ci95", "p_value")),
    )


def _band_power_rows(control: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    scores = control.get(BAND_POWER) or {}
    real = scores.get("real") or {}
    return [
        (model_words(BAND_POWER).name, "classifier", condition, real.get("accuracy"), real.get("ci95"),
         value["accuracy"], value.get("ci95"), None, None, None)
        for condition in CONTROL_WORDS
        if (value := scores.get(condition)) and value.get("accuracy") is not None
    ]  # fmt: skip

"""The results of a sweep, as tables: a sweep is a group run for each point of a grid of configurations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from predann_bids.report.scores import comparison_rows, evaluated, has_logits, match_chance
from predann_bids.report.words.decisions import lower_first

SEED = "training.seed"
TITLES: Mapping[str, str] = {
    "training.predann_weight": "Weight of PredANN",
    "windows.delay": "Delay",
    "windows.length": "Window",
    "windows.audio_context": "Audio context",
    "windows.stride": "Stride",
    "splitting.chunk": "Chunk",
    "splitting.n_folds": "Folds",
    "training.n_seeds": "Seeds",
}
SECONDS = ("windows.delay", "windows.length", "windows.audio_context", "windows.stride", "splitting.chunk")

SCORES = (
    *("accuracy", "ci95_low", "ci95_high", "balanced_accuracy", "balanced_ci95_low", "balanced_ci95_high"),
    *("top3_accuracy", "chance", "match_accuracy", "match_ci95_low", "match_ci95_high", "match_chance"),
    *("p_value", "p_holm", "match_p_value", "match_p_holm"),
    *("minus_baseline", "minus_baseline_ci95_low", "minus_baseline_ci95_high", "minus_baseline_p"),
    *("match_minus_baseline", "match_minus_baseline_ci95_low", "match_minus_baseline_ci95_high"),
    *("match_minus_baseline_p", "n_windows", "n_participants", "n_stimuli"),
)
RESERVED = frozenset(("point", "model", "length", "aggregation", "stimulus", "participant", *SCORES))


@dataclass(frozen=True)
class VariedKey:
    """A key of the configuration that a sweep varies.

    Parameters
    ----------
    dotted : str
        Its name in the configuration, such as `windows.delay`.
    name : str
        Its name in tables and in the names of points, such as `delay`.
    values : tuple
        Its values, in the order in which they were given.
    """

    dotted: str
    name: str
    values: tuple[Any, ...]

    @property
    def is_numeric(self) -> bool:
        """Whether its values have an order and distances; those of seeds have no meaning."""
        return self.dotted != SEED and all(
            isinstance(value, int | float) and not isinstance(value, bool) for value in self.values
        )

    @property
    def title(self) -> str:
        """Its name for a reader."""
        plain = self.name.replace("_", " ").replace(".", " ")
        return TITLES.get(self.dotted, plain[:1].upper() + plain[1:])

    @property
    def axis(self) -> str:
        """Title with the unit."""
        return f"{self.title} (s)" if self.dotted in SECONDS else self.title

    def name_with(self, value: Any) -> str:
        """Write its name with a value, as in a sentence."""
        unit = " s" if self.dotted in SECONDS else ""
        return f"{lower_first(self.title)} {value_text(value)}{unit}"


@dataclass(frozen=True)
class PointResult:
    """The results of one point.

    Parameters
    ----------
    label : str
        Name of its group run.
    values : mapping
        Name of each varied key to its value.
    metrics : mapping
        Content of its metrics.json.
    """

    label: str
    values: Mapping[str, Any]
    metrics: Mapping[str, Any]


def value_text(value: Any) -> str:
    """Write a value as it is typed: numbers no longer than necessary, lists joined by '+'."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, tuple | list):
        return "+".join(map(value_text, value)) or "none"
    return str(value)


def point_text(keys: Sequence[VariedKey], values: Mapping[str, Any]) -> str:
    """Name a point for a reader."""
    return ", ".join(key.name_with(values[key.name]) for key in keys)


def score_table(results: Sequence[PointResult]) -> pd.DataFrame:
    """Make a row for each point and model: the varied keys, then `SCORES`; shares run from 0 to 1."""
    return _frame(results, _scores, SCORES)


def length_table(results: Sequence[PointResult]) -> pd.DataFrame:
    """Make a row for each point, model, length of the segment in seconds, and way to combine its windows."""
    return _frame(results, _by_length, ("length", "aggregation", "accuracy", "chance"))


def breakdown_table(results: Sequence[PointResult], by: str) -> pd.DataFrame:
    """Make a row for each point, model and stimulus or participant; `by` is one of these two words."""

    def rows(metrics: Mapping[str, Any], scores: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        listed = scores.get(f"by_{by}") or {}
        for name in sorted(listed) if by == "participant" else listed:
            yield {by: name, **_levels(metrics, scores), **listed[name]}

    return _frame(results, rows, (by, "accuracy", "chance", "match_accuracy", "match_chance", "n_windows"))


def seed_table(table: pd.DataFrame, keys: Sequence[VariedKey]) -> pd.DataFrame:
    """Treat seeds as repetitions: mean, standard deviation and range of the accuracies over them.

    Parameters
    ----------
    table : DataFrame
        From `score_table`.
    keys : sequence of VariedKey
        All that were varied, the seed among them.
    """
    others = [key.name for key in keys if key.dotted != SEED]
    rows = []
    for group, part in table.groupby([*others, "model"], sort=False, dropna=False):
        row = dict(zip([*others, "model"], group, strict=True))
        row["n_seeds"] = len(part)
        for prefix in ("", "match_"):
            values = part[f"{prefix}accuracy"].astype(float)
            row |= {
                f"{prefix}accuracy": values.mean(),
                f"{prefix}sd": values.std(ddof=1),
                f"{prefix}lowest": values.min(),
                f"{prefix}highest": values.max(),
                f"{prefix}chance": part[f"{prefix}chance"].astype(float).mean(),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def tsv(table: pd.DataFrame) -> str:
    """Write a table for a file, with n/a for what was not computed."""
    written = table.map(lambda value: value_text(value) if isinstance(value, bool | tuple | list) else value)
    return written.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.6g", lineterminator="\n")


def _frame(results: Sequence[PointResult], make: Any, columns: Sequence[str]) -> pd.DataFrame:
    keys = list(results[0].values) if results else []
    rows = [
        {"point": result.label, **result.values, "model": model, **row}
        for result in results
        for model, scores in evaluated(result.metrics).items()
        for row in make(result.metrics, scores)
    ]
    return pd.DataFrame(rows, columns=["point", *keys, "model", *columns])


def _levels(metrics: Mapping[str, Any], scores: Mapping[str, Any]) -> dict[str, float | None]:
    chance = metrics.get("chance")
    return {"chance": chance if has_logits(scores) else None, "match_chance": match_chance(scores, chance)}


def _scores(metrics: Mapping[str, Any], scores: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    row: dict[str, Any] = {key: scores.get(key) for key in SCORES} | _levels(metrics, scores)
    for name in ("ci95", "balanced_ci95", "match_ci95"):
        row |= _limits(name, scores.get(name))
    permutation = scores.get("permutation") or {}
    row |= {key: permutation.get(key) for key in ("p_value", "p_holm", "match_p_value", "match_p_holm")}
    if scores is metrics["models"].get("predann"):
        row |= _against_baseline(metrics)
    windows = [part.get("n_windows") for part in (scores.get("by_participant") or {}).values()]
    row["n_windows"] = sum(windows) if windows and None not in windows else None
    yield row | {key: metrics["protocol"].get(key) for key in ("n_participants", "n_stimuli")}


def _against_baseline(metrics: Mapping[str, Any]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for row in comparison_rows(metrics):
        prefix = {"logits": "minus_baseline", "match": "match_minus_baseline"}.get(row["by"])
        if prefix and row["second"] == "baseline":
            columns |= {prefix: row.get("difference"), f"{prefix}_p": row.get("p_value")}
            columns |= _limits(f"{prefix}_ci95", row.get("ci95"))
    return columns


def _limits(name: str, limits: Sequence[float] | None) -> dict[str, float | None]:
    low, high = limits or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def _by_length(metrics: Mapping[str, Any], scores: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    levels = _levels(metrics, scores)
    for length, ways in (scores.get("by_length") or {}).items():
        for way, accuracy in ways.items():
            if accuracy is not None:
                chance = levels["match_chance" if way == "match" else "chance"]
                yield {"length": float(length), "aggregation": way, "accuracy": accuracy, "chance": chance}

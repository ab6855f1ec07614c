"""The scores of each model: with this split, and with others."""

from __future__ import annotations

from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.tables import TABLES
from predann_bids.report.scores import evaluated, match_chance, split_results
from predann_bids.report.table import Column, Kind, Table
from predann_bids.report.words.decisions import BY_LOGITS, BY_MATCH, WAYS
from predann_bids.report.words.models import model_words

MODEL_COLUMNS = {
    "accuracy": Column("Accuracy", group=BY_LOGITS.title),
    "ci95": Column("95 % interval", "interval", BY_LOGITS.title),
    "balanced_accuracy": Column("Balanced", group=BY_LOGITS.title),
    "balanced_ci95": Column("95 % interval, balanced", "interval", BY_LOGITS.title),
    "top3_accuracy": Column("Top 3", group=BY_LOGITS.title),
    "match_accuracy": Column("Accuracy", group=BY_MATCH.title),
    "match_ci95": Column("95 % interval", "interval", BY_MATCH.title),
}
OF_MATCH = ("match_accuracy", "match_ci95")
SPLIT_COLUMNS: tuple[tuple[str, Kind], ...] = (
    ("Accuracy", "share"),
    ("95 % interval", "interval"),
    ("Chance", "share"),
)


@TABLES.add("models")
def tabulate_models(evidence: GroupEvidence) -> Table:
    """Make a row for each model, and one for chance."""
    models, chance = evidence.models, evidence.chance
    n_songs = evidence.protocol["n_stimuli"]
    has_logits = any(scores.get("accuracy") is not None for scores in models.values())
    shown = tuple(MODEL_COLUMNS) if has_logits else OF_MATCH
    guesses = {
        "accuracy": chance,
        "balanced_accuracy": chance,
        "top3_accuracy": 3 / n_songs if n_songs > 3 else None,
        "match_accuracy": evidence.match_chance,
    }
    rows = [(model_words(model).name, *(scores.get(key) for key in shown)) for model, scores in models.items()]
    guess = ("Chance", *(guesses.get(key) for key in shown))
    heading = (Column("Model", "name"), *(MODEL_COLUMNS[key] for key in shown))
    return Table("models", "Models", heading, (*rows, guess), guess=True)


@TABLES.add("splits")
def tabulate_splits(evidence: GroupEvidence) -> Table | None:
    """Make a row for each split and model."""
    results = split_results(evidence.metrics)
    if len(results) < 2:
        return None
    columns = (
        Column("Split", "name"),
        Column("Model", "name"),
        *(Column(name, kind, way.title) for way in WAYS for name, kind in SPLIT_COLUMNS),
    )
    values = []
    for result in results:
        chance = result.content.get("chance")
        for model, scores in evaluated(result.content).items():
            by_logits = (scores.get("accuracy"), scores.get("ci95"))
            by_match = (scores.get("match_accuracy"), scores.get("match_ci95"), match_chance(scores, chance))
            guess = None if by_logits[0] is None else chance
            values.append((result.split, model_words(model).name, *by_logits, guess, *by_match))
    return Table("splits", "Accuracy by what was held out", columns, tuple(values))

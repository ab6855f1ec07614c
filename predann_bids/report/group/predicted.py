"""What the EEG predicts, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from predann_bids.report import text
from predann_bids.report.words.models import LINEAR, PREDANN, Mark, model_words

# ways to predict, as keys of metrics.json
WAYS: Mapping[str, Mark] = {"linear": model_words(LINEAR), "network": model_words(PREDANN)}
EXPLAINED = (
    "For each kind of audio features: how well the EEG of the test set predicts them, with regressions that were"
    " computed on the training set alone. Linear: from the EEG at all lags. PredANN: from what the trained network"
    " predicts from the EEG. Many features are reduced to their principal components, which count by their share of the"
    " variance."
)


def name_of(row: Mapping[str, Any]) -> str:
    """Return what the report calls the features of a row: the name by which they were asked for."""
    return str(row["name"])


def predicted_sentences(metrics: Mapping[str, Any]) -> Sequence[str]:
    """Explain the predictions, and say which features are predicted and where the network adds something."""
    rows = metrics.get("predicts") or []
    if not rows:
        return ()
    shown = [row for row in rows if any(_is_above_zero(row.get(way)) for way in WAYS)]
    better = [name_of(row) for row in rows if _is_above_zero(row.get("difference"))]
    worse = [name_of(row) for row in rows if _is_below_zero(row.get("difference"))]
    sentences = ["It cannot be shown of any that EEG predicts them."]
    if shown:
        best = sorted(shown, key=lambda row: -max(row[way]["correlation"] for way in WAYS if row.get(way)))
        sentences = [f"EEG predicts {text.listed([_with_correlation(row) for row in best])}."]
    if better:
        sentences.append(f"By way of the network, {text.listed(better)} are predicted better than linearly.")
    if worse:
        sentences.append(f"By way of the network, {text.listed(worse)} are predicted worse than linearly.")
    return (EXPLAINED, " ".join(sentences))


def _with_correlation(row: Mapping[str, Any]) -> str:
    highest = max(row[way]["correlation"] for way in WAYS if row.get(way))
    return f"{name_of(row)} (r = {highest:.3f})"


def _is_above_zero(scores: Mapping[str, Any] | None) -> bool:
    limits: Any = (scores or {}).get("ci95")
    return bool(limits) and bool(limits[0] > 0)


def _is_below_zero(scores: Mapping[str, Any] | None) -> bool:
    limits: Any = (scores or {}).get("ci95")
    return bool(limits) and bool(limits[1] < 0)

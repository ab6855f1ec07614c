"""What the network uses, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from predann_bids.report import text
from predann_bids.report.scores import SIGNIFICANT
from predann_bids.report.words.decisions import WAYS, Way
from predann_bids.report.words.models import PREDANN, model_words


def use_sentences(metrics: Mapping[str, Any]) -> list[str]:
    """Say at which delay, in which regions and bands the network finds the music, and whether representations agree.

    Parameters
    ----------
    metrics : mapping
        Content of metrics.json.
    """
    uses = metrics.get("uses")
    if not uses:
        return []
    name = model_words(uses.get("model", PREDANN)).name
    sentences = [
        _peak(uses.get("delay") or {}),
        _needed(uses.get("regions") or [], "Regions", name),
        _needed(uses.get("bands") or [], "Frequency bands", name),
        _similarity(uses.get("similarity")),
    ]
    return [sentence for sentence in sentences if sentence]


def _peak(curves: Mapping[str, Any]) -> str | None:
    delays, trained = curves.get("delay_s") or [], curves.get("trained_delay_s")
    pairs = zip(curves.get("match_accuracy") or [], delays, strict=False)
    measured = [(accuracy, delay) for accuracy, delay in pairs if accuracy is not None]
    if not measured or trained is None:
        return None
    accuracy, delay = max(measured)
    return (
        f"By match, accuracy is highest ({text.share(accuracy)}) with the EEG taken {delay:g} s after the audio; the"
        f" decoder was trained with {trained:g} s."
    )


def _needed(losses: Sequence[Mapping[str, Any]], what: str, name: str) -> str | None:
    tested = [way for way in WAYS if any(loss.get(f"{way.prefix}p_holm") is not None for loss in losses)]
    if not tested:
        return None
    parts = []
    for way in tested:
        key = f"{way.prefix}drop"
        needed = sorted((loss for loss in losses if _is_lost(loss, way)), key=lambda loss: -loss[key])
        names = [f"{loss['name']} ({text.points(-loss[key])})" for loss in needed]
        parts.append(f"{way.inside}: {text.listed(names) if names else 'none that can be shown'}")
    return (
        f"{what} without which {name} loses accuracy (percentage points, Holm-corrected p < 0.05), {'; '.join(parts)}."
    )


def _is_lost(loss: Mapping[str, Any], way: Way) -> bool:
    p_holm, drop, limits = (loss.get(key) for key in (f"{way.prefix}p_holm", f"{way.prefix}drop", way.interval))
    confirmed = p_holm is not None and p_holm < SIGNIFICANT
    return confirmed and (not limits or limits[0] > 0) and drop is not None and drop > 0


def _similarity(similarity: Mapping[str, Any] | None) -> str | None:
    if not similarity or similarity.get("correlation") is None:
        return None
    correlation, limits, p_value = (similarity.get(key) for key in ("correlation", "ci95", "p_value"))
    details = [f"Spearman correlation {correlation:.2f}".replace("-", "−")]
    if limits:
        details.append(f"95 % interval {limits[0]:.2f} to {limits[1]:.2f}".replace("-", "−"))
    if p_value is not None:
        details.append(f"p {text.p(p_value)}")
    details.append(f"{similarity['n_conditions']} moments of the music, mean over participants")
    confirmed = p_value is None or p_value < SIGNIFICANT
    shown = similarity["correlation"] > 0 and (not limits or limits[0] > 0) and confirmed
    claim = (
        "Moments of the music that the audio network represents alike are also represented alike from EEG"
        if shown
        else "It cannot be shown that moments of the music that the audio network represents alike are represented"
        " alike from EEG"
    )
    return f"{claim} ({'; '.join(details)})."

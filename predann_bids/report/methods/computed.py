"""What a run has computed, so that nothing else is described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from predann_bids.config import Science
from predann_bids.report.scores import comparison_rows, evaluated, retrieval_kinds
from predann_bids.report.words.decoders import decoder_words
from predann_bids.report.words.models import BASELINE, OWN_MOMENT, PREDANN


@dataclass(frozen=True)
class Computed:
    """What a run has computed.

    Parameters
    ----------
    models : tuple of str
        The models that were evaluated.
    n_seeds : int
        How often each decoder was trained.
    compared, corrected, mcnemar : bool
        Whether models were compared, over participants; with Holm's correction; by McNemar's test.
    retrieval : bool
        Whether audio windows were ranked.
    permutation : mapping or None
        `permutation` of the first model that has one.
    control : mapping or None
        `fingerprint` of metrics.json.
    uses : mapping or None
        `uses` of metrics.json.
    predicts : tuple of str
        Names of the audio features that were predicted from the EEG.
    order : mapping or None
        `order` of metrics.json, if it could be measured.
    state : bool
        Whether the state of the recordings was asked for the songs.
    """

    models: tuple[str, ...]
    n_seeds: int = 1
    compared: bool = False
    corrected: bool = False
    mcnemar: bool = False
    retrieval: bool = False
    permutation: Mapping[str, Any] | None = None
    control: Mapping[str, Any] | None = None
    uses: Mapping[str, Any] | None = None
    predicts: tuple[str, ...] = ()
    order: Mapping[str, Any] | None = None
    state: bool = False

    @property
    def has_baseline(self) -> bool:
        """Whether a network without the PredANN objective was evaluated."""
        return BASELINE in self.models

    @property
    def rungs(self) -> tuple[str, ...]:
        """Networks without the PredANN objective."""
        return tuple(model for model in (BASELINE, OWN_MOMENT) if model in self.models)

    @property
    def closed_form(self) -> tuple[str, ...]:
        """Models that are no networks, such as the linear decoder."""
        return tuple(model for model in self.models if model not in (PREDANN, BASELINE, OWN_MOMENT))


def computed(science: Science, metrics: Mapping[str, Any] | None) -> Computed:
    """Find out what a run has computed; without its metrics, what the configuration asks of training."""
    if metrics is None:
        baseline = science.training.baseline
        rungs = (BASELINE, OWN_MOMENT) if decoder_words(science.training.encoders).is_started else (BASELINE,)
        trained = (PREDANN, *rungs) if baseline else (PREDANN,)
        return Computed(trained, n_seeds=len(science.training.all_seeds), compared=baseline)
    models, rows, order = evaluated(metrics), comparison_rows(metrics), metrics.get("order") or {}
    return Computed(
        tuple(models),
        n_seeds=metrics["protocol"].get("n_seeds") or 1,
        compared=bool(rows),
        corrected=any(row.get("p_holm") is not None for row in rows),
        mcnemar=any(row.get("mcnemar") for row in rows),
        retrieval=any(retrieval_kinds(scores) for scores in models.values()),
        permutation=next((s["permutation"] for s in models.values() if s.get("permutation")), None),
        control=(metrics.get("control") or {}).get("fingerprint"),
        uses=metrics.get("uses"),
        predicts=tuple(str(row["name"]) for row in metrics.get("predicts") or ()),
        order=order if order.get("accuracy") is not None else None,
        state=bool(metrics.get("recording_state")),
    )

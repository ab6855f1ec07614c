"""How strong the response is, and what may be taken for decoded music: order, states of recordings, artefacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from predann_bids.learning.confounds.artefact import lag_scores
from predann_bids.learning.confounds.order import order_scores
from predann_bids.learning.evaluation.scores import score
from predann_bids.learning.models import BAND_POWER, LINEAR, RIDGE
from predann_bids.learning.strength import response_strength
from predann_bids.timing import Rate
from predann_bids.workflows.group.fits import ModelFit
from predann_bids.workflows.group.pooling import Predicted
from predann_bids.workflows.group.studies import Study

ORDERING = 1005  # seed of what is drawn, beside those of the training
STATE_KEYS = ("accuracy", "ci95", "balanced_accuracy", "balanced_ci95")


def order_of(study: Study) -> dict[str, Any]:
    """Measure how well the order of the presentations gives songs away: the value `order` of metrics.json.

    Orders within a participant count where the same people are trained on and tested.
    """
    trials = study.material.trials
    same_people = any(
        {trials[stretch.trial].participant for stretch in split.train}
        & {trials[stretch.trial].participant for stretch in split.test}
        for split in study.splits
    )
    return order_scores(trials, within_people=same_people, seed=[study.science.training.seed, ORDERING])


def state_scores(study: Study, predictions: Predicted) -> dict[str, Any] | None:
    """Score what the state of the recordings says of the songs: the value `recording_state` of metrics.json."""
    windows = predictions.get(BAND_POWER.name)
    if windows is None:
        return None
    labels = study.material.labels
    scores = score(windows, labels, study.scoring)
    return {key: scores[key] for key in STATE_KEYS} | {"chance": 1 / len(labels)}


def strength_of(study: Study, predictions: Predicted) -> dict[str, Any]:
    """Measure how strongly the EEG responds: the values `strength` and `strength_ci95` of metrics.json."""
    return response_strength(predictions.get(LINEAR.name), study.scoring)


def lags_of(study: Study, fits: Sequence[ModelFit]) -> dict[str, Any] | None:
    """Measure at which lags multiband ridge regression looks at the EEG: the value `response_lags` of metrics.json."""
    from predann_bids.models.decoders.filters import RidgeDecoder, read_filters

    files = [fit.trained for fit in fits if fit.model.name == RIDGE.name and fit.trained]
    if not files:
        return None
    banks = [read_filters(file)[0] for file in files]
    frames = Rate(study.material.rate.hz / RidgeDecoder.samples_per_frame)
    lags = banks[0].first_lag + np.arange(banks[0].eeg.shape[2])
    return lag_scores([bank.eeg for bank in banks], study.science.windows.delay + lags / frames.hz)

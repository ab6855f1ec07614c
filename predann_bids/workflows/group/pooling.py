"""Pool what all folds say: scores, comparisons, controls, tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from predann_bids.data.copies import Limits, limits_of
from predann_bids.errors import UnusableData, people
from predann_bids.learning.comparison import compare, compare_all, compare_with_control
from predann_bids.learning.evaluation.decisions import predictions_table
from predann_bids.learning.evaluation.predictions import WindowPredictions
from predann_bids.learning.evaluation.scores import score
from predann_bids.learning.models import BAND_POWER, BASELINE, MODELS, PREDANN
from predann_bids.learning.permutation import Exchange
from predann_bids.workflows.group.studies import Study

CONTROL_KEYS = ("accuracy", "ci95", "balanced_ci95", "match_accuracy", "match_ci95", "match_chance")
Predicted = Mapping[str, WindowPredictions]  # by the name of the model


def scored(study: Study, predictions: Predicted) -> dict[str, Any]:
    """Score one study: what metrics.json holds of it.

    Raises
    ------
    UnusableData
        There is no test window.
    """
    if not all(len(windows.table) for windows in predictions.values()):
        tested = people(study.material.trials[stretch.trial].participant for s in study.splits for stretch in s.test)
        raise UnusableData(
            f"The test sets, recordings of {tested}, hold no window. Shorten windows with --window, or use others."
        )
    labels, scoring = study.material.labels, study.scoring
    models = {name: windows for name, windows in predictions.items() if MODELS[name].scored}
    scores = {name: score(windows, labels, scoring) for name, windows in models.items()}
    first = next(iter(scores.values()))
    by_logits = first["accuracy"] is not None
    pair = [models[model.name] for model in (PREDANN, BASELINE) if model.name in models]
    return {
        "protocol": study.protocol(),
        "chance": 1 / len(labels) if by_logits else first["match_chance"],
        "models": {
            name: scores.get(name) for name, m in MODELS.items() if m.scored and (not m.taught or name in scores)
        },
        "comparison": compare(pair[0], pair[1], scoring, BASELINE.compared_by) if len(pair) == 2 else None,
        "comparisons": compare_all(models, scoring),
    }


def copies_limit(study: Study) -> dict[str, float | None] | None:
    """Say how accurate decoders can be at most where stimuli hold the same audio; None if none do.

    It is counted from the test windows: where k of the candidates hold the audio of a window, a decoder that knows the
    audio perfectly is right once in k. By match, only candidates count that hold it at the same moment.
    """
    material = study.material
    if not material.copies:
        return None
    length = material.rate.samples(study.science.windows.length)
    parts = []
    for split in study.splits:
        windows = study.tested_windows(split).alone()
        tested = set(windows.stimuli(material.trials).tolist()) if study.nature.unseen_songs else None
        parts.append(limits_of(material.copies, material.trials, windows, length, tested))
    limits = Limits.joined(parts)
    by_logits = float(limits.logits.mean()) if study.known_songs else None
    return {"accuracy": by_logits, "match_accuracy": float(limits.match.mean())}


def prediction_table(study: Study, predictions: Predicted) -> pd.DataFrame:
    """Lay out all decisions of a study: what predictions.tsv holds."""
    labels, scoring = study.material.labels, study.scoring
    tables = [predictions_table(windows, labels, scoring, model=name) for name, windows in predictions.items()]
    return pd.concat(tables, ignore_index=True)


def control_scores(main: Study, real: Predicted, controls: Mapping[str, tuple[Study, Predicted]]) -> dict[str, Any]:
    """Score the controls beside the real data: the value `control` of metrics.json.

    Parameters
    ----------
    main : Study
        The run itself.
    real : mapping
        What its models say.
    controls : mapping
        Name of each control to its study and what its models say.
    """
    trials, rate, scoring = main.material.trials, main.material.rate, main.scoring
    window = rate.samples(main.science.windows.length)
    exchange, labels = Exchange.of(trials), main.material.labels
    results: dict[str, Any] = {}
    signature = {"real": real.get(BAND_POWER.name)}
    for name, (study, predictions) in controls.items():
        signature[name] = predictions.get(BAND_POWER.name)
        models = [model for model in predictions if MODELS[model].scored]
        scores = {model: score(predictions[model], labels, study.scoring) for model in models}
        results[name] = {
            "models": {model: {key: scores[model][key] for key in CONTROL_KEYS} for model in models},
            "differences": {
                model: compare_with_control(
                    real[model],
                    predictions[model],
                    scoring,
                    [exchange.comparable(some, trials, rate, window) for some in (real[model], predictions[model])],
                )
                for model in models
            },
        }
    of_signature = {name: score(w, labels, scoring) if w else None for name, w in signature.items()}
    results[BAND_POWER.name] = {
        name: {key: scores[key] for key in ("accuracy", "ci95", "balanced_ci95")} if scores else None
        for name, scores in of_signature.items()
    }
    return {"fingerprint": results | {"chance": 1 / len(labels)}}

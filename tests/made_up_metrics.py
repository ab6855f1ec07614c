"""Made-up but plausible contents of metrics.json, for tests of the group report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from predann_bids.config import resolve
from predann_bids.report.group.evidence import GroupEvidence

SONGS = ("Aria", "Bourrée", "Courante", "Double")
LENGTHS = (3, 4, 5, 6, 7)
TEST = "t test over participants, two-sided, allowing for overlapping training sets"
LOGITS_KEYS = ("accuracy", "ci95", "balanced_accuracy", "top3_accuracy", "confusion")
# accuracy by song logits and by match
SKILLS: Mapping[str, tuple[float | None, float]] = {
    "predann": (0.85, 0.97),
    "baseline": (0.6, 0.45),
    "own_moment": (0.7, 0.8),
    "linear": (0.5, 0.58),
    "linear_whitened": (0.55, 0.66),
    "ridge": (0.6, 0.7),
    "cca": (0.72, 0.82),
}


def around(value: float, width: float = 0.08) -> list[float]:
    """Imitate an interval."""
    return [max(0.0, value - width), min(1.0, value + width)]


def protocol_of(split: str, n_songs: int, n_participants: int, n_seeds: int) -> dict[str, Any]:
    """Imitate `protocol`."""
    return {
        **{"split": split, "n_folds": 4, "n_participants": n_participants, "n_stimuli": n_songs, "window": 3.0},
        **{"delay": 0.2, "seed": 0, "preset": "default", "n_seeds": n_seeds},
    }


def counts_of(accuracy: float, n_songs: int, n_windows: int = 112) -> list[list[int]]:
    """Imitate a confusion matrix."""
    right = round(accuracy * n_windows)
    wrong = (n_windows - right) // max(1, n_songs - 1)
    return (np.full((n_songs, n_songs), wrong) + np.eye(n_songs, dtype=int) * (right - wrong)).tolist()


def kind_of(skill: float, n: float) -> dict[str, Any]:
    """Imitate one kind of retrieval among `n` candidates, for a decoder between guess (0) and perfect (1)."""

    def measures(better: float) -> dict[str, float]:
        found: dict[str, float] = {"n_candidates": n}
        for k in (1, 5, 10):
            guess = min(1.0, k / n)
            found |= {f"top{k}": guess + (1 - guess) * better * (0.5 + 0.05 * k), f"chance_top{k}": guess}
        guess = float(np.mean(1 / np.arange(1, round(n) + 1)))
        return found | {
            "mean_reciprocal_rank": guess + (1 - guess) * 0.6 * better,
            "chance_mean_reciprocal_rank": guess,
        }

    plain = measures(skill)
    ranks = [rank for rank in (1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 200, 300, 500) if rank < n] + [round(n)]
    guesses = [min(1.0, rank / n) for rank in ranks]
    return {
        **plain,
        "ci95": around(plain["top1"], 0.05),
        "mean_reciprocal_rank_ci95": around(plain["mean_reciprocal_rank"], 0.04),
        "by_length": {str(length): measures(min(1.0, skill * (1 + 0.1 * step))) for step, length in enumerate(LENGTHS)},
        "curve": {"rank": ranks, "share": [g ** (1 - 0.8 * skill) for g in guesses], "chance": guesses},
    }


def scores_of(
    logits: float | None, match: float, labels: Sequence[str], *, n_participants: int = 8, chance: float = 0.25,
    candidates: float | None = None, rng: np.random.Generator,
) -> dict[str, Any]:  # fmt: skip
    """Imitate the scores of a model."""

    def near(value: float | None) -> float | None:
        return None if value is None else float(np.clip(value + 0.06 * rng.standard_normal(), 0, 1))

    def row(n_windows: int) -> dict[str, Any]:
        return {"accuracy": near(logits), "match_accuracy": near(match), "n_windows": n_windows}

    skill, n_songs = (match - chance) / (1 - chance), len(labels)
    kinds = {
        "song": kind_of(skill, candidates or n_songs),
        "moment": kind_of(0.5 * skill, 56),
        "window": kind_of(0.4 * skill, 224),
    }
    return {
        "accuracy": logits,
        "ci95": logits and around(logits),
        "balanced_accuracy": logits and logits - 0.003,
        "top3_accuracy": logits and min(1.0, logits + 0.12),
        "match_accuracy": match,
        "match_ci95": around(match, 0.06),
        "match_chance": chance,
        "by_length": {
            str(length): {
                **dict.fromkeys(("mean", "max", "majority"), logits and min(1.0, logits + 0.02 * step)),
                "match": min(1.0, match + 0.02 * step),
            }
            for step, length in enumerate(LENGTHS)
        },
        "by_participant": {f"{p + 1:02d}": row(14 * n_songs) for p in range(n_participants)},
        "by_stimulus": {label: row(14 * n_participants) for label in labels},
        "confusion": None if logits is None else counts_of(logits, n_songs),
        "match_confusion": counts_of(match, n_songs),
        "retrieval": {key: value for key, value in kinds["window"].items() if key not in ("by_length", "curve")}
        | {"kinds": kinds},
        "permutation": None,
    }


def permutation_of(logits: float | None, p_value: float = 0.005, *, null: str = "kept") -> dict[str, Any]:
    """Imitate a permutation test."""
    by_match = {
        "match_p_value": p_value,
        "match_null_mean": 0.25,
        "match_null_ci95": [0.2, 0.3],
        "match_p_holm": 4 * p_value,
    }
    by_logits = {"p_value": p_value, "null_mean": 0.25, "null_ci95": [0.19, 0.31], "p_holm": 4 * p_value}
    if logits is None:
        by_logits = dict.fromkeys(by_logits)
    return {**by_logits, **by_match, "n": 199, "null": null}


def comparisons_of(models: Mapping[str, Any], n_seeds: int) -> list[dict[str, Any]]:
    """Imitate all comparisons with PredANN."""
    found = []
    for second in (name for name in models if name != "predann" and models[name]):
        for by, prefix in (("logits", ""), ("match", "match_"), ("retrieval", "match_")):
            values = [models[name][f"{prefix}accuracy"] for name in ("predann", second)]
            if None in values or (second == "baseline" and by != "logits"):
                continue
            difference = values[0] - values[1]
            mcnemar = {"only_first": 90, "only_second": 31, "p_value": 1e-6, "n_windows": 160}
            found.append(
                {"first": "predann", "second": second, "by": by, "difference": difference,
                 "ci95": [difference - 0.07, difference + 0.07], "p_value": 0.0078, "test": TEST, "p_holm": 0.031,
                 "sign_flip_p_value": 0.0078, "mcnemar": mcnemar,
                 "by_seed": [difference + 0.02 * (seed - 1) for seed in range(n_seeds)]}
            )  # fmt: skip
    return found


def control_of(
    models: Mapping[str, Any], *, chance: float = 0.25, leak: float = 0.0, signature: float = 0.0
) -> dict[str, Any]:
    """Imitate the fingerprint control; `leak` is what models score on it beyond chance, `signature` band power."""

    def condition(beyond: float) -> dict[str, Any]:
        level = chance + beyond
        found: dict[str, Any] = {"models": {}, "differences": {}}
        for name, scores in models.items():
            value = scores["accuracy"]
            match = scores["match_accuracy"] - level
            found["models"][name] = {
                "accuracy": value and level, "ci95": value and around(level, 0.05), "match_accuracy": level,
                "match_ci95": around(level, 0.04),
            }  # fmt: skip
            found["differences"][name] = {
                "accuracy_difference": value and value - level,
                "ci95": value and [value - level - 0.1, value - level + 0.1],
                "p_value": value and (0.0078 if value - level > 0.1 else 0.4), "match_accuracy_difference": match,
                "match_ci95": [match - 0.08, match + 0.08], "match_p_value": 0.0078 if match > 0.08 else 0.3,
            }  # fmt: skip
        return found

    power = {"real": chance + signature + 0.05, "reassigned": chance + signature, "shifted": chance + 0.5 * signature}
    return {
        "fingerprint": {
            "reassigned": condition(leak),
            "shifted": condition(0.5 * leak),
            "band_power": {kind: {"accuracy": value, "ci95": around(value, 0.05)} for kind, value in power.items()},
            "chance": chance,
        }
    }


def uses_of(n_channels: int = 32) -> dict[str, Any]:
    """Imitate what the network uses; channels lie where those of a 32-channel cap do."""
    import mne

    delays = [round(-0.5 + 0.1 * step, 1) for step in range(16)]
    peak = [float(np.exp(-(((delay - 0.2) / 0.25) ** 2))) for delay in delays]
    curve = {"accuracy": [0.6 + 0.25 * p for p in peak], "match_accuracy": [0.25 + 0.7 * p for p in peak],
             "moment_mrr": [0.06 + 0.3 * p for p in peak]}  # fmt: skip
    names = "ci95", "match_ci95", "moment_mrr_ci95"
    limits = {name: [around(v, 0.04) for v in values] for name, values in zip(names, curve.values(), strict=True)}
    places = mne.channels.make_standard_montage("biosemi32", head_size=0.095).get_positions()["ch_pos"]

    def bump(x: float, middle: float) -> float:
        return float(np.exp(-((x - middle) ** 2) / 0.002))

    channels = [
        {
            "name": name,
            "position": [float(x) for x in place],
            "drop": 0.04 * bump(place[0], 0.06),
            "match_drop": 0.09 * bump(place[0], -0.06),
        }
        for name, place in list(places.items())[:n_channels]
    ]

    def lost(prefix: str, value: float) -> dict[str, Any]:
        p_holm = 0.02 if value > 0.03 else 0.6
        limits = [value - 0.03, value + 0.03]
        return {f"{prefix}drop": value, f"{prefix}ci95": limits, f"{prefix}p_holm": p_holm}

    def drop(by_logits: float, by_match: float) -> dict[str, Any]:
        return lost("", by_logits) | lost("match_", by_match)

    bands = (
        ("delta", 1, 4, 0.22, 0.3),
        ("theta", 4, 8, 0.08, 0.12),
        ("alpha", 8, 13, 0.01, 0.0),
        ("beta", 13, 30, 0.0, -0.01),
    )
    sides = [
        f"{side} {lobe}"
        for lobe in ("frontal", "central", "temporal", "parietal", "occipital")
        for side in ("left", "mid", "right")
    ]
    return {
        "model": "predann",
        "full": {"accuracy": 0.85, "match_accuracy": 0.97},
        "delay": {"delay_s": delays, "trained_delay_s": 0.2, **curve, **limits, "moment_mrr_chance": 0.08},
        "bands": [{"name": name, "low_hz": low, "high_hz": high, **drop(a, b)} for name, low, high, a, b in bands],
        "channels": channels,
        "regions": [
            {"name": side, "channels": ["Cz"], **drop(0.01 * (n % 6), 0.02 * (n % 4))} for n, side in enumerate(sides)
        ],
        "similarity": {"correlation": 0.21, "ci95": [0.12, 0.3], "p_value": 0.0078, "n_conditions": 24},
    }


def predicts_of() -> list[dict[str, Any]]:
    """Imitate how well EEG predicts audio features."""

    def scores(value: float) -> dict[str, Any]:
        return {"correlation": value, "ci95": around(value, 0.02), "other_moments": 0.001}

    def row(name: str, linear: float, network: float) -> dict[str, Any]:
        difference = {"value": network - linear, "ci95": around(network - linear, 0.01), "p_value": 0.01}
        ways = {"linear": scores(linear), "network": scores(network)}
        return {"name": name, "n_features": 32, "n_components": 16, **ways, "difference": difference}

    return [row("onsets", 0.08, 0.081), row("log-mel", 0.05, 0.065)]


def order_of(accuracy: float | None, chance: float = 0.25, p_value: float | None = 0.4, **more: Any) -> dict[str, Any]:
    """Imitate how well positions name songs."""
    scores = {"accuracy": accuracy, "chance": chance, "p_value": p_value, "unit": "session", "across": "participants"}
    return {**scores, "by_labels": False, "n": 32, "n_participants": 8, "n_permutations": 1999, "ways": []} | more


def state_of(accuracy: float, chance: float = 0.25) -> dict[str, Any]:
    """Imitate what band power says on real data."""
    limits = {"ci95": around(accuracy, 0.05), "balanced_ci95": around(accuracy, 0.05)}
    return {"accuracy": accuracy, "balanced_accuracy": accuracy, **limits, "chance": chance}


def metrics_of(
    *, split: str = "participant", labels: Sequence[str] = SONGS, models: Sequence[str] = tuple(SKILLS),
    n_participants: int = 8, n_seeds: int = 1,
) -> dict[str, Any]:  # fmt: skip
    """Imitate metrics.json of a run without any option."""
    rng = np.random.default_rng(7)
    unseen = split == "stimulus"
    chance = 0.5 if unseen else 1 / len(labels)
    found = {}
    for name in models:
        logits, match = SKILLS[name]
        found[name] = scores_of(
            None if unseen else logits, max(match, chance + 0.05), labels, n_participants=n_participants, chance=chance,
            candidates=2.0 if unseen else None, rng=rng,
        )  # fmt: skip
    return {
        "protocol": protocol_of(split, len(labels), n_participants, n_seeds),
        "chance": chance,
        "models": dict.fromkeys(SKILLS) | found,
        "comparison": None,
        "comparisons": comparisons_of(found, n_seeds),
        "order": order_of(0.28),
        "recording_state": None if unseen else state_of(0.27),
        "control": None,
        "uses": None,
        "predicts": None,
        "also": {},
    }


def everything(split: str = "participant", **control: float) -> dict[str, Any]:
    """Imitate metrics.json of a run with every option."""
    metrics = metrics_of(split=split, n_seeds=3)
    models = metrics["models"]
    for scores in models.values():
        scores["permutation"] = permutation_of(scores["accuracy"])
    others = [other for other in ("participant", "stimulus", "time", "chunk") if other != split]
    keys = ("protocol", "chance", "models", "comparison")
    also = {other: {key: metrics_of(split=other)[key] for key in keys} for other in others}
    more = {"uses": uses_of(), "predicts": predicts_of(), "also": also}
    return metrics | {"control": control_of(models, **control), **more}


def old_metrics() -> dict[str, Any]:
    """Imitate metrics.json as it was before controls and retrieval."""
    metrics = metrics_of(models=("predann", "baseline"))
    comparison = {"accuracy_difference": 0.25, "ci95": [0.15, 0.35], "p_value": 0.0078, "test": TEST} | {
        "match_accuracy_difference": 0.5, "match_ci95": [0.4, 0.6], "match_p_value": 0.0078
    }  # fmt: skip
    for scores in ("predann", "baseline"):
        metrics["models"][scores]["retrieval"] = None
    del metrics["protocol"]["n_seeds"], metrics["models"]["linear_whitened"]
    kept = {key: metrics[key] for key in ("protocol", "chance", "models")}
    return kept | {"comparison": comparison}


def history_of(models: Sequence[str], rng: np.random.Generator) -> pd.DataFrame:
    """Imitate trainings: falling losses, then overfitting."""
    epochs = np.arange(1, 21)
    rows = []
    for model in models:
        for fold in range(1, 5):
            train = 1.2 + 3 * np.exp(-epochs / 6) + 0.05 * rng.standard_normal(20)
            loss = 1.9 + 2.4 * np.exp(-epochs / 5) + 0.03 * epochs + 0.08 * rng.standard_normal(20)
            columns = {"train_loss": train, "validation_loss": loss, "validation_eeg_loss": loss / 2}
            columns["kept"] = (epochs == epochs[loss.argmin()]).astype(int)
            rows.append(pd.DataFrame({"fold": fold, "model": model, "epoch": epochs, **columns}))
    return pd.concat(rows, ignore_index=True)


def predictions_of(metrics: Mapping[str, Any], labels: Sequence[str], rng: np.random.Generator) -> pd.DataFrame:
    """Imitate predictions.tsv: decisions as often right as the scores say."""
    rows = []
    for model, scores in metrics["models"].items():
        for how, accuracy in (("mean", "accuracy"), ("match", "match_accuracy")):
            if scores is None or scores[accuracy] is None:
                continue
            for person in range(metrics["protocol"]["n_participants"]):
                for stimulus in labels:
                    right = rng.random() < scores[accuracy]
                    named = stimulus if right else labels[int(rng.integers(len(labels)))]
                    rows.append((model, 0, 1 + person % 4, f"{person + 1:02d}", stimulus, 3.0, how, named))
    columns = ["model", "seed", "fold", "participant", "stimulus", "length", "aggregation", "predicted"]
    return pd.DataFrame(rows, columns=columns)


def evidence_of(metrics: Mapping[str, Any], labels: Sequence[str] = SONGS) -> GroupEvidence:
    """Imitate what a group run hands to its report."""
    rng = np.random.default_rng(3)
    trained = [model for model in ("predann", "baseline") if metrics["models"].get(model)]
    baseline = "baseline" in trained
    science = resolve(
        flags={
            "splitting.split": metrics["protocol"]["split"],
            "evaluation.resamples": 199,
            "training.baseline": baseline,
        }
    )
    history, predictions = history_of(trained, rng), predictions_of(metrics, labels, rng)
    return GroupEvidence("predann", science, metrics, predictions, history, tuple(labels))

"""Starting points of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from predann_bids.config.science import Preset

# Akama et al. 2025, "Methods": every number that differs from the defaults
PUBLISHED: Mapping[str, Any] = {
    "preprocessing": {
        "l_freq": 0.0,
        "h_freq": 0.0,
        "notch": "none",
        "reference": "none",
        "interpolation": "none",
        "resample": 125.0,
        "resampling": "fourier",
        "bad_spans": "keep",
    },
    "windows": {
        "channels": "all",
        "first": 240.0,
        "scaling": "window",
        "placing": "spans",
        "span": 8.0,
        "span_stride": 1.6,
    },
    "splitting": {"split": "chunk", "chunk": 30.0, "validation": 0.0, "split_seed": 42},
    "training": {
        "encoders": "2d",
        "predann_weight": 0.05,
        "temperature": 0.5,
        "stop_gradient": True,
        "epochs": 6000,
        "batch_size": 48,
        "learning_rate": 0.003,
        "schedule": "constant",
        "weight_decay": 0.0,
        "drawing": "single",
        "keep": "last",
        "validate_every": 12,
        "seeds": (0, 1, 2, 42),
    },
    "evaluation": {"linear": False, "probe": False},
}
# Noguchi et al. 2026: data, windows and split of the first paper; network and training of its own
PLUSPLUS: Mapping[str, Any] = {
    **PUBLISHED,
    "windows": {**PUBLISHED["windows"], "delay": 0.2, "length": 3.0, "placing": "middles"},
    "training": {
        "encoders": "eeg-transformer",
        "teacher": "log-mel",
        "predann_weight": 0.1,
        "song_weight": 1.0,
        "pretraining_epochs": 10_000,
        "epochs": 3500,
        "batch_size": 48,
        "learning_rate": 0.003,
        "schedule": "constant",
        "weight_decay": 0.0,
        "drawing": "single",
        "keep": "last",
        "validate_every": 100,
    },
}
PRESETS: Mapping[Preset, Mapping[str, Any]] = {"default": {}, "published": PUBLISHED, "plusplus": PLUSPLUS}

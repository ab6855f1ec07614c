"""Studies: protocols that models are evaluated by, each on one version of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from predann_bids.config import Science
from predann_bids.data.splits import TRANSFER, Split, SplitKind, nature_of
from predann_bids.data.windows import Windows, grid, place_in_spans
from predann_bids.learning.models import Model
from predann_bids.learning.statistics import Scoring, overlap_widening
from predann_bids.workflows.group.inputs.material import Material
from predann_bids.workflows.group.inputs.notes import windows_before_and_after

PLACING = 1004  # seed of where test windows are placed, beside those of the training
Role = Literal["main", "also", "control"]


@dataclass(frozen=True)
class Study:
    """One protocol on one version of the data.

    Parameters
    ----------
    science : Science
        Configuration, with the split of this study.
    material : Material
        Data.
    splits : tuple of Split
        Folds.
    models : tuple of Model
        What is evaluated.
    directory : Path
        Where it is kept.
    role : str
        The run itself ('main'), another split ('also'), or data in which music and EEG do not belong together
        ('control').
    name : str
        Name of the other split, or of the control.
    given : mapping of str to Path
        Models that were trained elsewhere, and are only tested here.
    all_songs_trained : bool
        Whether given models were trained on all songs that are tested.
    given_split : str
        How what given models are tested on was kept apart from what they were trained on.
    contents : mapping of Path to str
        Hashes of given models, or of the weights that a network starts from.
    """

    science: Science
    material: Material
    splits: tuple[Split, ...]
    models: tuple[Model, ...]
    directory: Path
    role: Role = "main"
    name: str = ""
    given: Mapping[str, Path] = field(default_factory=dict)
    all_songs_trained: bool = True
    given_split: str = TRANSFER
    contents: Mapping[Path, str] = field(default_factory=dict)

    @property
    def known_songs(self) -> bool:
        """Whether all songs that are tested have been trained on, so that they are classes of the song logits."""
        return self.all_songs_trained and not self.nature.unseen_songs

    @property
    def split(self) -> str:
        """Name of the split."""
        return self.given_split if self.given else self.science.splitting.split

    @property
    def nature(self) -> type[SplitKind]:
        """What kind of split it is."""
        return nature_of(self.split)

    @property
    def scoring(self) -> Scoring:
        """How test windows were laid out, and how intervals are made."""
        science = self.science
        return Scoring(
            science.windows.length,
            science.windows.stride,
            science.lengths,
            science.evaluation.resamples,
            science.training.seed,
            self._widening(),
        )

    def _widening(self) -> float:
        tested = {stretch.trial for split in self.splits for stretch in split.test}
        return overlap_widening(len(self.splits), len({self.material.trials[index].participant for index in tested}))

    def tested_windows(self, split: Split) -> Windows:
        """Enumerate the windows that a fold is tested on, the same for all models and seeds."""
        windows, rate = self.science.windows, self.material.rate
        length, stride = rate.samples(windows.length), rate.samples(windows.stride)
        if windows.placing == "grid":
            return grid(split.test, length, stride)
        return place_in_spans(
            split.test,
            length,
            span=rate.samples(windows.span),
            span_stride=max(1, rate.samples(windows.span_stride)),
            stride=stride,
            following=1 + round((max(self.science.lengths) - windows.length) / windows.stride),
            rng=np.random.default_rng([self._dividing, split.fold, PLACING]) if windows.placing == "spans" else None,
        )

    @property
    def _dividing(self) -> int:
        """Seed of what must be the same for all decoders that are compared."""
        given = self.science.splitting.split_seed
        return self.science.training.seed if given == "auto" else given

    def validation_windows(self, split: Split) -> Windows:
        """Enumerate the windows that training is validated with: without a validation set, as published, the tested.

        Nothing is chosen by them then.
        """
        if not split.validation:
            return self.tested_windows(split).alone()
        length = self.material.rate.samples(self.science.windows.length)
        return grid(split.validation, length, max(1, length // 2))

    def protocol(self) -> dict[str, Any]:
        """Say what was done: the value `protocol` of metrics.json."""
        science = self.science
        used = {trial for split in self.splits for trial in self.tested_windows(split).trial.tolist()}
        return {
            "split": self.split,
            "n_folds": len(self.splits),
            "n_participants": len({self.material.trials[index].participant for index in used}),
            "n_stimuli": len(self.material.labels),
            "window": science.windows.length,
            "delay": science.windows.delay,
            "seed": science.training.seed,
            "n_seeds": 1 if self.given else len(science.training.all_seeds),
            "seeds": [] if self.given else list(science.training.all_seeds),
            "validated_on": "nothing" if self.given else "validation" if science.splitting.validation else "test",
            "preset": science.preset,
            "widening": self._widening(),
            **self._use_of_data(),
        }

    def _use_of_data(self) -> dict[str, Any]:
        material, windows = self.material, self.science.windows
        before, after = windows_before_and_after(material.trials, windows, material.rate)
        interpolated = material.montage.interpolated if material.montage else ()
        return {
            "channels": windows.channels,
            "n_interpolated_recordings": sum(number > 0 for number in interpolated),
            "windows_left_out": 1 - len(after) / max(1, len(before)),
        }

"""Fit closed-form decoders: solve, and choose among the solutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.data.source import MappedSource
from predann_bids.data.splits import Split
from predann_bids.data.trials import Stretch
from predann_bids.learning.closed_form.contrast import Contrast, best_temperature, preferred
from predann_bids.learning.closed_form.data import ClosedFormData, training_data
from predann_bids.learning.closed_form.songs import groups_of_songs
from predann_bids.learning.closed_form.validation import MOST_WINDOWS, ValidationWindows
from predann_bids.models.closed_form import ClosedForm
from predann_bids.models.settings import Settings


def solve(kind: type[ClosedForm], source: MappedSource, split: Split, settings: Settings) -> ClosedForm:
    """Fit a closed-form decoder to the training stretches of a fold.

    Lags range from the sound to `latest_s` after it. Among the candidates, that one is kept that does best on the
    windows of the validation stretches, or one of a lower rank that is not clearly worse; there, the temperature of its
    song logits is chosen as well. If there are more than `MOST_HOURS` of training data, that much is drawn at random,
    as more would not improve the weights. Without a validation set, every seventh training stretch is held out instead.

    Where songs are tested that are not trained on, candidates are compared on songs that they were not solved from
    either. If those of the validation stretches are trained on, groups of songs are left out in turn instead, and
    everybody's windows of a group are compared with each other. What is chosen is then solved from all songs.

    Parameters
    ----------
    kind : type of ClosedForm
        Class of the decoder.
    source : MappedSource
        EEG and audio features.
    split : Split
        The fold.
    settings : Settings
        What the decoder is built from.

    Returns
    -------
    ClosedForm
    """
    source = source.whitened(settings.shrinkage)
    groups = groups_of_songs(split, source.trials)
    data, compared = training_data(kind, source, split, settings, groups)
    turns = [turn for group in range(len(groups)) if (turn := _turn(kind, data, settings, group, compared))]
    if turns:
        measured = [_Measured.together(parts) for parts in zip(*turns, strict=True)]
        index = _best(kind, measured)
        return measured[index].let_choose(next(islice(kind.candidates(data, settings), index, None)))
    data, compared = training_data(kind, source, split, settings)
    candidates = list(kind.candidates(data, settings))
    windows = ValidationWindows.of(source, compared)
    measured = [_Measured.of(candidate, windows) for candidate in candidates]
    index = _best(kind, measured)
    return measured[index].let_choose(candidates[index])


@dataclass(frozen=True)
class _Measured:
    """What n windows say of a candidate: the information of each at each temperature, (temperatures, n)."""

    informations: Doubles
    correlation: float
    rank: int

    @classmethod
    def of(cls, candidate: ClosedForm, windows: ValidationWindows) -> _Measured:
        correlation = np.nan if candidate.by_contrast else windows.correlation(candidate)
        return cls(windows.informations(candidate), correlation, candidate.rank)

    @classmethod
    def together(cls, parts: Sequence[_Measured]) -> _Measured:
        numbers = [part.informations.shape[1] for part in parts]
        correlation = float(np.average([part.correlation for part in parts], weights=numbers))
        return cls(np.concatenate([part.informations for part in parts], axis=1), correlation, parts[0].rank)

    @property
    def contrast(self) -> Contrast:
        return best_temperature(self.informations)

    def let_choose(self, candidate: ClosedForm) -> ClosedForm:
        contrast = self.contrast
        agreement = contrast.information if candidate.by_contrast else self.correlation
        return candidate.chosen(agreement, contrast.temperature, contrast.each)


def _turn(
    kind: type[ClosedForm], data: ClosedFormData, settings: Settings, group: int, stretches: Sequence[Stretch]
) -> list[_Measured]:
    """Solve without a group of songs and measure all candidates on it; none if nothing can be solved or measured."""
    songs, others = data.groups[group], data.leaving_out(group)
    of_group = [stretch for stretch in stretches if data.source.trials[stretch.trial].stimulus in songs]
    windows = ValidationWindows.of(data.source, of_group, MOST_WINDOWS // len(data.groups))
    if not others.remaining or not len(windows.windows):
        return []
    return [_Measured.of(candidate, windows) for candidate in kind.candidates(others, settings)]


def _best(kind: type[ClosedForm], measured: Sequence[_Measured]) -> int:
    if kind.by_contrast:
        return preferred([one.contrast for one in measured], [one.rank for one in measured])
    return max(range(len(measured)), key=lambda index: measured[index].correlation)

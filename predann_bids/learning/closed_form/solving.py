"""Fit closed-form decoders: solve, and choose among the solutions."""

from __future__ import annotations

from predann_bids.data.source import MappedSource
from predann_bids.data.splits import Split
from predann_bids.learning.closed_form.contrast import preferred
from predann_bids.learning.closed_form.data import training_data
from predann_bids.learning.closed_form.validation import ValidationWindows
from predann_bids.models.closed_form import ClosedForm
from predann_bids.models.settings import Settings


def solve(kind: type[ClosedForm], source: MappedSource, split: Split, settings: Settings) -> ClosedForm:
    """Fit a closed-form decoder to the training stretches of a fold.

    Lags range from the sound to `latest_s` after it. Among the candidates, that one is kept that does best on the
    windows of the validation stretches, or one of a lower rank that is not clearly worse; there, the temperature of its
    song logits is chosen as well. If there are more than `MOST_HOURS` of training data, that much is drawn at random,
    as more would not improve the weights. Without a validation set, every seventh training stretch is held out instead.

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
    data, held_out = training_data(kind, source, split, settings)
    validation = ValidationWindows.of(source, held_out)
    candidates = list(kind.candidates(data, settings))
    if not kind.by_contrast:
        correlations = [validation.correlation(candidate) for candidate in candidates]
        best = max(range(len(candidates)), key=correlations.__getitem__)
        return candidates[best].chosen(correlations[best], validation.contrast(candidates[best]).temperature)
    found = [validation.contrast(candidate) for candidate in candidates]
    best = preferred(found, [candidate.rank for candidate in candidates])
    return candidates[best].chosen(found[best].information, found[best].temperature)

"""Measure how well EEG predicts audio features: linearly, and by way of what a network represents.

Both see the same training data and are tested on the same windows. The linear prediction is a ridge regression from the
EEG at all lags from the sound on. The other one begins with a trained network: a ridge regression leads from what it
predicts for windows of EEG to the features. Where it is better, the network has learned to find in EEG what a linear
regression on the features themselves does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from predann_bids.arrays import Doubles, Floats, Singles
from predann_bids.data.source import AnySource, MappedSource
from predann_bids.data.splits import Split
from predann_bids.data.stores.mapped import AudioStore
from predann_bids.data.trials import Stretch, audio_spans
from predann_bids.data.windows import Windows, grid
from predann_bids.learning.closed_form.data import held_out, training_data
from predann_bids.learning.probing.probed import BATCH, thinned
from predann_bids.learning.statistics import Scoring, mean_of
from predann_bids.models.decoder import Decoder
from predann_bids.models.decoders.linear import LinearDecoder
from predann_bids.models.linear.backward import ALPHAS, BackwardModel, halved, ridge
from predann_bids.signals.frames import Frames
from predann_bids.signals.halves import HALVING
from predann_bids.timing import Rate

MOST_COMPONENTS = 16
MOST_FRAMES = 100_000  # of music, from which components are computed
MOST_TRAINED, MOST_TESTED = 3000, 2000  # windows
REACH = 3  # frames of a representation on either side
TINY = 1e-12
Predict = Callable[[Windows], Floats]  # features (n, K, frames) of windows of EEG


@dataclass(frozen=True)
class Components:
    """The principal components of audio features; the features themselves, standardised, if they are few.

    Parameters
    ----------
    mean : ndarray, shape (F,)
        Mean of each feature.
    axes : ndarray, shape (K, F)
        Weights of the features.
    shares : ndarray, shape (K,)
        Share of the variance of each component; they sum to one.
    """

    mean: Doubles
    axes: Doubles
    shares: Doubles

    @classmethod
    def of(cls, songs: Sequence[Singles]) -> Components:
        """Compute the components of songs, (F, frames) each."""
        from sklearn.decomposition import PCA

        step = 1 + sum(song.shape[1] for song in songs) // MOST_FRAMES
        frames = np.concatenate([song[:, ::step].T for song in songs]).astype(np.float64)
        mean, scale = frames.mean(axis=0), np.maximum(frames.std(axis=0), TINY)
        n_features = len(mean)
        if n_features <= MOST_COMPONENTS:
            return cls(mean, np.diag(1 / scale), np.full(n_features, 1 / n_features))
        found = PCA(MOST_COMPONENTS, svd_solver="covariance_eigh").fit((frames - mean) / scale)
        shares = found.explained_variance_ / found.explained_variance_.sum()
        return cls(mean, found.components_ / scale, shares)

    def __call__(self, song: Singles) -> Singles:
        """Turn features (F, frames) into components (K, frames)."""
        components: Singles = (self.axes @ (song - self.mean[:, None])).astype(np.float32)
        return components


@dataclass(frozen=True)
class Readout:
    """How well features were predicted for each participant of one or several folds.

    Parameters
    ----------
    n_features, n_components : int
        How many features there are, and how many components of them were predicted.
    windows : mapping of str to int
        Number of windows of each participant.
    own, other : mapping of str to mapping of str to float
        For each way to predict ("linear", "network") and participant, the sum over windows of the correlation with the
        features of the moment that was playing, and of another window.
    """

    n_features: int
    n_components: int
    windows: Mapping[str, int]
    own: Mapping[str, Mapping[str, float]]
    other: Mapping[str, Mapping[str, float]]


def pool_readouts(parts: Sequence[Readout], scoring: Scoring) -> dict[str, Any]:
    """Pool the folds of one kind of features: an entry of `predicts` of metrics.json, without its name.

    Parameters
    ----------
    parts : sequence of Readout
        At least one.
    scoring : Scoring
        How intervals are made.

    Returns
    -------
    dict
        `n_features`, `n_components`; for each way to predict its `correlation`, `ci95` and the correlation with
        `other_moments`; and the `difference` of network and linear prediction with `ci95` and `p_value`.
    """
    people = sorted({name for part in parts for name in part.windows})
    counts = _sums([part.windows for part in parts], people)
    ways = [way for way in ("linear", "network") if all(way in part.own for part in parts)]
    own = {way: _sums([part.own[way] for part in parts], people) / counts for way in ways}
    other = {way: _sums([part.other[way] for part in parts], people) / counts for way in ways}
    row: dict[str, Any] = {"n_features": parts[0].n_features, "n_components": parts[0].n_components}
    for way in ("linear", "network"):
        row[way] = _estimated("correlation", own[way], scoring) if way in ways else None
        if row[way]:
            row[way] |= {"other_moments": float(other[way].mean())}
    row["difference"] = None
    if len(ways) == 2:
        difference = own["network"] - own["linear"]
        estimate = mean_of(difference, scoring)
        row["difference"] = _estimated("value", difference, scoring) | {"p_value": estimate and estimate.p_value}
    return row


def _estimated(key: str, values: Doubles, scoring: Scoring) -> dict[str, Any]:
    estimate = mean_of(values, scoring)
    return {key: float(values.mean()), "ci95": estimate and estimate.interval}


def _sums(parts: Sequence[Mapping[str, float]], people: Sequence[str]) -> Doubles:
    return np.array([sum(part.get(name, 0.0) for part in parts) for name in people], dtype=np.float64)


@torch.no_grad()
def read_out(
    decoder: Decoder, eeg: AnySource, features: MappedSource, split: Split, on_step: Callable[[str], None]
) -> Readout:
    """Predict audio features from the EEG of a fold's test set.

    Parameters
    ----------
    decoder : Decoder
        A trained network, in eval mode.
    eeg : Source
        EEG as the network takes it.
    features : Source
        EEG scaled by recordings, and the audio features.
    split : Split
        The fold. Components and regressions are computed from its training set; regularisation is chosen on its
        validation set, or on every seventh stretch of the training set if there is none.
    on_step : callable
        Called with a description of each step as it begins.

    Returns
    -------
    Readout
    """
    trials = features.trials
    components = Components.of(_heard(features, split))
    reduced = tuple(components(song) for song in features.audio.features)
    source = features.whitened(decoder.settings.shrinkage)
    source = source.taking_from(source.eeg, AudioStore(reduced))
    on_step("linear")
    ways = {"linear": _linear(decoder, source, split, components.shares)}
    on_step("network")
    network = _network(decoder, eeg.whitened(decoder.settings.shrinkage), source, split, components.shares)
    if network:
        ways["network"] = network
    test = thinned(_side_by_side(split.test, source.length), MOST_TESTED)
    scores = {way: _scores(predict(test), _features(source, test), components.shares) for way, predict in ways.items()}
    people = test.participants(trials)
    far = _other_windows(people)
    others = {way: _scores(p(test), _features(source, test[far]), components.shares) for way, p in ways.items()}
    return Readout(
        components.axes.shape[1],
        len(components.axes),
        {str(name): int((people == name).sum()) for name in np.unique(people)},
        {way: _by_person(values, people) for way, values in scores.items()},
        {way: _by_person(values, people) for way, values in others.items()},
    )


def _heard(features: MappedSource, split: Split) -> list[Singles]:
    """Return the features of each training song at the moments that are trained on."""
    spans = audio_spans(features.trials, split.train)
    songs = {song: Frames(np.asarray(features.audio.features[song]), rate_hz=1.0) for song in sorted(spans)}
    return [frames.within(spans[song], rate_hz=1.0) for song, frames in songs.items()]


def _linear(decoder: Decoder, source: MappedSource, split: Split, shares: Doubles) -> Predict:
    """Regress the features on the EEG at all lags, and choose the regularisation."""
    data, _ = training_data(LinearDecoder, source, split, decoder.settings)
    lags = np.array(data.lags().eeg)
    rate = Rate(decoder.settings.rate_hz / HALVING)
    models = [
        BackwardModel(coefficients, lags, alpha, np.nan, whitened=True)
        for alpha, coefficients in ridge(*data.joined(), lags, rate).items()
    ]

    def predicting(model: BackwardModel) -> Predict:
        return lambda windows: np.concatenate([model.reconstruct(part.numpy()) for part in _eeg(source, windows)])

    return _best([predicting(model) for model in models], source, split, shares)


def _network(decoder: Decoder, eeg: AnySource, source: MappedSource, split: Split, shares: Doubles) -> Predict | None:
    """Regress the features on what a network predicts; None if its representation has no frames of their rate."""
    train = thinned(_side_by_side(split.train, source.length), MOST_TRAINED)
    if decoder.samples_per_frame != HALVING or decoder.predict(next(_eeg(eeg, train[:1]))).ndim < 3:
        return None

    def represented(windows: Windows) -> Iterator[Floats]:
        for part in _eeg(eeg, windows):
            yield _with_neighbours(decoder.predict(part).double().numpy())

    products: Any = 0.0
    crossed: Any = 0.0
    for first, z in zip(range(0, len(train), BATCH), represented(train), strict=True):
        y = _centred(_features(source, train[slice(first, first + BATCH)]))
        products = products + np.einsum("ndt,net->de", z, z, optimize=True)
        crossed = crossed + np.einsum("ndt,nkt->dk", z, y, optimize=True)
    power = max(TINY, float(np.trace(products)) / len(products))
    solved = [np.linalg.solve(products + alpha * power * np.eye(len(products)), crossed) for alpha in ALPHAS]

    def predicting(weights: Doubles) -> Predict:
        return lambda windows: np.concatenate(
            [np.einsum("dk,ndt->nkt", weights, z, optimize=True) for z in represented(windows)]
        )

    return _best([predicting(weights) for weights in solved], source, split, shares)


def _best(candidates: Sequence[Predict], source: MappedSource, split: Split, shares: Doubles) -> Predict:
    windows = thinned(_side_by_side(held_out(split), source.length), MOST_TESTED)
    features = _features(source, windows)
    scores = [float(_scores(predict(windows), features, shares).mean()) for predict in candidates]
    return candidates[int(np.argmax(scores))]


def _side_by_side(stretches: Sequence[Stretch], length: int) -> Windows:
    return grid(stretches, length, length)


def _eeg(source: AnySource, windows: Windows) -> Iterator[torch.Tensor]:
    for first in range(0, len(windows), BATCH):
        yield source.eeg_of(windows[slice(first, first + BATCH)])


def _features(source: MappedSource, windows: Windows) -> Singles:
    """Return the features (n, K, frames) of windows."""
    return halved(source.audio.windows(source.trials, windows, source.length))


def _with_neighbours(z: Floats) -> Floats:
    """Stack the frames on either side: (n, D, T) to (n, D * (2 * REACH + 1), T), without their means."""
    centred = np.pad(_centred(z), ((0, 0), (0, 0), (REACH, REACH)))
    stacked: Floats = np.concatenate([centred[:, :, k : k + z.shape[2]] for k in range(2 * REACH + 1)], axis=1)
    return stacked


def _centred(values: Any) -> Any:
    return values - values.mean(axis=2, keepdims=True)


def _scores(predicted: Floats, features: Floats, shares: Doubles) -> Doubles:
    """Correlate over the frames of each window; components count by their share of the variance: (n,)."""
    a, b = (_centred(np.asarray(part, dtype=np.float64)) for part in (predicted, features))
    norms = np.sqrt(np.square(a).sum(axis=2) * np.square(b).sum(axis=2))
    correlations: Doubles = (a * b).sum(axis=2) / np.maximum(norms, TINY)
    return correlations @ shares


def _other_windows(people: Any) -> Any:
    """Return for each window the number of another one of the same participant, half of hers away."""
    others = np.arange(len(people))
    for name in np.unique(people):
        rows = np.flatnonzero(people == name)
        others[rows] = np.roll(rows, len(rows) // 2)
    return others


def _by_person(values: Doubles, people: Any) -> dict[str, float]:
    return {str(name): float(values[people == name].sum()) for name in np.unique(people)}

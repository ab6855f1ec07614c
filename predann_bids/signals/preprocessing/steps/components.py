"""Remove artefacts with independent component analysis, by the judgement of ICLabel (Pion-Tonachini et al. 2019)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.config import Preprocessing
from predann_bids.signals.preprocessing.interface import ESTIMATED, STEPS, PreprocessingStep
from predann_bids.signals.preprocessing.spatial import has_positions, with_position
from predann_bids.signals.preprocessing.state import State, Step
from predann_bids.signals.preprocessing.stretches import evenly_spaced, quiet

if TYPE_CHECKING:
    from mne.io import BaseRaw
    from mne.preprocessing import ICA

SEED = 0
# ICLabel's classes, named as in the configuration
LABELS = ("brain", "muscle", "eye", "heart", "line noise", "channel", "other")
FEWEST_CHANNELS, SHORTEST_S = 8, 30.0
MOST_S, MOST_SAMPLES, MOST_ITERATIONS = 600.0, 65_000, 200
# The square root of FastICA's usual 1e-4, by which MNE compares the two, would be 1e-2
TOLERANCE = 1e-3
# Directions with a smaller share of the strongest one's variance are numerical: what the average reference and
# bridged electrodes leave. From the same ratio on, MNE warns that the decomposition is unstable.
SMALLEST_VARIANCE = 1e-6


@dataclass(frozen=True)
class Removal:
    """The matrix that removes artefacts, and the step that says so.

    Attributes
    ----------
    matrix : ndarray, shape (C, C)
        Over all channels of the recording, in its own reference; the identity for channels that were left out.
    step : Step
        'ICA', or 'no ICA' with a reason.
    warnings : tuple of str
        What a user should look at.
    """

    matrix: Doubles
    step: Step
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Components:
    """Independent components of the recording in its own reference.

    With the sources s, `mixing` (C, K) gives what they add to the channels after average reference, `common` (K,)
    what they add to all channels alike before it, and `unmixing` (K, C) gives s from either.
    """

    mixing: Doubles
    common: Doubles
    unmixing: Doubles
    explained: Doubles

    def without(self, removed: Sequence[int]) -> Doubles:
        """The matrix that removes components: (C, C)."""
        taken = self.mixing[:, removed] + self.common[removed]
        return np.eye(len(self.mixing)) - taken @ self.unmixing[removed]


@STEPS.add("ica")
class RemoveComponents(PreprocessingStep):
    """Remove the independent components that ICLabel takes for artefacts."""

    order = 30
    mixes = True

    @property
    def wanted(self) -> bool:
        """Whether components are to be removed."""
        return self.config.ica == "auto"

    @property
    def memory(self) -> float:
        """Components are found in a copy."""
        return ESTIMATED

    def apply(self, state: State) -> State:
        """Find components in the channels that are not bad, and remove the unwanted ones."""
        removal = remove_components(state.judged_copy(state.info["bads"]), self.config)
        state = state if removal.step.name == "no ICA" else state.mix(removal.matrix)
        return state.note(removal.step, warnings=removal.warnings)


def remove_components(raw: BaseRaw, config: Preprocessing) -> Removal:
    """Find the components that ICLabel takes for artefacts, and the matrix that removes them.

    ICLabel was trained on extended infomax, which Picard computes faster, of average-referenced EEG of 1-100 Hz. So the
    components are found in the average reference, and then expressed in the recording's own: whatever reference is
    chosen afterwards, the result is as if it had been chosen first.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        EEG channels in volts, 1-100 Hz, without line noise; it is not changed. Those in `info["bads"]` are left
        alone, so bad channels are to be interpolated after the removal; so are those without a position.
    config : Preprocessing
        `ica_reject` and `ica_threshold`.
    """
    names = [name for name in raw.ch_names if name not in raw.info["bads"]]
    positioned = {name for name, known in zip(raw.ch_names, with_position(raw.info), strict=True) if known}
    names = [name for name in names if name in positioned] if len(positioned) >= FEWEST_CHANNELS else names
    if len(names) < FEWEST_CHANNELS:
        return _none(raw, f"there are {len(names)} good channels, fewer than {FEWEST_CHANNELS}")
    with quiet() as library_warnings:
        sample = evenly_spaced(raw, MOST_S, names)
        common = sample.get_data().mean(axis=0)
        sample.set_eeg_reference("average", projection=False)
        n_components = _rank(sample.get_data(), common)
        if reason := _obstacle(sample, n_components):
            return _none(raw, reason)
        ica = _fit(sample, n_components)
        probabilities = _label(sample, ica)
        components = _express(sample, ica, common)
    best, certain = probabilities.argmax(axis=1), probabilities.max(axis=1)
    unwanted = np.isin(best, [LABELS.index(label) for label in config.ica_reject]) & (certain >= config.ica_threshold)
    removed = [int(k) for k in np.flatnonzero(unwanted)]
    rows = [raw.ch_names.index(name) for name in names]
    matrix = np.eye(len(raw.ch_names))
    matrix[np.ix_(rows, rows)] = components.without(removed)
    parameters = {
        "method": "extended infomax by Picard, labelled by ICLabel",
        "fitted_components": n_components,
        "variance_explained": _rounded(
            ica.pca_explained_variance_[:n_components].sum() / ica.pca_explained_variance_.sum()
        ),
        "converged": not any("converge" in warning for warning in library_warnings),
        "band_hz": [_rounded(sample.info["highpass"]), _rounded(min(sample.info["lowpass"], sample.info["sfreq"] / 2))],
        "threshold": config.ica_threshold,
        "channels": names,
        "removed": [_describe(k, LABELS[best[k]], certain[k], components) for k in removed],
        "kept": dict(Counter(LABELS[k] for k in best[~unwanted]).most_common()),
    }
    return Removal(matrix, Step("ICA", parameters), _warnings(len(removed), n_components))


def _none(raw: BaseRaw, reason: str) -> Removal:
    return Removal(np.eye(len(raw.ch_names)), Step("no ICA", {"reason": reason}))


def _obstacle(sample: BaseRaw, n_components: int) -> str | None:
    if not has_positions(sample.info):
        return "electrode positions, which ICLabel needs, are not known"
    if n_components < 2:
        return "the channels do not differ"
    # as many samples as the unmixing has weights
    needed_s = max(SHORTEST_S, n_components**2 / sample.info["sfreq"])
    if sample.duration < needed_s:
        return f"the usable recording is shorter than the {needed_s:.0f} s that {n_components} components need"
    return None


def _warnings(n_removed: int, n_components: int) -> tuple[str, ...]:
    if 2 * n_removed <= n_components:
        return ()
    return (
        f"{n_removed} of {n_components} independent components were taken for artefacts and removed, more than half",
    )


def _rank(data: Doubles, common: Doubles) -> int:
    variances = np.linalg.eigvalsh(data @ data.T)
    # what subtracting the average leaves of channels that are all the same is rounding
    smallest = max(SMALLEST_VARIANCE * variances[-1], 1e-20 * common @ common)
    return int((variances > smallest).sum())


def _fit(sample: BaseRaw, n_components: int) -> ICA:
    from mne.preprocessing import ICA

    options = {"ortho": False, "extended": True, "tol": TOLERANCE}
    ica = ICA(n_components, method="picard", fit_params=options, max_iter=MOST_ITERATIONS, rng=SEED)
    # Which samples are used says nothing about their order in time, so leaving some out does no harm.
    return ica.fit(sample, decim=max(1, round(sample.n_times / MOST_SAMPLES)))


def _label(sample: BaseRaw, ica: ICA) -> Doubles:
    """Probabilities of `LABELS` for each component: (K, 7)."""
    from mne_icalabel.iclabel import iclabel_label_components

    return np.asarray(iclabel_label_components(sample, ica, inplace=False, backend="onnx"), dtype=float)


def _express(sample: BaseRaw, ica: ICA, common: Doubles) -> _Components:
    """Turn a decomposition of average-referenced channels into one of the recording; `common` (T,) is their mean."""
    scale = ica.pre_whitener_
    # principal directions of average-referenced data are blind to what all channels share, and so is the unmixing
    unmixing = ica.unmixing_matrix_ @ (ica.pca_components_[: ica.n_components_] / scale.T)
    mixing = ica.get_components() * scale
    data = sample.get_data()
    sources = unmixing @ data
    # |x|² - |x - a s|², which is what MNE and EEGLAB call the variance that a component accounts for
    accounted = 2 * (mixing * (data @ sources.T)).sum(axis=0) - (mixing**2).sum(axis=0) * (sources**2).sum(axis=1)
    return _Components(
        mixing,
        np.linalg.lstsq(sources @ sources.T, sources @ common)[0],
        unmixing,
        accounted / (data**2).sum(),
    )


def _describe(k: int, label: str, probability: float, components: _Components) -> dict[str, Any]:
    topography = components.mixing[:, k] / np.abs(components.mixing[:, k]).max()
    return {
        "component": k,
        "label": label,
        "probability": _rounded(probability),
        "variance_explained": _rounded(components.explained[k]),
        "topography": [_rounded(value) for value in topography],
    }


def _rounded(value: float) -> float:
    """Round to four significant digits."""
    return float(f"{value:.4g}")

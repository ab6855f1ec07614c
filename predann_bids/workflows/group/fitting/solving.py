"""Solve for decoders in closed form, whether they are models of their own or the start of a network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from predann_bids.models.decoder import DECODERS, Blueprint, Decoder
from predann_bids.models.network import can_be_started
from predann_bids.signals.scaling import SHRINKAGE
from predann_bids.workflows.group.fits import ModelFit
from predann_bids.workflows.group.fitting.sources import blueprint_for, blueprint_of, decoder_class, source_features
from predann_bids.workflows.processes import Worker

STARTS = ("ridge", "cca")  # closed-form decoders that a network may contain
MOST_FEATURES = 64  # audio features from which closed-form decoders are solved for; a teacher may have thousands


def solve_model(fit: ModelFit, source: Any, worker: Worker) -> Decoder:
    """Solve for the model of a fit, and save it."""
    assert fit.trained
    decoder: Decoder = _solved(fit, source, fit.model.decoder, blueprint_of(fit, source), fit.model.shrinkage)
    decoder.save(fit.trained, {})
    decoder.remember(source.songs())
    worker.advance(fit.units, fit.title)
    return decoder


def _solved(fit: ModelFit, source: Any, name: str, blueprint: Blueprint, shrinkage: float | None = SHRINKAGE) -> Any:
    """Solve for the closed-form decoder of a name, from the audio features that the source has."""
    from predann_bids.learning.closed_form.solving import solve

    kind: Any = DECODERS[name]
    settings = replace(kind.settings_for(blueprint), shrinkage=shrinkage)
    return solve(kind, source, fit.split, settings)


def can_start(fit: ModelFit, blueprint: Blueprint) -> bool:
    """Whether a network can contain a closed-form decoder, which is solved for from EEG scaled by recordings."""
    by_recording = fit.science.windows.scaling == "recording"
    few = bool(blueprint.beside) or blueprint.bands <= MOST_FEATURES
    return can_be_started(decoder_class(fit)) and by_recording and few


def start_of(fit: ModelFit, source: Any) -> Any:
    """Return the closed-form decoder that a network contains: the one that does best on validation data.

    An earlier one of `STARTS` goes before one that is not clearly better. It is read where it is one of the models of
    the run and done, and otherwise solved for here. Beside a teacher, it takes the features made by hand that `source`
    has.
    """
    from predann_bids.learning.closed_form.contrast import preferred
    from predann_bids.learning.closed_form.data import held_out
    from predann_bids.learning.closed_form.validation import ValidationWindows

    songs, features = source.songs(), _features_of_start(fit)
    blueprint = blueprint_for(fit, source, features)
    candidates: list[Any] = []
    for name in STARTS:
        done = next((other for other in fit.starts if other.model.name == name and other.is_trained()), None)
        if done and decoder_class(done).features_for(fit.science.training) == features:
            assert done.trained
            candidates.append(decoder_class(done).load(done.trained, blueprint, songs))
        else:
            candidates.append(_solved(fit, source, name, blueprint))
    windows = ValidationWindows.of(source, held_out(fit.split))
    found = [windows.contrast(decoder) for decoder in candidates]
    best = candidates[preferred(found, range(len(candidates)))]
    best.remember(songs)
    return best


def _features_of_start(fit: ModelFit) -> str:
    """Return the name of the features that the closed-form decoder inside a network takes."""
    return decoder_class(fit).beside_for(fit.science.training) or source_features(fit)


def source_of_start(fit: ModelFit, source: Any) -> Any:
    """Open what the closed-form decoder inside a network is solved from."""
    if not decoder_class(fit).beside_for(fit.science.training):
        return source
    return fit.study.material.source(fit.science, _features_of_start(fit))


def joined(fit: ModelFit, network: Any, start: Any, source: Any, solved_from: Any) -> Any:
    """Join a trained network with the closed-form decoder that it contains.

    Parameters
    ----------
    fit : ModelFit
        Says which data are held out.
    network : StartedNetwork
        The trained network.
    start : Decoder
        The closed-form decoder.
    source, solved_from : Source
        What the network, and what the closed-form decoder, takes windows from.
    """
    from predann_bids.learning.closed_form.joining import join
    from predann_bids.learning.closed_form.validation import ValidationWindows

    held_out = fit.split.validation
    windows, of_start = (ValidationWindows.of(some, held_out or fit.split.train) for some in (source, solved_from))
    decoder = join(network, start, windows, of_start, held_out=bool(held_out), cautious=_is_cautious(fit))
    decoder.remember(source.songs())
    return decoder


def _is_cautious(fit: ModelFit) -> bool:
    """Whether new songs are tested, and validation is on songs that were trained on, though of other listeners."""
    trials = fit.study.material.trials
    trained, validated = (
        {trials[stretch.trial].stimulus for stretch in some} for some in (fit.split.train, fit.split.validation)
    )
    return fit.study.nature.unseen_songs and bool(trained & validated)

"""Solve for decoders in closed form, whether they are models of their own or the start of a network."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from predann_bids.models.decoder import DECODERS, Blueprint, Decoder
from predann_bids.models.network import can_be_started
from predann_bids.signals.scaling import SHRINKAGE
from predann_bids.workflows.group.fits import ModelFit
from predann_bids.workflows.group.fitting.sources import (
    blueprint_for,
    blueprint_of,
    decoder_class,
    learned_from,
    source_features,
)
from predann_bids.workflows.processes import Worker

STARTS = ("ridge", "cca")  # closed-form decoders that a network may contain
TAUGHT_START = "cca_teacher"  # and one that hears its teacher
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
    """Solve for the closed-form decoder of a name, from the audio features that the source has, a teacher's reduced."""
    from predann_bids.learning.closed_form.solving import solve

    kind: Any = DECODERS[name]
    settings = replace(kind.settings_for(blueprint), shrinkage=shrinkage)
    if not blueprint.beside:
        return solve(kind, source, fit.split, settings)
    learned, reduction = learned_from(fit, source, blueprint.beside)
    solved: Any = solve(kind, learned, fit.split, settings)
    return solved.reducing(reduction)


def can_start(fit: ModelFit, blueprint: Blueprint) -> bool:
    """Whether a network can contain a closed-form decoder, which is solved for from EEG scaled by recordings."""
    by_recording = fit.science.windows.scaling == "recording"
    few = bool(blueprint.beside) or blueprint.bands <= MOST_FEATURES
    return can_be_started(decoder_class(fit)) and by_recording and few


def start_of(fit: ModelFit, source: Any) -> tuple[Any, Any]:
    """Return the closed-form decoder that a network contains: the one that told most windows apart when it was chosen.

    An earlier one of `starts_of` goes before one that is not clearly better, unless they were compared on songs that
    had been left out. A decoder is read where it is one of the models of the run and done, and otherwise solved for
    here.

    Parameters
    ----------
    fit : ModelFit
        The network's.
    source : Source
        What the network takes windows from.

    Returns
    -------
    Decoder
        With all songs remembered.
    Source
        What it takes windows from.
    """
    from predann_bids.learning.closed_form.contrast import Contrast, preferred
    from predann_bids.learning.closed_form.songs import groups_of_songs

    pairs = [_start(fit, name, source) for name in starts_of(fit)]
    found = [Contrast(float(each.mean()), math.nan, each) for each in (decoder.each for decoder, _ in pairs)]
    new_songs = bool(groups_of_songs(fit.split, source.trials))
    # with songs that were learned from, the more features a decoder has, the better it seems
    ranks = [0 if new_songs else index for index in range(len(pairs))]
    decoder, taken = pairs[preferred(found, ranks)]
    decoder.remember(taken.songs())
    return decoder, taken


def starts_of(fit: ModelFit) -> tuple[str, ...]:
    """Name the closed-form decoders that a network may contain: where it has a teacher, one that hears it as well."""
    return (*STARTS, TAUGHT_START) if decoder_class(fit).beside_for(fit.science.training) else STARTS


def _start(fit: ModelFit, name: str, source: Any) -> tuple[Any, Any]:
    """Read or solve for a closed-form decoder that a network may contain; return what it takes windows from as well."""
    features, beside = source_features(fit), decoder_class(fit).beside_for(fit.science.training)
    if beside and name != TAUGHT_START:
        features, beside = beside, ""
        source = fit.study.material.source(fit.science, features)
    blueprint = blueprint_for(fit, source, features, beside)
    done = next((other for other in fit.starts if other.model.name == name and other.is_trained()), None)
    if done and source_features(done) == features:
        assert done.trained
        decoder: Any = decoder_class(done).load(done.trained, blueprint, source.songs())
        if decoder.each is not None:  # files of earlier versions do not say it
            return decoder, source
    return _solved(fit, source, name, blueprint), source


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
    from predann_bids.learning.closed_form.songs import validates_on_known_songs
    from predann_bids.learning.closed_form.validation import ValidationWindows

    held_out = fit.split.validation
    windows, of_start = (ValidationWindows.of(some, held_out or fit.split.train) for some in (source, solved_from))
    cautious = validates_on_known_songs(fit.split, source.trials)
    decoder = join(network, start, windows, of_start, held_out=bool(held_out), cautious=cautious)
    decoder.remember(source.songs())
    return decoder

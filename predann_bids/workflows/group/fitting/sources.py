"""What a fit takes windows from, and what its decoder is built for or read from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from predann_bids.config.teachers import MOST_LEARNED
from predann_bids.data.splits import Split
from predann_bids.data.trials import audio_spans
from predann_bids.models.decoder import DECODERS, Blueprint, Decoder
from predann_bids.signals.frames import Reduction
from predann_bids.workflows.group.fits import ModelFit
from predann_bids.workflows.group.inputs.material import Material


def decoder_class(fit: ModelFit) -> type[Decoder]:
    """Return the class of the decoder that a fit is about."""
    return DECODERS[fit.model.decoder or fit.science.training.encoders]


def source_features(fit: ModelFit) -> str:
    """Return the registered name of the audio features that a fit's decoder hears."""
    return decoder_class(fit).features_for(fit.science.training)


def source_of(fit: ModelFit) -> Any:
    """Open what a fit takes windows from, as its decoder wants it."""
    by_window = fit.model.in_epochs and fit.science.windows.scaling == "window"
    beside = decoder_class(fit).beside_for(fit.science.training)
    return fit.study.material.source(fit.science, source_features(fit), beside, by_window=by_window)


def learned_from(fit: ModelFit, source: Any, beside: str = "") -> tuple[Any, Reduction | None]:
    """Open what a fit learns from; a teacher's features are reduced by what the training hears of the songs.

    Where other moments of the same recordings are tested, these are left out; else songs are heard as a whole.

    Parameters
    ----------
    fit : ModelFit
        Says what its decoder hears, and which songs are trained on.
    source : Source
        What it takes windows from.
    beside : str
        Name of features whose part made by hand is put below the teacher's; empty for none.

    Returns
    -------
    Source
    Reduction or None
        None if nothing was reduced.
    """
    if not decoder_class(fit).beside_for(fit.science.training):
        return source, None
    material = fit.study.material
    spans = audio_spans(material.trials, (*fit.split.train, *fit.split.validation))
    heard = spans if fit.study.nature.within_recording else dict.fromkeys(spans)
    store, reduction = material.audio.learned(source_features(fit), heard, MOST_LEARNED, beside)
    return source.taking_from(source.eeg, store), reduction


def blueprint_of(fit: ModelFit, source: Any) -> Blueprint:
    """Say what a fit's decoder is to be built for."""
    features, beside = source_features(fit), decoder_class(fit).beside_for(fit.science.training)
    return blueprint_for(fit, source, features, beside)


def blueprint_for(fit: ModelFit, source: Any, features: str, beside: str = "") -> Blueprint:
    """Say what a decoder of a fit is to be built for if it hears other features.

    Parameters
    ----------
    fit : ModelFit
        What the decoder is for.
    source : Source
        Says which channels the EEG has.
    features, beside : str
        Names of the audio features, and of those whose part made by hand is put below them.
    """
    material, windows = fit.study.material, fit.science.windows
    return Blueprint(
        kind=fit.model.decoder or fit.science.training.encoders,
        channels=source.eeg.channels,
        songs=material.labels,
        rate_hz=material.rate.hz,
        delay_s=windows.delay,
        window_s=windows.length,
        audio_s=max(windows.length, windows.audio_context),
        features=features,
        bands=material.audio.n_features(features),
        longest=max(material.audio.lengths()),
        beside=beside,
        positions=material.positions(),
        eeg_encoder=fit.science.training.eeg_encoder,
        of_teachers=material.audio.n_of_teachers(features),
    )


def read_decoder(fit: ModelFit, source: Any) -> Decoder:
    """Read the decoder of a fit; let one that was trained elsewhere name the songs of this study."""
    assert fit.trained
    songs = source.songs()
    decoder = decoder_class(fit).load(fit.trained, blueprint_of(fit, source), songs)
    return decoder.for_songs(fit.study.material.labels, songs) if fit.study.given else decoder


def trained_split(fit: ModelFit) -> Split:
    """Cut training data into chunks where one window is drawn from each."""
    if fit.science.training.drawing == "filled":
        return fit.split
    length = fit.study.material.rate.samples(fit.science.splitting.chunk)
    return replace(fit.split, train=tuple(chunk for stretch in fit.split.train for chunk in stretch.chunks(length)))


def trained_on(material: Material, split: Split) -> list[str]:
    """Fingerprints of the recordings that training and validation took windows from."""
    used = {material.trials[stretch.trial].recording for stretch in (*split.train, *split.validation)}
    return sorted(set().union(*(material.identities(index) for index in used)))

"""A decoder that was trained elsewhere: what it needs, and what it must not be tested on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from predann_bids.config import Preprocessing, Science, option_of
from predann_bids.errors import WrongUsage
from predann_bids.learning.models import MODELS, PREDANN
from predann_bids.signals.montage import Target

if TYPE_CHECKING:
    from predann_bids.models.decoder import Decoder


@dataclass(frozen=True)
class Given:
    """A decoder that was trained elsewhere.

    Parameters
    ----------
    path : Path
        The group run or checkpoint that was asked for.
    checkpoint : Path
        The decoder's file.
    decoder : Decoder
        In eval mode.
    facts : mapping
        What the checkpoint says of its training.
    """

    path: Path
    checkpoint: Path
    decoder: Decoder
    facts: Mapping[str, Any]

    @property
    def target(self) -> Target:
        """EEG channels that it needs, in their order, and where they were."""
        positions = {name: (x, y, z) for name, (x, y, z) in self.facts.get("positions", {}).items()}
        return Target(self.decoder.settings.channels, positions)

    @property
    def songs(self) -> tuple[str, ...]:
        """Stimuli that it was trained with."""
        return self.decoder.settings.songs

    @property
    def recordings(self) -> frozenset[str]:
        """Fingerprints of the recordings that it was trained on; empty where nobody knows."""
        return frozenset(self.facts.get("trained_on", ()))

    @property
    def models(self) -> dict[str, Path]:
        """Files of the models that a group run has beside its first fold's decoder; a checkpoint is alone."""
        files = {PREDANN.name: self.checkpoint}
        if self.path.is_dir():
            beside = {m.name: self.checkpoint.with_name(f"{m.name}.{m.suffix}") for m in MODELS.values() if m.suffix}
            files |= {name: file for name, file in beside.items() if name not in files and file.is_file()}
        return files


def read_given(path: Path) -> Given:
    """Read a decoder that was trained elsewhere.

    Raises
    ------
    MissingInput, UnusableData
        There is no checkpoint, or it is none of this project.
    """
    from predann_bids.models.checkpoints import find_checkpoint, read_decoder

    checkpoint = find_checkpoint(path)
    return Given(path, checkpoint, *read_decoder(checkpoint))


def as_trained(given: Given, science: Science) -> Science:
    """Cut windows as the decoder was trained with.

    Raises
    ------
    WrongUsage
        The derivatives were preprocessed in another way, or something is asked for that needs training.
    """
    _refuse_training(given, science)
    _refuse_other_preprocessing(given, science)
    settings, configuration = given.decoder.settings, given.decoder.configuration()
    changes = {
        "windows": {"length": settings.window_s, "delay": settings.delay_s, **configuration["windows"]},
        "training": {"seeds": (), **configuration["training"]},
    }
    plain = science.model_dump()
    try:
        return Science.model_validate(plain | {section: plain[section] | some for section, some in changes.items()})
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise WrongUsage(f"{given.path} was trained on windows of {settings.window_s:g} s: {reason}.") from error


def _refuse_training(given: Given, science: Science) -> None:
    evaluation = science.evaluation
    if evaluation.control != "none" or evaluation.also_splits or science.training.n_seeds > 1:
        raise WrongUsage(
            "--from-model trains nothing: leave out --control, --also-split and --n-seeds, which train decoders."
        )
    if evaluation.predict_features:
        raise WrongUsage(
            "--predict-features computes regressions from a training set, and --from-model has none: leave out one of"
            " the two."
        )
    if not given.recordings and science.splitting.split == "chunk" and evaluation.permutations:
        raise WrongUsage(
            "--permutations: on the chunk split they train decoders anew, and --from-model trains nothing. Leave out"
            " one of the two."
        )


def _refuse_other_preprocessing(given: Given, science: Science) -> None:
    theirs, ours = given.facts.get("preprocessing", {}), science.preprocessing.model_dump()
    for name in _differing(given, science):
        field = Preprocessing.model_fields[name]
        if option_of(field).get("binding"):
            raise WrongUsage(
                f"{given.path} was trained on EEG with {name} = {theirs[name]}, the derivatives have {ours[name]}: run"
                f" the participant level with {option_of(field)['flag']} {theirs[name]}."
            )


def given_notes(given: Given, science: Science) -> tuple[str, ...]:
    """Note where the derivatives were preprocessed in another way than the EEG that a decoder was trained on."""
    differing = _differing(given, science)
    if not differing:
        return ()
    return (
        "The decoder was trained on EEG that was preprocessed in another way. These keys differ:"
        f" {', '.join(differing)}.",
    )


def _differing(given: Given, science: Science) -> list[str]:
    """Name the preprocessing keys in which the derivatives differ from what a decoder was trained on."""
    theirs, ours = given.facts.get("preprocessing", {}), science.preprocessing.model_dump()
    return [name for name in ours if name in theirs and theirs[name] != ours[name]]

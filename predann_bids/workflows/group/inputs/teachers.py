"""Refuse a teacher that cannot be used, with all reasons at once, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from predann_bids.bids.derivatives import Derivative
from predann_bids.config import Training
from predann_bids.errors import UnusableData, WrongUsage
from predann_bids.models.audio.features import JOINT, features_kind, make_features
from predann_bids.models.audio.teacher import Teacher
from predann_bids.models.decoder import DECODERS
from predann_bids.signals.brainvision import map_brainvision


def refuse_unfit_teacher(
    training: Training,
    features: Sequence[str],
    audio: Mapping[str, Path],
    derivatives: Sequence[Derivative],
    directory: Path,
) -> None:
    """Check that audio features exist, that networks take the teacher, and that it has what it needs.

    Parameters
    ----------
    training : Training
        Names the teacher and the networks.
    features : sequence of str
        Names of all audio features of a run.
    audio : mapping of str to Path
        Label of each stimulus to its audio file.
    derivatives : sequence of Derivative
        Preprocessed recordings.
    directory : Path
        Where audio features are cached. Weights that are known there are not opened again.

    Raises
    ------
    WrongUsage
        No features have this name, or networks take no teacher, or not several.
    MissingInput, UnusableData
        What a teacher needs is missing or damaged; all that is wrong is named.
    """
    kinds = [features_kind(name) for name in features]
    if training.more_teachers and not DECODERS[training.encoders].takes_several_teachers:
        raise WrongUsage(
            f"Networks '{training.encoders}' learn from one teacher at most: leave out --more-teachers, or choose"
            " --encoders temporal."
        )
    for name in (teacher.name for teacher in training.teachers if teacher.name != JOINT):
        _refuse_without_frames(training.model_copy(update={"teacher": name, "more_teachers": ()}))
    from predann_bids.learning.features import is_known

    rate_hz = map_brainvision(derivatives[0].paths.header).rate_hz
    for name, kind in zip(features, kinds, strict=True):
        if not issubclass(kind, Teacher) or (is_known(name, directory) and not kind.by_name):
            continue
        teacher = make_features(name, rate_hz)
        problems = teacher.problems(audio) if isinstance(teacher, Teacher) else []
        if problems:
            raise UnusableData(f"The teacher {name} cannot be used:\n" + "\n".join(problems))


def _refuse_without_frames(training: Training) -> None:
    kind = features_kind(training.teacher)
    if DECODERS[training.encoders].features_for(training) != training.teacher:
        raise WrongUsage(
            f"Networks '{training.encoders}' take no teacher: leave out --teacher, or choose --encoders temporal."
        )
    if not kind.in_frames:
        raise WrongUsage(f"'{training.teacher}' is no teacher: it has no frames that a network could learn from.")

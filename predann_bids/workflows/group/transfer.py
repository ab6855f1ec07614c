"""A decoder that was trained elsewhere: what it needs, and what it must not be tested on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from predann_bids.config import Science
from predann_bids.errors import WrongUsage
from predann_bids.signals.montage import Target

OTHERS = {"baseline": "baseline.ckpt", "linear": "linear.npz", "linear_whitened": "linear_whitened.npz"}


@dataclass(frozen=True)
class Provenance:
    """What a checkpoint says of itself.

    Parameters
    ----------
    target : Target
        EEG channels that it needs, in their order, and where they lay.
    songs : tuple of str
        Stimuli that it was trained with.
    recordings : frozenset of str
        Fingerprints of the recordings that it was trained on; empty where nobody knows.
    """

    target: Target
    songs: tuple[str, ...]
    recordings: frozenset[str]


def provenance(path: Path) -> Provenance:
    """Read where a decoder comes from.

    Raises
    ------
    MissingInput, UnusableData
        There is no checkpoint, or it is none of this project.
    """
    from predann_bids.learning.checkpoints import read_decoder

    decoder, more = read_decoder(path)
    places = {name: (x, y, z) for name, (x, y, z) in more.get("positions", {}).items()}
    target = Target(decoder.settings.channels, places)
    return Provenance(target, decoder.settings.songs, frozenset(more.get("trained_on", ())))


def as_trained(path: Path, science: Science) -> Science:
    """Cut windows as the decoder was trained with.

    Raises
    ------
    WrongUsage
        The derivatives were preprocessed in another way, or something is asked for that needs training.
    """
    evaluation = science.evaluation
    if evaluation.control != "none" or evaluation.also_splits or science.training.n_seeds > 1:
        raise WrongUsage(
            "--from-model trains nothing: leave out --control, --also-split and --n-seeds, which train decoders."
        )
    from predann_bids.learning.checkpoints import read_decoder
    from predann_bids.models.published.networks import PublishedSettings

    decoder, more = read_decoder(path)
    if not more.get("trained_on") and science.splitting.split == "chunk" and evaluation.permutations:
        raise WrongUsage(
            "--permutations: on the chunk split they train decoders anew, and --from-model trains nothing. Leave out"
            " one of the two."
        )
    theirs, ours = more.get("preprocessing", {}), science.preprocessing.model_dump()
    for name in ("resample", "l_freq", "h_freq", "notch", "reference"):
        if name in theirs and theirs[name] != ours[name]:
            raise WrongUsage(
                f"{path} was trained on EEG with {name} = {theirs[name]}, the derivatives have {ours[name]}: run the"
                f" participant level with --{name.replace('_', '-')} {theirs[name]}."
            )
    settings = decoder.settings
    windows = {"length": settings.window_s, "delay": settings.delay_s, "scaling": "recording", "audio_context": 0.0}
    training: dict[str, object] = {"encoders": "temporal", "seeds": ()}
    if isinstance(settings, PublishedSettings):
        longer = settings.audio_s if settings.audio_s > settings.window_s else 0.0
        windows |= {"scaling": "window", "audio_context": longer}
        training["encoders"] = settings.kind
    plain = science.model_dump()
    changed = {"windows": plain["windows"] | windows, "training": plain["training"] | training}
    try:
        return Science.model_validate(plain | changed)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise WrongUsage(f"{path} was trained on windows of {settings.window_s:g} s: {reason}.") from error


def given_models(path: Path) -> dict[str, Path]:
    """Find the models that a group run has beside its first fold's decoder; a checkpoint is alone."""
    from predann_bids.learning.checkpoints import find_checkpoint

    checkpoint = find_checkpoint(path)
    found = {"predann": checkpoint}
    if path.is_dir():
        others = {model: checkpoint.with_name(name) for model, name in OTHERS.items()}
        found |= {model: file for model, file in others.items() if file.is_file()}
    return found

"""Decoders on disk: a file of plain values and tensors, read without executing anything in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from predann_bids import __version__
from predann_bids.errors import MissingInput, UnusableData, WrongUsage
from predann_bids.files import written_whole
from predann_bids.models.published.networks import PublishedDecoder, PublishedSettings
from predann_bids.models.temporal.decoder import Decoder, DecoderSettings
from predann_bids.models.temporal.layers import HALVING

FORMAT = "predann-bids decoder 1"
PUBLISHED_FORMAT = "predann-bids published decoder 1"
SONG_ROWS = "projector1.3.weight"
TRAINED_FOR_ANY_SONG = ("spectra", "eeg_encoder", "audio_encoder")  # parts of a decoder that do not know songs by name


def save_decoder(decoder: Decoder | PublishedDecoder, path: Path, **more: Any) -> None:
    """Write a decoder, whole or not at all; `more` are plain values that describe how it came to be."""
    content = {
        "format": PUBLISHED_FORMAT if isinstance(decoder, PublishedDecoder) else FORMAT,
        "version": __version__,
        "settings": decoder.settings.plain(),
        "state_dict": decoder.state_dict(),
        **more,
    }
    with written_whole(path) as beside:
        torch.save(content, beside)


def load_decoder(path: str | Path) -> Decoder | Any:  # or a PublishedDecoder: who loads a file knows which
    """Load a trained decoder.

    Parameters
    ----------
    path : str or Path
        A checkpoint (`.ckpt`), one that `predann-tools import-checkpoint` wrote, or the directory of a group run
        (`group/NAME`), of which the first fold's PredANN decoder is taken.

    Returns
    -------
    Decoder or PublishedDecoder
        In eval mode, on the CPU, with `encode_eeg` and `encode_audio`.

    Raises
    ------
    MissingInput
        There is no such file, or no finished fold in the directory.
    UnusableData
        The file is no decoder.
    """
    return _read(find_checkpoint(Path(path)))[0]


def read_decoder(path: str | Path) -> tuple[Decoder | PublishedDecoder, dict[str, Any]]:
    """Load a trained decoder, and what its checkpoint says of it.

    Raises
    ------
    MissingInput, UnusableData
        As `load_decoder`.
    """
    return _read(find_checkpoint(Path(path)))


def _read(file: Path) -> tuple[Decoder | PublishedDecoder, dict[str, Any]]:
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a pickle can be broken in any way
        raise UnusableData(
            f"{file} is no checkpoint of PredANN-BIDS that can be read safely. Give a fold-K/predann.ckpt, or the"
            " directory of a group run; a checkpoint of the authors' public code must first go through predann-tools"
            " import-checkpoint."
        ) from error
    if not isinstance(content, dict) or content.get("format") not in (FORMAT, PUBLISHED_FORMAT):
        raise UnusableData(
            f"{file} is no decoder of PredANN-BIDS: expected the format '{FORMAT}' or '{PUBLISHED_FORMAT}'."
        )
    try:
        decoder = _build(content["format"], content["settings"])
        decoder.load_state_dict(content["state_dict"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise UnusableData(f"The decoder in {file} is not whole: {' '.join(str(error).split())[:200]}.") from error
    plain = {key: value for key, value in content.items() if key not in ("settings", "state_dict")}
    return decoder.eval(), plain


def _build(form: str, settings: dict[str, Any]) -> Decoder | PublishedDecoder:
    if form == PUBLISHED_FORMAT:
        return PublishedDecoder(PublishedSettings.of(settings))
    return Decoder(DecoderSettings.of(settings))


def for_songs(
    decoder: Decoder | PublishedDecoder, songs: Sequence[str], spectra: Sequence[Any]
) -> Decoder | PublishedDecoder:
    """Let a trained decoder name other songs than those it was trained with: it remembers these instead.

    A decoder of the published method knows its songs and no others: it can be let name some of them, in any order.

    Parameters
    ----------
    decoder : Decoder or PublishedDecoder
        Trained; it is not changed.
    songs : sequence of str
        Names of the stimuli.
    spectra : sequence of ndarray, shape (bands, frames)
        Their audio features, at the rate of the EEG.

    Raises
    ------
    WrongUsage
        It is a decoder of the published method, and was not trained with one of the songs.
    """
    if isinstance(decoder, PublishedDecoder):
        return _among(decoder, songs)
    frames = max(song.shape[1] for song in spectra) // HALVING
    other = Decoder(replace(decoder.settings, songs=tuple(songs), memory_frames=frames))
    kept = {name: value for name, value in decoder.state_dict().items() if name.split(".")[0] in TRAINED_FOR_ANY_SONG}
    other.load_state_dict(kept, strict=False)
    other.eval().remember([torch.from_numpy(song) for song in spectra])
    return other


def _among(decoder: PublishedDecoder, songs: Sequence[str]) -> PublishedDecoder:
    """Keep the rows of the song logits that belong to these songs."""
    known = decoder.settings.songs
    unknown = [song for song in songs if song not in known]
    if unknown:
        raise WrongUsage(
            f"The decoder is one of the published method, which names the songs that it was trained on"
            f" ({', '.join(known)}) and no others such as {unknown[0]}. Where they have other names here, import the"
            " checkpoint with --songs."
        )
    other = PublishedDecoder(replace(decoder.settings, songs=tuple(songs)))
    rows = [known.index(song) for song in songs]
    state = {name: value[rows] if name.endswith(SONG_ROWS) else value for name, value in decoder.state_dict().items()}
    other.load_state_dict(state)
    return other.eval()


def find_checkpoint(path: Path) -> Path:
    """Find the checkpoint that a path stands for: itself, or the first fold's PredANN decoder of a group run."""
    if path.is_dir():
        folds = sorted(path.glob("fold-*/predann.ckpt"), key=lambda file: int(file.parent.name.removeprefix("fold-")))
        if not folds:
            raise MissingInput(
                f"{path} holds no finished fold (fold-K/predann.ckpt). Give the directory of a group run."
            )
        return folds[0]
    if not path.is_file():
        raise MissingInput(f"There is no checkpoint {path}.")
    return path

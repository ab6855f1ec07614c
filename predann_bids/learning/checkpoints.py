"""Decoders on disk: a file of plain values and tensors, read without executing anything in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from predann_bids import __version__
from predann_bids.errors import MissingInput, UnusableData
from predann_bids.files import written_whole
from predann_bids.models.decoder import Decoder, DecoderSettings

FORMAT = "predann-bids decoder 1"


def save_decoder(decoder: Decoder, path: Path, **more: Any) -> None:
    """Write a decoder, whole or not at all; `more` are plain values that describe how it came to be."""
    content = {
        "format": FORMAT,
        "version": __version__,
        "settings": decoder.settings.plain(),
        "state_dict": decoder.state_dict(),
        **more,
    }
    with written_whole(path) as beside:
        torch.save(content, beside)


def load_decoder(path: str | Path) -> Decoder:
    """Load a trained decoder.

    Parameters
    ----------
    path : str or Path
        A checkpoint (`.ckpt`), or the directory of a group run (`group/NAME`), of which the first fold's PredANN
        decoder is taken.

    Returns
    -------
    Decoder
        In eval mode, on the CPU, with `encode_eeg` and `encode_audio`.

    Raises
    ------
    MissingInput
        There is no such file, or no finished fold in the directory.
    UnusableData
        The file is no decoder.
    """
    file = _find(Path(path))
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a pickle can be broken in any way
        raise UnusableData(f"{file} is no checkpoint that can be read safely: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UnusableData(f"{file} is no decoder of PredANN-BIDS: expected the format '{FORMAT}'.")
    decoder = Decoder(DecoderSettings.of(content["settings"]))
    decoder.load_state_dict(content["state_dict"])
    return decoder.eval()


def _find(path: Path) -> Path:
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

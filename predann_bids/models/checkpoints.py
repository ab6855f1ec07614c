"""Save and load networks, as files of plain values and tensors that are read without executing anything in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from predann_bids import __version__
from predann_bids.errors import MissingInput, UnusableData, WrongUsage
from predann_bids.files import written_whole
from predann_bids.models.decoder import DECODERS, Decoder

FORMAT = "predann-bids decoder 2"
# earlier formats did not name the decoder; published decoders have their kind in the settings
EARLIER = {"predann-bids decoder 1": "temporal", "predann-bids published decoder 1": "2d"}
FRONT_END = "spectra."  # prefix of buffers that earlier versions saved with a decoder, although they are not trained


def save_decoder(decoder: Decoder, path: Path, **facts: Any) -> None:
    """Write a decoder, completely or not at all; `facts` are plain values about its training."""
    content = {
        "format": FORMAT,
        "decoder": decoder.name,
        "version": __version__,
        "settings": decoder.settings.plain(),
        "state_dict": decoder.state_dict(),
        **facts,
    }
    with written_whole(path) as beside, beside.open("wb") as file:
        torch.save(content, file)  # given a name, it takes only some, and does not say why a disk refuses


def load_decoder(path: str | Path) -> Any:  # a Decoder; callers know its class
    """Load a trained decoder.

    Parameters
    ----------
    path : str or Path
        A checkpoint (`.ckpt`), one that `predann-tools import-checkpoint` wrote, or the directory of a group run
        (`group/NAME`), which stands for the PredANN decoder of its first fold.

    Returns
    -------
    Decoder
        In eval mode, on the CPU, with `encode_eeg` and `encode_audio`; see `models.decoder.Decoder`.

    Raises
    ------
    MissingInput
        The file does not exist, or the directory has no finished fold.
    UnusableData
        The file is not a decoder.
    """
    return read_decoder(path)[0]


def read_decoder(path: str | Path) -> tuple[Decoder, dict[str, Any]]:
    """Load a trained decoder and the other contents of its checkpoint.

    Raises
    ------
    MissingInput, UnusableData
        As for `load_decoder`.
    """
    file = find_checkpoint(Path(path))
    content = _read(file)
    try:
        kind = DECODERS[content.get("decoder") or EARLIER[content["format"]]]
        decoder: Decoder = kind(kind.settings_class.of(content["settings"]))
        weights = {name: value for name, value in content["state_dict"].items() if not name.startswith(FRONT_END)}
        decoder.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, WrongUsage) as error:
        raise UnusableData(
            f"The decoder in {file} is incomplete or damaged: {' '.join(str(error).split())[:200]}."
        ) from error
    facts = {key: value for key, value in content.items() if key not in ("settings", "state_dict")}
    return decoder.eval(), facts


def _read(file: Path) -> dict[str, Any]:
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        raise UnusableData(
            f"{file} is not a checkpoint of PredANN-BIDS, or it cannot be read safely. Give a fold-K/predann.ckpt, or"
            " the directory of a group run; a checkpoint of the authors' public code must first go through"
            " predann-tools import-checkpoint."
        ) from error
    if not isinstance(content, dict) or content.get("format") not in (FORMAT, *EARLIER):
        raise UnusableData(
            f"{file} is not a decoder of PredANN-BIDS: expected the format '{FORMAT}', or an earlier one."
        )
    return content


def find_checkpoint(path: Path) -> Path:
    """Return the checkpoint that a path stands for: the file itself, or the first fold's PredANN decoder."""
    if path.is_dir():
        folds = sorted(path.glob("fold-*/predann.ckpt"), key=lambda file: int(file.parent.name.removeprefix("fold-")))
        if not folds:
            raise MissingInput(f"{path} has no finished fold (fold-K/predann.ckpt). Give the directory of a group run.")
        return folds[0]
    if not path.is_file():
        raise MissingInput(f"There is no checkpoint {path}.")
    return path

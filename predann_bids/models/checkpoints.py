"""Networks on disk: a file of plain values and tensors, read without executing anything in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from predann_bids import __version__
from predann_bids.errors import MissingInput, UnusableData, WrongUsage
from predann_bids.files import written_whole
from predann_bids.models.decoder import DECODERS, Decoder

FORMAT = "predann-bids decoder 2"
# formats that did not name the decoder: temporal ones, and published ones that name their kind in their settings
EARLIER = {"predann-bids decoder 1": "temporal", "predann-bids published decoder 1": "2d"}
FRONT_END = "spectra."  # was once saved with a decoder, although it is not trained


def save_decoder(decoder: Decoder, path: Path, **facts: Any) -> None:
    """Write a decoder, whole or not at all; `facts` are plain values that say how it came to be."""
    content = {
        "format": FORMAT,
        "decoder": decoder.name,
        "version": __version__,
        "settings": decoder.settings.plain(),
        "state_dict": decoder.state_dict(),
        **facts,
    }
    with written_whole(path) as beside:
        torch.save(content, beside)


def load_decoder(path: str | Path) -> Any:  # a Decoder: who loads a file knows which
    """Load a trained decoder.

    Parameters
    ----------
    path : str or Path
        A checkpoint (`.ckpt`), one that `predann-tools import-checkpoint` wrote, or the directory of a group run
        (`group/NAME`), of which the first fold's PredANN decoder is taken.

    Returns
    -------
    TemporalDecoder or PublishedDecoder
        In eval mode, on the CPU, with `encode_eeg` and `encode_audio`; see `models.decoder.Decoder`.

    Raises
    ------
    MissingInput
        There is no such file, or no finished fold in the directory.
    UnusableData
        The file is no decoder.
    """
    return read_decoder(path)[0]


def read_decoder(path: str | Path) -> tuple[Decoder, dict[str, Any]]:
    """Load a trained decoder, and what its checkpoint says of it.

    Raises
    ------
    MissingInput, UnusableData
        As `load_decoder`.
    """
    file = find_checkpoint(Path(path))
    content = _read(file)
    try:
        kind = DECODERS[content.get("decoder") or EARLIER[content["format"]]]
        decoder: Decoder = kind(kind.settings_class.of(content["settings"]))
        weights = {name: value for name, value in content["state_dict"].items() if not name.startswith(FRONT_END)}
        decoder.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, WrongUsage) as error:
        raise UnusableData(f"The decoder in {file} is not whole: {' '.join(str(error).split())[:200]}.") from error
    facts = {key: value for key, value in content.items() if key not in ("settings", "state_dict")}
    return decoder.eval(), facts


def _read(file: Path) -> dict[str, Any]:
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a pickle can be broken in any way
        raise UnusableData(
            f"{file} is no checkpoint of PredANN-BIDS that can be read safely. Give a fold-K/predann.ckpt, or the"
            " directory of a group run; a checkpoint of the authors' public code must first go through predann-tools"
            " import-checkpoint."
        ) from error
    if not isinstance(content, dict) or content.get("format") not in (FORMAT, *EARLIER):
        raise UnusableData(f"{file} is no decoder of PredANN-BIDS: expected the format '{FORMAT}', or an earlier one.")
    return content


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

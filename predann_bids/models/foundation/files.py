"""Files of weights that a network starts from, as `--encoders NAME:PATH` names them; nothing heavy is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from predann_bids.errors import MissingInput, UnusableData
from predann_bids.files import read_json
from predann_bids.registry import NamedPath

NAMES = ("model.safetensors", "pytorch_model.bin", "model.pt", "model.pth")  # of weights in a folder
SIZES = "config.json"


def weights_path(kind: str) -> Path | None:
    """Return the file that a network's weights are in; None for a network that starts at random.

    Parameters
    ----------
    kind : str
        `NAME` or `NAME:PATH`; the path is that of a file, or of a folder with a file of a usual name.

    Raises
    ------
    MissingInput
        There is no such file.
    """
    name, path = NamedPath.of(kind)
    if path is None:
        return None
    given = Path(path).expanduser()
    found = next((given / usual for usual in NAMES if (given / usual).is_file()), given)
    if not path or not found.is_file():
        raise MissingInput(
            f"--encoders {kind}: there is no file of weights at '{path}'. Give a .safetensors or .pt file, or a folder"
            f" with {NAMES[0]}; or only '{name}', which starts from random weights."
        )
    return found


def read_sizes(weights: Path) -> dict[str, Any]:
    """Read the sizes of a network from the config.json beside its weights; empty if there is none."""
    file = weights.with_name(SIZES)
    if not file.is_file():
        return {}
    sizes = read_json(file)
    if not isinstance(sizes, dict):
        raise UnusableData(f"{file} must hold the sizes of the network by name, as braindecode writes them.")
    return sizes

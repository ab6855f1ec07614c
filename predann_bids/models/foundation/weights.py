"""Read weights of a foundation model from a local file, without executing anything in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from predann_bids.errors import MissingInput, UnusableData, some
from predann_bids.models.foundation.interface import FoundationModel

INSIDE = ("state_dict", "model_state_dict", "model")  # where a file may hold its weights beside other things
PREFIX = "module."  # of weights of a network that was trained on several devices


def load_weights(network: nn.Module, model: FoundationModel, file: Path) -> None:
    """Give a network the weights of a file; those of another task's head are left out.

    Parameters
    ----------
    network : Module
        As `FoundationModel.build` makes it.
    model : FoundationModel
        What it is.
    file : Path
        Safetensors, or a state_dict that `torch.save` wrote.

    Raises
    ------
    MissingInput
        The package that reads safetensors is not installed.
    UnusableData
        The file cannot be read, or holds other weights than the network has.
    """
    found = {name: value for name, value in _read(file).items() if not name.startswith(model.heads)}
    wanted = network.state_dict()
    lacking, unknown = [[n for n in some_names if n not in others] for some_names, others in _both(wanted, found)]
    if lacking or unknown:
        lacks = f" It lacks {some(lacking)}." if lacking else ""
        has = f" It has {some(unknown)}, which are unknown." if unknown else ""
        raise UnusableData(f"{file} does not hold the weights of {model.title}.{lacks}{has} {_expected(model)}")
    network.load_state_dict({name: _fitting(name, found[name], wanted[name], model, file) for name in wanted})


def _both(
    wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> tuple[tuple[Mapping[str, Tensor], Mapping[str, Tensor]], ...]:
    return (wanted, found), (found, wanted)


def _expected(model: FoundationModel) -> str:
    return (
        f"Expected is the state_dict of {model.title} as {model.package or 'its package'} has it; if its sizes are not"
        " the usual ones, with its config.json in the same folder."
    )


def _fitting(name: str, value: Tensor, wanted: Tensor, model: FoundationModel, file: Path) -> Tensor:
    """Return a weight in the shape in which it is wanted, cut if it was learned for more patches or channels."""
    axis = model.longer.get(name)
    if axis is not None and value.dim() == wanted.dim():
        value = value.narrow(axis, 0, min(value.shape[axis], wanted.shape[axis]))
    if value.shape != wanted.shape:
        more = " Use shorter windows (--window)." if axis is not None and value.dim() == wanted.dim() else ""
        raise UnusableData(
            f"{file}: the weight {name} has the shape {tuple(value.shape)}, but {model.title} wants"
            f" {tuple(wanted.shape)} here.{more} {_expected(model)}"
        )
    if not bool(torch.isfinite(value).all()):
        raise UnusableData(f"{file}: the weight {name} holds values that are no numbers. Get the file again.")
    return value.to(wanted.dtype)


def _read(file: Path) -> dict[str, Tensor]:
    content = _read_safetensors(file) if file.suffix == ".safetensors" else _read_state_dict(file)
    inner = next((content[key] for key in INSIDE if isinstance(content, dict) and key in content), content)
    if not isinstance(inner, dict) or not inner or not all(isinstance(v, Tensor) for v in inner.values()):
        raise UnusableData(f"{file} holds no weights by name. Expected is a state_dict that torch.save wrote.")
    return {str(name).removeprefix(PREFIX): value for name, value in inner.items()}


def _read_safetensors(file: Path) -> Any:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise MissingInput(
            f'To read {file}, the package safetensors is needed: pip install "predann-bids[foundation]"'
        ) from None
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise UnusableData(f"{file} is no complete safetensors file: {error}. Get it again.") from error


def _read_state_dict(file: Path) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        raise UnusableData(
            f"{file} is damaged, or holds more than weights, and is not read, as that could execute what is in it. Load"
            " it in a program that you trust, and save its weights alone: torch.save(network.state_dict(), FILE)."
        ) from error

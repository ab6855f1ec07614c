"""Import checkpoints of the authors' public code, which are files of Lightning 1.4. Only their weights are used.

Such a file is a pickle, and a pickle can name any function to be called while it is read. PyTorch's restricted reader
only calls functions of its own. Other names in the file (`argparse.Namespace`, classes of callbacks) are replaced by
inert stand-ins here, so nothing that the file names is ever imported, called or built. A file that names anything from
Python's standard library, apart from three plain containers, is refused: a checkpoint has no need of it.
"""

from __future__ import annotations

import pickle
import sys
import zipfile
from _compat_pickle import IMPORT_MAPPING
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from predann_bids.errors import MissingInput, UnusableData, WrongUsage
from predann_bids.models.decoders.published import PublishedDecoder, PublishedSettings

NMED_T_SONGS = (
    "21_FirstFires",
    "22_Oino",
    "23_Tiptoes",
    "24_CarelessLove",
    "25_LebaneseBlonde",
    "26_Canopee",
    "27_DoingYoga",
    "28_UntilTheSunNeedsToRise",
    "29_SilentShout",
    "30_TheLastThingYouShouldDo",
)
NMED_T_CHANNELS = 128
HARMLESS = ("argparse.Namespace", "pathlib.PosixPath", "pathlib.WindowsPath")
ENCODERS = ("encoder_eeg.", "encoder_audio.")
COUNTER = "num_batches_tracked"
EXPECTED = "Expected a checkpoint of the authors' public code, with encoder_eeg.* and encoder_audio.* in its state_dict"


def read_public_checkpoint(path: Path, songs: Sequence[str] = ()) -> tuple[PublishedDecoder, dict[str, Any]]:
    """Build a decoder from a checkpoint of the authors' public code.

    Parameters
    ----------
    path : Path
        The file.
    songs : sequence of str
        Names of the classes, in order; by default those of NMED-T if there are ten classes.

    Returns
    -------
    PublishedDecoder
        In eval mode.
    dict
        Epoch, step and version of Lightning, as far as the file has them.

    Raises
    ------
    MissingInput
        The file does not exist.
    UnusableData
        The file cannot be read safely, or its weights do not fit.
    WrongUsage
        The number of song names differs from the number of classes.
    """
    content = _read(path)
    state = content.get("state_dict")
    if not isinstance(state, Mapping):
        raise UnusableData(f"{path} has no state_dict. {EXPECTED}.")
    weights = {name: value for name, value in state.items() if str(name).startswith(ENCODERS)}
    decoder = PublishedDecoder(_settings(path, weights, songs))
    _check(path, weights, decoder)
    decoder.load_state_dict(decoder.state_dict() | weights)
    facts = {"epoch": int, "global_step": int, "pytorch-lightning_version": str}
    return decoder.eval(), {key: content[key] for key, kind in facts.items() if type(content.get(key)) is kind}


class _Inert:
    """A stand-in for any name in a file: it accepts any arguments, keeps nothing and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


def _read(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise MissingInput(f"There is no checkpoint {path}.")
    if not zipfile.is_zipfile(path):
        raise UnusableData(f"{path} is not a checkpoint of PyTorch 1.6 or later. {EXPECTED}.")
    try:
        names = get_unsafe_globals_in_checkpoint(str(path))
        for name in names:
            _refuse_suspicious(path, name)
        # each name needs a class of its own, because classes of callbacks are keys of a dictionary
        with safe_globals([(type("Inert", (_Inert,), {}), name) for name in names]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        EOFError,
    ) as error:
        raise UnusableData(f"{path} cannot be read safely: {_first_sentence(error)}. {EXPECTED}.") from error
    if not isinstance(content, Mapping):
        raise UnusableData(f"{path} is not a checkpoint. {EXPECTED}.")
    return content


def _refuse_suspicious(path: Path, name: str) -> None:
    module = name.partition(".")[0]
    # pickles of protocol 2 name modules as Python 2 did
    if {module, IMPORT_MAPPING.get(module, module)} & sys.stdlib_module_names and name not in HARMLESS:
        raise UnusableData(
            f"{path} would have {name} called when it is read, which no checkpoint needs: it may be an attack. Nothing"
            " in it was executed. Download the file from its authors again."
        )


def _first_sentence(error: Exception) -> str:
    return " ".join(str(error).split()).partition(". ")[0][:160] or type(error).__name__


def _settings(path: Path, weights: Mapping[str, Any], songs: Sequence[str]) -> PublishedSettings:
    """Infer the kind and size of the networks from the shapes of the first and the last layer."""
    kernel, head = (weights.get(f"encoder_eeg.{name}.weight") for name in ("sequential.0", "projector1.3"))
    if not isinstance(kernel, Tensor) or not isinstance(head, Tensor) or kernel.dim() not in (3, 4) or head.dim() != 2:
        raise UnusableData(
            f"{path} lacks the first or the last layer of the EEG network (encoder_eeg.sequential.0.weight,"
            f" encoder_eeg.projector1.3.weight), or their shapes do not fit. {EXPECTED}."
        )
    kind, n_channels = ("2d", NMED_T_CHANNELS) if kernel.dim() == 4 else ("1d", kernel.shape[1])
    names = tuple(songs) or (NMED_T_SONGS if len(head) == len(NMED_T_SONGS) else ())
    if len(names) != len(head):
        reason = f"{len(names)} names were given" if songs else "only the ten songs of NMED-T have default names"
        raise WrongUsage(f"The networks in {path} have {len(head)} classes, but {reason}: name each song with --songs.")
    if len(set(names)) != len(names):
        raise WrongUsage("Two of the songs have the same name: give each class a name of its own with --songs.")
    return PublishedSettings(tuple(f"E{number}" for number in range(1, n_channels + 1)), names, kind=kind)


def _check(path: Path, weights: Mapping[str, Any], decoder: nn.Module) -> None:
    """Check names, shapes and values of weights against the networks; counters of batches may be missing."""
    needed = decoder.state_dict()
    missing = [name for name in needed if name not in weights and not name.endswith(COUNTER)]
    unknown = [name for name in weights if name not in needed]
    if missing or unknown:
        which, name = ("lacks", missing[0]) if missing else ("has, unlike the published networks,", unknown[0])
        more = len(missing or unknown) - 1
        raise UnusableData(f"{path} {which} {name}{f' and {more} more' if more else ''}. {EXPECTED}.")
    for name, value in weights.items():
        wanted = tuple(needed[name].shape)
        if not isinstance(value, Tensor) or tuple(value.shape) != wanted:
            given = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise UnusableData(f"{path}: {name} has the shape {given}, but {wanted} was expected.")
        if not value.isfinite().all() or (name.endswith("running_var") and (value < 0).any()):
            raise UnusableData(
                f"{path}: {name} holds values that cannot be weights (NaN, infinite, or a negative variance): the"
                " training failed, or the file is damaged."
            )

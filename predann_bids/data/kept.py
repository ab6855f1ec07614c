"""Read arrays that are computed once and kept in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from predann_bids.arrays import Singles
from predann_bids.errors import MissingInput, ReadOrWriteFailed, UnusableData

REMEDY = "Delete it and repeat the command: it will be made again from the audio."


def map_array(file: Path, *, n_dims: int | None = None) -> Singles:
    """Memory-map a float32 array from a file, read-only, and check its number of dimensions if one is given.

    Raises
    ------
    MissingInput
        The file does not exist.
    UnusableData
        The file is incomplete, or holds something else.
    ReadOrWriteFailed
        The file cannot be read.
    """
    try:
        array: Singles = np.load(file, mmap_mode="r")
    except FileNotFoundError as error:
        raise MissingInput(f"{file} is missing. {REMEDY}") from error
    except (ValueError, EOFError) as error:
        raise UnusableData(f"{file} is incomplete. {REMEDY}") from error
    except OSError as error:
        raise ReadOrWriteFailed(f"{file} cannot be read: {error.strerror or error}.") from error
    expected = array.ndim if n_dims is None else n_dims
    if array.ndim != expected or array.dtype != np.float32:
        raise UnusableData(f"{file} holds {array.ndim}-D {array.dtype} instead of {expected}-D float32. {REMEDY}")
    return array

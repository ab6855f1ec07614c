"""Arrays that are computed once and kept in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from predann_bids.arrays import Singles
from predann_bids.errors import MissingInput, ReadOrWriteFailed, UnusableData

REMEDY = "Delete it and repeat the command: it will be made again from the audio."


def map_array(file: Path, *, n_dims: int | None = None) -> Singles:
    """Map an array of float32, with a number of dimensions where one is given, read-only.

    Raises
    ------
    MissingInput
        There is no such file.
    UnusableData
        It is not whole, or holds something else.
    ReadOrWriteFailed
        It cannot be read.
    """
    try:
        array: Singles = np.load(file, mmap_mode="r")
    except FileNotFoundError as error:
        raise MissingInput(f"{file} is missing. {REMEDY}") from error
    except (ValueError, EOFError) as error:
        raise UnusableData(f"{file} is not whole. {REMEDY}") from error
    except OSError as error:
        raise ReadOrWriteFailed(f"{file} cannot be read: {error.strerror or error}.") from error
    expected = array.ndim if n_dims is None else n_dims
    if array.ndim != expected or array.dtype != np.float32:
        raise UnusableData(f"{file} holds {array.ndim}-D {array.dtype} instead of {expected}-D float32. {REMEDY}")
    return array

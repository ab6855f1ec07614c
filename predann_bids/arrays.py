"""Type aliases for NumPy arrays, used in all annotations."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Singles: TypeAlias = NDArray[np.float32]  # signals: stored files and the input of networks
Doubles: TypeAlias = NDArray[np.float64]  # statistics, filters, coordinates
Floats: TypeAlias = NDArray[np.floating[Any]]  # float32 or float64
Ints: TypeAlias = NDArray[np.int64]  # sample numbers, indices
Bools: TypeAlias = NDArray[np.bool_]
Strings: TypeAlias = NDArray[np.str_]

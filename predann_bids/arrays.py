"""What arrays hold: one name for each kind, used everywhere."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Singles: TypeAlias = NDArray[np.float32]  # signals, as they are stored and as networks take them
Doubles: TypeAlias = NDArray[np.float64]  # statistics, filters, coordinates
Floats: TypeAlias = NDArray[np.floating[Any]]  # either
Ints: TypeAlias = NDArray[np.int64]  # sample numbers, indices
Bools: TypeAlias = NDArray[np.bool_]
Strings: TypeAlias = NDArray[np.str_]

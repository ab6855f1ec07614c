"""Memory that is used again instead of being given back."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # names and values of <malloc.h>
LARGEST = 2**31 - 1
LARGEST_OF_OLDER = 2**25  # glibc refuses larger thresholds for mmap before version 2.35


def keep_memory() -> bool:
    """Let this process keep the memory that it frees, for as long as it lives.

    Large tensors are otherwise mapped anew each time and their pages handed out by the system one by one, which can
    take as long as the computation. It has an effect with the GNU C library alone, and is harmless elsewhere.

    Returns
    -------
    bool
        Whether it has an effect.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    mapped = mallopt(M_MMAP_THRESHOLD, LARGEST) or mallopt(M_MMAP_THRESHOLD, LARGEST_OF_OLDER)
    return bool(mapped and mallopt(M_TRIM_THRESHOLD, LARGEST))

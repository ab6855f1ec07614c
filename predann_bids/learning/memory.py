"""Make the process reuse freed memory, instead of returning it to the system."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # names and values of <malloc.h>
LARGEST = 2**31 - 1
LARGEST_OF_OLDER = 2**25  # glibc before version 2.35 rejects larger thresholds for mmap


def keep_memory() -> bool:
    """Make this process keep the memory that it frees until it ends.

    Otherwise every large tensor is mapped anew and the system hands out its pages one by one, which can take as long as
    the computation. This only has an effect with the GNU C library, and is harmless elsewhere.

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

"""Say which recordings hold the same samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from predann_bids.errors import some


def same_samples_notes(names: Sequence[str], origins: Sequence[str]) -> tuple[str, ...]:
    """Say which recordings hold the same samples, one sentence for each set of copies.

    Parameters
    ----------
    names : sequence of str
        How to call the recordings.
    origins : sequence of str
        What their samples are recognised by, in the same order; empty where that is not known.
    """
    same: dict[str, list[str]] = defaultdict(list)
    for name, origin in zip(names, origins, strict=True):
        if origin:
            same[origin].append(name)
    return tuple(
        f"{some(copies[:-1])} and {copies[-1]} hold the same samples, so all but one are copies, whose events and"
        " participant belong to other EEG. Give them their own data, or leave the copies out."
        for copies in same.values()
        if len(copies) > 1
    )

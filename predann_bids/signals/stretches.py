"""Parts of a recording that stand for the whole, for what is estimated from it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mne.io import BaseRaw

STRETCH_S = 10.0


def evenly_spaced(raw: BaseRaw, seconds: float, names: Sequence[str]) -> BaseRaw:
    """Join stretches of 10 s from all over a recording, so that work and memory do not grow with its length.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        It is not changed. Stretches that touch what an annotation calls BAD are left out, unless hardly any other is
        left.
    seconds : float
        How much to take at most.
    names : sequence of str
        Channels to take.

    Returns
    -------
    mne.io.BaseRaw
        Always a copy; a short and clean recording in full.
    """
    from mne import pick_channels, pick_info
    from mne.io import RawArray

    length = round(STRETCH_S * raw.info["sfreq"])
    most = max(1, int(seconds // STRETCH_S))
    starts = np.arange(0, raw.n_times - length + 1, length)
    clean = np.array([start for start in starts if not _touches_bad(raw, start, start + length)], dtype=int)
    if 2 * len(clean) < min(len(starts), most):
        clean = starts
    if len(clean) == len(starts) <= most:
        stretches = [(0, raw.n_times)]
    else:
        chosen = clean[np.linspace(0, len(clean) - 1, min(most, len(clean))).round().astype(int)]
        stretches = [(int(start), int(start) + length) for start in chosen]
    picks = pick_channels(raw.ch_names, list(names), ordered=True)
    data = np.concatenate([raw.get_data(picks, start, stop) for start, stop in stretches], axis=1)
    return RawArray(data, pick_info(raw.info, picks), verbose="error")


def _touches_bad(raw: BaseRaw, start: int, stop: int) -> bool:
    marked = raw.get_data(picks=[0], start=start, stop=stop, reject_by_annotation="omit", verbose="error")
    return bool(marked.shape[1] < stop - start)


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Keep what libraries would tell the user; gives the list that their warnings are added to at the end."""
    from mne.utils import use_log_level

    told: list[str] = []
    with use_log_level("error"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield told
    told.extend(dict.fromkeys(str(warning.message) for warning in caught))

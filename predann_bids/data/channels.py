"""Which channels of different recordings are the same electrode, and which all recordings have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from predann_bids.errors import UnusableData

# of the 10-20 system before 1991 (American Electroencephalographic Society)
RENAMED = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}


def electrode(name: str) -> str:
    """Name the electrode of a channel: in upper case, as it is called since 1991."""
    plain = name.strip().upper()
    return RENAMED.get(plain, plain)


def electrodes(channels: Sequence[str]) -> dict[str, str]:
    """Name the electrode of each channel, so that `CZ` and `Cz`, or `T3` and `T7`, are the same.

    Returns
    -------
    dict
        Electrode to channel. Channels of one recording that would be one electrode keep their own names.
    """
    plain = [electrode(name) for name in channels]
    counts = Counter(plain)
    return {name if counts[key] > 1 else key: name for name, key in zip(channels, plain, strict=True)}


def common_channels(
    recordings: Sequence[Sequence[str]], excluded: frozenset[str] = frozenset(), wanted: Sequence[str] = ()
) -> tuple[str, ...]:
    """Find the channels that all recordings have, or make sure that these are wanted.

    Parameters
    ----------
    recordings : sequence of sequence of str
        Channels of each.
    excluded : frozenset of str
        Channels to leave out.
    wanted : sequence of str
        Exactly these channels, in this order; empty for all.

    Returns
    -------
    tuple of str
        As the first recording calls them, in its order; or `wanted`.

    Raises
    ------
    UnusableData
        No channel is common to all recordings, or one that is wanted is missing.
    """
    left_out = {*excluded, *map(electrode, excluded)}
    known = [electrodes(channels) for channels in recordings]
    shared = set.intersection(*(set(some) for some in known)) - left_out
    channels = tuple(name for key, name in known[0].items() if key in shared)
    if not channels:
        raise UnusableData(
            "No EEG channel has the same name in all recordings and is good in all. Use --channels interpolate, which"
            " brings them to one montage."
        )
    missing = [name for key, name in electrodes(wanted).items() if key not in shared]
    if missing:
        raise UnusableData(
            f"The decoder was trained on channels that some recording lacks or has bad: {', '.join(missing)}."
            " Use --channels interpolate, or leave such recordings out with --participant-label."
        )
    return tuple(wanted) or channels


def places_of(wanted: Sequence[str], channels: Sequence[str]) -> list[int]:
    """Find where channels stand among those of a recording, whatever it calls them."""
    there: Mapping[str, str] = electrodes(channels)
    return [channels.index(there[key]) for key in electrodes(wanted)]

"""Match channels of different recordings by electrode, and find those that all recordings share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from predann_bids.errors import UnusableData

# electrode names of the 10-20 system before 1991 (American Electroencephalographic Society), and since
RENAMED = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}


def electrode(name: str) -> str:
    """Return the electrode of a channel: its name since 1991, in upper case."""
    plain = name.strip().upper()
    return RENAMED.get(plain, plain)


def electrodes(channels: Sequence[str]) -> dict[str, str]:
    """Map electrodes to channels, so that `CZ` and `Cz`, or `T3` and `T7`, are the same electrode.

    Returns
    -------
    dict
        Channel of each electrode. Channels of one recording that would be the same electrode keep their own names.
    """
    plain = [electrode(name) for name in channels]
    counts = Counter(plain)
    return {name if counts[key] > 1 else key: name for name, key in zip(channels, plain, strict=True)}


def common_channels(
    recordings: Sequence[Sequence[str]], excluded: frozenset[str] = frozenset(), wanted: Sequence[str] = ()
) -> tuple[str, ...]:
    """Find the channels that all recordings share, or check that all recordings have those that are wanted.

    Parameters
    ----------
    recordings : sequence of sequence of str
        Channels of each recording.
    excluded : frozenset of str
        Channels to leave out.
    wanted : sequence of str
        Exactly these channels, in this order; empty for all.

    Returns
    -------
    tuple of str
        `wanted` if given; else the shared channels, named and ordered as in the first recording.

    Raises
    ------
    UnusableData
        The recordings share no channel, or one that is wanted is missing.
    """
    left_out = {*excluded, *map(electrode, excluded)}
    by_electrode = [electrodes(channels) for channels in recordings]
    shared = set.intersection(*(set(names) for names in by_electrode)) - left_out
    channels = tuple(name for key, name in by_electrode[0].items() if key in shared)
    if not channels:
        raise UnusableData(
            "No EEG channel is present and good in every recording. Use --channels interpolate, which interpolates all"
            " recordings to one montage."
        )
    missing = [name for key, name in electrodes(wanted).items() if key not in shared]
    if missing:
        raise UnusableData(
            f"The decoder was trained on channels that are missing or bad in some recordings: {', '.join(missing)}."
            " Use --channels interpolate, or leave such recordings out with --participant-label."
        )
    return tuple(wanted) or channels


def indices_of(wanted: Sequence[str], channels: Sequence[str]) -> list[int]:
    """Return the indices of channels in a recording, which may use other names for the same electrodes."""
    by_electrode: Mapping[str, str] = electrodes(channels)
    return [channels.index(by_electrode[key]) for key in electrodes(wanted)]

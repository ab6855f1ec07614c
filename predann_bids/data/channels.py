"""Match channels of different recordings by electrode, and find those that all recordings share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AnySet
from dataclasses import dataclass

from predann_bids.errors import UnusableData, some
from predann_bids.signals.montage import electrode


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


@dataclass(frozen=True)
class Recorded:
    """The channels of one recording.

    Parameters
    ----------
    name : str
        What to call it in messages.
    channels : tuple of str
        All of them.
    bad : frozenset of str
        Those that must not be used.
    """

    name: str
    channels: tuple[str, ...]
    bad: frozenset[str] = frozenset()

    def good(self) -> frozenset[str]:
        """Return the electrodes of the good channels."""
        return frozenset(electrodes(self.channels)) - {*self.bad, *map(electrode, self.bad)}


def odd_ones_out(owned: Sequence[AnySet[str]]) -> tuple[int, ...]:
    """Find the few owners without whom all others have most in common.

    Those that lack most of what more than half of all own are left out one after another, as long as that makes the
    number of things in common, times the number of owners that remain, larger. Most owners always remain.

    Parameters
    ----------
    owned : sequence of set
        What each owner has, such as the channels of a recording.

    Returns
    -------
    tuple of int
        Their indices, those that lack most first; empty if nobody stands out.
    """
    counts = Counter(thing for things in owned for thing in things)
    usual = {thing for thing, number in counts.items() if number > len(owned) / 2}
    order = sorted(range(len(owned)), key=lambda index: len(usual & owned[index]))
    sizes = [
        len(frozenset.intersection(*(frozenset(owned[index]) for index in order[left_out:]))) * (len(owned) - left_out)
        for left_out in range((len(owned) - 1) // 2 + 1)
    ]
    return tuple(order[: sizes.index(max(sizes))])


def refuse_too_few_channels(recorded: Sequence[Recorded], wanted: Sequence[str] = ()) -> None:
    """Refuse recordings that share no channel, or lack one that is wanted, and say whose they are.

    Parameters
    ----------
    recorded : sequence of Recorded
        All recordings.
    wanted : sequence of str
        Channels that all must have.

    Raises
    ------
    UnusableData
        With the recordings that differ from the others, and what to do.
    """
    good = [recording.good() for recording in recorded]
    lacking = {
        name: [r.name for r, some_good in zip(recorded, good, strict=True) if key not in some_good]
        for key, name in electrodes(wanted).items()
    }
    lacked = [f"{name} ({some(names, 3)})" for name, names in lacking.items() if names]
    if lacked:
        raise UnusableData(
            f"The decoder was trained on channels that are missing or bad in some recordings: {some(lacked)}. Use"
            " --channels interpolate, or leave such recordings out with --participant-label."
        )
    if not frozenset.intersection(*good):
        raise UnusableData(f"No EEG channel is present and good in every recording. {_whose(recorded, good)}")


def _whose(recorded: Sequence[Recorded], good: Sequence[frozenset[str]]) -> str:
    odd = odd_ones_out(good)
    if not odd:
        kinds = {some_good: recording for recording, some_good in zip(recorded, good, strict=True)}
        owned = [f"{recording.name} has {_listed(recording, some_good)}" for some_good, recording in kinds.items()]
        return (
            f"{some(owned, 3)}. Use --channels interpolate, which interpolates all recordings to one montage, or"
            " --participant-label to leave recordings out."
        )
    others = frozenset.intersection(*(some_good for index, some_good in enumerate(good) if index not in odd))
    most = max(len(good[index] & others) for index in odd)
    share = f"none of the {len(others)}" if not most else f"only {most} of the {len(others)}"
    verb, it = ("has", "it") if len(odd) == 1 else ("have", "them")
    return (
        f"{some([recorded[index].name for index in odd])} {verb} {share} channels that the other"
        f" {len(good) - len(odd)} recordings have in common: {recorded[odd[0]].name} has"
        f" {_listed(recorded[odd[0]], good[odd[0]])}. Rename channels in the dataset if only the names differ, and run"
        f" the participant level again; or leave {it} out with --participant-label; or use --channels interpolate,"
        " which brings all recordings to one montage."
    )


def _listed(recording: Recorded, good: AnySet[str]) -> str:
    names = [name for key, name in electrodes(recording.channels).items() if key in good]
    bad = len(recording.channels) - len(names)
    return f"{some(names, 3) or 'no good channel'}{f' ({bad} are bad)' if bad else ''}"


def indices_of(wanted: Sequence[str], channels: Sequence[str]) -> list[int]:
    """Return the indices of channels in a recording, which may use other names for the same electrodes."""
    by_electrode: Mapping[str, str] = electrodes(channels)
    return [channels.index(by_electrode[key]) for key in electrodes(wanted)]

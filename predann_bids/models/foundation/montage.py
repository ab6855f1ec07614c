"""Bring the channels of recordings to those that a foundation model knows, by name or by interpolation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.errors import UnusableData, some
from predann_bids.signals.montage import FEWEST_SOURCES, Place, electrode, spline_weights

FEWEST = 4  # channels with which these models still work, by what their authors measured
TEN_TWENTY = tuple("FP1 FP2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T7 T8 P7 P8 FZ CZ PZ".split())


@dataclass(frozen=True)
class Heard:
    """What a model hears of a recording.

    Parameters
    ----------
    names : tuple of str
        The model's names of its channels.
    weights : ndarray, shape (heard, channels)
        Weight of each channel of the recording in each of them.
    interpolated : tuple of str
        Electrodes that the recording has not, and that are interpolated.
    unused : tuple of str
        Channels of the recording that the model does not know.
    places : tuple of (float, float, float)
        Where the model has its channels; empty if it does not ask.
    """

    names: tuple[str, ...]
    weights: Doubles
    interpolated: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()

    def notes(self, title: str) -> tuple[str, ...]:
        """Say what a reader should know of it; `title` is the name of the model."""
        if self.interpolated:
            return (
                f"{title} heard {len(self.names)} channels of its own montage. {some(self.interpolated)} were"
                " interpolated from the recorded channels by spherical splines.",
            )
        if self.unused:
            return (
                f"{title} heard {len(self.names)} channels. It does not know {some(self.unused)}, which only the"
                " closed-form part of the decoder used.",
            )
        return ()


def hear_known(title: str, known: Sequence[str], channels: Sequence[str], positions: Mapping[str, Place]) -> Heard:
    """Hear the channels that a model knows; if they are too few, 19 of the 10-20 system, interpolated.

    Parameters
    ----------
    title : str
        Name of the model, for messages.
    known : sequence of str
        Channels that it knows, in its order.
    channels : sequence of str
        Channels of the recordings.
    positions : mapping
        Head coordinates in metres, of those whose position is known.

    Raises
    ------
    UnusableData
        It knows too few, and nobody knows where the others are.
    """
    found = matched(known, channels)
    if len(found) >= FEWEST:
        weights = np.eye(len(channels))[list(found.values())]
        unused = tuple(name for index, name in enumerate(channels) if index not in found.values())
        return Heard(tuple(found), weights, unused=unused)
    return hear_all(title, TEN_TWENTY, channels, positions)


def hear_all(title: str, wanted: Sequence[str], channels: Sequence[str], positions: Mapping[str, Place]) -> Heard:
    """Hear exactly the electrodes that are wanted; what the recordings have not is interpolated.

    Parameters
    ----------
    title : str
        Name of the model, for messages.
    wanted : sequence of str
        Electrodes, in the order of the model.
    channels : sequence of str
        Channels of the recordings.
    positions : mapping
        Head coordinates in metres, of those whose position is known.

    Raises
    ------
    UnusableData
        Electrodes are missing, and nobody knows where the others are.
    """
    found = matched(wanted, channels)
    missing = [name for name in wanted if name not in found]
    rows = {name: np.eye(len(channels))[index] for name, index in found.items()}
    if missing:
        rows |= dict(zip(missing, _interpolated(title, missing, channels, positions), strict=True))
    return Heard(tuple(wanted), np.stack([rows[name] for name in wanted]), interpolated=tuple(missing))


def differences(heard: Heard, pairs: Sequence[tuple[str, str]]) -> Heard:
    """Subtract the second electrode of each pair from the first: bipolar derivations."""
    rows = dict(zip(heard.names, heard.weights, strict=True))
    weights = np.stack([rows[first] - rows[second] for first, second in pairs])
    return replace(heard, names=tuple(f"{first}-{second}" for first, second in pairs), weights=weights)


def matched(known: Sequence[str], channels: Sequence[str]) -> dict[str, int]:
    """Find the channel of each known name, in the order of the known names; upper and lower case are alike.

    An electrode with an older and a newer name is found by either, but each channel only once.
    """
    by_name = {channel.upper(): index for index, channel in reversed(list(enumerate(channels)))}
    found = {name: by_name[name.upper()] for name in known if name.upper() in by_name}
    by_newer = {electrode(channel): index for index, channel in reversed(list(enumerate(channels)))}
    for name in known:
        index = by_newer.get(electrode(name))
        if index is not None and index not in found.values():
            found[name] = index
    return {name: found[name] for name in known if name in found}


@cache
def standard_places() -> Mapping[str, Place]:
    """Return where the 10-05 system has its electrodes, by names in capitals, in head coordinates in metres."""
    from mne.channels import make_standard_montage
    from mne.channels.montage import transform_to_head

    montage = transform_to_head(make_standard_montage("colin27_1005"))
    places = montage.get_positions()["ch_pos"].items()
    return {name.upper(): (float(x), float(y), float(z)) for name, (x, y, z) in places}


def _interpolated(
    title: str, missing: Sequence[str], channels: Sequence[str], positions: Mapping[str, Place]
) -> Doubles:
    """Weights (missing, channels) of the channels in electrodes that are missing."""
    standard = standard_places()
    places = {channel: positions.get(channel, standard.get(electrode(channel))) for channel in channels}
    placed = {channel: place for channel, place in places.items() if place is not None}
    if len(placed) < max(FEWEST, FEWEST_SOURCES):
        raise UnusableData(
            f"{title} knows too few of the channels {some(channels)}: it lacks {some(missing)}, and these cannot be"
            f" interpolated, as the positions of fewer than {FEWEST} channels are known. Name the channels as the 10-20"
            " system does, or add an electrodes.tsv and run the participant level again."
        )
    weights = np.zeros((len(missing), len(channels)))
    targets = np.array([standard[electrode(name)] for name in missing])
    columns = [channels.index(channel) for channel in placed]
    weights[:, columns] = spline_weights(np.array(list(placed.values())), targets)
    return weights

"""Which channels of recordings are used that differ in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from predann_bids.bids.derivatives import Derivative
from predann_bids.data.channels import common_channels
from predann_bids.signals.brainvision import MappedRecording, read_positions
from predann_bids.signals.montage import Electrodes, Montage, Target, bring_to, choose_target, known_positions
from predann_bids.workflows.group.inputs.notes import bad_channel_notes, channel_notes, montage_notes


@dataclass(frozen=True)
class ChosenChannels:
    """Which channels are used.

    Parameters
    ----------
    excluded : frozenset of str
        Channels not to use: bad in some recording.
    wanted : tuple of str
        Exactly these channels; empty for all that recordings have in common.
    montage : Montage, optional
        What all recordings are brought to, in place of the channels that they have in common.
    notes : tuple of str
        What the report has to say of it.
    """

    excluded: frozenset[str]
    wanted: tuple[str, ...]
    montage: Montage | None
    notes: tuple[str, ...]


def choose_channels(
    derivatives: Sequence[Derivative],
    recordings: Sequence[MappedRecording],
    how: Literal["common", "interpolate", "all"],
    target: Target | None = None,
) -> ChosenChannels:
    """Choose the channels that all recordings have, or a montage that all are brought to.

    Parameters
    ----------
    derivatives, recordings : sequence
        The same recordings, one for one.
    how : {"common", "interpolate", "all"}
        Those that are good in all recordings, a montage, or also those that are bad in some.
    target : Target, optional
        What a decoder wants that was trained elsewhere.

    Raises
    ------
    UnusableData
        No channel is common to all recordings, one that is wanted is missing, or channels cannot be interpolated, as
        positions are not known.
    """
    bad = [frozenset(_bad_channels(derivative)) for derivative in derivatives]
    wanted = target.channels if target else ()
    if how != "interpolate":
        excluded = frozenset[str]().union(*bad) if how == "common" else frozenset[str]()
        theirs = [recording.channels for recording in recordings]
        common_channels(theirs, excluded, wanted)  # better refused here than when training has begun
        notes = bad_channel_notes(bad) if how == "all" else ()
        return ChosenChannels(excluded, wanted, None, (*channel_notes(theirs, excluded), *notes))
    electrodes = [
        Electrodes(derivative.name, recording.channels, read_positions(derivative.paths.header), some)
        for derivative, recording, some in zip(derivatives, recordings, bad, strict=True)
    ]
    if target:  # a checkpoint may not know where its electrodes lay, while recordings with the same names do
        target = Target(wanted, {**known_positions(wanted, electrodes), **target.positions})
    montage = bring_to(target or choose_target(electrodes), electrodes)
    return ChosenChannels(frozenset(), (), montage, montage_notes(montage))


def _bad_channels(derivative: Derivative) -> list[str]:
    steps = derivative.sidecar.get("PreprocessingSteps", [])
    mended = {name for step in steps if step["Name"] == "interpolation" for name in step.get("channels", ())}
    return [name for name in derivative.sidecar.get("BadChannels", []) if name not in mended]

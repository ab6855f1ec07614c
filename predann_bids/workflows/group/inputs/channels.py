"""Which channels of recordings are used that differ in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from predann_bids.bids.derivatives import Derivative
from predann_bids.data.channels import Recorded, refuse_too_few_channels
from predann_bids.errors import UnusableData, some
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
        left_out = bad if how == "common" else [frozenset[str]()] * len(bad)
        recorded = [
            Recorded(name, recording.channels, unusable)
            for name, recording, unusable in zip(names_of(derivatives), recordings, left_out, strict=True)
        ]
        refuse_too_few_channels(recorded, wanted)  # better refused here than when training has begun
        notes = bad_channel_notes(names_of(derivatives), bad) if how == "all" else ()
        excluded = frozenset[str]().union(*left_out)
        return ChosenChannels(excluded, wanted, None, (*channel_notes(recorded), *notes))
    electrodes = [
        Electrodes(name, recording.channels, read_positions(derivative.paths.header), unusable)
        for name, derivative, recording, unusable in zip(
            names_of(derivatives), derivatives, recordings, bad, strict=True
        )
    ]
    if target:  # a checkpoint may not know where its electrodes lay, while recordings with the same names do
        target = Target(wanted, {**known_positions(wanted, electrodes), **target.positions})
    montage = bring_to(target or choose_target(electrodes), electrodes)
    return ChosenChannels(frozenset(), (), montage, montage_notes(montage, names_of(derivatives)))


def names_of(derivatives: Sequence[Derivative]) -> list[str]:
    """Return what to call recordings in messages: the participant, if that says which one is meant."""
    counts = Counter(derivative.participant for derivative in derivatives)
    return [f"sub-{d.participant}" if counts[d.participant] == 1 else d.name for d in derivatives]


def refuse_different_rates(derivatives: Sequence[Derivative], recordings: Sequence[MappedRecording]) -> None:
    """Refuse recordings of different sampling rates, and say whose they are.

    Raises
    ------
    UnusableData
        With the recordings that have another rate than most.
    """
    counts = Counter(recording.rate_hz for recording in recordings)
    if len(counts) == 1:
        return
    usual = counts.most_common(1)[0][0]
    pairs = zip(names_of(derivatives), recordings, strict=True)
    odd = [f"{name} ({recording.rate_hz:g} Hz)" for name, recording in pairs if recording.rate_hz != usual]
    raise UnusableData(
        f"The derivatives have different sampling rates: {some(odd)}, all others {usual:g} Hz. Run the participant"
        " level again with one --resample, or leave these recordings out with --participant-label."
    )


def refuse_cut_off(derivatives: Sequence[Derivative], recordings: Sequence[MappedRecording]) -> None:
    """Refuse derivatives whose data do not last as long as their sidecars say, for music would be missing.

    Raises
    ------
    UnusableData
        With the first of them.
    """
    for derivative, recording in zip(derivatives, recordings, strict=True):
        seconds = len(recording.data) / recording.rate_hz
        stated = float(derivative.sidecar.get("RecordingDuration", seconds))
        if abs(stated - seconds) * recording.rate_hz > 1:
            raise UnusableData(
                f"{derivative.paths.header} lasts {seconds:g} s, but {stated:g} s by its sidecar: its data were cut off"
                " or exchanged. Run the participant level again."
            )


def _bad_channels(derivative: Derivative) -> list[str]:
    steps = derivative.sidecar.get("PreprocessingSteps", [])
    mended = {name for step in steps if step["Name"] == "interpolation" for name in step.get("channels", ())}
    return [name for name in derivative.sidecar.get("BadChannels", []) if name not in mended]

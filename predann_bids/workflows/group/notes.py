"""What a report has to say of the data before any result."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from predann_bids.config import Science, resolve
from predann_bids.config import Windows as Config
from predann_bids.data.channels import electrode, electrodes
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import Windows, grid
from predann_bids.models.decoder import DECODERS
from predann_bids.report.text import count
from predann_bids.signals.montage import Montage
from predann_bids.timing import Rate

FEW_CHANNELS = 4


def channel_notes(channels: Sequence[Sequence[str]], excluded: frozenset[str]) -> tuple[str, ...]:
    """Tell how many channels are left of recordings' that differ, and what to do where these are few."""
    sets = [set(electrodes(some)) for some in channels]
    every, used = set.union(*sets), set.intersection(*sets) - {*excluded, *map(electrode, excluded)}
    if every == used:
        return ()
    smallest = min(map(len, sets))
    few = len(used) < min(smallest, max(FEW_CHANNELS, smallest / 2))
    advice = " --channels interpolate brings all recordings to the channels that most of them have." if few else ""
    return (
        f"Of {len(every)} channels, only the {len(used)} were used that all recordings have and that are good in all."
        f"{advice}",
    )


def bad_channel_notes(bad: Sequence[Collection[str]]) -> tuple[str, ...]:
    """Tell that channels were used that are bad in some recording."""
    number = len(set().union(*bad))
    if not number:
        return ()
    recordings = count(sum(bool(some) for some in bad), "recording")
    return (f"Used all the same, as published: {count(number, 'channel')} marked as bad in {recordings}.",)


def montage_notes(montage: Montage) -> tuple[str, ...]:
    """Tell how many channels were interpolated."""
    numbers = [number for number in montage.interpolated if number]
    if not numbers:
        return ()
    least, most = min(numbers), max(numbers)
    several = f"{least} to {most}" if least < most else f"{most}"
    return (
        f"All recordings were brought to one montage of {len(montage.target.channels)} channels: in {len(numbers)} of"
        f" {count(len(montage.fills), 'recording')}, {several} of them were interpolated by spherical splines.",
    )


def window_notes(trials: Sequence[Trial], labels: Sequence[str], windows: Config, rate: Rate) -> tuple[str, ...]:
    """Tell how much was left out because its EEG is bad, and which participants and songs lost everything."""
    if not any(trial.bad for trial in trials):
        return ()
    before, after = windows_before_and_after(trials, windows, rate)
    bad, whole = sum(span.length for trial in trials for span in trial.bad), sum(trial.length for trial in trials)
    notes = [
        "Windows whose EEG touches what annotations call bad, or a place where a recording was cut, were neither"
        f" trained nor tested on: {len(before) - len(after)} of {len(before)} windows. Of the EEG during music"
        f" {100 * bad / whole:.2g} % is bad ({rate.seconds(bad):.1f} s)."
    ]
    lost = len(set(before.trial.tolist()) - set(after.trial.tolist()))
    if lost:
        notes.append(f"No window is left of {count(lost, 'presentation')}.")
    people = set(before.participants(trials)) - set(after.participants(trials))
    songs = set(before.stimuli(trials).tolist()) - set(after.stimuli(trials).tolist())
    notes += [f"No window is left of sub-{name}." for name in sorted(people)]
    notes += [f"No window is left of '{labels[song]}', which is a candidate all the same." for song in sorted(songs)]
    return tuple(notes)


def windows_before_and_after(trials: Sequence[Trial], windows: Config, rate: Rate) -> tuple[Windows, Windows]:
    """Enumerate all windows, and those whose EEG touches nothing bad."""
    length, stride = rate.samples(windows.length), rate.samples(windows.stride)
    stretches = [Stretch.of(trials, index) for index in range(len(trials))]
    before = grid([replace(stretch, bad=()) for stretch in stretches], length, stride)
    return before, grid(stretches, length, stride)


def preset_notes(science: Science, *, trained: bool = True) -> tuple[str, ...]:
    """Say where the derivatives are not as the preset asks, and what a run leaves out.

    Parameters
    ----------
    science : Science
        Configuration, with the preprocessing of the derivatives.
    trained : bool
        Whether decoders are trained here, and not given.
    """
    notes = []
    wanted, made = resolve(preset=science.preset).preprocessing, science.preprocessing
    differing = [name for name in type(made).model_fields if getattr(made, name) != getattr(wanted, name)]
    if differing and science.preset != "default":  # which is no protocol that one could depart from
        notes.append(
            f"The derivatives were not made as published: they differ in {', '.join(differing)}. Run the participant"
            f" level with --preset {science.preset} as well."
        )
    if not science.splitting.validation and trained:
        notes.append(
            "There is no validation set: as published, the progress of training is shown on the test data. They are not"
            " used to choose anything; the decoders are those of the last epoch."
        )
    if science.evaluation.probe and not DECODERS[science.training.encoders].can_be_probed:
        notes.append(
            f"What the network uses was not measured, as the networks '{science.training.encoders}' cannot match single"
            " moments."
        )
    return tuple(notes)


def order_notes(trials: Sequence[Trial]) -> tuple[str, ...]:
    """Warn when the place in the session is the song: then no split between people tells one from the other."""
    orders: dict[int, list[tuple[int, int]]] = {}
    for trial in trials:
        orders.setdefault(trial.recording, []).append((trial.onset, trial.stimulus))
    heard = {tuple(stimulus for _, stimulus in sorted(order)) for order in orders.values()}
    if len(orders) < 2 or len(heard) > 1 or len(set(next(iter(heard)))) < 2:
        return ()
    return (
        "In all recordings the songs were heard in the same order. What changes in everybody over a session, such as"
        " drowsiness or drying electrodes, then marks the song as well as its music does: which song it was does not"
        " part the two, not even on people never seen.",
    )
